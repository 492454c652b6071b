"""The model of `lectures_lib.conv_rbm`, which is where to import from: conditionals, drawing, energies.

Images v have shape (n, L, R, C): L channels, R rows, C columns. K filters W (K, L, s, t) are laid over every place of an image and
give hidden units h (n, K, R', C') with R' = R - s + 1, C' = C - t + 1. These are cut into blocks of p by p, and

    E(v, h) = -Σ_nkij h_kij (c_k + (W_k ⋆ v)_ij) - Σ_l b_l Σ_ij v_lij  [+ ½ Σ v² for real-valued v],

where at most one unit of a block is on. A pooling unit (n, K, R'/p, C'/p) is on if one of its block is, so a block has p² + 1
states, and given v its conditional is a softmax over them. Logarithms are natural.

    >>> import numpy as np
    >>> machine = ConvRBM(np.zeros((2, 1, 3, 3)), np.zeros(1), np.zeros(2), pool=2)
    >>> hidden, pooled = hidden_mean(machine, np.zeros((5, 1, 8, 8)))
    >>> hidden.shape, pooled.shape, float(hidden[0, 0, 0, 0]), float(pooled[0, 0, 0, 0])
    ((5, 2, 6, 6), (5, 2, 3, 3), 0.2, 0.8)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lectures_lib import _convolution
from lectures_lib._validation import reals, whole
from lectures_lib.rbm_model import bernoulli, sigmoid


class ConvRBM(NamedTuple):
    """Parameters, float32 or float64.

    Attributes
    ----------
    W : ndarray, shape (K, L, s, t)
        Filters.
    b : ndarray, shape (L,)
        Biases of the channels of the image.
    c : ndarray, shape (K,)
        Biases of the filters.
    pool : int
        Side p of the pooling blocks.
    gaussian : bool
        Visible units are real with unit variance; otherwise they are 0 or 1.

    References
    ----------
    Lee, Grosse, Ranganath & Ng (2009), Convolutional deep belief networks for scalable unsupervised learning of hierarchical
    representations, §3; (2011), Unsupervised learning of hierarchical representations with convolutional deep belief networks.
    """

    W: np.ndarray
    b: np.ndarray
    c: np.ndarray
    pool: int = 2
    gaussian: bool = False


class Units(NamedTuple):
    """Means or states of both kinds of hidden units.

    Attributes
    ----------
    hidden : ndarray, shape (n, K, R', C')
    pooled : ndarray, shape (n, K, R'/p, C'/p)
    """

    hidden: np.ndarray
    pooled: np.ndarray


def validate(crbm: ConvRBM) -> ConvRBM:
    """Check a machine.

    Parameters
    ----------
    crbm : ConvRBM

    Returns
    -------
    ConvRBM
        The same with contiguous arrays of one dtype: float32 if all three are, else float64.

    Raises
    ------
    ValueError
        If a shape doesn't fit, a side is empty, or a number isn't finite.
    """
    W, b, c = (reals(f"crbm.{name}", a) for name, a in zip("Wbc", crbm[:3], strict=True))
    dtype = np.float32 if all(a.dtype == np.float32 for a in (W, b, c)) else np.float64
    if W.ndim != 4 or b.shape != W.shape[1:2] or c.shape != W.shape[:1] or W.size == 0:
        raise ValueError(
            f"crbm: expected W (K, L, s, t), b (L,), c (K,) with no empty side, got shapes {W.shape}, {b.shape}, {c.shape}"
        )
    whole(**{"crbm.pool": crbm.pool})
    if crbm.pool < 1:
        raise ValueError(f"crbm.pool: expected a whole number of at least 1, got {crbm.pool}")
    W, b, c = (np.ascontiguousarray(a, dtype=dtype) for a in (W, b, c))
    for name, array in zip(ConvRBM._fields, (W, b, c), strict=False):
        if not np.isfinite(array).all():
            raise ValueError(f"crbm.{name}: expected finite numbers, got NaN or inf")
    return ConvRBM(W, b, c, int(crbm.pool), bool(crbm.gaussian))


def hidden_mean(crbm: ConvRBM, v) -> Units:
    """p(h = 1 | v) and p(pooling unit = 1 | v): in each block a softmax over its p² units and "none".

    Parameters
    ----------
    crbm : ConvRBM
    v : array_like, shape (n, L, R, C)
        In [0, 1], or any finite numbers if the machine is Gaussian.

    Returns
    -------
    Units

    Raises
    ------
    ValueError
        If something is malformed, the filters don't fit into the image, the blocks don't fit into the hidden layer, or the
        parameters are so large that sums overflow.
    """
    crbm = validate(crbm)
    return pool_means(hidden_field(crbm, visible_units(crbm, v)), crbm.pool)


def sample_hidden(crbm: ConvRBM, v, rng: np.random.Generator) -> Units:
    """Draw hidden and pooling units, 0 or 1, given v.

    Parameters
    ----------
    crbm : ConvRBM
    v : array_like, shape (n, L, R, C)
    rng : numpy.random.Generator

    Returns
    -------
    Units

    Raises
    ------
    ValueError
        As for `hidden_mean`.
    """
    crbm = validate(crbm)
    return draw_units(hidden_field(crbm, visible_units(crbm, v)), crbm.pool, rng)


def visible_mean(crbm: ConvRBM, h) -> np.ndarray:
    """Mean of the visible units given the hidden ones: σ of b + Σ_k W_k spread by h_k, or that sum itself if Gaussian.

    Parameters
    ----------
    crbm : ConvRBM
    h : array_like, shape (n, K, R', C'), in [0, 1]
        Means are allowed.

    Returns
    -------
    ndarray, shape (n, L, R' + s - 1, C' + t - 1), the dtype of the machine

    Raises
    ------
    ValueError
        If something is malformed, or sums overflow.
    """
    crbm = validate(crbm)
    return mean_of_visible(crbm, hidden_units(crbm, h))


def sample_visible(crbm: ConvRBM, h, rng: np.random.Generator) -> np.ndarray:
    """Draw visible units given the hidden ones.

    Parameters
    ----------
    crbm : ConvRBM
    h : array_like, shape (n, K, R', C'), in [0, 1]
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n, L, R' + s - 1, C' + t - 1), the dtype of the machine

    Raises
    ------
    ValueError
        As for `visible_mean`.
    """
    crbm = validate(crbm)
    return draw_visible(crbm, mean_of_visible(crbm, hidden_units(crbm, h)), rng)


def energy(crbm: ConvRBM, v, h) -> np.ndarray:
    """E(v, h) of complete states.

    Parameters
    ----------
    crbm : ConvRBM
    v : array_like, shape (n, L, R, C)
    h : array_like, shape (n, K, R', C'), 0 or 1

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        As for `hidden_mean`, or if a block has more than one unit on: its energy is infinite.
    """
    crbm = validate(crbm)
    v = visible_units(crbm, v)
    field = hidden_field(crbm, v)
    h = hidden_units(crbm, h)
    if h.shape != field.shape:
        raise ValueError(f"h: expected shape {field.shape} to match v, got {h.shape}")
    if not ((h == 0) | (h == 1)).all() or _blocks(h, crbm.pool).sum(axis=(3, 5)).max() > 1:
        raise ValueError("h: expected units of 0 and 1, at most one on in a block, got others")
    with np.errstate(over="ignore", invalid="ignore"):
        return finite(_visible_energy(crbm, v) - np.sum(h * field, axis=(1, 2, 3), dtype=np.float64))


def free_energy(crbm: ConvRBM, v) -> np.ndarray:
    """F(v) = -log Σ_h exp(-E(v, h)): the energy of v alone less Σ_blocks log(1 + Σ_block exp(field)).

    Parameters
    ----------
    crbm : ConvRBM
    v : array_like, shape (n, L, R, C)

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        As for `hidden_mean`.
    """
    crbm = validate(crbm)
    v = visible_units(crbm, v)
    field = _blocks(hidden_field(crbm, v), crbm.pool)
    top = np.maximum(field.max(axis=(3, 5)), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        weights = np.exp(field - top[:, :, :, None, :, None]).sum(axis=(3, 5))
        log_sums = top + np.log(np.exp(-top) + weights)
        return finite(_visible_energy(crbm, v) - np.sum(log_sums, axis=(1, 2, 3), dtype=np.float64))


def hidden_field(crbm: ConvRBM, v: np.ndarray) -> np.ndarray:
    """What each hidden unit receives, c_k + (W_k ⋆ v)_ij."""
    with np.errstate(over="ignore", invalid="ignore"):
        return finite(_convolution.valid(v, crbm.W) + crbm.c[:, None, None])


def mean_of_visible(crbm: ConvRBM, h: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):
        field = finite(_convolution.transposed(h, crbm.W) + crbm.b[:, None, None])
    return field if crbm.gaussian else sigmoid(field)


def draw_visible(crbm: ConvRBM, means: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if crbm.gaussian:
        return means + rng.standard_normal(means.shape, dtype=means.dtype)
    return bernoulli(means, rng)


def _visible_energy(crbm: ConvRBM, v: np.ndarray) -> np.ndarray:
    result = -(v.sum(axis=(2, 3), dtype=np.float64) @ crbm.b)
    if crbm.gaussian:
        result += 0.5 * np.sum(v.astype(np.float64) ** 2, axis=(1, 2, 3))
    return result


def finite(field: np.ndarray) -> np.ndarray:
    if not np.isfinite(field).all():
        raise ValueError(f"crbm: expected parameters whose sums stay finite in {field.dtype}, got overflow")
    return field


def _blocks(h: np.ndarray, pool: int) -> np.ndarray:
    """View with blocks apart: (n, K, R'/p, p, C'/p, p)."""
    n, K, rows, columns = h.shape
    return h.reshape(n, K, rows // pool, pool, columns // pool, pool)


def pool_means(field: np.ndarray, pool: int) -> Units:
    n, K, rows, columns = field.shape
    hidden = np.empty_like(field)
    pooled = np.empty((n, K, rows // pool, columns // pool), dtype=field.dtype)
    _softmax_kernel(_planes(field), pool, _planes(hidden), _planes(pooled))
    return Units(hidden, pooled)


def draw_units(field: np.ndarray, pool: int, rng: np.random.Generator) -> Units:
    n, K, rows, columns = field.shape
    uniforms = rng.random((n, K, rows // pool, columns // pool), dtype=field.dtype)
    hidden, pooled = np.empty_like(field), np.empty_like(uniforms)
    _draw_kernel(_planes(field), pool, _planes(uniforms), _planes(hidden), _planes(pooled))
    return Units(hidden, pooled)


def _planes(array: np.ndarray) -> np.ndarray:
    """View as (n K, rows, columns)."""
    return array.reshape(-1, *array.shape[2:])


@njit(cache=True, parallel=True)
def _softmax_kernel(field, pool, hidden, pooled):
    for m in prange(field.shape[0]):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                on, none = _weigh_block(field[m], pool, i, j, hidden[m])
                total = on + none
                for r in range(i * pool, (i + 1) * pool):
                    for q in range(j * pool, (j + 1) * pool):
                        hidden[m, r, q] /= total
                pooled[m, i, j] = on / total


@njit(cache=True)
def _weigh_block(field, pool, i, j, out):
    """Fill a block of out with exp(field - top), where top is the largest exponent; return their sum, and exp(-top) for "none"."""
    top = field[i * pool, j * pool]
    for r in range(i * pool, (i + 1) * pool):
        for q in range(j * pool, (j + 1) * pool):
            top = max(top, field[r, q])
    if top < 0:
        top -= top  # "none" has the exponent 0, here in the field's own type
    on = top - top
    for r in range(i * pool, (i + 1) * pool):
        for q in range(j * pool, (j + 1) * pool):
            out[r, q] = np.exp(field[r, q] - top)
            on += out[r, q]
    return on, np.exp(-top)


@njit(cache=True, parallel=True)
def _draw_kernel(field, pool, uniforms, hidden, pooled):
    for m in prange(field.shape[0]):
        for i in range(pooled.shape[1]):
            for j in range(pooled.shape[2]):
                on, none = _weigh_block(field[m], pool, i, j, hidden[m])
                rest = uniforms[m, i, j] * (on + none)
                pooled[m, i, j] = 0
                for r in range(i * pool, (i + 1) * pool):
                    for q in range(j * pool, (j + 1) * pool):
                        weight = hidden[m, r, q]
                        chosen = pooled[m, i, j] == 0 and rest < weight
                        rest -= weight
                        hidden[m, r, q] = chosen
                        if chosen:
                            pooled[m, i, j] = 1


def visible_units(crbm: ConvRBM, value, name: str = "v") -> np.ndarray:
    """Return images in the machine's dtype, or raise a ValueError if they don't fit it."""
    v = reals(name, value)
    L, s, t = crbm.W.shape[1:]
    if v.dtype.kind not in "fiub" or v.ndim != 4 or v.shape[1] != L or v.size == 0:
        raise ValueError(
            f"{name}: expected numbers of shape (n, {L}, R, C), got {v.dtype} of shape {v.shape}"
        )
    with np.errstate(over="ignore"):  # a float64 that float32 can't hold becomes inf, and is refused below
        v = np.ascontiguousarray(v, dtype=crbm.W.dtype)
    if crbm.gaussian:
        if not np.isfinite(v).all():
            raise ValueError(f"{name}: expected finite numbers, got NaN or inf")
    elif not ((v >= 0) & (v <= 1)).all():
        raise ValueError(
            f"{name}: expected units in [0, 1], got others; a Gaussian machine takes any numbers"
        )
    rows, columns = v.shape[2] - s + 1, v.shape[3] - t + 1
    if min(rows, columns) < 1 or rows % crbm.pool or columns % crbm.pool:
        raise ValueError(
            f"{name}: expected R - {s} + 1 and C - {t} + 1 to be positive multiples of the pool size {crbm.pool}, "
            f"got shape {v.shape}"
        )
    return v


def hidden_units(crbm: ConvRBM, value) -> np.ndarray:
    h = reals("h", value)
    K = crbm.W.shape[0]
    if h.dtype.kind not in "fiub" or h.ndim != 4 or h.shape[1] != K or h.size == 0:
        raise ValueError(f"h: expected numbers of shape (n, {K}, R', C'), got {h.dtype} of shape {h.shape}")
    h = np.ascontiguousarray(h, dtype=crbm.W.dtype)
    if h.shape[2] % crbm.pool or h.shape[3] % crbm.pool:
        raise ValueError(
            f"h: expected sides that are multiples of the pool size {crbm.pool}, got shape {h.shape}"
        )
    if not ((h >= 0) & (h <= 1)).all():
        raise ValueError("h: expected units in [0, 1], got others")
    return h
