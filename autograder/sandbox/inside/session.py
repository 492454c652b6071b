"""The loop of one session: the process in which student code runs, and from which copies of it are forked."""

from __future__ import annotations

import os
import random
import socket
import warnings
from typing import Any

import numpy as np

from .channel import Source, Unencodable, adopt, decode, encode, frame, receive, type_name
from .check import Foreign, plain
from .shell import NOTHING, Collector, Shell, safe_text

_exit = os._exit
_getpid = os.getpid


def serve(sock: socket.socket, shell: Shell, limits: dict[str, Any]) -> None:
    """Answer the grader's requests until it closes the connection; never returns."""
    children: dict[int, int | None] = {}  # copies of this process -> exit status, None while they run
    while True:
        try:
            request, nonce, descriptor = receive(sock)
        except (EOFError, OSError):
            _exit(0)
        _reap(children)
        process = _getpid()
        match request:
            case ("fork",):
                answer = _fork(descriptor)
                if answer is None:
                    sock.close()
                    sock, children = adopt(descriptor), {}
                    continue
                if "pid" in answer:
                    children[answer["pid"]] = None
                if descriptor is not None:
                    os.close(descriptor)
            case ("run", source, filename):
                answer = {"outputs": shell.run(source, filename, limits)}
            case ("call", name, args):
                answer = _call(shell, name, [decode(data, sources=True) for data in args])
            case ("wait", pid):
                answer = {"status": children.get(pid)}
        if _getpid() != process:
            _exit(0)  # the student's code forked, and the copy came back here as well
        sock.sendall(frame(encode(answer), nonce))


def _fork(descriptor: int | None) -> dict[str, Any] | None:
    """Fork; None in the child."""
    if descriptor is None:
        return {"error": "no file descriptor is free"}
    state = random.getstate()  # Python seeds this generator anew in every child
    try:
        pid = _try_fork()
    except OSError:
        _reap_everything()  # ended processes count too, until somebody has waited for them
        try:
            pid = _try_fork()
        except OSError as error:
            return {"error": os.strerror(error.errno)}
    if pid:
        return {"pid": pid}
    random.setstate(state)
    return None


def _try_fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # threads of the student's are not copied, and that is fine
        return os.fork()


def _reap(children: dict[int, int | None]) -> None:
    """Collect ended copies by their own ids, so that the student's subprocesses keep their exit status."""
    for pid, known in children.items():
        if known is not None:
            continue
        try:
            ended, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            ended, status = pid, 0  # the student's code has waited for it
        if ended:
            children[pid] = os.waitstatus_to_exitcode(status)


def _reap_everything() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def _call(shell: Shell, name: str, args: list[Any]) -> dict[str, Any]:
    """Call the student's function; what it prints goes nowhere, and warnings are none of its answer, as in check.py."""
    missing = object()
    function = shell.user_ns.get(name, missing)
    if function is missing or not callable(function):
        return {"kind": "missing", "error": "" if function is missing else type_name(function)}
    with shell.collecting(Collector(NOTHING)), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        arguments = [_callable_of(value) if type(value) is Source else value for value in args]
        try:
            answer = {"kind": "value", "value": encode(plain(function(*arguments)))}
        except Foreign as foreign:
            answer = {"kind": "wrong_type", "error": type_name(foreign.value)}
        except Unencodable as error:
            answer = {"kind": "wrong_type", "error": error.type_name}
        except BaseException as error:  # noqa: BLE001 - whatever the student's code raises is its answer
            answer = {"kind": "raised", "error": type_name(error), "message": safe_text(error)}
    answer["after"] = [_after(given, now) for given, now in zip(args, arguments, strict=True)]
    return answer


def _after(given: object, now: object) -> bytes | str | None:
    """An argument as it is after the call, or the name of its type; a function has no state that could be seen."""
    if type(given) is Source:
        return None
    try:
        return encode(now)
    except Unencodable as error:
        return error.type_name


def _callable_of(source: Source) -> object:
    namespace: dict[str, Any] = dict(source.data)
    exec(compile(source.text, f"<{source.name}>", "exec"), namespace)
    return namespace[source.name]
