"""A Dask cluster of processes of its own on loopback: what happens when parts of it die, or have another version."""

import contextlib
import inspect
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.cluster import grader_digest

ROOT = Path(__file__).parents[2]
DASK = Path(sys.executable).with_name("dask")
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]
pytestmark = pytest.mark.timeout(1800)  # several whole runs each, which a busy machine makes slow


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, stack, folder):
        self._stack = stack
        self._log = folder / "cluster.log"
        self.scheduler = self._start("scheduler", "--port", "0", *LOCAL)
        self.workers = []

    def _start(self, *arguments, **environment):
        log = self._stack.enter_context(self._log.open("a"))
        process = subprocess.Popen(
            [DASK, *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, **environment},
            cwd=self._log.parent,
        )
        self._stack.callback(process.wait, 60)
        self._stack.callback(process.kill)
        return process

    def said(self, pattern):
        return re.findall(pattern, self._log.read_text())

    def address(self, tools):
        return tools.wait_until(lambda: self.said(r"Scheduler at:\s+(tcp://\S+)"))[0]

    def add(self, tools, count=1, **environment):
        """Start workers, and wait until the scheduler has them."""
        address = self.address(tools)
        arguments = ["worker", address, "--nthreads", "1", "--no-nanny", *LOCAL]
        self.workers += [self._start(*arguments, **environment) for _ in range(count)]
        tools.wait_until(lambda: len(self.said("Register worker addr")) == len(self.workers))
        return address


@pytest.fixture
def cluster(tmp_path):
    with contextlib.ExitStack() as stack:
        yield Cluster(stack, tmp_path)


def test_three_workers_of_which_one_is_killed(graded_class, waiting_class, cluster, tools):
    """Are the results to the byte those of a single worker, in whatever order they came?"""
    run = tools.start(waiting_class, "--scheduler", cluster.add(tools, 3))
    tools.wait_until(lambda: tools.num_reports(waiting_class))
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    code, out, err = tools.finished(run)
    assert (code, out) == (0, "gibbs_principle: 7 graded now, 7 submissions in all\n"), err
    assert "inside bubblewrap (3 workers)" in err
    assert tools.results(waiting_class) == graded_class.results


def test_the_scheduler_is_lost(graded_class, waiting_class, cluster, tools):
    run = tools.start(waiting_class, "--scheduler", cluster.add(tools, 1))
    tools.wait_until(lambda: tools.num_reports(waiting_class))
    cluster.scheduler.kill()
    code, _, err = tools.finished(run)
    assert code == 1
    assert "autograder: the connection to the Dask scheduler was lost; what is graded is kept" in err
    assert "Traceback" not in err
    kept = tools.num_reports(waiting_class)
    assert 1 <= kept < 7
    _, out, _ = tools.finished(tools.start(waiting_class, "--jobs", "2"))
    assert f"{7 - kept} graded now" in out
    assert tools.results(waiting_class) == graded_class.results


def test_a_worker_with_another_version(waiting_class, cluster, tools, tmp_path):
    other = tmp_path / "other"
    for package in ("autograder", "lectures_lib"):
        shutil.copytree(ROOT / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (other / "lectures_lib" / "em.py").open("a") as file:
        file.write("\n# another version\n")
    cluster.add(tools, 1)
    address = cluster.add(tools, 1, PYTHONPATH=str(other))
    code, _, err = tools.finished(tools.start(waiting_class, "--scheduler", address))
    assert code == 2
    assert re.search(r"autograder: the worker tcp://127\.0\.0\.1:\d+ has another version of the course", err)
    assert re.search(r"\(its course is [0-9a-f]{8}, not [0-9a-f]{8}\): install the same version there", err)
    assert "Traceback" not in err
    assert tools.num_reports(waiting_class) == 0


def test_a_scheduler_without_workers(waiting_class, cluster, tools):
    run = tools.start(waiting_class, "--scheduler", cluster.address(tools))
    code, _, err = tools.finished(run)
    assert (code, err) == (
        2,
        "autograder: the Dask scheduler has no workers: start some with 'dask worker', with --nthreads 1\n",
    )


@pytest.mark.parametrize(
    "name", ["autograder.exercises.em.hard_em", "autograder.exercises.em.shared", "lectures_lib.em"]
)
def test_grades_are_out_of_date_when_what_decides_them_changes(name, monkeypatch):
    before = grader_digest("em")
    source = inspect.getsource
    monkeypatch.setattr(inspect, "getsource", lambda module: source(module) + "#" * (module.__name__ == name))
    assert grader_digest("em") != before
