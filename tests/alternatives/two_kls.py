"""Right solutions of the exercises in three styles: plain loops, vectorised, library calls."""

import math

import numpy as np
from scipy import linalg, optimize, special, stats


def gaussian_loop(m0, S0, m1, S1):
    """Whiten the second Gaussian, then add up one dimension after the other along the principal axes of the first."""
    values, vectors = np.linalg.eigh(np.asarray(S1, dtype=float))
    white = vectors / np.sqrt(values)
    variances, axes = np.linalg.eigh(white.T @ S0 @ white)
    shift = axes.T @ white.T @ (np.asarray(m1, dtype=float) - m0)
    total = 0.0
    for variance, step in zip(variances, shift, strict=True):
        total += 0.5 * (variance - 1 - math.log(variance) + step**2)
    return total


def gaussian_vectorised(m0, S0, m1, S1):
    precision = np.linalg.inv(S1)
    d = m0.size
    log_ratio = np.linalg.slogdet(precision @ S0)[1]
    return (np.sum(precision * S0) - d - log_ratio + (m0 - m1) @ precision @ (m0 - m1)) / 2


def gaussian_library(m0, S0, m1, S1):
    c0, c1 = linalg.cho_factor(S0), linalg.cho_factor(S1)
    logs = 2 * np.sum(np.log(np.diag(c1[0]))) - 2 * np.sum(np.log(np.diag(c0[0])))
    joined = linalg.cho_solve(c1, np.column_stack([S0, m1 - m0]))
    return 0.5 * (np.trace(joined[:, :-1]) + (m1 - m0) @ joined[:, -1] - len(m0) + logs)


def factorized_loop(S):
    """The conditional variance of each coordinate given all the others, by regression."""
    variances = []
    for i in range(len(S)):
        others = [j for j in range(len(S)) if j != i]
        explained = S[i, others] @ np.linalg.solve(S[np.ix_(others, others)], S[others, i]) if others else 0.0
        variances.append(float(S[i, i] - explained))
    return variances


def factorized_vectorised(S):
    return 1 / np.linalg.inv(S).diagonal()


def factorized_library(S):
    values, vectors = linalg.eigh(S)
    return 1 / (vectors**2 / values).sum(axis=1)


def match_loop(weights, means, covariances):
    K, d = means.shape
    mean = [sum(float(weights[k]) * float(means[k, i]) for k in range(K)) for i in range(d)]
    covariance = [[0.0] * d for _ in range(d)]
    for i in range(d):
        for j in range(d):
            for k in range(K):
                between = (float(means[k, i]) - mean[i]) * (float(means[k, j]) - mean[j])
                covariance[i][j] += float(weights[k]) * (float(covariances[k, i, j]) + between)
    return mean, covariance


def match_pairs(weights, means, covariances):
    """The spread of the means from their differences, two at a time."""
    steps = means[:, None] - means[None]
    between = 0.5 * np.einsum("k,l,kli,klj->ij", weights, weights, steps, steps)
    return weights @ means, np.tensordot(weights, covariances, 1) + between


def match_library(weights, means, covariances):
    mean = np.average(means, axis=0, weights=weights)
    between = np.cov(means.T, aweights=weights, ddof=0) if len(weights) > 1 else 0.0
    return [mean, np.average(covariances, axis=0, weights=weights) + np.atleast_2d(between)]


def grid_loop(log_q, log_p, dx):
    total = 0.0
    for a, b in zip(np.ravel(log_q).tolist(), np.ravel(log_p).tolist(), strict=True):
        if a > -math.inf:
            if b == -math.inf:
                return math.inf
            total += math.exp(a) * (a - b) * dx
    return total


def grid_vectorised(log_q, log_p, dx):
    log_q, log_p = log_q.astype(float), log_p.astype(float)
    q = np.exp(log_q)
    return np.where(q > 0, q * (np.where(q > 0, log_q, 0) - np.where(q > 0, log_p, 0)), 0).sum() * dx


def grid_library(log_q, log_p, dx):
    entropy = special.entr(np.exp(log_q)).sum() * dx
    finite = np.where(np.isneginf(log_p) & np.isneginf(log_q), 0.0, log_p)
    on = np.exp(log_q) > 0
    return -entropy - np.dot(np.exp(log_q)[on], finite[on]) * dx


def fit_natural_gradient(weights, means, sigmas, starts):
    """Plain Python but for the sum over the nodes."""
    z = np.arange(-8, 8.01, 0.05)
    g = np.exp(-0.5 * z * z)
    g /= g.sum()
    result = []
    for m, s in starts.astype(float):
        for _ in range(400):
            x = m + s * z
            logs = np.stack([np.log(w) - np.log(b) - 0.5 * ((x - a) / b) ** 2
                             for w, a, b in zip(weights, means, sigmas, strict=True)])  # fmt: skip
            r = special.softmax(logs, axis=0)
            slope = sum(r[k] * (means[k] - x) / sigmas[k] ** 2 for k in range(len(weights)))
            step = s * (g @ slope), 1 + s * (g @ (z * slope))
            m, s = float(m + 0.2 * s * step[0]), float(s * np.exp(0.1 * step[1]))
            if abs(step[0]) + abs(step[1]) < 1e-8:
                break
        result.append((m, s))
    return result


def fit_by_scipy(weights, means, sigmas, starts):
    nodes, g = np.polynomial.hermite_e.hermegauss(150)
    g = g / g.sum()

    def loss(t, m0, s0):
        m, s = m0 + s0 * t[0], s0 * np.exp(t[1])
        x = (m + s * nodes)[:, None]
        return -t[1] - g @ special.logsumexp(stats.norm.logpdf(x, means, sigmas), b=weights, axis=1)

    found = np.empty((len(starts), 2))
    for k, (m0, s0) in enumerate(np.asarray(starts, dtype=float)):
        t = optimize.minimize(loss, [0.0, 0.0], args=(m0, s0), method="BFGS", options={"gtol": 1e-7}).x
        found[k] = m0 + s0 * t[0], s0 * np.exp(t[1])
    return found


def fit_on_a_grid(weights, means, sigmas, starts):
    """The KL by a sum over a fixed grid, lowered by steps that shrink when none of them helps."""
    weights, means, sigmas = (np.asarray(a, dtype=float) for a in (weights, means, sigmas))
    x = np.linspace(means.min() - 9 * sigmas.max(), means.max() + 9 * sigmas.max(), 801)
    u = (x[:, None] - means) / sigmas
    log_p = np.logaddexp.reduce(np.log(weights / sigmas) - 0.5 * u * u, axis=1)

    def kl(m, log_s):
        z = (x - m) / np.exp(log_s)
        q = np.exp(-0.5 * z * z)
        return q @ (-0.5 * z * z - log_s - log_p) / q.sum()

    rows = []
    for m, s in starts.tolist():
        place = np.array([m, np.log(s)])
        size, best = 0.1, kl(*place)
        while size > 1e-5:
            unit = size * np.array([np.exp(place[1]), 1.0])
            tried = [place + np.array(way) * unit for way in ((1, 0), (-1, 0), (0, 1), (0, -1))]
            values = [kl(*t) for t in tried]
            if min(values) < best:
                best, place = min(values), tried[int(np.argmin(values))]
            else:
                size /= 2
        rows.append([place[0], np.exp(place[1])])
    return np.array(rows)


SOLUTIONS = {
    "kl_gaussian": [gaussian_loop, gaussian_vectorised, gaussian_library],
    "reverse_kl_factorized": [factorized_loop, factorized_vectorised, factorized_library],
    "moment_match": [match_loop, match_pairs, match_library],
    "kl_grid": [grid_loop, grid_vectorised, grid_library],
    "fit_reverse_kl": [fit_natural_gradient, fit_by_scipy, fit_on_a_grid],
}
