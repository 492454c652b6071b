"""What several exercises on the two Kullback-Leibler divergences share: random instances, tolerances."""

from __future__ import annotations

import numpy as np

RTOL, ATOL = 1e-5, 1e-5


def random_covariance(rng: np.random.Generator, d: int, scale: float = 1.0) -> np.ndarray:
    """Moderately correlated, condition number of some ten: any way of inverting is good to ten digits."""
    A = rng.normal(size=(d, 2 * d))
    return scale**2 * (A @ A.T / (2 * d) + 0.3 * np.eye(d)) * 1.5


def units_of_axes(d):
    """Standard deviations from 1e-3 to 1e3, as of coordinates measured in different units."""
    return np.logspace(-3, 3, d)
