"""Checks of `log_likelihood`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import far_mean, far_mixture, near_and_far, random_mixture
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_log_likelihood(X, means):
    return em.log_likelihood(*doubles(X, means))


def _log_likelihood_no_log_k(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - 0.5 * X.shape[1] * np.log(
        2 * np.pi
    )
    top = score.max(axis=1)
    return np.sum(top + np.log(np.sum(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_no_two_pi(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - np.log(len(means))
    top = score.max(axis=1)
    return np.sum(top + np.log(np.sum(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_no_constants(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    top = score.max(axis=1)
    return np.sum(top + np.log(np.sum(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_one_dimension(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - 0.5 * np.log(2 * np.pi)
    top = score.max(axis=1)
    return np.sum(top + np.log(np.mean(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_sum_of_logs(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    return np.sum(score - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi))


def _log_likelihood_mean(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - 0.5 * X.shape[1] * np.log(
        2 * np.pi
    )
    top = score.max(axis=1)
    return np.mean(top + np.log(np.mean(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_no_shift(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - 0.5 * X.shape[1] * np.log(
        2 * np.pi
    )
    return np.sum(np.log(np.mean(np.exp(score), axis=1)))


def _log_likelihood_nearest_only(X, means):
    score = -0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)
    return np.sum(score.max(axis=1) - np.log(len(means)) - 0.5 * X.shape[1] * np.log(2 * np.pi))


def _log_likelihood_half_missing(X, means):
    score = -np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2) - 0.5 * X.shape[1] * np.log(2 * np.pi)
    top = score.max(axis=1)
    return np.sum(top + np.log(np.mean(np.exp(score - top[:, None]), axis=1)))


def _log_likelihood_no_constants_no_shift(X, means):
    return np.sum(
        np.log(np.sum(np.exp(-0.5 * np.sum((X[:, None, :] - means[None, :, :]) ** 2, axis=2)), axis=1))
    )


CONSTANTS_HINT = ("The result differs from the log-likelihood by a constant times the number of points: right for finding means, but no "
                  "log of a density.")  # fmt: skip
INFINITE_HINT = ("The result is -inf where a point is far from all means, because its density is below the smallest float. Its logarithm "
                 "isn't small at all.")  # fmt: skip


def _repeated(rng):
    X, means = random_mixture(rng, 4, 2, 2)
    return Instance((X[[0, 1, 0, 2, 3, 0]], means), "points that occur more than once")


def _log_likelihood_edges(rng):
    X, means = random_mixture(rng, 6, 3, 2)
    return [
        Instance((X[:1], means), "one point alone"),
        Instance((X, means[:1]), "one component alone"),
        Instance(random_mixture(rng, 5, 3, 1), "one dimension"),
        Instance((X, means[[0, 1, 1]]), "two means that coincide"),
        Instance(single_precision(X, means), "in single precision"),
    ]


LOG_LIKELIHOOD = Exercise(
    assignment="em",
    function="log_likelihood",
    reference=_reference_log_likelihood,
    visible=(
        Instance((np.array([[0.0]]), np.array([[0.0]])), "one point on the only mean"),
        Instance((np.array([[0.0], [2.0]]), np.array([[0.0], [2.0]]))),
        Instance((np.array([[3.0, 4.0]]), np.array([[0.0, 0.0], [6.0, 8.0]])), "a point as far from one mean as from the other"),
        Instance((np.array([[1.0, 100.0], [1.0, -100.0]]), np.array([[0.0, 0.0], [2.0, 0.0]])), "points far from all means"),
    ),
    properties=(
        Property("ordinary", "points among the means", 0.5,
                 lambda rng: [Instance(random_mixture(rng, *shape)) for shape in ((9, 3, 2), (5, 2, 4), (15, 6, 3))]
                 + [_repeated(rng)]),
        Property("far", "points far from the means", 0.25,
                 lambda rng: [Instance(far_mixture(rng, 6, 3, 2), "points far from all means"),
                              Instance(near_and_far(rng, 5, 2, 3), "one point near the means, others far"),
                              Instance(far_mean(rng, 6, 3, 2), "a mean far from the others")],
                 hint="Right near the means. Where a point is far from them its density is 0 in floating point, and the logarithm of that "
                      "density an ordinary number."),
        Property("edges", "one point, one component, one dimension, equal means, single precision, and the arguments left as they were",
                 0.25, _log_likelihood_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("log K is left out", _log_likelihood_no_log_k,
                      "Writing every mean down twice raised the result, though the distribution stays the same. What does each component "
                      "weigh?", "em.html#log-likelihood"),
        Misconception("the factor with 2 pi is left out", _log_likelihood_no_two_pi,
                      "For one point on the only mean the result is 0: a density of 1. Does a standard Gaussian peak at 1?",
                      "em.html#log-likelihood"),
        Misconception("both constants are left out", _log_likelihood_no_constants,
                      CONSTANTS_HINT, "em.html#log-likelihood"),
        Misconception("the constant of one dimension", _log_likelihood_one_dimension,
                      "The result is right in one dimension alone. How does a Gaussian's normaliser grow with d?",
                      "em.html#log-likelihood"),
        Misconception("a sum of logarithms", _log_likelihood_sum_of_logs,
                      "A far component pulls the result down without bound. It should add a little density, not take any away: which comes "
                      "first, the sum over components or the logarithm?", "em.html#log-likelihood"),
        Misconception("a mean over the points", _log_likelihood_mean,
                      "Twice the same data gave the same result. Independent points: what happens to their densities, and to the logs?",
                      "em.html#log-likelihood"),
        Misconception("exponentials that underflow", _log_likelihood_no_shift,
                      INFINITE_HINT, "em.html#log-likelihood"),
        Misconception("both constants are left out, and exponentials underflow", _log_likelihood_no_constants_no_shift,
                      f"{CONSTANTS_HINT} {INFINITE_HINT}", "em.html#log-likelihood"),
        Misconception("the nearest component alone", _log_likelihood_nearest_only,
                      "A point halfway between two means got its density from only one of them.", "em.html#log-likelihood"),
        Misconception("the exponent lacks its half", _log_likelihood_half_missing,
                      "The log-likelihood falls twice too fast with the squared distance. What is the variance of that Gaussian?",
                      "em.html#log-likelihood"),
    ),
    section="em.html#log-likelihood",
    rtol=3e-6, atol=1e-5,
    tolerance_reason="all terms have one sign, so nothing cancels: 1e-13 in double, some 5e-7 in float32 arithmetic on float32 input",
)  # fmt: skip
