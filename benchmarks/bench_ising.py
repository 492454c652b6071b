"""Exact log Z by enumeration: against NumPy in chunks, and with each further spin."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from benchmarks import machine
from benchmarks.timing import Row, duration, medians, seconds
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


def rows() -> Iterator[Row]:
    """Compare, and double."""
    J, h = _model(24)
    assert np.isclose(ising.log_partition(J, h), _numpy_log_partition(J, h), rtol=1e-12)
    ours, split = medians(
        [lambda: ising.log_partition(J, h), lambda: _numpy_log_partition(J, h)],
        3,
    )
    plain = seconds(lambda: _numpy_plain(J, h))
    yield Row(
        "exact log Z, 24 spins, dense J",
        "NumPy enumeration in chunks",
        plain / ours,
        20,
        f"{duration(ours)} against {duration(plain)}; {ours / 2**24 * 1e9:.2f} ns a state",
        f"Arithmetic: a state costs two additions, a maximum and an exp of some 20 operations in "
        f"float64, {24 * 2**24 / ours / 1e9:.0f} GFLOP/s; "
        f"half of the float32 rate of matrix products would be "
        f"{machine.sgemm_rate(1500, 1500, 1500) / 2e9:.0f}. The tables of 2^10 states "
        "(16 KiB) stay in the first cache, so nothing is read from memory.",
    )
    yield Row(
        "exact log Z, 24 spins, dense J",
        "NumPy in chunks, half of the energy shared between states",
        split / ours,
        None,
        f"{duration(ours)} against {duration(split)}",
    )
    yield _doubling()


def _doubling() -> Row:
    sizes = (20, 21, 22, 23, 24, 25, 26)
    models = [_model(n) for n in sizes]
    times = medians([lambda model=model: ising.log_partition(*model) for model in models], 7)
    steps = [later / earlier for earlier, later in itertools.pairwise(times)]
    growth = (times[-1] / times[0]) ** (1 / (len(sizes) - 1))
    return Row(
        "exact log Z from 20 to 26 spins",
        "twice the time a spin (two over the mean factor)",
        2 / growth,
        1 / 1.1,
        f"{growth:.3f} times a spin on average; steps {', '.join(f'{step:.2f}' for step in steps)}",
        "Work doubles exactly; what a call costs beside it, some tens of microseconds, tells only at the small end.",
    )
