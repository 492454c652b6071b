"""Timing side by side: machines are shared and noisy, so peers take turns and medians are compared."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numba

# OpenBLAS and OpenMP let idle threads spin for tens of milliseconds after their work, on a core that would be missing to
# whoever is timed next.
PAUSE = 0.1


# What is shorter than this is repeated for as long: the first call after a pause finds cold caches and sleeping threads.
SHORT = 0.1


def seconds(work: Callable[[], object]) -> float:
    """Time a call, once the threads of whoever came before have gone to sleep."""
    time.sleep(PAUSE)
    first = _seconds(work, 1)
    return first if first >= SHORT else _seconds(work, int(SHORT / first) + 1)


def _seconds(work: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def medians(works: Sequence[Callable[[], object]], repeats: int = 7) -> list[float]:
    """Median seconds of each piece of work; one call of each to warm up, then they take turns."""
    for work in works:
        work()
    times = [[seconds(work) for work in works] for _ in range(repeats)]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def medians_per_step(
    works: Sequence[Callable[[int], object]], few: int, many: int, repeats: int = 5
) -> list[float]:
    """Median seconds a step of work that takes the number of steps: what is done once cancels in the difference."""
    for work in works:
        work(few)
    steps = many - few
    times = [
        [(seconds(partial(work, many)) - seconds(partial(work, few))) / steps for work in works]
        for _ in range(repeats)
    ]
    return [statistics.median(column) for column in zip(*times, strict=True)]


@contextlib.contextmanager
def one_thread():
    """Numba's kernels on one thread: growth with size is then not blurred by what sharing out costs small work."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class Row(NamedTuple):
    """A line of the table.

    Attributes
    ----------
    work, peer : str
    ratio : float
        Above 1 where ours is faster, or within its budget.
    needed : float or None
        The least ratio aimed at.
    measured : str
        The numbers behind the ratio.
    limit : str
        What holds the work back; said once for rows of the same work.
    """

    work: str
    peer: str
    ratio: float
    needed: float | None
    measured: str
    limit: str = ""

    @property
    def falls_short(self) -> bool:
        return self.needed is not None and not self.ratio >= self.needed


def verdict(row: Row) -> str:
    """Say whether a row meets its target, if it has one."""
    if row.needed is None:
        return ""
    return "**falls short**" if row.falls_short else "met"


def duration(time: float) -> str:
    """Seconds in a unit that leaves one to three digits before the point."""
    for scale, unit in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
        if time * scale >= 1:
            return f"{time * scale:.3g} {unit}"
    return f"{time * 1e9:.3g} ns"
