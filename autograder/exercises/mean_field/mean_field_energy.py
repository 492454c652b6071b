"""Checks of `mean_field_energy`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.mean_field.shared import RTOL, TOLERANCE_REASON, random_spins
from autograder.exercises.precision import single_precision
from lectures_lib import mean_field


def _reference_energy(J, h, m):
    J = np.asarray(J, dtype=float)
    return mean_field.energy(J - np.diag(np.diag(J)), h, m) - 0.5 * float(np.trace(J))


def _energy_no_half(J, h, m):
    off = J - np.diag(np.diag(J))
    return -m @ off @ m - np.trace(J) - h @ m


def _energy_diagonal(J, h, m):
    return -0.5 * m @ J @ m - h @ m


def _energy_no_diagonal(J, h, m):
    off = J - np.diag(np.diag(J))
    return -0.5 * m @ off @ m - h @ m


def _energy_field_sign(J, h, m):
    off = J - np.diag(np.diag(J))
    return -0.5 * m @ off @ m - 0.5 * np.trace(J) + h @ m


def _energy_sign(J, h, m):
    off = J - np.diag(np.diag(J))
    return 0.5 * m @ off @ m + 0.5 * np.trace(J) + h @ m


def _fair_spin(rng):
    J, h, m = random_spins(rng, 4, diagonal=True)
    m[1] = 0.0
    return Instance((J, h, m), "a diagonal that isn't zero, and a mean that is")


def _energy_edges(rng):
    J, h, m = random_spins(rng, 5, diagonal=True)
    return [
        Instance((np.array([[0.7]]), np.array([-0.4]), np.array([0.3])), "one spin alone"),
        Instance((J, h, np.sign(m)), "means of -1 and +1"),
        Instance(single_precision(J, h, m), "in single precision"),
        Instance((J, h, m), "a diagonal that isn't zero"),
    ]


ENERGY = Exercise(
    assignment="mean_field",
    function="mean_field_energy",
    reference=_reference_energy,
    visible=(
        Instance((np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.0]), np.array([0.5, 0.5]))),
        Instance((np.array([[2.0, 1.0], [1.0, 0.0]]), np.array([0.5, 0.0]), np.array([0.5, 0.5])),
                 "a diagonal that isn't zero"),
    ),
    properties=(
        Property("ordinary", "couplings with zero diagonal", 0.5,
                 lambda rng: [Instance(random_spins(rng, n)) for n in (2, 5, 12)]),
        Property("diagonal", "couplings with a diagonal", 0.3,
                 lambda rng: [*(Instance(random_spins(rng, n, True), "a diagonal that isn't zero") for n in (3, 8)), _fair_spin(rng)]),
        Property("edges", "one spin, certain spins, single precision, and the arguments left as they were", 0.2,
                 _energy_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("each pair is counted twice", _energy_no_half,
                      "The interaction is twice too strong. The sum over i and j meets every pair in both orders.",
                      "mean_field.html#energy"),
        Misconception("the diagonal is averaged like a pair", _energy_diagonal,
                      "The result is wrong where J has a diagonal. What is the expectation of s times s, when s is -1 or +1?",
                      "mean_field.html#energy"),
        Misconception("the diagonal is left out", _energy_no_diagonal,
                      "The result doesn't change with J's diagonal, but the energy has these terms: constant, yet not zero.",
                      "mean_field.html#energy"),
        Misconception("the field has the wrong sign", _energy_field_sign,
                      "Turning a spin along its field raised the energy. Which direction should a field favour?",
                      "mean_field.html#energy"),
        Misconception("the energy has the wrong sign", _energy_sign,
                      "The most probable states came out with the highest energy.", "mean_field.html#energy"),
    ),
    section="mean_field.html#energy",
    rtol=RTOL, atol=1e-6, tolerance_reason=TOLERANCE_REASON + "; terms of order 1 may cancel, hence the larger atol",
)  # fmt: skip
