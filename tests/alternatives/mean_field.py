"""Right solutions of the exercises in three styles: plain loops, vectorised, library calls."""

import itertools
import math

import numpy as np
from scipy import ndimage, special


def energy_loop(J, h, m):
    total = 0.0
    for i in range(len(m)):
        total -= float(h[i] * m[i])
        for j in range(len(m)):
            total -= 0.5 * float(J[i, j]) * (1.0 if i == j else float(m[i] * m[j]))
    return total


def energy_vectorised(J, h, m):
    return -0.5 * (m @ J @ m + np.sum(np.diag(J) * (1 - m**2))) - h @ m


def energy_enumerated(J, h, m):
    total = 0.0
    for s in itertools.product([-1, 1], repeat=len(m)):
        s = np.array(s)
        total += np.prod((1 + s * m) / 2.0) * (-0.5 * s @ J @ s - h @ s)
    return total


def update_loop(log_p, qs, i):
    scores = np.zeros(log_p.shape[i])
    for state in np.ndindex(*log_p.shape):
        weight = 1.0
        for j, k in enumerate(state):
            if j != i:
                weight *= qs[j][k]
        if weight:
            scores[state[i]] += weight * log_p[state]
    scores -= scores.max()
    return [math.exp(s) / np.exp(scores).sum() for s in scores]


def update_vectorised(log_p, qs, i):
    """Contract one axis after the other, the last first."""
    table = np.moveaxis(log_p, i, 0)
    others = [q for j, q in enumerate(qs) if j != i]
    for q in reversed(others):
        on = q > 0
        table = table[..., on] @ q[on]
    weights = np.exp(table - table.max())
    return weights / weights.sum()


def update_library(log_p, qs, i):
    operands = []
    for j, q in enumerate(qs):
        if j != i:
            operands += [q, [j]]
    finite = np.where(np.isneginf(log_p), -1e30, log_p)
    score = np.einsum(finite, list(range(log_p.ndim)), *operands, [i])
    own = np.all(np.isneginf(log_p), axis=tuple(j for j in range(log_p.ndim) if j != i))
    return special.softmax(np.where(own, -np.inf, score))


def bound_loop(J, h, m):
    total = 0.0
    for i in range(len(m)):
        for p in ((1 + float(m[i])) / 2, (1 - float(m[i])) / 2):
            if p > 0:
                total -= p * math.log(p)
        total += float(h[i] * m[i])
        for j in range(i):
            total += float(J[i, j] * m[i] * m[j])
    return total


def bound_vectorised(J, h, m):
    m = m.astype(float)
    return (
        np.log(2) * len(m)
        - 0.5 * np.sum(special.xlog1py(1 + m, m) + special.xlog1py(1 - m, -m))
        + h @ m
        + m @ J @ m / 2
    )


def bound_library(J, h, m):
    return (
        special.entr((1 + m) / 2).sum()
        + special.entr((1 - m) / 2).sum()
        + 0.5 * np.einsum("i,ij,j", m, J, m)
        + np.dot(h, m)
    )


def ascent_loop(J, h, m0, num_sweeps):
    m, trace = [float(x) for x in m0], []
    for _ in range(num_sweeps):
        for i in range(len(m)):
            m[i] = math.tanh(h[i] + sum(J[i, j] * m[j] for j in range(len(m))))
        trace.append(bound_loop(J, h, np.array(m)))
    return m, trace


def ascent_vectorised(J, h, m0, num_sweeps):
    m = m0.copy()
    trace = []
    for _ in range(num_sweeps):
        for i in range(m.size):
            m[i] = 2 * special.expit(2 * (h[i] + J[i] @ m)) - 1
        trace.append(bound_vectorised(J, h, np.clip(m, -1, 1)))
    return m, np.array(trace)


def ascent_with_running_fields(J, h, m0, num_sweeps):
    m = np.array(m0, dtype=float)
    field = h + J @ m
    trace = np.empty(num_sweeps)
    for sweep in range(num_sweeps):
        for i in range(len(m)):
            new = np.tanh(field[i])
            field = field + J[:, i] * (new - m[i])
            m[i] = new
        trace[sweep] = bound_library(J, h, m)
    return m, trace


def denoise_loop(image, J, sigma):
    rows, columns = image.shape
    m = np.zeros(image.shape)
    for _ in range(300):
        for r in range(rows):
            for c in range(columns):
                total = image[r, c] / sigma**2
                if r > 0:
                    total += J * m[r - 1, c]
                if r + 1 < rows:
                    total += J * m[r + 1, c]
                if c > 0:
                    total += J * m[r, c - 1]
                if c + 1 < columns:
                    total += J * m[r, c + 1]
                m[r, c] = math.tanh(total)
    return m


def denoise_parallel(image, J, sigma):
    """All at once is right here: with 4 J < 1 the map contracts."""
    field = image / (sigma * sigma)
    m, old = np.tanh(field), None
    while old is None or np.abs(m - old).max() > 1e-5:
        old = m
        around = np.zeros_like(m)
        around[1:] += m[:-1]
        around[:-1] += m[1:]
        around[:, 1:] += m[:, :-1]
        around[:, :-1] += m[:, 1:]
        m = np.tanh(field + J * around)
    return m


def denoise_library(image, J, sigma):
    kernel = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    m = np.zeros(image.shape)
    for _ in range(400):
        near = ndimage.convolve(m, kernel, mode="constant", cval=0.0)
        m = 1 - 2 / (1 + np.exp(2 * (image / sigma**2 + J * near)))
    return m.astype(np.float32)


SOLUTIONS = {
    "mean_field_energy": [energy_loop, energy_vectorised, energy_enumerated],
    "coordinate_update": [update_loop, update_vectorised, update_library],
    "log_partition_bound": [bound_loop, bound_vectorised, bound_library],
    "coordinate_ascent": [ascent_loop, ascent_vectorised, ascent_with_running_fields],
    "denoise": [denoise_loop, denoise_parallel, denoise_library],
}
