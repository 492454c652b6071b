"""The Ising model: p(s) ∝ exp(½ sᵀJs + hᵀs) over spins s in {-1, +1}^n.

J is symmetric with a zero diagonal, h is the field; logarithms are natural. On a lattice `coupling` is the K of each bond, so
that the weight of a configuration is exp(K Σ_bonds s_i s_j + Σ_i h_i s_i). Exact log Z: by enumeration (any J, few spins), in
closed form on a chain, by transfer matrix on a strip, by Kaufman's formula on the torus without field.

    >>> import numpy as np
    >>> J = np.array([[0.0, 0.5], [0.5, 0.0]])
    >>> bool(np.isclose(log_partition(J, np.zeros(2)), np.log(2 * np.exp(0.5) + 2 * np.exp(-0.5))))
    True
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit, prange

from lectures_lib._fast_math import FASTMATH, exp
from lectures_lib._validation import finite_sums, ising_parameters, real_array, reals, whole

__all__ = [
    "CRITICAL_COUPLING",
    "MAX_ENUMERATED_SPINS",
    "MAX_MOMENT_SPINS",
    "MAX_STRIP_WIDTH",
    "Moments",
    "exact_moments",
    "gibbs_sample",
    "gibbs_sample_torus",
    "grid_couplings",
    "log_partition",
    "log_partition_chain",
    "log_partition_strip",
    "log_partition_torus",
    "onsager_log_partition_per_site",
    "onsager_magnetization",
]

CRITICAL_COUPLING = 0.5 * np.log(1 + np.sqrt(2))
"""K at which the square lattice orders: sinh 2K = 1 (Kramers & Wannier 1941)."""

MAX_ENUMERATED_SPINS = 30
"""2^30 configurations take some ten seconds; each further spin doubles that."""

MAX_MOMENT_SPINS = 20
"""Most spins whose moments are enumerated: every state adds to n² products."""

MAX_STRIP_WIDTH = 16
"""The transfer vector has 2^width entries."""

LOW_SPINS = 10
"""Enumeration goes through the states of these spins for each state of the others: their tables fit the fastest cache."""

CHUNKS = 64
"""The states of the others are shared out in this many chunks."""


class Moments(NamedTuple):
    """Exact quantities of a small Ising model.

    Attributes
    ----------
    log_partition : float
    mean : ndarray, shape (n,), float64
        E[s].
    correlation : ndarray, shape (n, n), float64
        E[s sᵀ].
    """

    log_partition: float
    mean: np.ndarray
    correlation: np.ndarray


def log_partition(J, h) -> float:
    """Exact log Z by enumeration of all configurations.

    Parameters
    ----------
    J : array_like, shape (n, n), float
        Symmetric couplings with a zero diagonal.
    h : array_like, shape (n,), float
        Fields.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If J or h is malformed, a sum of them would overflow, or there are more than MAX_ENUMERATED_SPINS spins.
    """
    J, h = ising_parameters(J, h)
    n = h.size
    if n > MAX_ENUMERATED_SPINS:
        raise ValueError(
            f"h: expected at most {MAX_ENUMERATED_SPINS} spins, got {n}: enumeration would visit 2^{n} = {2.0**n:.1e} "
            "configurations; use log_partition_strip on a lattice, graphical_models.log_partition on a sparse graph, "
            "or mean_field.coordinate_ascent for a lower bound"
        )
    low = min(LOW_SPINS, n)
    tops, sums = np.empty(1 << (n - low)), np.empty(1 << (n - low))
    _enumerate_kernel(J, h, low, tops, sums)
    top = tops.max()
    return float(top + np.log(np.sum(sums * np.exp(tops - top))))


@njit(cache=True, parallel=True, fastmath=FASTMATH, error_model="numpy")
def _enumerate_kernel(J, h, low, tops, sums):
    """For each state of the high spins: the largest exponent, and the sum of exp(exponent - largest).

    The energy of the low spins among themselves is tabulated once. The high spins act on them as a field, whose energy in every low
    state is built up by doubling: what remains for each state is two additions and an exp.
    """
    n = h.shape[0]
    high = n - low
    within = np.zeros(1 << low)
    for state in range(1 << low):
        for i in range(low):
            for j in range(i):
                within[state] += J[i, j] * (1.0 - 2.0 * ((state >> i ^ state >> j) & 1))
    num_chunks = min(CHUNKS, 1 << high)
    for chunk in prange(num_chunks):
        spins, fields = np.empty(high), np.empty(low)
        exponents = np.empty(1 << low)
        for block in range(chunk * (1 << high) // num_chunks, (chunk + 1) * (1 << high) // num_chunks):
            constant = 0.0
            for i in range(high):
                spins[i] = 1.0 - 2.0 * (block >> i & 1)
                constant += spins[i] * h[low + i]
                for j in range(i):
                    constant += spins[i] * spins[j] * J[low + i, low + j]
            for i in range(low):
                fields[i] = h[i]
                for j in range(high):
                    fields[i] += J[i, low + j] * spins[j]
            exponents[0] = constant + fields.sum()
            for i in range(low):
                for state in range(1 << i):
                    exponents[(1 << i) + state] = exponents[state] - 2.0 * fields[i]
            tops[block], sums[block] = _largest_and_sum(exponents, within)


@njit(fastmath=FASTMATH | {"nnan"}, error_model="numpy")
def _largest_and_sum(exponents, within):
    """All numbers are finite here, which lets the maximum be taken in vectors."""
    top = -np.inf
    for state in range(exponents.size):
        exponents[state] += within[state]
        top = max(top, exponents[state])
    total = 0.0
    for state in range(exponents.size):
        total += exp(exponents[state] - top)
    return top, total


def exact_moments(J, h) -> Moments:
    """Exact log Z, means and correlations by summing over all configurations.

    Parameters
    ----------
    J, h : array_like, shapes (n, n) and (n,), float
        Symmetric couplings with zero diagonal, fields; at most MAX_MOMENT_SPINS spins.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        If J or h is malformed, or there are too many spins.
    """
    J, h = ising_parameters(J, h)
    n = h.size
    if n > MAX_MOMENT_SPINS:
        raise ValueError(f"h: expected at most {MAX_MOMENT_SPINS} spins, got {n}: use gibbs_sample instead")
    mean, correlation = np.zeros(n), np.zeros((n, n))
    _moments_kernel(J, h, mean, correlation)
    return Moments(log_partition(J, h), mean, correlation)


@njit(cache=True)
def _moments_kernel(J, h, mean, correlation):
    n = h.shape[0]
    s, exponents = np.empty(n), np.empty(1 << n)
    for state in range(1 << n):
        for i in range(n):
            s[i] = 1.0 - 2.0 * (state >> i & 1)
        exponent = 0.0
        for i in range(n):
            pair = 0.0
            for j in range(i):
                pair += J[i, j] * s[j]
            exponent += s[i] * (h[i] + pair)
        exponents[state] = exponent
    # Relative to the sum of these very numbers: log Z is rounded, which means much where it is huge.
    weights = np.exp(exponents - exponents.max())
    weights /= weights.sum()
    for state in range(1 << n):
        for i in range(n):
            s[i] = 1.0 - 2.0 * (state >> i & 1)
        for i in range(n):
            mean[i] += weights[state] * s[i]
            for j in range(n):
                correlation[i, j] += weights[state] * s[i] * s[j]


def log_partition_chain(couplings, fields, periodic: bool = False) -> float:
    """Exact log Z of a chain by its 2x2 transfer matrices.

    Parameters
    ----------
    couplings : array_like, shape (n - 1,), or (n,) on a ring, float
        couplings[i] joins spins i and i + 1 (modulo n on a ring).
    fields : array_like, shape (n,), float
    periodic : bool
        Whether the chain closes to a ring.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the two lengths don't match, or a sum of the numbers would overflow.

    References
    ----------
    Ising (1925), Beitrag zur Theorie des Ferromagnetismus; Kramers & Wannier (1941).
    """
    couplings, fields = real_array("couplings", couplings, 1), real_array("fields", fields, 1)
    n = fields.size
    bonds = n if periodic else n - 1
    if n == 0 or couplings.size != bonds:
        raise ValueError(f"couplings: expected {max(bonds, 0)} for {n} spins, got {couplings.size}")
    finite_sums(couplings=couplings, fields=fields)
    spins = np.array([1.0, -1.0])
    shifts = [abs(fields[0])]
    # Logarithms, for entries of the product may lie too far apart for one to be left beside the other. Row: state of the first spin;
    # column: state of the spin reached so far.
    logs = np.full((2, 2), -np.inf)
    np.fill_diagonal(logs, fields[0] * spins - shifts[0])
    for i in range(1, n):
        step = couplings[i - 1] * np.outer(spins, spins) + fields[i] * spins
        logs = np.logaddexp(logs[:, :1] + step[0], logs[:, 1:] + step[1])
        shifts.append(logs.max())
        logs = logs - shifts[-1]
    if periodic:
        logs = logs + couplings[-1] * np.outer(spins, spins)
    return math.fsum([*shifts, np.logaddexp.reduce(logs.ravel())])


def log_partition_strip(horizontal, vertical, fields) -> float:
    """Exact log Z of a rectangular grid by a transfer matrix that adds one spin at a time.

    Parameters
    ----------
    horizontal : array_like, shape (R, C - 1) or (R, C), float
        horizontal[r, c] joins (r, c) and (r, c + 1); with C columns the rows are rings.
    vertical : array_like, shape (R - 1, C), float
        vertical[r, c] joins (r, c) and (r + 1, c).
    fields : array_like, shape (R, C), float

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If shapes don't match, a sum of the numbers would overflow, or the strip's width min(R, C) (C when the rows are rings) exceeds
        MAX_STRIP_WIDTH.

    References
    ----------
    Kramers & Wannier (1941), Statistics of the two-dimensional ferromagnet, part I.
    """
    fields = real_array("fields", fields, 2)
    horizontal, vertical = real_array("horizontal", horizontal, 2), real_array("vertical", vertical, 2)
    rows, columns = fields.shape
    if rows == 0 or columns == 0:
        raise ValueError(f"fields: expected at least one spin, got shape {fields.shape}")
    rings = horizontal.shape == (rows, columns) and columns > 1
    if not rings and horizontal.shape != (rows, columns - 1):
        raise ValueError(
            f"horizontal: expected shape ({rows}, {columns - 1}), or ({rows}, {columns}) for rings, got {horizontal.shape}"
        )
    if vertical.shape != (rows - 1, columns):
        raise ValueError(f"vertical: expected shape ({rows - 1}, {columns}), got {vertical.shape}")
    finite_sums(horizontal=horizontal, vertical=vertical, fields=fields)
    if not rings and columns > rows:
        fields, horizontal, vertical = fields.T, vertical.T, horizontal.T
        rows, columns = fields.shape
    if columns > MAX_STRIP_WIDTH:
        raise ValueError(
            f"fields: expected a strip at most {MAX_STRIP_WIDTH} spins wide, got {columns}: the transfer vector would have "
            f"2^{columns} entries"
        )
    spin = 1.0 - 2.0 * (np.arange(1 << columns)[:, None] >> np.arange(columns) & 1)  # (2^C, C)

    def within_row(r: int) -> np.ndarray:
        energy = spin @ fields[r]
        for c in range(horizontal.shape[1]):
            energy = energy + horizontal[r, c] * spin[:, c] * spin[:, (c + 1) % columns]
        return energy

    log_weight = within_row(0)
    for r in range(1, rows):
        for c in range(columns):
            # Replace spin c of the old row by spin c of the new one, summing over the old.
            pair = log_weight.reshape(-1, 2, 1 << c)
            bond = vertical[r - 1, c]
            log_weight = np.stack(
                [
                    np.logaddexp(pair[:, 0] + bond, pair[:, 1] - bond),
                    np.logaddexp(pair[:, 0] - bond, pair[:, 1] + bond),
                ],
                axis=1,
            ).reshape(-1)
        log_weight = log_weight + within_row(r)
    top = log_weight.max()
    return float(top + np.log(np.sum(np.exp(log_weight - top))))


def log_partition_torus(size: int, coupling: float) -> float:
    """Exact log Z of the size x size torus without field.

    Each spin has a bond to its right and to its lower neighbour, so on the 2 x 2 torus neighbours share two bonds.

    Parameters
    ----------
    size : int
        At least 2.
    coupling : float
        K of every bond; negative for an antiferromagnet.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If size is below 2, the coupling isn't finite or so large that log Z overflows, or it is negative and size is odd (use
        `log_partition`).

    References
    ----------
    Kaufman (1949), Crystal statistics II.
    """
    whole(size=size)
    if size < 2:
        raise ValueError(f"size: expected at least 2, got {size}")
    if not np.isfinite(coupling):
        raise ValueError(f"coupling: expected a finite number, got {coupling}")
    finite_sums(coupling=np.array([2.0 * size**2 * float(coupling)]))
    if coupling < 0:
        if size % 2:
            raise ValueError(
                "coupling: expected at least 0 on a torus of odd size, where an antiferromagnet is frustrated"
            )
        coupling = -coupling  # flipping one sublattice changes the sign of every bond
    if coupling == 0:
        return float(size**2 * np.log(2.0))
    K, L = float(coupling), int(size)
    # cosh γ_r = cosh 2K coth 2K - cos(π r / L); γ_0 is signed. By logarithms, since the numbers themselves overflow at large and tiny K.
    log_sinh = 2 * K + np.log(-np.expm1(-4 * K) / 2)
    log_product = 2 * (2 * K + np.log1p(np.exp(-4 * K)) - np.log(2.0)) - log_sinh
    log_cosh = log_product + np.log1p(-np.cos(np.pi * np.arange(2 * L) / L) * np.exp(-log_product))
    log_cosh = np.maximum(log_cosh, 0.0)
    gamma = log_cosh + np.log1p(np.sqrt(-np.expm1(-2 * log_cosh)))
    gamma[0] = 2 * K + np.log(np.tanh(K))
    half = 0.5 * L * gamma
    odd, even = half[1::2], half[0::2]
    logs = np.array(
        [_log_2cosh(odd).sum(), _log_2sinh(odd).sum(), _log_2cosh(even).sum(), _log_2sinh(even).sum()]
    )
    # The last product is negative above the critical temperature, where γ_0 < 0; Kaufman's bracket subtracts it there.
    signs = np.array([1.0, 1.0, 1.0, np.sign(gamma[0])])
    top = logs.max()
    bracket = np.sum(signs * np.exp(logs - top))
    prefactor = 0.5 * L * L * (np.log(2.0) + log_sinh)
    return float(prefactor - np.log(2.0) + top + np.log(bracket))


def _log_2cosh(x: np.ndarray) -> np.ndarray:
    return np.abs(x) + np.log1p(np.exp(-2 * np.abs(x)))


def _log_2sinh(x: np.ndarray) -> np.ndarray:
    """log |2 sinh x|; -inf at 0."""
    with np.errstate(divide="ignore"):
        return np.abs(x) + np.log(-np.expm1(-2 * np.abs(x)))


def onsager_log_partition_per_site(coupling: float) -> float:
    """log Z / N of the infinite square lattice without field.

    Parameters
    ----------
    coupling : float
        K of every bond.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the coupling isn't finite.

    References
    ----------
    Onsager (1944), Crystal statistics I.
    """
    if not np.isfinite(coupling):
        raise ValueError(f"coupling: expected a finite number, got {coupling}")
    K = abs(float(coupling))
    if K == 0:
        return float(np.log(2.0))
    # log Z / N = log(2 cosh 2K) + (1/π) ∫_0^{π/2} log[(1 + sqrt(1 - κ² sin²φ)) / 2] dφ, κ = 2 sinh 2K / cosh² 2K.
    # Near κ = 1 the integrand has a kink at φ = π/2; substituting φ = π/2 - θ and θ = t³ smooths it.
    log_cosh = 2 * K + np.log1p(np.exp(-4 * K))  # log(2 cosh 2K)
    x, weights = np.polynomial.legendre.leggauss(200)
    top = (np.pi / 2) ** (1 / 3)
    t = 0.5 * top * (x + 1)
    # 1 - κ² cos²θ = (1 - κ²) + κ² sin²θ, with 1 - κ² = ((sinh² 2K - 1) / cosh² 2K)².
    with np.errstate(over="ignore"):
        kappa = 2 * np.tanh(2 * K) / np.cosh(2 * K)
    gap = 1 - kappa**2 if kappa < 0.9 else ((np.sinh(2 * K) ** 2 - 1) / np.cosh(2 * K) ** 2) ** 2
    root = np.sqrt(gap + kappa**2 * np.sin(t**3) ** 2)
    integral = 0.5 * top * np.sum(weights * 3 * t**2 * np.log(0.5 * (1 + root)))
    return float(log_cosh + integral / np.pi)


def onsager_magnetization(coupling: float) -> float:
    """Spontaneous magnetisation of the infinite square lattice, (1 - sinh(2K)^-4)^(1/8) above K_c and 0 below.

    Parameters
    ----------
    coupling : float
        K of every bond.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the coupling isn't finite.

    References
    ----------
    Yang (1952), The spontaneous magnetization of a two-dimensional Ising model.
    """
    if not np.isfinite(coupling):
        raise ValueError(f"coupling: expected a finite number, got {coupling}")
    if coupling <= CRITICAL_COUPLING:
        return 0.0
    if coupling > 100:
        return 1.0  # sinh overflows; the exact value differs from 1 by less than e^-800
    return float((1 - np.sinh(2 * coupling) ** -4.0) ** 0.125)


def grid_couplings(rows: int, columns: int, coupling: float, periodic: bool = False) -> np.ndarray:
    """Coupling matrix of a rectangular grid, spins numbered row by row.

    Parameters
    ----------
    rows, columns : int
    coupling : float
        K of every bond.
    periodic : bool
        Whether rows and columns close to rings.

    Returns
    -------
    ndarray, shape (rows * columns, rows * columns), float64
        On a periodic grid with a side of 2, the two bonds of a pair add up.

    Raises
    ------
    ValueError
        If a side is below 1, or below 2 on a periodic grid, or the coupling isn't finite.
    """
    whole(rows=rows, columns=columns)
    if rows < 1 or columns < 1:
        raise ValueError(f"rows, columns: expected at least 1, got {rows} and {columns}")
    if not np.isfinite(coupling):
        raise ValueError(f"coupling: expected a finite number, got {coupling}")
    index = np.arange(rows * columns).reshape(rows, columns)
    J = np.zeros((index.size, index.size))
    pairs = [(index[:, :-1], index[:, 1:]), (index[:-1], index[1:])]
    if periodic:
        if rows < 2 or columns < 2:
            raise ValueError(
                f"rows, columns: expected at least 2 on a periodic grid, got {rows} and {columns}"
            )
        pairs += [(index[:, -1], index[:, 0]), (index[-1], index[0])]
    for a, b in pairs:
        np.add.at(J, (a.ravel(), b.ravel()), coupling)
        np.add.at(J, (b.ravel(), a.ravel()), coupling)
    return J


def gibbs_sample(J, h, num_sweeps: int, rng: np.random.Generator, initial=None) -> np.ndarray:
    """Gibbs sampling: each sweep draws every spin in turn from its conditional.

    Parameters
    ----------
    J, h : array_like, shapes (n, n) and (n,), float
    num_sweeps : int
    rng : numpy.random.Generator
    initial : array_like, shape (n,), of -1 and +1, optional
        Start; random by default.

    Returns
    -------
    ndarray, shape (num_sweeps, n), int8
        The state after each sweep.

    Raises
    ------
    ValueError
        If J or h is malformed, num_sweeps is below 1, or the start isn't of -1 and +1.

    References
    ----------
    Geman & Geman (1984), Stochastic relaxation, Gibbs distributions, and the Bayesian restoration of images.
    """
    J, h = ising_parameters(J, h)
    s = _initial_spins(initial, h.shape, num_sweeps, rng)
    samples = np.empty((num_sweeps, h.size), dtype=np.int8)
    chunk = max(1, UNIFORMS_AT_ONCE // h.size)
    for start in range(0, num_sweeps, chunk):
        rows = samples[start : start + chunk]
        _gibbs_kernel(J, h, s, rng.random(rows.shape), rows)
    return samples


UNIFORMS_AT_ONCE = 1 << 20
"""Random numbers are drawn in pieces of this size, so that memory stays flat on long runs."""


@njit(cache=True)
def _gibbs_kernel(J, h, s, uniforms, samples):
    n = h.shape[0]
    for sweep in range(samples.shape[0]):
        for i in range(n):
            field = h[i]
            for j in range(n):
                field += J[i, j] * s[j]
            s[i] = 1.0 if uniforms[sweep, i] * (1.0 + np.exp(-2.0 * field)) < 1.0 else -1.0
            samples[sweep, i] = np.int8(s[i])


def gibbs_sample_torus(
    size: int, coupling: float, field: float, num_sweeps: int, rng: np.random.Generator, initial=None
) -> np.ndarray:
    """Gibbs sampling on the size x size torus, row by row.

    Parameters
    ----------
    size : int
        At least 2.
    coupling, field : float
        K of every bond, h of every spin.
    num_sweeps : int
    rng : numpy.random.Generator
    initial : array_like, shape (size, size), of -1 and +1, optional
        Start; random by default.

    Returns
    -------
    ndarray, shape (size, size), int8
        The state after the last sweep.

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    whole(size=size)
    if size < 2:
        raise ValueError(f"size: expected at least 2, got {size}")
    if not (np.isfinite(coupling) and np.isfinite(field)):
        raise ValueError(f"coupling, field: expected finite numbers, got {coupling} and {field}")
    s = _initial_spins(initial, (size, size), num_sweeps, rng).astype(np.int8)
    for _ in range(num_sweeps):
        _torus_sweep_kernel(s, float(coupling), float(field), rng.random((size, size)))
    return s


@njit(cache=True)
def _torus_sweep_kernel(s, coupling, field, uniforms):
    size = s.shape[0]
    up = np.empty(5)  # p(+1) for each sum of four neighbours: -4, -2, 0, 2, 4
    for k in range(5):
        up[k] = 1.0 / (1.0 + np.exp(-2.0 * (coupling * (2 * k - 4) + field)))
    for r in range(size):
        for c in range(size):
            total = s[r - 1, c] + s[(r + 1) % size, c] + s[r, c - 1] + s[r, (c + 1) % size]
            s[r, c] = 1 if uniforms[r, c] < up[(total + 4) // 2] else -1


def _initial_spins(initial, shape: tuple[int, ...], num_sweeps: int, rng: np.random.Generator) -> np.ndarray:
    whole(num_sweeps=num_sweeps)
    if num_sweeps < 1:
        raise ValueError(f"num_sweeps: expected at least 1, got {num_sweeps}")
    if initial is None:
        return rng.choice(np.array([-1.0, 1.0]), size=shape)
    s = reals("initial", initial).astype(np.float64)
    if s.shape != shape or not (np.abs(s) == 1).all():
        raise ValueError(f"initial: expected spins of -1 and +1 in shape {shape}, got shape {s.shape}")
    return s
