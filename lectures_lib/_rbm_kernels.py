"""Kernels of `lectures_lib.rbm`: what happens to a layer between two matrix products.

They run on one thread: the products, which BLAS shares out among the cores, take most of the time, and a second pool of threads would
only get in its way. `state` holds as many generators as the wider layer has units (see `_fast_math.generators`).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lectures_lib._fast_math import FASTMATH, sigmoid, softplus_sum, uniform


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def activate(field, bias, state, sample):
    """Turn fields (n, units) into means σ(field + bias) in place, and draw units of 0 and 1 from them into `sample`."""
    on, off = field.dtype.type(1), field.dtype.type(0)
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            mean = sigmoid(field[i, j] + bias[j])
            field[i, j] = mean
            sample[i, j] = on if uniform(state, j) < mean else off


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def scaled_means(field, bias, scale):
    """Turn fields (n, units) into scale σ(field + bias) in place."""
    factor = field.dtype.type(scale)
    for i in range(field.shape[0]):
        for j in range(field.shape[1]):
            field[i, j] = factor * sigmoid(field[i, j] + bias[j])


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def squared_distance(a, b):
    """Σ (a - b)² in float64."""
    total = 0.0
    for i in range(a.shape[0]):
        row = a.dtype.type(0)
        for j in range(a.shape[1]):
            row += (a[i, j] - b[i, j]) ** 2
        total += row
    return total


@njit(cache=True, fastmath=FASTMATH, error_model="numpy")
def ascend(rbm, speed, gradient, visible, hidden, n, model_weight, learning_rate, keep, weight_decay):
    """One step of gradient ascent with momentum, in place: speed = keep speed + learning_rate (gradient - weight_decay parameter).

    The biases' gradients are the sums of `visible`, whose first n rows are data and whose others count -model_weight times, and of
    `hidden`. The numbers come as Python's: to make NumPy's of them takes a twentieth of a small step.
    """
    (W, b, c), (W_speed, b_speed, c_speed) = rbm, speed
    kind = gradient.dtype.type
    scale, rate, momentum, decay = kind(model_weight), kind(learning_rate), kind(keep), kind(weight_decay)
    for i in range(W.shape[0]):
        for j in range(W.shape[1]):
            W_speed[i, j] = momentum * W_speed[i, j] + rate * (gradient[i, j] - decay * W[i, j])
            W[i, j] += W_speed[i, j]
    b_speed *= momentum
    for k in range(visible.shape[0]):
        weight = rate if k < n else -scale * rate
        for i in range(b.size):
            b_speed[i] += weight * visible[k, i]
    b += b_speed
    c_speed *= momentum
    for k in range(hidden.shape[0]):
        for j in range(c.size):
            c_speed[j] += rate * hidden[k, j]
    c += c_speed


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
