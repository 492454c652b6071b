"""EM for a mixture of K Gaussians with unit covariance and equal weights: x ~ (1/K) Σ_k N(μ_k, I_d).

EM is coordinate ascent on F(q, μ) = Σ_i H(q_i) + E_{q_i} log p(x_i, z_i), which equals the log-likelihood just where each q_i is the
posterior. All constants are kept: log p(x_i, z_i = k) = -log K - (d/2) log 2π - ½‖x_i - μ_k‖². Hard EM (k-means) is the same ascent with
each q_i a point mass. X has shape (n, d), means (K, d), responsibilities (n, K); float32 and float64 are computed in their own dtype,
sums in float64.

    >>> import numpy as np
    >>> X = np.array([[-3.0], [-2.0], [2.0], [3.0]])
    >>> result = fit(X, np.array([[-1.0], [1.0]]))
    >>> bool(np.allclose(result.means, [[-2.5], [2.5]], atol=0.02))
    True
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lectures_lib._fast_math import FASTMATH, exp, wide_vectors
from lectures_lib._validation import real_array, reals, whole

__all__ = [
    "TOLERANCE",
    "HardMixture",
    "Mixture",
    "e_step",
    "fit",
    "fit_restarts",
    "hard_em",
    "initial_means",
    "log_likelihood",
    "m_step",
    "objective",
]

CHUNKS = 64
"""The blocks of points are dealt out in at most this many chunks whatever the number of threads, and the chunks' sums are added in
order, so the result doesn't depend on the threads."""

BLOCK = 64
"""Points that are worked on together, laid out so that they lie side by side."""

TOLERANCE = 1e-9
"""Relative change of the log-likelihood at convergence: above its rounding, which is about 1e-13 for a million points."""


class Mixture(NamedTuple):
    """Result of `fit`.

    Attributes
    ----------
    means : ndarray, shape (K, d)
    responsibilities : ndarray, shape (n, K)
        Posterior under `means`.
    log_likelihood_trace : ndarray, shape (num_iter + 1,), float64
        The log-likelihood at the start and after each iteration; never falls beyond rounding.
    num_iter : int
    converged : bool
    """

    means: np.ndarray
    responsibilities: np.ndarray
    log_likelihood_trace: np.ndarray
    num_iter: int
    converged: bool


class HardMixture(NamedTuple):
    """Result of `hard_em`.

    Attributes
    ----------
    means : ndarray, shape (K, d)
    labels : ndarray, shape (n,), int64
        The nearest mean of each point.
    objective_trace : ndarray, shape (num_iter + 1,), float64
        F with point masses, at the start and after each iteration; never falls beyond rounding.
    num_iter : int
    converged : bool
        Whether the last iteration left every label as it was.
    """

    means: np.ndarray
    labels: np.ndarray
    objective_trace: np.ndarray
    num_iter: int
    converged: bool


def e_step(X, means) -> np.ndarray:
    """Posterior of each point's component, shape (n, K), rows summing to 1.

    Parameters
    ----------
    X : array_like, shape (n, d), float32 or float64
    means : array_like, shape (K, d)

    Returns
    -------
    ndarray, shape (n, K), the dtype of X

    Raises
    ------
    ValueError
        If a shape doesn't fit, a number isn't finite, or squared distances overflow.

    References
    ----------
    Dempster, Laird & Rubin (1977), Maximum likelihood from incomplete data via the EM algorithm, §4.3.
    """
    X, means = _data(X, means)
    responsibilities = np.empty((len(X), len(means)), dtype=X.dtype)
    _responsibilities_kernel(X, means, responsibilities)
    return responsibilities


def m_step(X, responsibilities, previous=None) -> np.ndarray:
    """Weighted mean of the points for each component, shape (K, d).

    Parameters
    ----------
    X : array_like, shape (n, d)
    responsibilities : array_like, shape (n, K), non-negative
    previous : array_like, shape (K, d), optional
        Means that components without any weight keep; without it such a component is an error.

    Returns
    -------
    ndarray, shape (K, d), the dtype of X

    Raises
    ------
    ValueError
        If a shape doesn't fit, a responsibility is negative, sums overflow, or an empty component has no previous mean.
    """
    X = _points(X)
    R = real_array("responsibilities", responsibilities, 2, X.dtype)
    if len(R) != len(X) or R.shape[1] == 0:
        raise ValueError(f"responsibilities: expected shape ({len(X)}, K), got {R.shape}")
    if R.min() < 0:
        raise ValueError(f"responsibilities: expected at least 0, got {R.min()}")
    with np.errstate(over="ignore", invalid="ignore"):
        weights = R.sum(axis=0, dtype=np.float64)
        sums = np.matmul(R.T, X, dtype=np.float64)
    if not (np.isfinite(weights).all() and np.isfinite(sums).all()):
        raise ValueError(f"responsibilities: expected ones whose sums stay finite, got up to {R.max()}")
    if previous is None and (weights == 0).any():
        raise ValueError(
            f"responsibilities: expected weight on every component, got none on {np.flatnonzero(weights == 0)}"
        )
    kept = np.zeros(sums.shape, X.dtype) if previous is None else _data(X, previous)[1]
    return _means_of(sums, weights, kept)


def log_likelihood(X, means) -> float:
    """Σ_i log p(x_i), constants included.

    Parameters
    ----------
    X : array_like, shape (n, d), float32 or float64
    means : array_like, shape (K, d)

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a shape doesn't fit, a number isn't finite, or squared distances overflow.

    References
    ----------
    Bishop (2006), Pattern recognition and machine learning, §9.2.
    """
    X, means = _data(X, means)
    return _pass(X, means)[2]


def objective(X, means, responsibilities) -> float:
    """F(q, μ) = Σ_i H(q_i) + E_{q_i} log p(x_i, z_i), with q_i the i-th row of `responsibilities`.

    Parameters
    ----------
    X, means : array_like, shapes (n, d) and (K, d)
    responsibilities : array_like, shape (n, K)
        Rows are distributions.

    Returns
    -------
    float
        At most the log-likelihood, and equal to it where the rows are the posteriors.

    Raises
    ------
    ValueError
        If a shape doesn't fit, a row is no distribution, or squared distances overflow.

    References
    ----------
    Neal & Hinton (1998), A view of the EM algorithm that justifies incremental, sparse, and other variants.
    """
    X, means = _data(X, means)
    q = real_array("responsibilities", responsibilities, 2)
    if q.shape != (len(X), len(means)):
        raise ValueError(f"responsibilities: expected shape {(len(X), len(means))}, got {q.shape}")
    if q.min() < 0 or np.abs(q.sum(axis=1) - 1).max() > 1e-5:
        raise ValueError("responsibilities: expected rows that are distributions, got others")
    squares = ((X[:, None, :] - means[None]) ** 2).sum(axis=2, dtype=np.float64)
    entropy = -np.sum(q * np.log(q, where=q > 0, out=np.zeros_like(q)))
    return float(entropy - 0.5 * np.sum(q * squares) + _constant(X, means))


def fit(X, means, *, max_iter: int = 1000, tol: float = TOLERANCE) -> Mixture:
    """EM from given means.

    Parameters
    ----------
    X : array_like, shape (n, d), float32 or float64
    means : array_like, shape (K, d)
        Start. Identical means stay identical: a saddle.
    max_iter : int
    tol : float
        Relative change of the log-likelihood in an iteration at convergence.

    Returns
    -------
    Mixture

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Dempster, Laird & Rubin (1977); Bishop (2006), Pattern recognition and machine learning, §9.2.2.
    """
    X, means = _data(X, means)
    _check_stopping(max_iter, tol)
    trace = np.empty(max_iter + 1)
    converged = False
    iteration = 0
    sums, weights, trace[0] = _pass(X, means)
    while iteration < max_iter and not converged:
        means = _means_of(sums, weights, means)
        sums, weights, trace[iteration + 1] = _pass(X, means)
        iteration += 1
        converged = bool(
            abs(trace[iteration] - trace[iteration - 1]) <= tol * max(1.0, abs(trace[iteration]))
        )
    return Mixture(means, e_step(X, means), trace[: iteration + 1].copy(), iteration, converged)


def hard_em(X, means, *, max_iter: int = 1000) -> HardMixture:
    """EM with each q_i a point mass on the nearest mean: k-means, as ascent on F. Ties go to the first component.

    A component without points keeps its mean.

    Parameters
    ----------
    X, means : array_like, shapes (n, d) and (K, d)
    max_iter : int

    Returns
    -------
    HardMixture

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Lloyd (1982), Least squares quantization in PCM; Neal & Hinton (1998), on restricted q.
    """
    X, means = _data(X, means)
    _check_stopping(max_iter, 0.0)
    labels, squares = _nearest(X, means)
    trace = [_constant(X, means) - 0.5 * squares]
    converged = False
    while len(trace) <= max_iter and not converged:
        weights = np.bincount(labels, minlength=len(means)).astype(np.float64)
        sums = np.zeros(means.shape)
        np.add.at(sums, labels, X)
        means = _means_of(sums, weights, means)
        new, squares = _nearest(X, means)
        converged = bool((new == labels).all())
        labels = new
        trace.append(_constant(X, means) - 0.5 * squares)
    return HardMixture(means, labels, np.array(trace), len(trace) - 1, converged)


def initial_means(
    X, num_components: int, rng: np.random.Generator, *, method: str = "k-means++"
) -> np.ndarray:
    """Choose starting means among the points, shape (K, d).

    Parameters
    ----------
    X : array_like, shape (n, d)
    num_components : int
        At most n.
    rng : numpy.random.Generator
    method : str
        "k-means++" draws each next point with probability proportional to its squared distance from those chosen; "data points" draws
        them uniformly without repetition.

    Returns
    -------
    ndarray, shape (K, d), the dtype of X
        K of the points.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Arthur & Vassilvitskii (2007), k-means++: the advantages of careful seeding.
    """
    X, _ = _data(X, X)
    whole(num_components=num_components)
    if not 1 <= num_components <= len(X):
        raise ValueError(
            f"num_components: expected 1 to {len(X)}, the number of points, got {num_components}"
        )
    if method == "data points":
        return X[rng.choice(len(X), num_components, replace=False)]
    if method != "k-means++":
        raise ValueError(f"method: expected 'k-means++' or 'data points', got {method!r}")
    chosen = [int(rng.integers(len(X)))]
    squares = np.full(len(X), np.inf)
    while len(chosen) < num_components:
        squares = np.minimum(squares, ((X - X[chosen[-1]]) ** 2).sum(axis=1, dtype=np.float64))
        total = squares.sum()
        # Where all points coincide with chosen ones, any further point is as good.
        chosen.append(int(rng.choice(len(X), p=squares / total if total > 0 else None)))
    return X[chosen]


def fit_restarts(
    X,
    num_components: int,
    rng: np.random.Generator,
    *,
    num_restarts: int = 10,
    method: str = "k-means++",
    **options,
) -> Mixture:
    """Run `fit` from several starts and keep the one with the largest log-likelihood.

    Parameters
    ----------
    X : array_like, shape (n, d), float32 or float64
    num_components : int
        K, at most n.
    rng : numpy.random.Generator
    num_restarts : int
    method : str
        As for `initial_means`.
    **options
        Passed to `fit`.

    Returns
    -------
    Mixture

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    whole(num_restarts=num_restarts)
    if num_restarts < 1:
        raise ValueError(f"num_restarts: expected at least 1, got {num_restarts}")
    results = [
        fit(X, initial_means(X, num_components, rng, method=method), **options) for _ in range(num_restarts)
    ]
    return max(results, key=lambda result: result.log_likelihood_trace[-1])


def _pass(X: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """One reading of the data: weighted sums (K, d) and weights (K,) of the E-step, and the log-likelihood."""
    sums, weights, logs = _pass_without_constant(X, means)
    return sums, weights, logs + _constant(X, means)


@njit(cache=True)
def _pass_without_constant(X, means):
    """As `_pass`, compiled whole: for few points, what NumPy takes for small arrays would tell."""
    num_chunks = _num_chunks(len(X))
    K, d = means.shape
    sums, weights, logs = np.zeros((num_chunks, K, d)), np.zeros((num_chunks, K)), np.zeros(num_chunks)
    _pass_kernel(X, means, sums, weights, logs)
    for chunk in range(1, num_chunks):
        logs[0] += logs[chunk]
        for k in range(K):
            weights[0, k] += weights[chunk, k]
            for j in range(d):
                sums[0, k, j] += sums[chunk, k, j]
    return sums[0], weights[0], logs[0]


@njit(cache=True)
def _num_chunks(n):
    """Chunks for n points: few points are worth few chunks, since each has working arrays of its own."""
    return min(CHUNKS, -(-n // (16 * BLOCK)))


@njit(cache=True, parallel=True, fastmath=FASTMATH)
def _pass_kernel(X, means, sums, weights, logs):
    n, d = X.shape
    K = means.shape[0]
    num_blocks, num_chunks = -(-n // BLOCK), logs.shape[0]
    for chunk in prange(num_chunks):
        wide_vectors()
        x = np.empty((d, BLOCK), dtype=X.dtype)
        score = np.empty((K, BLOCK), dtype=X.dtype)
        nearest = np.empty(BLOCK, dtype=X.dtype)
        normaliser = np.empty(BLOCK, dtype=X.dtype)
        for block in range(chunk * num_blocks // num_chunks, (chunk + 1) * num_blocks // num_chunks):
            first = block * BLOCK
            count = min(BLOCK, n - first)
            _block_posterior(X, first, count, means, x, score, nearest, normaliser)
            logs[chunk] += _sum_of_logs(normaliser[:count], K) - 0.5 * nearest[:count].sum()
            for k in range(K):
                weights[chunk, k] += score[k, :count].sum()
                for j in range(d):
                    total = X.dtype.type(0)
                    for b in range(count):
                        total += score[k, b] * x[j, b]
                    sums[chunk, k, j] += total


@njit(fastmath=FASTMATH, error_model="numpy")
def _block_posterior(X, first, count, means, x, score, nearest, normaliser):
    """Fill score[k, b] with the responsibilities of `count` points from `first` on, x with their transpose, nearest with the
    least squared distance, and normaliser with Σ_k exp(½(nearest - ‖x - μ_k‖²)), which lies in [1, K].

    Loops run over points: they are many, so that every loop is vectorised, whatever d and K. Dimensions go four at a time, since
    reading and writing the row of sums would take longer than the arithmetic of one.
    """
    wide_vectors()
    d, K = x.shape[0], means.shape[0]
    half = X.dtype.type(0.5)
    for b in range(count):
        for j in range(d):
            x[j, b] = X[first + b, j]
    for k in range(K):
        row = score[k]
        row[:count] = 0
        for j in range(0, d - 3, 4):
            m0, m1, m2, m3 = means[k, j], means[k, j + 1], means[k, j + 2], means[k, j + 3]
            for b in range(count):
                d0, d1, d2, d3 = x[j, b] - m0, x[j + 1, b] - m1, x[j + 2, b] - m2, x[j + 3, b] - m3
                row[b] += (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3)
        for j in range(d - d % 4, d):
            mean = means[k, j]
            for b in range(count):
                difference = x[j, b] - mean
                row[b] += difference * difference
    nearest[:count] = score[0, :count]
    for k in range(1, K):
        for b in range(count):
            nearest[b] = min(nearest[b], score[k, b])
    normaliser[:count] = 0
    for k in range(K):
        for b in range(count):
            score[k, b] = exp(half * (nearest[b] - score[k, b]))
            normaliser[b] += score[k, b]
    for k in range(K):
        for b in range(count):
            score[k, b] /= normaliser[b]


@njit(fastmath=FASTMATH, error_model="numpy")
def _sum_of_logs(numbers, largest):
    """Σ log of numbers in [1, largest]: the logarithm of products that can't overflow, so that few logarithms are taken."""
    group = max(1, int(600 / np.log(largest + 1.0)))
    total = 0.0
    for first in range(0, numbers.size, group):
        product = 1.0
        for number in numbers[first : first + group]:
            product *= number
        total += np.log(product)
    return total


@njit(cache=True, parallel=True, fastmath=FASTMATH)
def _responsibilities_kernel(X, means, responsibilities):
    n, d = X.shape
    K = means.shape[0]
    num_blocks, num_chunks = -(-n // BLOCK), _num_chunks(n)
    for chunk in prange(num_chunks):
        wide_vectors()
        x = np.empty((d, BLOCK), dtype=X.dtype)
        score = np.empty((K, BLOCK), dtype=X.dtype)
        nearest = np.empty(BLOCK, dtype=X.dtype)
        normaliser = np.empty(BLOCK, dtype=X.dtype)
        for block in range(chunk * num_blocks // num_chunks, (chunk + 1) * num_blocks // num_chunks):
            first = block * BLOCK
            count = min(BLOCK, n - first)
            _block_posterior(X, first, count, means, x, score, nearest, normaliser)
            for b in range(count):
                for k in range(K):
                    responsibilities[first + b, k] = score[k, b]


def _nearest(X: np.ndarray, means: np.ndarray) -> tuple[np.ndarray, float]:
    """Label of the nearest mean of each point, the first of equals, and the sum of squared distances."""
    labels = np.empty(len(X), dtype=np.int64)
    squares = np.empty(len(X))
    _nearest_kernel(X, means, labels, squares)
    return labels, float(squares.sum())


@njit(cache=True, parallel=True)
def _nearest_kernel(X, means, labels, squares):
    for i in prange(X.shape[0]):
        best = np.inf
        for k in range(means.shape[0]):
            total = 0.0
            for j in range(X.shape[1]):
                difference = X[i, j] - means[k, j]
                total += difference * difference
            if total < best:
                best = total
                labels[i] = k
        squares[i] = best


def _means_of(sums: np.ndarray, weights: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Divide sums by weights; components without weight keep their mean."""
    if weights.all():
        return (sums / weights[:, None]).astype(kept.dtype)
    empty = weights == 0
    means = sums / np.where(empty, 1.0, weights)[:, None]
    return np.where(empty[:, None], kept, means).astype(kept.dtype)


def _constant(X: np.ndarray, means: np.ndarray) -> float:
    """What does not depend on the means: -n (log K + (d/2) log 2π)."""
    return -len(X) * (math.log(len(means)) + 0.5 * X.shape[1] * math.log(2 * math.pi))


def _points(X) -> np.ndarray:
    X = reals("X", X)
    X = real_array("X", X, 2, np.float32 if X.dtype == np.float32 else np.float64)
    if X.size == 0:
        raise ValueError(f"X: expected shape (n, d) with at least one point and one dimension, got {X.shape}")
    return X


def _data(X, means) -> tuple[np.ndarray, np.ndarray]:
    X = _points(X)
    means = real_array("means", means, 2, X.dtype)
    if means.shape[1] != X.shape[1] or len(means) == 0:
        raise ValueError(f"means: expected shape (K, {X.shape[1]}) to match X, got {means.shape}")
    distance = float(max(X.max(), means.max())) - float(min(X.min(), means.min()))
    if not X.size * distance * distance <= float(np.finfo(X.dtype).max):
        raise ValueError(
            f"X: expected points whose squared distances from the means add up to a finite number in {X.dtype}, got coordinates "
            f"that are up to {distance:.3g} apart"
        )
    return X, means


def _check_stopping(max_iter: int, tol: float) -> None:
    whole(max_iter=max_iter)
    if max_iter < 1:
        raise ValueError(f"max_iter: expected at least 1, got {max_iter}")
    if not tol >= 0:
        raise ValueError(f"tol: expected a number of at least 0, got {tol}")
