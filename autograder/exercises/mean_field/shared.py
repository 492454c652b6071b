"""What several exercises on mean field share: random instances, tolerances."""

from __future__ import annotations

import numpy as np

RTOL, ATOL = 1e-6, 1e-8
TOLERANCE_REASON = "sums of some hundred terms of order 1 are good to 1e-13 in double; 1e-6 admits float32 arithmetic on float32 input"


def random_couplings(rng: np.random.Generator, n: int, scale: float = 0.5) -> np.ndarray:
    J = scale * rng.normal(size=(n, n))
    J = np.triu(J, 1)
    return J + J.T


def random_spins(rng, n, diagonal=False):
    J = random_couplings(rng, n)
    if diagonal:
        J += np.diag(rng.normal(size=n))
    return J, rng.normal(size=n), rng.uniform(-0.95, 0.95, n)
