"""Checks of `moment_match`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.precision import single_precision
from autograder.exercises.two_kls.shared import ATOL, RTOL, random_covariance
from lectures_lib import two_kls


def _reference_match(weights, means, covariances):
    return tuple(two_kls.moment_match(weights, means, covariances))


def _match_no_between(weights, means, covariances):
    return weights @ means, np.einsum("k,kij->ij", weights, covariances)


def _match_no_within(weights, means, covariances):
    mean = weights @ means
    between = means - mean
    return mean, (weights * between.T) @ between


def _match_unweighted(weights, means, covariances):
    mean = means.mean(axis=0)
    between = means - mean
    return mean, covariances.mean(axis=0) + between.T @ between / len(means)


def _match_n_minus_one(weights, means, covariances):
    mean = weights @ means
    between = np.atleast_2d(np.cov(means.T, aweights=weights))
    return mean, np.einsum("k,kij->ij", weights, covariances) + between


def _match_not_centred(weights, means, covariances):
    return weights @ means, np.einsum("k,kij->ij", weights, covariances) + (weights * means.T) @ means


def _match_natural_parameters(weights, means, covariances):
    precisions = np.linalg.inv(covariances)
    precision = np.einsum("k,kij->ij", weights, precisions)
    field = np.einsum("k,kij,kj->i", weights, precisions, means)
    return np.linalg.solve(precision, field), np.linalg.inv(precision)


def _match_diagonal_between(weights, means, covariances):
    mean = weights @ means
    between = np.diag(weights @ (means - mean) ** 2)
    return mean, np.einsum("k,kij->ij", weights, covariances) + between


def _mixture(rng, K, d, spread=1.5):
    weights = rng.dirichlet(np.full(K, 3.0))
    return weights, spread * rng.normal(size=(K, d)), np.stack([random_covariance(rng, d) for _ in range(K)])


def _equal_means(rng, K, d):
    weights, means, covariances = _mixture(rng, K, d)
    return Instance((weights, np.tile(means[:1], (K, 1)), covariances), "equal means")


def _far(rng, K, d):
    weights, means, covariances = _mixture(rng, K, d)
    return Instance((weights, means + 1e8 * rng.choice([-1, 1], d), covariances), "means far from the origin")


def _match_edges(rng):
    weights, means, covariances = _mixture(rng, 3, 2)
    return [
        Instance(_mixture(rng, 1, 3), "one component"),
        Instance(_mixture(rng, 3, 1), "one dimension"),
        Instance(_mixture(rng, 1, 1), "one component in one dimension"),
        Instance((np.array([weights[0], 0.0, 1 - weights[0]]), means, covariances), "a component of weight zero"),
        Instance(single_precision(*_mixture(rng, 3, 2)), "in single precision"),
        Instance((weights, means, covariances)),
    ]  # fmt: skip


MATCH_SECTION = "two_kls.html#moment-matching"

MATCH = Exercise(
    assignment="two_kls",
    function="moment_match",
    reference=_reference_match,
    visible=(
        Instance((np.array([0.5, 0.5]), np.array([[-2.0], [2.0]]), np.array([[[0.49]], [[0.49]]])), "one dimension"),
        Instance((np.array([0.5, 0.3, 0.2]), np.array([[0.0, 1.0], [2.0, -1.0], [-1.0, 3.0]]),
                  np.array([[[1.0, 0.5], [0.5, 2.0]], [[0.5, 0.0], [0.0, 0.5]], [[2.0, -0.5], [-0.5, 1.0]]]))),
        Instance((np.array([0.5, 0.5]), np.array([[1e8 - 2], [1e8 + 2]]), np.array([[[0.49]], [[0.49]]])), "means far from the origin"),
    ),
    properties=(
        Property("ordinary", "mixtures of two to four components", 0.45,
                 lambda rng: [*(Instance(_mixture(rng, K, d)) for K, d in ((2, 2), (3, 2), (4, 3))),
                              Instance((np.array([0.005, 0.995]), *_mixture(rng, 2, 2)[1:]), "a component of little weight")]),
        Property("equal means", "components with equal means", 0.15,
                 lambda rng: [_equal_means(rng, K, d) for K, d in ((2, 3), (3, 2))]),
        Property("far", "means far from the origin", 0.2, lambda rng: [_far(rng, K, d) for K, d in ((2, 3), (4, 2))],
                 hint="Right near the origin, wrong far from it: somewhere two huge numbers are subtracted whose difference is small, and "
                      "the digits are gone."),
        Property("edges", "one component, one dimension, a component of weight zero, single precision, and the arguments left as they were",
                 0.2,
                 _match_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the spread of the means is left out", _match_no_between,
                      "Moving the components apart leaves the covariance as it was, though the mixture gets wider.", MATCH_SECTION),
        Misconception("the components' own covariances are left out", _match_no_within,
                      "A single component comes out with no variance at all.", MATCH_SECTION),
        Misconception("the weights are ignored", _match_unweighted,
                      "A component of small weight counts as much as one of large weight.", MATCH_SECTION),
        Misconception("the covariance of a sample", _match_n_minus_one,
                      "The spread of the means is too large, and a single component gives NaN. That correction is for a covariance "
                      "estimated from data; here the whole distribution is known.", MATCH_SECTION),
        Misconception("the second moment is not centred", _match_not_centred,
                      "Moving all components by the same step changes the covariance.", MATCH_SECTION),
        Misconception("natural parameters are averaged", _match_natural_parameters,
                      "Precisions were averaged: the Gaussian is narrow and stays away from the farther components. Which moments must "
                      "the two densities share?", MATCH_SECTION),
        Misconception("the spread of the means axis by axis", _match_diagonal_between,
                      "Where the components lie along a diagonal, the result doesn't lean that way.", MATCH_SECTION),
    ),
    section=MATCH_SECTION,
    rtol=RTOL, atol=ATOL,
    tolerance_reason="sums of a few terms of order 1, good to 1e-15 in double and 1e-6 in single precision; with means of 1e8 their own "
                     "rounding is 1e-8",
)  # fmt: skip
