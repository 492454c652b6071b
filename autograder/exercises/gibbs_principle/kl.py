"""Checks of `kl`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.gibbs_principle.shared import (
    LOG2_HINT,
    NAN_HINT,
    RARE,
    RTOL,
    TOLERANCE_REASON,
    distribution_with_zeros,
    random_distribution,
)
from lectures_lib import gibbs_principle


def _reference_kl(q, p):
    return gibbs_principle.kl(q, np.asarray(p, dtype=float) / np.sum(p, dtype=float))


def _kl_swapped(q, p):
    p = p / np.sum(p)
    if np.any((p > 0) & (q == 0)):
        return np.inf
    on = p > 0
    return np.sum(p[on] * np.log(p[on] / q[on]))


def _kl_absolute(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * np.abs(np.log(q[on] / p[on])))


def _kl_log_missing(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * q[on] / p[on])


def _kl_unnormalised(q, p):
    on = q > 0
    return np.sum(q[on] * np.log(q[on] / p[on]))


def _kl_nan_at_zero(q, p):
    p = p / np.sum(p)
    return np.sum(q * np.log(q / p))


def _kl_support_dropped(q, p):
    p = p / np.sum(p)
    on = (q > 0) & (p > 0)
    return np.sum(q[on] * np.log(q[on] / p[on]))


def _kl_log2(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * np.log2(q[on] / p[on]))


def _kl_both_ways(q, p):
    p = p / np.sum(p)
    if np.any((q > 0) != (p > 0)):
        return np.inf
    on = q > 0
    return np.sum((q[on] - p[on]) * np.log(q[on] / p[on]))


def _kl_cross_entropy(q, p):
    p = p / np.sum(p)
    on = q > 0
    return -np.sum(q[on] * np.log(p[on]))


def _kl_ordinary(rng):
    p = random_distribution(rng, RARE.size)
    barely = np.append(1e-12, rng.uniform(0.5, 1, 4))
    return [
        *(Instance((random_distribution(rng, k), random_distribution(rng, k))) for k in (2, 5, 30)),
        Instance((rng.permutation(RARE), 0.5 * p + 0.5 / p.size), "small probabilities"),
        Instance((random_distribution(rng, 5), barely / barely.sum()), "a state that p hardly ever takes"),
        Instance(
            tuple(np.repeat(random_distribution(rng, 3), 2) / 2 for _ in range(2)),
            "states of equal probability",
        ),
        Instance((np.array([0.25, 0.25, 0.5]), np.array([0.255, 0.246, 0.499])), "distributions that differ little"),
    ]  # fmt: skip


def _kl_weights(rng):
    small = rng.uniform(0.5, 1, 5)
    return [
        *(
            Instance(
                (random_distribution(rng, k), rng.uniform(0.2, 5, k)), "p in weights that don't sum to 1"
            )
            for k in (3, 9)
        ),
        Instance(
            (random_distribution(rng, 5), 0.2 * small / small.sum()), "p in weights that sum to less than 1"
        ),
    ]


def _kl_zeros(rng, size):
    """A pair where q has zeros, and lies below p in one state at least: else the sign of the terms would not matter."""
    q, p = distribution_with_zeros(rng, size), random_distribution(rng, size)
    p[np.where(q > 0, q, 2).argmin()] += 1
    return q, p / p.sum()


def _kl_neither(rng):
    q, p = _kl_zeros(rng, 8)
    p[np.flatnonzero(q == 0)[0]] = 0.0
    return Instance((q, p / p.sum()), "a state that neither q nor p takes")


def _kl_outside(rng):
    q, p = random_distribution(rng, 5), random_distribution(rng, 5)
    p[2] = 0
    return [Instance((q, p), "q puts mass where p has none"), Instance((np.array([0.5, 0.5]), np.array([3.0, 0.0])),
            "q puts mass where p has none")]  # fmt: skip


KL = Exercise(
    assignment="gibbs_principle",
    function="kl",
    reference=_reference_kl,
    visible=(
        Instance((np.array([0.5, 0.5]), np.array([0.25, 0.75]))),
        Instance((np.array([0.25, 0.75]), np.array([2.0, 2.0])), "p in weights that don't sum to 1"),
        Instance((np.array([1.0, 0.0]), np.array([0.25, 0.75])), "a state that q never takes"),
        Instance((np.array([0.5, 0.5]), np.array([1.0, 0.0])), "q puts mass where p has none"),
    ),
    properties=(
        Property("ordinary", "two distributions, small probabilities among them", 0.4, _kl_ordinary),
        Property("weights", "p given by weights that don't sum to 1", 0.2, _kl_weights),
        Property("zeros", "states that q never takes", 0.15,
                 lambda rng: [*(Instance(_kl_zeros(rng, k), "a state that q never takes") for k in (4, 11)), _kl_neither(rng)]),
        Property("outside", "mass of q where p has none", 0.15, _kl_outside,
                 hint="Right wherever p has weight. Where q has mass and p has none, no finite number is large enough: was a state left "
                      "out there, or a small number added to p?"),
        Property(
            "edges", "one state alone, equal distributions, and the arguments left as they were", 0.1,
            lambda rng: [
                Instance((np.array([1.0]), np.array([4.0])), "one state alone"),
                Instance((q := random_distribution(rng, 6), 2 * q), "equal distributions"),
                Instance(_kl_zeros(rng, 7), "a state that q never takes"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the arguments are swapped", _kl_swapped,
                      "The result is the other divergence. Under which of the two is the expectation taken?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("absolute value of each term", _kl_absolute,
                      "The result is too large. Terms of the sum may be negative; only their sum never is.",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("the logarithm is missing", _kl_log_missing,
                      "For equal distributions the result is 1. What should a divergence give there, and what turns a ratio into it?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("p is not normalised", _kl_unnormalised,
                      "The result changes when all weights of p are doubled, though the distribution stays the same.",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("0 log 0 is NaN", _kl_nan_at_zero, NAN_HINT, "gibbs_principle.html#kl-divergence"),
        Misconception("states that p never takes are left out", _kl_support_dropped,
                      "The result stays finite although q puts mass where p has none. How likely are such data under p?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("both directions are added", _kl_both_ways,
                      "Exchanging q and normalised p leaves the result as it is. The divergence has a direction: under which of the two is "
                      "the expectation taken?", "gibbs_principle.html#kl-divergence"),
        Misconception("the entropy of q is left out", _kl_cross_entropy,
                      "For equal distributions the result is their entropy instead of 0: this is the cross-entropy.",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("logarithm to base 2", _kl_log2, LOG2_HINT, "gibbs_principle.html#kl-divergence"),
    ),
    section="gibbs_principle.html#kl-divergence",
    rtol=RTOL, atol=1e-7, tolerance_reason=TOLERANCE_REASON + "; near 0 terms of order 1 cancel, hence the larger atol",
)  # fmt: skip
