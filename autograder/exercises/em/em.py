"""Checks of `em`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import far_mixture, random_mixture
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_em(X, means, num_iter):
    X, means = doubles(X, means)
    trace = np.empty(int(num_iter))
    for iteration in range(len(trace)):
        means = em.m_step(X, em.e_step(X, means), means)
        trace[iteration] = em.log_likelihood(X, means)
    return means, trace


def _em_stale_responsibilities(X, means, num_iter):
    def score(means):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        return -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    def responsibilities(means):
        weights = np.exp(score(means) - score(means).max(axis=1, keepdims=True))
        return weights / weights.sum(axis=1, keepdims=True)

    old, trace = responsibilities(means), []
    for _ in range(num_iter):
        new = responsibilities(means)
        means = old.T @ X / old.sum(axis=0)[:, None]
        trace.append(np.sum(np.logaddexp.reduce(score(means), axis=1)))
        old = new
    return means, np.array(trace)


def _em_trace_before_update(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        log_p = np.logaddexp.reduce(log_joint, axis=1)
        trace.append(np.sum(log_p))
        R = np.exp(log_joint - log_p[:, None])
        means = R.T @ X / R.sum(axis=0)[:, None]
    return means, np.array(trace)


def _em_returns_early(X, means, num_iter):
    def score(means):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        return -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    trace = [np.sum(np.logaddexp.reduce(score(means), axis=1))]
    for _ in range(num_iter):
        R = np.exp(score(means) - np.logaddexp.reduce(score(means), axis=1)[:, None])
        means = R.T @ X / R.sum(axis=0)[:, None]
        trace.append(np.sum(np.logaddexp.reduce(score(means), axis=1)))
        if trace[-1] > trace[-2]:
            break
    return means, np.array(trace[1:])


def _em_starts_afresh(X, means, num_iter):
    def score(means):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        return -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    trace = []
    for _ in range(num_iter):
        R = np.exp(score(means) - np.logaddexp.reduce(score(means), axis=1)[:, None])
        new = R.T @ X / R.sum(axis=0)[:, None]
        trace.append(np.sum(np.logaddexp.reduce(score(new), axis=1)))
    return new, np.array(trace)


def _em_bound_as_trace(X, means, num_iter):
    def score(means):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        return -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    trace = []
    for _ in range(num_iter):
        R = np.exp(score(means) - np.logaddexp.reduce(score(means), axis=1)[:, None])
        means = R.T @ X / R.sum(axis=0)[:, None]
        positive = R[R > 0]
        trace.append(np.sum(R * score(means)) - np.sum(positive * np.log(positive)))
    return means, np.array(trace)


def _em_mixing_weights(X, means, num_iter):
    K, trace = len(means), []
    weights = np.full(K, 1 / K)

    def score(means, weights):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        return -0.5 * squares + np.log(weights) - 0.5 * X.shape[1] * np.log(2 * np.pi)

    for _ in range(num_iter):
        log_joint = score(means, weights)
        R = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None])
        means, weights = R.T @ X / R.sum(axis=0)[:, None], R.mean(axis=0)
        trace.append(np.sum(np.logaddexp.reduce(score(means, weights), axis=1)))
    return means, np.array(trace)


def _em_one_iteration_more(X, means, num_iter):
    trace = []
    for _ in range(num_iter + 1):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        log_p = np.logaddexp.reduce(log_joint, axis=1)
        trace.append(np.sum(log_p))
        R = np.exp(log_joint - log_p[:, None])
        means = R.T @ X / R.sum(axis=0)[:, None]
    return means, np.array(trace[1:])


def _em_no_constants(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        R = np.exp(-0.5 * (squares - squares.min(axis=1, keepdims=True)))
        R = R / R.sum(axis=1, keepdims=True)
        means = R.T @ X / R.sum(axis=0)[:, None]
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        trace.append(np.sum(np.logaddexp.reduce(-0.5 * squares, axis=1)))
    return means, np.array(trace)


def _em_hard(X, means, num_iter):
    means, trace = np.array(means, dtype=float), []
    for _ in range(num_iter):
        labels = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2).argmin(axis=1)
        for k in range(len(means)):
            if np.any(labels == k):
                means[k] = X[labels == k].mean(axis=0)
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        trace.append(np.sum(np.logaddexp.reduce(log_joint, axis=1)))
    return means, np.array(trace)


def _em_half_missing(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        weights = -np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        R = weights / weights.sum(axis=1, keepdims=True)
        means = R.T @ X / R.sum(axis=0)[:, None]
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        trace.append(np.sum(np.logaddexp.reduce(log_joint, axis=1)))
    return means, np.array(trace)


def _em_not_divided(X, means, num_iter):
    trace = []
    for _ in range(num_iter):
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        R = np.exp(-0.5 * (squares - squares.min(axis=1, keepdims=True)))
        means = (R / R.sum(axis=1, keepdims=True)).T @ X
        squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
        log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
        trace.append(np.sum(np.logaddexp.reduce(log_joint, axis=1)))
    return means, np.array(trace)


def _run(rng, n, K, d, num_iter):
    return (*random_mixture(rng, n, K, d), num_iter)


def _far_run(rng):
    """A start far from all points, from which the iteration after the last one asked for still moves the means."""
    while True:
        X, means = far_mixture(rng, 10, 2, 3)
        if np.abs(_reference_em(X, means, 4)[0] - _reference_em(X, means, 3)[0]).max() > 1e-2:
            return X, means, 3


def _slow_run(rng):
    """Two means so near each other that at first they hardly move, and far apart at the end: no iteration may be left out."""
    X = rng.normal(size=(10, 2)) + np.where(np.arange(10) % 2, 2, -2)[:, None]
    return X, X.mean(axis=0) + rng.uniform(2e-8, 4e-8) * np.array([[1, 1], [-1, -1]]), 12


def _em_edges(rng):
    X, means = random_mixture(rng, 8, 3, 2)
    return [
        Instance((X, means[:1], 2), "one component alone"),
        Instance((X[:1], means, 2), "one point alone"),
        Instance((X, np.vstack([means[:1], means[:1]]), 3), "means that start at one place"),
        Instance((*random_mixture(rng, 9, 2, 1), 3), "one dimension"),
        Instance((*single_precision(X, means), 2), "in single precision"),
    ]


EM = Exercise(
    assignment="em",
    function="em",
    reference=_reference_em,
    visible=(
        Instance((np.array([[0.0], [2.0], [4.0]]), np.array([[10.0]]), 1), "one component alone"),
        Instance((np.array([[-3.0], [-2.0], [2.0], [3.0]]), np.array([[-1.0], [1.0]]), 1)),
        Instance((np.array([[-2.0, 0.0], [-1.0, 1.0], [0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]), np.array([[-1.0, 0.0], [1.0, 0.5]]), 4)),
        Instance((np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0]]), np.array([[1.0, 2.0], [1.0, 2.0]]), 2), "means that start at one place"),
        Instance((np.array([[0.0, 100.0], [1.0, 100.0], [3.0, 101.0]]), np.array([[0.0, 0.0], [1.0, 0.0]]), 1),
                 "a start far from all points"),
    ),
    properties=(
        Property("one iteration", "a single iteration", 0.3,
                 lambda rng: [Instance(_run(rng, 9, 3, 2, 1)), Instance(_run(rng, 6, 2, 4, 1))]),
        Property("iterations", "several iterations", 0.35,
                 lambda rng: [Instance(_run(rng, *shape)) for shape in ((12, 3, 2, 4), (8, 2, 3, 2), (20, 4, 2, 6))]
                 + [Instance(_slow_run(rng), "a start from which the means hardly move at first")]),
        Property("far", "a start far from all points", 0.15,
                 lambda rng: [Instance(_far_run(rng), "a start far from all points")],
                 hint="Right from a start among the points. Far from them all weights are 0 in floating point: does exercise 1 or 3 "
                      "stumble over that?"),
        Property("edges", "one point, one component, one dimension, means that start at one place, single precision, and the arguments "
                 "left as they were", 0.2, _em_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the M-step uses old responsibilities", _em_stale_responsibilities,
                      "The means change only in every second iteration. From which means did the responsibilities of the update come?",
                      "em.html#algorithm"),
        Misconception("the trace is taken before the update", _em_trace_before_update,
                      "The means are right, but the trace lags one iteration behind: its first entry belongs to the start.",
                      "em.html#algorithm"),
        Misconception("it ended after the first iteration", _em_returns_early,
                      "The trace has one entry where it should have one an iteration. Does the return stand inside the loop? Does a test "
                      "end it when the log-likelihood rises, which is what EM promises?",
                      "em.html#algorithm"),
        Misconception("the means stay as the first iteration left them", _em_starts_afresh,
                      "The first iteration is right, and no later one moved the means. Does each begin where the last one ended, with "
                      "responsibilities of its own?",
                      "em.html#algorithm"),
        Misconception("the trace holds a bound", _em_bound_as_trace,
                      "The means are right, but the trace lies below the log-likelihood: it was computed with responsibilities that "
                      "belong to the means before the update.", "em.html#algorithm"),
        Misconception("the mixing weights are updated, too", _em_mixing_weights,
                      "The first means are right, and later ones lean towards components that own more points. In this model all "
                      "components weigh the same, whatever they own.", "em.html#algorithm"),
        Misconception("one iteration more", _em_one_iteration_more,
                      "The means are those of one more iteration than asked for, and the trace ends one iteration before them.",
                      "em.html#algorithm"),
        Misconception("the constants are left out of the trace", _em_no_constants,
                      "The means are right, and the trace differs from the log-likelihood by one number throughout: what does exercise 3 "
                      "keep?", "em.html#log-likelihood"),
        Misconception("each point to its nearest mean", _em_hard,
                      "A point between two means moved only one of them. This algorithm has another name.", "em.html#hard-em"),
        Misconception("the exponent lacks its half", _em_half_missing,
                      "Started at the best means, it moves away and the log-likelihood falls: the E-step belongs to a narrower Gaussian.",
                      "em.html#e-step"),
        Misconception("the sum is not divided", _em_not_divided,
                      "With a single component the mean became the sum of the points. How many points does a component own?",
                      "em.html#m-step"),
    ),
    section="em.html#algorithm",
    rtol=1e-5, atol=1e-5,
    tolerance_reason="six iterations of a smooth map at most, 1e-12 in double; two in single precision, each good to some 1e-6; means that "
                     "part from 3e-8 carry the digits of that difference, seven at least",
)  # fmt: skip
