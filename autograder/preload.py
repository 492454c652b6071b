"""Starts the process that this machine's workers are forked from: it has imported what they need, so they start at once."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing import forkserver, resource_tracker, util

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
    with _one_thread():
        _start(assignments)


def start_first(assignments: Iterable[str]) -> None:
    """Start it from a program that has imported nothing yet, as a copy of this process: then what both need is imported once.

    What submissions run in is started too, and before, since its imports take about as long as those of the two others.
    """
    with _one_thread():
        from autograder.sandbox import original

        original.start()
        for name in _needed_by_workers(assignments):
            with contextlib.suppress(ImportError):  # whether there is such an assignment is found out later
                importlib.import_module(name)
        resource_tracker.ensure_running()  # by the function that is replaced now
        spawn, util.spawnv_passfds = util.spawnv_passfds, _fork
        try:
            _start(assignments)
        finally:
            util.spawnv_passfds = spawn


def _start(assignments: Iterable[str]) -> None:
    forkserver.set_forkserver_preload([*_needed_by_workers(assignments), "autograder.warm"])
    forkserver.ensure_running()


def _needed_by_workers(assignments: Iterable[str]) -> list[str]:
    return [
        "autograder.light",
        "autograder.cluster",
        *(f"autograder.exercises.{name}" for name in assignments),
    ]


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _fork(path: str, arguments: Sequence[str], descriptors: Sequence[int]) -> int:
    """Stands in for the function by which Python would start the process anew: the same program runs in a copy of this one."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        _close_except(descriptors)
        exec(arguments[-1], {})  # after the options of the interpreter and "-c"
    except SystemExit:
        status = 0
    finally:  # whatever happened, this copy does not go on into the program that it was forked from
        if sys.exception():
            traceback.print_exc()
        os._exit(status)


def _close_except(descriptors: Iterable[int]) -> None:
    """Close what was opened here: above all the end of a pipe whose closing tells the process that nobody needs it any more."""
    from autograder.sandbox import original

    kept = {0, 1, 2, *descriptors, resource_tracker.getfd(), *original.descriptors()}
    for descriptor in map(int, os.listdir("/proc/self/fd")):
        if descriptor not in kept:
            with contextlib.suppress(OSError):  # that of the listing is closed already
                os.close(descriptor)
