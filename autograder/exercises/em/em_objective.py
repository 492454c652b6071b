"""Checks of `em_objective`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import far_mixture, random_mixture, random_responsibilities
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_objective(X, means, R):
    return em.objective(*doubles(X, means, R))


def _objective_no_entropy(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    return np.sum(R * log_joint)


def _objective_entropy_sign(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    positive = R[R > 0]
    return np.sum(R * log_joint) + np.sum(positive * np.log(positive))


def _objective_no_log_k(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - 0.5 * X.shape[1] * np.log(2 * np.pi)
    positive = R[R > 0]
    return np.sum(R * log_joint) - np.sum(positive * np.log(positive))


def _objective_no_two_pi(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means))
    positive = R[R > 0]
    return np.sum(R * log_joint) - np.sum(positive * np.log(positive))


def _objective_no_constants(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    positive = R[R > 0]
    return -0.5 * np.sum(R * squares) - np.sum(positive * np.log(positive))


def _objective_own_posterior(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    R = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    R = R / R.sum(axis=1, keepdims=True)
    positive = R[R > 0]
    return np.sum(R * log_joint) - np.sum(positive * np.log(positive))


def _objective_negated(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    positive = R[R > 0]
    return np.sum(positive * np.log(positive)) - np.sum(R * log_joint)


def _objective_nan_at_zero(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    return np.sum(R * (log_joint - np.log(R)))


def _objective_half_missing(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    positive = R[R > 0]
    return np.sum(R * log_joint) - np.sum(positive * np.log(positive))


def _objective_mean(X, means, R):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    log_joint = -0.5 * squares - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    positive = R[R > 0]
    return (np.sum(R * log_joint) - np.sum(positive * np.log(positive))) / len(X)


def _objective_ordinary(rng, n, K, d):
    X, means = random_mixture(rng, n, K, d)
    return X, means, random_responsibilities(rng, n, K)


def _objective_small(rng):
    X, means = random_mixture(rng, 4, 3, 2)
    R = np.array([[0.99, 0.0095, 5e-4], [0.0004, 0.3, 0.6996], [0.5, 0.4994, 6e-4], [0.2, 0.3, 0.5]])
    return Instance((X, means, R), "small responsibilities")


def _objective_repeated(rng):
    once = [0, 1, 0, 2, 3, 0]
    X, means, R = _objective_ordinary(rng, 4, 2, 2)
    return Instance((X[once], means, R[once]), "points that occur more than once")


def _objective_zeros(rng):
    X, means, R = _objective_ordinary(rng, 6, 3, 2)
    R[np.arange(6), rng.integers(3, size=6)] = 0.0
    unused = R.copy()
    unused[:, rng.integers(3)] = 0.0
    labels = rng.integers(2, size=5)
    far, far_means = far_mixture(rng, 5, 2, 3)
    return [
        Instance((X, means, R / R.sum(axis=1, keepdims=True)), "components to which a point doesn't belong"),
        Instance(
            (X, means, unused / unused.sum(axis=1, keepdims=True)), "a component to which no point belongs"
        ),
        Instance((far, far_means, np.eye(2)[labels]), "each point in one component, far from its mean"),
    ]


def _objective_edges(rng):
    X, means, R = _objective_ordinary(rng, 6, 3, 2)
    return [
        Instance((X[:1], means, R[:1]), "one point alone"),
        Instance((X, means[:1], np.ones((6, 1))), "one component alone"),
        Instance(_objective_ordinary(rng, 5, 3, 1), "one dimension"),
        Instance(single_precision(X, means, R), "in single precision"),
    ]


EM_OBJECTIVE = Exercise(
    assignment="em",
    function="em_objective",
    reference=_reference_objective,
    visible=(
        Instance((np.array([[0.0]]), np.array([[0.0]]), np.array([[1.0]])), "one point on the only mean"),
        Instance((np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]]), np.array([[0.5, 0.5], [0.5, 0.5]]))),
        Instance((np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [6.0, 8.0]]), np.array([[0.25, 0.75]]))),
        Instance((np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])),
                 "each point in one component"),
    ),
    properties=(
        Property("ordinary", "responsibilities between 0 and 1", 0.5,
                 lambda rng: [Instance(_objective_ordinary(rng, *shape)) for shape in ((7, 3, 2), (5, 2, 4), (20, 5, 3))]
                 + [_objective_small(rng), _objective_repeated(rng)]),
        Property("zeros", "responsibilities of 0 and 1", 0.3, _objective_zeros),
        Property("edges", "one point, one component, one dimension, single precision, and the arguments left as they were", 0.2,
                 _objective_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the entropy is left out", _objective_no_entropy,
                      "At the posterior the result lies below the log-likelihood, though it should touch it there. What is missing?",
                      "em.html#objective"),
        Misconception("the entropy has the wrong sign", _objective_entropy_sign,
                      "The less certain the responsibilities, the lower the result. Does the objective reward or punish a spread-out q?",
                      "em.html#objective"),
        Misconception("log K is left out", _objective_no_log_k,
                      "At the posterior the result lies above the log-likelihood, and the more so the more components there are. What is "
                      "the prior of z?", "em.html#objective"),
        Misconception("the factor with 2 pi is left out", _objective_no_two_pi,
                      "For one point on the only mean the result is 0: a density of 1. Does a standard Gaussian peak at 1?",
                      "em.html#objective"),
        Misconception("both constants are left out", _objective_no_constants,
                      "The result differs from the objective by a constant times the number of points: right for finding means, but not to "
                      "be compared with the log-likelihood.", "em.html#objective"),
        Misconception("the responsibilities are not used", _objective_own_posterior,
                      "The result doesn't change with R. It is the objective at its best q, which is another quantity with a name.",
                      "em.html#objective"),
        Misconception("the negative of the objective", _objective_negated,
                      "The result is positive where a log-likelihood must lie above it. Is this the quantity to raise, or to lower?",
                      "em.html#objective"),
        Misconception("0 log 0 is NaN", _objective_nan_at_zero,
                      "A responsibility of 0 was multiplied by its logarithm, which is NaN. In the limit it counts nothing.",
                      "em.html#objective"),
        Misconception("the exponent lacks its half", _objective_half_missing,
                      "The squared distances weigh twice too much. What is the variance of that Gaussian?", "em.html#objective"),
        Misconception("a mean over the points", _objective_mean,
                      "Twice the same data gave the same result, unlike the log-likelihood that it bounds.", "em.html#objective"),
    ),
    section="em.html#objective",
    rtol=3e-6, atol=3e-6,
    tolerance_reason="1e-13 in double, some 5e-7 in float32 arithmetic on float32 input; entropy and energy cancel only in part",
)  # fmt: skip
