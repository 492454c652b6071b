"""One sandbox for all tests: each attack must leave it fit for the next submission."""

import os
import time
from collections.abc import Callable, Iterator

import pytest

from autograder.sandbox import Limits, Sandbox, Session

LIMITS = Limits(memory=400 * 2**20, processes=60, disk=8 * 2**20, open_files=100, message_bytes=4 * 2**20)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as started:
        yield started


@pytest.fixture
def root(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.submission() as session:
        yield session
    assert left_behind(sandbox) == []
    with sandbox.submission() as session:
        result = session.fork().run(NOTHING_IS_LEFT, "<next>", 10)
    assert (result.outputs, result.error) == ([], "")


@pytest.fixture
def running(sandbox: Sandbox) -> Callable[[], list[int]]:
    """Lists the processes that run in the sandbox now, bubblewrap and the fork server included."""
    return lambda: descendants(sandbox._server.pid)


NOTHING_IS_LEFT = """
import os, tempfile
for place in ("/tmp", os.path.expanduser("~"), "/dev/shm", "."):
    assert os.listdir(place) == [], (place, os.listdir(place))
for pid in range(4, 400):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    raise AssertionError(f"process {pid} is still there")
assert 2 + 2 == 4
"""


def descendants(pid: int) -> list[int]:
    """Processes of this machine that come from a process, directly or not."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status") as file:
                    fields = dict(line.split(":", 1) for line in file)
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields["State"].split()[0] != "Z":
                parents[int(name)] = int(fields["PPid"])
    found = []
    pending = [pid]
    while pending:
        above = pending.pop()
        below = [child for child, parent in parents.items() if parent == above]
        found += below
        pending += below
    return found


def left_behind(sandbox: Sandbox) -> list[int]:
    """Processes that run in a sandbox between submissions, other than bubblewrap and the fork server."""
    deadline = time.monotonic() + 2
    while True:
        below = descendants(sandbox._server.pid)
        if len(below) <= 1 or time.monotonic() > deadline:
            return below[1:]
        time.sleep(0.01)
