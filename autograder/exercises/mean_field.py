"""Checks of the assignment on mean field.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import mean_field

RTOL, ATOL = 1e-6, 1e-8
TOLERANCE_REASON = "sums of some hundred terms of order 1 are good to 1e-13 in double; 1e-6 admits float32 arithmetic on float32 input"


def _couplings(rng: np.random.Generator, n: int, scale: float = 0.5) -> np.ndarray:
    J = scale * rng.normal(size=(n, n))
    J = np.triu(J, 1)
    return J + J.T


# --- mean_field_energy -------------------------------------------------------------------------------------------------


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


def _spins(rng, n, diagonal=False):
    J = _couplings(rng, n)
    if diagonal:
        J += np.diag(rng.normal(size=n))
    return J, rng.normal(size=n), rng.uniform(-0.95, 0.95, n)


def _energy_edges(rng):
    J, h, m = _spins(rng, 5, diagonal=True)
    return [
        Instance((np.array([[0.7]]), np.array([-0.4]), np.array([0.3])), "one spin alone"),
        Instance((J, h, np.sign(m)), "means of -1 and +1"),
        Instance(tuple(a.astype(np.float32) for a in (J, h, m)), "in single precision"),
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
                 lambda rng: [Instance(_spins(rng, n)) for n in (2, 5, 12)]),
        Property("diagonal", "couplings with a diagonal", 0.3,
                 lambda rng: [Instance(_spins(rng, n, True), "a diagonal that isn't zero") for n in (3, 8)]),
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


# --- coordinate_update -------------------------------------------------------------------------------------------------


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
        Property("extreme", "log probabilities that overflow or underflow", 0.2, _update_extreme),
        Property("impossible", "impossible states", 0.15, _update_impossible),
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


# --- coordinate_ascent -------------------------------------------------------------------------------------------------


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


def _run(rng, n, num_sweeps, scale=0.4):
    return _couplings(rng, n, scale), rng.normal(size=n), rng.uniform(-0.9, 0.9, n), num_sweeps


def _ascent_saturated(rng):
    J, h, m0, _ = _run(rng, 5, 0)
    return [
        Instance((J, np.copysign(30 + np.abs(h), h), m0, 4), "strong fields, which make spins certain"),
        Instance((J, h, np.array([1.0, -1.0, 0.2, 1.0, -0.3]), 2), "a start with certain spins"),
    ]


ASCENT = Exercise(
    assignment="mean_field",
    function="coordinate_ascent",
    reference=_reference_ascent,
    visible=(
        Instance((np.zeros((2, 2)), np.array([0.5, -1.0]), np.array([0.0, 0.0]), 2), "no coupling"),
        Instance((np.array([[0.0, 2.0], [2.0, 0.0]]), np.zeros(2), np.array([0.5, -0.5]), 3), "two ferromagnetic spins"),
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
                             "two ferromagnetic spins")]),
        Property("saturated", "spins that become or start certain", 0.2, _ascent_saturated),
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
        Misconception("the field is left out of the update", _ascent_no_field,
                      "Without coupling all means became 0, whatever the field.", "mean_field.html#coordinate-ascent"),
    ),
    section="mean_field.html#coordinate-ascent",
    rtol=RTOL, atol=1e-7,
    tolerance_reason="a handful of sweeps of a smooth map; each adds some rounding of 1e-16, and the bound sums order-1 terms",
)  # fmt: skip


# --- log_partition_bound -----------------------------------------------------------------------------------------------


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


def _certain(rng, n):
    J, h, m = _spins(rng, n)
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
        Property("ordinary", "means inside (-1, 1)", 0.6, lambda rng: [Instance(_spins(rng, n)) for n in (2, 6, 15)]),
        Property("certain", "certain spins", 0.25, lambda rng: [_certain(rng, n) for n in (3, 6)]),
        Property("edges", "one spin alone, single precision, and the arguments left as they were", 0.15,
                 lambda rng: [Instance((np.zeros((1, 1)), np.array([0.9]), np.array([-0.2])), "one spin alone"),
                              Instance(tuple(a.astype(np.float32) for a in _spins(rng, 4)), "in single precision"),
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


# --- denoise -----------------------------------------------------------------------------------------------------------


def _reference_denoise(image, J, sigma):
    return mean_field.denoise(np.asarray(image, dtype=float), float(J), float(sigma)).mean


def _denoise_wraps(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(400):
        around = np.roll(m, 1, 0) + np.roll(m, -1, 0) + np.roll(m, 1, 1) + np.roll(m, -1, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * around)
    return m


def _denoise_sigma_not_squared(image, J, sigma):
    field = image / sigma
    m = np.tanh(field)
    for _ in range(400):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_whole_log_odds(image, J, sigma):
    field = 2 * image / sigma**2
    m = np.tanh(field)
    for _ in range(400):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_threshold(image, J, sigma):
    field = image / sigma**2
    m = np.where(field >= 0, 1.0, -1.0)
    for _ in range(50):
        for r in range(m.shape[0]):
            for c in range(m.shape[1]):
                total = field[r, c]
                for a, b in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                    if 0 <= a < m.shape[0] and 0 <= b < m.shape[1]:
                        total += J * m[a, b]
                m[r, c] = 1.0 if total >= 0 else -1.0
    return m


def _denoise_no_prior(image, J, sigma):
    return np.tanh(image / sigma**2)


def _noisy(rng, rows, columns, coupling, sigma):
    r, c = np.mgrid[:rows, :columns]
    clean = np.where(
        (r - rows * rng.uniform(0.2, 0.8)) * rng.choice([-1, 1]) + rng.uniform(-1, 1) * c > 0, 1.0, -1.0
    )
    return clean + sigma * rng.normal(size=clean.shape), coupling, sigma


def _faint(rng, rows, columns, mirrored=False):
    """Faint data under the strongest coupling, where the updates take longest; if mirrored, the means cancel in every sweep."""
    if mirrored:
        half = rng.uniform(0.02, 0.08, (rows, columns // 2))
        image = np.hstack([half, -half[::-1, ::-1]])
    else:
        image = rng.choice([-1, 1]) * rng.uniform(0.04, 0.06, (rows, columns))
    return Instance((image, 0.22, 2.0), "faint pixels")


DENOISE = Exercise(
    assignment="mean_field",
    function="denoise",
    reference=_reference_denoise,
    visible=(
        Instance((np.array([[0.5]]), 0.2, 2.0), "one pixel"),
        Instance((np.array([[1.0, -0.5, 1.0]]), 0.2, 1.5), "one row"),
        Instance((np.array([[1.0, 1.2, 0.9], [0.8, -0.3, 1.1], [1.3, 0.7, 1.0]]), 0.2, 1.25)),
        Instance((np.full((8, 12), 0.05), 0.22, 2.0), "faint pixels, which take many sweeps"),
    ),
    properties=(
        Property("ordinary", "images higher than wide or wider than high, faint ones among them", 0.6,
                 lambda rng: [Instance(_noisy(rng, 6, 9, rng.uniform(0.15, 0.22), rng.uniform(1.2, 1.7))),
                              Instance(_noisy(rng, 11, 5, rng.uniform(0.15, 0.22), rng.uniform(1.2, 1.7))),
                              _faint(rng, 8, 12), _faint(rng, 12, 10), _faint(rng, 6, 8, mirrored=True)]),
        Property("quiet", "little noise, where most pixels are nearly certain", 0.15,
                 lambda rng: [Instance(_noisy(rng, 7, 5, 0.2, 0.7), "little noise")]),
        Property("edges", "single rows and columns, no coupling, and the arguments left as they were", 0.25,
                 lambda rng: [Instance(_noisy(rng, 1, 7, 0.2, 1.5), "one row"),
                              Instance(_noisy(rng, 6, 1, 0.18, 1.3), "one column"),
                              Instance(_noisy(rng, 4, 5, 0.0, 1.5), "no coupling"),
                              Instance(_noisy(rng, 5, 4, 0.2, 1.5)),
                              Instance(_noisy(rng, 5, 5, 0.2, 1.5), "as high as wide")],
                 unmodified=True),
    ),
    misconceptions=(
        Misconception("edges wrap around", _denoise_wraps,
                      "Pixels at the edge are pulled by the opposite edge. An image doesn't continue there.",
                      "mean_field.html#denoising"),
        Misconception("sigma instead of its square", _denoise_sigma_not_squared,
                      "The data weigh too little or too much, unless sigma is 1. How does a Gaussian's log density depend on sigma?",
                      "mean_field.html#denoising"),
        Misconception("the whole log-odds as field", _denoise_whole_log_odds,
                      "The data count double. A field h has log-odds of 2h between the states +1 and -1.",
                      "mean_field.html#denoising"),
        Misconception("thresholded in every sweep", _denoise_threshold,
                      "All pixels came out as -1 or +1: uncertainty was thrown away in each sweep (iterated conditional modes).",
                      "mean_field.html#denoising"),
        Misconception("the prior is left out", _denoise_no_prior,
                      "Each pixel was treated by itself; its neighbours had no say.", "mean_field.html#denoising"),
    ),
    section="mean_field.html#denoising",
    rtol=0.0, atol=1e-3,
    tolerance_reason="the statement asks for means that change by less than 1e-5 in a sweep; with couplings below 0.22 the map "
                     "contracts by 0.88, so such a stop is within 1e-4 of the one fixed point, and any order of updates reaches it",
)  # fmt: skip

EXERCISES = (ENERGY, UPDATE, BOUND, ASCENT, DENOISE)
