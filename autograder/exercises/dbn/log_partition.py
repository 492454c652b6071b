"""Checks of `log_partition`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import random_machine
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import rbm


def _reference_log_partition(W, b, c):
    return rbm.log_partition(rbm.RBM(*doubles(W, b, c)))


def _log_partition_no_visible_bias(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_no_hidden_bias(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W).sum(axis=1))


def _log_partition_visible_spins(W, b, c):
    states = 2 * ((np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1) - 1
    return np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_spins(W, b, c):
    states = 2 * ((np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1) - 1
    field = states @ W + c
    return np.logaddexp.reduce(states @ b + np.logaddexp(-field, field).sum(axis=1))


def _log_partition_mean(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    total = np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))
    return total - len(b) * np.log(2)


def _log_partition_sign(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(-(states @ b) - np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_no_shift(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.log(np.sum(np.exp(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))))


def _log_partition_softplus_overflow(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(states @ b + np.log(1 + np.exp(states @ W + c)).sum(axis=1))


def _log_partition_no_log(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.sum(np.exp(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1)))


def _log_partition_no_zero_state(W, b, c):
    states = (np.arange(1, 2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_largest(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.max(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def _smaller_layer(function):
    """The same error in a sum over the smaller layer, as the statement advises; where both are equal, over either."""
    return (
        lambda W, b, c: function(W.T, c, b) if len(b) > len(c) else function(W, b, c),
        lambda W, b, c: function(W.T, c, b) if len(b) >= len(c) else function(W, b, c),
    )


def _log_partition_strong(rng):
    W, b, c = random_machine(rng, 3, 4)
    W[rng.integers(3), rng.integers(4)] = rng.uniform(800, 1200)
    _, low, _ = random_machine(rng, 4, 2)
    return [
        Instance((W, b, c), "a weight beyond what exp can take"),
        Instance((np.zeros((4, 5)), low + 400.0, rng.normal(size=5)), "biases beyond what exp can take"),
        Instance((0.1 * rng.normal(size=(2, 3)), rng.uniform(-1, 1, 2), rng.uniform(750, 900, 3)), "biases beyond what exp can take"),
    ]  # fmt: skip


def _log_partition_edges(rng):
    W, b, c = random_machine(rng, 4, 3)
    return [
        Instance((W[:1], b[:1], c), "one visible unit"),
        Instance((W[:, :1], b, c[:1]), "one hidden unit"),
        Instance((W[:1, :1], b[:1], c[:1]), "one unit in each layer"),
        Instance((np.zeros((3, 4)), np.zeros(3), np.zeros(4)), "a machine without weights and biases"),
        Instance(single_precision(W, b, c), "in single precision"),
    ]


LOG_PARTITION = Exercise(
    assignment="dbn",
    function="log_partition",
    reference=_reference_log_partition,
    visible=(
        Instance((np.zeros((2, 1)), np.zeros(2), np.zeros(1)), "a machine without weights and biases"),
        Instance((np.zeros((1, 2)), np.array([np.log(3.0)]), np.array([0.0, np.log(7.0)])), "a machine without weights"),
        Instance((np.array([[1.0, -1.0], [2.0, 0.0], [-1.0, 1.0]]), np.array([1.0, 0.0, -1.0]), np.array([0.0, 0.5]))),
        Instance((np.array([[1.0, -1.0], [2.0, 0.0]]), np.array([1.0, 0.0]), np.array([-1.0, 0.5])), "as many hidden as visible units"),
        Instance((np.array([[800.0, 0.0]]), np.zeros(1), np.zeros(2)), "a weight beyond what exp can take"),
        Instance((np.zeros((2, 3)), np.array([400.0, 401.0]), np.zeros(3)), "biases beyond what exp can take"),
    ),
    properties=(
        Property("ordinary", "machines with more hidden or more visible units, or as many", 0.4,
                 lambda rng: [Instance(random_machine(rng, *shape)) for shape in ((3, 5), (6, 2), (4, 4))]),
        Property("strong", "weights or biases beyond what exp can take", 0.2, _log_partition_strong,
                 hint="Right for moderate weights. Which exponentials become infinite for large ones, though the result is moderate?"),
        Property("edges", "one unit, no weights, single precision, and the arguments left as they were", 0.2,
                 _log_partition_edges, unmodified=True),
        Property("large", "one layer too large to enumerate", 0.2,
                 lambda rng: [Instance(random_machine(rng, 40, 8, 0.3), "forty visible units"),
                              Instance(random_machine(rng, 6, 40, 0.3), "forty hidden units")], recognised=False),
    ),
    misconceptions=(
        Misconception("the visible biases are left out", _log_partition_no_visible_bias,
                      "The result doesn't change with b. A state's weight has three terms in its exponent.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the hidden biases are left out", _log_partition_no_hidden_bias,
                      "The result doesn't change with c. A state's weight has three terms in its exponent.",
                      "rbm.html#rbm-partition-function"),
        Misconception("one layer's units of -1 and 1", _log_partition_visible_spins,
                      "The states of one layer were enumerated as -1 and 1. Which two values does a unit take here?",
                      "rbm.html#rbm-partition-function", also=_smaller_layer(_log_partition_visible_spins)),
        Misconception("all units of -1 and 1", _log_partition_spins,
                      "This is the partition function of spins that are -1 or 1. Which two values does a unit take here?",
                      "rbm.html#rbm-partition-function"),
        Misconception("a mean over the states", _log_partition_mean,
                      "Without weights and biases the result doesn't count the states. Z is a sum over them.",
                      "rbm.html#rbm-partition-function", also=_smaller_layer(_log_partition_mean)),
        Misconception("the free energy has the wrong sign", _log_partition_sign,
                      "Raising a bias lowered the result. What is the weight of a state with a high free energy?",
                      "rbm.html#rbm-partition-function"),
        Misconception("exponentials that overflow", _log_partition_no_shift,
                      "The result is infinite though log Z is a moderate number: Z itself doesn't fit into a float.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the logarithm of 1 + exp overflows", _log_partition_softplus_overflow,
                      "The result is infinite where a unit has a large field, and right where only Z is large. The log of 1 + exp(a) is "
                      "close to a there.", "rbm.html#rbm-partition-function"),
        Misconception("the logarithm is missing", _log_partition_no_log,
                      "The result is Z. Its logarithm is asked for, which is all that fits into a float for larger machines.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the state of all zeros is left out", _log_partition_no_zero_state,
                      "One state is missing from the sum. A machine without weights and biases shows it, for there all states count alike.",
                      "rbm.html#rbm-partition-function", also=_smaller_layer(_log_partition_no_zero_state)),
        Misconception("the largest term alone", _log_partition_largest,
                      "Without weights and biases the units of one layer added nothing, though their states are many. A sum was replaced "
                      "by its largest term.", "rbm.html#rbm-partition-function", also=_smaller_layer(_log_partition_largest)),
    ),
    section="rbm.html#rbm-partition-function",
    rtol=1e-6, atol=1e-5,
    tolerance_reason="a sum of positive terms: 1e-13 in double; in float32 arithmetic on float32 input exponents near 10 are good to 1e-6",
)  # fmt: skip
