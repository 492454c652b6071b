"""Checks of `log_partition_bound`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.mean_field.shared import RTOL, TOLERANCE_REASON, random_spins
from autograder.exercises.precision import single_precision
from lectures_lib import mean_field


def _bound_maximal_entropy(J, h, m):
    return len(m) * np.log(2) + 0.5 * m @ J @ m + h @ m


def _bound_no_half(J, h, m):
    entropy = 0.0
    for p in np.concatenate([(1 + m) / 2, (1 - m) / 2]):
        if p > 0:
            entropy -= p * np.log(p)
    return entropy + m @ J @ m + h @ m


def _bound_log2(J, h, m):
    entropy = 0.0
    for p in np.concatenate([(1 + m) / 2, (1 - m) / 2]):
        if p > 0:
            entropy -= p * np.log2(p)
    return entropy + 0.5 * m @ J @ m + h @ m


def _bound_energy_in_sum(J, h, m):
    entropy = 0.0
    for p in np.concatenate([(1 + m) / 2, (1 - m) / 2]):
        if p > 0:
            entropy -= p * np.log(p)
    return entropy + len(m) * (0.5 * m @ J @ m + h @ m)


def _bound_energy_sign(J, h, m):
    entropy = 0.0
    for p in np.concatenate([(1 + m) / 2, (1 - m) / 2]):
        if p > 0:
            entropy -= p * np.log(p)
    return entropy - 0.5 * m @ J @ m - h @ m


def _bound_nan_at_certain(J, h, m):
    up, down = (1 + m) / 2, (1 - m) / 2
    return -np.sum(up * np.log(up) + down * np.log(down)) + 0.5 * m @ J @ m + h @ m


def _bound_up_only(J, h, m):
    entropy = 0.0
    for p in (1 + m) / 2:
        if p > 0:
            entropy -= p * np.log(p)
    return entropy + 0.5 * m @ J @ m + h @ m


def _equal_means(rng):
    J, h, _ = random_spins(rng, 4)
    return Instance((J, h, np.full(4, rng.uniform(-0.9, 0.9))), "equal means")


def _nearly_certain(rng):
    J, h, _ = random_spins(rng, 4)
    return Instance((J, h, np.array([0.999, -0.999995, 0.3, -0.998])), "means close to -1 and +1")


def _certain(rng, n):
    J, h, m = random_spins(rng, n)
    m[: n // 2 + 1] = np.sign(m[: n // 2 + 1])
    return Instance((J, h, m), "means of -1 and +1")


BOUND = Exercise(
    assignment="mean_field",
    function="log_partition_bound",
    reference=mean_field.log_partition_bound,
    visible=(
        Instance((np.zeros((2, 2)), np.zeros(2), np.zeros(2)), "independent fair spins"),
        Instance((np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.0]), np.array([0.5, 0.5]))),
        Instance((np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.0]), np.array([1.0, 1.0])), "means of -1 and +1"),
    ),
    properties=(
        Property("ordinary", "means inside (-1, 1)", 0.6,
                 lambda rng: [*(Instance(random_spins(rng, n)) for n in (2, 6, 15)), _equal_means(rng)]),
        Property("certain", "certain spins", 0.25, lambda rng: [_certain(rng, 3), _certain(rng, 6), _nearly_certain(rng)],
                 hint="Right as long as no spin is certain. What does a state of probability 0 add to the entropy?"),
        Property("edges", "one spin alone, single precision, and the arguments left as they were", 0.15,
                 lambda rng: [Instance((np.zeros((1, 1)), np.array([0.9]), np.array([-0.2])), "one spin alone"),
                              Instance(single_precision(*random_spins(rng, 4)), "in single precision"),
                              _certain(rng, 5)],
                 unmodified=True),
    ),
    misconceptions=(
        Misconception("the largest entropy for every m", _bound_maximal_entropy,
                      "The result can exceed log Z. It uses n log 2 as entropy, which is right only where every spin is fair.",
                      "mean_field.html#bound"),
        Misconception("each pair is counted twice", _bound_no_half,
                      "The interaction is twice too strong. The sum over i and j meets every pair in both orders.",
                      "mean_field.html#bound"),
        Misconception("entropy in bits", _bound_log2,
                      "For independent fair spins the result is n instead of n log 2: energy and entropy are in different units.",
                      "mean_field.html#bound"),
        Misconception("the energy is inside the sum over spins", _bound_energy_in_sum,
                      "The energy counts once for every spin. Which terms does the sum over i belong to?",
                      "mean_field.html#bound"),
        Misconception("the energy has the wrong sign", _bound_energy_sign,
                      "Aligning spins with their field lowered the bound.", "mean_field.html#bound"),
        Misconception("0 log 0 is NaN", _bound_nan_at_certain,
                      "A certain spin has a state of probability 0, and its logarithm was multiplied by 0. In the limit it counts nothing.",
                      "mean_field.html#bound"),
        Misconception("one state of each spin", _bound_up_only,
                      "The entropy sums over the state +1 alone. A spin has two states.", "mean_field.html#bound"),
    ),
    section="mean_field.html#bound",
    rtol=RTOL, atol=1e-6, tolerance_reason=TOLERANCE_REASON + "; terms of order 1 may cancel, hence the larger atol",
)  # fmt: skip
