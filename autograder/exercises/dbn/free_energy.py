"""Checks of `free_energy`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import RTOL, TOLERANCE_REASON, random_machine, random_units
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import rbm


def _reference_free_energy(v, W, b, c):
    v, W, b, c = doubles(v, W, b, c)
    return rbm.free_energy(rbm.RBM(W, b, c), v)


def _free_energy_sign(v, W, b, c):
    return v @ b + np.logaddexp(0, v @ W + c).sum(axis=1)


def _free_energy_overflow(v, W, b, c):
    return -(v @ b) - np.log(1 + np.exp(v @ W + c)).sum(axis=1)


def _free_energy_no_visible_bias(v, W, b, c):
    return -np.logaddexp(0, v @ W + c).sum(axis=1)


def _free_energy_no_hidden_bias(v, W, b, c):
    return -(v @ b) - np.logaddexp(0, v @ W).sum(axis=1)


def _free_energy_mean_field(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - (field / (1 + np.exp(-field))).sum(axis=1)


def _free_energy_likeliest(v, W, b, c):
    return -(v @ b) - np.maximum(v @ W + c, 0).sum(axis=1)


def _free_energy_of_sum(v, W, b, c):
    return -(v @ b) - np.logaddexp(0, (v @ W + c).sum(axis=1))


def _free_energy_spins(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - np.logaddexp(-field, field).sum(axis=1)


def _free_energy_visible_sign(v, W, b, c):
    return v @ b - np.logaddexp(0, v @ W + c).sum(axis=1)


def _free_energy_run(rng, n, D, H):
    W, b, c = random_machine(rng, D, H)
    return random_units(rng, n, D), W, b, c


def _free_energy_strong(rng):
    v, W, b, c = _free_energy_run(rng, 5, 4, 3)
    return [
        Instance((v, W, b, c + rng.uniform(750, 1500) * np.array([1, -1, 0])), "fields beyond what exp can take"),
        Instance((np.ones((2, 2)), rng.uniform(400, 900, (2, 3)) * [1, -1, 1], rng.normal(size=2), np.zeros(3)),
                 "fields beyond what exp can take"),
    ]  # fmt: skip


def _free_energy_edges(rng):
    v, W, b, c = _free_energy_run(rng, 5, 4, 3)
    return [
        Instance((v[:1], W, b, c), "one row alone"),
        Instance((np.array([[1.0], [0.0]]), W[:1], b[:1], c), "one visible unit"),
        Instance((v, W[:, :1], b, c[:1]), "one hidden unit"),
        Instance(single_precision(v, W, b, c), "in single precision"),
    ]


FREE_ENERGY = Exercise(
    assignment="dbn",
    function="free_energy",
    reference=_reference_free_energy,
    visible=(
        Instance((np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 1.0]]), np.array([[1.0, -1.0], [2.0, 0.0], [-1.0, 1.0]]),
                  np.array([1.0, 2.0, -3.0]), np.array([0.0, np.log(3.0)]))),
        Instance((np.array([[1.0, 1.0]]), np.array([[500.0, -500.0, 0.0], [500.0, -500.0, 0.0]]), np.array([1.0, 0.0]), np.zeros(3)),
                 "fields beyond what exp can take"),
    ),
    properties=(
        Property("ordinary", "machines with more hidden or more visible units", 0.5,
                 lambda rng: [*(Instance(_free_energy_run(rng, *shape)) for shape in ((6, 4, 3), (4, 3, 6), (10, 7, 5))),
                              Instance((np.eye(3), np.array([[5.5], [7.0], [9.0]]), np.zeros(3), np.zeros(1)), "moderate fields"),
                              Instance((np.eye(3), np.array([[-5.5], [-7.0], [-9.0]]), np.zeros(3), np.zeros(1)), "moderate fields")]),
        Property("strong", "fields beyond what exp can take", 0.25, _free_energy_strong,
                 hint="Right for moderate fields. Which exponential becomes infinite for a large one, though its logarithm is moderate?"),
        Property("edges", "one row, one unit, single precision, and the arguments left as they were", 0.25,
                 _free_energy_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the sign", _free_energy_sign,
                      "The likelier a visible state, the larger the result. Energies are low where probabilities are high.",
                      "rbm.html#free-energy"),
        Misconception("an exponential that overflows", _free_energy_overflow,
                      "An entry is infinite where a hidden unit has a large field. The log of 1 + exp(a) is close to a there.",
                      "rbm.html#free-energy"),
        Misconception("the visible biases are left out", _free_energy_no_visible_bias,
                      "The result doesn't change with b.", "rbm.html#free-energy"),
        Misconception("the hidden biases are left out", _free_energy_no_hidden_bias,
                      "The result doesn't change with c.", "rbm.html#free-energy"),
        Misconception("the energy at the hidden means", _free_energy_mean_field,
                      "The result lies above the free energy: it is the energy of v with its hidden means. Summing a unit out gives more "
                      "than putting its mean in.", "rbm.html#free-energy"),
        Misconception("the likeliest hidden state alone", _free_energy_likeliest,
                      "A hidden unit without any field added nothing, though it has two states. A sum over states was replaced by its "
                      "largest term.", "rbm.html#free-energy"),
        Misconception("the hidden units are summed inside the logarithm", _free_energy_of_sum,
                      "The result depends on the sum of the fields alone. The sum over hidden states factorises: into what, and over which "
                      "index?", "rbm.html#free-energy"),
        Misconception("hidden units of -1 and 1", _free_energy_spins,
                      "The two states of a hidden unit were taken as -1 and 1. Which two are they here?", "rbm.html#free-energy"),
        Misconception("the visible biases have the wrong sign", _free_energy_visible_sign,
                      "A visible unit with a large bias came out as unlikely to be on.", "rbm.html#free-energy"),
    ),
    section="rbm.html#free-energy",
    rtol=RTOL, atol=1e-5, tolerance_reason=TOLERANCE_REASON + "; terms of that size may cancel, hence the larger atol",
)  # fmt: skip
