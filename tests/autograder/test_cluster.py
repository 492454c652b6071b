"""A Dask cluster of processes of its own on loopback: what if parts of it die or have another version, and who may speak to it."""

import contextlib
import inspect
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import CancelledError
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import dask
import pytest
from distributed.comm import CommClosedError

from autograder import cluster as cluster_module
from autograder import grade_class
from autograder.cluster import ClusterLost, connect, grade_tasks, grader_digest
from autograder.course import Course
from autograder.grade_class import Stopped
from autograder.sandbox import Limits

ROOT = Path(__file__).parents[2]
DASK = Path(sys.executable).with_name("dask")
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]
pytestmark = pytest.mark.timeout(1800)  # several whole runs each, which a busy machine makes slow


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, stack, folder, *options, **environment):
        self._stack = stack
        self._log = folder / "cluster.log"
        self._environment = environment
        self.scheduler = self._start("scheduler", "--port", "0", *LOCAL, *options)
        self.workers = []

    def _start(self, *arguments, **environment):
        log = self._stack.enter_context(self._log.open("a"))
        process = subprocess.Popen(
            [DASK, *arguments],
            stdout=log,
            stderr=log,
            env={**os.environ, **self._environment, **environment},
            cwd=self._log.parent,
        )
        self._stack.callback(process.wait, 60)
        self._stack.callback(process.kill)
        return process

    def said(self, pattern):
        return re.findall(pattern, self._log.read_text())

    def address(self, tools):
        return tools.wait_until(lambda: self.said(r"Scheduler at:\s+(t\w\w://\S+)"))[0]

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


@pytest.mark.parametrize("error", [CommClosedError("in <closed TCP>"), CancelledError("task")])
@pytest.mark.parametrize("where", ["submit", "result"])
def test_a_connection_lost_within_a_call_is_the_clusters(monkeypatch, error, where):
    def lost(*args, **options):
        raise error

    future = Mock(cancelled=lambda: False, exception=lambda: None, result=lost)
    client = SimpleNamespace(
        loop=None,
        scheduler_info=lambda n_workers: {"workers": {"one": {}}},
        submit=lost if where == "submit" else lambda *args, **options: future,
    )
    monkeypatch.setattr(cluster_module, "as_completed", lambda loop: _Running())
    with pytest.raises(ClusterLost, match="the connection to the Dask scheduler was lost"):
        next(grade_tasks(client, ["a task"], Limits(), "nested"))


def test_a_scheduler_lost_before_the_first_task(waiting_class, monkeypatch):
    def lost(*args):
        raise ClusterLost("the connection was lost")

    monkeypatch.setattr(grade_class, "grade_tasks", lost)
    with pytest.raises(Stopped, match="the connection was lost; start again"):
        grade_class.grade(Course(waiting_class), "gibbs_principle", jobs=2)


class _Running(list):
    """Futures, all of which have finished."""

    def add(self, future):
        self.append(future)


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


def listening(pids):
    """Ports, with their addresses, at which any of these processes listens by TCP."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes |= set(re.findall(r"socket:\[(\d+)\]", str(link.readlink())))
    lines = (Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()).splitlines()
    rows = (line.split() for line in lines if "inode" not in line)
    found = (row[1].split(":") for row in rows if row[3] == "0A" and row[9] in inodes)
    return [(int(port, 16), address) for address, port in found]


def answer(port):
    """The first line that a port answers a request of HTTP with."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
        return connection.makefile("rb").readline()


CONNECT = """
import os, socket, sys
os.setgid(65534), os.setuid(65534)
sock = socket.socket(socket.AF_UNIX)
try:
    sock.connect(sys.argv[1])
except PermissionError:
    print("refused")
"""


def test_nobody_else_can_speak_to_a_local_cluster(tools):
    """Are its sockets in a folder that is closed to others, and does what listens on loopback beside them say nothing?"""
    others = listening([os.getpid(), *tools.descendants(os.getpid())])
    with connect(None, 1, "gibbs_principle") as client:
        assert client.submit(sum, [1, 2]).result() == 3
        parts = [client.scheduler.address, *client.scheduler_info()["workers"]]
        places = [Path(address.removeprefix("unix://")) for address in parts]
        folder = places[0].parent
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        for place in places:
            assert (place.parent, place.is_socket()) == (folder, True)
            if os.geteuid() == 0:
                other = [sys.executable, "-c", CONNECT, place]
                assert subprocess.run(other, capture_output=True, text=True, check=True).stdout == "refused\n"
        ports = set(listening([os.getpid(), *tools.descendants(os.getpid())])) - set(others)
        assert ports
        for port, address in ports:
            assert address == "0100007F"
            assert answer(port).startswith(b"HTTP/1.1 404")
    assert not folder.exists()


def test_a_cluster_with_certificates(waiting_class, tools, tmp_path, monkeypatch):
    """Is an encrypted cluster reached with the certificates that Dask's configuration names, and with these alone?"""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:3072",
        "-nodes",
        "-days",
        "365",
        "-subj",
        "/CN=grading",
    ]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    own = {
        f"{role}": {"cert": str(certificate), "key": str(key)} for role in ("scheduler", "worker", "client")
    }
    settings = {
        "distributed": {"comm": {"require-encryption": True, "tls": {"ca-file": str(certificate), **own}}}
    }
    (tmp_path / "dask").mkdir()
    (tmp_path / "dask" / "tls.yaml").write_text(json.dumps(settings))
    with contextlib.ExitStack() as stack:
        secured = Cluster(stack, tmp_path, "--protocol", "tls", DASK_CONFIG=str(tmp_path / "dask"))
        address = secured.add(tools, 1)
        assert address.startswith("tls://")
        plain = address.replace("tls", "tcp")
        monkeypatch.setattr("autograder.cluster.SCHEDULER_SECONDS", 2.0)
        refused(address, f"{address} is encrypted, which takes certificates: see distributed.comm.tls")
        refused(plain, f"no Dask scheduler answers at {plain}")
        with dask.config.set({"distributed.comm.require-encryption": True}):
            refused(plain, f"{plain} is not encrypted, and Dask's configuration asks for that")
        lost = str(tmp_path / "lost")
        with dask.config.set(
            {"distributed.comm.tls.ca-file": lost, "distributed.comm.tls.client.cert": lost}
        ):
            refused(address, "the certificates for TLS can't be read ([Errno 2] No such file or directory")
        monkeypatch.setenv("DASK_CONFIG", str(tmp_path / "dask"))
        run = tools.start(waiting_class, "--student", "cleo_partly_right", "--scheduler", address)
        code, out, err = tools.finished(run)
        assert (code, out) == (0, "gibbs_principle: 1 graded now, 7 submissions in all\n"), err


def refused(address, message):
    """Check that a connection fails with a message."""
    with pytest.raises(ConnectionError) as error, connect(address, 1, "gibbs_principle"):
        pass
    assert message in str(error.value)
