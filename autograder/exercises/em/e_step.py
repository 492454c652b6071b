"""Checks of `e_step`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import (
    ATOL,
    RTOL,
    TOLERANCE_REASON,
    far_mean,
    far_mixture,
    near_and_far,
    random_mixture,
)
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_e_step(X, means):
    return em.e_step(*doubles(X, means))


def _e_step_half_missing(X, means):
    score = -np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_axis(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    weights = np.exp(score - score.max(axis=0))
    return weights / weights.sum(axis=0)


def _e_step_hard(X, means):
    squares = np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    return np.eye(len(means))[squares.argmin(axis=1)]


def _e_step_not_squared(X, means):
    score = -0.5 * np.sqrt(np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_no_shift(X, means):
    weights = np.exp(-0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_shared_shift(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    weights = np.exp(score - score.max())
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_not_normalised(X, means):
    return np.exp(-0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))


def _e_step_sign(X, means):
    score = 0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    weights = np.exp(score - score.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_half_missing_no_shift(X, means):
    weights = np.exp(-np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))
    return weights / weights.sum(axis=1, keepdims=True)


def _e_step_axis_no_shift(X, means):
    weights = np.exp(-0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2))
    return weights / weights.sum(axis=0)


HALF_HINT = "Points are surer of their component than they should be: this is the density of a narrower Gaussian. What is its variance?"
SHIFT_HINT = ("Where a point is far from all means every exponential is 0 in floating point, and 0/0 is NaN. A constant may be added to a "
              "point's log weights without changing its posterior.")  # fmt: skip
AXIS_HINT = "The columns sum to 1, and not the rows. Who is in doubt: a point about its component, or a component about its points?"


def _e_step_edges(rng):
    X, means = random_mixture(rng, 6, 2, 3)
    return [
        Instance((X[:1], np.vstack([means, means + 1.0])), "one point alone"),
        Instance((X, means[:1]), "one component alone"),
        Instance(random_mixture(rng, 5, 3, 1), "one dimension"),
        Instance((X, means[[0, 1, 1]]), "two means that coincide"),
        Instance(single_precision(X, means), "in single precision"),
    ]


def _e_step_far(rng):
    return [
        Instance(far_mixture(rng, 7, 3, 2), "points far from all means"),
        Instance(near_and_far(rng, 5, 2, 3), "one point near the means, others far"),
        Instance(far_mean(rng, 6, 3, 2), "a mean far from the others"),
    ]


E_STEP = Exercise(
    assignment="em",
    function="e_step",
    reference=_reference_e_step,
    visible=(
        Instance((np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [2.0]]))),
        Instance((np.array([[0.0, 100.0], [1.0, 100.0], [2.0, 100.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])),
                 "points far from all means"),
        Instance((np.array([[0.0, 0.0], [1.0, 100.0], [2.0, 100.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])),
                 "one point near the means, others far"),
        Instance((np.array([[1.0, 0.0], [0.0, 2.0]]), np.array([[0.0, 0.0], [1.0, 1.0], [2.0, -1.0]]))),
    ),
    properties=(
        Property("ordinary", "points among the means", 0.5,
                 lambda rng: [Instance(random_mixture(rng, *shape)) for shape in ((7, 3, 2), (5, 2, 4), (20, 6, 3), (4, 4, 4))]),
        Property("far", "points far from the means", 0.3, _e_step_far,
                 hint="Right near the means. Where a point is far from them, exponentials are 0 in floating point: which of them, and what "
                      "is then divided by what?"),
        Property("edges", "one point, one component, one dimension, equal means, single precision, and the arguments left as they were",
                 0.2, _e_step_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the exponent lacks its half", _e_step_half_missing, HALF_HINT, "em.html#e-step"),
        Misconception("normalised over the points", _e_step_axis, AXIS_HINT, "em.html#e-step"),
        Misconception("all or nothing", _e_step_hard,
                      "Every entry is 0 or 1, also for a point halfway between two means. Is it really certain where that one belongs?",
                      "em.html#e-step"),
        Misconception("the distance is not squared", _e_step_not_squared,
                      "Weights fall off like the exponential of a distance. How does a Gaussian's log density depend on the distance?",
                      "em.html#e-step"),
        Misconception("exponentials that underflow", _e_step_no_shift, SHIFT_HINT, "em.html#e-step"),
        Misconception("one shift for all points", _e_step_shared_shift,
                      "An entry is NaN where one point is near the means and another far: what keeps the first one's exponentials in range "
                      "loses the second one's.", "em.html#e-step"),
        Misconception("the result is not normalised", _e_step_not_normalised,
                      "The rows don't sum to 1. These are weights; what turns them into a posterior?", "em.html#e-step"),
        Misconception("the farthest mean wins", _e_step_sign,
                      "The farther a mean, the larger its share. Look at the sign in the exponent.", "em.html#e-step"),
        Misconception("the exponent lacks its half, and exponentials underflow", _e_step_half_missing_no_shift,
                      f"{HALF_HINT} {SHIFT_HINT}", "em.html#e-step"),
        Misconception("normalised over the points, and exponentials underflow", _e_step_axis_no_shift,
                      f"{AXIS_HINT} {SHIFT_HINT}", "em.html#e-step"),
    ),
    section="em.html#e-step",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip
