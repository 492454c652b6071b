"""Plain data over a socket: what the grader and a student's process may say to each other.

A message is a frame that holds one value in a tagged binary form, behind its length and a nonce: an answer
repeats its request's. Only exact built-in types and NumPy arrays and scalars of the number types can be
written, so nothing that a student's object claims about itself (its ``__eq__``, its ``__array__``, its
``__reduce__``) crosses over. The reader trusts nothing: whatever the bytes are, the result is a value or a
`ChannelError`.

>>> decode(encode({"mean": [1, 2.5, None]}))
{'mean': [1, 2.5, None]}
"""

from __future__ import annotations

import array
import math
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAX_DEPTH = 32
MAX_ITEMS = 200_000
"""Values in one message; bounds the memory that items of a few bytes cost the reader."""
MAX_INT_BITS = 1000
"""Below the largest double's exponent, so an int from outside never overflows when it meets a float."""
MAX_DIMENSIONS = 16

TEXT_TYPES = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml")
IMAGE_TYPES = ("image/png", "image/jpeg")
"""The representations of a displayed value that are passed on; images as base64 text."""
MAX_OUTPUTS = 200
"""Pieces of output in a cell; more come only from a program that alternates between streams."""

_NUMBERS = "?", "i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"
_DTYPES = [np.dtype(name) for name in _NUMBERS]
_DTYPE_CODES = {dtype.newbyteorder(order).str: code for code, dtype in enumerate(_DTYPES) for order in "<>"}
_EXTENDED = {"g": "<f8", "G": "<c16"}
"""Extended precision has no portable layout: it crosses as a double."""
_LENGTH = struct.Struct("<I")
_TAG_AND_LENGTH = struct.Struct("<cI")
NONCE_BYTES = 16
_HEADER = struct.Struct(f"<Q{NONCE_BYTES}s")
_DOUBLE = struct.Struct("<d")
_COMPLEX = struct.Struct("<dd")


class ChannelError(Exception):
    """The other side sent something that is no message."""


class Unencodable(Exception):
    """A value that is no plain data; `type_name` says what it is, in a student's terms."""

    def __init__(self, type_name: str) -> None:
        super().__init__(type_name)
        self.type_name = type_name


@dataclass(frozen=True)
class Source:
    """A function given as public source text, for an argument that has to be callable (a log density, say).

    The session executes `text` with the names in `data` bound and takes `name` out of it. Only the trusted
    side may send one.
    """

    name: str
    text: str
    data: dict[str, Any] = field(default_factory=dict)


def type_name(value: object) -> str:
    """Name of a value's exact type, as short printable text whatever a metaclass says."""
    name = type.__getattribute__(type(value), "__name__")
    text = name if type(name) is str else "object"
    return "".join(c if c.isidentifier() or c.isdigit() else "?" for c in text[:60]) or "?"


def encode(value: object, *, sources: bool = False) -> bytes:
    """Write a value as bytes.

    Raises
    ------
    Unencodable
        If it holds anything else than plain data, or is too large or too deep.
    """
    out = bytearray()
    _Encoder(out, sources).write(value, 0)
    return bytes(out)


class _Encoder:
    def __init__(self, out: bytearray, sources: bool) -> None:
        self.out = out
        self.items = 0
        self.sources = sources

    def write(self, value: Any, depth: int) -> None:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise Unencodable(f"structure of more than {MAX_ITEMS} values")
        if depth > MAX_DEPTH:
            raise Unencodable(f"structure of more than {MAX_DEPTH} levels")
        kind = type(value)
        writer = _WRITERS.get(kind)
        if writer is not None:
            writer(self, value, depth)
        elif kind is Source and self.sources:
            self.out += b"S"
            for part in (value.name, value.text, value.data):
                self.write(part, depth + 1)
        elif kind in _SCALAR_TYPES:
            self.out += b"s"
            self._dtype_and_data(np.asarray(value))
        else:
            raise Unencodable(type_name(value))

    def write_none(self, value: None, depth: int) -> None:
        self.out += b"N"

    def write_bool(self, value: bool, depth: int) -> None:
        self.out += b"T" if value else b"F"

    def write_int(self, value: int, depth: int) -> None:
        bits = value.bit_length()
        if bits > MAX_INT_BITS:
            raise Unencodable(f"int of {bits} bits")
        self._sized(b"i", value.to_bytes(bits // 8 + 1, "little", signed=True))

    def write_float(self, value: float, depth: int) -> None:
        self.out += b"f" + _DOUBLE.pack(value)

    def write_complex(self, value: complex, depth: int) -> None:
        self.out += b"c" + _COMPLEX.pack(value.real, value.imag)

    def write_str(self, value: str, depth: int) -> None:
        try:
            self._sized(b"u", value.encode())
        except UnicodeEncodeError:
            raise Unencodable("str that is no valid Unicode text") from None

    def write_bytes(self, value: bytes, depth: int) -> None:
        self._sized(b"b", value)

    def write_list(self, value: list, depth: int) -> None:
        self._sequence(b"l", value, depth)

    def write_tuple(self, value: tuple, depth: int) -> None:
        self._sequence(b"t", value, depth)

    def write_dict(self, value: dict, depth: int) -> None:
        self.out += _TAG_AND_LENGTH.pack(b"d", len(value))
        for key, item in list(value.items()):
            self.write(key, depth + 1)
            if not _is_key(key):
                raise Unencodable(f"dict with a key of type {type_name(key)}")
            self.write(item, depth + 1)

    def write_ndarray(self, value: np.ndarray, depth: int) -> None:
        if value.ndim > MAX_DIMENSIONS:
            raise Unencodable(f"ndarray of {value.ndim} dimensions")
        self.out += b"a"
        self._dtype_and_data(value)

    def _sized(self, tag: bytes, data: bytes) -> None:
        self.out += _TAG_AND_LENGTH.pack(tag, len(data)) + data

    def _sequence(self, tag: bytes, value: Any, depth: int) -> None:
        self.out += _TAG_AND_LENGTH.pack(tag, len(value))
        for item in value:
            self.write(item, depth + 1)

    def _dtype_and_data(self, value: np.ndarray) -> None:
        dtype = value.dtype
        code = _DTYPE_CODES.get(_EXTENDED.get(dtype.char) or dtype.str)
        if code is None:
            raise Unencodable(f"ndarray of {dtype.name[:40]}")
        self.out += struct.pack(f"<BB{value.ndim}I", code, value.ndim, *value.shape)
        self.out += value.astype(_DTYPES[code], copy=False).tobytes()


_WRITERS: dict[type, Callable[[_Encoder, Any, int], None]] = {
    type(None): _Encoder.write_none,
    bool: _Encoder.write_bool,
    int: _Encoder.write_int,
    float: _Encoder.write_float,
    complex: _Encoder.write_complex,
    str: _Encoder.write_str,
    bytes: _Encoder.write_bytes,
    list: _Encoder.write_list,
    tuple: _Encoder.write_tuple,
    dict: _Encoder.write_dict,
    np.ndarray: _Encoder.write_ndarray,
}
_SCALAR_TYPES = {dtype.type for dtype in _DTYPES} | {
    np.longlong,
    np.ulonglong,
    np.longdouble,
    np.clongdouble,
}


def decode(data: bytes, *, sources: bool = False) -> Any:
    """Read one value.

    Raises
    ------
    ChannelError
        If the bytes are not exactly one value.
    """
    reader = _Decoder(data, sources)
    try:
        value = reader.read(0)
    except (IndexError, struct.error):  # of the tag, and of a length
        raise ChannelError("the message ends too early") from None
    if reader.position != len(data):
        raise ChannelError("bytes are left over after the value")
    return value


def _is_key(value: Any) -> bool:
    """Whether a value may be a dict's key. Of others any number can have the same hash, and the dict takes for ever."""
    return type(value) is str or (type(value) is int and abs(value) < 2**60)


class _Decoder:
    def __init__(self, data: bytes, sources: bool) -> None:
        self.data = data
        self.size = len(data)
        self.position = 0
        self.items = 0
        self.sources = sources

    def read(self, depth: int) -> Any:
        self.items += 1
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise ChannelError("too many values or levels")
        reader = _READERS.get(self.data[self.position])
        if reader is None:
            raise ChannelError("an unknown tag")
        self.position += 1
        return reader(self, depth)

    def take(self, size: int) -> bytes:
        start = self.position
        self.position = end = start + size
        if end > self.size:
            raise ChannelError("the message ends too early")
        return self.data[start:end]

    def length(self) -> int:
        length = _LENGTH.unpack_from(self.data, self.position)[0]
        self.position += 4
        return length

    def count(self) -> int:
        count = self.length()
        if count > self.size - self.position:  # every value takes a byte at least
            raise ChannelError("the message ends too early")
        return count

    def read_none(self, depth: int) -> None:
        return None

    def read_true(self, depth: int) -> bool:
        return True

    def read_false(self, depth: int) -> bool:
        return False

    def read_int(self, depth: int) -> int:
        data = self.read_bytes(depth)
        if len(data) > MAX_INT_BITS // 8 + 1:
            raise ChannelError("an int with too many bits")
        value = int.from_bytes(data, "little", signed=True)
        if value.bit_length() > MAX_INT_BITS:
            raise ChannelError("an int with too many bits")
        return value

    def read_float(self, depth: int) -> float:
        return _DOUBLE.unpack(self.take(8))[0]

    def read_complex(self, depth: int) -> complex:
        return complex(*_COMPLEX.unpack(self.take(16)))

    def read_str(self, depth: int) -> str:
        try:
            return self.read_bytes(depth).decode()
        except UnicodeDecodeError:
            raise ChannelError("text that is not UTF-8") from None

    def read_bytes(self, depth: int) -> bytes:
        # What take(length()) does, with two calls less: most of an answer is read here.
        start = self.position + 4
        end = start + _LENGTH.unpack_from(self.data, self.position)[0]
        if end > self.size:
            raise ChannelError("the message ends too early")
        self.position = end
        return self.data[start:end]

    def read_list(self, depth: int) -> list:
        return [self.read(depth + 1) for _ in range(self.count())]

    def read_tuple(self, depth: int) -> tuple:
        return tuple(self.read_list(depth))

    def read_dict(self, depth: int) -> dict:
        result = {}
        for _ in range(self.count()):
            key = self.read(depth + 1)
            if not _is_key(key):
                raise ChannelError("a dict key that cannot be one")
            result[key] = self.read(depth + 1)
        return result

    def read_ndarray(self, depth: int) -> np.ndarray:
        code, dimensions = self.take(2)
        if code >= len(_DTYPES) or dimensions > MAX_DIMENSIONS:
            raise ChannelError("an unknown kind of array")
        dtype = _DTYPES[code]
        shape = struct.unpack(f"<{dimensions}I", self.take(4 * dimensions))
        size = math.prod(shape)
        data = self.take(size * dtype.itemsize)
        if code == 0 and size and np.frombuffer(data, np.uint8).max() > 1:
            raise ChannelError("a bool that is neither true nor false")
        try:
            return (
                np.frombuffer(data, dtype).reshape(shape).copy()
            )  # a copy: aligned, writable, without the message
        except ValueError as error:  # dimensions such as (0, 2**31, 2**31) that NumPy itself refuses
            raise ChannelError("an impossible shape") from error

    def read_scalar(self, depth: int) -> Any:
        value = self.read_ndarray(depth)
        if value.ndim:
            raise ChannelError("a scalar with dimensions")
        return value[()]

    def read_source(self, depth: int) -> Source:
        if not self.sources:
            raise ChannelError("an unknown tag")
        return Source(*(self.read(depth + 1) for _ in range(3)))


_READERS: dict[int, Callable[[_Decoder, int], Any]] = {
    ord("N"): _Decoder.read_none,
    ord("T"): _Decoder.read_true,
    ord("F"): _Decoder.read_false,
    ord("i"): _Decoder.read_int,
    ord("f"): _Decoder.read_float,
    ord("c"): _Decoder.read_complex,
    ord("u"): _Decoder.read_str,
    ord("b"): _Decoder.read_bytes,
    ord("l"): _Decoder.read_list,
    ord("t"): _Decoder.read_tuple,
    ord("d"): _Decoder.read_dict,
    ord("a"): _Decoder.read_ndarray,
    ord("s"): _Decoder.read_scalar,
    ord("S"): _Decoder.read_source,
}


# ---- frames, on the side inside the sandbox (the trusted side has deadlines: see connection.py) ----


def frame(payload: bytes, nonce: bytes) -> bytes:
    """A payload with its header: a request's own nonce, or that of the request that it answers."""
    return _HEADER.pack(len(payload), nonce) + payload


NO_NONCE = bytes(NONCE_BYTES)
"""Of a message that answers no request."""
HEADER_BYTES = _HEADER.size
READ_BYTES = 2**16
"""To read at once: a header and, nearly always, all that follows it."""
_ROOM = memoryview(bytearray(READ_BYTES))
"""To read into: a session has this much even if its code has left no memory."""


def read_header(header: bytes, limit: int) -> tuple[int, bytes]:
    """The length of the payload that follows a header, and the message's nonce.

    Raises
    ------
    ChannelError
        If the length is above the limit.
    """
    length, nonce = _HEADER.unpack(header)
    if length > limit:
        raise ChannelError(f"a message of more than {limit} bytes")
    return length, nonce


def receive(sock: socket.socket) -> tuple[Any, bytes, int | None]:
    """Wait for a message of the trusted side: its value, its nonce, and the file descriptor that came along.

    Raises
    ------
    EOFError
        If the trusted side has closed the connection.
    """
    # It sends nothing else before it has its answer, so whatever has arrived belongs to this message.
    size, ancillary, _, _ = sock.recvmsg_into([_ROOM], socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    data = bytes(_ROOM[:size])
    descriptors = array.array("i")
    for _, _, numbers in ancillary:
        descriptors.frombytes(numbers[: len(numbers) - len(numbers) % 4])
    data = _receive_up_to(sock, data, HEADER_BYTES)
    length, nonce = read_header(data[:HEADER_BYTES], 2**31)
    payload = _receive_up_to(sock, data, HEADER_BYTES + length)[HEADER_BYTES:]
    return decode(payload, sources=True), nonce, (descriptors[0] if descriptors else None)


def _receive_up_to(sock: socket.socket, data: bytes, size: int) -> bytes:
    """What has arrived, and the rest up to a size."""
    if len(data) >= size:
        return data
    parts = bytearray(data)
    while len(parts) < size:
        part = sock.recv(min(size - len(parts), 2**20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def send(sock: socket.socket, value: object, nonce: bytes) -> None:
    """Send a message to the trusted side."""
    sock.sendall(frame(encode(value), nonce))


def adopt(descriptor: int) -> socket.socket:
    """The socket of a received file descriptor, kept from programs that the student starts."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
