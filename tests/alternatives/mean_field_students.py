"""More right solutions, written from the notebook's statements alone, as different students would write them."""

import itertools
import math
import string

import numpy as np
from scipy import ndimage, optimize, signal, special


def energy_pair_by_pair(J, h, m):
    n = len(m)
    pairs = sum(J[i][j] * m[i] * m[j] for i, j in itertools.combinations(range(n), 2))
    return -pairs - 0.5 * sum(J[i][i] for i in range(n)) - np.inner(h, m)


def energy_einsum(J, h, m):
    second = np.einsum("i,j->ij", m, m) + np.diag(1 - m**2)
    return -np.einsum("ij,ij->", J, second) / 2 - np.einsum("i,i", h, m)


def energy_corrected(J, h, m):
    return -0.5 * (m @ J @ m + np.diagonal(J) @ (1 - m * m)) - np.vdot(h, m)


def update_einsum(log_p, qs, i):
    letters = string.ascii_letters[: log_p.ndim]
    finite = np.where(np.isneginf(log_p), -1e200, log_p)
    others = [j for j in range(log_p.ndim) if j != i]
    operands = ",".join([letters] + [letters[j] for j in others])
    expected = np.einsum(f"{operands}->{letters[i]}", finite, *(qs[j] for j in others))
    return special.softmax(expected)


def update_axis_by_axis(log_p, qs, i):
    """Contracts one variable after the other, the last first; what has no mass is left out of the table."""
    table = log_p
    for j in range(len(qs) - 1, -1, -1):
        if j != i:
            used = np.flatnonzero(qs[j])
            table = np.tensordot(np.take(table, used, axis=j), qs[j][used], axes=(j, 0))
    table = np.exp(table - np.max(table))
    return (table / table.sum()).tolist()


def update_cell_by_cell(log_p, qs, i):
    expected = [0.0] * log_p.shape[i]
    for state in np.ndindex(log_p.shape):
        weight = math.prod(float(qs[j][z]) for j, z in enumerate(state) if j != i)
        if weight > 0:
            expected[state[i]] += weight * log_p[state]
    top = max(expected)
    weights = [math.exp(e - top) for e in expected]
    return np.array(weights) / math.fsum(weights)


def bound_binary_entropy(J, h, m):
    def binary(p):
        return 0.0 if p in (0, 1) else -p * math.log(p) - (1 - p) * math.log1p(-p)

    return sum(binary((1 + float(x)) / 2) for x in m) + np.triu(J, 1).dot(m).dot(m) + h.dot(m)


def bound_xlogy(J, h, m):
    up, down = 0.5 + m / 2, 0.5 - m / 2
    return -(special.xlogy(up, up) + special.xlogy(down, down)).sum() - energy_corrected(J, h, m)


def bound_enumerated(J, h, m):
    """Sums q (log weight - log q) over all states."""
    total = 0.0
    states = np.array(list(itertools.product([-1.0, 1.0], repeat=len(m))))
    q = np.prod((1 + states * m) / 2, axis=1)
    energy = -0.5 * np.einsum("si,ij,sj->s", states, J, states) - states @ h
    for weight, e in zip(q, energy, strict=True):
        if weight > 0:
            total += weight * (-e - np.log(weight))
    return total


def bound_clipped(J, h, m):
    p = np.clip((1 + m) / 2, 1e-15, 1 - 1e-15)
    return -np.sum(p * np.log(p) + (1 - p) * np.log(1 - p)) + m @ (J @ m) / 2 + m @ h


def ascent_by_probabilities(J, h, m0, num_sweeps):
    """Keeps q(s = +1), which is a sigmoid of twice the field."""
    n, up = len(h), (np.asarray(m0) + 1) / 2
    bounds = []
    for _ in range(num_sweeps):
        for i in range(n):
            field = h[i] + sum(J[i, j] * (2 * up[j] - 1) for j in range(n) if j != i)
            up[i] = special.expit(2 * field)
        entropy = special.entr(up).sum() + special.entr(1 - up).sum()
        m = 2 * up - 1
        bounds.append(entropy + 0.5 * (m @ J @ m) + h @ m)
    return [2 * up - 1, bounds]


def ascent_from_tables(J, h, m0, num_sweeps):
    """The general update of a factor on the exponent's part that involves spin i."""
    s = np.array([-1.0, 1.0])
    m, trace = list(m0), np.zeros(num_sweeps)
    for sweep in range(num_sweeps):
        for i in range(len(m)):
            others = np.delete(np.array(m), i)
            log_q = s * (h[i] + np.delete(J[i], i) @ others)
            m[i] = special.softmax(log_q) @ s
        trace[sweep] = bound_binary_entropy(J, h, np.array(m))
    return np.array(m), trace


def ascent_generated(J, h, m0, num_sweeps):
    def sweeps(m):
        while True:
            for i, row in enumerate(J):
                m = np.where(np.arange(len(m)) == i, np.tanh(h[i] + np.inner(row, m)), m)
            yield m

    visited = list(itertools.islice(sweeps(m0), int(num_sweeps)))
    return visited[-1], tuple(bound_xlogy(J, h, m) for m in visited)


CROSS = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])


def denoise_convolved(image, J, sigma, tolerance=1e-5):
    means = np.zeros_like(image)
    while True:
        new = np.tanh(image / sigma**2 + J * signal.convolve2d(means, CROSS, mode="same"))
        if np.max(np.abs(new - means)) <= tolerance:
            return new
        means = new


def denoise_damped(image, J, sigma):
    m, change = np.sign(image), np.inf
    while change > 1e-5:
        new = 0.5 * m + 0.5 * np.tanh(image / sigma**2 + J * ndimage.convolve(m, CROSS, mode="constant"))
        m, change = new, abs(new - m).max()
    return m


def denoise_chessboard(image, J, sigma):
    rng = np.random.default_rng()
    m = rng.uniform(-1, 1, image.shape)
    black = np.indices(image.shape).sum(axis=0) % 2 == 0
    for _ in range(300):
        for colour in (black, ~black):
            padded = np.pad(m, 1)
            around = padded[2:, 1:-1] + padded[:-2, 1:-1] + padded[1:-1, 2:] + padded[1:-1, :-2]
            m[colour] = np.tanh(image / sigma**2 + J * around)[colour]
    return m.T.copy().T


def denoise_as_ising(image, J, sigma):
    """The lattice's matrix and sweeps over the flattened picture, backwards."""
    R, C = image.shape
    number = np.arange(R * C).reshape(R, C)
    A = np.zeros((R * C, R * C))
    for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1])):
        A[a.ravel(), b.ravel()] = A[b.ravel(), a.ravel()] = J
    field = image.ravel() / (sigma * sigma)
    m = np.ones(R * C)
    for _ in range(200):
        for i in reversed(range(R * C)):
            m[i] = np.tanh(field[i] + A[i] @ m)
    return m.reshape(R, C)


def denoise_by_root(image, J, sigma):
    def residual(m):
        around = ndimage.correlate(m.reshape(image.shape), CROSS, mode="constant")
        return m - np.tanh(image / sigma**2 + J * around).ravel()

    return optimize.root(residual, np.tanh(image / sigma**2).ravel(), tol=1e-8).x.reshape(image.shape)


SOLUTIONS = {
    "mean_field_energy": [energy_pair_by_pair, energy_einsum, energy_corrected],
    "coordinate_update": [update_einsum, update_axis_by_axis, update_cell_by_cell],
    "log_partition_bound": [bound_binary_entropy, bound_xlogy, bound_enumerated, bound_clipped],
    "coordinate_ascent": [ascent_by_probabilities, ascent_from_tables, ascent_generated],
    "denoise": [
        denoise_convolved,
        denoise_damped,
        denoise_chessboard,
        denoise_as_ising,
        denoise_by_root,
    ],
}
