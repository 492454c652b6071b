"""Starts the process that this machine's workers are forked from: it has imported what they need, so they start at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from multiprocessing import forkserver

METHOD = "forkserver"
"""Python's name for this way of starting processes."""

THREADS = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Set to 1 before NumPy is imported there: a process that has threads can't be forked safely."""


def start(assignments: Iterable[str] = ()) -> None:
    """Start it, unless it runs; it also imports the exercises of assignments, where there are any."""
    names = [f"autograder.exercises.{name}" for name in assignments]
    forkserver.set_forkserver_preload(["autograder.light", "autograder.cluster", *names, "autograder.warm"])
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
