"""What several exercises on the Gibbs variational principle share: random instances, tolerances, hints."""

from __future__ import annotations

import numpy as np

RTOL, ATOL = 1e-6, 1e-8
TOLERANCE_REASON = "float64 sums of some thousand terms are good to 1e-12 in any order; 1e-6 admits float32 arithmetic on float32 input"


def random_distribution(rng: np.random.Generator, size: int) -> np.ndarray:
    return rng.dirichlet(np.full(size, 1.5))


def distribution_with_zeros(rng: np.random.Generator, size: int) -> np.ndarray:
    q = random_distribution(rng, size)
    q[rng.choice(size, size // 2, replace=False)] = 0.0
    return q / q.sum()


RARE = np.array([0.6, 0.08993967, 0.3, 0.0095, 5e-4, 6e-5, 3.3e-7])
"""Small probabilities, of which none may be left out."""

NAN_HINT = "The logarithm of 0 was multiplied by 0, which is NaN in floating point; in the limit p log p -> 0 it counts nothing."

LOG2_HINT = "The result is in bits. The course counts in nats: which logarithm does that ask for?"


def random_log_joint(rng, size, scale=2.0, shift=-3.0):
    return shift + scale * rng.normal(size=size)
