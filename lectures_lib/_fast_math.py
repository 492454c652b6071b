"""Elementary functions and random numbers that compilers can vectorise, for use inside numba kernels.

The C library's exp and tanh are calls, which keep a loop from being vectorised. These are arithmetic alone, so a loop over them runs
on whole vector registers of any processor, several times faster. They take float32 or float64, are good to a few units in the last
place, keep NaN, and have the right limits: exp(-inf) = 0, exp of large numbers is inf, tanh(±inf) = ±1, and tanh of a tiny x is x.
Results below the smallest normal number are 0.

    >>> import numpy as np
    >>> from numba import njit
    >>> bool(np.isclose(njit(lambda x: tanh(x))(0.5), np.tanh(0.5), rtol=1e-15))
    True
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic, overload

FASTMATH = {"contract", "reassoc", "nsz"}
"""Sums may be taken in another order and products fused; NaN and infinities keep their meaning."""

_INLINED = {"fastmath": {"contract"}, "forceinline": True, "error_model": "numpy"}
# Inlined by LLVM, so that these functions keep their own flags: a caller's leave to reorder sums would undo the exact reductions.


def exp(x):
    """e^x; where numba is switched off, NumPy's."""
    return np.exp(x)


def tanh(x):
    """Hyperbolic tangent, accurate near 0 too."""
    return np.tanh(x)


def sigmoid(x):
    """1 / (1 + e^-x)."""
    return 1 / (1 + np.exp(-x))


def wide_vectors() -> None:
    """Let the loops of the function that calls this run on the widest vectors: compilers hold back where these might slow the clock."""


@overload(wide_vectors, inline="always")
def _wide_vectors():
    return lambda: _widened()


@intrinsic
def _widened(typing):
    def build(context, builder, signature, args):
        # llvmlite's own `add` knows the attributes without a value alone.
        set.add(builder.function.attributes, '"prefer-vector-width"="512"')
        return context.get_dummy_value()

    return types.void(), build


@intrinsic
def _power_of_two(typing, shifted):
    """2^n as a float, from the float n + shift, whose lowest bits are moved into the exponent."""

    def build(context, builder, signature, args):
        if shifted == types.float32:
            integer, kind, bits = ir.IntType(32), ir.FloatType(), 23
        else:
            integer, kind, bits = ir.IntType(64), ir.DoubleType(), 52
        number = builder.bitcast(args[0], integer)
        return builder.bitcast(builder.shl(number, ir.Constant(integer, bits)), kind)

    return shifted(shifted), build


# e^x = 2^n e^r with |r| <= ln(2)/2; n ln 2 is taken off in two parts, the first of which is exact. The Taylor series of e^r - 1 ends
# where its remainder is below half a unit in the last place. SHIFT puts the integer n + bias into the low bits of a mantissa.
# Both return e^r - 1 and 2^(n-1): half, so that the largest results don't overflow on the way. NaN comes through: min and max return
# their first argument where a comparison fails.
_LOG2_E = 1.4426950408889634
_SHIFT_SINGLE = np.float32(1.5 * 2**23 + 126)
_SHIFT_DOUBLE = 1.5 * 2**52 + 1022


@njit(**_INLINED)
def _parts_single(x):
    n = np.floor(x * np.float32(_LOG2_E) + np.float32(0.5))
    r = (x - n * np.float32(0.693359375)) + n * np.float32(2.12194440e-4)
    p = np.float32(1 / 5040)
    p = p * r + np.float32(1 / 720)
    p = p * r + np.float32(1 / 120)
    p = p * r + np.float32(1 / 24)
    p = p * r + np.float32(1 / 6)
    p = p * r + np.float32(1 / 2)
    return r + r * r * p, _power_of_two(n + _SHIFT_SINGLE)


@njit(**_INLINED)
def _parts_double(x):
    n = np.floor(x * _LOG2_E + 0.5)
    r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 1 / 2
    return r + r * r * p, _power_of_two(n + _SHIFT_DOUBLE)


@overload(exp, jit_options=_INLINED)
def _exp(x):
    if x == types.float32:

        def single(x):
            q, half = _parts_single(min(max(x, np.float32(-86.98)), np.float32(88.8)))
            result = np.float32(2) * (half * q + half)
            return np.float32(0) if x < np.float32(-86.98) else result

        return single

    def double(x):
        q, half = _parts_double(min(max(x, -708.0), 709.79))
        result = 2.0 * (half * q + half)
        return 0.0 if x < -708.0 else result

    return double


@overload(tanh, jit_options=_INLINED)
def _tanh(x):
    # With m = e^(-2|x|) - 1 in (-1, 0], tanh |x| = -m / (m + 2), which loses nothing near 0.
    if x == types.float32:

        def single(x):
            q, half = _parts_single(max(np.float32(-2) * abs(x), np.float32(-60)))
            scale = half + half
            m = scale * q + (scale - np.float32(1))
            result = m / (m + np.float32(2))
            return -result if x > np.float32(0) else result

        return single

    def double(x):
        q, half = _parts_double(max(-2.0 * abs(x), -100.0))
        scale = half + half
        m = scale * q + (scale - 1.0)
        result = m / (m + 2.0)
        return -result if x > 0.0 else result

    return double


@overload(sigmoid, jit_options=_INLINED)
def _sigmoid(x):
    if x == types.float32:
        return lambda x: np.float32(1) / (np.float32(1) + exp(-x))
    return lambda x: 1.0 / (1.0 + exp(-x))


def generators(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Seed generators that run side by side: states for `uniform`, shape (*shape[:-1], 4, shape[-1]), uint32.

    References
    ----------
    Blackman & Vigna (2021), Scrambled linear pseudorandom number generators: xoshiro128+.
    """
    *outer, width = shape
    return rng.integers(1, 1 << 32, size=(*outer, 4, width), dtype=np.uint32)


@njit(**_INLINED)
def uniform(state, lane):
    """A float32 in [0, 1), a multiple of 2^-24, from generator `lane` of state (4, width), which moves on."""
    a, b, c, d = state[0, lane], state[1, lane], state[2, lane], state[3, lane]
    bits = np.uint32(a + d)
    c = np.uint32(c ^ a)
    d = np.uint32(d ^ b)
    state[1, lane] = np.uint32(b ^ c)
    state[0, lane] = np.uint32(a ^ d)
    state[2, lane] = np.uint32(c ^ np.uint32(b << np.uint32(9)))
    state[3, lane] = np.uint32(np.uint32(d << np.uint32(11)) | np.uint32(d >> np.uint32(21)))
    return np.float32(np.int32(bits >> np.uint32(8))) * np.float32(2.0**-24)


@njit(fastmath=FASTMATH, error_model="numpy")
def softplus_sum(x):
    """Σ log(1 + e^x) of a row, as the logarithm of products of numbers in [1, 2]: one logarithm for 64 of them.

    The error is that of adding numbers near 1: about one unit in the last place a term, however small the terms.
    """
    zero, one = x.dtype.type(0), x.dtype.type(1)
    total = 0.0
    for first in range(0, x.size, 64):
        positive, product = zero, one
        for i in range(first, min(first + 64, x.size)):
            positive += max(x[i], zero)
            product *= one + exp(-abs(x[i]))
        total += positive + np.log(product)
    return total
