"""Slow and plain computations that share no code with the library: sums over all states."""

import itertools

import numpy as np


def spin_states(n):
    return np.array(list(itertools.product([-1.0, 1.0], repeat=n)))


def log_sum_exp(x):
    x = np.asarray(x, dtype=np.longdouble)
    return float(x.max() + np.log(np.sum(np.exp(x - x.max()))))


def ising_exponents(J, h):
    s = spin_states(len(h))
    return s, 0.5 * np.einsum("si,ij,sj->s", s, J, s) + s @ h


def random_ising(rng, n, scale=0.5):
    J = np.triu(scale * rng.normal(size=(n, n)), 1)
    return J + J.T, rng.normal(size=n)


def states_of(cardinalities):
    return np.array(list(itertools.product(*map(range, cardinalities))))
