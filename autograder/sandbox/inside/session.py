"""The loop of one session: the process in which student code runs, and from which copies of it are forked."""

from __future__ import annotations

import gc
import os
import socket
import sys
import warnings
from typing import Any

from .channel import Source, Unencodable, adopt, encode, frame, receive, type_name
from .shell import Shell, Stream, safe_text

_exit = os._exit
_getpid = os.getpid


def serve(sock: socket.socket, shell: Shell, limits: dict[str, Any]) -> None:
    """Answer the grader's requests until it closes the connection; never returns."""
    children: set[int] = set()
    statuses: dict[int, int] = {}
    while True:
        try:
            request, descriptor = receive(sock)
        except (EOFError, OSError):
            _exit(0)
        _reap(children, statuses)
        process = _getpid()
        operation = request["op"]
        if operation == "fork":
            answer = _fork(descriptor)
            if answer is None:
                sock.close()
                sock, children, statuses = adopt(descriptor), set(), {}
                continue
            os.close(descriptor)
            children |= {answer["pid"]} if "pid" in answer else set()
        elif operation == "run":
            answer = {"outputs": shell.run(request["source"], request["filename"], limits)}
        elif operation == "call":
            answer = _call(shell, request["function"], request["args"])
        else:
            answer = {"status": _wait(request["pid"], children, statuses)}
        if _getpid() != process:
            _exit(0)  # the student's code forked, and the copy came back here as well
        sock.sendall(frame(encode(answer | {"nonce": request["nonce"]})))


def _fork(descriptor: int) -> dict[str, Any] | None:
    """Fork; None in the child."""
    gc.freeze()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # threads of the student's are not copied, and that is fine
            pid = os.fork()
    except OSError as error:
        return {"error": os.strerror(error.errno)}
    return {"pid": pid} if pid else None


def _reap(children: set[int], statuses: dict[int, int]) -> None:
    """Collect ended copies by their own ids, so that the student's subprocesses keep their exit status."""
    for pid in list(children):
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended, status = pid, 0
        if ended:
            children.discard(pid)
            statuses[pid] = os.waitstatus_to_exitcode(status)


def _wait(pid: int, children: set[int], statuses: dict[int, int]) -> int | None:
    _reap(children, statuses)
    return statuses.pop(pid, None)


def _call(shell: Shell, name: str, args: tuple[Any, ...]) -> dict[str, Any]:
    """Call the student's function; what it prints goes nowhere."""
    missing = object()
    function = shell.user_ns.get(name, missing)
    if function is missing or not callable(function):
        return {"kind": "missing", "error": "" if function is missing else type_name(function)}
    arguments = [_callable_of(a) if isinstance(a, Source) else a for a in args]
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Stream("stdout", None), Stream("stderr", None)
    try:
        answer = {"kind": "value", "value": encode(function(*arguments))}
    except Unencodable as error:
        answer = {"kind": "wrong_type", "error": error.type_name}
    except BaseException as error:  # noqa: BLE001 - whatever the student's code raises is its answer
        answer = {"kind": "raised", "error": type_name(error), "message": safe_text(error)}
    finally:
        sys.stdout, sys.stderr = before
    answer["after"] = [_after(given, now) for given, now in zip(args, arguments, strict=True)]
    return answer


def _after(given: object, now: object) -> dict[str, Any]:
    """An argument as it is after the call; a function has no state that could be seen."""
    if isinstance(given, Source):
        return {"source": True}
    try:
        return {"value": encode(now)}
    except Unencodable as error:
        return {"wrong_type": error.type_name}


def _callable_of(source: Source) -> object:
    namespace: dict[str, Any] = dict(source.data)
    exec(compile(source.text, f"<{source.name}>", "exec"), namespace)
    return namespace[source.name]
