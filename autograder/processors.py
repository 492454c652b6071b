"""Divides this machine's processors among the workers of a local cluster, imported by each of them as it starts.

A worker and the sessions that it asks take turns, many times a submission. On one processor none has to wake another up, and memory
stays in its caches; and a submission that takes all it can get takes it from its own worker alone.
"""

from __future__ import annotations

import os

import dask
from distributed import Worker

WORKERS = "autograder.workers"
"""Dask's name for the number of workers, which it hands on to them with the rest of its configuration."""


def share(processors: set[int], number: int, workers: int) -> set[int]:
    """The processors of one of some workers: an equal part of all, or one of them where there are fewer than workers."""
    ordered = sorted(processors)
    if workers > len(ordered):
        return {ordered[number % len(ordered)]}
    return set(ordered[number * len(ordered) // workers : (number + 1) * len(ordered) // workers])


def dask_setup(worker: Worker) -> None:
    """Called by Dask; threads that the worker starts later, and what they start, stay on its share."""
    os.sched_setaffinity(0, share(os.sched_getaffinity(0), worker.name, dask.config.get(WORKERS)))
