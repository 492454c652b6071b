"""Kernels of convolutional machines: filter images, spread features back over them, and sum both up for the gradient.

For images v (n, L, R, C), filters W (K, L, s, t) and features h (n, K, R - s + 1, C - t + 1),

    valid(v, W)[n, k, i, j]      = Σ_lrq W[k, l, r, q] v[n, l, i + r, j + q]
    transposed(h, W)[n, l, i, j] = Σ_krq W[k, l, r, q] h[n, k, i - r, j - q]
    taps(v, h)[k, l, r, q]       = Σ_nij h[n, k, i, j] v[n, l, i + r, j + q]

so that ⟨h, valid(v, W)⟩ = ⟨transposed(h, W), v⟩ = ⟨taps(v, h), W⟩. Arrays are contiguous, of one dtype, float32 or float64, and of
shapes that fit: callers check. Inside, a picture is one long row and a shift by (r, q) an offset r C + q, which leaves a
single loop over neighbours in memory; what runs over the right edge is thrown away, or met by zeros.

    >>> valid(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)))[0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
"""

from __future__ import annotations

import numpy as np
from numba import njit, prange

REORDERED = {"reassoc", "contract"}  # sums may be split over lanes; NaN and inf keep their meaning
UNROLLED = 4


def valid(v: np.ndarray, W: np.ndarray) -> np.ndarray:
    n, L, R, C = v.shape
    K, _, s, t = W.shape
    offsets = _offsets(L, R * C, s, t, C)
    out = np.empty((n, K, (R - s + 1) * C), dtype=v.dtype)
    _weighted_shifts(v.reshape(n, -1), offsets, W.reshape(K, -1), (R - s) * C + C - t + 1, out)
    return np.ascontiguousarray(out.reshape(n, K, R - s + 1, C)[..., : C - t + 1])


def transposed(h: np.ndarray, W: np.ndarray) -> np.ndarray:
    n, K, rows, columns = h.shape
    _, L, s, t = W.shape
    R, C = rows + s - 1, columns + t - 1
    front = (s - 1) * C + t - 1
    padded = np.zeros((n, K, front + R * C), dtype=h.dtype)
    padded[:, :, front : front + rows * C].reshape(n, K, rows, C)[..., :columns] = h
    offsets = front + _offsets(K, front + R * C, s, t, C, sign=-1)
    out = np.empty((n, L, R * C), dtype=h.dtype)
    weights = np.ascontiguousarray(W.transpose(1, 0, 2, 3)).reshape(L, -1)
    _weighted_shifts(padded.reshape(n, -1), offsets, weights, R * C, out)
    return out.reshape(n, L, R, C)


def taps(v: np.ndarray, h: np.ndarray) -> np.ndarray:
    n, L, R, C = v.shape
    K, rows, columns = h.shape[1:]
    s, t = R - rows + 1, C - columns + 1
    padded = np.zeros((n, K, rows, C), dtype=h.dtype)
    padded[..., :columns] = h
    out = np.empty((K, L * s * t), dtype=v.dtype)
    span = (rows - 1) * C + columns
    _shifted_products(v.reshape(n, -1), _offsets(L, R * C, s, t, C), padded.reshape(n, K, -1), span, out)
    return out.reshape(K, L, s, t)


def _offsets(channels: int, stride: int, s: int, t: int, C: int, sign: int = 1) -> np.ndarray:
    """Where each tap of a filter begins in the long row, in the order of the filter's own memory."""
    channel, row, column = np.ix_(np.arange(channels), np.arange(s), np.arange(t))
    return (channel * stride + sign * (row * C + column)).ravel()


@njit(cache=True, parallel=True)
def _weighted_shifts(buffer, offsets, weights, span, out):
    """out[i, m, p] = Σ_tap weights[m, tap] buffer[i, offsets[tap] + p] for p < span."""
    n, num_out = out.shape[0], out.shape[1]
    num_taps = offsets.size
    whole = num_taps - num_taps % UNROLLED
    for job in prange(n * num_out):
        i, m = job // num_out, job % num_out
        row = out[i, m, :span]
        row[:] = 0
        x = buffer[i]
        for tap in range(0, whole, UNROLLED):  # four at once: the row is read and written a quarter as often
            w0, w1, w2, w3 = weights[m, tap], weights[m, tap + 1], weights[m, tap + 2], weights[m, tap + 3]
            x0 = x[offsets[tap] : offsets[tap] + span]
            x1 = x[offsets[tap + 1] : offsets[tap + 1] + span]
            x2 = x[offsets[tap + 2] : offsets[tap + 2] + span]
            x3 = x[offsets[tap + 3] : offsets[tap + 3] + span]
            for p in range(span):
                row[p] += (w0 * x0[p] + w1 * x1[p]) + (w2 * x2[p] + w3 * x3[p])
        for tap in range(whole, num_taps):
            w0 = weights[m, tap]
            x0 = x[offsets[tap] : offsets[tap] + span]
            for p in range(span):
                row[p] += w0 * x0[p]


@njit(cache=True, parallel=True, fastmath=REORDERED)
def _shifted_products(buffer, offsets, h, span, out):
    """out[k, tap] = Σ_i Σ_p h[i, k, p] buffer[i, offsets[tap] + p]."""
    n, num_out = h.shape[0], h.shape[1]
    num_taps = offsets.size
    for job in prange(num_out * num_taps):
        k, tap = job // num_taps, job % num_taps
        total = 0.0
        for i in range(n):
            a = h[i, k, :span]
            x = buffer[i, offsets[tap] : offsets[tap] + span]
            part = a[0] * x[0]
            for p in range(1, span):
                part += a[p] * x[p]
            total += part
        out[k, tap] = total
