"""An iteration of EM against scikit-learn's mixture of spherical Gaussians, and its growth with the number of points."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Iterator

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from benchmarks import machine
from benchmarks.timing import Row, duration, medians_per_step, one_thread
from lectures_lib import em


def rows() -> Iterator[Row]:
    """Compare and grow."""
    yield from _against_scikit_learn()
    yield _growth()


def _points(n: int, d: int, K: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(K, d)) * 3 / np.sqrt(d)
    X = centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))
    return X, X[:K].copy()


def _against_scikit_learn() -> Iterator[Row]:
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
        yield Row(
            f"EM iteration, n = {n:,}, d = {d}, K = {K}",
            "scikit-learn GaussianMixture, spherical",
            theirs / ours,
            needed,
            f"{duration(ours)} against {duration(theirs)}",
            _limit(n, d, K, ours),
        )


def _limit(n: int, d: int, K: int, time: float) -> str:
    """Operations: 3 d for a squared distance, 2 d for the sums of the M-step, about 30 for exp and "
    "normalising, each K times."""
    operations = n * K * (5 * d + 30)
    read = 8 * n * d
    return (
        f"Arithmetic: {operations / time / 1e9:.0f} GFLOP/s in float64, where "
        f"{machine.sgemm_rate(1500, 1500, 1500) / 2e9:.0f} would be half of "
        f"the float32 rate of matrix products. The points are read once an iteration, "
        f"{read / time / 1e9:.1f} GB/s, far below the "
        f"{machine.copy_rate() / 1e9:.0f} of a copy. "
        + (
            "The exponentials take most of it."
            if d < 8
            else "Distances and sums take most of it; written as matrix products they would lose digits by cancellation."
        )
    )


def _growth() -> Row:
    d, K, few, many = 2, 3, 2, 42
    sizes = (10**4, 10**5, 10**6, 10**7)
    problems = [_points(n, d, K) for n in sizes]
    works = [lambda num_iter, X=X, m=m: em.fit(X, m, max_iter=num_iter, tol=0) for X, m in problems]
    for n, work in zip(sizes, works, strict=True):
        if work(many).num_iter != many:
            raise RuntimeError(f"EM on {n} points stopped before {many} iterations")
    with one_thread():  # the sizes take turns, so that none has the machine's bad minute for itself
        times = medians_per_step(works, few, many)
    per_point = [time / n for time, n in zip(times, sizes, strict=True)]
    memory = []
    for n, (X, means) in zip(sizes, problems, strict=True):
        tracemalloc.start()
        em.fit(X, means, max_iter=1)
        memory.append(tracemalloc.get_traced_memory()[1] / n)
        tracemalloc.stop()
    flat = min(per_point) / max(per_point)
    times = ", ".join(f"{time * 1e9:.2f}" for time in per_point)
    return Row(
        "EM iteration from 10^4 to 10^7 points, one thread",
        "the same time a point (least over largest)",
        flat,
        1 / 1.3,
        f"{times} ns a point; {', '.join(f'{m:.0f}' for m in memory)} bytes a point beside the data",
        "The working set of a block of points stays in the first cache whatever n; the data stream "
        "past. Memory is linear: the "
        "responsibilities, 8 K bytes a point, are the one array that grows.",
    )
