"""Spreads the grading of a class over a Dask cluster: a local one by default, or one that runs already.

Workers get plain tasks and give back reports; they write nothing. Results arrive in any order and do not depend on the
number of workers.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import importlib.metadata
import inspect
import logging
import platform
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import dask
import distributed
from distributed import Client, LocalCluster, Security, Worker, as_completed, get_worker
from distributed.comm import CommClosedError

from autograder import (
    attempt,
    check,
    checks,
    exercises,
    grade,
    intake,
    preload,
    processors,
    rebuild,
    unix_sockets,
)
from autograder.grade import Graded, Task, failure, grade_submission
from autograder.sandbox import Limits, Sandbox

WINDOW = 4
"""Tasks a worker has in hand at once: enough to keep it busy, few enough for flat memory in a class of any size."""

SCHEDULER_SECONDS = 20.0
"""How long a running scheduler may take to answer."""

PACKAGES = ("numpy", "numba", "ipython", "matplotlib")
"""What decides how numbers and figures come out, beside the course itself."""


class Version(NamedTuple):
    """What two machines must have in common so that they grade alike."""

    course: str  # digest of the source files of autograder and lectures_lib
    python: str
    packages: tuple[str, ...]

    def differences(self, other: Version) -> str:
        """Say in words what differs from another version, "" if nothing does."""
        said = []
        if self.course != other.course:
            said.append(f"its course is {self.course[:8]}, not {other.course[:8]}")
        if self.python != other.python:
            said.append(f"it has Python {self.python}, not {other.python}")
        said += [f"it has {a}, not {b}" for a, b in zip(self.packages, other.packages, strict=True) if a != b]
        return ", ".join(said)


class OtherVersion(RuntimeError):
    """A worker has another version of the course than the process that asks it to grade."""


class ClusterLost(RuntimeError):
    """The cluster was lost while it graded; what arrived before that stays."""


class NoWorkers(RuntimeError):
    """A cluster has no workers."""


FOLLOWED = ("autograder.exercises.", "lectures_lib.")
"""Packages whose modules decide what an exercise's right answers are."""


def files_digest() -> str:
    """Digest of the course's program as it is on the disk."""
    digest = hashlib.sha256()
    for package in ("autograder", "lectures_lib"):
        folder = Path(importlib.import_module(package).__file__).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


@functools.cache
def version() -> Version:
    """Return the version that this process runs."""
    packages = tuple(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    return Version(files_digest(), platform.python_version(), packages)


def grader_digest(assignment: str) -> str:
    """Digest of the code that decides an assignment's points: its exercises, what they import, and the checks."""
    modules = {attempt, check, checks, grade, intake, rebuild, inspect.getmodule(exercises.load)}
    pending = [exercises.module(assignment)]
    while pending:
        module = pending.pop()
        if module in modules:
            continue
        modules.add(module)
        pending += _course_modules(module)
    digest = hashlib.sha256()
    for module in sorted(modules, key=lambda m: m.__name__):
        digest.update(f"{module.__name__}\n{inspect.getsource(module)}".encode())
    return digest.hexdigest()


def _course_modules(module: ModuleType) -> Iterator[ModuleType]:
    """Modules of the exercises and of the reference library that a module's names come from."""
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith(FOLLOWED) and name in sys.modules:
            yield sys.modules[name]


@contextlib.contextmanager
def connect(scheduler: str | None, jobs: int, assignment: str) -> Iterator[Client]:
    """Connect to a running scheduler, or start a local cluster of `jobs` processes.

    Raises
    ------
    ConnectionError
        If the scheduler doesn't answer, or its certificates are missing.
    """
    quiet = {
        # What Dask measures of itself many times a second, in every process, for a dashboard that isn't there.
        "distributed.admin.system-monitor.gil.enabled": False,
        "distributed.admin.system-monitor.interval": "5s",
        "distributed.admin.tick.interval": "1s",
        "distributed.worker.profile.enabled": False,
        "distributed.worker.memory.monitor-interval": "1s",
        "distributed.scheduler.active-memory-manager.start": False,
        "distributed.admin.low-level-log-length": 100,  # its entries keep whole tasks, with their submissions, in memory
        "distributed.worker.multiprocessing-method": preload.METHOD,
        "distributed.scheduler.allowed-failures": 2,
        "distributed.comm.timeouts.connect": "20s",
    }
    local = {
        # Beside its sockets every part of a cluster has an HTTP server on a port of loopback: it is to say nothing.
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
        # The server that workers are forked from may have been killed: its successor has not imported this.
        "distributed.worker.preload": ["autograder.unix_sockets", "autograder.processors"],
        processors.WORKERS: jobs,
    }
    with dask.config.set(quiet), _without_tracebacks():
        if scheduler:
            _check_certificates(scheduler)
            try:
                client = Client(scheduler, timeout=SCHEDULER_SECONDS, set_as_default=False)
            except (OSError, TimeoutError, ValueError, RuntimeError) as error:
                raise ConnectionError(
                    f"no Dask scheduler answers at {scheduler}: is it running, and is the address right?"
                ) from error
            with client:
                yield client
            return
        preload.start([assignment])
        # Else Dask would have the server import other modules, and import them here first: pandas, where it is installed.
        distributed.utils._forkserver_preload_set = True
        with (
            dask.config.set(local),
            unix_sockets.private_folder() as folder,
            LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                protocol=unix_sockets.SCHEME,
                host=folder,
                dashboard_address=None,
                # Without a dashboard too the scheduler opens an HTTP server, on port 8787 of all addresses by default.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                worker_dashboard_address=None,
                silence_logs="CRITICAL",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def _check_certificates(scheduler: str) -> None:
    """Raise ConnectionError unless Dask's own configuration has what an encrypted connection takes."""
    advice = "see distributed.comm.tls in Dask's configuration, and the guide for instructors"
    try:
        certificates = Security().get_connection_args("client")
    except (OSError, ValueError) as error:
        raise ConnectionError(f"the certificates for TLS can't be read ({error}): {advice}") from error
    encrypted = scheduler.startswith("tls://")
    if encrypted and certificates["ssl_context"] is None:
        raise ConnectionError(f"{scheduler} is encrypted, which takes certificates: {advice}")
    if certificates["require_encryption"] and not encrypted:
        raise ConnectionError(
            f"{scheduler} is not encrypted, and Dask's configuration asks for that: {advice}"
        )


@contextlib.contextmanager
def _without_tracebacks() -> Iterator[None]:
    """Dask logs tracebacks about connections; what matters of them is told in a sentence."""
    logs = [
        logging.getLogger(name)
        for name in list(logging.root.manager.loggerDict)
        if name.partition(".")[0] in ("distributed", "tornado")
    ]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.setLevel(level)


def prepare(client: Client, limits: Limits, isolation: str) -> str:
    """Start a sandbox in every worker, and return in words how submissions are isolated there.

    Raises
    ------
    NoWorkers
        If the cluster has none.
    OtherVersion
        If a worker has another version of the course; the text names it.
    SandboxUnavailable
        If no sandbox can be had on a worker's machine.
    """
    answers: dict[str, Any] = client.run(_prepare_worker, limits, isolation, version(), on_error="return")
    if not answers:
        raise NoWorkers("the Dask scheduler has no workers: start some with 'dask worker', with --nthreads 1")
    for answer in answers.values():
        if isinstance(answer, Exception):
            raise answer
    counted = Counter(answers.values())
    return "; ".join(f"{text} ({count} worker{'s' * (count > 1)})" for text, count in counted.items())


def grade_tasks(
    client: Client, tasks: Iterable[Task], limits: Limits, isolation: str
) -> Iterator[tuple[Task, Graded]]:
    """Hand out tasks to a cluster, the first of them at once, and return the results in the order in which they finish.

    Raises
    ------
    OtherVersion
        If a worker that came later has another version of the course.
    ClusterLost
        If the scheduler is lost.
    """
    waiting = iter(tasks)
    running = as_completed(loop=client.loop)
    task_of = {}
    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    def submit() -> None:
        task = next(waiting, None)
        if task is not None:
            future = client.submit(
                _grade_on_worker, task, limits, isolation, version(), pure=False, retries=0
            )
            task_of[future] = task
            running.add(future)

    def results() -> Iterator[tuple[Task, Graded]]:
        with _told_if_lost():
            for future in running:
                task = task_of.pop(future)
                if future.cancelled():
                    raise CancelledError
                error = future.exception()
                if isinstance(error, OtherVersion | CancelledError):
                    raise error
                yield task, (failure(task, error) if error is not None else future.result())
                future.release()
                submit()

    with _told_if_lost():
        for _ in range(WINDOW * workers):
            submit()
    return results()


@contextlib.contextmanager
def _told_if_lost() -> Iterator[None]:
    try:
        yield
    except (CommClosedError, CancelledError) as error:
        raise ClusterLost("the connection to the Dask scheduler was lost") from error


_sandboxes: dict[tuple[Limits, str], Sandbox] = {}
"""One fork server a worker process, kept for all the submissions that it grades."""

_one_at_a_time = threading.Lock()
"""A worker may have several threads, but its sandbox serves one submission at a time."""


def _prepare_worker(limits: Limits, isolation: str, expected: Version, dask_worker: Worker) -> str:
    _check_version(expected, dask_worker.address)
    with _one_at_a_time:
        return _sandbox(limits, isolation).kind


def _grade_on_worker(task: Task, limits: Limits, isolation: str, expected: Version) -> Graded:
    _check_version(expected, get_worker().address)
    with _one_at_a_time:
        return grade_submission(task, _sandbox(limits, isolation))


def _check_version(expected: Version, address: str) -> None:
    different = version().differences(expected)
    if different:
        raise OtherVersion(
            f"the worker {address} has another version of the course ({different}): "
            "install the same version there, and start it again"
        )


def _sandbox(limits: Limits, isolation: str) -> Sandbox:
    key = (limits, isolation)
    if key not in _sandboxes:
        _sandboxes[key] = Sandbox(limits, isolation=isolation)
        atexit.register(_sandboxes[key].close)
    return _sandboxes[key]
