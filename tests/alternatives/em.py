"""Right solutions of the exercises in three styles: plain loops, vectorised, library calls."""

import math

import numpy as np
from scipy import special, stats
from scipy.spatial import distance


def e_step_loop(X, means):
    R = []
    for x in X:
        scores = [-0.5 * sum((float(a) - float(b)) ** 2 for a, b in zip(x, m, strict=True)) for m in means]
        top = max(scores)
        weights = [math.exp(s - top) for s in scores]
        R.append([w / sum(weights) for w in weights])
    return R


def e_step_log_odds(X, means):
    """Ratios to each component in turn, in the arithmetic of the input."""
    squares = ((X[:, :, None] - means.T) ** 2).sum(axis=1)
    with np.errstate(over="ignore"):
        return 1 / np.exp((squares[:, :, None] - squares[:, None, :]) / 2).sum(axis=2)


def e_step_library(X, means):
    return special.softmax(-0.5 * distance.cdist(X, means, "sqeuclidean"), axis=1)


def e_step_expanded(X, means):
    """The squared norm of x cancels."""
    X, means = X.astype(float), means.astype(float)
    score = X @ means.T - 0.5 * np.sum(means**2, axis=1)
    return np.exp(score - special.logsumexp(score, axis=1, keepdims=True))


def m_step_loop(X, R):
    n, d = X.shape
    means = []
    for k in range(R.shape[1]):
        weight = sum(float(R[i, k]) for i in range(n))
        row = [sum(float(R[i, k]) * float(X[i, j]) for i in range(n)) for j in range(d)]
        means.append([value / weight if weight > 0 else 0.0 for value in row])
    return means


def m_step_vectorised(X, R):
    with np.errstate(invalid="ignore"):
        shares = R / R.sum(axis=0)
    return np.nan_to_num(shares).T @ X


def m_step_library(X, R):
    return np.array(
        [
            np.average(X, axis=0, weights=column) if column.any() else np.zeros(X.shape[1], dtype=X.dtype)
            for column in R.T
        ]
    )


def likelihood_loop(X, means):
    K, d = means.shape
    total = 0.0
    for x in X:
        scores = [-0.5 * sum((float(a) - float(b)) ** 2 for a, b in zip(x, m, strict=True)) for m in means]
        top = max(scores)
        total += top + math.log(math.fsum(math.exp(s - top) for s in scores) / K)
    return total - len(X) * d * math.log(2 * math.pi) / 2


def likelihood_vectorised(X, means):
    """In the arithmetic of the input."""
    log_joint = -0.5 * np.sum(np.square(X[:, None] - means), axis=-1) - X.dtype.type(np.log(len(means)))
    log_joint -= X.dtype.type(0.5 * X.shape[1] * np.log(2 * np.pi))
    return np.logaddexp.reduce(log_joint, axis=1).sum()


def likelihood_library(X, means):
    logs = [
        stats.multivariate_normal(m.astype(float)).logpdf(X).reshape(-1) for m in means
    ]  # one row a component
    return special.logsumexp(logs, axis=0, b=1 / len(means)).sum()


def objective_loop(X, means, R):
    K, d = means.shape
    total = 0.0
    for x, row in zip(X, R, strict=True):
        for m, q in zip(means, row, strict=True):
            square = sum((float(a) - float(b)) ** 2 for a, b in zip(x, m, strict=True))
            if q > 0:
                total += float(q) * (
                    -0.5 * square - math.log(K) - d / 2 * math.log(2 * math.pi) - math.log(q)
                )
    return total


def objective_vectorised(X, means, R):
    squares = np.einsum("nkd->nk", (X[:, None] - means) ** 2)
    entropy = -np.sum(R * np.log(np.where(R > 0, R, 1)))
    return entropy - 0.5 * (R * squares).sum() - len(X) * np.log(len(means) * (2 * np.pi) ** (X.shape[1] / 2))


def objective_from_divergence(X, means, R):
    """log p minus the divergence from the posterior."""
    X, means, R = (a.astype(float) for a in (X, means, R))
    log_joint = stats.norm.logpdf(X[:, None], means).sum(axis=2) - math.log(len(means))
    log_p = special.logsumexp(log_joint, axis=1)
    log_posterior = log_joint - log_p[:, None]
    divergence = -special.entr(R).sum() - np.sum(R * log_posterior)
    return log_p.sum() - divergence


def em_loop(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        means = np.array(m_step_loop(X, np.array(e_step_loop(X, means))))
        trace.append(likelihood_loop(X, means))
    return means.tolist(), trace


def em_vectorised(X, means, num_iter):
    """One exponential an iteration: the log-likelihood comes with the next E-step. In the arithmetic of the input."""
    log_joint = None
    trace = []
    for iteration in range(num_iter + 1):
        log_joint = -((X[:, None] - means) ** 2).sum(-1) / 2 - X.dtype.type(math.log(len(means)))
        log_joint = log_joint - X.dtype.type(0.5 * X.shape[1] * math.log(2 * math.pi))
        log_p = np.logaddexp.reduce(log_joint, axis=1, keepdims=True)
        if iteration:
            trace.append(log_p.sum())
        if iteration < num_iter:
            R = np.exp(log_joint - log_p)
            means = (R[:, :, None] * X[:, None]).sum(axis=0) / R.sum(axis=0)[:, None]
    return means, np.array(trace)


def em_by_gradient(X, means, num_iter):
    """An EM iteration is a gradient step of its own length for each component."""
    X, means = X.astype(float), np.array(means, dtype=float)
    trace = np.zeros(num_iter)
    for t in range(num_iter):
        R = e_step_library(X, means)
        gradient = np.einsum("nk,nkd->kd", R, X[:, None] - means)
        means = means + gradient / R.sum(axis=0)[:, None]
        trace[t] = likelihood_library(X, means)
    return means, trace


def hard_loop(X, means, num_iter):
    means = [[float(a) for a in m] for m in means]
    trace = []
    for _ in range(num_iter):
        labels, total = [], 0.0
        for x in X:
            squares = [sum((float(a) - b) ** 2 for a, b in zip(x, m, strict=True)) for m in means]
            labels.append(squares.index(min(squares)))
        for k in range(len(means)):
            own = [x for x, label in zip(X, labels, strict=True) if label == k]
            if own:
                means[k] = [sum(float(x[j]) for x in own) / len(own) for j in range(X.shape[1])]
        for x, label in zip(X, labels, strict=True):
            total -= 0.5 * sum((float(a) - b) ** 2 for a, b in zip(x, means[label], strict=True))
            total -= math.log(len(means)) + 0.5 * X.shape[1] * math.log(2 * math.pi)
        trace.append(total)
    return means, labels, trace


def hard_vectorised(X, means, num_iter):
    """Stops when the labels stay, in the arithmetic of the input; labels as floats."""
    means, old, trace = means.copy(), None, []
    while len(trace) < num_iter:
        distances = np.linalg.norm(X[:, None] - means, axis=2)
        labels = np.argmin(distances, axis=1)
        if old is not None and (labels == old).all():
            trace += [trace[-1]] * (num_iter - len(trace))
            break
        for k in np.unique(labels):
            means[k] = np.mean(X[labels == k], axis=0)
        R = np.eye(len(means))[labels]
        trace.append(objective_vectorised(X, means, R))
        old = labels
    return means, labels.astype(float), np.array(trace)


def hard_library(X, means, num_iter):
    means = np.array(means, dtype=float)
    trace = np.empty(num_iter)
    for t in range(num_iter):
        labels = distance.cdist(X, means).argmin(axis=1)
        counts = np.bincount(labels, minlength=len(means))
        sums = np.stack([np.bincount(labels, X[:, j], len(means)) for j in range(X.shape[1])], axis=1)
        means[counts > 0] = sums[counts > 0] / counts[counts > 0, None]
        logs = stats.norm.logpdf(X, means[labels]).sum(axis=1) - np.log(len(means))
        trace[t] = logs.sum()
    return means, labels.astype(np.int32), trace


SOLUTIONS = {
    "e_step": [e_step_loop, e_step_log_odds, e_step_library, e_step_expanded],
    "m_step": [m_step_loop, m_step_vectorised, m_step_library],
    "log_likelihood": [likelihood_loop, likelihood_vectorised, likelihood_library],
    "em_objective": [objective_loop, objective_vectorised, objective_from_divergence],
    "em": [em_loop, em_vectorised, em_by_gradient],
    "hard_em": [hard_loop, hard_vectorised, hard_library],
}
