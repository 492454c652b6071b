"""Does the channel carry plain data exactly, refuse everything else, and survive any bytes?"""

import math
import socket
import threading
import time
from collections import OrderedDict, namedtuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder.sandbox.inside import channel
from autograder.sandbox.inside.channel import ChannelError, Source, Unencodable, decode, encode

DTYPES = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16"]

arrays = hnp.arrays(st.sampled_from(DTYPES), hnp.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=3))
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**999), 2**999)
    | st.floats()
    | st.complex_numbers()
    | st.text()
    | st.binary()
    | hnp.arrays(st.sampled_from(DTYPES), ()).map(lambda array: array[()])
)
keys = st.text() | st.integers(-(2**59), 2**59)
values = st.recursive(
    scalars | arrays,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    """Whether two values agree in types, shapes and bits, with NaN equal to NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray | np.generic):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(same(p, q) for p, q in zip(a.items(), b.items(), strict=True))
    if isinstance(a, float | complex):
        return str(a) == str(b)
    return a == b


def test_same_can_tell_values_apart() -> None:
    """Does the helper of these tests notice differences that == would not?"""
    assert same([math.nan], [math.nan])
    assert not same([1], [1.0])
    assert not same([1], [True])
    assert not same(0.0, -0.0)
    assert not same(np.zeros(3), np.zeros((3, 1)))
    assert not same(np.zeros(2), np.zeros(2, "f4"))
    assert not same({"a": 1}, {"a": 2})


@given(values)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_round_trip(value: object) -> None:
    """Does every plain value arrive as it was sent?"""
    assert same(decode(encode(value)), value)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0).reshape(2, 3).T,
        np.arange(10)[::-2],
        np.arange(3, dtype=">f8"),
        np.zeros((0, 3)),
        np.array(5),
    ],
    ids=["transposed", "strided", "big-endian", "empty", "0-d"],
)
def test_layout_of_arrays(array: np.ndarray) -> None:
    """Do arrays arrive with the same numbers, whatever their layout in memory, and can they be written to?"""
    arrived = decode(encode(array))
    np.testing.assert_array_equal(arrived, array)
    assert arrived.shape == array.shape
    assert arrived.flags.writeable
    assert arrived.flags.aligned


def test_extended_precision_becomes_double() -> None:
    """Does a long double, which has no portable layout, arrive as a double?"""
    assert same(decode(encode(np.longdouble(0.5))), np.float64(0.5))
    assert same(decode(encode(np.array([0.5], np.longdouble))), np.array([0.5]))


class AlwaysEqual:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None


class Liar(float):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = float.__hash__


class Text(str):
    __slots__ = ()


class Listing(list):
    def __iter__(self):
        return iter([1, 2, 3])


class Array(np.ndarray):
    pass


class Bent(type):
    def __getattribute__(cls, name: str) -> object:
        if name == "__name__":
            return AlwaysEqual()
        return super().__getattribute__(name)


class Nameless(metaclass=Bent):
    pass


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def circle() -> list:
    value: list = []
    value.append(value)
    return value


def wide() -> list:
    value: list = [1]
    for _ in range(20):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (AlwaysEqual(), "AlwaysEqual"),
        (Liar(0.5), "Liar"),
        (Text("a"), "Text"),
        (Listing([0]), "Listing"),
        (Nameless(), "Nameless"),
        (np.zeros(2).view(Array), "Array"),
        (np.ma.masked_array([1.0]), "MaskedArray"),
        (np.array([AlwaysEqual()]), "ndarray of object"),
        (np.array(["a"]), "ndarray of str"),
        (np.array(["2026-01-01"], "M8[D]"), "ndarray of datetime64"),
        (np.zeros(2, [("a", "f8")]), "ndarray of void"),
        (namedtuple("Result", "a")(1), "Result"),
        (OrderedDict(a=1), "OrderedDict"),
        ({1, 2}, "set"),
        (range(3), "range"),
        ((i for i in range(3)), "generator"),
        (len, "builtin_function_or_method"),
        (int, "type"),
        (2**1001, "int of 1002 bits"),
        ("\ud800", "str that is no valid Unicode"),
        (nested(40), "structure of more than 32 levels"),
        (circle(), "structure of more than 32 levels"),
        (wide(), "structure of more than 200000 values"),
        ({"a": {"b": [AlwaysEqual()]}}, "AlwaysEqual"),
        ({AlwaysEqual: 1}, "type"),
        (np.zeros((1,) * 17), "ndarray of 17 dimensions"),
        (Source("f", "", {}), "Source"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_refused(value: object, name: str) -> None:
    """Is a value of any other exact type refused, with its type named?"""
    with pytest.raises(Unencodable) as refused:
        encode(value)
    assert refused.value.type_name.startswith(name)


def test_sources_go_one_way() -> None:
    """Can only the trusted side send a function?"""
    source = Source("f", "def f(x): return a * x", {"a": np.ones(2)})
    data = encode([source], sources=True)
    assert decode(data, sources=True)[0].text == source.text
    with pytest.raises(ChannelError):
        decode(data)


@given(st.binary(max_size=300))
@example(b"l\xff\xff\xff\xff")
@example(b"l\x01\x00\x00\x00" * 100 + b"N")
@example(b"a\x0b\x03" + b"\x00\x00\x00\x00" + b"\xff\xff\xff\xff" * 2)
@example(b"a\x00\x01\x01\x00\x00\x00\x02")
@example(b"s\x0b\x01\x00\x00\x00\x00")
@example(b"d\x01\x00\x00\x00l\x00\x00\x00\x00N")
@example(b"d\x01\x00\x00\x00s\x0b\x00" + b"\x00" * 8 + b"N")
@example(b"u\x02\x00\x00\x00\xff\xfe")
@example(b"i\xff\x00\x00\x00" + b"\xff" * 255)
@example(b"NN")
@settings(max_examples=2000, deadline=None, derandomize=True)
def test_any_bytes_are_a_value_or_an_error(data: bytes) -> None:
    """Do arbitrary bytes give a value or a ChannelError, and nothing else?"""
    try:
        value = decode(data)
    except ChannelError:
        return
    encode(value)


@given(values, st.data())
@settings(max_examples=500, deadline=None, derandomize=True)
def test_damaged_messages_are_a_value_or_an_error(value: object, data: st.DataObject) -> None:
    """Do messages with changed, missing or added bytes give a value or a ChannelError?"""
    message = bytearray(encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(message)))
        message[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        decode(bytes(message))
    except ChannelError:
        return


def test_truncated_messages_are_errors() -> None:
    """Is a message that ends too early refused at every length?"""
    message = encode({"a": [1, 2.5, "text", np.ones(3), (None, True)]})
    for length in range(len(message)):
        with pytest.raises(ChannelError):
            decode(message[:length])


def test_many_small_items_are_refused() -> None:
    """Is a message refused that is small itself and would be huge in memory?"""
    with pytest.raises(ChannelError, match="too many"):
        decode(b"l" + (10**6).to_bytes(4, "little") + b"N" * 10**6)


NONCE = b"0123456789abcdef"


def test_frames() -> None:
    """Are frames above the limit refused before they are read?"""
    header = channel.frame(b"12345", NONCE)[: channel.HEADER_BYTES]
    assert channel.read_header(header, 5) == (5, NONCE)
    with pytest.raises(ChannelError):
        channel.read_header(header, 4)


@pytest.mark.parametrize("size", [10, 3 * channel.READ_BYTES])
def test_receive_puts_pieces_together(size: int) -> None:
    """Does a message arrive that comes in pieces, or is longer than what is read at once?"""
    ours, theirs = socket.socketpair()
    message = channel.frame(encode("x" * size), NONCE)

    def send() -> None:
        for start, end in ((0, 5), (5, channel.HEADER_BYTES + 5), (channel.HEADER_BYTES + 5, None)):
            ours.sendall(message[start:end])
            time.sleep(0.05)

    with ours, theirs:
        sender = threading.Thread(target=send)
        sender.start()
        assert channel.receive(theirs) == ("x" * size, NONCE, None)
        sender.join()
        ours.sendall(message[: channel.HEADER_BYTES + 5])
        ours.close()
        with pytest.raises(EOFError):
            channel.receive(theirs)


def test_receive_takes_the_file_descriptor_along() -> None:
    """Does a descriptor that comes with a message arrive, closed for programs that are started?"""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        socket.send_fds(ours, [channel.frame(encode(("fork",)), NONCE)], [ours.fileno()])
        value, nonce, descriptor = channel.receive(theirs)
        with channel.adopt(descriptor) as adopted:
            assert (value, nonce) == (("fork",), NONCE)
            assert not adopted.get_inheritable()
        ours.close()
        with pytest.raises(EOFError):
            channel.receive(theirs)


@pytest.mark.parametrize("key", [2**61 - 1, 2**999, 0.5, 1j, (1, 2), b"x", True, None])
def test_keys_that_can_be_made_to_collide(key: object) -> None:
    """Is a key refused on both sides of which any number with the same hash can be made, so that a dict takes for ever?"""
    with pytest.raises(Unencodable, match="key"):
        encode({key: 1})
    message = b"d" + (1).to_bytes(4, "little") + encode(key) + encode(1)
    with pytest.raises(ChannelError, match="key"):
        decode(message)
