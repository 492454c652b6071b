"""The two Kullback-Leibler divergences of a Gaussian q and a density p, and the q that minimises each.

KL(p‖q) is least where q has p's mean and covariance: it covers all of p's mass. KL(q‖p) forces q to zero where p is near zero: its
minimum has no closed form in general, and may have several local ones, often one at each mode. KL is in nats; a mean has shape (d,), a
covariance (d, d), also where d = 1. float32 is accepted, and everything is computed in float64.

    >>> import numpy as np
    >>> mixture = ([0.5, 0.5], [[-2.0], [2.0]], [[[0.49]], [[0.49]]])
    >>> float(moment_match(*mixture).covariance[0, 0])
    4.49
    >>> optima = fit_reverse_kl(lambda x: log_mixture(x, *mixture), [[-1.0], [1.0]])
    >>> sorted(round(float(q.mean[0]), 2) for q in optima)
    [-1.98, 1.98]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np

from lectures_lib._validation import SYMMETRY_RTOL, real_array, reals, whole

__all__ = [
    "MASS_TOLERANCE",
    "SCALES",
    "SPACING",
    "TOLERANCE",
    "Gaussian",
    "GridKL",
    "ReverseFit",
    "fit_reverse_kl",
    "forward_kl_factorized",
    "kl_gaussian",
    "kl_grid",
    "log_mixture",
    "moment_match",
    "reverse_kl_factorized",
]

TOLERANCE = 1e-9
"""Norm of the gradient at convergence, in units in which q is the standard normal: whatever the scale of p."""

SPACING = {1: 1 / 16, 2: 1 / 8}
"""Distance of the quadrature's nodes by dimension, in the same units."""

REACH = 8.0
"""The nodes fill a ball of this radius, in the same units; a Gaussian has 1e-14 of its mass outside."""

QUADRATURE_TOLERANCE = 1e-6
"""Largest change of the value with nodes twice as dense for a fit to count as converged, relative to its size or to 1,
whichever is larger."""

SAME_OPTIMUM = 1e-6
"""Two fits are one optimum where the KL between them is below this: their means are within 0.0015 standard deviations."""

NEGATIVE_CURVATURE = 1e-6
"""A stationary point with curvature below minus this is a saddle."""

FARTHEST = 1e30
"""A fit that grows, shrinks or moves by this factor of its first scale is given up: its KL has no minimum."""

SCALES = (1e-120, 1e120)
"""Scales to start with: what is FARTHEST from them has a square that neither overflows nor vanishes."""

NOISE_LIMIT = 1e-3
"""Where rounding makes the gradient less certain than this, a vanishing gradient shows nothing."""

MASS_TOLERANCE = 1e-3
"""How far the mass on a grid may be from 1."""


class Gaussian(NamedTuple):
    """A Gaussian of d dimensions.

    Attributes
    ----------
    mean : ndarray, shape (d,), float64
    covariance : ndarray, shape (d, d), float64
    """

    mean: np.ndarray
    covariance: np.ndarray


class GridKL(NamedTuple):
    """KL on a grid, with what the grid holds of each density: 1 - mass lies outside, or is the error of the grid.

    Attributes
    ----------
    kl : float
    mass_q : float
    mass_p : float
    """

    kl: float
    mass_q: float
    mass_p: float


class ReverseFit(NamedTuple):
    """One local optimum of KL(q‖p).

    Attributes
    ----------
    mean : ndarray, shape (d,)
    covariance : ndarray, shape (d, d)
    value : float
        E_q[log q - log p̃], the negative ELBO: KL(q‖p) - log Z for p̃ = Z p.
    num_iter : int
        Evaluations of log_p, a set of nodes each.
    converged : bool
        Whether the gradient vanishes, the curvature is not negative, and nodes twice as dense give the same value.
    quadrature_error : float
        The change of `value` with nodes twice as dense.
    starts : tuple of int
        Indices of the starts that led here; the other fields are those of the first.
    """

    mean: np.ndarray
    covariance: np.ndarray
    value: float
    num_iter: int
    converged: bool
    quadrature_error: float
    starts: tuple[int, ...]


def kl_gaussian(m0, S0, m1, S1) -> float:
    """KL(N(m0, S0) ‖ N(m1, S1)) in nats.

    With W = L1⁻¹ L0 of the Cholesky factors it is ½ [Σ_i (W_ii² - 1 - log W_ii²) + Σ_{i>j} W_ij² + ‖L1⁻¹ (m1 - m0)‖²]: every term is at
    least 0, so nothing cancels.

    Parameters
    ----------
    m0, m1 : array_like, shape (d,)
    S0, S1 : array_like, shape (d, d), symmetric positive definite

    Returns
    -------
    float
        inf where it overflows.

    Raises
    ------
    ValueError
        If a shape doesn't fit, a number isn't finite, or a covariance isn't symmetric and positive definite.

    References
    ----------
    Bishop (2006), Pattern recognition and machine learning, §1.6.1 and exercise 2.13.
    """
    m0 = _mean("m0", m0)
    d = len(m0)
    m1 = _mean("m1", m1, d)
    S0, S1 = _covariance("S0", S0, d), _covariance("S1", S1, d)
    # In units of S1's standard deviations, so that a general solver loses nothing on badly scaled coordinates.
    L0, L1 = _cholesky("S0", S0), _cholesky("S1", S1)
    scale = np.sqrt(np.diagonal(S1))
    with np.errstate(over="ignore", invalid="ignore"):
        L0, L1 = L0 / scale[:, None], L1 / scale[:, None]
        W = np.tril(np.linalg.solve(L1, L0))
        ratio = np.diagonal(W)
        shift = np.linalg.solve(L1, (m1 - m0) / scale)
        own = np.maximum(ratio**2 - 1 - 2 * np.log(ratio), 0.0)
        kl = float(0.5 * (own.sum() + np.sum(np.tril(W, -1) ** 2) + shift @ shift))
    return np.inf if np.isnan(kl) else kl  # every term is at least 0: NaN comes of overflow alone


def moment_match(weights, means, covariances) -> Gaussian:
    """Mean and covariance of a mixture of Gaussians: the minimiser of KL(p‖q) among Gaussian q.

    The covariance is that within the components plus that between their means.

    Parameters
    ----------
    weights : array_like, shape (K,), non-negative, summing to 1
    means : array_like, shape (K, d)
    covariances : array_like, shape (K, d, d), symmetric positive semidefinite

    Returns
    -------
    Gaussian

    Raises
    ------
    ValueError
        If a shape doesn't fit, a number isn't finite, the weights are no distribution, a covariance isn't symmetric and positive
        semidefinite, or the result overflows.

    References
    ----------
    Minka (2005), Divergence measures and message passing; Bishop (2006), §10.7.
    """
    single = reals("covariances", covariances).dtype == np.float32
    weights, means, covariances = _mixture(weights, means, covariances)
    eigenvalues = np.linalg.eigvalsh(covariances)
    if (eigenvalues[:, 0] < -(1e-5 if single else SYMMETRY_RTOL) * np.abs(eigenvalues).max(axis=1)).any():
        raise ValueError(
            f"covariances: expected positive semidefinite matrices, got one with eigenvalue {eigenvalues.min():.6g}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        mean = weights @ means
        between = means - mean
        covariance = np.einsum("k,kij->ij", weights, covariances) + (weights * between.T) @ between
    if not np.isfinite(covariance).all():
        raise ValueError(
            f"means: expected ones whose squares stay finite, got up to {np.abs(means).max():.3g}"
        )
    return Gaussian(mean, (covariance + covariance.T) / 2)


def reverse_kl_factorized(S) -> np.ndarray:
    """Variances 1 / Λ_ii, Λ = S⁻¹, of the product of Gaussians that minimises KL(q‖p) for p = N(m, S), shape (d,).

    They are the conditional variances of each coordinate given the others, so too small for the marginals. The mean is p's.

    Parameters
    ----------
    S : array_like, shape (d, d), symmetric positive definite

    Returns
    -------
    ndarray, shape (d,), float64

    Raises
    ------
    ValueError
        If S is malformed.

    References
    ----------
    Bishop (2006), §10.1.2, eq. 10.12 to 10.15.
    """
    S = _covariance("S", S)
    L, variances = _cholesky("S", S), np.diagonal(S)
    inverse = np.linalg.solve(L / np.sqrt(variances)[:, None], np.eye(len(S)))
    return variances / np.sum(np.tril(inverse) ** 2, axis=0)


def forward_kl_factorized(S) -> np.ndarray:
    """Variances Σ_ii of the product of Gaussians that minimises KL(p‖q) for p = N(m, S): the marginals'.

    Parameters
    ----------
    S : array_like, shape (d, d), symmetric positive definite

    Returns
    -------
    ndarray, shape (d,), float64

    Raises
    ------
    ValueError
        If S is malformed.

    References
    ----------
    Bishop (2006), Pattern recognition and machine learning, §10.1.2.
    """
    S = _covariance("S", S)
    _cholesky("S", S)
    return np.diagonal(S).copy()


def kl_grid(log_q, log_p, dx: float, *, mass_tol: float = MASS_TOLERANCE) -> GridKL:
    """KL(q‖p) of two normalised densities given by their logs on a regular grid.

    A point where q is 0 adds nothing; q above 0 where p is 0 makes the KL infinite.

    Parameters
    ----------
    log_q, log_p : array_like, one shape of any number of dimensions
        Log densities; -inf marks density zero.
    dx : float
        Volume of a cell: the product of the spacings.
    mass_tol : float
        How far the mass of q may be from 1, and that of p above 1. (What p has outside the grid doesn't matter where q has nothing
        there.) np.inf switches the guard off but for infinite masses; the masses are reported anyway.

    Returns
    -------
    GridKL

    Raises
    ------
    ValueError
        If the shapes differ, a log is NaN or +inf, dx isn't above 0, or a mass is beyond the tolerance: then q reaches outside the grid,
        the grid is too coarse, or a density isn't normalised.
    """
    log_q, log_p = _log_table("log_q", log_q), _log_table("log_p", log_p)
    if log_q.shape != log_p.shape:
        raise ValueError(f"log_p: expected shape {log_q.shape} to match log_q, got {log_p.shape}")
    if not (np.isfinite(dx) and dx > 0):
        raise ValueError(f"dx: expected a cell volume above 0, got {dx}")
    if not mass_tol >= 0:
        raise ValueError(f"mass_tol: expected a number of at least 0, got {mass_tol}")
    with np.errstate(over="ignore"):
        q, p = np.exp(log_q + np.log(dx)), np.exp(log_p + np.log(dx))
    mass_q, mass_p = float(q.sum()), float(p.sum())
    if abs(mass_q - 1) > mass_tol:
        raise ValueError(f"log_q: expected mass 1 on the grid, got {mass_q:.6g}")
    if mass_p - 1 > mass_tol:
        raise ValueError(f"log_p: expected mass of at most 1 on the grid, got {mass_p:.6g}")
    if not (np.isfinite(mass_q) and np.isfinite(mass_p)):
        raise ValueError(f"log_q, log_p: expected a finite mass on the grid, got {mass_q} and {mass_p}")
    held = q > 0
    return GridKL(float(np.sum(q[held] * (log_q[held] - log_p[held]))), mass_q, mass_p)


def log_mixture(x, weights, means, covariances) -> np.ndarray:
    """Log density of a mixture of Gaussians at points, shape (n,), float64.

    Parameters
    ----------
    x : array_like, shape (n, d)
    weights, means, covariances
        As for `moment_match`, with positive definite covariances.

    Returns
    -------
    ndarray, shape (n,), float64
        -inf where it overflows, 1e154 standard deviations away.

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    weights, means, covariances = _mixture(weights, means, covariances)
    d = means.shape[1]
    x = real_array("x", x, 2)
    if x.shape[1] != d:
        raise ValueError(f"x: expected shape (n, {d}) to match means, got {x.shape}")
    logs = np.empty((len(weights), len(x)))
    for k, covariance in enumerate(covariances):
        L = _cholesky(f"covariances[{k}]", covariance)
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.sum(np.linalg.solve(L, (x - means[k]).T) ** 2, axis=0)
        squares[np.isnan(squares)] = np.inf  # of coordinates that overflow, with either sign
        logs[k] = -0.5 * squares - np.log(np.diagonal(L)).sum()
    with np.errstate(divide="ignore"):
        logs += np.log(weights)[:, None] - 0.5 * d * np.log(2 * np.pi)
        top = np.maximum(logs.max(axis=0), -np.finfo(np.float64).max)
        return top + np.log(np.exp(logs - top).sum(axis=0))


def fit_reverse_kl(
    log_p: Callable[[np.ndarray], np.ndarray],
    starts,
    *,
    scale=1.0,
    diagonal: bool = False,
    spacing: float | None = None,
    max_iter: int = 500,
    tol: float = TOLERANCE,
) -> list[ReverseFit]:
    """All the local minima of KL(q‖p) over Gaussian q that the starts lead to, the least first.

    Newton's method within a trust region, on the mean and the logarithm of the covariance, in units in which q is the standard normal:
    changing the units of x changes nothing. Gradient and curvature of E_q log p are expectations of log p times Hermite polynomials, so
    log p needs no derivative. The expectations are sums over nodes that move with q, so q can't slip out of a grid. A start on a saddle
    leaves it along the negative curvature.

    Parameters
    ----------
    log_p : callable
        Log density, up to a constant, at points (n, d): returns (n,). It must be finite everywhere: a Gaussian has mass wherever p is 0,
        so KL(q‖p) would be infinite.
    starts : array_like, shape (num_starts, d), d = 1 or 2
        Means to start from.
    scale : float or array_like, shape (d,)
        Standard deviations to start with, within SCALES. A start much wider than a mode may leave for another one.
    diagonal : bool
        Whether q's covariance is diagonal.
    spacing : float, optional
        Distance of the quadrature's nodes in standard deviations; by default SPACING.
    max_iter : int
        Evaluations of log_p from each start.
    tol : float
        Norm of the gradient at convergence; rounding of log_p is allowed for.

    Returns
    -------
    list of ReverseFit
        Fits that didn't converge are kept too, and say so: the KL may have no minimum (p with heavy tails has one, a constant p none).

    Raises
    ------
    ValueError
        If an argument is malformed, or log_p isn't finite around a start.

    References
    ----------
    Opper & Archambeau (2009), The variational Gaussian approximation revisited; Trefethen & Weideman (2014), The exponentially
    convergent trapezoidal rule; Bishop (2006), fig. 10.3, and Minka (2005) on the several optima.
    """
    starts = real_array("starts", starts, 2)
    num_starts, d = starts.shape
    if num_starts == 0 or d not in SPACING:
        raise ValueError(f"starts: expected shape (num_starts, 1) or (num_starts, 2), got {starts.shape}")
    scale = reals("scale", scale, np.float64)
    if scale.shape not in ((), (d,)) or not ((scale >= SCALES[0]) & (scale <= SCALES[1])).all():
        raise ValueError(
            f"scale: expected a number above 0, or {d} of them, from {SCALES[0]:g} to {SCALES[1]:g}, got {scale}"
        )
    spacing = SPACING[d] if spacing is None else spacing
    if not 1e-3 <= spacing <= 1:
        raise ValueError(f"spacing: expected a number from 0.001 to 1, got {spacing}")
    whole(max_iter=max_iter)
    if max_iter < 1:
        raise ValueError(f"max_iter: expected at least 1, got {max_iter}")
    if not tol >= 0:
        raise ValueError(f"tol: expected a number of at least 0, got {tol}")
    root = np.diag(np.broadcast_to(scale, d))
    fits: list[ReverseFit] = []
    for i, start in enumerate(starts):
        fit = _descend(log_p, start, root, diagonal, spacing, max_iter, tol)._replace(starts=(i,))
        same = next((k for k, other in enumerate(fits) if _same(fit, other)), None)
        if same is None:
            fits.append(fit)
        else:
            fits[same] = fits[same]._replace(starts=(*fits[same].starts, i))
    return sorted(fits, key=lambda fit: fit.value)


def _descend(log_p, start, root, diagonal, spacing, max_iter, tol) -> ReverseFit:
    """One fit. `root` is any matrix A with covariance A Aᵀ; a step is a change a of the mean and C of log covariance, both in q's units."""
    d, mean, unit = len(start), start.copy(), root.max()
    basis = _symmetric_basis(d, diagonal)
    logs = _evaluate(log_p, mean, root, spacing)
    if not np.isfinite(logs).all():
        z = _nodes(d, spacing)[0][int(np.flatnonzero(~np.isfinite(logs))[0])]
        raise ValueError(
            f"log_p: expected finite numbers around the start {mean}, got {logs[~np.isfinite(logs)][0]} "
            f"at {mean + root @ z}"
        )
    value, gradient, hessian, noise = _expansion(logs, mean, root, basis, spacing)
    radius, num_iter, stationary = 1.0, 1, False
    while num_iter < max_iter:
        curvature, directions = np.linalg.eigh(hessian)
        if np.linalg.norm(gradient) <= tol + noise:
            if curvature[0] >= -NEGATIVE_CURVATURE:
                stationary = True
                break
            # LAPACK's sign would choose one of the two ways down, on each machine its own; this one makes q narrower, or its mean smaller.
            way = directions[:, 0]
            step = -np.copysign(min(radius, 0.5), way[np.abs(way).argmax()]) * way
            length = 0.0
        else:
            # Along each direction Newton's step, downhill also where the curvature is negative.
            along = -(directions.T @ gradient) / np.maximum(np.abs(curvature), 1e-8)
            step = directions @ along
            length = np.linalg.norm(step)
            step *= min(1.0, radius / length)
        new_mean, new_root = _moved(mean, root, step, basis)
        widths = np.linalg.svd(new_root, compute_uv=False)
        farthest = max(widths[0], np.abs(new_mean - start).max())
        if farthest > FARTHEST * unit or widths[-1] < unit / FARTHEST:
            break
        predicted = -(gradient @ step + 0.5 * step @ hessian @ step)
        if length > radius and predicted <= noise:
            break  # the value has contradicted the gradient again and again, as where the nodes lie too far apart for p
        logs = _evaluate(log_p, new_mean, new_root, spacing)
        num_iter += 1
        if np.isfinite(logs).all():
            new = _expansion(logs, new_mean, new_root, basis, spacing)
            gain = value - new[0]
        else:
            gain = -np.inf
        if gain >= 0.1 * predicted - noise:
            if gain > 0.75 * predicted and np.linalg.norm(step) > 0.9 * radius:
                radius *= 2
            mean, root = new_mean, new_root
            value, gradient, hessian, noise = new
        else:
            radius = np.linalg.norm(step) / 4
            if radius < 1e-12:
                break
    finer = _evaluate(log_p, mean, root, spacing / 2)
    error = np.inf
    if np.isfinite(finer).all():
        error = abs(_expansion(finer, mean, root, basis, spacing / 2)[0] - value)
    accurate = error <= QUADRATURE_TOLERANCE * max(1.0, abs(value)) and noise <= NOISE_LIMIT
    converged = stationary and accurate
    return ReverseFit(mean, root @ root.T, float(value), num_iter, bool(converged), float(error), ())


def _evaluate(log_p, mean, root, spacing) -> np.ndarray:
    nodes = _nodes(len(mean), spacing)[0]
    logs = reals("log_p", log_p(mean + nodes @ root.T))
    if logs.shape != (len(nodes),):
        raise ValueError(f"log_p: expected shape ({len(nodes)},) for {len(nodes)} points, got {logs.shape}")
    return logs


def _expansion(logs, mean, root, basis, spacing) -> tuple[float, np.ndarray, np.ndarray, float]:
    """E_q[log q - log p], its gradient and Hessian in the mean and in C = log covariance, and the size of their rounding."""
    d = len(root)
    nodes, weights = _nodes(d, spacing)
    unit = np.finfo(logs.dtype if logs.dtype.kind == "f" else np.float64).eps
    logs = logs.astype(np.float64)
    level = float(weights @ logs)
    # Rounding of log p, and of the points where q is narrow for its distance from 0.
    shift = np.finfo(np.float64).eps * np.abs(np.linalg.solve(root, mean)).max()
    noise = float(10 * (unit * np.abs(logs).max() + shift * np.abs(logs - level).max()))
    weighted = weights * (logs - level)
    pairs = (nodes[:, :, None] * nodes[:, None, :]).reshape(-1, d * d)
    eye = np.eye(d)
    # E[He_α(z) f] for Hermite polynomials of degree 1 to 4: the derivatives of E f in the mean and, by Price, in the covariance.
    first = weighted @ nodes
    second = (weighted @ pairs).reshape(d, d)
    third = ((weighted[:, None] * nodes).T @ pairs).reshape(d, d, d)
    fourth = ((weighted[:, None] * pairs).T @ pairs).reshape(d, d, d, d)
    third = third - sum(np.einsum(f"ij,k->{out}", eye, first) for out in ("ijk", "ikj", "kij"))
    outs = ("ijkl", "ikjl", "iklj", "kijl", "kilj", "klij")
    fourth = fourth - sum(np.einsum(f"ij,kl->{out}", eye, second) for out in outs)
    gradient = np.concatenate([-first, -0.5 * np.einsum("pij,ij->p", basis, eye + second)])
    cross = -0.5 * np.einsum("ijk,pjk->ip", third, basis)
    square = np.einsum("pij,qjk,ki->pq", basis, basis, second)
    own = -0.25 * (square + square.T) - 0.25 * np.einsum("pij,ijkl,qkl->pq", basis, fourth, basis)
    hessian = np.block([[-second, cross], [cross.T, own]])
    value = -0.5 * d * np.log(2 * np.pi * np.e) - np.linalg.slogdet(root)[1] - level
    return value, gradient, hessian, noise


def _moved(mean, root, step, basis) -> tuple[np.ndarray, np.ndarray]:
    """The mean and root of the covariance A exp(C) Aᵀ after a step."""
    d = len(mean)
    eigenvalues, vectors = np.linalg.eigh(np.einsum("p,pij->ij", step[d:], basis))
    eigenvalues = np.clip(eigenvalues, -100, 100)  # e^100 is far in one step, and finite
    return mean + root @ step[:d], root @ (vectors * np.exp(eigenvalues / 2)) @ vectors.T


@cache
def _nodes(d: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, d) of the trapezoidal rule for a standard normal, and weights (n,) that sum to 1."""
    side = spacing * np.arange(-np.floor(REACH / spacing), np.floor(REACH / spacing) + 1)
    nodes = np.stack(np.meshgrid(*[side] * d, indexing="ij"), axis=-1).reshape(-1, d)
    squares = (nodes**2).sum(axis=1)
    inside = squares <= REACH**2
    weights = np.exp(-0.5 * squares[inside])
    return nodes[inside], weights / weights.sum()


@cache
def _symmetric_basis(d: int, diagonal: bool) -> np.ndarray:
    """Symmetric matrices (P, d, d) that span the changes C of the log covariance."""
    pairs = [(i, j) for i in range(d) for j in range(i, d) if i == j or not diagonal]
    basis = np.zeros((len(pairs), d, d))
    for p, (i, j) in enumerate(pairs):
        basis[p, i, j] = basis[p, j, i] = 1 if i == j else np.sqrt(0.5)
    return basis


def _same(fit: ReverseFit, other: ReverseFit) -> bool:
    if not (fit.converged and other.converged):
        return False
    return kl_gaussian(fit.mean, fit.covariance, other.mean, other.covariance) < SAME_OPTIMUM


def _mean(name: str, value, d: int | None = None) -> np.ndarray:
    mean = real_array(name, value, 1)
    if len(mean) == 0 or (d is not None and len(mean) != d):
        raise ValueError(f"{name}: expected shape ({'d' if d is None else d},), got {mean.shape}")
    return mean


def _covariance(name: str, value, d: int | None = None) -> np.ndarray:
    """A symmetric matrix with a positive diagonal; whether it is positive definite is for `_cholesky` to find."""
    single = reals(name, value).dtype == np.float32
    S = real_array(name, value, 2)
    if S.shape[0] == 0 or S.shape != (len(S) if d is None else d,) * 2:
        expected = "(d, d)" if d is None else f"({d}, {d})"
        raise ValueError(f"{name}: expected shape {expected}, got {S.shape}")
    scale = np.sqrt(np.abs(np.diagonal(S)))
    if (np.abs(S - S.T) > (1e-5 if single else SYMMETRY_RTOL) * np.outer(scale, scale)).any():
        raise ValueError(f"{name}: expected a symmetric matrix, got one that differs from its transpose")
    return S


def _cholesky(name: str, S: np.ndarray) -> np.ndarray:
    try:
        return np.linalg.cholesky(S)
    except np.linalg.LinAlgError:
        raise ValueError(
            f"{name}: expected a positive definite matrix, got one with eigenvalue {np.linalg.eigvalsh(S)[0]:.6g}"
        ) from None


def _mixture(weights, means, covariances) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    weights, means = real_array("weights", weights, 1), real_array("means", means, 2)
    K, d = means.shape
    if K == 0 or d == 0:
        raise ValueError(f"means: expected shape (K, d), got {means.shape}")
    if weights.shape != (K,):
        raise ValueError(f"weights: expected shape ({K},) to match means, got {weights.shape}")
    if weights.min() < 0 or abs(weights.sum() - 1) > 1e-5:
        raise ValueError(
            f"weights: expected a distribution, got sum {weights.sum()} and least {weights.min()}"
        )
    covariances = reals("covariances", covariances)
    if covariances.shape != (K, d, d):
        raise ValueError(f"covariances: expected shape {(K, d, d)} to match means, got {covariances.shape}")
    return (
        weights,
        means,
        np.stack([_covariance(f"covariances[{k}]", S, d) for k, S in enumerate(covariances)]),
    )


def _log_table(name: str, value) -> np.ndarray:
    table = reals(name, value, np.float64)
    if table.size == 0 or np.isnan(table).any() or np.isposinf(table).any():
        raise ValueError(f"{name}: expected a table of log densities below +inf, got NaN, +inf or none")
    return table
