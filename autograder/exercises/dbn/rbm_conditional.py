"""Checks of `rbm_conditional`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import ATOL, RTOL, TOLERANCE_REASON, random_machine, random_units
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import rbm


def _reference_conditional(v, W, c):
    v, W, c = doubles(v, W, c)
    return rbm.hidden_mean(rbm.RBM(W, np.zeros(len(W)), c), v)


def _conditional_sign(v, W, c):
    return 1 / (1 + np.exp(v @ W + c))


def _conditional_transposed(v, W, c):
    return 1 / (1 + np.exp(-(v @ W.T + c)))


def _conditional_no_bias(v, W, c):
    return 1 / (1 + np.exp(-(v @ W)))


def _conditional_visible_bias(v, W, c):
    return 1 / (1 + np.exp(-((v + c) @ W)))


def _conditional_softmax(v, W, c):
    field = v @ W + c
    weights = np.exp(field - field.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _conditional_units(v, W, c):
    return (v @ W + c > 0).astype(float)


def _conditional_spins(v, W, c):
    return 1 / (1 + np.exp(-2 * (v @ W + c)))


def _conditional_overflow(v, W, c):
    return np.exp(v @ W + c) / (1 + np.exp(v @ W + c))


def _conditional_run(rng, n, D, H):
    W, _, c = random_machine(rng, D, H)
    return random_units(rng, n, D), W, c


def _conditional_strong(rng):
    v, W, _ = _conditional_run(rng, 4, 3, 4)
    return [
        Instance((v, W, rng.uniform(750, 2000, 4) * [1, -1, 1, -1]), "fields beyond what exp can take"),
        Instance((np.ones((2, 2)), rng.uniform(400, 900, (2, 3)) * [1, -1, 1], np.zeros(3)), "fields beyond what exp can take"),
    ]  # fmt: skip


def _conditional_edges(rng):
    v, W, c = _conditional_run(rng, 5, 4, 3)
    return [
        Instance((v[:1], W, c), "one row alone"),
        Instance((v[:, :1], W[:1], c), "one visible unit"),
        Instance((v, W[:, :1], c[:1]), "one hidden unit"),
        Instance((rng.random((5, 4)), W, c), "means in place of units"),
        Instance(single_precision(v, W, c), "in single precision"),
    ]


CONDITIONAL = Exercise(
    assignment="dbn",
    function="rbm_conditional",
    reference=_reference_conditional,
    visible=(
        Instance((np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), np.array([[1.0, -1.0], [2.0, 0.0], [-1.0, 1.0]]),
                  np.array([0.0, np.log(3.0)]))),
        Instance((np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 2.0]]), np.array([0.5, 0.0])), "as many hidden as visible units"),
        Instance((np.array([[0.25, 0.75]]), np.array([[1.0, -1.0, 2.0], [2.0, 0.0, -2.0]]), np.array([0.0, 0.5, 1.0])),
                 "means in place of units"),
        Instance((np.array([[1.0, 1.0]]), np.array([[500.0, -500.0, 1.0], [500.0, -500.0, -1.0]]), np.zeros(3)),
                 "fields beyond what exp can take"),
    ),
    properties=(
        Property("ordinary", "machines with more hidden or more visible units, or as many", 0.55,
                 lambda rng: [Instance(_conditional_run(rng, *shape)) for shape in ((5, 4, 3), (3, 2, 6), (8, 7, 5), (4, 3, 3))]),
        Property("strong", "fields beyond what exp can take", 0.25, _conditional_strong,
                 hint="Right for moderate fields. Which exponential becomes infinite for a large one, and of which sign?"),
        Property("edges", "one row, one unit, means in place of units, single precision, and the arguments left as they were", 0.2,
                 _conditional_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the sign of the exponent", _conditional_sign,
                      "The result is one minus the right one: units that the data excite come out as silent.", "rbm.html#rbm"),
        Misconception("W is transposed", _conditional_transposed,
                      "The shapes don't fit unless both layers have the same size, and there the result is silently wrong. Which axis of W "
                      "belongs to v?", "rbm.html#rbm"),
        Misconception("the bias is left out", _conditional_no_bias,
                      "With all visible units off, every hidden unit came out as a fair coin. What else acts on it?", "rbm.html#rbm"),
        Misconception("the bias is added to the visible units", _conditional_visible_bias,
                      "The bias went through the weights. It has one entry a hidden unit: to which layer does it belong?", "rbm.html#rbm"),
        Misconception("hidden units compete", _conditional_softmax,
                      "The rows sum to 1. Given v, does one hidden unit know of another?", "rbm.html#rbm"),
        Misconception("units in place of probabilities", _conditional_units,
                      "All entries are 0 or 1. The conditional probability is asked for, not the likeliest state.", "rbm.html#rbm"),
        Misconception("units of -1 and 1", _conditional_spins,
                      "Hidden units react twice too strongly. That is the conditional of a unit that is -1 or 1.", "rbm.html#rbm"),
        Misconception("an exponential that overflows", _conditional_overflow,
                      "An entry is NaN where the field is large: infinity over infinity. The same function can be written so that the "
                      "exponential may become 0 or infinite without harm.", "rbm.html#rbm"),
    ),
    section="rbm.html#rbm",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip
