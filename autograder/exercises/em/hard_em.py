"""Checks of `hard_em`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import random_mixture
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_hard_em(X, means, num_iter):
    X, means = doubles(X, means)
    constant = -len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi))
    trace = np.empty(int(num_iter))
    for iteration in range(len(trace)):
        labels = _distances(X, means).argmin(axis=1)
        means = em.m_step(X, np.eye(len(means))[labels], means)
        trace[iteration] = constant - 0.5 * _distances(X, means)[np.arange(len(X)), labels].sum()
    return means, labels, trace


def _distances(X, means):
    """Squared distances, shape (n, K); exact for small whole numbers, so ties are ties."""
    return ((X[:, None] - means) ** 2).sum(axis=2)


def _hard_soft(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        R = np.exp(-0.5 * (squares - squares.min(axis=1, keepdims=True)))
        R = R / R.sum(axis=1, keepdims=True)
        weights = R.sum(axis=0)[:, None]
        means = np.where(weights > 0, R.T @ X / np.where(weights > 0, weights, 1.0), means)
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        trace.append(np.sum(np.logaddexp.reduce(log_joint, axis=1)))
    return means, R.argmax(axis=1), np.array(trace)


def _hard_log_likelihood(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        trace.append(np.sum(np.logaddexp.reduce(log_joint, axis=1)))
    return means, labels, np.array(trace)


def _hard_nan_when_empty(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        labels = squares.argmin(axis=1)
        R = (labels[:, None] == np.arange(len(means))).astype(float)
        means = R.T @ X / R.sum(axis=0)[:, None]
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
    return means, labels, np.array(trace)


def _hard_empty_at_origin(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        R = (labels[:, None] == np.arange(len(means))).astype(float)
        means = R.T @ X / np.maximum(R.sum(axis=0), 1)[:, None]
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
    return means, labels, np.array(trace)


def _hard_ties_to_the_last(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        labels = len(means) - 1 - squares[:, ::-1].argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
    return means, labels, np.array(trace)


def _hard_ties_shared(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        R = (squares == squares.min(axis=1, keepdims=True)).astype(float)
        R = R / R.sum(axis=1, keepdims=True)
        weights = R.sum(axis=0)[:, None]
        means = np.where(weights > 0, R.T @ X / np.where(weights > 0, weights, 1.0), means)
        labels = R.argmax(axis=1)
        energy = 0.5 * np.sum(R * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
    return means, labels, np.array(trace)


def _hard_trace_before_update(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
    return means, labels, np.array(trace)


def _hard_no_constants(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        trace.append(-0.5 * np.sum((X - means[labels]) ** 2))
    return means, labels, np.array(trace)


def _hard_no_log_k(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - 0.5 * X.size * np.log(2 * np.pi))
    return means, labels, np.array(trace)


def _hard_squares_as_trace(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        trace.append(np.sum((X - means[labels]) ** 2))
    return means, labels, np.array(trace)


def _hard_labels_after_update(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        energy = 0.5 * np.sum((X - means[labels]) ** 2)
        trace.append(-energy - len(X) * (np.log(len(means)) + 0.5 * X.shape[1] * np.log(2 * np.pi)))
    return means, labels, np.array(trace)


def _decided(X, means, num_iter):
    """Whether in each round, and in the one that would follow, no component is empty and no label is left to rounding."""
    for _ in range(num_iter + 1):
        squares = _distances(X, means)
        nearest = np.sort(squares, axis=1)
        R = np.eye(len(means))[squares.argmin(axis=1)]
        if (nearest[:, 1] - nearest[:, 0]).min() < 1e-2 or (R.sum(axis=0) == 0).any():
            return False
        means = em.m_step(X, R)
    return True


def _hard_run(rng, n, K, d, num_iter, restless=True):
    """An instance that is decided; if `restless`, the last update leaves a point nearer to another mean."""
    while True:
        X, means = random_mixture(rng, n, K, d)
        if not _decided(X, means, num_iter):
            continue
        after, labels, _ = _reference_hard_em(X, means, num_iter)
        if not restless or (_distances(X, after).argmin(axis=1) != labels).any():
            return X, means, num_iter


def _hard_small(rng):
    """Points so close together that no round moves a mean far; the first leaves a point nearer to another mean."""
    while True:
        X, means, _ = _hard_run(rng, 15, 3, 2, 1)
        if _decided(X, means, 3):
            return 0.02 * X, 0.02 * means, 3


def _hard_later(rng, points, means):
    """What happens in a later round: points and means on a line, in whole numbers, moved by a whole number in a random direction."""
    sign, shift = rng.choice([-1, 1]), rng.integers(-5, 6)
    return sign * np.array(points, dtype=float)[:, None] + shift, sign * np.array(means, dtype=float)[
        :, None
    ] + shift


def _hard_ties(rng):
    """Whole numbers: each mean two steps from the next, and points halfway; the last of three means is near nothing."""
    a, b = rng.integers(-5, 6, 2)
    line = np.array([[a], [a + 1], [a + 5], [a - 2]])
    plane = np.array([[a + 1, b], [a + 1, b + 3], [a + 3, b + 1], [a - 1, b], [a + 3, b - 2]])
    means = np.array([[a - 20, b], [a, b], [a + 2, b]])
    return [
        Instance((line.astype(float), np.array([[a], [a + 2.0]]), 1), "a point as far from one mean as from the other"),
        Instance((plane.astype(float), means.astype(float)[[1, 2]], 1), "points as far from one mean as from the other"),
        Instance((np.vstack([plane, means[:1]]).astype(float), means.astype(float), 1), "points as far from one mean as from the other"),
        Instance((*_hard_later(rng, [-7, -4, -3, 4, 0, -6], [6, 0]), 2), "a point in the middle in a later round"),
        Instance((np.array([[100.0], [190.0], [10.0]]), np.array([[200.0002], [0.0]]), 1), "a point barely nearer to one of two means"),
    ]  # fmt: skip


def _hard_empty(rng, n, K, d):
    X, means, num_iter = _hard_run(rng, n, K, d, 2)
    far = rng.normal(size=(1, d)) + rng.choice([-40, 40])
    k = rng.integers(K + 1)
    return Instance((X, np.vstack([means[:k], far, means[k:]]), num_iter), "a component without points")


def _hard_emptied(rng, num_iter):
    """The last mean has two points in the first round and none afterwards."""
    return Instance(
        (*_hard_later(rng, [6, 5, -1, -3], [-8, 7, 4]), num_iter), "a component that loses its points"
    )


def _hard_edges(rng):
    X, means, _ = _hard_run(rng, 8, 3, 2, 2)
    return [
        Instance((X, means[:1], 2), "one component alone"),
        Instance((X[:1], means[:1], 2), "one point and one component"),
        Instance(_hard_run(rng, 12, 2, 1, 2), "one dimension"),
        Instance((*single_precision(X, means), 2), "in single precision"),
    ]


HARD_EM = Exercise(
    assignment="em",
    function="hard_em",
    reference=_reference_hard_em,
    visible=(
        Instance((np.array([[-3.0], [-2.0], [2.0], [3.0]]), np.array([[-1.0], [1.0]]), 2)),
        Instance((np.array([[0.0], [1.0], [2.0], [6.0]]), np.array([[0.0], [4.0]]), 1), "a point as far from one mean as from the other"),
        Instance((np.array([[1.0, 1.0], [1.0, 3.0]]), np.array([[0.0, 0.0], [9.0, 9.0]]), 1), "a component without points"),
        Instance((np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.0], [5.0, 0.0], [6.0, 2.0]]), np.array([[0.0, 0.0], [1.5, 1.0]]), 1)),
        Instance((np.array([[2.0, 2.0], [0.0, -1.0], [3.0, 0.0], [4.0, 0.0]]), np.array([[0.0, 0.0], [5.0, 2.0]]), 1)),
    ),
    properties=(
        Property("ordinary", "one round and several", 0.4,
                 lambda rng: [Instance(_hard_run(rng, 12, 3, 2, 1)), Instance(_hard_run(rng, 20, 3, 4, 2)),
                              Instance(_hard_run(rng, 15, 4, 3, 5, restless=False)),
                              Instance(_hard_small(rng), "points close together")]),
        Property("ties", "points as far from one mean as from another", 0.2, _hard_ties),
        Property("empty", "a component without points", 0.2,
                 lambda rng: [_hard_empty(rng, 12, 2, 2), _hard_empty(rng, 14, 3, 1), _hard_emptied(rng, 2), _hard_emptied(rng, 3)]),
        Property("edges", "one point, one component, one dimension, single precision, and the arguments left as they were", 0.2,
                 _hard_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("responsibilities between 0 and 1", _hard_soft,
                      "A mean moved towards points that are nearer to another one. In this variant each point belongs to one component "
                      "alone.", "em.html#hard-em"),
        Misconception("the trace holds the log-likelihood", _hard_log_likelihood,
                      "Means and labels are right; the trace lies above the objective. Which of the two does hard EM raise for certain?",
                      "em.html#hard-em"),
        Misconception("an empty component gives 0/0", _hard_nan_when_empty,
                      "A mean is NaN where a component lost all its points. The statement says what becomes of it.", "em.html#hard-em"),
        Misconception("an empty component falls to the origin", _hard_empty_at_origin,
                      "A mean without points jumped to 0, which is a place like any other and may lie among the data.", "em.html#hard-em"),
        Misconception("ties go to the last component", _hard_ties_to_the_last,
                      "All is right but for points that are equally far from two means. The statement says which one they choose.",
                      "em.html#hard-em"),
        Misconception("ties are shared", _hard_ties_shared,
                      "A point equally far from two means moved both. A point mass sits in one place.", "em.html#hard-em"),
        Misconception("the trace is taken before the update", _hard_trace_before_update,
                      "Means and labels are right, but each entry of the trace belongs to the means before their update.",
                      "em.html#hard-em"),
        Misconception("the constants are left out", _hard_no_constants,
                      "The trace is off by the same number in every entry: the objective of this course keeps its constants.",
                      "em.html#hard-em"),
        Misconception("log K is left out", _hard_no_log_k,
                      "Means and labels are right, and the trace is too high, the more so the more components there are. What is the "
                      "prior of z?", "em.html#hard-em"),
        Misconception("the trace holds the sum of squares", _hard_squares_as_trace,
                      "The trace falls. What k-means lowers is not yet the objective that EM raises.", "em.html#hard-em"),
        Misconception("labels after the last update", _hard_labels_after_update,
                      "The means are right; labels and trace are those of the next round's assignment.", "em.html#hard-em"),
    ),
    section="em.html#hard-em",
    rtol=1e-5, atol=1e-5,
    tolerance_reason="means of some ten numbers and a sum of some twenty squares: 1e-14 in double, some 1e-6 in single precision; labels "
                     "are whole numbers, and no instance but the exact ties leaves one to rounding",
)  # fmt: skip
