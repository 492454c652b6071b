"""Checks of `reverse_kl_factorized`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.precision import single_precision
from autograder.exercises.two_kls.shared import random_covariance, units_of_axes
from lectures_lib import two_kls


def _factorized_marginal(S):
    return np.diag(S).copy()


def _factorized_one_over_diagonal(S):
    return 1 / np.diag(S)


def _factorized_precision(S):
    return np.diag(np.linalg.inv(S)).copy()


def _factorized_deviation(S):
    return np.sqrt(1 / np.diag(np.linalg.inv(S)))


def _factorized_eigenvalues(S):
    return np.linalg.eigvalsh(S)


def _factorized_one_at_a_time(S):
    v = np.diag(S)
    explained = S**2 / v
    return v - (explained.sum(axis=1) - np.diag(explained))


def _factorized_jitter(S):
    return 1 / np.diag(np.linalg.inv(S + 1e-8 * np.eye(len(S))))


def _correlated(rng, d, rho):
    """Two coordinates correlated by rho among others that are less."""
    sigma = rng.uniform(0.5, 2, d)
    R = np.full((d, d), 0.3) + 0.7 * np.eye(d)
    R[0, -1] = R[-1, 0] = rho
    order = rng.permutation(d)
    return (np.outer(sigma, sigma) * R)[np.ix_(order, order)]


def _factorized_edges(rng):
    return [
        Instance((np.array([[rng.uniform(0.2, 5)]]),), "one dimension"),
        Instance((np.diag(rng.uniform(0.2, 5, 4)),), "independent coordinates"),
        Instance(single_precision(random_covariance(rng, 4)), "in single precision"),
    ]


FACTORIZED_SECTION = "two_kls.html#factorized"

FACTORIZED = Exercise(
    assignment="two_kls",
    function="reverse_kl_factorized",
    reference=two_kls.reverse_kl_factorized,
    visible=(
        Instance((np.array([[2.0, 1.0], [1.0, 1.0]]),)),
        Instance((np.array([[2.0, 0.5, -0.4], [0.5, 1.0, 0.3], [-0.4, 0.3, 1.5]]),)),
        Instance((np.array([[2e-8, 1e-8], [1e-8, 1e-8]]),), "small variances"),
    ),
    properties=(
        Property("ordinary", "covariances in three to eight dimensions", 0.45,
                 lambda rng: [Instance((random_covariance(rng, d),)) for d in (3, 5, 8)]),
        Property("two dimensions", "two dimensions", 0.1, lambda rng: [Instance((_correlated(rng, 2, 0.7),), "two dimensions")]),
        Property("strong", "strong correlations", 0.15,
                 lambda rng: [Instance((_correlated(rng, d, rho),), "strong correlation")
                              for d, rho in ((2, 0.99), (4, -0.6), (2, 0.999))],
                 hint="Right for moderate correlations. A direction in which p is narrow counts all the same: is it rounded "
                      "away, or padded?"),
        Property("scales", "very small or very large variances", 0.15,
                 lambda rng: [Instance((random_covariance(rng, 3, scale),), note)
                              for scale, note in ((1e-5, "small variances"), (1e5, "large variances"))]
                 + [Instance((np.outer(units_of_axes(4), units_of_axes(4)) * random_covariance(rng, 4),), "small and large variances")]),
        Property("edges", "one dimension, independent coordinates, single precision, and the argument left as it was", 0.15,
                 _factorized_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the variances of the marginals", _factorized_marginal,
                      "The variances don't shrink when correlations grow. These are the best ones for the other direction of the KL.",
                      FACTORIZED_SECTION),
        Misconception("the inverses of the variances", _factorized_one_over_diagonal,
                      "Twice the covariance gave half the result, and correlations don't matter to it. Inverting a matrix and inverting "
                      "its entries are different things.", FACTORIZED_SECTION),
        Misconception("precisions instead of variances", _factorized_precision,
                      "Twice the covariance gave half the result: it is measured in the units of a precision.", FACTORIZED_SECTION),
        Misconception("standard deviations instead of variances", _factorized_deviation,
                      "Four times the covariance gave only twice the result: it is measured in the units of x, not of x squared.",
                      FACTORIZED_SECTION),
        Misconception("the variances along the principal axes", _factorized_eigenvalues,
                      "The result came out in order of size and belongs to rotated axes, along which p factorises. Along which axes must "
                      "q factorise?", FACTORIZED_SECTION),
        Misconception("each other coordinate by itself", _factorized_one_at_a_time,
                      "The result is right in two dimensions, wrong in more: what several coordinates tell about one is not the sum of "
                      "what each tells.", FACTORIZED_SECTION),
        Misconception("a constant added to the diagonal", _factorized_jitter,
                      "The result is right for variances near 1 and too large for small ones. What is small depends on the units.",
                      FACTORIZED_SECTION),
    ),
    section=FACTORIZED_SECTION,
    rtol=1e-4, atol=0.0,
    tolerance_reason="the condition numbers, but for the axes' units below 1e5, leave ten digits in double precision and, where the "
                     "input is single, some ten, five digits; no atol, since variances may be small",
)  # fmt: skip
