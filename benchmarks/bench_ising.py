"""Exact log Z by enumeration: against NumPy in chunks, and with each further spin."""

from __future__ import annotations

import itertools

import numpy as np

from benchmarks.timing import duration, medians, row, seconds
from lectures_lib import ising


def _model(n: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    J = np.triu(rng.normal(size=(n, n)) / np.sqrt(n), 1)
    return J + J.T, rng.normal(size=n)


def _numpy_log_partition(J, h, chunk_bits: int = 16) -> float:
    """All states of the last 16 spins at once, for each state of the others."""
    n = h.size
    low = 1.0 - 2.0 * (np.arange(1 << chunk_bits)[:, None] >> np.arange(chunk_bits) & 1)
    k = n - chunk_bits
    inner = 0.5 * np.einsum("si,si->s", low @ J[k:, k:], low) + low @ h[k:]
    logs = []
    for state in range(1 << k):
        high = 1.0 - 2.0 * (state >> np.arange(k) & 1)
        exponent = inner + low @ (J[k:, :k] @ high) + 0.5 * high @ J[:k, :k] @ high + h[:k] @ high
        top = exponent.max()
        logs.append(top + np.log(np.exp(exponent - top).sum()))
    return float(np.logaddexp.reduce(logs))


def _numpy_plain(J, h, chunk: int = 1 << 16) -> float:
    """Chunks of states, each with its whole energy: the way NumPy enumerations are written."""
    n = h.size
    result = -np.inf
    for first in range(0, 1 << n, chunk):
        s = 1.0 - 2.0 * (np.arange(first, first + chunk)[:, None] >> np.arange(n) & 1)
        exponent = 0.5 * np.einsum("si,si->s", s @ J, s) + s @ h
        top = exponent.max()
        result = np.logaddexp(result, top + np.log(np.exp(exponent - top).sum()))
    return float(result)


def rows() -> list[dict]:
    """Compare, and double."""
    J, h = _model(24)
    assert np.isclose(ising.log_partition(J, h), _numpy_log_partition(J, h), rtol=1e-12)
    ours, split = medians(
        [lambda: ising.log_partition(J, h), lambda: _numpy_log_partition(J, h)],
        3,
    )
    plain = seconds(lambda: _numpy_plain(J, h))
    sizes = (20, 21, 22, 23, 24, 25, 26)
    times = medians([lambda n=n: ising.log_partition(*_model(n)) for n in sizes], 5)
    steps = [later / earlier for earlier, later in itertools.pairwise(times)]
    growth = (times[-1] / times[0]) ** (1 / (len(sizes) - 1))
    return [
        row(
            "exact log Z, 24 spins, dense J",
            "NumPy enumeration in chunks",
            plain / ours,
            20,
            f"{duration(ours)} against {duration(plain)}; {ours / 2**24 * 1e9:.1f} ns a state",
        ),
        row(
            "exact log Z, 24 spins, dense J",
            "NumPy in chunks, half of the energy shared between states",
            split / ours,
            None,
            f"{duration(ours)} against {duration(split)}",
        ),
        row(
            "exact log Z from 20 to 26 spins",
            "twice the time a spin",
            2 / growth,
            1 / 1.1,
            f"{growth:.3f} times a spin on average; steps {', '.join(f'{step:.2f}' for step in steps)}",
        ),
    ]
