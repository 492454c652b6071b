"""Checks of `kl_grid`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.precision import single_precision
from autograder.exercises.two_kls.shared import ATOL, RTOL
from lectures_lib import two_kls


def _reference_grid(log_q, log_p, dx):
    return two_kls.kl_grid(log_q, log_p, float(dx), mass_tol=np.inf).kl


def _grid_no_volume(log_q, log_p, dx):
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on]))


def _grid_nan_at_zero(log_q, log_p, dx):
    return np.sum(np.exp(log_q) * (log_q - log_p)) * dx


def _grid_swapped(log_q, log_p, dx):
    on = log_p > -np.inf
    return np.sum(np.exp(log_p[on]) * (log_p[on] - log_q[on])) * dx


def _grid_renormalised(log_q, log_p, dx):
    log_p = log_p - np.log(np.sum(np.exp(log_p)) * dx)
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def _grid_volume_to_the_power(log_q, log_p, dx):
    on = log_q > -np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx**log_q.ndim


def _grid_ratio_of_densities(log_q, log_p, dx):
    q, p = np.exp(log_q), np.exp(log_p)
    on = q > 0
    return np.sum(q[on] * np.log(q[on] / p[on])) * dx


def _grid_support_dropped(log_q, log_p, dx):
    on = (log_q > -np.inf) & (log_p > -np.inf)
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def _log_normal(x, mean, sigma):
    return -0.5 * ((x - mean) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)


def _line(rng, n=161, q_mean=None, p_mean=None):
    """Two densities on a line, with all of q and p inside; q sums to 1 to rounding."""
    x, dx = np.linspace(-14, 14, n, retstep=True)
    q_mean = rng.uniform(-2, 2) if q_mean is None else q_mean
    p_mean = rng.uniform(-2, 2) if p_mean is None else p_mean
    log_q = _log_normal(x, q_mean, rng.uniform(0.8, 1.2))
    log_p = np.logaddexp(
        np.log(0.4) + _log_normal(x, p_mean - 1, 1.3), np.log(0.6) + _log_normal(x, p_mean + 1, 1.6)
    )
    return log_q - np.log(np.sum(np.exp(log_q)) * dx), log_p, float(dx)


def _plane(rng, rows=29, columns=41):
    x, dx = np.linspace(-9, 9, rows, retstep=True)
    y, dy = np.linspace(-10, 10, columns, retstep=True)
    a, b, c, d = rng.uniform(-1, 1, 4)
    log_q = _log_normal(x, a, 1.1)[:, None] + _log_normal(y, b, 0.8)
    log_p = _log_normal(x, c, 1.5)[:, None] + _log_normal(y[None] - 0.4 * x[:, None], d, 1.2)
    return log_q - np.log(np.sum(np.exp(log_q)) * dx * dy), log_p, float(dx * dy)


def _tables(rng, shape, dx):
    """Densities that are tables of numbers, with p above q somewhere and below elsewhere."""
    q, p = (rng.dirichlet(np.full(np.prod(shape), 2.0)).reshape(shape) / dx for _ in range(2))
    return np.log(q), np.log(p), dx


def _flat(rng):
    """Densities that are alike in many cells, and tiny numbers, since the cells are large."""
    volume = 1e10
    q, p = (rng.permutation(table) / 9 / volume for table in ([1, 1, 1, 2, 2, 2], [1, 1, 1, 1, 2, 3]))
    return Instance((np.log(q), np.log(p), volume), "large cells, some of them alike")


def _outside(rng, shape, dx):
    log_q, log_p, dx = _tables(rng, shape, dx)
    return Instance((log_q, log_p + np.log(rng.uniform(0.3, 0.7)), dx), "p has mass outside the grid")


def _grid_zeros(rng, shape, dx):
    """q vanishes in some cells, and p in some of those."""
    log_q, log_p, dx = _tables(rng, shape, dx)
    order = rng.permutation(log_q.size)
    zeros, both = order[: log_q.size // 2], order[: log_q.size // 4]
    log_q.flat[zeros] = -np.inf
    log_p.flat[both] = -np.inf
    log_q -= np.log(np.sum(np.exp(log_q)) * dx)
    log_p -= np.log(np.sum(np.exp(log_p)) * dx)
    return Instance((log_q, log_p, dx), "cells of density zero")


def _grid_impossible(rng, shape, dx):
    log_q, log_p, dx = _tables(rng, shape, dx)
    log_p.flat[rng.integers(log_p.size)] = -np.inf
    log_p -= np.log(np.sum(np.exp(log_p)) * dx)
    return Instance((log_q, log_p, dx), "q has mass where p has none")


def _grid_far(rng):
    log_q, log_p, dx = _line(rng, q_mean=-3.0, p_mean=2.0)
    log_p = _log_normal(np.linspace(-14, 14, log_q.size), 8.0, 0.2)
    low_q, low_p, volume = _tables(rng, (6,), 0.5)
    low_p[rng.integers(6)] = -3e5
    low_p -= np.log(np.sum(np.exp(low_p)) * volume)
    return [
        Instance((log_q, log_p, dx), "densities far apart"),
        Instance((low_q, low_p, volume), "a density too small for a float"),
    ]


def _grid_edges(rng):
    log_q, log_p, dx = _tables(rng, (5, 3), 0.5)
    return [
        Instance((np.array([-np.log(0.2)]), np.array([-np.log(0.2) - 0.7]), 0.2), "one cell"),
        Instance((*single_precision(log_q, log_p), dx), "in single precision"),
        _grid_zeros(rng, (2, 3, 4), 0.3),
    ]


GRID_SECTION = "two_kls.html#kl-on-a-grid"

GRID = Exercise(
    assignment="two_kls",
    function="kl_grid",
    reference=_reference_grid,
    visible=(
        Instance((np.log([1.0, 0.5, 0.5]), np.log([0.5, 0.5, 0.6]), 0.5), "p has mass outside the grid"),
        Instance((np.log([[1.0, 2.0], [4.0, 1.0]]), np.log([[2.0, 3.0], [1.0, 2.0]]), 0.125), "two dimensions"),
        Instance((np.array([-np.inf, -np.inf, 0.0]), np.log([0.2, 0.5, 0.3]) - np.array([0.0, np.inf, 0.0]), 1.0),
                 "cells of density zero"),
        Instance((np.log([0.5, 0.5]), np.array([-1000.0, 0.0]), 1.0), "a density too small for a float"),
        Instance((np.log([0.5, 0.5]), np.array([-np.inf, 0.0]), 1.0), "q has mass where p has none"),
    ),
    properties=(
        Property("ordinary", "densities on a line, in a plane and in space", 0.35,
                 lambda rng: [Instance(_line(rng)), Instance(_plane(rng), "two dimensions"),
                              Instance(_tables(rng, (3, 4, 2), 0.3), "three dimensions"), _flat(rng)]),
        Property("outside", "p with mass outside the grid", 0.15,
                 lambda rng: [_outside(rng, (12,), 0.25), _outside(rng, (4, 5), 0.1)]),
        Property("zeros", "cells where q is zero", 0.15,
                 lambda rng: [_grid_zeros(rng, (12,), 0.25), _grid_zeros(rng, (4, 5), 0.1)]),
        Property("impossible", "mass of q where p has none", 0.1,
                 lambda rng: [_grid_impossible(rng, (9,), 0.25), _grid_impossible(rng, (3, 5), 0.2)]),
        Property("far", "densities too small for a float", 0.1, _grid_far,
                 hint="Right as long as the densities fit into a float. Where does the computation leave the logarithms that "
                      "it was given?"),
        Property("edges", "one cell, single precision, three dimensions, and the arguments left as they were", 0.15,
                 _grid_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the cell volume is left out", _grid_no_volume,
                      "The result grows without end when the grid gets finer. What turns a sum over cells into an integral?",
                      GRID_SECTION),
        Misconception("0 times infinity is NaN", _grid_nan_at_zero,
                      "A cell where q is zero was multiplied out: 0 times infinity is NaN in floating point, but such a cell counts "
                      "nothing.", GRID_SECTION),
        Misconception("the arguments are swapped", _grid_swapped,
                      "The result is the other divergence. Under which of the two densities is the expectation taken?", GRID_SECTION),
        Misconception("p is normalised on the grid", _grid_renormalised,
                      "The mass that p has outside the grid was moved inside, as if the grid were all there is.", GRID_SECTION),
        Misconception("the cell volume once for every axis", _grid_volume_to_the_power,
                      "The result is right on a line, wrong in the plane: dx is a volume already.", GRID_SECTION),
        Misconception("densities that underflow", _grid_ratio_of_densities,
                      "The result is infinite or NaN where log p is far below 0: exp gives 0 there, though the logarithm was given.",
                      GRID_SECTION),
        Misconception("cells that p never takes are left out", _grid_support_dropped,
                      "The result stays finite although q puts mass where p has none. How likely are such data under p?",
                      GRID_SECTION),
    ),
    section=GRID_SECTION,
    rtol=RTOL, atol=ATOL,
    tolerance_reason="sums of at most some thousand terms, good to 1e-12 in double and 1e-6 in single precision",
)  # fmt: skip
