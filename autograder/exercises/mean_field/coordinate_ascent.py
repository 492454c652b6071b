"""Checks of `coordinate_ascent`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.mean_field.shared import RTOL, random_couplings
from lectures_lib import mean_field


def _reference_ascent(J, h, m0, num_sweeps):
    result = mean_field.coordinate_ascent(J, h, m0, max_sweeps=int(num_sweeps), tol=0.0)
    trace = np.full(int(num_sweeps), result.bound_trace[-1])  # from an exact fixed point on, nothing changes
    trace[: result.num_iter] = result.bound_trace[1:]
    return result.mean, trace


def _ascent_parallel(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        m = np.tanh(h + J @ m)
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _ascent_tanh_of_twice(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        for i in range(len(m)):
            m[i] = np.tanh(2 * (h[i] + J[i] @ m))
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _ascent_sigmoid(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        for i in range(len(m)):
            m[i] = 1 / (1 + np.exp(-(h[i] + J[i] @ m)))
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _ascent_stale_bound(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
        for i in range(len(m)):
            m[i] = np.tanh(h[i] + J[i] @ m)
    return m, np.array(trace)


def _ascent_no_field(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        for i in range(len(m)):
            m[i] = np.tanh(J[i] @ m)
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _ascent_bound_of_every_update(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        for i in range(len(m)):
            m[i] = np.tanh(h[i] + J[i] @ m)
            up, down = (1 + m) / 2, (1 - m) / 2
            entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
            trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _ascent_reversed(J, h, m0, num_sweeps):
    m, trace = np.array(m0, dtype=float), []
    for _ in range(num_sweeps):
        for i in reversed(range(len(m))):
            m[i] = np.tanh(h[i] + J[i] @ m)
        up, down = (1 + m) / 2, (1 - m) / 2
        entropy = -np.sum(up * np.log(np.maximum(up, 1e-300)) + down * np.log(np.maximum(down, 1e-300)))
        trace.append(entropy + 0.5 * m @ J @ m + h @ m)
    return m, np.array(trace)


def _run(rng, n, num_sweeps, scale=0.4):
    return random_couplings(rng, n, scale), rng.normal(size=n), rng.uniform(-0.9, 0.9, n), num_sweeps


def _ascent_saturated(rng):
    J, h, m0, _ = _run(rng, 5, 0)
    return [
        Instance((J, np.copysign(30 + np.abs(h), h), m0, 4), "strong fields, which make spins certain"),
        Instance((J, h, np.array([1.0, -1.0, 0.2, 1.0, -0.3]), 2), "a start with certain spins"),
        Instance(
            (0.1 * J[:3, :3], np.array([3.8, -4.2, 0.5]), m0[:3], 2), "fields that make spins nearly certain"
        ),
    ]


ASCENT = Exercise(
    assignment="mean_field",
    function="coordinate_ascent",
    reference=_reference_ascent,
    visible=(
        Instance((np.zeros((2, 2)), np.array([0.5, -1.0]), np.array([0.0, 0.0]), 2), "no coupling"),
        Instance((np.array([[0.0, 1.5], [1.5, 0.0]]), np.zeros(2), np.array([0.5, -0.5]), 3), "two ferromagnetic spins"),
        Instance((np.array([[0.0, 0.5, -0.2], [0.5, 0.0, 0.3], [-0.2, 0.3, 0.0]]), np.array([0.1, -0.4, 0.2]),
                  np.array([0.5, 0.0, -0.5]), 2)),
        Instance((np.array([[0.0, 0.5], [0.5, 0.0]]), np.array([40.0, -0.5]), np.array([0.0, 0.0]), 2),
                 "a strong field, which makes a spin certain"),
    ),
    properties=(
        Property("one sweep", "a single sweep", 0.3,
                 lambda rng: [Instance(_run(rng, n, 1)) for n in (3, 6)]),
        Property("sweeps", "several sweeps", 0.35,
                 lambda rng: [Instance(_run(rng, n, k)) for n, k in ((2, 4), (7, 3), (12, 6))]
                 + [Instance((2.0 * (np.ones((2, 2)) - np.eye(2)), np.zeros(2), rng.uniform(0.3, 0.8) * np.array([1.0, -1.0]), 3),
                             "two ferromagnetic spins"),
                    Instance((np.ones((4, 4)) - np.eye(4), np.zeros(4), 3e-8 * rng.uniform(0.5, 1, 4), 15),
                             "a start from which the means hardly move at first")]),
        Property("saturated", "spins that become or start certain", 0.2, _ascent_saturated,
                 hint="Right as long as no spin is certain. A mean of exactly -1 or +1 is an ordinary number: what do the update and the "
                      "bound make of it?"),
        Property("edges", "one spin alone, and the arguments left as they were", 0.15,
                 lambda rng: [Instance((np.zeros((1, 1)), np.array([0.7]), np.array([0.1]), 1), "one spin alone"),
                              Instance(_run(rng, 5, 2))],
                 unmodified=True),
    ),
    misconceptions=(
        Misconception("all spins are updated at once", _ascent_parallel,
                      "Each update used the other spins' means from before the sweep. Two ferromagnetic spins started at (m, -m) then swap "
                      "signs for ever, and the bound may fall.", "mean_field.html#coordinate-ascent"),
        Misconception("tanh of twice the field", _ascent_tanh_of_twice,
                      "Spins react twice too strongly. Compare with a single spin in a field, where the mean is known.",
                      "mean_field.html#coordinate-ascent"),
        Misconception("units of 0 and 1 instead of spins", _ascent_sigmoid,
                      "No mean is ever negative. That is the update of a unit that is 0 or 1; a spin is -1 or +1.",
                      "mean_field.html#coordinate-ascent"),
        Misconception("the bound is taken before the sweep", _ascent_stale_bound,
                      "The means are right, but the trace lags one sweep behind: its first entry belongs to the start.",
                      "mean_field.html#coordinate-ascent"),
        Misconception("a bound for every update", _ascent_bound_of_every_update,
                      "The means are right, and the trace has an entry for each update of a single spin. After what is the "
                      "bound asked for?",
                      "mean_field.html#coordinate-ascent"),
        Misconception("the spins are updated in reverse order", _ascent_reversed,
                      "The last spin was updated first. Any order leads uphill, but the means on the way depend on it.",
                      "mean_field.html#coordinate-ascent"),
        Misconception("the field is left out of the update", _ascent_no_field,
                      "Without coupling all means became 0, whatever the field.", "mean_field.html#coordinate-ascent"),
    ),
    section="mean_field.html#coordinate-ascent",
    rtol=RTOL, atol=1e-7,
    tolerance_reason="a handful of sweeps of a smooth map; each adds some rounding of 1e-16, and the bound sums order-1 terms",
)  # fmt: skip
