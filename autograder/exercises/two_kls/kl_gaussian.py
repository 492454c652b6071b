"""Checks of `kl_gaussian`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.precision import single_precision
from autograder.exercises.two_kls.shared import ATOL, RTOL, random_covariance, units_of_axes
from lectures_lib import two_kls


def _gaussian_swapped(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S0)[1] - np.linalg.slogdet(S1)[1]
    return 0.5 * (np.trace(np.linalg.solve(S0, S1)) + shift @ np.linalg.solve(S0, shift) - len(shift) + logs)


def _gaussian_log_det_sign(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S0)[1] - np.linalg.slogdet(S1)[1]
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S1, shift) - len(shift) + logs)


def _gaussian_no_dimension(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S1, shift) + logs)


def _gaussian_no_half(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S1, shift) - len(shift) + logs


def _gaussian_other_distance(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S0, shift) - len(shift) + logs)


def _gaussian_no_inverse(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(S1 @ S0) + shift @ S1 @ shift - len(shift) + logs)


def _gaussian_diagonal(m0, S0, m1, S1):
    v0, v1 = np.diag(S0), np.diag(S1)
    return 0.5 * np.sum(v0 / v1 + (m1 - m0) ** 2 / v1 - 1 + np.log(v1 / v0))


def _gaussian_no_means(m0, S0, m1, S1):
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) - len(m0) + logs)


def _gaussian_determinants(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.log(np.linalg.det(S1) / np.linalg.det(S0))
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S1, shift) - len(shift) + logs)


def _pair(rng, d, scale=1.0):
    return (scale * rng.normal(size=d), random_covariance(rng, d, scale * rng.uniform(0.6, 1.6)),
            scale * rng.normal(size=d), random_covariance(rng, d, scale * rng.uniform(0.6, 1.6)))  # fmt: skip


def _equal_covariances(rng, d):
    m0, S, m1, _ = _pair(rng, d)
    return Instance((m0, S, m1, S.copy()), "equal covariances")


def _equal_means(rng, scale):
    m, S0, _, S1 = _pair(rng, 2)
    return scale * m, scale**2 * S0, scale * m, scale**2 * S1


def _gaussian_edges(rng):
    m, S, _, _ = _pair(rng, 3)
    units = units_of_axes(3)
    m0, S0, m1, S1 = _pair(rng, 3)
    unequal = units * m0, np.outer(units, units) * S0, units * m1, np.outer(units, units) * S1
    return [
        Instance(unequal, "variances of very different size"),
        Instance((np.array([0.5]), np.array([[0.3]]), np.array([-0.2]), np.array([[1.7]])), "one dimension"),
        Instance((m, S, m.copy(), S.copy()), "equal distributions"),
        Instance(single_precision(*_pair(rng, 3)), "in single precision"),
    ]


GAUSSIAN_SECTION = "two_kls.html#kl-gaussian"

GAUSSIAN = Exercise(
    assignment="two_kls",
    function="kl_gaussian",
    reference=two_kls.kl_gaussian,
    visible=(
        Instance((np.array([0.0]), np.array([[1.0]]), np.array([1.0]), np.array([[4.0]])), "one dimension"),
        Instance((np.array([0.0, 1.0]), np.array([[2.0, 1.0], [1.0, 1.0]]), np.array([1.0, -1.0]),
                  np.array([[1.0, 0.0], [0.0, 3.0]]))),
        Instance((np.array([1.0, 0.0]), np.array([[1.0, 0.5], [0.5, 2.0]]), np.array([0.0, 0.5]), np.array([[2.0, -1.0], [-1.0, 1.0]]))),
        Instance((np.zeros(2), np.array([[2e-170, 1e-170], [1e-170, 1e-170]]), np.zeros(2), 3e-170 * np.eye(2)),
                 "tiny variances"),
    ),
    properties=(
        Property("ordinary", "two Gaussians in two to six dimensions", 0.45,
                 lambda rng: [*(Instance(_pair(rng, d)) for d in (2, 3, 6)), Instance(_equal_means(rng, 1.0), "equal means")]),
        Property("equal covariances", "equal covariances", 0.15, lambda rng: [_equal_covariances(rng, d) for d in (2, 4)]),
        Property("determinants", "determinants too small or too large for a float", 0.2,
                 lambda rng: [Instance(_pair(rng, 60, 1e-4), "sixty dimensions, small variances"),
                              Instance(_pair(rng, 50, 1e4), "fifty dimensions, large variances"),
                              Instance(_equal_means(rng, 1e-85), "equal means, tiny variances")],
                 hint="Right in few dimensions. Which intermediate number becomes 0 or infinite in many?"),
        Property("edges", "one dimension, equal distributions, variances of very different size, single precision, and the arguments left "
                 "as they were", 0.2, _gaussian_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the arguments are swapped", _gaussian_swapped,
                      "The result is the other divergence. Under which of the two Gaussians is the expectation taken?",
                      GAUSSIAN_SECTION),
        Misconception("the log-determinants have the wrong sign", _gaussian_log_det_sign,
                      "The wider the second Gaussian, the lower the result, without end, and it can be negative. Which of the two "
                      "normalisers is divided by which?", GAUSSIAN_SECTION),
        Misconception("the dimension is not subtracted", _gaussian_no_dimension,
                      "For equal distributions the result is not 0 but grows with the number of dimensions.", GAUSSIAN_SECTION),
        Misconception("the half is left out", _gaussian_no_half,
                      "The result is twice too large. What factor does a Gaussian's log density carry?", GAUSSIAN_SECTION),
        Misconception("distance measured by the first covariance", _gaussian_other_distance,
                      "The result is wrong only where the means differ. Whose log density does the distance of the means come from?",
                      GAUSSIAN_SECTION),
        Misconception("the means are left out", _gaussian_no_means,
                      "Moving one of the Gaussians away from the other changes nothing.", GAUSSIAN_SECTION),
        Misconception("covariance in place of its inverse", _gaussian_no_inverse,
                      "In other units of x the result changes. A distance has to be measured in standard deviations.",
                      GAUSSIAN_SECTION),
        Misconception("covariances are taken as diagonal", _gaussian_diagonal,
                      "The result does not change when the correlations do.", GAUSSIAN_SECTION),
        Misconception("determinants that underflow or overflow", _gaussian_determinants,
                      "The result is NaN or infinite where variances are tiny or dimensions many: the determinant itself does not fit "
                      "into a float, though its logarithm would.", GAUSSIAN_SECTION),
    ),
    section=GAUSSIAN_SECTION,
    rtol=RTOL, atol=ATOL,
    tolerance_reason="condition numbers of some ten, but for the axes' units, leave ten digits in double and five in single precision; for "
                     "equal distributions terms of order 1 cancel, hence the atol",
)  # fmt: skip
