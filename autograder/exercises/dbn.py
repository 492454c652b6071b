"""Checks of the assignment on deep belief networks: RBMs with units of 0 and 1, tied weights, sampling.

Where an exercise draws units, it gets the uniform numbers handed in (a unit is 1 where u < p), so there is one right answer; the
generators keep these numbers away from the probabilities. Every misconception is a function that stands by itself, so that the
demonstration class can hand it in as it is.
"""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import dbn, rbm

RTOL, ATOL = 1e-5, 1e-6
TOLERANCE_REASON = "double precision is good to 1e-12 here; float32 arithmetic on float32 input carries fields near 10, rounded at 1e-6"

MARGIN = 1e-4
"""How far the uniform numbers stay from the probabilities: a hundred times the rounding of single precision."""


def _doubles(*arrays):
    return [np.asarray(a, dtype=float) for a in arrays]


def _machine(rng: np.random.Generator, D: int, H: int, scale: float = 1.0) -> tuple[np.ndarray, ...]:
    return scale * rng.normal(size=(D, H)), rng.normal(size=D), rng.normal(size=H)


def _units(rng, n, D):
    """Rows of 0 and 1, neither of which is missing where there is room for both."""
    v = rng.integers(2, size=(n, D)).astype(float)
    if v.size > 1:
        v.flat[rng.choice(v.size, 2, replace=False)] = 0.0, 1.0
    return v


def _single(*arrays):
    return tuple(a.astype(np.float32) for a in arrays)


# --- rbm_conditional ---------------------------------------------------------------------------------------------------


def _reference_conditional(v, W, c):
    v, W, c = _doubles(v, W, c)
    return rbm.hidden_mean(rbm.RBM(W, np.zeros(len(W)), c), v)


def _conditional_sign(v, W, c):
    return 1 / (1 + np.exp(v @ W + c))


def _conditional_transposed(v, W, c):
    return 1 / (1 + np.exp(-(v @ W.T + c)))


def _conditional_no_bias(v, W, c):
    return 1 / (1 + np.exp(-(v @ W)))


def _conditional_visible_bias(v, W, c):
    return 1 / (1 + np.exp(-((v + c) @ W)))


def _conditional_softmax(v, W, c):
    field = v @ W + c
    weights = np.exp(field - field.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _conditional_units(v, W, c):
    return (v @ W + c > 0).astype(float)


def _conditional_spins(v, W, c):
    return 1 / (1 + np.exp(-2 * (v @ W + c)))


def _conditional_overflow(v, W, c):
    return np.exp(v @ W + c) / (1 + np.exp(v @ W + c))


def _conditional_run(rng, n, D, H):
    W, _, c = _machine(rng, D, H)
    return _units(rng, n, D), W, c


def _conditional_strong(rng):
    v, W, _ = _conditional_run(rng, 4, 3, 4)
    return [
        Instance((v, W, rng.uniform(750, 2000, 4) * [1, -1, 1, -1]), "fields beyond what exp can take"),
        Instance((np.ones((2, 2)), rng.uniform(400, 900, (2, 3)) * [1, -1, 1], np.zeros(3)), "fields beyond what exp can take"),
    ]  # fmt: skip


def _conditional_edges(rng):
    v, W, c = _conditional_run(rng, 5, 4, 3)
    return [
        Instance((v[:1], W, c), "one row alone"),
        Instance((v[:, :1], W[:1], c), "one visible unit"),
        Instance((v, W[:, :1], c[:1]), "one hidden unit"),
        Instance((rng.random((5, 4)), W, c), "means in place of units"),
        Instance(_single(v, W, c), "in single precision"),
    ]


CONDITIONAL = Exercise(
    assignment="dbn",
    function="rbm_conditional",
    reference=_reference_conditional,
    visible=(
        Instance((np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]), np.array([[1.0, -1.0], [2.0, 0.0], [-1.0, 1.0]]),
                  np.array([0.0, np.log(3.0)]))),
        Instance((np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [-1.0, 2.0]]), np.array([0.5, 0.0])), "as many hidden as visible units"),
        Instance((np.array([[0.25, 0.75]]), np.array([[1.0, -1.0, 2.0], [2.0, 0.0, -2.0]]), np.array([0.0, 0.5, 1.0])),
                 "means in place of units"),
        Instance((np.array([[1.0, 1.0]]), np.array([[500.0, -500.0, 1.0], [500.0, -500.0, -1.0]]), np.zeros(3)),
                 "fields beyond what exp can take"),
    ),
    properties=(
        Property("ordinary", "machines with more hidden or more visible units, or as many", 0.55,
                 lambda rng: [Instance(_conditional_run(rng, *shape)) for shape in ((5, 4, 3), (3, 2, 6), (8, 7, 5), (4, 3, 3))]),
        Property("strong", "fields beyond what exp can take", 0.25, _conditional_strong),
        Property("edges", "one row, one unit, means in place of units, single precision, and the arguments left as they were", 0.2,
                 _conditional_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the sign of the exponent", _conditional_sign,
                      "The result is one minus the right one: units that the data excite come out as silent.", "rbm.html#rbm"),
        Misconception("W is transposed", _conditional_transposed,
                      "The shapes don't fit unless both layers have the same size, and there the result is silently wrong. Which axis of W "
                      "belongs to v?", "rbm.html#rbm"),
        Misconception("the bias is left out", _conditional_no_bias,
                      "With all visible units off, every hidden unit came out as a fair coin. What else acts on it?", "rbm.html#rbm"),
        Misconception("the bias is added to the visible units", _conditional_visible_bias,
                      "The bias went through the weights. It has one entry a hidden unit: to which layer does it belong?", "rbm.html#rbm"),
        Misconception("hidden units compete", _conditional_softmax,
                      "The rows sum to 1. Given v, does one hidden unit know of another?", "rbm.html#rbm"),
        Misconception("units in place of probabilities", _conditional_units,
                      "All entries are 0 or 1. The conditional probability is asked for, not the likeliest state.", "rbm.html#rbm"),
        Misconception("units of -1 and 1", _conditional_spins,
                      "Hidden units react twice too strongly. That is the conditional of a unit that is -1 or 1.", "rbm.html#rbm"),
        Misconception("an exponential that overflows", _conditional_overflow,
                      "An entry is NaN where the field is large: infinity over infinity. The same function can be written so that the "
                      "exponential may become 0 or infinite without harm.", "rbm.html#rbm"),
    ),
    section="rbm.html#rbm",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip


# --- free_energy -------------------------------------------------------------------------------------------------------


def _reference_free_energy(v, W, b, c):
    v, W, b, c = _doubles(v, W, b, c)
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
    W, b, c = _machine(rng, D, H)
    return _units(rng, n, D), W, b, c


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
        Instance(_single(v, W, b, c), "in single precision"),
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
                              Instance((np.eye(3), np.array([[5.5], [7.0], [9.0]]), np.zeros(3), np.zeros(1)), "moderate fields")]),
        Property("strong", "fields beyond what exp can take", 0.25, _free_energy_strong),
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


# --- log_partition -----------------------------------------------------------------------------------------------------


def _reference_log_partition(W, b, c):
    return rbm.log_partition(rbm.RBM(*_doubles(W, b, c)))


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


def _log_partition_no_log(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.sum(np.exp(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1)))


def _log_partition_no_zero_state(W, b, c):
    states = (np.arange(1, 2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.logaddexp.reduce(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_largest(W, b, c):
    states = (np.arange(2 ** len(b))[:, None] >> np.arange(len(b))) & 1
    return np.max(states @ b + np.logaddexp(0, states @ W + c).sum(axis=1))


def _log_partition_strong(rng):
    W, b, c = _machine(rng, 3, 4)
    W[rng.integers(3), rng.integers(4)] = rng.uniform(800, 1200)
    _, low, _ = _machine(rng, 4, 2)
    return [
        Instance((W, b, c), "a weight beyond what exp can take"),
        Instance((np.zeros((4, 5)), low + 400.0, rng.normal(size=5)), "biases beyond what exp can take"),
        Instance((0.1 * rng.normal(size=(2, 3)), rng.uniform(-1, 1, 2), rng.uniform(750, 900, 3)), "biases beyond what exp can take"),
    ]  # fmt: skip


def _log_partition_edges(rng):
    W, b, c = _machine(rng, 4, 3)
    return [
        Instance((W[:1], b[:1], c), "one visible unit"),
        Instance((W[:, :1], b, c[:1]), "one hidden unit"),
        Instance((W[:1, :1], b[:1], c[:1]), "one unit in each layer"),
        Instance((np.zeros((3, 4)), np.zeros(3), np.zeros(4)), "a machine without weights and biases"),
        Instance(_single(W, b, c), "in single precision"),
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
    ),
    properties=(
        Property("ordinary", "machines with more hidden or more visible units, or as many", 0.4,
                 lambda rng: [Instance(_machine(rng, *shape)) for shape in ((3, 5), (6, 2), (4, 4))]),
        Property("strong", "weights or biases beyond what exp can take", 0.2, _log_partition_strong),
        Property("edges", "one unit, no weights, single precision, and the arguments left as they were", 0.2,
                 _log_partition_edges, unmodified=True),
        Property("large", "one layer too large to enumerate", 0.2,
                 lambda rng: [Instance(_machine(rng, 40, 5, 0.3), "forty visible units"),
                              Instance(_machine(rng, 6, 40, 0.3), "forty hidden units")], recognised=False),
    ),
    misconceptions=(
        Misconception("the visible biases are left out", _log_partition_no_visible_bias,
                      "The result doesn't change with b. A state's weight has three terms in its exponent.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the hidden biases are left out", _log_partition_no_hidden_bias,
                      "The result doesn't change with c. A state's weight has three terms in its exponent.",
                      "rbm.html#rbm-partition-function"),
        Misconception("visible units of -1 and 1", _log_partition_visible_spins,
                      "The visible states were enumerated as -1 and 1. Which two values does a unit take here?",
                      "rbm.html#rbm-partition-function"),
        Misconception("all units of -1 and 1", _log_partition_spins,
                      "This is the partition function of spins that are -1 or 1. Which two values does a unit take here?",
                      "rbm.html#rbm-partition-function"),
        Misconception("a mean over the states", _log_partition_mean,
                      "Without weights and biases the result doesn't count the states. Z is a sum over them.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the free energy has the wrong sign", _log_partition_sign,
                      "Raising a bias lowered the result. What is the weight of a state with a high free energy?",
                      "rbm.html#rbm-partition-function"),
        Misconception("exponentials that overflow", _log_partition_no_shift,
                      "The result is infinite though log Z is a moderate number: Z itself doesn't fit into a float.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the logarithm is missing", _log_partition_no_log,
                      "The result is Z. Its logarithm is asked for, which is all that fits into a float for larger machines.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the state of all zeros is left out", _log_partition_no_zero_state,
                      "One state is missing from the sum. A machine without weights and biases shows it, for there all states count alike.",
                      "rbm.html#rbm-partition-function"),
        Misconception("the largest term alone", _log_partition_largest,
                      "Without weights and biases the visible units added nothing, though their states are many. A sum was replaced by its "
                      "largest term.", "rbm.html#rbm-partition-function"),
    ),
    section="rbm.html#rbm-partition-function",
    rtol=1e-6, atol=1e-5,
    tolerance_reason="a sum of positive terms: 1e-13 in double; in float32 arithmetic on float32 input exponents near 10 are good to 1e-6",
)  # fmt: skip


# --- cd_k --------------------------------------------------------------------------------------------------------------


def _gibbs(machine, v, u_hidden, u_visible):
    """Block Gibbs sampling with given uniforms: all visible states, the start first, and the smallest |u - p| met."""
    states, margin = [v], 1.0
    for up, down in zip(u_hidden, u_visible, strict=True):
        p = rbm.hidden_mean(machine, states[-1])
        margin = min(margin, np.abs(up - p).min())
        p_below = rbm.visible_mean(machine, (up < p).astype(float))
        margin = min(margin, np.abs(down - p_below).min())
        states.append((down < p_below).astype(float))
    return states, margin


def _reference_cd(v, W, b, c, k, u_hidden, u_visible):
    v, W, b, c, u_hidden, u_visible = _doubles(v, W, b, c, u_hidden, u_visible)
    machine = rbm.RBM(W, b, c)
    end = _gibbs(machine, v, u_hidden[: int(k)], u_visible[: int(k)])[0][-1]
    first, last = rbm.hidden_mean(machine, v), rbm.hidden_mean(machine, end)
    return (v.T @ first - end.T @ last) / len(v), (v - end).mean(axis=0), (first - last).mean(axis=0)


def _cd_phases_swapped(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (x.T @ p - v.T @ p0) / len(v), (x - v).mean(axis=0), (p - p0).mean(axis=0)


def _cd_transposed(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (p0.T @ v - p.T @ x) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_sum(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return v.T @ p0 - x.T @ p, (v - x).sum(axis=0), (p0 - p).sum(axis=0)


def _cd_one_step_less(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k - 1):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_one_step_more(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k + 1):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_positive_samples(v, W, b, c, k, u_hidden, u_visible):
    p = 1 / (1 + np.exp(-(v @ W + c)))
    x, h0 = v, (u_hidden[0] < p).astype(float)
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ h0 - x.T @ p) / len(v), (v - x).mean(axis=0), (h0 - p).mean(axis=0)


def _cd_visible_means(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = 1 / (1 + np.exp(-(h @ W.T + b)))
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_no_samples(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for _ in range(k):
        x = 1 / (1 + np.exp(-(p @ W.T + b)))
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_from_data(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    for t in range(k):
        h = (u_hidden[t] < p0).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_old_hidden(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x = v
    for t in range(k):
        p = 1 / (1 + np.exp(-(x @ W + c)))
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_comparison(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] > p).astype(float)
        x = (u_visible[t] > 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_hidden_means(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        x = (u_visible[t] < 1 / (1 + np.exp(-(p @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_run(rng, n, D, H, k, scale=1.0, spare=2):
    """An instance with more uniforms than k steps need, where no unit is left to rounding and each step tells."""
    while True:
        W, b, c = _machine(rng, D, H, scale)
        v = _units(rng, n, D)
        u_hidden, u_visible = rng.random((k + spare, n, H)), rng.random((k + spare, n, D))
        machine = rbm.RBM(W, b, c)
        states, margin = _gibbs(machine, v, u_hidden, u_visible)
        afresh = _gibbs(machine, v, u_hidden[k - 1 : k], u_visible[k - 1 : k])[0][-1]
        others = [states[k - 1], states[k + 1]] + ([afresh] if k > 1 else [])
        right = states[k].T @ rbm.hidden_mean(machine, states[k])
        if margin > MARGIN and all(
            np.abs(right - x.T @ rbm.hidden_mean(machine, x)).max() > 1e-2 for x in others
        ):
            return v, W, b, c, k, u_hidden, u_visible


def _cd_edges(rng):
    strong = _cd_run(rng, 8, 4, 3, 2, scale=20.0)
    *arrays, k, u_hidden, u_visible = _cd_run(rng, 7, 4, 3, 2)
    return [
        Instance(_cd_run(rng, 1, 6, 5, 2), "one row alone"),
        Instance(_cd_run(rng, 9, 1, 4, 1), "one visible unit"),
        Instance(_cd_run(rng, 9, 4, 1, 1), "one hidden unit"),
        Instance(strong, "strong weights, which make units certain"),
        Instance((*_single(*arrays), k, *_single(u_hidden, u_visible)), "in single precision"),
    ]


def _cd_visible():
    """Two instances with numbers of two digits, the second with as many hidden as visible units."""
    rng = np.random.default_rng(2)
    instances = []
    for n, D, H, k in ((4, 3, 2, 2), (4, 2, 2, 1)):
        while True:
            W, b, c = (np.round(a, 1) for a in _machine(rng, D, H))
            v = _units(rng, n, D)
            u_hidden, u_visible = (
                np.round(rng.random((k + 1, n, H)), 2),
                np.round(rng.random((k + 1, n, D)), 2),
            )
            states, margin = _gibbs(rbm.RBM(W, b, c), v, u_hidden, u_visible)
            if margin > 1e-3 and not any(np.array_equal(states[k], states[t]) for t in (0, k - 1, k + 1)):
                break
        instances.append(Instance((v, W, b, c, k, u_hidden, u_visible)))
    return instances


CD_K = Exercise(
    assignment="dbn",
    function="cd_k",
    reference=_reference_cd,
    visible=(
        Instance((np.array([[1.0, 0.0]]), np.zeros((2, 1)), np.zeros(2), np.zeros(1), 1, np.array([[[0.3]]]), np.array([[[0.9, 0.2]]])),
                 "a machine without weights and biases"),
        *_cd_visible(),
    ),
    properties=(
        Property("one step", "k = 1", 0.35,
                 lambda rng: [Instance(_cd_run(rng, 10, 5, 4, 1)), Instance(_cd_run(rng, 6, 3, 5, 1)), Instance(_cd_run(rng, 8, 4, 4, 1))]),
        Property("steps", "k above 1", 0.35,
                 lambda rng: [Instance(_cd_run(rng, 12, 6, 4, 3)), Instance(_cd_run(rng, 10, 4, 5, 2))]),
        Property("edges", "one row, one unit, strong weights, single precision, and the arguments left as they were", 0.3,
                 _cd_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the phases are swapped", _cd_phases_swapped,
                      "All signs are opposite: a step along this direction makes the data less likely. Which statistics should grow?",
                      "rbm.html#contrastive-divergence"),
        Misconception("the gradient of W is transposed", _cd_transposed,
                      "The first array has the shape of W's transpose. Which axis of W belongs to v?", "rbm.html#contrastive-divergence"),
        Misconception("a sum over the rows", _cd_sum,
                      "Twice the same data gave twice the gradient, where the mean log-likelihood stays the same.",
                      "rbm.html#contrastive-divergence"),
        Misconception("one step less", _cd_one_step_less,
                      "For k = 1 all arrays are zero: the chain never left the data. How often does v -> h -> v happen?",
                      "rbm.html#contrastive-divergence"),
        Misconception("one step more", _cd_one_step_more,
                      "The chain took one more step v -> h -> v than k says.", "rbm.html#contrastive-divergence"),
        Misconception("samples in the positive phase", _cd_positive_samples,
                      "The data's statistics jump with the uniform numbers. At the data the hidden expectation is known exactly.",
                      "rbm.html#contrastive-divergence"),
        Misconception("visible units are not sampled", _cd_visible_means,
                      "The last visible layer holds probabilities. The chain that is asked for moves between states of 0 and 1.",
                      "rbm.html#contrastive-divergence"),
        Misconception("nothing is sampled", _cd_no_samples,
                      "The result doesn't depend on the uniform numbers. Passing means back and forth is another method.",
                      "rbm.html#contrastive-divergence"),
        Misconception("every step starts at the data", _cd_from_data,
                      "Steps beyond the first one don't take the chain any further. Where does the second step begin?",
                      "rbm.html#contrastive-divergence"),
        Misconception("the last hidden units are not renewed", _cd_old_hidden,
                      "The negative statistics pair the last visible units with hidden ones that belong to the visible units before.",
                      "rbm.html#contrastive-divergence"),
        Misconception("the comparison is reversed", _cd_comparison,
                      "Units were 1 where the uniform number is above the probability: likely units are mostly off.",
                      "rbm.html#contrastive-divergence"),
        Misconception("hidden units are not sampled", _cd_hidden_means,
                      "The result doesn't depend on u_hidden: the visible units were drawn from hidden probabilities. The chain that is "
                      "asked for moves between states of 0 and 1.", "rbm.html#contrastive-divergence"),
    ),
    section="rbm.html#contrastive-divergence",
    rtol=RTOL, atol=ATOL,
    tolerance_reason=TOLERANCE_REASON + "; no uniform number is within 1e-4 of a probability, so no rounding flips a unit",
)  # fmt: skip


# --- tie_and_bound -----------------------------------------------------------------------------------------------------


def _reference_bound(x, W, b, c, dW, db, dc):
    x, W, b, c, dW, db, dc = _doubles(x, W, b, c, dW, db, dc)
    bottom = rbm.RBM(W, b, c)
    tied = dbn.tie(bottom).layers[1]
    top = rbm.RBM(tied.W + dW, tied.b + db, tied.c + dc)
    return *top, dbn.log_bound(dbn.DBN((bottom, top)), x)


def _bound_biases_not_swapped(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, b + db, c + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_not_transposed(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_no_entropy(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x), axis=1)


def _bound_top_sign(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_x - log_top - log_q), axis=1)


def _bound_no_partition(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_bottom_partition(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(h @ c + np.logaddexp(0, h @ W.T + b).sum(axis=1))
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_log_prob(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    down = h @ W.T + b
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.logaddexp.reduce(log_top + log_x, axis=1)


def _bound_means_put_in(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_z = np.logaddexp.reduce(h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1))
    up = x @ W + c
    q = 1 / (1 + np.exp(-up))
    entropy = np.sum(np.logaddexp(0, up) - q * up, axis=1)
    down = q @ W.T + b
    log_x = np.sum(x * down - np.logaddexp(0, down), axis=1)
    return W2, b2, c2, q @ b2 + np.logaddexp(0, q @ W2 + c2).sum(axis=1) - log_z + log_x + entropy


def _bound_nan_at_certain(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = 1 / (1 + np.exp(-(x @ W + c))), h @ W.T + b
    q = np.prod(np.where(h[None] == 1, up[:, None], 1 - up[:, None]), axis=2)
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(q * (log_top + log_x - np.log(q)), axis=1)


def _bound_run(rng, n, D, H, step=0.7):
    W, b, c = _machine(rng, D, H)
    return (
        _units(rng, n, D),
        W,
        b,
        c,
        step * rng.normal(size=(H, D)),
        step * rng.normal(size=H),
        step * rng.normal(size=D),
    )


def _bound_certain(rng):
    x, W, b, c, *step = _bound_run(rng, 4, 3, 4)
    strong = 30 * np.sign(W) + W
    x[0, :2] = 1.0, 0.0
    unlikely = b + np.array([-300.0, 300.0, 0.0])  # of the first row of x, whatever h
    return [
        Instance((x, W, b, rng.uniform(750, 900) * np.array([1, -1, 0, 0]) + c, *step), "hidden units that are certain"),
        Instance((x, strong, unlikely, c, *step), "strong weights and biases, which make units of both layers certain"),
    ]  # fmt: skip


def _bound_edges(rng):
    x, *rest = _bound_run(rng, 5, 4, 3)
    return [
        Instance((x[:1], *rest), "one row alone"),
        Instance(_bound_run(rng, 3, 1, 3), "one visible unit"),
        Instance(_bound_run(rng, 4, 3, 1), "one hidden unit"),
        Instance(_single(x, *rest), "in single precision"),
    ]


def _bound_visible(D, H, step):
    rng = np.random.default_rng(5)
    x, *rest = _bound_run(rng, 2, D, H, step)
    return x, *(np.round(a, 1) + 0.0 for a in rest)


TIE_AND_BOUND = Exercise(
    assignment="dbn",
    function="tie_and_bound",
    reference=_reference_bound,
    visible=(
        Instance((np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 1)), np.array([np.log(3.0), 0.0]), np.zeros(1), np.zeros((1, 2)),
                  np.zeros(1), np.zeros(2)), "no weights, and the top as it was tied"),
        Instance(_bound_visible(3, 2, 0.0), "the top as it was tied"),
        Instance(_bound_visible(3, 2, 1.0)),
        Instance(_bound_visible(2, 2, 1.0), "as many hidden as visible units"),
        Instance((np.array([[1.0, 0.0]]), np.array([[1.0], [-1.0]]), np.array([0.0, 0.5]), np.array([800.0]), np.array([[0.5, 0.0]]),
                  np.array([-1.0]), np.array([0.0, 1.0])), "hidden units that are certain"),
    ),
    properties=(
        Property("tied", "the top as it was tied, where the bound is exact", 0.25,
                 lambda rng: [Instance(_bound_run(rng, 5, 4, 3, 0.0)), Instance(_bound_run(rng, 4, 2, 5, 0.0))]),
        Property("moved", "a top that has moved away", 0.4,
                 lambda rng: [Instance(_bound_run(rng, *shape)) for shape in ((5, 4, 3), (4, 3, 6), (6, 4, 4))]),
        Property("certain", "units that are certain", 0.15, _bound_certain),
        Property("edges", "one row, one unit, single precision, and the arguments left as they were", 0.2,
                 _bound_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the biases are not swapped", _bound_biases_not_swapped,
                      "The shapes don't fit unless both layers have the same size, and there the bound misses log p(x) at the tied start. "
                      "The top's visible units are the hidden units below: whose biases are those?", "dbn.html#tied-weights"),
        Misconception("W is not transposed", _bound_not_transposed,
                      "The shapes don't fit unless both layers have the same size, and there the bound misses log p(x) at the tied start. "
                      "In the top machine h stands where x stood below.", "dbn.html#tied-weights"),
        Misconception("the entropy is left out", _bound_no_entropy,
                      "At the tied start the result lies below log p(x), though the bound is exact there. What does q earn by being "
                      "uncertain?", "dbn.html#tied-weights"),
        Misconception("the top's term has the wrong sign", _bound_top_sign,
                      "The better the top machine explains the hidden states, the lower the result. Is that term to be raised or lowered?",
                      "dbn.html#tied-weights"),
        Misconception("the partition function is left out", _bound_no_partition,
                      "The result exceeds log p(x). The top's weights of hidden states are not yet probabilities.",
                      "dbn.html#tied-weights"),
        Misconception("the partition function of the bottom machine", _bound_bottom_partition,
                      "The result is right at the tied start, where both machines have the same Z, and wrong as soon as the top moves.",
                      "dbn.html#tied-weights"),
        Misconception("log p(x) in place of the bound", _bound_log_prob,
                      "The result is right at the tied start and too large elsewhere: it is what the bound is below. Under which q is the "
                      "expectation taken?", "dbn.html#tied-weights"),
        Misconception("means are put in for hidden units", _bound_means_put_in,
                      "An expectation of a function was replaced by the function at the mean. The two differ wherever hidden units are "
                      "uncertain.", "dbn.html#tied-weights"),
        Misconception("0 log 0 is NaN", _bound_nan_at_certain,
                      "The result is NaN where a hidden unit is certain: a state of probability 0 was multiplied by its logarithm.",
                      "dbn.html#tied-weights"),
    ),
    section="dbn.html#tied-weights",
    rtol=RTOL, atol=1e-5,
    tolerance_reason=TOLERANCE_REASON + "; terms of that size cancel, hence the larger atol, and fields of 900 are good to 1e-12 in double",
)  # fmt: skip


# --- sample ------------------------------------------------------------------------------------------------------------


def _reference_sample(layers, start, u_hidden, u_visible, u_down):
    return _sampled(layers, start, u_hidden, u_visible, u_down)[0]


def _sampled(layers, start, u_hidden, u_visible, u_down):
    """The sample, and the smallest |u - p| met."""
    machines = [rbm.RBM(*_doubles(*layer)) for layer in layers]
    states, margin = _gibbs(machines[-1], *_doubles(start, u_hidden, u_visible))
    x = states[-1]
    for machine, u in zip(machines[-2::-1], u_down[::-1], strict=True):
        p = rbm.visible_mean(machine, x)
        margin = min(margin, np.abs(u - p).min())
        x = (u < p).astype(float)
    return x, margin


def _sample_upside_down(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[0]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for (W, b, _), u in zip(layers[1:], u_down, strict=True):
        x = (u < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_bottom_alone(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[0]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    return x


def _sample_from_top_hidden(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    x = h
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_sign(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(x @ W + c))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(h @ W.T + b))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(x @ W.T + b))).astype(float)
    return x


def _sample_comparison(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] > 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] > 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] > 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_means_returned(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        p = 1 / (1 + np.exp(-(h @ W.T + b)))
        x = (u_visible[t] < p).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        p = 1 / (1 + np.exp(-(x @ W.T + b)))
        x = (u_down[number] < p).astype(float)
    return p


def _sample_means_passed_down(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        p = 1 / (1 + np.exp(-(h @ W.T + b)))
        x = (u_visible[t] < p).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        p = 1 / (1 + np.exp(-(p @ W.T + b)))
        x = (u_down[number] < p).astype(float)
    return x


def _sample_means_at_the_top(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = 1 / (1 + np.exp(-(x @ W + c)))
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_no_gibbs(layers, start, u_hidden, u_visible, u_down):
    x = start
    for number in range(len(layers) - 2, -1, -1):
        W, b, _ = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_one_step(layers, start, u_hidden, u_visible, u_down):
    W, b, c = layers[-1]
    h = (u_hidden[0] < 1 / (1 + np.exp(-(start @ W + c)))).astype(float)
    x = (u_visible[0] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_run(rng, n, sizes, k, scale=1.5, decimals=None):
    """A network of given layer sizes, x first, where no unit is left to rounding and the slips that fit the shapes show."""
    silent = [_sample_means_passed_down, _sample_means_at_the_top, _sample_no_gibbs] + [_sample_one_step] * (
        k > 1
    )
    if len(sizes) == 2:
        silent.remove(_sample_means_passed_down)  # nothing is passed down
    if min(sizes) == max(sizes):
        silent += [_sample_from_top_hidden] + [_sample_upside_down, _sample_bottom_alone] * (len(sizes) > 2)
    while True:
        layers = [_machine(rng, D, H, scale) for D, H in itertools.pairwise(sizes)]
        top, hidden = sizes[-2:]
        start = _units(rng, n, top)
        uniforms = [
            rng.random((k, n, hidden)),
            rng.random((k, n, top)),
            [rng.random((n, D)) for D in sizes[:-2]],
        ]
        if decimals is not None:
            layers = [tuple(np.round(a, decimals) for a in layer) for layer in layers]
            uniforms = [
                np.round(uniforms[0], 2),
                np.round(uniforms[1], 2),
                [np.round(u, 2) for u in uniforms[2]],
            ]
        args = (layers, start, *uniforms)
        x, margin = _sampled(*args)
        if margin > MARGIN and not any(np.array_equal(slip(*args), x) for slip in silent):
            return args


def _sample_edges(rng):
    layers, *rest, down = _sample_run(rng, 8, (5, 4, 3), 3)
    single = [_single(*layer) for layer in layers], *_single(*rest), [u.astype(np.float32) for u in down]
    return [
        Instance(_sample_run(rng, 1, (30, 8, 6), 3), "one sample alone"),
        Instance(_sample_run(rng, 12, (4, 3, 1), 2), "one unit at the top"),
        Instance(_sample_run(rng, 10, (5, 4, 3), 3, scale=20.0), "strong weights, which make units certain"),
        Instance(single, "in single precision"),
    ]


def _sample_visible():
    rng = np.random.default_rng(8)
    return [
        Instance(_sample_run(rng, 4, (3, 2), 1, decimals=1), "one layer: the machine alone"),
        Instance(_sample_run(rng, 4, (3, 2, 3), 2, decimals=1), "two layers"),
        Instance(_sample_run(rng, 4, (3, 2, 2, 1), 2, decimals=1), "three layers"),
        Instance(_sample_run(rng, 4, (2, 2, 2), 2, decimals=1), "layers of one size"),
    ]


SAMPLE = Exercise(
    assignment="dbn",
    function="sample",
    reference=_reference_sample,
    visible=(
        Instance(([(np.zeros((2, 1)), np.zeros(2), np.zeros(1)), (np.zeros((1, 3)), np.zeros(1), np.zeros(3))], np.array([[1.0]]),
                  np.array([[[0.2, 0.6, 0.7]]]), np.array([[[0.4]]]), [np.array([[0.3, 0.8]])]), "two layers without weights and biases"),
        *_sample_visible(),
    ),
    properties=(
        Property("two layers", "two layers", 0.35,
                 lambda rng: [Instance(_sample_run(rng, 12, (6, 4, 5), 3)), Instance(_sample_run(rng, 10, (4, 6, 3), 2)),
                              Instance(_sample_run(rng, 10, (4, 4, 4), 4))]),
        Property("three layers", "three layers", 0.25,
                 lambda rng: [Instance(_sample_run(rng, 12, (7, 5, 4, 3), 2)), Instance(_sample_run(rng, 10, (4, 5, 6, 7), 3))]),
        Property("one layer", "a machine alone", 0.15,
                 lambda rng: [Instance(_sample_run(rng, 10, (6, 4), 3), "one layer"),
                              Instance(_sample_run(rng, 10, (4, 5), 2), "one layer")]),
        Property("edges", "one sample, one unit at the top, strong weights, single precision, and the arguments left as they were", 0.25,
                 _sample_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the stack is upside down", _sample_upside_down,
                      "The bottom machine was taken for the top: on layers of different sizes the shapes don't fit. The list begins at x.",
                      "dbn.html#sampling"),
        Misconception("sampling in the bottom machine", _sample_bottom_alone,
                      "The result comes from the bottom machine taken by itself. What does a deep belief network put in place of that "
                      "machine's own distribution of hidden units?", "dbn.html#sampling"),
        Misconception("the pass starts at the top's hidden units", _sample_from_top_hidden,
                      "The layer below was fed with the top machine's hidden units. Which of the top's layers do the two share?",
                      "dbn.html#sampling"),
        Misconception("the sign of the exponent", _sample_sign,
                      "Units that their neighbours excite came out silent. Flipped both ways, the chain samples states of high energy.",
                      "dbn.html#sampling"),
        Misconception("the comparison is reversed", _sample_comparison,
                      "Units were 1 where the uniform number is above the probability: likely units are mostly off.", "dbn.html#sampling"),
        Misconception("probabilities are returned", _sample_means_returned,
                      "The entries lie between 0 and 1. They make smooth pictures, but a draw of x is asked for.", "dbn.html#sampling"),
        Misconception("means are passed down", _sample_means_passed_down,
                      "A layer was computed from the probabilities of the one above instead of from its units: an expectation moved "
                      "inside a nonlinear function.", "dbn.html#sampling"),
        Misconception("hidden units of the top are not sampled", _sample_means_at_the_top,
                      "The chain at the top passed hidden means back. Such a chain has another stationary distribution.",
                      "dbn.html#sampling"),
        Misconception("no steps at the top", _sample_no_gibbs,
                      "The result doesn't depend on the top machine: the pass started at what was only the chain's start.",
                      "dbn.html#sampling"),
        Misconception("a single step at the top", _sample_one_step,
                      "The chain at the top took only its first step. One step forgets little of the start.", "dbn.html#sampling"),
    ),
    section="dbn.html#sampling",
    rtol=0.0, atol=1e-6,
    tolerance_reason="units are 0 or 1, and no uniform number is within 1e-4 of a probability, so no rounding flips one",
)  # fmt: skip

EXERCISES = (CONDITIONAL, FREE_ENERGY, LOG_PARTITION, CD_K, TIE_AND_BOUND, SAMPLE)
