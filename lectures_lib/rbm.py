"""The restricted Boltzmann machine: p(v, h) ∝ exp(vᵀWh + bᵀv + cᵀh) over units in {0, 1}.

W has shape (D, H), b (D,) belongs to the visible units, c (H,) to the hidden ones; logarithms are natural. The model and its exact sums
are in `rbm_model`, whose names are repeated here; this module samples, trains, and estimates the partition function.

    >>> import numpy as np
    >>> X = np.eye(4)[np.random.default_rng(0).integers(4, size=200)]
    >>> machine = fit(X, 3, np.random.default_rng(1), num_epochs=5).rbm
    >>> machine.W.shape
    (4, 3)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lectures_lib import _team
from lectures_lib._fast_math import generators
from lectures_lib._rbm_kernels import WIDTH, Layer, Member, Settings, anneal_hidden, anneal_visible, train
from lectures_lib._tiles import COLUMNS, ROWS, STRIDE
from lectures_lib._validation import reals, whole
from lectures_lib.rbm_model import (
    RBM,
    Gradient,
    all_states,
    batch,
    bernoulli,
    exact_gradient,
    free_energy,
    hidden_mean,
    log_partition,
    log_prob,
    sigmoid,
    units,
    validate,
    visible_mean,
)

__all__ = [
    "RBM",
    "AnnealedEstimate",
    "Epoch",
    "Fit",
    "Gradient",
    "all_states",
    "annealed_log_partition",
    "cd_gradient",
    "exact_gradient",
    "fit",
    "free_energy",
    "gibbs_sample",
    "hidden_mean",
    "log_partition",
    "log_prob",
    "pseudo_log_likelihood",
    "sigmoid",
    "validate",
    "visible_mean",
]


class AnnealedEstimate(NamedTuple):
    """Estimate of log Z by annealed importance sampling.

    Attributes
    ----------
    log_partition : float
    standard_error : float
        Of log_partition, from the spread of the chains' weights (delta method).
    log_weights : ndarray, shape (num_chains,), float64
    """

    log_partition: float
    standard_error: float
    log_weights: np.ndarray


class Epoch(NamedTuple):
    """What `fit` tells its callback after each epoch.

    Attributes
    ----------
    number : int
        From 1.
    rbm : RBM
        The machine so far; it goes on changing.
    reconstruction_error : float
    """

    number: int
    rbm: RBM
    reconstruction_error: float


class Fit(NamedTuple):
    """Result of training.

    Attributes
    ----------
    rbm : RBM
    reconstruction_errors : ndarray, shape (num_epochs,), float64
        Mean squared difference between data and their one-step reconstruction; a sign of life, not the objective.
    """

    rbm: RBM
    reconstruction_errors: np.ndarray


def cd_gradient(
    rbm: RBM, data, num_steps: int, rng: np.random.Generator, chains=None
) -> tuple[Gradient, np.ndarray]:
    """Contrastive divergence: the model's expectations are replaced by those after a few steps of block Gibbs sampling.

    Parameters
    ----------
    rbm : RBM
    data : array_like, shape (n, D), units in [0, 1]
    num_steps : int
        Steps v -> h -> v, at least 1.
    rng : numpy.random.Generator
    chains : array_like, shape (m, D), optional
        Where the sampling starts; by default at the data. Handing back the chains of the step before makes it persistent.

    Returns
    -------
    (Gradient, ndarray of shape (m, D))
        An ascent direction, and the chains after the steps, in the dtype of the machine.

    Raises
    ------
    ValueError
        If a shape doesn't fit, a unit leaves [0, 1], or num_steps is below 1.

    References
    ----------
    Hinton (2002), Training products of experts by minimizing contrastive divergence; Tieleman (2008), for persistent chains.
    """
    rbm = validate(rbm)
    data = batch("data", data, rbm.b.size, rbm.W.dtype)
    whole(num_steps=num_steps)
    if num_steps < 1:
        raise ValueError(f"num_steps: expected at least 1, got {num_steps}")
    positive = sigmoid(data @ rbm.W + rbm.c)
    v = data if chains is None else batch("chains", chains, rbm.b.size, rbm.W.dtype)
    means = positive if chains is None else sigmoid(v @ rbm.W + rbm.c)
    for _ in range(num_steps):
        h = bernoulli(means, rng)
        v = bernoulli(sigmoid(h @ rbm.W.T + rbm.b), rng)
        means = sigmoid(v @ rbm.W + rbm.c)
    n, m = len(data), len(v)
    gradient = Gradient(
        data.T @ positive / n - v.T @ means / m,
        data.mean(axis=0) - v.mean(axis=0),
        positive.mean(axis=0) - means.mean(axis=0),
    )
    return gradient, v


def gibbs_sample(
    rbm: RBM, num_samples: int, num_steps: int, rng: np.random.Generator, initial=None
) -> np.ndarray:
    """Draw visible states by independent chains of block Gibbs sampling.

    Parameters
    ----------
    rbm : RBM
    num_samples : int
        Chains, one sample each.
    num_steps : int
        Steps of each chain.
    rng : numpy.random.Generator
    initial : array_like, shape (num_samples, D), optional
        Start; fair coins by default.

    Returns
    -------
    ndarray, shape (num_samples, D)
        0 or 1, in the dtype of the machine.

    Raises
    ------
    ValueError
        If an argument is malformed.
    """
    rbm = validate(rbm)
    whole(num_samples=num_samples, num_steps=num_steps)
    if num_samples < 1 or num_steps < 1:
        raise ValueError(f"num_samples, num_steps: expected at least 1, got {num_samples} and {num_steps}")
    shape = (num_samples, rbm.b.size)
    if initial is None:
        v = bernoulli(np.full(shape, 0.5, dtype=rbm.W.dtype), rng)
    else:
        v = batch("initial", initial, rbm.b.size, rbm.W.dtype)
        if v.shape != shape:
            raise ValueError(f"initial: expected shape {shape}, got {v.shape}")
    for _ in range(num_steps):
        h = bernoulli(sigmoid(v @ rbm.W + rbm.c), rng)
        v = bernoulli(sigmoid(h @ rbm.W.T + rbm.b), rng)
    return v


def pseudo_log_likelihood(rbm: RBM, data) -> float:
    """Mean over data of Σ_i log p(v_i | the other units), computed exactly for every unit.

    Parameters
    ----------
    rbm : RBM
    data : array_like, shape (n, D), units in [0, 1]

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a shape doesn't fit, a unit leaves [0, 1], or there are no data.

    References
    ----------
    Besag (1975), Statistical analysis of non-lattice data.
    """
    rbm = validate(rbm)
    data = batch("data", data, rbm.b.size, rbm.W.dtype)
    here = free_energy(rbm, data)
    total = np.zeros(len(data))
    for i in range(rbm.b.size):
        flipped = data.copy()
        flipped[:, i] = 1 - flipped[:, i]
        total -= np.logaddexp(0, here - free_energy(rbm, flipped))
    return float(total.mean())


def fit(
    X,
    num_hidden: int,
    rng: np.random.Generator,
    *,
    num_epochs: int = 10,
    batch_size: int = 100,
    learning_rate: float | Callable[[int], float] = 0.1,
    momentum: float = 0.5,
    weight_decay: float = 0.0,
    num_steps: int = 1,
    persistent: bool = False,
    initial: RBM | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> Fit:
    """Train by contrastive divergence on mini-batches.

    Parameters
    ----------
    X : array_like, shape (n, D), float32 or float64
        Units in [0, 1].
    num_hidden : int
    rng : numpy.random.Generator
        Orders the batches, draws the samples and the first weights.
    num_epochs, batch_size : int
    learning_rate : float or callable
        A callable gets the epoch, from 0, and returns the rate.
    momentum : float
        In [0, 1).
    weight_decay : float
        Strength of the penalty on W alone, at least 0.
    num_steps : int
        Steps of block Gibbs sampling for each gradient (the k of CD-k).
    persistent : bool
        Keep the chains from batch to batch.
    initial : RBM, optional
        Start; by default weights of standard deviation 0.01, visible biases at the data's log-odds, hidden ones 0.
    callback : callable, optional
        Called with an Epoch after each epoch; may raise to stop.

    Returns
    -------
    Fit
        float32 if X is, else float64.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Hinton (2012), A practical guide to training restricted Boltzmann machines.
    """
    X = reals("X", X)
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if X.ndim != 2 or X.size == 0:
        raise ValueError(f"X: expected shape (n, D) with at least one entry, got {X.shape}")
    X = units("X", X, X.shape[1], dtype)
    counts = {
        "num_hidden": num_hidden,
        "num_epochs": num_epochs,
        "batch_size": batch_size,
        "num_steps": num_steps,
    }
    whole(**counts)
    if min(counts.values()) < 1:
        raise ValueError(
            f"{', '.join(counts)}: expected at least 1, got {', '.join(map(str, counts.values()))}"
        )
    if not (0 <= momentum < 1 and 0 <= weight_decay < np.inf):
        raise ValueError(
            f"momentum, weight_decay: expected in [0, 1) and at least 0, got {momentum}, {weight_decay}"
        )
    machine = _initial_machine(X, num_hidden, rng, dtype) if initial is None else validate(initial)
    if machine.W.shape != (X.shape[1], num_hidden):
        raise ValueError(f"initial: expected W of shape {(X.shape[1], num_hidden)}, got {machine.W.shape}")
    with np.errstate(over="ignore"):
        machine = validate(RBM(*(array.astype(dtype, copy=True) for array in machine)))
    X = np.require(X, requirements=["C", "W"])  # the one kind of array that the kernel is compiled for
    # Chains that persist keep their number; else a batch is never larger than the data.
    size = batch_size if persistent else min(batch_size, len(X))
    # Epochs go into the kernel together, as far as nobody wants to hear of each and a call stays short enough to be interrupted.
    at_once = 1 if callback is not None else max(1, AT_ONCE // (len(X) * max(machine.W.size, 4096)))
    trainer = _Trainer(machine, size, num_steps, persistent, min(at_once, num_epochs), rng)
    errors = np.empty(num_epochs)
    for first in range(0, num_epochs, at_once):
        epochs = range(first, min(first + at_once, num_epochs))
        rates = np.array([_rate(learning_rate, epoch) for epoch in epochs])
        orders = np.array([rng.permutation(len(X)) for _ in epochs])
        errors[epochs.start : epochs.stop] = trainer.epochs(X, orders, rates, momentum, weight_decay) / X.size
        if callback is not None:
            callback(Epoch(first + 1, machine, float(errors[first])))
    return Fit(validate(machine), errors)


def _rate(learning_rate: float | Callable[[int], float], epoch: int) -> float:
    """The rate of an epoch, from 0."""
    rate = learning_rate(epoch) if callable(learning_rate) else learning_rate
    if not 0 < rate < np.inf:
        raise ValueError(f"learning_rate: expected above 0, got {rate} in epoch {epoch}")
    return float(rate)


AT_ONCE = 1 << 31
"""Work, in rows of data times weights, of the epochs that go into the kernel together: some tenths of a second. Each call starts threads,
which takes some tenths of a millisecond.
"""

ENOUGH = 700_000
"""Work of a step from which it is shared among threads: below, their meeting, and one that is held up, cost more than is saved."""


class _Trainer:
    """Steps of contrastive divergence on one machine, in arrays that are laid out once (see `_rbm_kernels`)."""

    def __init__(self, machine: RBM, batch_size: int, num_steps: int, persistent: bool, at_once: int, rng):
        num_visible, num_hidden = machine.W.shape
        self.machine, self.batch_size, self.num_steps = machine, int(batch_size), int(num_steps)
        self.at_once = at_once
        self.visible_in_panels = num_visible > num_hidden
        shared = (batch_size + 20) * machine.W.size >= ENOUGH  # the update takes as long as 20 rows
        self.edges = _panel_edges(max(machine.W.shape), shared)
        num_panels = self.edges.size - 1
        num_threads = min(_team.num_threads(), num_panels) if shared else 1
        states = generators(rng, num_visible), generators(rng, num_hidden)
        chains = np.empty((0, num_visible), machine.W.dtype)
        if persistent:
            chains = bernoulli(np.full((batch_size, num_visible), 0.5, machine.W.dtype), rng)
        shares = np.array_split(np.arange(num_panels), num_threads)
        self.members = [self._member(share, states, chains) for share in shares]
        rows, depth = _multiple(batch_size, ROWS), _multiple(min(machine.W.shape), ROWS)
        self.parts = _pages((2, num_panels, rows, depth), machine.W.dtype)

    def _roles(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Weights with a column for each unit of the layer in panels, that layer's biases, and those of the other."""
        W, b, c = self.machine
        return (W.T, b, c) if self.visible_in_panels else (W, c, b)

    def _member(self, panels: np.ndarray, states: Sequence[np.ndarray], chains: np.ndarray) -> Member:
        """Lay out what the thread of these panels owns."""
        W, bias, whole_bias = self._roles()
        state, whole_state = states if self.visible_in_panels else states[::-1]
        depth = _multiple(whole_bias.size, ROWS)
        member = Member(
            first_panel=int(panels[0]),
            starts=self.edges[panels],
            widths=self.edges[panels + 1] - self.edges[panels],
            W=_pages((panels.size, depth, STRIDE), W.dtype),
            W_speed=_pages((panels.size, depth, STRIDE), W.dtype),
            gradient=_pages((depth, STRIDE), W.dtype),
            panels=self._layer((panels.size,), STRIDE),
            whole=self._layer((), depth),
            chains=_pages(
                (panels.size, len(chains), STRIDE) if self.visible_in_panels else (1, len(chains), depth),
                W.dtype,
            ),
            squares=_pages((self.at_once, panels.size), np.float64),
        )
        member.panels.bias[...] = -np.inf
        for p, (panel, size) in enumerate(self._slices(member)):
            member.W[p, : whole_bias.size, :size] = W[:, panel]
            member.panels.bias[p, :size] = bias[panel]
            member.panels.state[p, :, :size] = state[:, panel]
            if self.visible_in_panels:
                member.chains[p, :, :size] = chains[:, panel]
        member.whole.bias[: whole_bias.size] = whole_bias
        member.whole.state[:, : whole_bias.size] = whole_state
        if not self.visible_in_panels:
            member.chains[0, :, : whole_bias.size] = chains
        return member

    def _layer(self, panels: tuple[int, ...], size: int) -> Layer:
        """Arrays of a layer."""
        rows, dtype = _multiple(self.batch_size, ROWS), self.machine.W.dtype
        return Layer(
            bias=_pages((*panels, size), dtype),
            speed=_pages((*panels, size), dtype),
            units=_pages((*panels, 2 * rows + ROWS, size), dtype),
            others=_pages((*panels, rows, size), dtype),
            state=_pages((*panels, 4, size), np.uint32),
        )

    def _slices(self, member: Member) -> list[tuple[slice, int]]:
        """The units of each of the member's panels, and how many they are."""
        ends = np.minimum(member.starts + member.widths, max(self.machine.W.shape))
        return [(slice(start, end), end - start) for start, end in zip(member.starts, ends, strict=True)]

    def epochs(
        self, X: np.ndarray, orders: np.ndarray, rates: np.ndarray, momentum: float, decay: float
    ) -> np.ndarray:
        """Move the machine by one batch after the other, in each epoch's order; returns the squared error of its reconstructions."""
        W, bias, whole_bias = self._roles()
        sizes = whole_bias.size, self.batch_size, self.num_steps
        settings = Settings(self.visible_in_panels, *sizes, float(momentum), float(decay))
        _team.run(train, self.members, X, orders, rates, settings, self.parts)
        for member in self.members:
            for p, (panel, size) in enumerate(self._slices(member)):
                W[:, panel] = member.W[p, : whole_bias.size, :size]
                bias[panel] = member.panels.bias[p, :size]
        whole_bias[...] = self.members[0].whole.bias[: whole_bias.size]
        squares = np.concatenate([member.squares for member in self.members], axis=1)
        return squares[: len(orders)].sum(axis=1)


def _panel_edges(num_units: int, shared: bool) -> np.ndarray:
    """Where panels begin, and the last ends: at most WIDTH units each and nearly as many as another, in whole tiles.

    If the work is shared they are even in number, whatever the number of threads.
    """
    num_tiles, step = -(-num_units // COLUMNS), 2 if shared else 1
    num_panels = min(num_tiles, step * -(-num_units // (step * WIDTH)))
    return np.arange(num_panels + 1) * num_tiles // num_panels * COLUMNS


def _multiple(size: int, of: int) -> int:
    """The least multiple that is no less than the size."""
    return -(-size // of) * of


def _pages(shape: tuple[int, ...], dtype) -> np.ndarray:
    """Zeros in pages of their own: no vector is torn by a cache line, and a core that reads ahead stays out of another's arrays."""
    size, page = math.prod(shape), 4096 // np.dtype(dtype).itemsize
    array = np.zeros(_multiple(size, page) + page, dtype)
    first = -array.ctypes.data % 4096 // array.itemsize
    return array[first : first + size].reshape(shape)


def _initial_machine(X: np.ndarray, num_hidden: int, rng: np.random.Generator, dtype) -> RBM:
    """Small random weights, and visible biases that give the data's means, kept off 0 and 1 by one pseudo-count."""
    means = (X.sum(axis=0, dtype=np.float64) + 0.5) / (len(X) + 1)
    W = 0.01 * rng.standard_normal((X.shape[1], num_hidden))
    return RBM(W.astype(dtype), np.log(means / (1 - means)).astype(dtype), np.zeros(num_hidden, dtype))


def annealed_log_partition(
    rbm: RBM, rng: np.random.Generator, *, num_chains: int = 100, num_temperatures: int = 1000, base_bias=None
) -> AnnealedEstimate:
    """Estimate log Z by annealed importance sampling.

    Chains move from a machine without weights, whose Z is known, to the given one through intermediate distributions
    p_β(v) ∝ exp((1 - β) b₀ᵀv) · exp(-F_β(v)), with the weights and hidden biases scaled by β.

    Parameters
    ----------
    rbm : RBM
    rng : numpy.random.Generator
    num_chains : int
        Independent chains, at least 2.
    num_temperatures : int
        Steps of the ladder of β, at least 1.
    base_bias : array_like, shape (D,), optional
        Visible biases b₀ of the machine without weights; by default those of `rbm`. The data's log-odds are a good choice.

    Returns
    -------
    AnnealedEstimate

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Neal (2001), Annealed importance sampling; Salakhutdinov & Murray (2008), On the quantitative analysis of deep belief
    networks.
    """
    rbm = validate(rbm)
    whole(num_chains=num_chains, num_temperatures=num_temperatures)
    if num_chains < 2 or num_temperatures < 1:
        raise ValueError(
            f"num_chains, num_temperatures: expected at least 2 and 1, got {num_chains} and {num_temperatures}"
        )
    dtype = rbm.W.dtype
    base = rbm.b if base_bias is None else reals("base_bias", base_bias, dtype)
    if base.shape != rbm.b.shape or not np.isfinite(base).all():
        raise ValueError(f"base_bias: expected finite numbers of shape {rbm.b.shape}, got shape {base.shape}")
    if not base.size * float(np.abs(base).max()) <= float(np.finfo(dtype).max) / 4:
        raise ValueError(
            f"base_bias: expected numbers whose sums stay finite in {dtype}, got up to {np.abs(base).max():.3g}"
        )
    v = bernoulli(np.broadcast_to(sigmoid(base), (num_chains, base.size)).astype(dtype), rng)
    h = np.empty((num_chains, rbm.c.size), dtype)
    hidden_field, visible_field = np.empty_like(h), np.empty_like(v)
    state = generators(rng, max(rbm.W.shape))
    log_weights = np.zeros(num_chains)
    betas = np.linspace(0, 1, num_temperatures + 1)
    for before, beta in itertools.pairwise(betas):
        np.matmul(v, rbm.W, out=hidden_field)
        log_weights += (beta - before) * (v @ (rbm.b - base))
        anneal_hidden(hidden_field, rbm.c, dtype.type(before), dtype.type(beta), state, h, log_weights)
        np.matmul(h, rbm.W.T, out=visible_field)
        anneal_visible(visible_field, rbm.b, base, dtype.type(beta), state, v)
    log_base = float(np.logaddexp(0, base.astype(np.float64)).sum()) + rbm.c.size * np.log(2.0)
    top = log_weights.max()
    weights = np.exp(log_weights - top)
    error = weights.std(ddof=1) / (np.sqrt(num_chains) * weights.mean())
    return AnnealedEstimate(float(log_base + top + np.log(weights.mean())), float(error), log_weights)
