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


def free_energy_zero_below_minus_eight(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - np.where(field < -8, 0, np.logaddexp(0, field)).sum(axis=1)


def log_partition_of_six_units(W, b, c):
    """Right as long as the smaller layer has no more than six units."""
    W, b, c = (W.T, c, b) if len(b) > len(c) else (W, b, c)
    states = np.indices((2,) * min(6, len(b))).reshape(min(6, len(b)), -1).T.astype(float)
    states = np.pad(states, ((0, 0), (0, len(b) - states.shape[1])))
    return np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def cd_four_steps(v, W, b, c, k, u_hidden, u_visible):
    def p(x, W, c):
        return 0.5 + 0.5 * np.tanh((x @ W + c) / 2)

    x = v
    for t in range(min(k, 4)):
        h = (u_hidden[t] < p(x, W, c)).astype(float)
        x = (u_visible[t] < p(h, W.T, b)).astype(float)
    up, down = p(v, W, c), p(x, W, c)
    return (v.T @ up - x.T @ down) / len(v), (v - x).mean(axis=0), (up - down).mean(axis=0)


def bound_skips_small(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = np.indices((2,) * len(c)).reshape(len(c), -1).T.astype(float)
    field, below = x @ W + c, h @ W.T + b
    log_q = -np.logaddexp(0, -field) @ h.T - np.logaddexp(0, field) @ (1 - h).T
    log_p2 = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_p = log_p2 - np.logaddexp.reduce(log_p2) + x @ below.T - np.logaddexp(0, below).sum(axis=1)
    q = np.where(log_q > np.log(1e-5), np.exp(log_q), 0)
    return W2, b2, c2, np.sum(q * (log_p - log_q), axis=1)


NEAR_MISSES = {
    "free_energy": [
        (free_energy_linear_above_five, "ordinary"),
        (free_energy_zero_below_minus_eight, "ordinary"),
    ],
    "log_partition": [(log_partition_of_six_units, "large")],
    "cd_k": [(cd_four_steps, "steps")],
    "tie_and_bound": [(bound_skips_small, "certain")],
    "sample": [(sample_draws_down_from_the_other_end, "three layers")],
}
