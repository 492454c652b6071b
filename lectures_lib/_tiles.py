"""Tiles of matrix products in the widest vectors, for use inside numba kernels: what stands between loads and stores stays in registers.

Compilers prefer vectors of half the width where a whole one might slow the clock, and don't keep a tile of sums in registers by
themselves. So these two are written in LLVM's own terms, for float32 and float64; a processor with narrower registers takes two or four
of them for a vector. Matrices are contiguous, and the position of an entry is that in the flat array.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

STRIDE = 144
"""From one row to the next of every matrix that is read or written in vectors: whole cache lines, but no power of two of them, which would
bring the rows of a tile into few sets of the cache.
"""

ROWS, COLUMNS = 8, 32
"""Of a tile of `multiply_tile`: 16 sums in vectors, enough for products to follow one another without waiting for the one before."""

SIDE = 4
"""Of a tile of `dot_tile`, which has a vector of partial sums for each of its entries."""

_BYTES = 64


def multiply_tile(depth, a, first, to_row, to_next, b, column, out, at, more):
    """out = a b for 8 rows and 32 columns: out[at + i STRIDE + j] = Σ_k a[first + i to_row + k to_next] b[column + k STRIDE + j].

    With `to_row` and `to_next` swapped, a is taken transposed. With `more`, the product is added to what is there.
    """
    i, j, k = np.arange(ROWS)[:, None], np.arange(COLUMNS), np.arange(depth)
    a, b, out = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    rows = a[first + i * to_row + k * to_next]
    product = rows @ b[column + k[:, None] * STRIDE + j]
    out[at + i * STRIDE + j] = out[at + i * STRIDE + j] + product if more else product


def dot_tile(length, a, first, b, row, out, at, to_row):
    """out = a bᵀ for 4 rows of each: out[at + i to_row + j] = Σ_k a[first + i STRIDE + k] b[row + j STRIDE + k].

    The length is a multiple of 16.
    """
    i, j, k = np.arange(SIDE)[:, None], np.arange(SIDE), np.arange(length)
    a, b, out = a.reshape(-1), b.reshape(-1), out.reshape(-1)
    out[at + i * to_row + j] = a[first + i * STRIDE + k] @ b[row + j[:, None] * STRIDE + k].T


@overload(multiply_tile)
def _multiply_tile(depth, a, first, to_row, to_next, b, column, out, at, more):
    return lambda depth, a, first, to_row, to_next, b, column, out, at, more: _multiplied(
        depth, a, first, to_row, to_next, b, column, out, at, more
    )


@overload(dot_tile)
def _dot_tile(length, a, first, b, row, out, at, to_row):
    return lambda length, a, first, b, row, out, at, to_row: _dotted(
        length, a, first, b, row, out, at, to_row
    )


@intrinsic
def _multiplied(typing, depth, a, first, to_row, to_next, b, column, out, at, more):
    """`multiply_tile`: for each k, two vectors of b and eight entries of a make sixteen products."""

    def build(context, builder, signature, args):
        *operands, more = _operands(context, builder, signature, args)
        depth, a, first, to_row, to_next, b, column, out, at = operands
        vector = _vector(a)
        num_vectors = COLUMNS // vector.count
        sums = [
            [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(num_vectors)]
            for _ in range(ROWS)
        ]
        with builder.if_then(cgutils.is_not_null(builder, more)):
            for i in range(ROWS):
                for j in range(num_vectors):
                    builder.store(_load(builder, vector, out, at, i * STRIDE + j * vector.count), sums[i][j])
        with cgutils.for_range(builder, depth) as loop:
            start = builder.add(column, _times(builder, loop.index, STRIDE))
            vectors = [_load(builder, vector, b, start, j * vector.count) for j in range(num_vectors)]
            entry = builder.add(first, builder.mul(loop.index, to_next))
            for i in range(ROWS):
                place = builder.add(entry, _times(builder, to_row, i))
                factor = _filled(builder, vector, builder.load(builder.gep(a, [place])))
                for j in range(num_vectors):
                    _accumulate(builder, sums[i][j], factor, vectors[j])
        for i in range(ROWS):
            for j in range(num_vectors):
                _store(builder, builder.load(sums[i][j]), out, at, i * STRIDE + j * vector.count)
        return context.get_dummy_value()

    arguments = depth, a, first, to_row, to_next, b, column, out, at, more
    return types.void(*map(types.unliteral, arguments)), build


@intrinsic
def _dotted(typing, length, a, first, b, row, out, at, to_row):
    """`dot_tile`: 16 vectors of partial sums, which are added up across at the end, all of them at once."""

    def build(context, builder, signature, args):
        length, a, first, b, row, out, at, to_row = _operands(context, builder, signature, args)
        vector = _vector(a)
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, None)) for _ in range(SIDE * SIDE)]
        step = ir.Constant(length.type, vector.count)
        with cgutils.for_range(builder, builder.sdiv(length, step)) as loop:
            k = builder.mul(loop.index, step)
            lefts, rights = (
                [_load(builder, vector, array, builder.add(start, k), i * STRIDE) for i in range(SIDE)]
                for array, start in ((a, first), (b, row))
            )
            for i in range(SIDE):
                for j in range(SIDE):
                    _accumulate(builder, sums[SIDE * i + j], lefts[i], rights[j])
        totals = _added_up(builder, [builder.load(total) for total in sums], vector.count)
        for i in range(SIDE):
            group, lane = divmod(SIDE * i, vector.count)
            lanes = ir.Constant(ir.VectorType(ir.IntType(32), SIDE), [lane + j for j in range(SIDE)])
            four = builder.shuffle_vector(totals[group], totals[group], lanes)
            _store(builder, four, out, builder.add(at, _times(builder, to_row, i)), 0)
        return context.get_dummy_value()

    arguments = length, a, first, b, row, out, at, to_row
    return types.void(*map(types.unliteral, arguments)), build


def _operands(context, builder, signature, args):
    """Pointers to the first entries of arrays, and integers of 64 bits."""
    if any(isinstance(kind, types.Array) and kind.layout != "C" for kind in signature.args):
        raise TypeError(f"expected contiguous arrays, got {signature.args}")
    return [
        context.make_array(kind)(context, builder, arg).data
        if isinstance(kind, types.Array)
        else context.cast(builder, arg, kind, types.int64)
        for kind, arg in zip(signature.args, args, strict=True)
    ]


def _vector(pointer) -> ir.VectorType:
    """As many of the array's numbers as fill the widest registers."""
    kind = pointer.type.pointee
    return ir.VectorType(kind, _BYTES // (4 if kind == ir.FloatType() else 8))


def _times(builder, number, factor: int):
    return builder.mul(number, ir.Constant(number.type, factor))


def _pointer(builder, vector, array, start, offset: int):
    place = builder.gep(array, [builder.add(start, ir.Constant(start.type, offset))])
    return builder.bitcast(place, vector.as_pointer()), 4 if vector.element == ir.FloatType() else 8


def _load(builder, vector, array, start, offset: int):
    place, align = _pointer(builder, vector, array, start, offset)
    return builder.load(place, align=align)


def _store(builder, value, array, start, offset: int) -> None:
    place, align = _pointer(builder, value.type, array, start, offset)
    builder.store(value, place, align=align)


def _filled(builder, vector, number):
    """The number in every lane."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), vector.count), None)
    return builder.shuffle_vector(one, one, lanes)


def _accumulate(builder, total, x, y) -> None:
    """total += x y, in one rounding where the processor can."""
    product = builder.fmul(x, y, flags=("contract",))
    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def _added_up(builder, vectors, count: int):
    """Vectors whose lanes are the sums of the given vectors' lanes, in their order: neighbours are added up in pairs, again and again."""
    integers = ir.VectorType(ir.IntType(32), count)
    even, odd = (ir.Constant(integers, list(range(start, 2 * count, 2))) for start in (0, 1))
    for _ in range(count.bit_length() - 1):
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [
            builder.fadd(builder.shuffle_vector(x, y, even), builder.shuffle_vector(x, y, odd))
            for x, y in pairs
        ]
    return vectors
