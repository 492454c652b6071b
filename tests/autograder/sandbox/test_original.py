"""Sandboxes whose servers are copies of one: are they as far apart as if each had been started for itself?"""

import os
import subprocess
from collections.abc import Iterator

import pytest

from autograder.sandbox import Limits, Sandbox, SessionLost, original

OPEN = "import socket; door = socket.socket(socket.AF_UNIX); door.bind('\\0meeting'); door.listen()"
KNOCK = "import socket; socket.socket(socket.AF_UNIX).connect('\\0meeting')"


@pytest.fixture
def started() -> Iterator[subprocess.Popen]:
    original.start()
    process = original._original.process
    yield process
    original._original.socket.close()
    original._original = None
    process.wait(10)  # it ends with the last who could ask it


@pytest.fixture
def two(started: subprocess.Popen) -> Iterator[tuple[Sandbox, Sandbox]]:
    with Sandbox() as one, Sandbox() as other:
        assert one._server is other._server is None  # they started none
        yield one, other


def test_processes_are_apart(two: tuple[Sandbox, Sandbox]) -> None:
    """Does a server that ends all processes in its sight leave another's submission alone?"""
    one, other = two
    with one.submission() as session, other.submission() as neighbour:
        other._ask("prune", [])
        with pytest.raises(SessionLost):
            neighbour.run("1", "<cell>", 10)
        assert session.run("print(1)", "<cell>", 10).outputs[0]["text"] == "1\n"


def test_networks_are_apart(two: tuple[Sandbox, Sandbox]) -> None:
    """Is a socket without a file, which belongs to a network namespace, out of another submission's reach?"""
    one, other = two
    with one.submission() as session, other.submission() as neighbour:
        assert session.run(OPEN, "<cell>", 10).error == ""
        assert session.run(KNOCK, "<cell>", 10).error == ""
        assert neighbour.run(KNOCK, "<cell>", 10).error == "stopped with ConnectionRefusedError"


def test_files_are_apart(two: tuple[Sandbox, Sandbox]) -> None:
    """Does a submission see no file that another writes?"""
    one, other = two
    with one.submission() as session, other.submission() as neighbour:
        for place in ("/tmp", "/dev/shm", "."):
            assert session.run(f"open('{place}/mine', 'w').close()", "<cell>", 10).error == ""
            seen = neighbour.run(f"import os; print(os.listdir('{place}'))", "<cell>", 10)
            assert seen.outputs[0]["text"] == "[]\n"


def test_processors_are_those_of_who_asks(started: subprocess.Popen) -> None:
    """Does a submission run where the worker runs that asks it?"""
    before = os.sched_getaffinity(0)
    for processors in ({min(before)}, {max(before)}, before):
        os.sched_setaffinity(0, processors)
        try:
            with Sandbox() as sandbox, sandbox.submission() as session:
                (output,) = session.run("import os\nsorted(os.sched_getaffinity(0))", "<cell>", 10).outputs
        finally:
            os.sched_setaffinity(0, before)
        assert output["data"]["text/plain"] == str(sorted(processors))


def test_limits_are_those_of_the_sandbox(started: subprocess.Popen) -> None:
    """Does a copy get the limits of the sandbox that asked for it?"""
    with Sandbox(Limits(stream_bytes=3)) as sandbox, sandbox.submission() as session:
        assert session.run("print('long')", "<cell>", 10).outputs[0]["text"] == "lon"


def test_a_killed_original_is_done_without(two: tuple[Sandbox, Sandbox], started: subprocess.Popen) -> None:
    """Do sandboxes go on with servers of their own when the one that they were copied from is gone?"""
    started.kill()
    started.wait()
    for sandbox in two:
        with sandbox.submission() as session:
            assert session.run("print(1)", "<cell>", 10).error == ""
        assert sandbox._server is not None


def test_another_bubblewrap(started: subprocess.Popen) -> None:
    """Is nothing asked of an original in another bubblewrap than the sandbox's?"""
    assert not original.request_copy("/another/bwrap", 0, {})
