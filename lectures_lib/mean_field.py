"""Mean field: the best product distribution for an Ising model, or for any discrete factor graph.

Among q(z) = Π_i q_i(z_i), coordinate ascent raises the lower bound H(q) + E_q log p̃(z) <= log Z one factor at a time:
q_i ∝ exp(E log p̃), the average being over the other factors. For the Ising model p(s) ∝ exp(½ sᵀJs + hᵀs) this is
m_i = tanh(h_i + Σ_j J_ij m_j) with m_i = E_q s_i in [-1, 1]. Updates are sequential: all at once they can swap for ever between two states.

    >>> import numpy as np
    >>> result = coordinate_ascent(np.zeros((2, 2)), np.array([0.3, -1.0]))
    >>> bool(np.allclose(result.mean, np.tanh([0.3, -1.0])))
    True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lectures_lib import _lattice_kernels
from lectures_lib._mean_field_kernels import Flat, ascend_graph, flatten, softened
from lectures_lib._validation import ising_parameters, real_array, reals, whole
from lectures_lib.graphical_models import SUM_TOLERANCE, FactorGraph, validate_factor_graph

__all__ = [
    "CRITICAL_COUPLING",
    "SYMMETRY_BREAKING",
    "TOLERANCE",
    "FactorGraphMeanField",
    "IsingMeanField",
    "coordinate_ascent",
    "coordinate_ascent_torus",
    "coordinate_update",
    "denoise",
    "energy",
    "entropy",
    "fit_factor_graph",
    "log_partition_bound",
    "sweep_lattice",
]

CRITICAL_COUPLING = 0.25
"""K at which mean field on the square lattice orders: 4 K = 1 (Onsager's is 0.4407)."""

TOLERANCE = 1e-10
"""Largest change of a mean or marginal in a sweep at convergence; the bound, flat at its maximum, is then exact to
rounding. Near a critical point the rate of change is slow, and the mean itself is known less well than this."""

CHUNKS = 16
"""Rows of a lattice are shared out in this many chunks."""

SYMMETRY_BREAKING = 1e-4
"""Start of the spins without a field: where nothing tells a direction m = 0 is stationary, but often a saddle."""


class IsingMeanField(NamedTuple):
    """Result of coordinate ascent on an Ising model.

    Attributes
    ----------
    mean : ndarray, shape (n,) or the shape of the lattice
        E_q s_i.
    log_partition_bound : float
        Lower bound on log Z.
    bound_trace : ndarray, shape (num_iter + 1,), float64
        The bound at the start and after each sweep; never falls beyond rounding.
    num_iter : int
        Sweeps done.
    converged : bool
        Whether the last sweep changed no mean by more than the tolerance.
    """

    mean: np.ndarray
    log_partition_bound: float
    bound_trace: np.ndarray
    num_iter: int
    converged: bool


class FactorGraphMeanField(NamedTuple):
    """Result of coordinate ascent on a factor graph.

    Attributes
    ----------
    marginals : tuple of ndarray, shapes (cardinality,), float64
        q_i of each variable.
    log_partition_bound : float
        Lower bound on log Z.
    bound_trace : ndarray, shape (num_iter + 1,), float64
    num_iter : int
        Sweeps done.
    converged : bool
    """

    marginals: tuple[np.ndarray, ...]
    log_partition_bound: float
    bound_trace: np.ndarray
    num_iter: int
    converged: bool


def energy(J, h, m) -> float:
    """Expected energy E_q[-½ sᵀJs - hᵀs] of the product distribution with means m: -½ mᵀJm - hᵀm.

    Parameters
    ----------
    J, h : array_like, shapes (n, n) and (n,), float
        Symmetric couplings with zero diagonal, fields.
    m : array_like, shape (n,), float
        Means in [-1, 1].

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If J or h is malformed, or m has another shape or leaves [-1, 1].
    """
    J, h = ising_parameters(J, h)
    m = _means("m", m, h.shape)
    return float(-0.5 * m @ J @ m - h @ m)


def entropy(m) -> float:
    """Entropy in nats of independent spins.

    Parameters
    ----------
    m : array_like, any shape, float
        Means in [-1, 1].

    Returns
    -------
    float
        From 0 to log 2 a spin.

    Raises
    ------
    ValueError
        If a mean leaves [-1, 1].
    """
    m = reals("m", m, np.float64)
    m = _means("m", m, m.shape)
    return float(_spin_entropy(m).sum())


def log_partition_bound(J, h, m) -> float:
    """Lower bound H(q) - E_q[energy] <= log Z.

    Parameters
    ----------
    J, h : array_like, shapes (n, n) and (n,), float
        Symmetric couplings with zero diagonal, fields.
    m : array_like, shape (n,), float
        Means in [-1, 1].

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If J or h is malformed, or m has another shape or leaves [-1, 1].

    References
    ----------
    Saul, Jaakkola & Jordan (1996), Mean field theory for sigmoid belief networks; Wainwright & Jordan (2008), Graphical models,
    exponential families, and variational inference, ch. 5.
    """
    return entropy(m) - energy(J, h, m)


def coordinate_ascent(
    J,
    h,
    initial_mean=None,
    *,
    max_sweeps: int = 10_000,
    tol: float = TOLERANCE,
    num_starts: int = 1,
    rng=None,
) -> IsingMeanField:
    """Mean field of an Ising model by sequential coordinate ascent.

    Parameters
    ----------
    J, h : array_like, shapes (n, n) and (n,), float
        Symmetric couplings with zero diagonal, fields.
    initial_mean : array_like, shape (n,), float, optional
        Start. By default 0, the uniform distribution, and SYMMETRY_BREAKING where h is zero.
    max_sweeps : int
    tol : float
        Largest change of a mean in a sweep at convergence.
    num_starts : int
        Further starts beyond the first are drawn uniformly from [-1, 1]^n; the best bound is kept.
    rng : numpy.random.Generator
        Needed for more than one start.

    Returns
    -------
    IsingMeanField

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Peterson & Anderson (1987); Blei, Kucukelbir & McAuliffe (2017), Variational inference: a review, algorithm 1.
    """
    J, h = ising_parameters(J, h)
    _check_stopping(max_sweeps, tol)
    whole(num_starts=num_starts)
    if num_starts < 1:
        raise ValueError(f"num_starts: expected at least 1, got {num_starts}")
    if num_starts > 1 and rng is None:
        raise ValueError("rng: expected a numpy.random.Generator for more than one start, got None")
    if initial_mean is None:
        first = np.where(h == 0, SYMMETRY_BREAKING, 0.0)
    else:
        first = _means("initial_mean", initial_mean, h.shape).copy()
    best = _ascend(J, h, first, max_sweeps, tol)
    for _ in range(num_starts - 1):
        result = _ascend(J, h, rng.uniform(-1, 1, h.size), max_sweeps, tol)
        if result.log_partition_bound > best.log_partition_bound:
            best = result
    return best


def _ascend(J, h, mean, max_sweeps, tol) -> IsingMeanField:
    trace = np.empty(max_sweeps + 1)
    sweeps, converged = _ascent_kernel(J, h, mean, max_sweeps, float(tol), trace)
    return IsingMeanField(
        mean, float(trace[sweeps]), trace[: sweeps + 1].copy(), int(sweeps), bool(converged)
    )


@njit(cache=True)
def _ascent_kernel(J, h, mean, max_sweeps, tol, trace):
    n = h.shape[0]
    trace[0] = _bound_kernel(J, h, mean)
    for sweep in range(1, max_sweeps + 1):
        change = 0.0
        for i in range(n):
            field = h[i]
            for j in range(n):
                field += J[i, j] * mean[j]
            new = np.tanh(field)
            change = max(change, abs(new - mean[i]))
            mean[i] = new
        trace[sweep] = _bound_kernel(J, h, mean)
        if change <= tol:
            return sweep, True
    return max_sweeps, False


@njit(cache=True)
def _bound_kernel(J, h, mean):
    n = h.shape[0]
    bound = 0.0
    for i in range(n):
        pair = 0.0
        for j in range(i):
            pair += J[i, j] * mean[j]
        bound += mean[i] * (h[i] + pair)
        for p in ((1.0 + mean[i]) / 2, (1.0 - mean[i]) / 2):
            if p > 0:
                bound -= p * np.log(p)
    return bound


def coordinate_update(log_p, marginals, i: int) -> np.ndarray:
    """The optimal factor q_i ∝ exp(E log p) of a joint table, the average being over the other factors, which are fixed.

    Parameters
    ----------
    log_p : array_like, shape (K_0, ..., K_{d-1}), float
        Log of the joint, up to a constant; -inf marks impossible states.
    marginals : sequence of d array_like, shapes (K_j,), float
        The current factors; the i-th is not used.
    i : int
        Coordinate to update, 0 <= i < d.

    Returns
    -------
    ndarray, shape (K_i,), float64
        Sums to 1.

    Raises
    ------
    ValueError
        If shapes don't match, another factor is no distribution, or they give every state of i an impossible configuration.

    References
    ----------
    Bishop (2006), Pattern recognition and machine learning, eq. 10.9.
    """
    log_p = reals("log_p", log_p, np.float64)
    if log_p.ndim == 0 or np.isnan(log_p).any() or np.isposinf(log_p).any():
        raise ValueError("log_p: expected a table of log probabilities below +inf, got a scalar, NaN or +inf")
    if len(marginals) != log_p.ndim:
        raise ValueError(f"marginals: expected {log_p.ndim} to match log_p, got {len(marginals)}")
    whole(i=i)
    if not 0 <= i < log_p.ndim:
        raise ValueError(f"i: expected a coordinate from 0 to {log_p.ndim - 1}, got {i}")
    weights = np.ones(())
    for j, q in enumerate(marginals):
        q = reals(f"marginals[{j}]", q, np.float64)
        if q.shape != (log_p.shape[j],) or not (np.isfinite(q) & (q >= 0)).all():
            raise ValueError(
                f"marginals[{j}]: expected probabilities of shape ({log_p.shape[j]},), got shape {q.shape}"
            )
        if j != i and abs(q.sum() - 1) > SUM_TOLERANCE:
            raise ValueError(f"marginals[{j}]: expected probabilities that sum to 1, got a sum of {q.sum()}")
        weights = np.multiply.outer(weights, np.ones_like(q) if j == i else q)
    others = tuple(j for j in range(log_p.ndim) if j != i)
    field = np.multiply(weights, log_p, out=np.zeros_like(log_p), where=weights > 0).sum(axis=others)
    if np.isneginf(field).all():
        raise ValueError(
            f"marginals: expected factors that leave some state of coordinate {i} possible, got none"
        )
    q = np.exp(field - field.max())
    return q / q.sum()


def coordinate_ascent_torus(
    fields, coupling: float, initial_mean=None, *, max_sweeps: int = 10_000, tol: float | None = None
) -> IsingMeanField:
    """Mean field on a periodic square lattice by red-black sweeps: spins of one colour don't see each other.

    Parameters
    ----------
    fields : array_like, shape (R, C), float32 or float64
        Both sides even, so that the two colours exist.
    coupling : float
        K of every bond.
    initial_mean : array_like, shape (R, C), optional
        Start; by default tanh(fields), and SYMMETRY_BREAKING where the field is zero.
    max_sweeps : int
    tol : float, optional
        Largest change of a mean in a sweep at convergence: TOLERANCE by default, or a few units of rounding for float32.

    Returns
    -------
    IsingMeanField
        `mean` in the dtype of the fields.

    Raises
    ------
    ValueError
        If an argument is malformed, or sums of fields and couplings would overflow.
    """
    return _lattice_ascent(fields, coupling, initial_mean, max_sweeps, tol, periodic=True)


def denoise(
    image, coupling: float, sigma: float, *, max_sweeps: int = 1000, tol: float | None = None
) -> IsingMeanField:
    """Posterior means of a ±1 image seen with Gaussian noise, under an Ising prior with free edges.

    Pixel y_i = s_i + sigma ε_i; the log-odds of the likelihood are 2 y_i / sigma², so the field is y_i / sigma².

    Parameters
    ----------
    image : array_like, shape (R, C), float32 or float64
        The noisy pixels.
    coupling : float
        K of every bond of the prior; neighbours are left, right, above and below, without wrapping round.
    sigma : float
        Standard deviation of the noise, above 0.
    max_sweeps : int
    tol : float, optional
        As for `coordinate_ascent_torus`.

    Returns
    -------
    IsingMeanField
        `mean` in the dtype of the image; its sign is the denoised image.

    Raises
    ------
    ValueError
        If an argument is malformed, or image / sigma² or its sums with couplings would overflow.

    References
    ----------
    Geman & Geman (1984); Murphy (2012), Machine learning: a probabilistic perspective, §21.3.2.
    """
    if not (np.isfinite(sigma) and sigma > 0):
        raise ValueError(f"sigma: expected a number above 0, got {sigma}")
    image = _lattice("image", image)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        fields = (image / image.dtype.type(sigma) ** 2).astype(image.dtype)
    if not np.isfinite(fields).all():
        raise ValueError(f"sigma: expected one for which image / sigma² is finite, got {sigma}")
    return _lattice_ascent(fields, coupling, None, max_sweeps, tol, periodic=False)


def _lattice_ascent(fields, coupling, initial_mean, max_sweeps, tol, periodic) -> IsingMeanField:
    fields = _lattice("fields", fields)
    dtype = fields.dtype
    if periodic and (fields.shape[0] % 2 or fields.shape[1] % 2):
        raise ValueError(
            f"fields: expected even sides, so that red and black spins alternate, got {fields.shape}"
        )
    if not np.isfinite(coupling):
        raise ValueError(f"coupling: expected a finite number, got {coupling}")
    if tol is None:
        tol = TOLERANCE if dtype == np.float64 else 4 * float(np.finfo(np.float32).eps)
    _check_stopping(max_sweeps, tol)
    if initial_mean is None:
        mean = np.where(fields == 0, dtype.type(SYMMETRY_BREAKING), np.tanh(fields))
    else:
        mean = _means("initial_mean", initial_mean, fields.shape).astype(dtype, order="C")
    largest = float(np.finfo(dtype).max) / 4
    if not fields.size * (float(max(fields.max(), -fields.min())) + 4 * abs(float(coupling))) <= largest:
        raise ValueError(
            f"coupling: expected one whose sums with the fields stay finite in {dtype}, got {coupling} with fields up to "
            f"{np.abs(fields).max():.3g}"
        )
    coupling = dtype.type(coupling)
    trace = [_lattice_bound(fields, coupling, mean, periodic)]
    change = np.inf
    while len(trace) <= max_sweeps and change > tol:
        change = float(sweep_lattice(mean, fields, coupling, periodic))
        trace.append(_lattice_bound(fields, coupling, mean, periodic))
    return IsingMeanField(mean, trace[-1], np.array(trace), len(trace) - 1, change <= tol)


def sweep_lattice(mean: np.ndarray, fields: np.ndarray, coupling: float, periodic: bool) -> float:
    """One red-black sweep in place; returns the largest change.

    Parameters
    ----------
    mean, fields : ndarray, shape (R, C), float32 or float64, C-contiguous
        `mean` is changed. Not validated: this is the inner step of the functions above.
    coupling : float
        K of every bond.
    periodic : bool
        Whether the lattice closes to a torus.

    Returns
    -------
    float
        The largest change of a mean.
    """
    num_chunks = min(CHUNKS, 1 + mean.shape[0] // 32)
    return float(_lattice_kernels.sweep(mean, fields, mean.dtype.type(coupling), periodic, num_chunks))


def _lattice_bound(fields, coupling, mean, periodic) -> float:
    """The bound in float64, whatever the dtype of the lattice."""
    m = mean.astype(np.float64)
    pairs = np.sum(m[:, :-1] * m[:, 1:]) + np.sum(m[:-1] * m[1:])
    if periodic:
        pairs += np.sum(m[:, -1] * m[:, 0]) + np.sum(m[-1] * m[0])
    return float(_spin_entropy(m).sum() + np.sum(fields * m) + float(coupling) * pairs)


def fit_factor_graph(
    graph: FactorGraph, *, max_sweeps: int = 10_000, tol: float = TOLERANCE, num_starts: int = 1, rng=None
) -> FactorGraphMeanField:
    """Mean field of a discrete factor graph by sequential coordinate ascent.

    The first start is uniform; further ones are drawn from a flat Dirichlet, and the best bound is kept. A factor that
    forbids states (-inf) would make every expectation -inf at a uniform start, so each of its zeros is first softened to
    e^-L below its largest entry, L rising until the product has left the forbidden states: the final sweeps are with the zeros
    themselves. A product distribution can only live on states that are possible in every combination.

    Parameters
    ----------
    graph : FactorGraph
    max_sweeps : int
    tol : float
        Largest change of a marginal in a sweep at convergence.
    num_starts : int
    rng : numpy.random.Generator
        Needed for more than one start.

    Returns
    -------
    FactorGraphMeanField

    Raises
    ------
    ValueError
        If the graph is malformed, or no product distribution with a finite bound was found.

    References
    ----------
    Koller & Friedman (2009), Probabilistic graphical models, §11.5.1.
    """
    graph = validate_factor_graph(graph)
    _check_stopping(max_sweeps, tol)
    whole(num_starts=num_starts)
    if num_starts < 1:
        raise ValueError(f"num_starts: expected at least 1, got {num_starts}")
    if num_starts > 1 and rng is None:
        raise ValueError("rng: expected a numpy.random.Generator for more than one start, got None")
    flat = flatten(graph)
    best = None
    for start in range(num_starts):
        q = np.concatenate(
            [np.full(k, 1 / k) if start == 0 else rng.dirichlet(np.ones(k)) for k in graph.cardinalities]
        )
        result = _fit_flat(flat, q, max_sweeps, tol)
        if result is not None and (best is None or result.log_partition_bound > best.log_partition_bound):
            best = result
    if best is None:
        raise ValueError(
            "graph: expected one with a product distribution that avoids its forbidden states, and coordinate ascent found "
            "none; try more starts"
        )
    return best


SOFTENING = (1.0, 10.0, 100.0, 1000.0)
"""Penalties in nats that stand in for forbidden states before the exact sweeps; the last leaves e^-1000 = 0 of mass."""


def _fit_flat(flat: Flat, q: np.ndarray, max_sweeps: int, tol: float) -> FactorGraphMeanField | None:
    """Coordinate ascent from q, which is changed; None where it finds no product that avoids the forbidden states."""
    if any(np.isneginf(array).any() for array in (flat.unary, flat.edge_tables, flat.tables)):
        for penalty in SOFTENING:
            ascend_graph(softened(flat, penalty), q, max_sweeps, float(tol), np.empty(max_sweeps + 1))
    trace = np.empty(max_sweeps + 1)
    sweeps, converged = ascend_graph(flat, q, max_sweeps, float(tol), trace)
    if not np.isfinite(trace[sweeps]):
        return None
    marginals = tuple(q[a:b].copy() for a, b in zip(flat.offsets[:-1], flat.offsets[1:], strict=True))
    return FactorGraphMeanField(
        marginals, float(trace[sweeps]), trace[: sweeps + 1].copy(), int(sweeps), bool(converged)
    )


def _spin_entropy(m: np.ndarray) -> np.ndarray:
    """Entropy of each spin, with 0 log 0 = 0."""
    up, down = (1 + m) / 2, (1 - m) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return -np.where(up > 0, up * np.log(up), 0.0) - np.where(down > 0, down * np.log(down), 0.0)


def _means(name: str, value, shape: tuple[int, ...]) -> np.ndarray:
    m = reals(name, value, np.float64)
    if m.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {m.shape}")
    if not (np.abs(m) <= 1).all():
        raise ValueError(f"{name}: expected means in [-1, 1], got others")
    return m


def _lattice(name: str, value) -> np.ndarray:
    array = reals(name, value)
    dtype = np.float32 if array.dtype == np.float32 else np.float64
    array = real_array(name, array, 2, dtype)
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one spin, got shape {array.shape}")
    return np.ascontiguousarray(array)


def _check_stopping(max_sweeps: int, tol: float) -> None:
    whole(max_sweeps=max_sweeps)
    if max_sweeps < 1:
        raise ValueError(f"max_sweeps: expected at least 1, got {max_sweeps}")
    if not tol >= 0:
        raise ValueError(f"tol: expected a number of at least 0, got {tol}")
