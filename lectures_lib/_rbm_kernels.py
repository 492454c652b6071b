"""Kernels of `lectures_lib.rbm`: training by contrastive divergence, and what annealing does to a layer between two matrix products.

Training keeps hidden units in panels of at most WIDTH, each with its weights, and shares the panels out among threads. A thread takes
its panels through everything: fields, samples, gradient and update, so that neither weights nor hidden units ever leave the core. What
the threads exchange is each panel's part of the visible fields; the visible side, which needs them all, each thread does for itself.
Parts are added in the order of the panels, so that results don't depend on the number of threads.

Products of matrices are done here: those of a small batch are too small for BLAS to share out well, and it would move the operands from
core to core. Arrays are padded, the rows of a product to multiples of 4 and a panel to multiples of 16, with zero weights and data, and
with biases of -inf, which keep a unit at 0.

`state` holds as many generators as the wider layer has units (see `_fast_math.generators`). Unit j of either layer draws from generator
j, the hidden units of a batch first, then the visible ones. Each thread has what it needs of them and passes over others' draws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lectures_lib import _team
from lectures_lib._fast_math import FASTMATH, sigmoid, softplus_sum, uniform

WIDTH = 128
"""Numbers from one row of a panel to the next. A constant, so that the compiler knows rows not to overlap."""

_KERNEL = {"cache": True, "fastmath": FASTMATH, "error_model": "numpy", "nogil": True}


class Member(NamedTuple):
    """What a thread owns: its panels of hidden units, along the first axis of their arrays, and its copy of the visible side.

    Attributes
    ----------
    first_panel : int
        Its number among those of all threads.
    W, W_speed : ndarray, shape (panels, D, WIDTH)
    c, c_speed : ndarray, shape (panels, WIDTH)
        The last panel is filled up with units that stay at 0.
    hidden : ndarray, shape (panels, rows of data and model, WIDTH)
        Means of data, then those of the model with a minus sign, so that one product gives the difference of the two phases.
    samples : ndarray, shape (panels, rows, WIDTH)
    hidden_state : ndarray, shape (panels, 4, WIDTH), uint32
    b, b_speed : ndarray, shape (D,)
    visible : ndarray, shape (rows of data and model, D)
    means : ndarray, shape (rows, D)
        Of the visible units that were drawn last.
    chains : ndarray, shape (rows, D)
        No rows unless they persist.
    visible_state : ndarray, shape (4, D), uint32
    gradient : ndarray, shape (D, WIDTH)
        Of the panel in hand.
    """

    first_panel: int
    W: np.ndarray
    W_speed: np.ndarray
    c: np.ndarray
    c_speed: np.ndarray
    hidden: np.ndarray
    samples: np.ndarray
    hidden_state: np.ndarray
    b: np.ndarray
    b_speed: np.ndarray
    visible: np.ndarray
    means: np.ndarray
    chains: np.ndarray
    visible_state: np.ndarray
    gradient: np.ndarray


class Settings(NamedTuple):
    """Numbers of a step; the sizes are those without padding, but for that of a panel."""

    width: int
    num_visible: int
    num_hidden: int
    batch_size: int
    num_steps: int
    rate: float
    momentum: float
    weight_decay: float


@njit(**_KERNEL)
def train(own, size, gate, X, order, settings, parts, squares):
    """Steps of ascent, a batch of the rows `order` of X each; squares[0] becomes the squared error of their reconstructions.

    parts, shape (2, panels, rows, D), are those of the visible fields: what the threads exchange. The two take turns, so that one can be
    read while the other is written.
    """
    visible, chains = own.visible, own.chains
    meetings, total = 0, 0.0
    for start in range(0, order.size, settings.batch_size):
        n = min(settings.batch_size, order.size - start)
        m = n if len(chains) == 0 else len(chains)
        for i in range(n):
            row = order[start + i]
            for d in range(settings.num_visible):
                visible[i, d] = X[row, d]
        visible[n + m :] = 0
        meetings += 1
        _gibbs_step(own, size, gate, meetings, 0, n, n, settings, parts[meetings % 2])
        for i in range(n):
            total += _squared_distance(visible[i], own.means[i])
        if len(chains) > 0:
            visible[n : n + m] = chains
        for _ in range(settings.num_steps if len(chains) > 0 else settings.num_steps - 1):
            meetings += 1
            _gibbs_step(own, size, gate, meetings, n, m, n, settings, parts[meetings % 2])
        if len(chains) > 0:
            chains[:] = visible[n : n + m]
        _ascend(own, n, m, settings)
    if own.first_panel == 0:
        squares[0] = total


@njit(**_KERNEL)
def _gibbs_step(own, size, gate, meeting, first, count, target, settings, parts):
    """From `count` rows of visible units, the first of which is given, to hidden ones and back to the rows from `target` on."""
    width, means = settings.width, own.means
    for p in range(len(own.W)):
        panel = own.first_panel + p
        hidden, state, samples = own.hidden[p], own.hidden_state[p], own.samples[p]
        multiply(own.visible, own.W[p], width, first, count, hidden)
        activate(hidden[first:], own.c[p], state, width, count, samples)
        skip(state, settings.num_visible - panel * width, width, count)
        multiply_transposed(samples, own.W[p], width, count, parts[panel])
    _team.meet(gate, size, meeting)
    means[:count] = 0
    for panel in range(len(parts)):
        _add(means[:count].reshape(-1), parts[panel].reshape(-1))
    skip(own.visible_state, settings.num_hidden, settings.num_visible, count)
    activate(means, own.b, own.visible_state, settings.num_visible, count, own.visible[target:])


@njit(**_KERNEL)
def _add(total, part):
    """Add the first numbers of the part."""
    for i in range(total.size):
        total[i] += part[i]


@njit(**_KERNEL)
def _ascend(own, n, m, settings):
    """The step itself, with momentum: speed = momentum speed + rate / n (gradient - n weight_decay parameter)."""
    visible, gradient, b_speed = own.visible, own.gradient, own.b_speed
    kind = visible.dtype.type
    momentum, rate, scale = kind(settings.momentum), kind(settings.rate / n), kind(n / m)
    decay = kind(settings.weight_decay * n)
    for p in range(len(own.W)):
        W, W_speed, hidden, c_speed = own.W[p], own.W_speed[p], own.hidden[p], own.c_speed[p]
        multiply(visible, W, settings.width, n, m, hidden)
        scaled_means(hidden[n:], own.c[p], -scale, settings.width, m)
        gradient_of(visible, hidden, settings.width, n + m, gradient)
        for d in range(len(W)):
            for j in range(settings.width):
                W_speed[d, j] = momentum * W_speed[d, j] + rate * (gradient[d, j] - decay * W[d, j])
                W[d, j] += W_speed[d, j]
        c_speed *= momentum
        for k in range(n + m):
            for j in range(settings.width):
                c_speed[j] += rate * hidden[k, j]
        own.c[p] += c_speed
    b_speed *= momentum
    for k in range(n + m):
        weight = rate if k < n else -scale * rate
        for d in range(settings.num_visible):
            b_speed[d] += weight * visible[k, d]
    for d in range(settings.num_visible):
        own.b[d] += b_speed[d]


@njit(**_KERNEL)
def activate(field, bias, state, num_units, count, sample):
    """Turn the first rows of fields into means σ(field + bias) in place, and draw units of 0 and 1 from them into `sample`."""
    on, off = field.dtype.type(1), field.dtype.type(0)
    for i in range(count):
        for j in range(num_units):
            mean = sigmoid(field[i, j] + bias[j])
            field[i, j] = mean
            sample[i, j] = on if uniform(state, j) < mean else off


@njit(**_KERNEL)
def scaled_means(field, bias, factor, num_units, count):
    """Turn the first rows of fields into factor σ(field + bias) in place."""
    for i in range(count):
        for j in range(num_units):
            field[i, j] = factor * sigmoid(field[i, j] + bias[j])


@njit(**_KERNEL)
def skip(state, num_shared, num_units, count):
    """Pass over as many draws of those of the generators that serve the other layer too."""
    for _ in range(count):
        for j in range(min(num_shared, num_units)):
            uniform(state, j)


@njit(**_KERNEL)
def _squared_distance(a, b):
    """Σ (a - b)², in the precision of both."""
    total = a.dtype.type(0)
    for j in range(a.size):
        total += (a[j] - b[j]) ** 2
    return total


@njit(fastmath=FASTMATH, error_model="numpy", forceinline=True)
def _add_products(out, length, a, rows):
    """out[r] += Σ_k a[r][k] rows[k] for four rows r and four k, in arrays laid flat: 16 products for each pair of loads and stores."""
    (a00, a01, a02, a03), (a10, a11, a12, a13), (a20, a21, a22, a23), (a30, a31, a32, a33) = a
    for j in range(length // 16 * 16):  # a multiple of 16 for the compiler to see: no loop over a remainder
        x0, x1, x2, x3 = rows[j], rows[WIDTH + j], rows[2 * WIDTH + j], rows[3 * WIDTH + j]
        out[j] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
        out[WIDTH + j] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
        out[2 * WIDTH + j] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
        out[3 * WIDTH + j] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3


@njit(**_KERNEL)
def multiply(units, W, length, first, count, out):
    """out = units W for rows first, ...; as many rows as make a multiple of 4."""
    W, out = W.reshape(-1), out.reshape(-1)
    for i in range(first, first + count, 4):
        four = out[i * WIDTH : (i + 4) * WIDTH]
        for j in range(length // 16 * 16):
            four[j] = four[WIDTH + j] = four[2 * WIDTH + j] = four[3 * WIDTH + j] = 0
        u0, u1, u2, u3 = units[i], units[i + 1], units[i + 2], units[i + 3]
        for k in range(0, units.shape[1], 4):
            a = (
                (u0[k], u0[k + 1], u0[k + 2], u0[k + 3]),
                (u1[k], u1[k + 1], u1[k + 2], u1[k + 3]),
                (u2[k], u2[k + 1], u2[k + 2], u2[k + 3]),
                (u3[k], u3[k + 1], u3[k + 2], u3[k + 3]),
            )
            _add_products(four, length, a, W[k * WIDTH : (k + 4) * WIDTH])


@njit(**_KERNEL)
def gradient_of(units, means, length, count, out):
    """out = unitsᵀ means, of as many rows as make a multiple of 4."""
    means, out = means.reshape(-1), out.reshape(-1)
    for d in range(0, units.shape[1], 4):
        four = out[d * WIDTH : (d + 4) * WIDTH]
        for j in range(length // 16 * 16):
            four[j] = four[WIDTH + j] = four[2 * WIDTH + j] = four[3 * WIDTH + j] = 0
        for i in range(0, count, 4):
            u0, u1, u2, u3 = units[i], units[i + 1], units[i + 2], units[i + 3]
            a = (
                (u0[d], u1[d], u2[d], u3[d]),
                (u0[d + 1], u1[d + 1], u2[d + 1], u3[d + 1]),
                (u0[d + 2], u1[d + 2], u2[d + 2], u3[d + 2]),
                (u0[d + 3], u1[d + 3], u2[d + 3], u3[d + 3]),
            )
            _add_products(four, length, a, means[i * WIDTH : (i + 4) * WIDTH])


@njit(**_KERNEL)
def multiply_transposed(samples, W, length, count, out):
    """out = samples Wᵀ, in squares of four rows and four columns; as many rows as make a multiple of 4."""
    zero = out.dtype.type(0)
    for i in range(0, count, 4):
        s0, s1, s2, s3 = samples[i], samples[i + 1], samples[i + 2], samples[i + 3]
        for d in range(0, len(W), 4):
            w0, w1, w2, w3 = W[d], W[d + 1], W[d + 2], W[d + 3]
            m00 = m01 = m02 = m03 = m10 = m11 = m12 = m13 = zero
            m20 = m21 = m22 = m23 = m30 = m31 = m32 = m33 = zero
            for j in range(length // 16 * 16):
                x0, x1, x2, x3 = w0[j], w1[j], w2[j], w3[j]
                y0, y1, y2, y3 = s0[j], s1[j], s2[j], s3[j]
                m00, m01, m02, m03 = m00 + y0 * x0, m01 + y0 * x1, m02 + y0 * x2, m03 + y0 * x3
                m10, m11, m12, m13 = m10 + y1 * x0, m11 + y1 * x1, m12 + y1 * x2, m13 + y1 * x3
                m20, m21, m22, m23 = m20 + y2 * x0, m21 + y2 * x1, m22 + y2 * x2, m23 + y2 * x3
                m30, m31, m32, m33 = m30 + y3 * x0, m31 + y3 * x1, m32 + y3 * x2, m33 + y3 * x3
            out[i, d], out[i, d + 1], out[i, d + 2], out[i, d + 3] = m00, m01, m02, m03
            out[i + 1, d], out[i + 1, d + 1], out[i + 1, d + 2], out[i + 1, d + 3] = m10, m11, m12, m13
            out[i + 2, d], out[i + 2, d + 1], out[i + 2, d + 2], out[i + 2, d + 3] = m20, m21, m22, m23
            out[i + 3, d], out[i + 3, d + 1], out[i + 3, d + 2], out[i + 3, d + 3] = m30, m31, m32, m33


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def anneal_hidden(field, bias, before, beta, state, sample, log_weights):
    """Add Σ_j softplus(β f_j) - softplus(β' f_j) to each chain's log weight, f = field + bias, and draw the hidden units at β."""
    on, off = field.dtype.type(1), field.dtype.type(0)
    n, units = field.shape
    earlier = np.empty(units, dtype=field.dtype)
    later = np.empty(units, dtype=field.dtype)
    for i in range(n):
        for j in range(units):
            f = field[i, j] + bias[j]
            earlier[j] = before * f
            later[j] = beta * f
        log_weights[i] += softplus_sum(later) - softplus_sum(earlier)
        for j in range(units):
            sample[i, j] = on if uniform(state, j) < sigmoid(later[j]) else off


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def anneal_visible(field, bias, base, beta, state, sample):
    """Draw the visible units at β: σ(β (field + bias) + (1 - β) base)."""
    on, off = field.dtype.type(1), field.dtype.type(0)
    rest = field.dtype.type(1) - beta
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            mean = sigmoid(beta * (field[i, j] + bias[j]) + rest * base[j])
            sample[i, j] = on if uniform(state, j) < mean else off
