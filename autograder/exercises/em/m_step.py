"""Checks of `m_step`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.em.shared import ATOL, RTOL, random_responsibilities
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import em


def _reference_m_step(X, R):
    X, R = doubles(X, R)
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


def _m_step_ordinary(rng, n, K, d):
    return rng.normal(size=(n, d)) + rng.normal(size=d), random_responsibilities(rng, n, K)


def _m_step_small(rng):
    R = np.array([[0.9995, 5e-4], [0.4, 0.6], [0.9993, 7e-4], [0.7, 0.3]])
    return Instance((rng.normal(size=(4, 2)) + np.array([[5], [0], [5], [0]]), R), "small responsibilities")


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
        Instance(single_precision(X, R), "in single precision"),
    ]


M_STEP = Exercise(
    assignment="em",
    function="m_step",
    reference=_reference_m_step,
    visible=(
        Instance((np.array([[0.0], [1.0], [4.0]]), np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))),
        Instance((np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[0.75, 0.25], [0.5, 0.5]]))),
        Instance((np.array([[1.0, 2.0], [3.0, 4.0], [8.0, 6.0]]), np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])),
                 "a component to which no point belongs"),
        Instance((np.array([[1.0], [3.0], [5.0]]), np.array([[1.0, 1e-200], [1.0, 3e-200], [1.0, 0.0]])),
                 "a component with next to no weight"),
    ),
    properties=(
        Property("ordinary", "components that share the points", 0.5,
                 lambda rng: [Instance(_m_step_ordinary(rng, *shape)) for shape in ((8, 3, 2), (6, 2, 4), (20, 5, 3))]
                 + [_m_step_small(rng)]),
        Property("empty", "a component to which no point belongs", 0.2,
                 lambda rng: [_m_step_empty(rng, 7, 3, 2), _m_step_empty(rng, 4, 2, 3)]),
        Property("tiny", "a component with next to no weight", 0.15,
                 lambda rng: [_m_step_tiny(rng, 6, 3, 2), _m_step_tiny(rng, 5, 2, 3)],
                 hint="Right for components of ordinary weight. A weight that is small is still a weight: was it rounded off, or "
                      "outweighed?"),
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
        Misconception("next to no weight counts as none", _m_step_small_number,
                      "A component with very small weights fell to the origin. Were they rounded off, or outweighed by what keeps an empty "
                      "component from a division by zero? That must leave one alone that has points, however little they weigh.",
                      "em.html#m-step"),
    ),
    section="em.html#m-step",
    rtol=RTOL, atol=ATOL,
    tolerance_reason="weighted means of some twenty numbers of order 1: good to 1e-15 in double, to 1e-6 in float32 arithmetic",
)  # fmt: skip
