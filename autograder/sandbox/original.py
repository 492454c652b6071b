"""The fork server that the sandboxes of this machine's workers are copied from: a copy has nothing to import, and starts at once.

Each copy is in namespaces and file systems of its own, as if bubblewrap had been started for it alone.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from typing import Any, NamedTuple

from autograder.sandbox import bubblewrap
from autograder.sandbox.limits import Limits


class _Original(NamedTuple):
    bwrap: str  # path of its bubblewrap program
    socket: socket.socket  # takes requests for copies
    process: subprocess.Popen


_original: _Original | None = None
"""Known to the process that has started it, and to those forked from that one."""


def start() -> None:
    """Start it unless it runs, with the bubblewrap that a sandbox tries first.

    Where that fails, a sandbox starts a server itself, and says why.
    """
    global _original
    if _original is not None:
        return
    found = bubblewrap.candidates()
    if not found:
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, open(os.devnull, "wb") as nowhere:
        try:
            process = bubblewrap.start(found[0], Limits(), {}, theirs.fileno(), nowhere.fileno())
        except (OSError, bubblewrap.SandboxUnavailable):
            ours.close()
            return
    _original = _Original(found[0], ours, process)


def descriptors() -> list[int]:
    """File descriptors that a process forked from this one has to keep in order to ask."""
    return [] if _original is None else [_original.socket.fileno()]


def request_copy(bwrap: str, descriptor: int, options: dict[str, Any]) -> bool:
    """Ask for a copy that serves over a socket; whether there was somebody to ask, in that bubblewrap."""
    if _original is None or _original.bwrap != bwrap:
        return False
    try:
        socket.send_fds(_original.socket, [json.dumps(options).encode()], [descriptor])
    except OSError:  # it could not start, or was killed
        return False
    return True
