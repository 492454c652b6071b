"""Wrong answers that are right on most examples, with the property that each must lose."""

import numpy as np


def free_energy_linear_above_five(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - np.where(field > 5, field, np.log1p(np.exp(np.minimum(field, 5)))).sum(axis=1)


def sample_draws_down_from_the_other_end(layers, start, u_hidden, u_visible, u_down):
    """Right as long as the layers' sizes tell which numbers are whose."""
    W, b, c = layers[-1]
    x = start
    for up, down in zip(u_hidden, u_visible, strict=True):
        h = (up < 0.5 + 0.5 * np.tanh((x @ W + c) / 2)).astype(float)
        x = (down < 0.5 + 0.5 * np.tanh((h @ W.T + b) / 2)).astype(float)
    for level, (W, b, _) in reversed(list(enumerate(layers[:-1]))):
        u = u_down[len(layers) - 2 - level]
        u = u if u.shape == (len(x), len(b)) else u_down[level]
        x = (u < 0.5 + 0.5 * np.tanh((x @ W.T + b) / 2)).astype(float)
    return x


NEAR_MISSES = {
    "free_energy": [(free_energy_linear_above_five, "ordinary")],
    "sample": [(sample_draws_down_from_the_other_end, "three layers")],
}
