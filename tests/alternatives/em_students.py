"""More right solutions, written from the notebook's statements alone, as different students would write them."""

import math

import numpy as np
from scipy import special, stats
from scipy.spatial import distance


def e_step_softmax(X, means):
    return special.softmax(-0.5 * distance.cdist(X, means, "sqeuclidean"), axis=1)


def e_step_by_ratios(X, means):
    """1 over the sum of ratios, which may be infinite where the share is nothing."""
    squares = ((X[:, None] - means[None]) ** 2).sum(-1)
    with np.errstate(over="ignore"):
        return 1 / np.exp(0.5 * (squares[:, :, None] - squares[:, None, :])).sum(axis=2)


def e_step_log_densities(X, means):
    K, d = means.shape
    log_joint = np.stack(
        [stats.multivariate_normal(m, np.eye(d)).logpdf(X).reshape(len(X)) for m in means], axis=1
    )
    log_joint = log_joint + np.log(1 / K)
    return np.exp(log_joint - special.logsumexp(log_joint, axis=1, keepdims=True))


def e_step_linear_scores(X, means):
    """The square of the point is common to all components. In the arithmetic of the input."""
    scores = X @ means.T - 0.5 * np.einsum("kj,kj->k", means, means)
    scores -= scores.max(axis=1)[:, None]
    return np.asfortranarray(np.exp(scores) / np.exp(scores).sum(axis=1)[:, None])


def e_step_sequential(X, means):
    rows = []
    for x in X.tolist():
        logs = [-sum((a - b) ** 2 for a, b in zip(x, m, strict=True)) / 2 for m in means.tolist()]
        total = -math.inf
        for value in logs:
            total = np.logaddexp(total, value)
        rows.append([math.exp(value - total) for value in logs])
    return rows


def m_step_average(X, R):
    means = []
    for column in R.T:
        try:
            means.append(np.average(X, axis=0, weights=column))
        except ZeroDivisionError:
            means.append(np.zeros(X.shape[1]))
    return np.array(means)


def m_step_normalised_first(X, R):
    weights = R.sum(axis=0, keepdims=True)
    shares = np.divide(R, weights, out=np.zeros_like(R), where=weights != 0)
    return np.einsum("ik,ij->kj", shares, X)


def m_step_nan_to_num(X, R):
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num((X.T @ R / R.sum(axis=0)).T)


def likelihood_logsumexp(X, means):
    n, d = X.shape
    inner = special.logsumexp(-0.5 * distance.cdist(X, means) ** 2, axis=1)
    return inner.sum() - n * d / 2 * np.log(2 * np.pi) - n * np.log(means.shape[0])


def likelihood_of_densities(X, means):
    total = np.full(len(X), -np.inf)
    for m in means:
        total = np.logaddexp(total, stats.norm.logpdf(X, m).sum(axis=1))
    return np.sum(total - np.log(len(means)))


def likelihood_expanded(X, means):
    """Squares multiplied out, in the arithmetic of the input."""
    scores = X @ means.T - 0.5 * (means**2).sum(1) - 0.5 * (X**2).sum(1)[:, None]
    top = scores.max(1)
    inner = np.log(np.exp(scores - top[:, None]).mean(1)) + top
    return (inner - X.shape[1] * np.log(np.sqrt(2 * np.pi))).sum()


def objective_of_terms(X, means, R):
    (n, d), K = X.shape, len(means)
    total = 0.0
    for i in range(n):
        for k in range(K):
            r = float(R[i, k])
            if r == 0:
                continue
            log_joint = math.log(1 / K) - d / 2 * math.log(2 * math.pi) - math.dist(X[i], means[k]) ** 2 / 2
            total += r * (log_joint - math.log(r))
    return total


def objective_xlogy(X, means, R):
    log_joint = stats.norm.logpdf(X[:, None, :], means).sum(-1) - np.log(len(means))
    return np.vdot(R, log_joint) - special.xlogy(R, R).sum()


def objective_tiny_number(X, means, R):
    squares = distance.cdist(X, means, "sqeuclidean")
    constant = -np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    return (R * (constant - 0.5 * squares - np.log(R + 1e-300))).sum()


class Mixture:
    """EM with its state in an object."""

    def __init__(self, means):
        self.means = means

    def log_joint(self, X):
        K, d = self.means.shape
        return -0.5 * distance.cdist(X, self.means, "sqeuclidean") - np.log(K * (2 * np.pi) ** (d / 2))

    def step(self, X):
        R = special.softmax(self.log_joint(X), axis=1)
        self.means = (R.T @ X) / R.sum(axis=0).reshape(-1, 1)
        return special.logsumexp(self.log_joint(X), axis=1).sum()


def em_of_objects(X, means, num_iter):
    mixture = Mixture(means)
    trace = [mixture.step(X) for _ in range(num_iter)]
    return mixture.means, trace


def em_recursive(X, means, num_iter):
    if num_iter == 0:
        return means, np.array([])
    R = e_step_linear_scores(X, means)
    new = np.stack([(R[:, k : k + 1] * X).sum(axis=0) / R[:, k].sum() for k in range(len(means))])
    last, rest = em_recursive(X, new, num_iter - 1)
    return last, np.concatenate([[likelihood_logsumexp(X, new)], rest])


def em_with_history(X: np.ndarray, means: np.ndarray, num_iter: int = 10) -> tuple[list, list]:
    """Keeps all means, and computes the trace at the end, as the objective at the posterior."""
    history = [means]
    for _ in range(num_iter):
        history.append(m_step_average(X, e_step_softmax(X, history[-1])))
    trace = [objective_xlogy(X, m, e_step_softmax(X, m)) for m in history[1:]]
    return history[-1].tolist(), trace


def hard_cdist(X, means, num_iter):
    means = means.copy()
    F = []
    for _ in range(num_iter):
        labels = distance.cdist(X, means, "sqeuclidean").argmin(axis=1)
        for k in set(labels.tolist()):
            means[k] = X[labels == k].mean(axis=0)
        F.append(objective_xlogy(X, means, np.eye(len(means))[labels]))
    return means, labels, np.array(F)


def hard_norms(X, means, num_iter):
    """By distances instead of their squares, and sums gathered by label."""
    n, d = X.shape
    constant = n * np.log(len(means)) + n * d / 2 * np.log(2 * np.pi)
    trace = []
    for _ in range(num_iter):
        labels = np.argmin(np.linalg.norm(X[:, None] - means, axis=2), axis=1)
        sums, counts = np.zeros(means.shape), np.bincount(labels, minlength=len(means))[:, None]
        np.add.at(sums, labels, X)
        means = np.where(counts > 0, sums / np.maximum(counts, 1), means)
        trace.append(-0.5 * np.sum((X - means[labels]) ** 2) - constant)
    return means, labels.astype(np.uint8), trace


def hard_early_stop(X, means, num_iter):
    """Ends when nothing changes and repeats the last value."""
    means, trace, before = np.array(means), [], None
    for _ in range(num_iter):
        labels = [min(range(len(means)), key=lambda k, x=x: ((x - means[k]) ** 2).sum()) for x in X]
        if labels == before:
            break
        before = labels
        means = np.array(
            [X[[c == k for c in labels]].mean(axis=0) if k in labels else means[k] for k in range(len(means))]
        )
        squares = sum(((x - means[c]) ** 2).sum() for x, c in zip(X, labels, strict=True))
        trace.append(-squares / 2 - len(X) * math.log(len(means) * (2 * math.pi) ** (X.shape[1] / 2)))
    return means, labels, trace + trace[-1:] * (num_iter - len(trace))


def hard_expanded(X, means, num_iter):
    """The square of the point left out of the comparison. In the arithmetic of the input."""
    trace = []
    for _ in range(num_iter):
        scores = X @ means.T - (means * means).sum(axis=1) / 2
        labels = scores.argmax(axis=1)
        R = labels[:, None] == np.arange(len(means))
        means = np.array([X[r].mean(axis=0) if r.any() else m for r, m in zip(R.T, means, strict=True)])
        trace.append(stats.norm.logpdf(X - means[labels]).sum() - len(X) * np.log(len(means)))
    return means, labels, trace


SOLUTIONS = {
    "e_step": [
        e_step_softmax,
        e_step_by_ratios,
        e_step_log_densities,
        e_step_linear_scores,
        e_step_sequential,
    ],
    "m_step": [m_step_average, m_step_normalised_first, m_step_nan_to_num],
    "log_likelihood": [likelihood_logsumexp, likelihood_of_densities, likelihood_expanded],
    "em_objective": [objective_of_terms, objective_xlogy, objective_tiny_number],
    "em": [em_of_objects, em_recursive, em_with_history],
    "hard_em": [hard_cdist, hard_norms, hard_early_stop, hard_expanded],
}
