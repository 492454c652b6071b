"""Kernels of `lectures_lib.rbm`: training by contrastive divergence, and what annealing does to a layer between two matrix products.

Training keeps the units of the wider layer in panels of at most WIDTH, each with its weights, and shares the panels out among threads. A
thread takes its panels through everything: fields, samples, gradient and update, so that neither weights nor the panels' units ever leave
the core. What the threads exchange is each panel's part of the fields of the other layer, the whole one; that layer, which needs all
parts, each thread does for itself. Parts are added in the order of the panels, so that results don't depend on the number of threads.

Products of matrices are done here: those of a small batch are too small for BLAS to share out well, and it would move the operands from
core to core. Arrays are padded, the rows of a product to multiples of 8 and a panel to multiples of 32, with zero weights and data, and
with biases of -inf, which keep a unit at 0.

Each unit draws from a generator of its own (see `_fast_math.generators`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lectures_lib import _team
from lectures_lib._fast_math import FASTMATH, sigmoid, softplus_sum, uniform, wide_vectors
from lectures_lib._tiles import COLUMNS, ROWS, SIDE, STRIDE, dot_tile, multiply_tile

WIDTH = 128
"""Units of the largest panels: small enough for their weights, and for what a step makes of a batch, to stay in a core's own caches."""

DEPTH = 128
"""Products are summed in runs of this many terms: what a column of tiles reads again and again then stays in the first cache."""

_KERNEL = {"cache": True, "fastmath": FASTMATH, "error_model": "numpy", "nogil": True}


class Layer(NamedTuple):
    """Units of a layer; for that in panels, each array has a first axis for the panel.

    Attributes
    ----------
    bias, speed : ndarray, shape (size,)
        The last panel is filled up with units that stay at 0.
    units : ndarray, shape (rows of data and model, size)
        What the gradient is made of. Visible: data and samples. Hidden: means of data, then those of the model with a minus sign, so
        that one product gives the difference of the two phases.
    others : ndarray, shape (rows, size)
        Visible: means of the samples drawn last. Hidden: samples.
    state : ndarray, shape (4, size), uint32
    """

    bias: np.ndarray
    speed: np.ndarray
    units: np.ndarray
    others: np.ndarray
    state: np.ndarray


class Member(NamedTuple):
    """What a thread owns: its panels of the wider layer, and its copy of the other one.

    Attributes
    ----------
    first_panel : int
        Its number among those of all threads.
    starts, widths : ndarray, shape (panels,), int64
        The first unit of each panel, and its units, with padding.
    W, W_speed : ndarray, shape (panels, size of the whole layer, STRIDE)
    gradient : ndarray, shape (size of the whole layer, STRIDE)
        Of the panel in hand.
    panels, whole : Layer
    chains : ndarray, shape (panels, rows, STRIDE) if the visible layer is in panels, else (1, rows, size of the whole layer)
        No rows unless they persist.
    squares : ndarray, shape (epochs, panels)
        Squared error of each epoch's reconstructions: by panel, or all in the first.
    """

    first_panel: int
    starts: np.ndarray
    widths: np.ndarray
    W: np.ndarray
    W_speed: np.ndarray
    gradient: np.ndarray
    panels: Layer
    whole: Layer
    chains: np.ndarray
    squares: np.ndarray


class Settings(NamedTuple):
    """Numbers of a step; the size of the whole layer is that without padding."""

    visible_in_panels: bool
    whole_size: int
    batch_size: int
    num_steps: int
    momentum: float
    weight_decay: float


class Meeting(NamedTuple):
    """Where the threads exchange parts of fields: how many they are, their gate, and the parts, shape (2, panels, rows, size of the whole
    layer). The two take turns, so that one can be read while the other is written.
    """

    size: int
    gate: np.ndarray
    parts: np.ndarray


@njit(**_KERNEL)
def train(own, size, gate, X, orders, rates, settings, parts):
    """Epochs of ascent, each at a rate of its own: steps of a batch of X each, whose rows come in the order `orders` (epochs, n)."""
    meeting, number = Meeting(size, gate, parts), 0
    for epoch in range(len(orders)):
        number = _train_epoch(own, meeting, number, X, orders[epoch], rates[epoch], settings, epoch)


@njit(**_KERNEL)
def _train_epoch(own, meeting, number, X, order, rate, settings, epoch):
    """Steps of an epoch; returns the number of meetings so far, as all that may meet."""
    persistent = own.chains.shape[1] > 0
    for p in range(own.squares.shape[1]):
        own.squares[epoch, p] = 0
    for start in range(0, order.size, settings.batch_size):
        n = min(settings.batch_size, order.size - start)
        m = own.chains.shape[1] if persistent else n
        _take_batch(own, X, order, start, n, settings)
        number = _draw_hidden(own, meeting, number, 0, n, settings)
        number = _draw_visible(own, meeting, number, n, n, settings)
        _add_squares(own, n, settings, epoch)
        if persistent:
            _set_model(own, n, settings)
        for _ in range(settings.num_steps if persistent else settings.num_steps - 1):
            number = _draw_hidden(own, meeting, number, n, m, settings)
            number = _draw_visible(own, meeting, number, m, n, settings)
        if persistent:
            _keep_model(own, n, settings)
        number = _negative_means(own, meeting, number, n, m, settings)
        _ascend(own, n, m, rate, settings)
    return number


@njit(**_KERNEL)
def _take_batch(own, X, order, start, n, settings):
    """Lay out the visible units of n data."""
    if settings.visible_in_panels:
        for p in range(len(own.W)):
            first, units = own.starts[p], own.panels.units[p]
            for i in range(n):
                for j in range(min(own.widths[p], X.shape[1] - first)):
                    units[i, j] = X[order[start + i], first + j]
    else:
        units = own.whole.units
        for i in range(n):
            for j in range(X.shape[1]):
                units[i, j] = X[order[start + i], j]


@njit(**_KERNEL)
def _set_model(own, n, settings):
    """Continue the chains that persist."""
    for p in range(len(own.chains)):
        units = own.panels.units[p] if settings.visible_in_panels else own.whole.units
        _copy(own.chains[p], 0, units, n, own.chains.shape[1])


@njit(**_KERNEL)
def _keep_model(own, n, settings):
    """Keep the chains for the next batch."""
    for p in range(len(own.chains)):
        units = own.panels.units[p] if settings.visible_in_panels else own.whole.units
        _copy(units, n, own.chains[p], 0, own.chains.shape[1])


@njit(**_KERNEL)
def _copy(source, first, target, to, count):
    """Copy rows first, ... to rows to, ..."""
    for i in range(count):
        for j in range(target.shape[1]):
            target[to + i, j] = source[first + i, j]


@njit(**_KERNEL)
def _add_squares(own, n, settings, epoch):
    """Add the squared errors of the reconstructions drawn last."""
    if settings.visible_in_panels:
        for p in range(len(own.W)):
            for i in range(n):
                units, means = own.panels.units[p, i], own.panels.others[p, i]
                own.squares[epoch, p] += _squared_distance(units, means, own.widths[p])
    elif own.first_panel == 0:
        for i in range(n):
            own.squares[epoch, 0] += _squared_distance(
                own.whole.units[i], own.whole.others[i], settings.whole_size
            )


@njit(**_KERNEL)
def _draw_hidden(own, meeting, number, first, count, settings):
    """Hidden means and samples for `count` rows of visible units; returns the number of meetings so far, as all that may meet."""
    panels, whole = own.panels, own.whole
    if settings.visible_in_panels:
        number = _fields_of_whole(
            own, meeting, number, panels.units, first, count, settings, whole.units[first:]
        )
        activate(whole.units[first:], whole.bias, whole.state, settings.whole_size, count, whole.others)
    else:
        for p in range(len(own.W)):
            units = panels.units[p]
            multiply(whole.units, own.W[p], own.widths[p], first, count, units)
            activate(units[first:], panels.bias[p], panels.state[p], own.widths[p], count, panels.others[p])
    return number


@njit(**_KERNEL)
def _draw_visible(own, meeting, number, count, target, settings):
    """Visible means for `count` rows of hidden samples, and samples in the rows from `target` on."""
    panels, whole = own.panels, own.whole
    if settings.visible_in_panels:
        for p in range(len(own.W)):
            units = panels.units[p][target:]
            multiply(whole.others, own.W[p], own.widths[p], 0, count, panels.others[p])
            activate(panels.others[p], panels.bias[p], panels.state[p], own.widths[p], count, units)
    else:
        number = _fields_of_whole(own, meeting, number, panels.others, 0, count, settings, whole.others)
        activate(whole.others, whole.bias, whole.state, settings.whole_size, count, whole.units[target:])
    return number


@njit(**_KERNEL)
def _negative_means(own, meeting, number, n, m, settings):
    """Hidden means of the model, weighted against those of n data, with a minus sign."""
    panels, whole = own.panels, own.whole
    factor = -whole.units.dtype.type(n / m)
    if settings.visible_in_panels:
        number = _fields_of_whole(own, meeting, number, panels.units, n, m, settings, whole.units[n:])
        scaled_means(whole.units[n:], whole.bias, factor, settings.whole_size, m)
    else:
        for p in range(len(own.W)):
            units = panels.units[p]
            multiply(whole.units, own.W[p], own.widths[p], n, m, units)
            scaled_means(units[n:], panels.bias[p], factor, own.widths[p], m)
    return number


@njit(**_KERNEL)
def _fields_of_whole(own, meeting, number, panels, first, count, settings, fields):
    """fields = Σ of the parts of all panels, from their units in rows first, ...; returns the number of meetings."""
    number += 1
    parts = meeting.parts[number % 2]
    for p in range(len(own.W)):
        multiply_transposed(panels[p][first:], own.W[p], own.widths[p], count, parts[own.first_panel + p])
    _team.meet(meeting.gate, meeting.size, number)
    _copy(parts[0], 0, fields, 0, count)
    for panel in range(1, len(parts)):
        _add(parts[panel], fields, count)
    return number


@njit(**_KERNEL)
def _add(part, total, count):
    """Add the first rows of the part."""
    for i in range(count):
        for j in range(total.shape[1]):
            total[i, j] += part[i, j]


@njit(**_KERNEL)
def _ascend(own, n, m, rate, settings):
    """The step itself, with momentum: speed = momentum speed + rate / n (gradient - n weight_decay parameter)."""
    panels, whole, gradient = own.panels, own.whole, own.gradient
    kind = gradient.dtype.type
    momentum, rate, scale = kind(settings.momentum), kind(rate / n), kind(n / m)
    decay = kind(settings.weight_decay * n)
    # Of hidden units, those of the model have their weight and sign already.
    panel_weight, whole_weight = (-scale, kind(1)) if settings.visible_in_panels else (kind(1), -scale)
    for p in range(len(own.W)):
        W, W_speed = own.W[p], own.W_speed[p]
        gradient_of(whole.units, panels.units[p], own.widths[p], n + m, gradient)
        for d in range(len(W)):
            for j in range(own.widths[p]):
                W_speed[d, j] = momentum * W_speed[d, j] + rate * (gradient[d, j] - decay * W[d, j])
                W[d, j] += W_speed[d, j]
        _move_bias(
            panels.bias[p],
            panels.speed[p],
            panels.units[p],
            own.widths[p],
            n,
            m,
            momentum,
            rate,
            panel_weight,
        )
    _move_bias(whole.bias, whole.speed, whole.units, settings.whole_size, n, m, momentum, rate, whole_weight)


@njit(**_KERNEL)
def _move_bias(bias, speed, units, size, n, m, momentum, rate, weight):
    """The step of a layer's biases; `weight` is that of the model's rows."""
    for j in range(size):
        speed[j] *= momentum
    for k in range(n + m):
        factor = rate if k < n else rate * weight
        for j in range(size):
            speed[j] += factor * units[k, j]
    for j in range(size):
        bias[j] += speed[j]


@njit(**_KERNEL)
def hidden_means(X, W, bias):
    """σ(X W + bias), as between the layers of a network: on one thread, and without BLAS, whose own would take a core from the next."""
    n, depth, block = len(X), (len(W) + ROWS - 1) // ROWS * ROWS, 64
    means = np.empty((n, bias.size), X.dtype)
    panel, units = np.zeros((depth, STRIDE), X.dtype), np.zeros((block, depth), X.dtype)
    fields = np.empty((block, STRIDE), X.dtype)
    for first in range(0, bias.size, WIDTH):
        width = min(WIDTH, bias.size - first)
        for d in range(len(W)):
            for j in range(WIDTH):
                panel[d, j] = W[d, first + j] if j < width else 0
        for start in range(0, n, block):
            count = min(block, n - start)
            for i in range(count):
                for d in range(len(W)):
                    units[i, d] = X[start + i, d]
            multiply(units, panel, WIDTH, 0, count, fields)
            for i in range(count):
                for j in range(width):
                    means[start + i, first + j] = sigmoid(fields[i, j] + bias[first + j])
    return means


@njit(**_KERNEL)
def activate(field, bias, state, num_units, count, sample):
    """Turn the first rows of fields into means σ(field + bias) in place, and draw units of 0 and 1 from them into `sample`."""
    wide_vectors()
    on, off = field.dtype.type(1), field.dtype.type(0)
    for i in range(count):
        for j in range(num_units):
            mean = sigmoid(field[i, j] + bias[j])
            field[i, j] = mean
            sample[i, j] = on if uniform(state, j) < mean else off


@njit(**_KERNEL)
def scaled_means(field, bias, factor, num_units, count):
    """Turn the first rows of fields into factor σ(field + bias) in place."""
    wide_vectors()
    for i in range(count):
        for j in range(num_units):
            field[i, j] = factor * sigmoid(field[i, j] + bias[j])


@njit(**_KERNEL)
def _squared_distance(a, b, size):
    """Σ (a - b)² of the first numbers, in the precision of both."""
    total = a.dtype.type(0)
    for j in range(size):
        total += (a[j] - b[j]) ** 2
    return total


@njit(**_KERNEL)
def multiply(units, W, width, first, count, out):
    """out = units W for rows first, ...; as many rows as make a multiple of 8."""
    depth = units.shape[1]
    for k in range(0, depth, DEPTH):
        for j in range(0, width, COLUMNS):
            for i in range(first, first + count, ROWS):
                place, part = i * depth + k, min(DEPTH, depth - k)
                multiply_tile(part, units, place, depth, 1, W, k * STRIDE + j, out, i * STRIDE + j, k > 0)


@njit(**_KERNEL)
def gradient_of(units, means, width, count, out):
    """out = unitsᵀ means, of the first rows."""
    depth = units.shape[1]
    for k in range(0, count, DEPTH):
        for j in range(0, width, COLUMNS):
            for d in range(0, depth, ROWS):
                place, part = k * depth + d, min(DEPTH, count - k)
                multiply_tile(part, units, place, 1, depth, means, k * STRIDE + j, out, d * STRIDE + j, k > 0)


@njit(**_KERNEL)
def multiply_transposed(samples, W, width, count, out):
    """out = samples Wᵀ; as many rows as make a multiple of 4."""
    depth = len(W)
    for i in range(0, count, SIDE):
        for d in range(0, depth, SIDE):
            dot_tile(width, samples, i * STRIDE, W, d * STRIDE, out, i * depth + d, depth)


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
