"""An iteration of EM against scikit-learn's mixture of spherical Gaussians, and its growth with the number of points."""

from __future__ import annotations

import tracemalloc
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from benchmarks.timing import duration, medians_per_step, one_thread, row
from lectures_lib import em


def rows() -> list[dict]:
    """Compare and grow."""
    return [*_against_scikit_learn(), *_growth()]


def _points(n: int, d: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(K, d)) * 3 / np.sqrt(d)
    X = centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))
    return X, X[:K].copy()


def _against_scikit_learn() -> list[dict]:
    result = []
    for (n, d, K), needed in (((200_000, 2, 3), 8), ((100_000, 16, 10), 6), ((50_000, 64, 10), 4)):
        X, means = _points(n, d, K)

        def peer(num_iter, X=X, means=means, K=K):
            mixture = GaussianMixture(
                K,
                covariance_type="spherical",
                means_init=means,
                weights_init=np.full(K, 1 / K),
                precisions_init=np.ones(K),
                init_params="random_from_data",
                max_iter=num_iter,
                tol=0,
                random_state=0,
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # it is stopped on purpose
                mixture.fit(X)

        ours, theirs = medians_per_step(
            [lambda num_iter, X=X, means=means: em.fit(X, means, max_iter=num_iter, tol=0), peer], 2, 12
        )
        result.append(
            row(
                f"EM iteration, n = {n:,}, d = {d}, K = {K}",
                "scikit-learn GaussianMixture, spherical",
                theirs / ours,
                needed,
                f"{duration(ours)} against {duration(theirs)}",
            )
        )
    return result


def _growth() -> list[dict]:
    d, K = 2, 3
    per_point, memory = [], []
    sizes = (10**4, 10**5, 10**6, 10**7)
    for n in sizes:
        X, means = _points(n, d, K)
        few, many = 2, 2 + max(1, 10**7 // n)
        with one_thread():
            (time,) = medians_per_step(
                [lambda num, X=X, m=means: em.fit(X, m, max_iter=num, tol=0)], few, many
            )
        per_point.append(time / n)
        tracemalloc.start()
        em.fit(X, means, max_iter=1)
        memory.append(tracemalloc.get_traced_memory()[1] / n)
        tracemalloc.stop()
    flat = min(per_point) / max(per_point)
    times = ", ".join(f"{time * 1e9:.2f}" for time in per_point)
    return [
        row(
            "EM iteration from 10^4 to 10^7 points, one thread",
            "the same time a point (least over largest)",
            flat,
            1 / 1.3,
            f"{times} ns a point; {memory[-1]:.0f} bytes a point beside the data, which are the responsibilities",
        )
    ]
