"""What several exercises on EM share: random instances, tolerances."""

from __future__ import annotations

import numpy as np

RTOL, ATOL = 1e-5, 1e-6
TOLERANCE_REASON = "double precision is good to 1e-11 here; float32 arithmetic on float32 input carries squares near 20, rounded at 1e-6"


def random_mixture(rng: np.random.Generator, n: int, K: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a mixture whose components overlap, and means that are not yet theirs."""
    centres = 1.5 * rng.normal(size=(K, d))
    X = centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))
    return X, centres + 0.7 * rng.normal(size=(K, d))


def far_mixture(rng, n, K, d):
    """All points far from all means, in a direction that tells no component from another: none of them is certain."""
    X, means = random_mixture(rng, n, K, d)
    means[1] = means[0] + rng.uniform(0.2, 0.6, d)  # near each other, so that neither is ever alone
    X[:, 0] += rng.choice([-1, 1]) * rng.uniform(50, 70)
    means[:, 0] = 0.0
    return X, means


def far_mean(rng, n, K, d):
    """A mean far from the others, with a point of its own: a row's log weights span more than exp can hold."""
    X, means = random_mixture(rng, n, K, d)
    means[1] += rng.uniform(60, 90)
    X[2] = means[1] + rng.normal(size=d)
    return X, means


def near_and_far(rng, n, K, d):
    """One point near the means, the others far."""
    X, means = far_mixture(rng, n, K, d)
    X[rng.integers(n), 0] = 0.0
    return X, means


def random_responsibilities(rng, n, K):
    """Rows that are distributions, no two columns alike in weight."""
    return rng.dirichlet(rng.uniform(0.5, 2.0, K), size=n)
