"""Checks of the assignment on the two Kullback-Leibler divergences.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import two_kls

RTOL, ATOL = 1e-5, 1e-5


def _covariance(rng: np.random.Generator, d: int, scale: float = 1.0) -> np.ndarray:
    """Moderately correlated, condition number of some ten: any way of inverting is good to ten digits."""
    A = rng.normal(size=(d, 2 * d))
    return scale**2 * (A @ A.T / (2 * d) + 0.3 * np.eye(d)) * 1.5


def _single(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(a.astype(np.float32) for a in arrays)


# --- kl_gaussian -------------------------------------------------------------------------------------------------------


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


def _gaussian_determinants(m0, S0, m1, S1):
    shift = m1 - m0
    logs = np.log(np.linalg.det(S1) / np.linalg.det(S0))
    return 0.5 * (np.trace(np.linalg.solve(S1, S0)) + shift @ np.linalg.solve(S1, shift) - len(shift) + logs)


def _pair(rng, d, scale=1.0):
    return (scale * rng.normal(size=d), _covariance(rng, d, scale * rng.uniform(0.6, 1.6)),
            scale * rng.normal(size=d), _covariance(rng, d, scale * rng.uniform(0.6, 1.6)))  # fmt: skip


def _equal_covariances(rng, d):
    m0, S, m1, _ = _pair(rng, d)
    return Instance((m0, S, m1, S.copy()), "equal covariances")


def _units_of_axes(d):
    """Standard deviations from 1e-3 to 1e3, as of coordinates measured in different units."""
    return np.logspace(-3, 3, d)


def _gaussian_edges(rng):
    m, S, _, _ = _pair(rng, 3)
    units = _units_of_axes(3)
    m0, S0, m1, S1 = _pair(rng, 3)
    unequal = units * m0, np.outer(units, units) * S0, units * m1, np.outer(units, units) * S1
    return [
        Instance(unequal, "variances of very different size"),
        Instance((np.array([0.5]), np.array([[0.3]]), np.array([-0.2]), np.array([[1.7]])), "one dimension"),
        Instance((m, S, m.copy(), S.copy()), "equal distributions"),
        Instance(_single(*_pair(rng, 3)), "in single precision"),
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
                 lambda rng: [Instance(_pair(rng, d)) for d in (2, 3, 6)]),
        Property("equal covariances", "equal covariances", 0.15, lambda rng: [_equal_covariances(rng, d) for d in (2, 4)]),
        Property("determinants", "determinants too small or too large for a float", 0.2,
                 lambda rng: [Instance(_pair(rng, 60, 1e-4), "sixty dimensions, small variances"),
                              Instance(_pair(rng, 50, 1e4), "fifty dimensions, large variances")]),
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


# --- reverse_kl_factorized ---------------------------------------------------------------------------------------------


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
        Instance(_single(_covariance(rng, 4)), "in single precision"),
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
                 lambda rng: [Instance((_covariance(rng, d),)) for d in (3, 5, 8)]),
        Property("two dimensions", "two dimensions", 0.1, lambda rng: [Instance((_correlated(rng, 2, 0.7),), "two dimensions")]),
        Property("strong", "strong correlations", 0.15,
                 lambda rng: [Instance((_correlated(rng, d, rho),), "strong correlation")
                              for d, rho in ((2, 0.99), (4, -0.6), (2, 0.999))]),
        Property("scales", "very small or very large variances", 0.15,
                 lambda rng: [Instance((_covariance(rng, 3, scale),), note)
                              for scale, note in ((1e-5, "small variances"), (1e5, "large variances"))]
                 + [Instance((np.outer(_units_of_axes(4), _units_of_axes(4)) * _covariance(rng, 4),), "small and large variances")]),
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


# --- moment_match ------------------------------------------------------------------------------------------------------


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
    return weights, spread * rng.normal(size=(K, d)), np.stack([_covariance(rng, d) for _ in range(K)])


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
        Instance(_single(*_mixture(rng, 3, 2)), "in single precision"),
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
                 lambda rng: [Instance(_mixture(rng, K, d)) for K, d in ((2, 2), (3, 2), (4, 3))]),
        Property("equal means", "components with equal means", 0.15,
                 lambda rng: [_equal_means(rng, K, d) for K, d in ((2, 3), (3, 2))]),
        Property("far", "means far from the origin", 0.2, lambda rng: [_far(rng, K, d) for K, d in ((2, 3), (4, 2))]),
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


# --- kl_grid -----------------------------------------------------------------------------------------------------------


def _reference_grid(log_q, log_p, dx):
    return two_kls.kl_grid(log_q, log_p, float(dx), mass_tol=np.inf).kl


def _grid_no_volume(log_q, log_p, dx):
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on]))


def _grid_nan_at_zero(log_q, log_p, dx):
    return np.sum(np.exp(log_q) * (log_q - log_p)) * dx


def _grid_swapped(log_q, log_p, dx):
    on = log_p > -np.inf
    return np.sum(np.exp(log_p[on]) * (log_p[on] - log_q[on])) * dx


def _grid_renormalised(log_q, log_p, dx):
    log_p = log_p - np.log(np.sum(np.exp(log_p)) * dx)
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def _grid_volume_to_the_power(log_q, log_p, dx):
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx**log_q.ndim


def _grid_ratio_of_densities(log_q, log_p, dx):
    q, p = np.exp(log_q), np.exp(log_p)
    on = q > 0
    return np.sum(q[on] * np.log(q[on] / p[on])) * dx


def _grid_support_dropped(log_q, log_p, dx):
    on = (log_q > -np.inf) & (log_p > -np.inf)
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def _log_normal(x, mean, sigma):
    return -0.5 * ((x - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)


def _line(rng, n=161, q_mean=None, p_mean=None):
    """Two densities on a line, with all of q and p inside; q sums to 1 to rounding."""
    x, dx = np.linspace(-14, 14, n, retstep=True)
    q_mean = rng.uniform(-2, 2) if q_mean is None else q_mean
    p_mean = rng.uniform(-2, 2) if p_mean is None else p_mean
    log_q = _log_normal(x, q_mean, rng.uniform(0.8, 1.2))
    log_p = np.logaddexp(
        np.log(0.4) + _log_normal(x, p_mean - 1, 1.3), np.log(0.6) + _log_normal(x, p_mean + 1, 1.6)
    )
    return log_q - np.log(np.sum(np.exp(log_q)) * dx), log_p, float(dx)


def _plane(rng, rows=29, columns=41):
    x, dx = np.linspace(-9, 9, rows, retstep=True)
    y, dy = np.linspace(-10, 10, columns, retstep=True)
    a, b, c, d = rng.uniform(-1, 1, 4)
    log_q = _log_normal(x, a, 1.1)[:, None] + _log_normal(y, b, 0.8)
    log_p = _log_normal(x, c, 1.5)[:, None] + _log_normal(y[None] - 0.4 * x[:, None], d, 1.2)
    return log_q - np.log(np.sum(np.exp(log_q)) * dx * dy), log_p, float(dx * dy)


def _tables(rng, shape, dx):
    """Densities that are tables of numbers, with p above q somewhere and below elsewhere."""
    q, p = (rng.dirichlet(np.full(np.prod(shape), 2.0)).reshape(shape) / dx for _ in range(2))
    return np.log(q), np.log(p), dx


def _outside(rng, shape, dx):
    log_q, log_p, dx = _tables(rng, shape, dx)
    return Instance((log_q, log_p + np.log(rng.uniform(0.3, 0.7)), dx), "p has mass outside the grid")


def _grid_zeros(rng, shape, dx):
    """q vanishes in some cells, and p in some of those."""
    log_q, log_p, dx = _tables(rng, shape, dx)
    order = rng.permutation(log_q.size)
    zeros, both = order[: log_q.size // 2], order[: log_q.size // 4]
    log_q.flat[zeros] = -np.inf
    log_p.flat[both] = -np.inf
    log_q -= np.log(np.sum(np.exp(log_q)) * dx)
    log_p -= np.log(np.sum(np.exp(log_p)) * dx)
    return Instance((log_q, log_p, dx), "cells of density zero")


def _grid_impossible(rng, shape, dx):
    log_q, log_p, dx = _tables(rng, shape, dx)
    log_p.flat[rng.integers(log_p.size)] = -np.inf
    log_p -= np.log(np.sum(np.exp(log_p)) * dx)
    return Instance((log_q, log_p, dx), "q has mass where p has none")


def _grid_far(rng):
    log_q, log_p, dx = _line(rng, q_mean=-3.0, p_mean=2.0)
    log_p = _log_normal(np.linspace(-14, 14, log_q.size), 8.0, 0.2)
    low_q, low_p, volume = _tables(rng, (6,), 0.5)
    low_p[rng.integers(6)] = -3e5
    low_p -= np.log(np.sum(np.exp(low_p)) * volume)
    return [
        Instance((log_q, log_p, dx), "densities far apart"),
        Instance((low_q, low_p, volume), "a density too small for a float"),
    ]


def _grid_edges(rng):
    log_q, log_p, dx = _tables(rng, (5, 3), 0.5)
    return [
        Instance((np.array([-np.log(0.2)]), np.array([-np.log(0.2) - 0.7]), 0.2), "one cell"),
        Instance((*_single(log_q, log_p), dx), "in single precision"),
        _grid_zeros(rng, (2, 3, 4), 0.3),
    ]


GRID_SECTION = "two_kls.html#kl-on-a-grid"

GRID = Exercise(
    assignment="two_kls",
    function="kl_grid",
    reference=_reference_grid,
    visible=(
        Instance((np.log([1.0, 0.5, 0.5]), np.log([0.5, 0.5, 0.6]), 0.5), "p has mass outside the grid"),
        Instance((np.log([[1.0, 2.0], [4.0, 1.0]]), np.log([[2.0, 3.0], [1.0, 2.0]]), 0.125), "two dimensions"),
        Instance((np.array([-np.inf, -np.inf, 0.0]), np.log([0.2, 0.5, 0.3]) - np.array([0.0, np.inf, 0.0]), 1.0),
                 "cells of density zero"),
        Instance((np.log([0.5, 0.5]), np.array([-1000.0, 0.0]), 1.0), "a density too small for a float"),
        Instance((np.log([0.5, 0.5]), np.array([-np.inf, 0.0]), 1.0), "q has mass where p has none"),
    ),
    properties=(
        Property("ordinary", "densities on a line, in a plane and in space", 0.35,
                 lambda rng: [Instance(_line(rng)), Instance(_plane(rng), "two dimensions"),
                              Instance(_tables(rng, (3, 4, 2), 0.3), "three dimensions")]),
        Property("outside", "p with mass outside the grid", 0.15,
                 lambda rng: [_outside(rng, (12,), 0.25), _outside(rng, (4, 5), 0.1)]),
        Property("zeros", "cells where q is zero", 0.15,
                 lambda rng: [_grid_zeros(rng, (12,), 0.25), _grid_zeros(rng, (4, 5), 0.1)]),
        Property("impossible", "mass of q where p has none", 0.1,
                 lambda rng: [_grid_impossible(rng, (9,), 0.25), _grid_impossible(rng, (3, 5), 0.2)]),
        Property("far", "densities too small for a float", 0.1, _grid_far),
        Property("edges", "one cell, single precision, three dimensions, and the arguments left as they were", 0.15,
                 _grid_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the cell volume is left out", _grid_no_volume,
                      "The result grows without end when the grid gets finer. What turns a sum over cells into an integral?",
                      GRID_SECTION),
        Misconception("0 times infinity is NaN", _grid_nan_at_zero,
                      "A cell where q is zero was multiplied out: 0 times infinity is NaN in floating point, but such a cell counts "
                      "nothing.", GRID_SECTION),
        Misconception("the arguments are swapped", _grid_swapped,
                      "The result is the other divergence. Under which of the two densities is the expectation taken?", GRID_SECTION),
        Misconception("p is normalised on the grid", _grid_renormalised,
                      "The mass that p has outside the grid was moved inside, as if the grid were all there is.", GRID_SECTION),
        Misconception("the cell volume once for every axis", _grid_volume_to_the_power,
                      "The result is right on a line, wrong in the plane: dx is a volume already.", GRID_SECTION),
        Misconception("densities that underflow", _grid_ratio_of_densities,
                      "The result is infinite or NaN where log p is far below 0: exp gives 0 there, though the logarithm was given.",
                      GRID_SECTION),
        Misconception("cells that p never takes are left out", _grid_support_dropped,
                      "The result stays finite although q puts mass where p has none. How likely are such data under p?",
                      GRID_SECTION),
    ),
    section=GRID_SECTION,
    rtol=RTOL, atol=ATOL,
    tolerance_reason="sums of at most some thousand terms, good to 1e-12 in double and 1e-6 in single precision",
)  # fmt: skip


# --- fit_reverse_kl ----------------------------------------------------------------------------------------------------


def _reference_fit(weights, means, sigmas, starts):
    weights, means, sigmas, starts = (np.asarray(a, dtype=float) for a in (weights, means, sigmas, starts))
    mixture = (weights / weights.sum(), means[:, None], (sigmas**2)[:, None, None])
    rows = []
    for mean, sigma in starts:
        (fit,) = two_kls.fit_reverse_kl(lambda x: two_kls.log_mixture(x, *mixture), [[mean]], scale=sigma)
        rows.append([fit.mean[0], np.sqrt(fit.covariance[0, 0])])
    return np.array(rows)


def _fit_first_start(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    m, s = starts[0]
    for _ in range(150):
        u = ((m + s * z)[:, None] - means) / sigmas
        logs = np.log(weights) - np.log(sigmas) - u**2 / 2
        r = np.exp(logs - logs.max(axis=1, keepdims=True))
        slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
        m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
    return np.tile([m, s], (len(starts), 1))


def _fit_averaged(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
        found.append([m, s])
    return np.tile(np.mean(found, axis=0), (len(starts), 1))


def _fit_forward(weights, means, sigmas, starts):
    m = weights @ means
    s = np.sqrt(weights @ (sigmas**2 + (means - m) ** 2))
    return np.tile([m, s], (len(starts), 1))


def _fit_steps_in_sigma(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s + 0.15 * (1 / s + np.sum(g * z * slope))
        found.append([m, s])
    return np.array(found)


def _fit_no_entropy(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * s * np.sum(g * z * slope))
        found.append([m, s])
    return np.array(found)


def _fit_variance(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
        found.append([m, s**2])
    return np.array(found)


def _fit_nearest_component(weights, means, sigmas, starts):
    nearest = np.argmin(np.abs(starts[:, :1] - means), axis=1)
    return np.stack([means[nearest], sigmas[nearest]], axis=1)


def _fit_laplace(weights, means, sigmas, starts):
    found = []
    for m, _ in starts:
        for _ in range(300):
            logs = np.log(weights) - np.log(sigmas) - ((m - means) / sigmas) ** 2 / 2
            r = np.exp(logs - logs.max()) / np.sum(np.exp(logs - logs.max()))
            m = np.sum(r * means / sigmas**2) / np.sum(r / sigmas**2)
        slopes = (means - m) / sigmas**2
        curvature = np.sum(r * (slopes**2 - 1 / sigmas**2)) - np.sum(r * slopes) ** 2
        found.append([m, 1 / np.sqrt(-curvature)])
    return np.array(found)


def _fit_logs_of_components(weights, means, sigmas, starts):
    precision = np.sum(weights / sigmas**2)
    m = np.sum(weights * means / sigmas**2) / precision
    return np.tile([m, 1 / np.sqrt(precision)], (len(starts), 1))


def _firmness(weights, means, sigmas, m, s):
    """Least curvature of KL(q || p) in the coordinates m / s and log s; that of a single Gaussian component at itself is 1."""
    z = np.linspace(-8, 8, 321)
    g = np.exp(-0.5 * z**2) / np.sum(np.exp(-0.5 * z**2))
    log_p = np.logaddexp.reduce(
        np.log(weights / sigmas) - 0.5 * (((m + s * z)[:, None] - means) / sigmas) ** 2, axis=1
    )
    # Derivatives of a Gaussian expectation are expectations with Hermite polynomials.
    mm, ms, ss = (-np.sum(g * h * log_p) for h in (z**2 - 1, z**3 - 3 * z, z**4 - 4 * z**2 + 1))
    return np.linalg.eigvalsh([[mm, ms], [ms, ss]])[0]


def _firm(weights, means, sigmas, starts, far):
    """Whether the optima are held firmly; if `far`, the starts too, each of which leads to an optimum close by."""
    args = weights, means, sigmas
    found = _reference_fit(*args, starts)
    near = np.abs(found - starts).max(axis=1) < 0.5 * sigmas.min()
    held = [_firmness(*args, *row) > 0.6 for row in (np.vstack([found, starts]) if far else found)]
    return all(held) and (near.all() or not far)


def _close_components(rng, scale=1.0):
    """Two components that overlap so much that the KL has one minimum, whatever the start."""
    while True:
        sigmas = rng.uniform(0.8, 1.1, 2)
        means = rng.uniform(-3, 3) + np.array([0.0, rng.choice([-1, 1]) * rng.uniform(2.3, 2.8)])
        weight = rng.uniform(0.6, 0.75)
        starts = np.stack([means.mean() + np.array([-1.5, 1.5]), rng.uniform(0.7, 1.5, 2)], axis=1)
        instance = np.array([weight, 1 - weight]), scale * means, scale * sigmas, scale * starts
        if _firm(*instance, far=False):
            return instance


def _apart(rng, K):
    """Components about six deviations apart, and a start near each: q stays there, but leans to its neighbours a little.

    The starts are given in order of rising weight, so the first doesn't lead to the best optimum.
    """
    while True:
        sigmas = rng.uniform(0.93, 1.07, K)
        means = rng.uniform(-4, 4) + np.cumsum(rng.uniform(5.8, 6.1, K))
        weights = np.sort(rng.uniform(0.85, 1.15, K)) + 0.1 * np.arange(K)
        means = rng.permutation(means)
        starts = np.stack(
            [means + sigmas * rng.uniform(-0.3, 0.3, K), sigmas * rng.uniform(0.8, 1.25, K)], axis=1
        )
        instance = weights / weights.sum(), means, sigmas, starts
        if _firm(*instance, far=True):
            return instance


def _fit_edges(rng):
    start = np.array([[0.0, 1.0]])
    weights, means, sigmas, starts = _apart(rng, 2)
    return [
        Instance((np.ones(1), rng.uniform(1, 2, 1), rng.uniform(0.5, 2, 1), start), "one component"),
        Instance((weights, means, sigmas, starts[1:]), "one start"),
        Instance(_single(*_close_components(rng)), "in single precision"),
    ]


FIT_SECTION = "two_kls.html#reverse-kl-fit"

FIT = Exercise(
    assignment="two_kls",
    function="fit_reverse_kl",
    reference=_reference_fit,
    visible=(
        Instance((np.array([1.0]), np.array([1.5]), np.array([0.8]), np.array([[0.0, 1.0]])), "one component"),
        Instance((np.array([0.7, 0.3]), np.array([0.0, 2.5]), np.array([1.0, 0.8]), np.array([[-1.0, 1.0], [3.0, 1.0]])),
                 "components that overlap"),
        Instance((np.array([0.45, 0.55]), np.array([-2.0, 2.1]), np.array([0.7, 0.7]), np.array([[2.2, 0.8], [-2.2, 0.6]])),
                 "components far apart"),
        Instance((np.array([0.45, 0.55]), np.array([-0.2, 0.1]), np.array([0.05, 0.05]), np.array([[-0.21, 0.06], [0.11, 0.04]])),
                 "narrow components"),
    ),
    properties=(
        Property("one optimum", "components that overlap, where there is one optimum", 0.3,
                 lambda rng: [Instance(_close_components(rng), "components that overlap") for _ in range(3)]),
        Property("several optima", "components far apart, with an optimum near each start", 0.4,
                 lambda rng: [Instance(_apart(rng, K), "components far apart") for K in (2, 2, 3)]),
        Property("narrow", "narrow components", 0.15,
                 lambda rng: [Instance(_close_components(rng, 0.065), "narrow components") for _ in range(2)]),
        Property("edges", "one component, one start, single precision, and the arguments left as they were", 0.15,
                 _fit_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("one start for all", _fit_first_start,
                      "Every row holds the same optimum, though the starts lie near different ones.", FIT_SECTION),
        Misconception("the local optima are averaged", _fit_averaged,
                      "The rows hold a Gaussian between the modes, where p is small. The average of two good answers need not be one.",
                      FIT_SECTION),
        Misconception("the forward KL is minimised", _fit_forward,
                      "The result covers all components wherever it starts: it has the mixture's own mean and deviation. Under which "
                      "density is the expectation of the KL taken?", FIT_SECTION),
        Misconception("descent in sigma itself", _fit_steps_in_sigma,
                      "All is well for deviations near 1, but for narrow components the steps of sigma jump across 0. In which variable "
                      "can a step never do so?", FIT_SECTION),
        Misconception("the entropy of q is left out", _fit_no_entropy,
                      "The deviation shrinks towards 0: nothing rewards q for spreading out.", FIT_SECTION),
        Misconception("the variance is returned", _fit_variance,
                      "The means are right and the second column is in the units of x squared.", FIT_SECTION),
        Misconception("the nearest component is returned", _fit_nearest_component,
                      "The rows repeat the parameters of the mixture. A neighbour's tail, though small, pulls the optimum a little.",
                      FIT_SECTION),
        Misconception("the curvature at the mode", _fit_laplace,
                      "The rows hold p's mode and its curvature there. The KL averages over all of q, not over its midpoint alone.",
                      FIT_SECTION),
        Misconception("the logarithm inside the mixture's sum", _fit_logs_of_components,
                      "The result is one Gaussian between the components: the logs of the components were averaged. Is the log of a sum "
                      "the sum of the logs?", FIT_SECTION),
    ),
    section=FIT_SECTION,
    rtol=3e-3, atol=3e-3,
    tolerance_reason="any descent followed to its end gives five digits, since no optimum is flat and each start is well inside one "
                     "basin; quadrature with some fifty nodes gives three, and the nearest wrong answer is twice as far off",
)  # fmt: skip

EXERCISES = (GAUSSIAN, FACTORIZED, MATCH, GRID, FIT)
