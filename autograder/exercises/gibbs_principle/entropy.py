"""Checks of `entropy`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.gibbs_principle.shared import (
    ATOL,
    LOG2_HINT,
    NAN_HINT,
    RARE,
    RTOL,
    TOLERANCE_REASON,
    distribution_with_zeros,
    random_distribution,
)
from autograder.exercises.precision import single_precision
from lectures_lib import gibbs_principle


def _entropy_sign(q):
    q = q[q > 0]
    return np.sum(q * np.log(q))


def _entropy_log2(q):
    q = q[q > 0]
    return -np.sum(q * np.log2(q))


def _entropy_nan_at_zero(q):
    return -np.sum(q * np.log(q))


def _entropy_mean(q):
    positive = q[q > 0]
    return -np.sum(positive * np.log(positive)) / len(q)


def _entropy_mean_of_positive(q):
    positive = q[q > 0]
    return -np.mean(positive * np.log(positive))


def _entropy_log2_nan_at_zero(q):
    return -np.sum(q * np.log2(q))


def _entropy_sign_nan_at_zero(q):
    return np.sum(q * np.log(q))


SIGN_HINT = "The result is negative. A logarithm of a probability is never positive, and entropy measures surprise: how many signs?"

ENTROPY = Exercise(
    assignment="gibbs_principle",
    function="entropy",
    reference=gibbs_principle.entropy,
    visible=(
        Instance((np.array([0.5, 0.5]),)),
        Instance((np.array([0.25, 0.25, 0.25, 0.25]),)),
        Instance((np.array([0.1, 0.2, 0.7]),)),
        Instance((np.array([0.3, 0.0, 0.7]),), "a state of probability zero"),
        Instance((np.array([1.0, 0.0]),), "a state of probability zero"),
    ),
    properties=(
        Property(
            "ordinary", "distributions with all probabilities positive, small ones among them", 0.5,
            lambda rng: [Instance((random_distribution(rng, k),)) for k in (2, 3, 7, 40)]
            + [Instance((rng.permutation(RARE),), "small probabilities"),
               Instance((np.repeat(random_distribution(rng, 3), 2) / 2,), "states of equal probability")],
        ),
        Property(
            "zeros", "states of probability zero", 0.3,
            lambda rng: [Instance((distribution_with_zeros(rng, k),), "with states of probability zero") for k in (3, 10)]
            + [Instance((np.eye(4)[1],), "all mass on one state")],
        ),
        Property(
            "edges", "one state alone, single precision, and the argument left as it was", 0.2,
            lambda rng: [
                Instance((np.array([1.0]),), "one state alone"),
                Instance(single_precision(random_distribution(rng, 6)), "in single precision"),
                Instance((distribution_with_zeros(rng, 8),), "with states of probability zero"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the sign is forgotten", _entropy_sign, SIGN_HINT, "gibbs_principle.html#entropy"),
        Misconception("logarithm to base 2", _entropy_log2, LOG2_HINT, "gibbs_principle.html#entropy"),
        Misconception("0 log 0 is NaN", _entropy_nan_at_zero, NAN_HINT, "gibbs_principle.html#entropy"),
        Misconception(
            "mean instead of sum", _entropy_mean,
            "The result shrinks with the number of states. An expectation weighs each term by its probability already.",
            "gibbs_principle.html#entropy",
        ),
        Misconception(
            "mean over the states that occur", _entropy_mean_of_positive,
            "The result shrinks with the number of states that occur. An expectation weighs each term by its probability already.",
            "gibbs_principle.html#entropy",
        ),
        Misconception(
            "logarithm to base 2, and 0 log 0 is NaN", _entropy_log2_nan_at_zero, f"{LOG2_HINT} {NAN_HINT}",
            "gibbs_principle.html#entropy",
        ),
        Misconception(
            "the sign is forgotten, and 0 log 0 is NaN", _entropy_sign_nan_at_zero, f"{SIGN_HINT} {NAN_HINT}",
            "gibbs_principle.html#entropy",
        ),
    ),
    section="gibbs_principle.html#entropy",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip
