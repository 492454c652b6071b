"""Spreads the grading of a class over a Dask cluster: a local one by default, or one that runs already.

Workers get plain tasks and give back reports; they write nothing. Results arrive in any order and do not depend on the
number of workers.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType

import dask
from distributed import Client, LocalCluster, as_completed

from autograder import check, checks, exercises, grade, intake, rebuild
from autograder.grade import Graded, Task, failure, grade_submission
from autograder.sandbox import Limits, Sandbox

WINDOW = 4
"""Tasks a worker has in hand at once: enough to keep it busy, few enough for flat memory in a class of any size."""

SCHEDULER_SECONDS = 20.0
"""How long a running scheduler may take to answer."""


class OtherVersion(RuntimeError):
    """A worker has another version of the course than the process that asks it to grade."""


def grader_digest(assignment: str) -> str:
    """Digest of the code that decides an assignment's points: its exercises, what they import, and the checks."""
    modules = {check, checks, grade, intake, rebuild, inspect.getmodule(exercises.load)}
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
    """Modules of the reference library that a module's names come from."""
    for value in vars(module).values():
        name = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
        if isinstance(name, str) and name.startswith("lectures_lib.") and name in sys.modules:
            yield sys.modules[name]


@contextlib.contextmanager
def connect(scheduler: str | None, jobs: int) -> Iterator[Client]:
    """Connect to a running scheduler, or start a local cluster of `jobs` processes.

    Raises
    ------
    ConnectionError
        If the scheduler doesn't answer.
    """
    quiet = {
        "distributed.admin.system-monitor.gil.enabled": False,
        "distributed.worker.profile.enabled": False,
        "distributed.scheduler.allowed-failures": 2,
        "distributed.comm.timeouts.connect": "20s",
        "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1,
    }
    with dask.config.set(quiet):
        if scheduler:
            try:
                client = Client(scheduler, timeout=SCHEDULER_SECONDS, set_as_default=False)
            except (OSError, TimeoutError) as error:
                raise ConnectionError(
                    f"no Dask scheduler answers at {scheduler}: is it running, and is the address right?"
                ) from error
            with client:
                yield client
            return
        with (
            LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address=None,
                # Without a dashboard too the scheduler opens an HTTP server, on port 8787 of all addresses by default.
                scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                worker_dashboard_address=None,
                silence_logs="CRITICAL",
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client


def grade_tasks(
    client: Client, tasks: Iterable[Task], limits: Limits, isolation: str
) -> Iterator[tuple[Task, Graded]]:
    """Grade tasks on a cluster, in the order in which they finish.

    Raises
    ------
    OtherVersion
        If a worker has another version of the course.
    """
    waiting = iter(tasks)
    running = as_completed(loop=client.loop)
    task_of = {}
    workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    def submit() -> None:
        task = next(waiting, None)
        if task is not None:
            future = client.submit(_grade_on_worker, task, limits, isolation, pure=False, retries=0)
            task_of[future] = task
            running.add(future)

    for _ in range(WINDOW * workers):
        submit()
    for future in running:
        task = task_of.pop(future)
        error = future.exception()
        if isinstance(error, OtherVersion):
            raise error
        yield task, (failure(task, error) if error is not None else future.result())
        future.release()
        submit()


_sandboxes: dict[tuple[Limits, str], Sandbox] = {}
"""One fork server a worker process, kept for all the submissions that it grades."""


def _grade_on_worker(task: Task, limits: Limits, isolation: str) -> Graded:
    if not task.assignment_digest.startswith(grader_digest(task.assignment)):
        raise OtherVersion(
            "a worker has another version of the course than this process: install the same version everywhere"
        )
    key = (limits, isolation)
    if key not in _sandboxes:
        _sandboxes[key] = Sandbox(limits, isolation=isolation)
        atexit.register(_sandboxes[key].close)
    return grade_submission(task, _sandboxes[key])
