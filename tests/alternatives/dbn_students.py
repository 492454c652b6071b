"""More right solutions, written from the notebook's statements alone, as different students would write them."""

import itertools
import math
from dataclasses import astuple, dataclass

import numpy as np
from scipy import special


def sigmoid_by_cases(a):
    """Never an exponential above 1."""
    small = np.exp(-np.abs(a))
    return np.where(a >= 0, 1, small) / (1 + small)


def conditional_by_cases(v, W, c):
    return sigmoid_by_cases(v.dot(W) + c)


def conditional_clipped(v, W, c):
    return 1.0 / (1.0 + np.exp(-np.clip(v @ W + c, -500, 500)))


def conditional_of_energies(v, W, c):
    """The two states' weights, normalised."""
    field = np.tensordot(v, W, axes=1) + c
    return special.softmax(np.stack([np.zeros_like(field), field]), axis=0)[1]


def softplus(a):
    return np.where(a > 30, a, np.log1p(np.exp(np.minimum(a, 30))))


def free_energy_by_cases(v, W, b, c):
    return -v @ b - softplus(v @ W + c).sum(axis=1)


def free_energy_unit_by_unit(v, W, b, c):
    """Sums one hidden unit out after the other."""
    total = -np.einsum("nd,d->n", v, b)
    for weights, bias in zip(W.T, c, strict=True):
        total = total - np.logaddexp(0, v @ weights + bias)
    return total


def free_energy_of_means(v, W, b, c):
    """Energy at the hidden means minus their entropy."""
    field = v @ W + c
    mean = special.expit(field)
    return (
        -(v @ b)
        - (mean * field).sum(axis=1)
        - (special.entr(mean) + special.entr(special.expit(-field))).sum(axis=1)
    )


def bits(n):
    return np.array([[int(digit) for digit in np.binary_repr(k, n)] for k in range(2**n)])


def partition_both_ways(W, b, c):
    D, H = W.shape
    if H < D:
        return partition_both_ways(W.T, c, b)
    return special.logsumexp(-free_energy_by_cases(bits(D), W, b, c))


def partition_recursive(W, b, c):
    """Each unit of the smaller layer off or on, its weights moved into the other layer's biases."""

    def over(W, b, c):
        if len(b) == 0:
            return float(np.logaddexp(0, c).sum())
        on = float(b[0]) + over(W[1:], b[1:], c + W[0])
        return np.logaddexp(on, over(W[1:], b[1:], c))

    return over(W, b, c) if len(b) <= len(c) else over(W.T, c, b)


def partition_gray(W, b, c):
    """One unit changes from each state to the next."""
    if len(b) > len(c):
        W, b, c = W.T, c, b
    state, field, bias, logs = np.zeros(len(b), dtype=bool), c.astype(float), 0.0, []
    for count in range(2 ** len(b)):
        logs.append(bias + np.logaddexp(0, field).sum())
        flip = (count + 1 & -(count + 1)).bit_length() - 1
        if flip < len(b):
            sign = -1 if state[flip] else 1
            state[flip] ^= True
            field, bias = field + sign * W[flip], bias + sign * float(b[flip])
    return math.log(math.fsum(math.exp(x - max(logs)) for x in logs)) + max(logs)


@dataclass
class Gradient:
    W: np.ndarray
    b: np.ndarray
    c: np.ndarray


def cd_of_objects(v, W, b, c, k=1, u_hidden=None, u_visible=None):
    """Outer products of pairs, in a record."""
    x, first = v.copy(), conditional_by_cases(v, W, c)
    for t in range(k):
        h = np.where(u_hidden[t] < conditional_by_cases(x, W, c), 1, 0)
        x = np.where(u_visible[t] < conditional_by_cases(h, W.T, b), 1, 0)
    last = conditional_by_cases(x, W, c)
    pairs = np.einsum("ni,nj->ij", v, first) - np.einsum("ni,nj->ij", x, last)
    return astuple(Gradient(pairs / len(v), np.mean(v - x, axis=0), np.mean(first - last, axis=0)))


def cd_recursive(v, W, b, c, k, u_hidden, u_visible):
    def statistics(x):
        p = special.expit(x @ W + c)
        return np.array([np.outer(a, q) for a, q in zip(x, p, strict=True)]).mean(0), x.mean(0), p.mean(0)

    def chain(x, t):
        if t == k:
            return x
        h = (special.expit(x @ W + c) > u_hidden[t]).astype(np.uint8)
        return chain((special.expit(h @ W.T + b) > u_visible[t]).astype(int), t + 1)

    return [data - model for data, model in zip(statistics(v), statistics(chain(v, 0)), strict=True)]


def cd_row_by_row(v, W, b, c, k, u_hidden, u_visible):
    total = [0 * W, 0 * b, 0 * c]
    for r, x in enumerate(v):
        y = x
        for t in range(k):
            h = 1.0 * (u_hidden[t][r] < special.expit(y @ W + c))
            y = 1.0 * (u_visible[t][r] < special.expit(W @ h + b))
        p, q = special.expit(x @ W + c), special.expit(y @ W + c)
        for array, term in zip(total, (np.outer(x, p) - np.outer(y, q), x - y, p - q), strict=True):
            array += term
    return tuple(array / v.shape[0] for array in total)


def bound_from_parts(x, W, b, c, dW, db, dc):
    """Three expectations under q, each by itself; log q as a sum over units."""
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = bits(len(c))
    log_p2 = -free_energy_by_cases(h, W2, b2, c2)
    log_p2 = log_p2 - special.logsumexp(log_p2)
    up, down = x @ W + c, h @ W.T + b
    log_on, log_off = special.log_expit(up), special.log_expit(-up)
    log_q = np.array([np.where(state, log_on, log_off).sum(axis=1) for state in h]).T
    q = np.exp(log_q)
    log_x = x @ special.log_expit(down).T + (1 - x) @ special.log_expit(-down).T
    return W2, b2, c2, q @ log_p2 + (q * log_x).sum(axis=1) - (q * log_q).sum(axis=1)


def bound_from_free_energies(x, W, b, c, dW, db, dc):
    """log p1(x | h) + log p1(h) - log q(h) is log p1(x): what is left is how the two machines differ on h."""
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = bits(len(c))

    def log_marginal(*machine):
        return -free_energy_by_cases(h, *machine) - partition_both_ways(*machine)

    gain = log_marginal(W2, b2, c2) - log_marginal(W.T, c, b)
    log_x = -free_energy_by_cases(x, W, b, c) - partition_both_ways(W, b, c)
    q = np.prod(
        np.where(h[None], special.expit(x @ W + c)[:, None], special.expit(-(x @ W + c))[:, None]), axis=2
    )
    return [W2, b2, c2, log_x + q @ gain]


def bound_skipping(x, W, b, c, dW, db, dc):
    W2, b2, c2 = np.array(W.T) + dW, c + db, b + dc
    log_z = partition_gray(W2, b2, c2)
    bounds = []
    for row in x:
        mean, total = special.expit(row @ W + c), 0
        for h in itertools.product((0, 1), repeat=len(c)):
            q = np.where(h, mean, 1 - mean).prod()
            if q > 0:
                down = W @ h + b
                log_x = row @ down - np.logaddexp(0, down).sum()
                total += q * (b2 @ h + softplus(c2 + h @ W2).sum() - log_z + log_x - np.log(q))
        bounds.append(total)
    return W2, b2, c2, bounds


def sample_from_a_list(layers, start, u_hidden, u_visible, u_down):
    """Works on copies of the lists and takes them apart."""
    layers, u_down = list(layers), list(u_down)
    W, b, c = layers.pop()
    x = start
    for t in range(len(u_hidden)):
        h = u_hidden[t] < sigmoid_by_cases(x @ W + c)
        x = u_visible[t] < sigmoid_by_cases(h @ W.T + b)
    while layers:
        W, b, c = layers.pop()
        x = u_down.pop() < sigmoid_by_cases(x @ W.T + b)
    return x.astype(int)


def sample_units_one_by_one(layers, start, u_hidden, u_visible, u_down):
    def draw(u, weights, bias, units):
        out = np.zeros(u.shape, dtype=np.int8)
        for n, j in np.ndindex(u.shape):
            out[n, j] = u[n, j] < special.expit(bias[j] + np.dot(weights[j], units[n]))
        return out

    *below, (W, b, c) = layers
    for up, down in zip(u_hidden, u_visible, strict=True):
        start = draw(down, W, b, draw(up, W.T, c, start))
    for index in range(len(below) - 1, -1, -1):
        W, b, _ = below[index]
        start = draw(u_down[index], W, b, start)
    return start.tolist()


def sample_sign_of_differences(layers, start, u_hidden, u_visible, u_down):
    W, b, c = layers[-1]
    state = np.array(start)
    for up, down in zip(u_hidden, u_visible, strict=True):
        hidden = np.ceil(np.clip(special.expit(state @ W + c) - up, 0, 1))
        state = np.ceil(np.clip(special.expit(hidden @ W.T + b) - down, 0, 1))
    for level in reversed(range(len(layers) - 1)):
        state = np.heaviside(special.expit(state @ layers[level][0].T + layers[level][1]) - u_down[level], 0)
    return state


SOLUTIONS = {
    "rbm_conditional": [conditional_by_cases, conditional_clipped, conditional_of_energies],
    "free_energy": [free_energy_by_cases, free_energy_unit_by_unit, free_energy_of_means],
    "log_partition": [partition_both_ways, partition_recursive, partition_gray],
    "cd_k": [cd_of_objects, cd_recursive, cd_row_by_row],
    "tie_and_bound": [bound_from_parts, bound_from_free_energies, bound_skipping],
    "sample": [sample_from_a_list, sample_units_one_by_one, sample_sign_of_differences],
}
