"""Checks of `elbo`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.gibbs_principle.shared import (
    ATOL,
    NAN_HINT,
    RARE,
    RTOL,
    TOLERANCE_REASON,
    distribution_with_zeros,
    random_distribution,
    random_log_joint,
)
from lectures_lib import gibbs_principle


def _elbo_negated(q, log_joint):
    on = q > 0
    return np.sum(q[on] * np.log(q[on])) - np.sum(q[on] * log_joint[on])


def _elbo_log_missing(q, log_joint):
    on = q > 0
    return -np.sum(q[on] * np.log(q[on])) + np.sum(q[on] * np.exp(log_joint[on]))


def _elbo_no_entropy(q, log_joint):
    on = q > 0
    return np.sum(q[on] * log_joint[on])


def _elbo_minus_evidence(q, log_joint):
    on = q > 0
    top = np.max(log_joint)
    evidence = top + np.log(np.sum(np.exp(log_joint - top)))
    return np.sum(q[on] * (log_joint[on] - np.log(q[on]))) - evidence


def _elbo_entropy_sign(q, log_joint):
    on = q > 0
    return np.sum(q[on] * np.log(q[on])) + np.sum(q[on] * log_joint[on])


def _elbo_nan_at_zero(q, log_joint):
    return -np.sum(q * np.log(q)) + np.sum(q * log_joint)


def _elbo_zeros(rng):
    instances = []
    for k in (4, 9):
        q, log_joint = distribution_with_zeros(rng, k), random_log_joint(rng, k)
        impossible = log_joint.copy()
        impossible[np.flatnonzero(q == 0)[0]] = -np.inf
        instances += [Instance((q, log_joint), "a state that q never takes"),
                      Instance((q, impossible), "an impossible state that q never takes")]  # fmt: skip
    return instances


ELBO = Exercise(
    assignment="gibbs_principle",
    function="elbo",
    reference=gibbs_principle.elbo,
    visible=(
        Instance((np.array([0.5, 0.5]), np.log([0.1, 0.3]))),
        Instance((np.array([0.25, 0.75]), np.log([0.1, 0.3])), "q is the posterior"),
        Instance((np.array([1.0, 0.0]), np.array([np.log(0.2), -np.inf])), "an impossible state that q never takes"),
        Instance((np.array([0.5, 0.5]), np.array([-1000.0, -1001.0])), "tiny joint probabilities"),
    ),
    properties=(
        Property("ordinary", "ordinary tables, small probabilities of q among them", 0.4,
                 lambda rng: [*(Instance((random_distribution(rng, k), random_log_joint(rng, k))) for k in (2, 6, 50)),
                              Instance((rng.permutation(RARE), random_log_joint(rng, RARE.size)), "small probabilities of q"),
                              Instance((np.full(5, 0.2), random_log_joint(rng, 5)), "a uniform q")]),
        Property("small", "joint probabilities far below what a float can hold", 0.2,
                 lambda rng: [Instance((random_distribution(rng, k), random_log_joint(rng, k, 30, -2000)), "tiny joint probabilities")
                              for k in (3, 8)]
                 + [Instance((random_distribution(rng, 4), random_log_joint(rng, 4, 30, -3e5)), "tiny joint probabilities"),
                    Instance((np.array([0.4, 1e-9, 0.6 - 1e-9]), np.array([-2.0, -3.5e5, -1.0])),
                             "a tiny joint probability of a state that q hardly takes")],
                 hint="Right as long as the joint probabilities fit into a float, and wrong below. Do they have to be computed from their "
                      "logarithms?"),
        Property("zeros", "states that q never takes, impossible ones among them", 0.25, _elbo_zeros),
        Property(
            "edges", "one state alone, and the arguments left as they were", 0.15,
            lambda rng: [
                Instance((np.array([1.0]), np.array([-3.5])), "one state alone"),
                Instance((distribution_with_zeros(rng, 6), random_log_joint(rng, 6)), "a state that q never takes"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the negative of the bound", _elbo_negated,
                      "The result is positive where a log probability must lie above it. Is this the quantity to raise, or to lower?",
                      "gibbs_principle.html#elbo"),
        Misconception("the joint's logarithm is missing", _elbo_log_missing,
                      "The expectation was taken of the joint probability itself, so the result exceeds log p(x).",
                      "gibbs_principle.html#elbo"),
        Misconception("the entropy is left out", _elbo_no_entropy,
                      "At the posterior the result lies below log p(x), though the bound should touch it there. What is missing?",
                      "gibbs_principle.html#elbo"),
        Misconception("log p(x) is subtracted", _elbo_minus_evidence,
                      "The result is never above 0 and is 0 at the posterior: which of the identity's terms behaves so?",
                      "gibbs_principle.html#elbo"),
        Misconception("the entropy has the wrong sign", _elbo_entropy_sign,
                      "The more q spreads, the lower the result. Does the bound reward a spread-out q or punish it?",
                      "gibbs_principle.html#elbo"),
        Misconception("0 log 0 is NaN", _elbo_nan_at_zero, NAN_HINT, "gibbs_principle.html#elbo"),
    ),
    section="gibbs_principle.html#elbo",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip
