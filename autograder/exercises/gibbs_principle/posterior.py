"""Checks of `posterior`."""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.gibbs_principle.shared import random_log_joint
from autograder.exercises.precision import single_precision
from lectures_lib import gibbs_principle


def _reference_posterior(log_joint):
    log_joint = np.asarray(log_joint, dtype=float)
    return np.stack([gibbs_principle.posterior(column) for column in log_joint.T], axis=1)


def _posterior_no_shift(log_joint):
    joint = np.exp(log_joint)
    return joint / joint.sum(axis=0)


def _posterior_logs_normalised(log_joint):
    return log_joint / log_joint.sum(axis=0)


def _posterior_sign(log_joint):
    top = log_joint.max(axis=0)
    log_z = top + np.log(np.exp(log_joint - top).sum(axis=0))
    return np.exp(log_joint + log_z)


def _posterior_prior_only(log_joint):
    weights = np.exp(log_joint - log_joint.max()).sum(axis=1)
    prior = weights / weights.sum()
    return np.tile(prior[:, None], (1, log_joint.shape[1]))


def _posterior_wrong_axis(log_joint):
    weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _posterior_joint_normalised(log_joint):
    weights = np.exp(log_joint - log_joint.max())
    return weights / weights.sum()


def _posterior_shared_shift(log_joint):
    weights = np.exp(log_joint - log_joint.max())
    return weights / weights.sum(axis=0)


def _posterior_logarithms(log_joint):
    top = log_joint.max(axis=0)
    return log_joint - top - np.log(np.exp(log_joint - top).sum(axis=0))


def _posterior_extreme(rng):
    wide = np.array(list(itertools.permutations([-2000.0, 0.0, 900.0]))).T
    return [
        Instance((random_log_joint(rng, (3, 4), 2, -2000),), "tiny joint probabilities"),
        Instance((random_log_joint(rng, (5, 2), 2, 900),), "unnormalised joint with huge weights"),
        Instance(
            (random_log_joint(rng, (4, 3)) + np.array([-1500.0, 0.0, 600.0]),),
            "observations of very different probability",
        ),
        Instance((wide + random_log_joint(rng, wide.shape, 2, 0),), "states of very different probability"),
    ]


def _posterior_edges(rng):
    impossible = random_log_joint(rng, (4, 3))
    impossible[1, 0] = impossible[3, 2] = -np.inf
    return [
        Instance((impossible,), "impossible states"),
        Instance((np.array([[-2.0, 5.0, 0.0]]),), "one latent state alone"),
        Instance((random_log_joint(rng, (6, 1)),), "one observation alone"),
        Instance(single_precision(random_log_joint(rng, (3, 5))), "in single precision"),
    ]


POSTERIOR = Exercise(
    assignment="gibbs_principle",
    function="posterior",
    reference=_reference_posterior,
    visible=(
        Instance((np.log([[0.1, 0.2], [0.3, 0.4]]),)),
        Instance((np.log([[0.3], [0.1], [0.4]]),), "one observation alone"),
        Instance((np.array([[-1000.0, 0.0, 1.0], [-1000.0 + np.log(3.0), 0.0, 1.0]]),), "tiny joint probabilities"),
        Instance((np.array([[900.0, 901.0], [900.0, 901.0]]),), "unnormalised joint with huge weights"),
    ),
    properties=(
        Property("ordinary", "ordinary tables", 0.4,
                 lambda rng: [Instance((random_log_joint(rng, shape),)) for shape in ((2, 3), (5, 4), (7, 2), (4, 4))]
                 + [Instance((random_log_joint(rng, (4, 3), 0.3) - np.array([[0.0], [9.0], [12.0], [14.5]]),), "small probabilities")]),
        Property("extreme", "log probabilities that overflow or underflow", 0.35, _posterior_extreme,
                 hint="Right for moderate logarithms alone. Which exponentials become 0 or infinite, and in which column?"),
        Property("edges", "impossible states, single rows and columns, and the argument left as it was", 0.25,
                 _posterior_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("exponentials that overflow or underflow", _posterior_no_shift,
                      "An entry is NaN where all log probabilities of a column are far from 0: exp gives 0 or infinity there. A "
                      "constant may be added to a column of logarithms without changing the posterior.",
                      "gibbs_principle.html#posterior"),
        Misconception("logarithms are normalised", _posterior_logs_normalised,
                      "The logarithms were divided by their sum, which reverses the order: the least probable state came out on top.",
                      "gibbs_principle.html#posterior"),
        Misconception("log p(x) has the wrong sign", _posterior_sign,
                      "The columns don't sum to 1: the normaliser was multiplied where Bayes' rule divides.",
                      "gibbs_principle.html#posterior"),
        Misconception("the prior instead of the posterior", _posterior_prior_only,
                      "All columns are the same: the result ignores which x was observed.",
                      "gibbs_principle.html#posterior"),
        Misconception("normalised over the observations", _posterior_wrong_axis,
                      "The rows sum to 1. Over which variable must a posterior sum to 1, and along which axis does that variable run?",
                      "gibbs_principle.html#posterior"),
        Misconception("the joint is normalised as a whole", _posterior_joint_normalised,
                      "The whole table sums to 1: that is the joint distribution, not one distribution for each observation.",
                      "gibbs_principle.html#posterior"),
        Misconception("one shift for all observations", _posterior_shared_shift,
                      "An entry is NaN where one observation is far less probable than another: a shift that suits one column "
                      "underflows in the other.",
                      "gibbs_principle.html#posterior"),
        Misconception("logarithms of the posterior", _posterior_logarithms,
                      "No entry is positive, and the exponentials of each column sum to 1: these are the logarithms of probabilities.",
                      "gibbs_principle.html#posterior"),
    ),
    section="gibbs_principle.html#posterior",
    rtol=1e-5, atol=1e-7,
    tolerance_reason="a probability is exp of a difference of logarithms near 2000, whose rounding alone is 2e-13 in double and, on "
                     "the float32 instance, 1e-6",
)  # fmt: skip
