"""Plain data over a socket: what the grader and a student's process may say to each other.

A message is a length-prefixed frame that holds one value in a tagged binary form. Only exact built-in types
and NumPy arrays and scalars of the number types can be written, so nothing that a student's object claims
about itself (its ``__eq__``, its ``__array__``, its ``__reduce__``) crosses over. The reader trusts
nothing: whatever the bytes are, the result is a value or a `ChannelError`.

>>> decode(encode({"mean": [1, 2.5, None]}))
{'mean': [1, 2.5, None]}
"""

from __future__ import annotations

import array
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

_DTYPES = ["|b1", "|i1", "<i2", "<i4", "<i8", "|u1", "<u2", "<u4", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16"]
_DTYPE_CODES = {name: code for code, name in enumerate(_DTYPES)}
_LENGTH = struct.Struct("<I")
_FRAME = struct.Struct("<Q")
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
        self.out += b"d" + _LENGTH.pack(len(value))
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
        self.out += tag
        self.out += _LENGTH.pack(len(data))
        self.out += data

    def _sequence(self, tag: bytes, value: Any, depth: int) -> None:
        self.out += tag
        self.out += _LENGTH.pack(len(value))
        for item in value:
            self.write(item, depth + 1)

    def _dtype_and_data(self, value: np.ndarray) -> None:
        # Extended precision has no portable layout: it crosses as a double.
        plain = {"g": "<f8", "G": "<c16"}.get(value.dtype.char, value.dtype.newbyteorder("<").str)
        if plain not in _DTYPE_CODES:
            raise Unencodable(f"ndarray of {value.dtype.name[:40]}")
        self.out.append(_DTYPE_CODES[plain])
        self.out.append(value.ndim)
        for length in value.shape:
            self.out += _LENGTH.pack(length)
        self.out += value.astype(plain, copy=False).tobytes()


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
_SCALAR_TYPES = {np.dtype(name).type for name in _DTYPES} | {
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
    reader = _Decoder(memoryview(data), sources)
    value = reader.read(0)
    if reader.position != len(data):
        raise ChannelError("bytes are left over after the value")
    return value


def _is_key(value: Any) -> bool:
    """Whether a value may be a dict's key. Of others any number can have the same hash, and the dict takes for ever."""
    return type(value) is str or (type(value) is int and abs(value) < 2**60)


class _Decoder:
    def __init__(self, data: memoryview, sources: bool) -> None:
        self.data = data
        self.position = 0
        self.items = 0
        self.sources = sources

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if end > len(self.data):
            raise ChannelError("the message ends too early")
        part = self.data[self.position : end]
        self.position = end
        return part

    def length(self) -> int:
        return _LENGTH.unpack(self.take(4))[0]

    def read(self, depth: int) -> Any:
        self.items += 1
        if self.items > MAX_ITEMS or depth > MAX_DEPTH:
            raise ChannelError("too many values or levels")
        tag = self.take(1)[0]
        match tag:
            case 0x4E:  # N
                return None
            case 0x54:  # T
                return True
            case 0x46:  # F
                return False
            case 0x69:  # i
                size = self.length()
                if size > MAX_INT_BITS // 8 + 1:
                    raise ChannelError("an int with too many bits")
                value = int.from_bytes(self.take(size), "little", signed=True)
                if value.bit_length() > MAX_INT_BITS:
                    raise ChannelError("an int with too many bits")
                return value
            case 0x66:  # f
                return _DOUBLE.unpack(self.take(8))[0]
            case 0x63:  # c
                return complex(*_COMPLEX.unpack(self.take(16)))
            case 0x75:  # u
                return self.read_text()
            case 0x62:  # b
                return bytes(self.take(self.length()))
            case 0x6C:  # l
                return [self.read(depth + 1) for _ in range(self.count())]
            case 0x74:  # t
                return tuple([self.read(depth + 1) for _ in range(self.count())])
            case 0x64:  # d
                return self.read_dict(depth)
            case 0x61:  # a
                return self.read_array()
            case 0x73:  # s
                value = self.read_array()
                if value.ndim:
                    raise ChannelError("a scalar with dimensions")
                return value[()]
            case 0x53 if self.sources:  # S
                return Source(*(self.read(depth + 1) for _ in range(3)))
        raise ChannelError("an unknown tag")

    def count(self) -> int:
        count = self.length()
        if count > len(self.data) - self.position:  # every value takes a byte at least
            raise ChannelError("the message ends too early")
        return count

    def read_text(self) -> str:
        try:
            return str(self.take(self.length()), "utf-8")
        except UnicodeDecodeError:
            raise ChannelError("text that is not UTF-8") from None

    def read_dict(self, depth: int) -> dict:
        result = {}
        for _ in range(self.count()):
            key = self.read(depth + 1)
            if not _is_key(key):
                raise ChannelError("a dict key that cannot be one")
            result[key] = self.read(depth + 1)
        return result

    def read_array(self) -> np.ndarray:
        code, dimensions = self.take(2)
        if code >= len(_DTYPES) or dimensions > MAX_DIMENSIONS:
            raise ChannelError("an unknown kind of array")
        dtype = np.dtype(_DTYPES[code])
        shape = [self.length() for _ in range(dimensions)]
        size = 1
        for length in shape:
            size *= length
        data = self.take(size * dtype.itemsize)
        if code == 0 and size and np.frombuffer(data, np.uint8).max() > 1:
            raise ChannelError("a bool that is neither true nor false")
        try:
            return (
                np.frombuffer(data, dtype).reshape(shape).copy()
            )  # a copy: aligned, writable, without the message
        except ValueError as error:  # dimensions such as (0, 2**31, 2**31) that NumPy itself refuses
            raise ChannelError("an impossible shape") from error


# ---- frames, on the side inside the sandbox (the trusted side has deadlines: see client.py) ----


def frame(payload: bytes) -> bytes:
    """A payload with its length in front."""
    return _FRAME.pack(len(payload)) + payload


FRAME_HEADER_BYTES = _FRAME.size


def frame_length(header: bytes, limit: int) -> int:
    """Length of the payload that follows a header.

    Raises
    ------
    ChannelError
        If it is above the limit.
    """
    length = _FRAME.unpack(header)[0]
    if length > limit:
        raise ChannelError(f"a message of more than {limit} bytes")
    return length


def receive(sock: socket.socket) -> tuple[Any, int | None]:
    """Wait for a message of the trusted side: its value, and the file descriptor that came along.

    Raises
    ------
    EOFError
        If the trusted side has closed the connection.
    """
    header, ancillary, _, _ = sock.recvmsg(FRAME_HEADER_BYTES, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
    descriptors = array.array("i")
    for _, _, data in ancillary:
        descriptors.frombytes(data[: len(data) - len(data) % 4])
    header += _receive_exactly(sock, FRAME_HEADER_BYTES - len(header)) if header else b""
    if len(header) < FRAME_HEADER_BYTES:
        raise EOFError
    payload = _receive_exactly(sock, frame_length(header, 2**31))
    return decode(payload, sources=True), (descriptors[0] if descriptors else None)


def _receive_exactly(sock: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        part = sock.recv(min(size - len(data), 2**20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


def send(sock: socket.socket, value: object) -> None:
    """Send a message to the trusted side."""
    sock.sendall(frame(encode(value)))


def adopt(descriptor: int) -> socket.socket:
    """The socket of a received file descriptor, kept from programs that the student starts."""
    os.set_inheritable(descriptor, False)
    return socket.socket(fileno=descriptor)
