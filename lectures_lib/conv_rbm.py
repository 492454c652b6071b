"""The convolutional RBM with probabilistic max-pooling, trained by contrastive divergence.

Images v have shape (n, L, R, C) and hidden units h (n, K, R', C'), of which at most one in a block of p by p is on; the model, with
its formula, is in `conv_rbm_model`, whose names are repeated here. Logarithms are natural.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(2, size=(20, 1, 8, 8)).astype(np.float32)
    >>> fit(X, 4, 3, np.random.default_rng(1), num_epochs=2).crbm.W.shape
    (4, 1, 3, 3)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lectures_lib import _convolution
from lectures_lib._validation import reals, whole
from lectures_lib.conv_rbm_model import (
    ConvRBM,
    Units,
    draw_units,
    draw_visible,
    energy,
    finite,
    free_energy,
    hidden_field,
    hidden_mean,
    mean_of_visible,
    pool_means,
    sample_hidden,
    sample_visible,
    validate,
    visible_mean,
    visible_units,
)
from lectures_lib.rbm_model import Gradient

START_FIELD = 0.5
"""Standard deviation of what hidden units receive through the first random weights, over filters."""

GAUSSIAN_RATE, BINARY_RATE = 0.5, 5.0
"""Learning rates at which strokes and edges emerge in twenty epochs of twenty batches."""

TINY_POWER = 1e-3
"""Images whose mean square is less are all but empty; weights that made up for that would be huge."""

__all__ = [
    "ConvRBM",
    "Epoch",
    "Fit",
    "Gradient",
    "Units",
    "cd_gradient",
    "energy",
    "fit",
    "free_energy",
    "hidden_mean",
    "sample_hidden",
    "sample_visible",
    "validate",
    "visible_mean",
]


class Epoch(NamedTuple):
    """What `fit` tells its callback after each epoch.

    Attributes
    ----------
    number : int
        From 1.
    crbm : ConvRBM
        The machine so far; it goes on changing.
    reconstruction_error : float
    activity : float
        Mean probability of a hidden unit.
    """

    number: int
    crbm: ConvRBM
    reconstruction_error: float
    activity: float


class Fit(NamedTuple):
    """Result of training.

    Attributes
    ----------
    crbm : ConvRBM
    reconstruction_errors : ndarray, shape (num_epochs,), float64
        Mean squared difference between data and their means after one step; a sign of life, not the objective.
    activities : ndarray, shape (num_epochs,), float64
        Mean of p(h = 1 | v) over the data and the hidden units, which the sparsity target is for.
    """

    crbm: ConvRBM
    reconstruction_errors: np.ndarray
    activities: np.ndarray


def cd_gradient(
    crbm: ConvRBM, data, num_steps: int, rng: np.random.Generator
) -> tuple[Gradient, np.ndarray, Units]:
    """Contrastive divergence from the data, each of whose two terms is the mean derivative of -F over images.

    Parameters
    ----------
    crbm : ConvRBM
    data : array_like, shape (n, L, R, C)
    num_steps : int
        Steps v -> h -> v, at least 1. Visible units are drawn in all but the last step, where their means do.
    rng : numpy.random.Generator

    Returns
    -------
    (Gradient, ndarray of shape (n, L, R, C), Units)
        An ascent direction, the means of the visible units after the first step, and those of the hidden ones given the data.

    Raises
    ------
    ValueError
        As for `hidden_mean`, or if num_steps is below 1.

    References
    ----------
    Hinton (2002), Training products of experts by minimizing contrastive divergence; Lee et al. (2009), §3.
    """
    crbm = validate(crbm)
    data = visible_units(crbm, data)
    whole(num_steps=num_steps)
    if num_steps < 1:
        raise ValueError(f"num_steps: expected at least 1, got {num_steps}")
    field = hidden_field(crbm, data)
    positive = pool_means(field, crbm.pool)
    first = None
    for step in range(num_steps):
        v = mean_of_visible(crbm, draw_units(field, crbm.pool, rng).hidden)
        first = v if first is None else first
        field = hidden_field(crbm, v if step == num_steps - 1 else draw_visible(crbm, v, rng))
    negative = pool_means(field, crbm.pool)
    up, down = _statistics(data, positive.hidden), _statistics(v, negative.hidden)
    with np.errstate(over="ignore", invalid="ignore"):
        gradient = Gradient(*(finite(a - b) for a, b in zip(up, down, strict=True)))
    return gradient, first, positive


def fit(
    X,
    num_filters: int,
    filter_size: int,
    rng: np.random.Generator,
    *,
    pool: int = 2,
    gaussian: bool = False,
    num_epochs: int = 20,
    batch_size: int = 10,
    learning_rate: float | Callable[[int], float] | None = None,
    momentum: float = 0.5,
    weight_decay: float = 0.001,
    sparsity: float | None = 0.005,
    sparsity_cost: float = 3.0,
    num_steps: int = 1,
    initial: ConvRBM | None = None,
    callback: Callable[[Epoch], None] | None = None,
) -> Fit:
    """Train by contrastive divergence on mini-batches.

    Parameters
    ----------
    X : array_like, shape (n, L, R, C), float32 or float64
        In [0, 1], or any finite numbers if Gaussian.
    num_filters, filter_size : int
        K filters of a square shape.
    rng : numpy.random.Generator
        Orders the batches, draws the samples and the first weights.
    pool : int
        Side of the pooling blocks; must divide R - filter_size + 1 and C - filter_size + 1.
    gaussian : bool
        Real-valued visible units of unit variance.
    num_epochs, batch_size : int
    learning_rate : float or callable, optional
        Of the gradient per place of the hidden layer (divided by R' C'). A callable gets the epoch, from 0. By default
        GAUSSIAN_RATE or BINARY_RATE: most binary units are off, so their gradients are smaller.
    momentum : float
        In [0, 1).
    weight_decay : float
        Strength of the penalty on W alone, at least 0.
    sparsity : float, optional
        Target for the mean of p(h = 1 | v) of each filter, in (0, 1/pool²); None trains without one.
    sparsity_cost : float
        At least 0. Each step adds learning_rate · sparsity_cost · (target - mean) to the filter's bias.
    num_steps : int
        Steps of block Gibbs sampling for each gradient (the k of CD-k).
    initial : ConvRBM, optional
        Start; by default random weights of a scale that suits the data (START_FIELD), visible biases from the data's means, and hidden ones
        that give the target without weights.
    callback : callable, optional
        Called with an Epoch after each epoch; may raise to stop.

    Returns
    -------
    Fit
        float32 if X is, else float64.

    Raises
    ------
    ValueError
        If an argument is malformed, or training diverges.

    References
    ----------
    Lee, Ekanadham & Ng (2007), Sparse deep belief net model for visual area V2 (the target); Lee et al. (2009), §3.
    """
    settings = _Settings(batch_size, momentum, weight_decay, sparsity, sparsity_cost, num_steps)
    _check_settings(settings, num_filters, filter_size, pool, num_epochs)
    X = reals("X", X)
    dtype = np.float32 if X.dtype == np.float32 else np.float64
    if X.ndim != 4:
        raise ValueError(f"X: expected shape (n, L, R, C), got {X.shape}")
    shape = (num_filters, X.shape[1], filter_size, filter_size)
    blank = ConvRBM(
        np.zeros(shape, dtype), np.zeros(shape[1], dtype), np.zeros(num_filters, dtype), pool, gaussian
    )
    X = visible_units(blank, X, "X")
    if initial is None:
        initial = _initial_machine(X, blank, sparsity, rng)
    elif (initial := validate(initial)).W.shape != shape or (initial.pool, initial.gaussian) != (
        pool,
        gaussian,
    ):
        raise ValueError(
            f"initial: expected W of shape {shape}, pool={pool}, gaussian={gaussian}, got {initial.W.shape}, "
            f"pool={initial.pool}, gaussian={initial.gaussian}"
        )
    if learning_rate is None:
        learning_rate = GAUSSIAN_RATE if gaussian else BINARY_RATE
    with np.errstate(over="ignore"):  # what float32 can't hold becomes inf, and is refused
        machine = validate(ConvRBM(*(a.astype(dtype, copy=True) for a in initial[:3]), pool, gaussian))
    speed = Gradient(*(np.zeros_like(a) for a in machine[:3]))
    errors, activities = np.empty(num_epochs), np.empty(num_epochs)
    for epoch in range(num_epochs):
        rate = learning_rate(epoch) if callable(learning_rate) else learning_rate
        if not rate > 0:
            raise ValueError(f"learning_rate: expected above 0, got {rate} in epoch {epoch}")
        try:
            errors[epoch], activities[epoch] = _train_epoch(machine, speed, X, rate, settings, rng)
            validate(machine)
        except ValueError as error:  # the arguments are checked above: what is left is overflow
            raise ValueError(
                f"learning_rate: expected one at which training stays finite, got {rate} in epoch {epoch}"
            ) from error
        if callback is not None:
            callback(Epoch(epoch + 1, machine, float(errors[epoch]), float(activities[epoch])))
    return Fit(machine, errors, activities)


class _Settings(NamedTuple):
    """Arguments of `fit`, where they are explained."""

    batch_size: int
    momentum: float
    weight_decay: float
    sparsity: float | None
    sparsity_cost: float
    num_steps: int


def _check_settings(
    settings: _Settings, num_filters: int, filter_size: int, pool: int, num_epochs: int
) -> None:
    counts = num_filters, filter_size, pool, num_epochs, settings.batch_size, settings.num_steps
    names = ("num_filters", "filter_size", "pool", "num_epochs", "batch_size", "num_steps")
    whole(**dict(zip(names, counts, strict=True)))
    if min(counts) < 1:
        raise ValueError(
            "num_filters, filter_size, pool, num_epochs, batch_size, num_steps: expected at least 1, "
            f"got {', '.join(map(str, counts))}"
        )
    _, momentum, decay, sparsity, cost, _ = settings
    if not (0 <= momentum < 1 and 0 <= decay < np.inf and 0 <= cost < np.inf):
        raise ValueError(
            "momentum, weight_decay, sparsity_cost: expected in [0, 1), and finite numbers of at least 0, "
            f"got {momentum}, {decay}, {cost}"
        )
    if sparsity is not None and not 0 < sparsity < 1 / pool**2:
        raise ValueError(f"sparsity: expected above 0 and below 1/pool² = {1 / pool**2:.4g}, got {sparsity}")


def _train_epoch(
    machine: ConvRBM,
    speed: Gradient,
    X: np.ndarray,
    rate: float,
    settings: _Settings,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Move the parameters in place; return the reconstruction error and the activity over the epoch."""
    dtype = X.dtype.type
    places = (X.shape[2] - machine.W.shape[2] + 1) * (X.shape[3] - machine.W.shape[3] + 1)
    order = rng.permutation(len(X))
    squares = active = 0.0
    for start in range(0, len(X), settings.batch_size):
        batch = X[order[start : start + settings.batch_size]]
        gradient, back, units = cd_gradient(machine, batch, settings.num_steps, rng)
        means = units.hidden.mean(axis=(0, 2, 3))
        active += float(means.mean()) * len(batch)
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # what isn't finite is refused at the next step or the end
            squares += float(np.sum((batch - back).astype(np.float64) ** 2))
            for step, direction in zip(speed, gradient, strict=True):
                step *= dtype(settings.momentum)
                step += dtype(rate / places) * direction
            if settings.sparsity is not None:
                speed.c[...] += dtype(rate * settings.sparsity_cost) * (dtype(settings.sparsity) - means)
            speed.W[...] -= dtype(rate * settings.weight_decay) * machine.W
            for parameter, step in zip(machine[:3], speed, strict=True):
                parameter += step
    return float(finite(np.float64(squares / X.size))), active / len(X)


def _initial_machine(
    X: np.ndarray, blank: ConvRBM, sparsity: float | None, rng: np.random.Generator
) -> ConvRBM:
    """Random weights that make the filters' fields differ by START_FIELD, or else they take long to go different ways."""
    with np.errstate(over="ignore"):  # the weights become 0 then
        power = np.mean(X.astype(np.float64) ** 2)
    scale = START_FIELD / np.sqrt(max(power, TINY_POWER) * blank.W[0].size)
    W = scale * rng.standard_normal(blank.W.shape)
    b = X.mean(axis=(0, 2, 3), dtype=np.float64)
    if not blank.gaussian:
        b = np.clip(b, 1e-3, 1 - 1e-3)
        b = np.log(b / (1 - b))
    c = 0.0 if sparsity is None else np.log(sparsity / (1 - blank.pool**2 * sparsity))
    return ConvRBM(W, b, np.full(blank.c.shape, c), blank.pool, blank.gaussian)


def _statistics(v: np.ndarray, hidden: np.ndarray) -> Gradient:
    """Mean over images of the derivatives of -F(v), given the means of the hidden units."""
    n = v.dtype.type(len(v))
    with np.errstate(over="ignore", invalid="ignore"):
        return Gradient(
            _convolution.taps(v, hidden) / n, v.sum(axis=(0, 2, 3)) / n, hidden.sum(axis=(0, 2, 3)) / n
        )
