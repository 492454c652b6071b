"""The kernel of `lectures_lib.mean_field` for lattices: a red-black sweep.

A row is updated in steps, each of which is one loop over neighbours in memory, as compilers want it: the field that its neighbours give
every spin; every second of these, closed up; tanh of them; and these put back into every second place.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from lectures_lib._fast_math import FASTMATH, tanh, wide_vectors

BLOCK = 16
"""tanh is taken of whole blocks: what is left over in a row would be done number by number, which takes as long as some blocks."""


class Scratch(NamedTuple):
    """What a thread notes of the row in hand.

    Attributes
    ----------
    field : ndarray, shape (C,)
        For every spin, of either colour.
    old, new : ndarray, shape (at least C / 2,)
        Means of one colour, closed up.
    change : ndarray, shape of `new`
        Largest change of any row so far.
    """

    field: np.ndarray
    old: np.ndarray
    new: np.ndarray
    change: np.ndarray


@njit(cache=True, parallel=True, fastmath=FASTMATH)
def sweep(mean, fields, coupling, periodic, num_chunks):
    """A red sweep and a black one that follows a row behind, so that memory is read once; returns the largest change.

    Chunks of rows are shared out. A chunk leaves its outermost black rows for the end, since they wait for the red rows of the chunks
    beside it, whose red rows in turn need them as they were.
    """
    rows = mean.shape[0]
    changes = np.empty(num_chunks, mean.dtype)
    for chunk in prange(num_chunks):
        scratch = _scratch(mean[0])
        first, last = chunk * rows // num_chunks, (chunk + 1) * rows // num_chunks - 1
        for r in range(first, last + 1):
            _update_row(mean, fields, coupling, r, r & 1, periodic, scratch)
            if r - 1 > first:
                _update_row(mean, fields, coupling, r - 1, r & 1, periodic, scratch)
        changes[chunk] = scratch.change.max()
    scratch = _scratch(mean[0])
    for chunk in range(num_chunks):
        first, last = chunk * rows // num_chunks, (chunk + 1) * rows // num_chunks - 1
        for r in range(first, last + 1, max(1, last - first)):  # the first and the last, which may be one
            _update_row(mean, fields, coupling, r, (r + 1) & 1, periodic, scratch)
    largest = scratch.change.max()
    for chunk in range(num_chunks):
        largest = max(largest, changes[chunk])
    return largest


@njit(error_model="numpy")
def _scratch(row):
    """For rows like this one."""
    half = (row.size // 2 + BLOCK) // BLOCK * BLOCK
    return Scratch(
        np.empty_like(row), np.zeros(half, row.dtype), np.zeros(half, row.dtype), np.zeros(half, row.dtype)
    )


@njit(fastmath=FASTMATH, error_model="numpy")
def _update_row(mean, fields, coupling, r, first, periodic, scratch):
    """Update every second spin of row r, from `first` on."""
    wide_vectors()
    columns = mean.shape[1]
    row, count = mean[r], (columns - first + 1) // 2
    field, old, new, change = scratch
    _fields_of_row(mean, fields, coupling, r, periodic, field)
    take_every_second(row, first, count, old)
    take_every_second(field, first, count, new)
    for k in range((count + BLOCK - 1) // BLOCK * BLOCK):
        new[k] = tanh(new[k])
    for k in range(np.uint64(count)):
        change[k] = max(change[k], abs(new[k] - old[k]))
    put_every_second(new, row, first, count)


@njit(fastmath=FASTMATH, error_model="numpy")
def _fields_of_row(mean, fields, coupling, r, periodic, out):
    """out = field + coupling Σ of the neighbours' means, for every spin of row r."""
    wide_vectors()
    rows, columns = mean.shape
    row, field = mean[r], fields[r]
    # Beyond a free edge there is nothing: the row itself stands in, with weight 0.
    on, off = row.dtype.type(1), row.dtype.type(0)
    above, above_weight = (mean[(r - 1) % rows], on) if r > 0 or periodic else (row, off)
    below, below_weight = (mean[(r + 1) % rows], on) if r + 1 < rows or periodic else (row, off)
    last = columns - 1
    for c in range(np.uint64(1), np.uint64(max(1, last))):
        sides = row[c - np.uint64(1)] + row[c + np.uint64(1)]
        out[c] = field[c] + coupling * (above_weight * above[c] + below_weight * below[c] + sides)
    for c in (0, last):
        total = above_weight * above[c] + below_weight * below[c]
        if c > 0 or periodic:
            total += row[c - 1]  # of spin 0 this is the last one
        if c < last or periodic:
            total += row[(c + 1) % columns]
        out[c] = field[c] + coupling * total


def take_every_second(source, first, count, out):
    """out = source[first], source[first + 2], ...: `count` numbers."""
    out[:count] = source[first : first + 2 * count : 2]


def put_every_second(source, out, first, count):
    """out[first], out[first + 2], ... = source: `count` numbers."""
    out[first : first + 2 * count : 2] = source[:count]


# In LLVM's own terms, since compilers take and put such numbers one by one: two vectors of neighbours hold a vector of theirs. Both
# go in vectors as far as the neighbours lie in the array, and end with single numbers.


@overload(take_every_second)
def _take_every_second(source, first, count, out):
    return lambda source, first, count, out: _every_second(source, first, count, out, False)


@overload(put_every_second)
def _put_every_second(source, out, first, count):
    return lambda source, out, first, count: _every_second(out, first, count, source, True)


@intrinsic
def _every_second(typing, row, first, count, numbers, put):
    """Move `count` numbers between every second place of a row, from `first` on, and an array of their own; into the row if `put`."""

    def build(context, builder, signature, args):
        row, numbers = (context.make_array(signature.args[i])(context, builder, args[i]) for i in (0, 3))
        first, count = (context.cast(builder, args[i], signature.args[i], types.int64) for i in (1, 2))
        kind = row.data.type.pointee
        lanes, align = (16, 4) if kind == ir.FloatType() else (8, 8)
        vector = ir.VectorType(kind, lanes)

        def number(value: int):
            return ir.Constant(ir.IntType(64), value)

        def at(array, place):
            return builder.bitcast(builder.gep(array.data, [place]), vector.as_pointer())

        def mixed(left, right, order):
            return builder.shuffle_vector(
                left, right, ir.Constant(ir.VectorType(ir.IntType(32), lanes), order)
            )

        (size,) = cgutils.unpack_tuple(builder, row.shape, 1)
        blocks = builder.sdiv(builder.sub(size, first), number(2 * lanes))
        with cgutils.for_range(builder, blocks) as loop:
            place = builder.add(first, builder.mul(loop.index, number(2 * lanes)))
            places = [at(row, place), at(row, builder.add(place, number(lanes)))]
            left, right = (builder.load(pointer, align=align) for pointer in places)
            own = at(numbers, builder.mul(loop.index, number(lanes)))
            if put.literal_value:
                new = builder.load(own, align=align)
                for pointer, old, start in zip(places, (left, right), (0, lanes // 2), strict=True):
                    order = [start + k // 2 if k % 2 == 0 else lanes + k for k in range(lanes)]
                    builder.store(mixed(new, old, order), pointer, align=align)
            else:
                builder.store(mixed(left, right, list(range(0, 2 * lanes, 2))), own, align=align)
        rest = builder.mul(blocks, number(lanes)), count, number(1)
        with cgutils.for_range_slice(builder, *rest, ir.IntType(64)) as (k, _):
            ends = [
                builder.gep(row.data, [builder.add(first, builder.mul(k, number(2)))]),
                builder.gep(numbers.data, [k]),
            ]
            source, target = reversed(ends) if put.literal_value else ends
            builder.store(builder.load(source), target)
        return context.get_dummy_value()

    if not isinstance(put, types.BooleanLiteral):
        return None
    if row.layout != "C" or numbers.layout != "C":
        raise TypeError(f"expected contiguous arrays, got {row} and {numbers}")
    return types.void(row, first, count, numbers, put), build
