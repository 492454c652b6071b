"""Wrong answers that are right on most examples, with the property that each must lose."""

import numpy as np


def _squares(X, means):
    return ((X[:, None] - means) ** 2).sum(axis=2)


def _hard_em(X, means, num_iter, label, empty):
    """Hard EM whose rounds label by label(squares, old labels) and move an empty mean to empty(start, now)."""
    start, means, labels, trace = means, means.copy(), None, []
    for _ in range(num_iter):
        labels = label(_squares(X, means), labels)
        for k in range(len(means)):
            points = X[labels == k]
            means[k] = points.mean(axis=0) if len(points) else empty(start[k], means[k])
        energy = 0.5 * ((X - means[labels]) ** 2).sum()
        trace.append(-energy - len(X) * np.log(len(means)) - X.size / 2 * np.log(2 * np.pi))
    return means, labels, np.array(trace)


def _smallest(squares, old):
    return squares.argmin(axis=1)


def _largest_after_the_first_round(squares, old):
    return squares.argmin(axis=1) if old is None else squares.shape[1] - 1 - squares[:, ::-1].argmin(axis=1)


def _old_label_if_it_ties(squares, old):
    new = squares.argmin(axis=1)
    if old is None:
        return new
    return np.where(squares[np.arange(len(new)), old] <= squares.min(axis=1), old, new)


def hard_em_back_to_the_start(X, means, num_iter):
    return _hard_em(X, means, num_iter, _smallest, lambda start, now: start)


def hard_em_ties_to_the_last_later(X, means, num_iter):
    return _hard_em(X, means, num_iter, _largest_after_the_first_round, lambda start, now: now)


def hard_em_ties_keep_their_label(X, means, num_iter):
    return _hard_em(X, means, num_iter, _old_label_if_it_ties, lambda start, now: now)


def objective_of_used_components(X, means, R):
    used = (R.sum(axis=0) > 0).sum()
    log_joint = -0.5 * _squares(X, means) - X.shape[1] / 2 * np.log(2 * np.pi) - np.log(used)
    return (R * log_joint).sum() - (R * np.log(np.where(R > 0, R, 1))).sum()


def _log_joint(X, means):
    return -0.5 * _squares(X, means) - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)


def em_stops_when_settled(tolerance):
    """Fills the rest of the trace with the last log-likelihood."""

    def em(X, means, num_iter):
        trace = []
        while len(trace) < num_iter:
            log_joint = _log_joint(X, means)
            R = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None])
            old, means = means, R.T @ X / R.sum(axis=0)[:, None]
            trace.append(np.logaddexp.reduce(_log_joint(X, means), axis=1).sum())
            if np.abs(means - old).max() < tolerance:
                trace += [trace[-1]] * (num_iter - len(trace))
        return means, np.array(trace)

    return em


def _first_if_close(squares, old):
    return np.isclose(squares, squares.min(axis=1, keepdims=True)).argmax(axis=1)


def hard_em_takes_close_for_equal(X, means, num_iter):
    return _hard_em(X, means, num_iter, _first_if_close, lambda k, means: means[k])


def hard_em_stops_when_settled(X, means, num_iter):
    trace = []
    while len(trace) < num_iter:
        old = means
        means, labels, last = _hard_em(X, means, 1, _smallest, lambda k, means: means[k])
        trace.append(last[0])
        if np.abs(means - old).max() < 0.1:
            trace += [trace[-1]] * (num_iter - len(trace))
    return means, labels, np.array(trace)


def likelihood_of_distinct_points(X, means):
    return np.logaddexp.reduce(_log_joint(np.unique(X, axis=0), means), axis=1).sum()


def objective_of_distinct_points(X, means, R):
    points, first = np.unique(X, axis=0, return_index=True)
    R = R[first]
    return np.sum(R * (_log_joint(points, means) - np.log(np.where(R > 0, R, 1))))


def objective_skips_small(X, means, R):
    R = np.where(R < 1e-3, 0, R)
    return np.sum(R * (_log_joint(X, means) - np.log(np.where(R > 0, R, 1))))


def m_step_skips_small(X, R):
    R = np.where(R.max(axis=0) * 1e-3 > R, 0, R)
    weight = R.sum(axis=0)[:, None]
    return R.T @ X / np.where(weight > 0, weight, 1)


NEAR_MISSES = {
    "m_step": [(m_step_skips_small, "ordinary")],
    "log_likelihood": [(likelihood_of_distinct_points, "ordinary")],
    "em_objective": [
        (objective_of_used_components, "zeros"),
        (objective_of_distinct_points, "ordinary"),
        (objective_skips_small, "ordinary"),
    ],
    "em": [(em_stops_when_settled(tolerance), "iterations") for tolerance in (1e-2, 1e-4, 1e-6)],
    "hard_em": [
        (hard_em_back_to_the_start, "empty"),
        (hard_em_ties_to_the_last_later, "ties"),
        (hard_em_ties_keep_their_label, "ties"),
        (hard_em_takes_close_for_equal, "ties"),
        (hard_em_stops_when_settled, "ordinary"),
    ],
}
