"""Our end of a socket to a process in the sandbox: requests and answers with deadlines, bounds and nonces."""

from __future__ import annotations

import secrets
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from autograder.sandbox.inside import channel
from autograder.sandbox.inside.channel import ChannelError

LOOK_SECONDS = 0.5
"""How often to look whether a process that does not answer is still there: another may hold its socket open."""

MOST_PATIENCE = 2.0
"""Time that a process waits for a processor is not its own: it may have this many times its limit on top for it, on a busy machine."""


class Closed(Exception):
    """The other side has closed its end."""


class Connection:
    """Our end of a socket pair: requests and answers with deadlines, bounds and nonces."""

    def __init__(
        self, sock: socket.socket, max_bytes: int, waited: Callable[[], float | None] = lambda: 0.0
    ) -> None:
        """`waited` tells for how many seconds the other side was kept from running, None if it is gone."""
        self._socket = sock
        self._max_bytes = max_bytes
        self._waited = waited
        self._arrived = bytearray()  # and belongs to no message yet
        sock.setblocking(False)

    def ask(self, request: tuple[Any, ...], seconds: float, descriptor: int | None = None) -> dict[str, Any]:
        """Send a request, which is the name of an operation and what it takes, and wait for its answer.

        Raises
        ------
        TimeoutError, ChannelError, Closed
        """
        deadline = Deadline(seconds)
        nonce = secrets.token_bytes(channel.NONCE_BYTES)
        self._send(channel.frame(channel.encode(request, sources=True), nonce), descriptor, deadline)
        return self.receive(deadline, nonce)

    def receive(self, deadline: Deadline, nonce: bytes = channel.NO_NONCE) -> dict[str, Any]:
        """Wait for a message with this nonce.

        Raises
        ------
        TimeoutError, ChannelError, Closed
        """
        header = self._receive(channel.HEADER_BYTES, deadline)
        length, its_nonce = channel.read_header(header, self._max_bytes)
        payload = self._receive(length, deadline)
        if its_nonce != nonce:
            raise ChannelError("an answer that does not belong to the question")
        answer = channel.decode(payload)
        if type(answer) is not dict:
            raise ChannelError("an answer that is no dict")
        return answer

    def close(self) -> None:
        """Close our end."""
        self._socket.close()

    def _send(self, data: bytes, descriptor: int | None, deadline: Deadline) -> None:
        view = memoryview(data)
        ancillary = (
            []
            if descriptor is None
            else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptor.to_bytes(4, sys.byteorder))]
        )
        while view:
            deadline.check()
            try:
                sent = self._socket.sendmsg([view], ancillary, socket.MSG_NOSIGNAL)
            except (BlockingIOError, InterruptedError):
                self._wait(select.POLLOUT, deadline)
                continue
            except OSError as error:
                raise Closed from error
            ancillary = []
            view = view[sent:]

    def _receive(self, size: int, deadline: Deadline) -> bytes:
        # recv, not recvmsg: file descriptors that the other side might attach are then closed by the kernel.
        data = self._arrived
        while len(data) < size:
            self._wait(select.POLLIN, deadline)
            try:
                part = self._socket.recv(max(channel.READ_BYTES, min(size - len(data), 2**20)))
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise Closed from error
            if not part:
                raise Closed
            data += part
        self._arrived = data[size:]
        return bytes(data[:size])

    def _wait(self, event: int, deadline: Deadline) -> None:
        poll = select.poll()
        poll.register(self._socket, event)
        while True:
            left = deadline.left()
            if left <= 0:
                raise TimeoutError
            if poll.poll(min(left, LOOK_SECONDS) * 1000):
                return
            waited = self._waited()
            if waited is None:
                raise Closed
            deadline.excuse(waited)


class Deadline:
    """The end of a wait, which moves when the other side was kept from running."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._first: float | None = None
        self._excused = 0.0

    def left(self) -> float:
        """Seconds until the end."""
        return self._end + self._excused - time.monotonic()

    def check(self) -> None:
        """Raise TimeoutError after the end."""
        if self.left() <= 0:
            raise TimeoutError

    def excuse(self, waited: float) -> None:
        """Take into account how long the other side has waited for a processor, in all its life."""
        if self._first is None:
            self._first = waited
        self._excused = min(waited - self._first, MOST_PATIENCE * self._seconds)
