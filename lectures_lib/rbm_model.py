"""The model of `lectures_lib.rbm`, which is where to import from: conditionals, free energy, exact sums.

p(v, h) ∝ exp(vᵀWh + bᵀv + cᵀh) over units in {0, 1}.

W has shape (D, H), b (D,) belongs to the visible units, c (H,) to the hidden ones; logarithms are natural. Given one layer the
units of the other are independent, which makes both conditionals and block Gibbs sampling easy; the partition function is hard, and
exact here for a smaller layer of up to MAX_EXACT_UNITS units.

    >>> import numpy as np
    >>> machine = RBM(np.zeros((3, 2)), np.zeros(3), np.zeros(2))
    >>> bool(np.isclose(log_partition(machine), 5 * np.log(2)))
    True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lectures_lib._fast_math import FASTMATH, softplus_sum
from lectures_lib._validation import reals, whole

MAX_EXACT_UNITS = 25
"""Exact sums run over the 2^25 states of the smaller layer: about a second a hundred units of the other."""

SPLIT_UNITS = 6
"""Units that are fixed per block of the exact sum, so that blocks can be shared out."""


class RBM(NamedTuple):
    """Parameters of a restricted Boltzmann machine, float32 or float64.

    Attributes
    ----------
    W : ndarray, shape (D, H)
    b : ndarray, shape (D,)
        Biases of the visible units.
    c : ndarray, shape (H,)
        Biases of the hidden units.

    References
    ----------
    Smolensky (1986), Information processing in dynamical systems: foundations of harmony theory.
    """

    W: np.ndarray
    b: np.ndarray
    c: np.ndarray


class Gradient(NamedTuple):
    """Derivatives with respect to the parameters of an RBM.

    Attributes
    ----------
    W : ndarray, shape (D, H)
    b : ndarray, shape (D,)
    c : ndarray, shape (H,)
    """

    W: np.ndarray
    b: np.ndarray
    c: np.ndarray


def validate(rbm: RBM) -> RBM:
    """Check a machine.

    Parameters
    ----------
    rbm : RBM

    Returns
    -------
    RBM
        The same with contiguous arrays of one dtype: float32 if all three are, else float64.

    Raises
    ------
    ValueError
        If a shape doesn't fit, a layer is empty, a number isn't finite, or sums would overflow: their differences would be NaN.
    """
    W, b, c = (reals(f"rbm.{name}", a) for name, a in zip(RBM._fields, rbm, strict=True))
    dtype = np.float32 if all(a.dtype == np.float32 for a in (W, b, c)) else np.float64
    if W.ndim != 2 or b.shape != W.shape[:1] or c.shape != W.shape[1:]:
        raise ValueError(
            f"rbm: expected W (D, H), b (D,), c (H,), got shapes {W.shape}, {b.shape}, {c.shape}"
        )
    if W.size == 0:
        raise ValueError(f"rbm: expected at least one unit in each layer, got W of shape {W.shape}")
    rbm = RBM(*(np.ascontiguousarray(a, dtype=dtype) for a in (W, b, c)))
    for name, array in zip(RBM._fields, rbm, strict=True):
        if not np.isfinite(array).all():
            raise ValueError(f"rbm.{name}: expected finite numbers, got NaN or inf")
    W, b, c = rbm
    sizes = [float(max(a.max(), -a.min())) for a in rbm]
    if not W.size * sizes[0] + b.size * sizes[1] + c.size * sizes[2] <= float(np.finfo(dtype).max) / 4:
        raise ValueError(
            f"rbm: expected parameters whose sums stay finite in {W.dtype}, got numbers up to {max(sizes):.3g}"
        )
    return rbm


def hidden_mean(rbm: RBM, v) -> np.ndarray:
    """p(h = 1 | v) = σ(c + Wᵀv).

    Parameters
    ----------
    rbm : RBM
    v : array_like, shape (n, D) or (D,)
        Units in [0, 1]; means are allowed.

    Returns
    -------
    ndarray, shape (n, H) or (H,), the dtype of the machine

    Raises
    ------
    ValueError
        If a shape doesn't fit or a unit leaves [0, 1].
    """
    rbm = validate(rbm)
    return sigmoid(units("v", v, rbm.b.size, rbm.W.dtype) @ rbm.W + rbm.c)


def visible_mean(rbm: RBM, h) -> np.ndarray:
    """p(v = 1 | h) = σ(b + W h).

    Parameters
    ----------
    rbm : RBM
    h : array_like, shape (n, H) or (H,)
        Units in [0, 1]; means are allowed.

    Returns
    -------
    ndarray, shape (n, D) or (D,), the dtype of the machine

    Raises
    ------
    ValueError
        If a shape doesn't fit or a unit leaves [0, 1].
    """
    rbm = validate(rbm)
    return sigmoid(units("h", h, rbm.c.size, rbm.W.dtype) @ rbm.W.T + rbm.b)


def free_energy(rbm: RBM, v) -> np.ndarray:
    """F(v) = -bᵀv - Σ_j log(1 + exp(c_j + W_jᵀv)), so that p(v) = exp(-F(v)) / Z.

    Parameters
    ----------
    rbm : RBM
    v : array_like, shape (n, D) or (D,)
        Units in [0, 1].

    Returns
    -------
    ndarray, shape (n,), or a number for a single state, the dtype of the machine

    Raises
    ------
    ValueError
        If a shape doesn't fit or a unit leaves [0, 1].

    References
    ----------
    Hinton (2012), A practical guide to training restricted Boltzmann machines, on the free energy.
    """
    rbm = validate(rbm)
    v = units("v", v, rbm.b.size, rbm.W.dtype)
    return -(v @ rbm.b) - np.logaddexp(0, v @ rbm.W + rbm.c).sum(axis=-1)


def log_partition(rbm: RBM) -> float:
    """Exact log Z: a sum over the states of the smaller layer, the other layer summed in closed form.

    Parameters
    ----------
    rbm : RBM

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the machine is malformed or its smaller layer has more than MAX_EXACT_UNITS units.
    """
    rbm = validate(rbm)
    if min(rbm.W.shape) > MAX_EXACT_UNITS:
        raise ValueError(
            f"rbm: expected a layer of at most {MAX_EXACT_UNITS} units, got {rbm.W.shape}: the sum would have "
            f"2^{min(rbm.W.shape)} terms; use annealed_log_partition"
        )
    W, inner, outer = rbm.W, rbm.b, rbm.c  # the layer that is enumerated comes first
    if W.shape[0] > W.shape[1]:
        W, inner, outer = W.T, rbm.c, rbm.b
    W, inner, outer = (np.ascontiguousarray(a, dtype=np.float64) for a in (W, inner, outer))
    fixed = min(SPLIT_UNITS, len(inner) - 1)
    tops, sums = np.empty(1 << fixed), np.empty(1 << fixed)
    _enumerate_kernel(W, inner, outer, fixed, tops, sums)
    top = tops.max()
    return float(top + np.log(np.sum(sums * np.exp(tops - top))))


@njit(cache=True, parallel=True, fastmath=FASTMATH)
def _enumerate_kernel(W, inner, outer, fixed, tops, sums):
    """Per block of fixed units: the largest exponent seen, and the sum of exp(exponent - largest).

    States come in the order of binary numbers. A state's fields are those of the state without its lowest unit, the last one so far with
    a unit less on, plus that unit's weights. Nothing is ever taken off again, as in the order of a Gray code: where a weight is huge,
    what it had rounded away would be lost to the states without it.
    """
    n, m = W.shape
    free = n - fixed
    for block in prange(1 << fixed):
        # Of the last state with 0, 1, ... free units on.
        fields, biases = np.empty((free + 1, m)), np.empty(free + 1)
        field, biases[0] = outer.copy(), 0.0
        for k in range(fixed):
            if block >> k & 1:
                biases[0] += inner[free + k]
                field += W[free + k]
        fields[0] = field
        top = -np.inf
        total = 0.0
        count = 0
        for step in range(1 << free):
            if step > 0:
                i = 0  # the lowest unit that is on
                while not step >> i & 1:
                    i += 1
                count += 1 - i
                biases[count] = biases[count - 1] + inner[i]
                for j in range(m):
                    field[j] = fields[count - 1, j] + W[i, j]
                    fields[count, j] = field[j]
            exponent = biases[count] + softplus_sum(field)
            if exponent <= top:
                total += np.exp(exponent - top)
            else:
                total = total * np.exp(top - exponent) + 1.0
                top = exponent
        tops[block] = top
        sums[block] = total


def log_prob(rbm: RBM, v) -> np.ndarray:
    """Exact log p(v) = -F(v) - log Z.

    Parameters
    ----------
    rbm : RBM
    v : array_like, shape (n, D) or (D,)
        Units in [0, 1].

    Returns
    -------
    ndarray, shape (n,), or a number for a single state, the dtype of the machine

    Raises
    ------
    ValueError
        As for `free_energy` and `log_partition`.
    """
    return -free_energy(rbm, v) - log_partition(rbm)


def all_states(num_units: int) -> np.ndarray:
    """All states of a few 0/1 units, the last unit changing fastest.

    Parameters
    ----------
    num_units : int
        0 to 30.

    Returns
    -------
    ndarray, shape (2^n, n), float64

    Raises
    ------
    ValueError
        If num_units is none of these.
    """
    whole(num_units=num_units)
    if not 0 <= num_units <= 30:
        raise ValueError(f"num_units: expected 0 to 30, got {num_units}")
    return (np.arange(1 << num_units)[:, None] >> np.arange(num_units)[::-1] & 1).astype(np.float64)


def exact_gradient(rbm: RBM, data) -> Gradient:
    """Gradient of the mean log-likelihood of data, with the model's expectations summed exactly.

    Parameters
    ----------
    rbm : RBM
        Small: the sum runs over the 2^min(D, H) states of its smaller layer at once.
    data : array_like, shape (n, D), units in [0, 1]

    Returns
    -------
    Gradient
        Computed in float64; in the dtype of the machine.

    Raises
    ------
    ValueError
        As for `log_partition`, with at most 20 units.
    """
    rbm = validate(rbm)
    data = batch("data", data, rbm.b.size, rbm.W.dtype)
    if min(rbm.W.shape) > 20:
        raise ValueError(
            f"rbm: expected a layer of at most 20 units, got {rbm.W.shape}; use contrastive divergence"
        )
    dtype = rbm.W.dtype
    rbm, data = RBM(*(a.astype(np.float64) for a in rbm)), data.astype(np.float64)
    transposed = rbm.W.shape[0] > rbm.W.shape[1]
    machine = RBM(rbm.W.T, rbm.c, rbm.b) if transposed else rbm
    states = all_states(machine.b.size)
    negative_energy = -free_energy(machine, states)
    p = np.exp(negative_energy - negative_energy.max())
    p /= p.sum()
    means = hidden_mean(machine, states)
    W, first, second = states.T @ (p[:, None] * means), p @ states, p @ means
    model = Gradient(W.T, second, first) if transposed else Gradient(W, first, second)
    hidden = hidden_mean(rbm, data)
    n = len(data)
    gradient = data.T @ hidden / n - model.W, data.mean(axis=0) - model.b, hidden.mean(axis=0) - model.c
    return Gradient(*(a.astype(dtype) for a in gradient))


def sigmoid(x: np.ndarray) -> np.ndarray:
    """σ(x) = 1 / (1 + e^-x) without overflow.

    Parameters
    ----------
    x : ndarray, any shape, float

    Returns
    -------
    ndarray, the shape and dtype of x
    """
    return 0.5 * (1 + np.tanh(0.5 * x))


def bernoulli(means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw 0/1 units with given means, in their dtype."""
    return (rng.random(means.shape, dtype=means.dtype) < means).astype(means.dtype)


def units(name: str, value, size: int, dtype) -> np.ndarray:
    array = reals(name, value, dtype)
    if array.ndim not in (1, 2) or array.shape[-1] != size:
        raise ValueError(f"{name}: expected shape (n, {size}) or ({size},), got {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name}: expected units in [0, 1], got others")
    return array


def batch(name: str, value, size: int, dtype) -> np.ndarray:
    """As `units`, with at least one row: averages over none are no numbers."""
    array = np.atleast_2d(units(name, value, size, dtype))
    if len(array) == 0:
        raise ValueError(f"{name}: expected at least one row, got shape {array.shape}")
    return array
