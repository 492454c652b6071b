"""Checks of `coordinate_update`."""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.mean_field.shared import RTOL
from lectures_lib import mean_field


def _update_ratio_of_logs(log_p, qs, i):
    weights = np.ones(())
    for j, q in enumerate(qs):
        weights = np.multiply.outer(weights, np.ones(len(q)) if j == i else q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    field = np.sum(np.where(weights > 0, weights * np.where(weights > 0, log_p, 0), 0), axis=axes)
    return field / np.sum(field)


def _update_wrong_axis(log_p, qs, i):
    i = (i + 1) % log_p.ndim
    weights = np.ones(())
    for j, q in enumerate(qs):
        weights = np.multiply.outer(weights, np.ones(len(q)) if j == i else q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    field = np.sum(np.where(weights > 0, weights * np.where(weights > 0, log_p, 0), 0), axis=axes)
    field = np.exp(field - np.max(field))
    return field / np.sum(field)


def _update_own_factor(log_p, qs, i):
    weights = np.ones(())
    for q in qs:
        weights = np.multiply.outer(weights, q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    field = np.sum(np.where(weights > 0, weights * np.where(weights > 0, log_p, 0), 0), axis=axes)
    field = np.exp(field - np.max(field))
    return field / np.sum(field)


def _update_no_normaliser(log_p, qs, i):
    weights = np.ones(())
    for j, q in enumerate(qs):
        weights = np.multiply.outer(weights, np.ones(len(q)) if j == i else q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    return np.exp(np.sum(np.where(weights > 0, weights * np.where(weights > 0, log_p, 0), 0), axis=axes))


def _update_marginal(log_p, qs, i):
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    p = np.exp(log_p - np.max(log_p))
    return p.sum(axis=axes) / p.sum()


def _update_log_of_mean(log_p, qs, i):
    weights = np.ones(())
    for j, q in enumerate(qs):
        weights = np.multiply.outer(weights, np.ones(len(q)) if j == i else q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    p = np.sum(weights * np.exp(log_p - np.max(log_p)), axis=axes)
    return p / np.sum(p)


def _update_nan_at_zero(log_p, qs, i):
    weights = np.ones(())
    for j, q in enumerate(qs):
        weights = np.multiply.outer(weights, np.ones(len(q)) if j == i else q)
    axes = tuple(j for j in range(log_p.ndim) if j != i)
    field = np.sum(weights * log_p, axis=axes)
    field = np.exp(field - np.max(field))
    return field / np.sum(field)


def _table(rng, shape, scale=1.5, shift=0.0):
    log_p = shift + scale * rng.normal(size=shape)
    return log_p, [rng.dirichlet(np.full(k, 2.0)) for k in shape]


def _update_wide(rng):
    """Both of the statement's large numbers beside each other, in every order; the largest of all where q has no mass."""
    wide = np.array(list(itertools.permutations([-2000.0, 0.0, 900.0])))
    apart, q_apart = _table(rng, (6, 3), 0.0)
    apart += wide[:, [0]] + rng.normal(size=(6, 3))
    massless, q_massless = _table(rng, (3, 4))
    massless[:, 1] += 1000.0
    q_massless[1] = np.array([0.5, 0.0, 0.2, 0.3])
    return [
        Instance((wide.T[:, :1] + rng.normal(size=(3, 4)), [np.full(3, 1 / 3), rng.dirichlet(np.full(4, 2.0))], 0),
                 "states of very different probability"),
        Instance((apart, q_apart, 0), "states of very different probability"),
        Instance((massless, q_massless, 0), "huge weights to which the other factor gives no mass"),
    ]  # fmt: skip


def _update_extreme(rng):
    low, q_low = _table(rng, (3, 4), 2.0, -3000.0)
    high, q_high = _table(rng, (2, 3, 2), 2.0, 2000.0)
    return [
        Instance((low, q_low, 0), "log probabilities far below 0"),
        Instance((high, q_high, 1), "an unnormalised table with huge weights"),
        *_update_wide(rng),
    ]


def _update_rare(rng):
    """Small probabilities, of which none may be left out."""
    log_p, qs = _table(rng, (3, 5), 3.0)
    qs[1] = rng.permutation([0.7, 0.29035, 0.008, 0.0015, 0.00015])
    return Instance((log_p, qs, 0), "small probabilities of the other factor")


def _update_impossible(rng):
    log_p, qs = _table(rng, (3, 4))
    log_p[:, 2] = -np.inf
    qs[1][2] = 0.0
    qs[1] /= qs[1].sum()
    own, own_qs = _table(rng, (4, 3))
    own[1, :] = -np.inf
    rare, rare_qs = _table(rng, (3, 4))
    rare[0, 1] = -np.inf
    rare_qs[1] = np.array([0.5, 1e-6, 0.3, 0.2 - 1e-6])
    return [
        Instance((rare, rare_qs, 0), "an impossible state to which the other factor gives a little mass"),
        Instance((log_p, qs, 0), "impossible states to which the other factor gives no mass"),
        Instance((own, own_qs, 0), "an impossible state of the coordinate itself"),
    ]


UPDATE = Exercise(
    assignment="mean_field",
    function="coordinate_update",
    reference=mean_field.coordinate_update,
    visible=(
        Instance((np.log([[0.1, 0.2, 0.1], [0.3, 0.2, 0.1]]), [np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])], 0)),
        Instance((np.log([[0.1, 0.2, 0.1], [0.3, 0.2, 0.1]]), [np.array([0.5, 0.5]), np.array([0.5, 0.25, 0.25])], 1)),
        Instance((np.array([[-1000.0, -1001.0], [-1002.0, -1001.0]]), [np.array([0.5, 0.5]), np.array([0.5, 0.5])], 0),
                 "log probabilities far below 0"),
        Instance((np.array([[0.0, -np.inf], [1.0, -np.inf]]), [np.array([0.5, 0.5]), np.array([1.0, 0.0])], 0),
                 "impossible states to which the other factor gives no mass"),
    ),
    properties=(
        Property("ordinary", "tables over two to four variables, small probabilities among them", 0.5,
                 lambda rng: [Instance((*_table(rng, (3, 4)), 0)), Instance((*_table(rng, (3, 4)), 1)),
                              Instance((*_table(rng, (2, 3, 4)), 0)), Instance((*_table(rng, (2, 3, 4)), 1)),
                              Instance((*_table(rng, (2, 3, 4)), 2)), Instance((*_table(rng, (3, 2, 4, 2)), 1)), _update_rare(rng)]),
        Property("extreme", "log probabilities that overflow or underflow", 0.2, _update_extreme,
                 hint="Right for moderate logarithms alone. Which exponentials become 0 or infinite, and of which numbers?"),
        Property("impossible", "impossible states", 0.15, _update_impossible,
                 hint="Right as long as every state is possible. A logarithm of -inf is exact: it counts nothing under mass 0, and rules a "
                      "state out under any other."),
        Property("edges", "one variable alone, one state alone, and the arguments left as they were", 0.15,
                 lambda rng: [Instance((*_table(rng, (4,)), 0), "one variable alone"),
                              Instance((*_table(rng, (1, 3)), 0), "one state alone"),
                              Instance((*_table(rng, (2, 1, 3)), 2), "a variable with one state")],
                 unmodified=True),
    ),
    misconceptions=(
        Misconception("expected logarithms are normalised", _update_ratio_of_logs,
                      "The order of the states came out reversed: a ratio of negative numbers. What turns an expected logarithm into a "
                      "weight?", "mean_field.html#coordinate-update"),
        Misconception("the next axis is updated", _update_wrong_axis,
                      "The result belongs to another coordinate; on tables that aren't square its length shows it.",
                      "mean_field.html#coordinate-update"),
        Misconception("the expectation includes the factor itself", _update_own_factor,
                      "The result depends on qs[i], the very factor that is about to be replaced.",
                      "mean_field.html#coordinate-update"),
        Misconception("the result is not normalised", _update_no_normaliser,
                      "The entries don't sum to 1.", "mean_field.html#coordinate-update"),
        Misconception("the marginal of p", _update_marginal,
                      "The result doesn't depend on the other factors. It is p's own marginal, which is what mean field cannot afford.",
                      "mean_field.html#coordinate-update"),
        Misconception("the logarithm of an expectation", _update_log_of_mean,
                      "The expectation was taken of p, not of log p. The two differ wherever the other variables are uncertain.",
                      "mean_field.html#coordinate-update"),
        Misconception("0 times infinity is NaN", _update_nan_at_zero,
                      "An impossible state that has no mass was multiplied out: 0 times -inf is NaN, but counts nothing.",
                      "mean_field.html#coordinate-update"),
    ),
    section="mean_field.html#coordinate-update",
    rtol=RTOL, atol=1e-8,
    tolerance_reason="exp of an expected log near 3000 carries that number's rounding, 5e-13; the rest is as good",
)  # fmt: skip
