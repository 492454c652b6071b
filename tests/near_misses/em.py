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


NEAR_MISSES = {
    "em_objective": [(objective_of_used_components, "zeros")],
    "hard_em": [
        (hard_em_back_to_the_start, "empty"),
        (hard_em_ties_to_the_last_later, "ties"),
        (hard_em_ties_keep_their_label, "ties"),
    ],
}
