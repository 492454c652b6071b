"""What the machine itself can do, measured in the same run: the roofs under which the kernels work."""

from __future__ import annotations

import functools

import numpy as np

from benchmarks.timing import medians


@functools.cache
def sgemm_rate(m: int, k: int, n: int) -> float:
    """Multiplications and additions a second of a float32 product (m, k) (k, n)."""
    rng = np.random.default_rng(0)
    a, b = rng.random((m, k), dtype=np.float32), rng.random((k, n), dtype=np.float32)
    out = np.empty((m, n), np.float32)
    repeats = max(1, int(2e9 / (2 * m * k * n)))

    def products():
        for _ in range(repeats):
            np.matmul(a, b, out=out)

    return 2 * m * k * n * repeats / medians([products], 5)[0]


def products_time(*shapes: tuple[int, int, int]) -> float:
    """Seconds that BLAS takes for float32 products of these shapes (m, k, n), each in a loop of its own."""
    return sum(2 * m * k * n / sgemm_rate(m, k, n) for m, k, n in shapes)


@functools.cache
def copy_rate() -> float:
    """Bytes a second, read and written, of a copy that fits no cache."""
    source = np.ones(32_000_000)
    target = np.zeros_like(source)
    return 2 * source.nbytes / medians([lambda: np.copyto(target, source)], 5)[0]


@functools.cache
def tanh_time() -> float:
    """Seconds of np.tanh for a number, in float64."""
    x = np.random.default_rng(0).normal(size=10**6)
    out = np.empty_like(x)
    return medians([lambda: np.tanh(x, out=out)], 5)[0] / x.size
