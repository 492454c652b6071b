"""What the grader asks of a submission: run this cell, call that function, copy the state.

Every wait has a deadline, every message a bound. Whatever the student's process does, a method here returns in time
or raises `SessionLost`; what arrives is plain data.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from autograder.check import Outcome
from autograder.sandbox import outputs
from autograder.sandbox.connection import Closed, Connection
from autograder.sandbox.inside import channel
from autograder.sandbox.inside.channel import ChannelError, Source
from autograder.sandbox.limits import Limits

FORK_SECONDS = 10.0
MAX_ERROR = 200
MAX_MESSAGE = 3000
"""Characters of an exception's name and message; the session cuts them shorter already."""
ENDED = "its process ended"
BROKEN = "its process broke the answer format"

_CRASHES = {
    -signal.SIGSEGV: "segmentation fault",
    -signal.SIGABRT: "abort",
    -signal.SIGBUS: "bus error",
    -signal.SIGFPE: "arithmetic fault",
    -signal.SIGILL: "illegal instruction",
    -signal.SIGKILL: "killed",
    -signal.SIGXCPU: "processor time used up",
}

CLOSED = "its process closed the connection"
UNEXPLAINED = (ENDED, CLOSED, f"{ENDED} ({_CRASHES[-signal.SIGKILL]})")
"""How it looks when somebody else killed the process, or the fork server: the kernel when memory is short, a person."""


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


class Submission:
    """The open sessions of a submission, and what the fork server can do to its processes."""

    def __init__(self, limits: Limits, ask_server: Callable[..., dict[str, Any]]) -> None:
        self.limits = limits
        self.sessions: list[Session] = []
        self.killed = (
            False  # something ended a process of it, and neither its code nor a limit is known to have
        )
        self._ask_server = ask_server

    def open(self, sock: socket.socket, parent: Session | None, pid: int) -> Session:
        """A session over our end of its socket; `pid` is its process as its own namespace counts."""
        connection = Connection(sock, self.limits.message_bytes, lambda: self._waited(pid))
        session = Session(self, connection, parent, pid)
        self.sessions.append(session)
        return session

    def drop(self, session: Session) -> None:
        """Count a session as closed."""
        if session in self.sessions:
            self.sessions.remove(session)

    def prune(self) -> None:
        """Kill every process of the submission that is none of the open sessions."""
        self._ask_server("prune", [session.pid for session in self.sessions])

    def look(self, pid: int) -> dict[str, Any]:
        """Whether a process is "running", for how long it has "waited" for a processor, and the "reason" if it was killed."""
        return self._ask_server("look", pid)

    def _waited(self, pid: int) -> float | None:
        answer = self.look(pid)
        return answer["waited"] if answer.get("running") else None

    def close(self) -> None:
        """Close every session."""
        for session in list(self.sessions):
            session.close()


class Session:
    """A process of the submission: a state of the notebook that can be run on, asked, and copied."""

    def __init__(
        self, submission: Submission, connection: Connection, parent: Session | None, pid: int
    ) -> None:
        self.pid = pid
        self._submission = submission
        self._connection = connection
        self._parent = parent
        self._lost = ""

    def fork(self) -> Session:
        """A copy of this state, in a process of its own.

        Raises
        ------
        SessionLost
            If this session's process is gone or cannot be copied.
        """
        for _ in range(2):
            ours, theirs = socket.socketpair()
            try:
                answer = self._ask(("fork",), FORK_SECONDS, theirs.fileno())
            except SessionLost:
                ours.close()
                raise
            finally:
                theirs.close()
            pid = answer.get("pid")
            if type(pid) is int and 0 < pid < 2**31:
                return self._submission.open(ours, self, pid)
            ours.close()
            self._submission.prune()  # what runs in the background may be in the way
        raise SessionLost("its state could not be copied: it uses too many processes, files or memory")

    def run(self, source: str, filename: str, seconds: float) -> RunResult:
        """Run a cell.

        Parameters
        ----------
        filename
            Name of the cell in tracebacks, "<entropy>".

        Raises
        ------
        SessionLost
            If the process does not answer in time, dies or breaks the protocol; this session cannot be used any
            more.
        """
        source = source.encode("utf-8", "replace").decode()  # a notebook can hold what is no valid Unicode
        answer = self._ask(("run", source, filename), seconds)
        try:
            shown = outputs.rebuild(answer.get("outputs"), self._submission.limits)
        except ChannelError:
            raise self._lose(BROKEN) from None
        errors = [output["ename"] for output in shown if output["output_type"] == "error"]
        return RunResult(shown, f"stopped with {_exception_name(errors[0])}" if errors else "")

    def call(self, function: str, args: tuple[Any, ...], seconds: float) -> Outcome:
        """Call one of the student's functions with plain data; a `Source` becomes a function there."""
        try:
            sent = [channel.encode(value, sources=True) for value in args]
            answer = self._ask(("call", function, sent), seconds)
            try:
                return _outcome(answer, args, sent)
            except ChannelError:
                raise self._lose(BROKEN) from None
        except SessionLost as lost:
            return Outcome("timeout" if lost.timeout else "died", error=lost.reason)

    def close(self) -> None:
        """End the session. Its process sees that and goes; one that does not is killed with the submission."""
        self._connection.close()
        self._submission.drop(self)
        self._lost = self._lost or "it was closed"

    def _ask(self, request: tuple[Any, ...], seconds: float, descriptor: int | None = None) -> dict[str, Any]:
        if self._lost:
            raise SessionLost(self._lost)
        try:
            return self._connection.ask(request, seconds, descriptor)
        except TimeoutError:
            raise self._lose(f"stopped after {seconds:.3g} s", timeout=True) from None
        except ChannelError:
            raise self._lose(BROKEN) from None
        except Closed:
            raise self._lose(ENDED) from None

    def _lose(self, reason: str, *, timeout: bool = False) -> SessionLost:
        """Make sure that the process is gone, and find out why it went."""
        self._connection.close()
        self._submission.drop(self)
        if reason == ENDED:  # asked before anything is killed here
            reason = self._submission.look(self.pid).get("reason") or self._exit_reason()
            self._submission.killed |= reason in UNEXPLAINED
        self._submission.prune()
        self._lost = reason
        return SessionLost(reason, timeout=timeout)

    def _exit_reason(self) -> str:
        """What the parent process knows of this one's end; it is not trusted, so only a number counts."""
        if self._parent is None or self._parent._lost:
            return ENDED
        for _ in range(10):
            try:
                answer = self._parent._connection.ask(("wait", self.pid), FORK_SECONDS)
            except (TimeoutError, ChannelError, Closed):
                return ENDED  # whoever asks the parent next finds out what is wrong with it
            status = answer.get("status")
            if type(status) is int:
                if status < 0:
                    return f"{ENDED} ({_CRASHES.get(status) or f'signal {-max(status, -64)}'})"
                return f"{ENDED} (exit status {min(status, 255)})"
            time.sleep(0.01)
        return CLOSED


def _outcome(answer: dict[str, Any], args: tuple[Any, ...], sent: list[bytes]) -> Outcome:
    """The outcome that a session reports of a call with these arguments, which were `sent` so encoded.

    Raises
    ------
    ChannelError
        If it is not what the session's own code would have sent.
    """
    kind = answer.get("kind")
    error, message = answer.get("error", ""), answer.get("message", "")
    if (
        type(error) is not str
        or type(message) is not str
        or len(error) > MAX_ERROR
        or len(message) > MAX_MESSAGE
    ):
        raise ChannelError("an error that is no short text")
    if kind == "missing":
        return Outcome(kind, error=error)
    after = _arguments_after(answer.get("after"), args, sent)
    if kind == "value":
        return Outcome(kind, value=_decoded(answer.get("value")), arguments_after=after)
    if kind in ("raised", "wrong_type"):
        return Outcome(kind, error=error, message=message, arguments_after=after)
    raise ChannelError("an unknown kind of outcome")


def _arguments_after(items: Any, args: tuple[Any, ...], sent: list[bytes]) -> tuple[Any, ...]:
    if type(items) is not list or len(items) != len(args):
        raise ChannelError("not the arguments that were given")
    return tuple(map(_argument_after, items, args, sent))


def _argument_after(item: Any, given: Any, sent: bytes) -> Any:
    if isinstance(given, Source) or (type(item) is bytes and item == sent):
        return given
    return WrongType(item[:MAX_ERROR]) if type(item) is str else _decoded(item)


def _decoded(data: Any) -> Any:
    if type(data) is not bytes:
        raise ChannelError("a value that is not encoded")
    return channel.decode(data)


def _exception_name(text: str) -> str:
    return text[:100] if text.isidentifier() else "an error"
