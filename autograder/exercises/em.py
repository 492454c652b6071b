"""Checks of the assignment on EM for a mixture of K Gaussians with unit covariance and equal weights.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import em

RTOL, ATOL = 1e-5, 1e-6
TOLERANCE_REASON = "double precision is good to 1e-11 here; float32 arithmetic on float32 input carries squares near 20, rounded at 1e-6"


def _doubles(*arrays):
    return [np.asarray(a, dtype=float) for a in arrays]


def _mixture(rng: np.random.Generator, n: int, K: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of a mixture whose components overlap, and means that are not yet theirs."""
    centres = 1.5 * rng.normal(size=(K, d))
    X = centres[rng.integers(K, size=n)] + rng.normal(size=(n, d))
    return X, centres + 0.7 * rng.normal(size=(K, d))


def _far_mixture(rng, n, K, d):
    """All points far from all means, in a direction that tells no component from another: none of them is certain."""
    X, means = _mixture(rng, n, K, d)
    means[1] = means[0] + rng.uniform(0.2, 0.6, d)  # near each other, so that neither is ever alone
    X[:, 0] += rng.choice([-1, 1]) * rng.uniform(50, 70)
    means[:, 0] = 0.0
    return X, means


def _far_mean(rng, n, K, d):
    """A mean far from the others, with a point of its own: a row's log weights span more than exp can hold."""
    X, means = _mixture(rng, n, K, d)
    means[1] += rng.uniform(60, 90)
    X[2] = means[1] + rng.normal(size=d)
    return X, means


def _near_and_far(rng, n, K, d):
    """One point near the means, the others far."""
    X, means = _far_mixture(rng, n, K, d)
    X[rng.integers(n), 0] = 0.0
    return X, means


def _single(*arrays):
    return tuple(a.astype(np.float32) for a in arrays)


# --- e_step ------------------------------------------------------------------------------------------------------------


def _reference_e_step(X, means):
    return em.e_step(*_doubles(X, means))


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
    X, means = _mixture(rng, 6, 2, 3)
    return [
        Instance((X[:1], np.vstack([means, means + 1.0])), "one point alone"),
        Instance((X, means[:1]), "one component alone"),
        Instance(_mixture(rng, 5, 3, 1), "one dimension"),
        Instance((X, means[[0, 1, 1]]), "two means that coincide"),
        Instance(_single(X, means), "in single precision"),
    ]


def _e_step_far(rng):
    return [
        Instance(_far_mixture(rng, 7, 3, 2), "points far from all means"),
        Instance(_near_and_far(rng, 5, 2, 3), "one point near the means, others far"),
        Instance(_far_mean(rng, 6, 3, 2), "a mean far from the others"),
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
                 lambda rng: [Instance(_mixture(rng, *shape)) for shape in ((7, 3, 2), (5, 2, 4), (20, 6, 3), (4, 4, 4))]),
        Property("far", "points far from the means", 0.3, _e_step_far),
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


# --- m_step ------------------------------------------------------------------------------------------------------------


def _reference_m_step(X, R):
    X, R = _doubles(X, R)
    return em.m_step(X, R, np.zeros((R.shape[1], X.shape[1])))


def _m_step_not_divided(X, R):
    return R.T @ X


def _m_step_by_n(X, R):
    return R.T @ X / len(X)


def _m_step_row_weights(X, R):
    return R.T @ X / R.sum(axis=1)[:, None]


def _m_step_hard(X, R):
    labels = R.argmax(axis=1)
    means = np.zeros((R.shape[1], X.shape[1]))
    for k in range(R.shape[1]):
        if np.any(labels == k):
            means[k] = X[labels == k].mean(axis=0)
    return means


def _m_step_nan_when_empty(X, R):
    return R.T @ X / R.sum(axis=0)[:, None]


def _m_step_small_number(X, R):
    return R.T @ X / (R.sum(axis=0)[:, None] + 1e-10)


def _responsibilities(rng, n, K):
    """Rows that are distributions, no two columns alike in weight."""
    return rng.dirichlet(rng.uniform(0.5, 2.0, K), size=n)


def _m_step_ordinary(rng, n, K, d):
    return rng.normal(size=(n, d)) + rng.normal(size=d), _responsibilities(rng, n, K)


def _m_step_empty(rng, n, K, d):
    X, R = _m_step_ordinary(rng, n, K, d)
    R[:, rng.integers(K)] = 0.0
    return Instance((X, R / R.sum(axis=1, keepdims=True)), "a component to which no point belongs")


def _m_step_tiny(rng, n, K, d):
    X, R = _m_step_ordinary(rng, n, K, d)
    R[:, rng.integers(K)] *= 1e-200
    return Instance((X, R / R.sum(axis=1, keepdims=True)), "a component with next to no weight")


def _m_step_edges(rng):
    X, R = _m_step_ordinary(rng, 6, 3, 2)
    return [
        Instance((X[:1], R[:1]), "one point alone"),
        Instance((X, np.ones((6, 1))), "one component alone"),
        Instance(_m_step_ordinary(rng, 5, 3, 1), "one dimension"),
        Instance(_m_step_ordinary(rng, 4, 4, 4), "as many points as components and dimensions"),
        Instance(_single(X, R), "in single precision"),
    ]


M_STEP = Exercise(
    assignment="em",
    function="m_step",
    reference=_reference_m_step,
    visible=(
        Instance((np.array([[0.0], [1.0], [4.0]]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))),
        Instance((np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.75, 0.25], [0.5, 0.5]]))),
        Instance((np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])),
                 "a component to which no point belongs"),
        Instance((np.array([[1.0], [3.0], [5.0]]), np.array([[1.0, 1e-200], [1.0, 3e-200], [1.0, 0.0]])),
                 "a component with next to no weight"),
    ),
    properties=(
        Property("ordinary", "components that share the points", 0.5,
                 lambda rng: [Instance(_m_step_ordinary(rng, *shape)) for shape in ((8, 3, 2), (6, 2, 4), (20, 5, 3))]),
        Property("empty", "a component to which no point belongs", 0.2,
                 lambda rng: [_m_step_empty(rng, 7, 3, 2), _m_step_empty(rng, 4, 2, 3)]),
        Property("tiny", "a component with next to no weight", 0.15,
                 lambda rng: [_m_step_tiny(rng, 6, 3, 2), _m_step_tiny(rng, 5, 2, 3)]),
        Property("edges", "one point, one component, one dimension, single precision, and the arguments left as they were", 0.15,
                 _m_step_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the sum is not divided", _m_step_not_divided,
                      "With a single component the result is the sum of the points. What should a mean of n equal points be?",
                      "em.html#m-step"),
        Misconception("divided by the number of points", _m_step_by_n,
                      "The means shrink towards the origin the more components there are. How many points does a component own?",
                      "em.html#m-step"),
        Misconception("the weights of the rows", _m_step_row_weights,
                      "The weights were summed over components, one number a point: it doesn't fit the shape unless n = K, and then it "
                      "is 1. Each component needs a weight of its own.", "em.html#m-step"),
        Misconception("each point to its likeliest component", _m_step_hard,
                      "A point that two components share moved only one of them. Is that what the responsibilities say?",
                      "em.html#m-step"),
        Misconception("an empty component gives 0/0", _m_step_nan_when_empty,
                      "A row is NaN where no point belongs to the component. The statement says what to return there.",
                      "em.html#m-step"),
        Misconception("a guard against division by zero that outweighs the data", _m_step_small_number,
                      "A component with very small weights fell to the origin. What keeps an empty component from a division by zero "
                      "must leave one alone that has points, however little they weigh.", "em.html#m-step"),
    ),
    section="em.html#m-step",
    rtol=RTOL, atol=ATOL,
    tolerance_reason="weighted means of some twenty numbers of order 1: good to 1e-15 in double, to 1e-6 in float32 arithmetic",
)  # fmt: skip


# --- log_likelihood ----------------------------------------------------------------------------------------------------


def _reference_log_likelihood(X, means):
    return em.log_likelihood(*_doubles(X, means))


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


def _log_likelihood_edges(rng):
    X, means = _mixture(rng, 6, 3, 2)
    return [
        Instance((X[:1], means), "one point alone"),
        Instance((X, means[:1]), "one component alone"),
        Instance(_mixture(rng, 5, 3, 1), "one dimension"),
        Instance((X, means[[0, 1, 1]]), "two means that coincide"),
        Instance(_single(X, means), "in single precision"),
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
                 lambda rng: [Instance(_mixture(rng, *shape)) for shape in ((9, 3, 2), (5, 2, 4), (15, 6, 3))]),
        Property("far", "points far from the means", 0.25,
                 lambda rng: [Instance(_far_mixture(rng, 6, 3, 2), "points far from all means"),
                              Instance(_near_and_far(rng, 5, 2, 3), "one point near the means, others far"),
                              Instance(_far_mean(rng, 6, 3, 2), "a mean far from the others")]),
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


# --- em_objective ------------------------------------------------------------------------------------------------------


def _reference_objective(X, means, R):
    return em.objective(*_doubles(X, means, R))


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
    X, means = _mixture(rng, n, K, d)
    return X, means, _responsibilities(rng, n, K)


def _objective_zeros(rng):
    X, means, R = _objective_ordinary(rng, 6, 3, 2)
    R[np.arange(6), rng.integers(3, size=6)] = 0.0
    unused = R.copy()
    unused[:, rng.integers(3)] = 0.0
    labels = rng.integers(2, size=5)
    far, far_means = _far_mixture(rng, 5, 2, 3)
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
        Instance(_single(X, means, R), "in single precision"),
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
                 lambda rng: [Instance(_objective_ordinary(rng, *shape)) for shape in ((7, 3, 2), (5, 2, 4), (20, 5, 3))]),
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


# --- em ----------------------------------------------------------------------------------------------------------------


def _reference_em(X, means, num_iter):
    X, means = _doubles(X, means)
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
    return (*_mixture(rng, n, K, d), num_iter)


def _em_edges(rng):
    X, means = _mixture(rng, 8, 3, 2)
    return [
        Instance((X, means[:1], 2), "one component alone"),
        Instance((X[:1], means, 2), "one point alone"),
        Instance((X, np.vstack([means[:1], means[:1]]), 3), "means that start at one place"),
        Instance((*_mixture(rng, 9, 2, 1), 3), "one dimension"),
        Instance((*_single(X, means), 2), "in single precision"),
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
                 lambda rng: [Instance(_run(rng, *shape)) for shape in ((12, 3, 2, 4), (8, 2, 3, 2), (20, 4, 2, 6))]),
        Property("far", "a start far from all points", 0.15,
                 lambda rng: [Instance((*_far_mixture(rng, 10, 2, 3), 3), "a start far from all points")]),
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
    tolerance_reason="six iterations of a smooth map at most, 1e-12 in double; two in single precision, each good to some 1e-6",
)  # fmt: skip


# --- hard_em -----------------------------------------------------------------------------------------------------------


def _reference_hard_em(X, means, num_iter):
    X, means = _doubles(X, means)
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
        X, means = _mixture(rng, n, K, d)
        if not _decided(X, means, num_iter):
            continue
        after, labels, _ = _reference_hard_em(X, means, num_iter)
        if not restless or (_distances(X, after).argmin(axis=1) != labels).any():
            return X, means, num_iter


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
        Instance((*_single(X, means), 2), "in single precision"),
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
                              Instance(_hard_run(rng, 15, 4, 3, 5, restless=False))]),
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

EXERCISES = (E_STEP, M_STEP, LOG_LIKELIHOOD, EM_OBJECTIVE, EM, HARD_EM)
