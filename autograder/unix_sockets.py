"""Dask's messages over Unix sockets in a private folder, where the kernel lets nobody but this user connect.

Dask unpickles what it is sent, and a TCP port of loopback is open to every account of the machine. A listener at
`unix://FOLDER` makes a socket in that folder. What is said over it is Dask's own TCP.
"""

from __future__ import annotations

import itertools
import os
import socket
import tempfile
import weakref
from collections.abc import Awaitable, Callable

from distributed.comm.core import BaseListener, Comm, CommClosedError, Connector
from distributed.comm.registry import Backend, backends
from distributed.comm.tcp import MAX_BUFFER_SIZE, TCP, convert_stream_closed_error
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_unix_socket
from tornado.tcpserver import TCPServer

SCHEME = "unix"
PREFIX = f"{SCHEME}://"
LONGEST_PLACE = 60
"""Bytes of the path of the folder for temporary files: the whole path of a socket may have about 100."""

_numbers = itertools.count()


def private_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that only this user may enter."""
    usual = tempfile.gettempdir()
    return tempfile.TemporaryDirectory(
        prefix="autograder-", dir=usual if len(os.fsencode(usual)) <= LONGEST_PLACE else "/tmp"
    )


class _UnixComm(TCP):
    """As Dask's own, but for the timeouts that it sets: a Unix socket knows none, as both ends are on one machine."""

    def __init__(self, stream: IOStream, local: str, peer: str, deserialize: bool) -> None:
        Comm.__init__(self, deserialize=deserialize)
        self._closed = False
        self._local_addr, self._peer_addr = local, peer
        self._extra = {}
        self.stream = stream
        self._finalizer = weakref.finalize(self, self._get_finalizer())
        self._finalizer.atexit = False
        this = weakref.ref(self)
        stream.set_close_callback(lambda: _closed(this()))


def _closed(comm: _UnixComm | None) -> None:
    if comm is not None:
        comm._closed = True


class _UnixConnector(Connector):
    async def connect(self, address: str, deserialize: bool = True, **_: object) -> _UnixComm:
        stream = IOStream(socket.socket(socket.AF_UNIX), max_buffer_size=MAX_BUFFER_SIZE)
        try:
            await stream.connect(address)
        except StreamClosedError as error:
            convert_stream_closed_error(self, error)
        return _UnixComm(stream, PREFIX, PREFIX + address, deserialize)


class _UnixListener(BaseListener):
    prefix = PREFIX

    def __init__(
        self, place: str, handle: Callable[[Comm], Awaitable[None]], deserialize: bool, allow_offload: bool = True,
        **_: object,
    ) -> None:  # fmt: skip
        super().__init__()
        folder = place.partition(":")[0]  # Dask adds a port
        self._path = os.path.join(folder, f"{os.getpid()}-{next(_numbers)}")
        self._handle = handle
        self._deserialize = deserialize
        self._allow_offload = allow_offload
        self._server: TCPServer | None = None

    async def start(self) -> None:
        self._server = TCPServer(max_buffer_size=MAX_BUFFER_SIZE)
        self._server.handle_stream = self._accepted
        self._server.add_socket(bind_unix_socket(self._path))

    def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    async def _accepted(self, stream: IOStream, _: str) -> None:
        if self._server is None:  # it was stopped meanwhile, and nobody would answer
            stream.close()
            return
        comm = _UnixComm(stream, self.listen_address, PREFIX, self._deserialize)
        comm.allow_offload = self._allow_offload
        try:
            await self.on_connection(comm)
        except CommClosedError:
            return
        await self._handle(comm)

    @property
    def listen_address(self) -> str:
        return PREFIX + self._path

    @property
    def contact_address(self) -> str:
        return self.listen_address


class _UnixBackend(Backend):
    def get_connector(self) -> Connector:
        return _UnixConnector()

    def get_listener(self, loc: str, handle_comm, deserialize: bool, **arguments: object) -> BaseListener:
        return _UnixListener(loc, handle_comm, deserialize, **arguments)

    def get_address_host(self, loc: str) -> str:
        return "127.0.0.1"

    def resolve_address(self, loc: str) -> str:
        return loc

    def get_local_address_for(self, loc: str) -> str:
        return os.path.dirname(loc)


# In every process that imports this: Dask knows no address of this kind itself.
backends[SCHEME] = _UnixBackend()
