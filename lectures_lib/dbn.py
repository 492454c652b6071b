"""Deep belief networks: an RBM at the top, a sigmoid belief network below it.

A DBN is a stack of RBMs, bottom first. With layers 1..L and h⁰ = x,

    p(x, h¹, ..., h^L) = p_RBM_L(h^{L-1}, h^L) Π_{l<L} p(h^{l-1} | h^l),

where layer l gives both directions between h^{l-1} (its D visible units) and h^l (its H hidden units):
down p(h^{l-1} = 1 | h^l) = σ(b + W h^l), up q(h^l = 1 | h^{l-1}) = σ(c + Wᵀ h^{l-1}). Units are 0 or 1, logarithms natural.

    >>> import numpy as np
    >>> machine = rbm.RBM(np.ones((3, 2)), np.zeros(3), np.zeros(2))
    >>> bool(np.allclose(log_prob(tie(machine), np.eye(3)), rbm.log_prob(machine, np.eye(3))))
    True
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lectures_lib import rbm
from lectures_lib._rbm_kernels import hidden_means
from lectures_lib._validation import reals, whole
from lectures_lib.rbm import RBM
from lectures_lib.rbm_model import all_states, bernoulli, sigmoid

__all__ = [
    "DBN",
    "MAX_EXACT_UNITS",
    "Recognition",
    "UpDown",
    "features",
    "fit_greedy",
    "log_bound",
    "log_joint",
    "log_prob",
    "sample",
    "tie",
    "up_down",
    "validate",
    "wake_gradient",
]

MAX_EXACT_UNITS = 18
"""Exact sums hold a table over the 2^18 states of a hidden layer."""


class DBN(NamedTuple):
    """A stack of RBMs.

    Attributes
    ----------
    layers : tuple of RBM
        Bottom first; the hidden units of each are the visible units of the next.
    """

    layers: tuple[RBM, ...]


class Recognition(NamedTuple):
    """Weights of the upward pass, apart from the generative ones: q(h = 1 | below) = σ(d + Vᵀ below).

    Attributes
    ----------
    V : ndarray, shape (D, H)
    d : ndarray, shape (H,)
    """

    V: np.ndarray
    d: np.ndarray


class UpDown(NamedTuple):
    """Result of fine-tuning.

    Attributes
    ----------
    dbn : DBN
    recognition : tuple of Recognition
        One for each layer below the top.
    reconstruction_errors : ndarray, shape (num_epochs,), float64
    """

    dbn: DBN
    recognition: tuple[Recognition, ...]
    reconstruction_errors: np.ndarray


def validate(dbn: DBN) -> DBN:
    """Check a network.

    Parameters
    ----------
    dbn : DBN

    Returns
    -------
    DBN
        The same with valid layers.

    Raises
    ------
    ValueError
        If there is no layer, a layer is malformed, or two don't fit together.
    """
    if not dbn.layers:
        raise ValueError("dbn: expected at least one layer, got none")
    layers = tuple(rbm.validate(layer) for layer in dbn.layers)
    for number, (below, above) in enumerate(itertools.pairwise(layers), 1):
        if below.c.size != above.b.size:
            raise ValueError(
                f"dbn: expected layer {number + 1} to have {below.c.size} visible units, as layer {number} has hidden ones, "
                f"got {above.b.size}"
            )
    return DBN(layers)


def tie(machine: RBM) -> DBN:
    """Return the two-layer DBN that equals an RBM: on top goes the transposed machine, its biases swapped.

    Proof in a line: RBM 2's marginal of h¹ is RBM 1's; times the same p(x | h¹) it gives RBM 1's joint.

    Parameters
    ----------
    machine : RBM

    Returns
    -------
    DBN

    Raises
    ------
    ValueError
        If the machine is malformed.

    References
    ----------
    Hinton, Osindero & Teh (2006), A fast learning algorithm for deep belief nets, on complementary priors and tied weights.
    """
    machine = rbm.validate(machine)
    return DBN((machine, RBM(machine.W.T.copy(), machine.c, machine.b)))


def log_joint(dbn: DBN, x, hidden) -> np.ndarray:
    """log p(x, h¹, ..., h^L) of complete states.

    Parameters
    ----------
    dbn : DBN
    x : array_like, shape (n, D), 0 or 1
    hidden : sequence of L array_like, shapes (n, H_l), 0 or 1

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        If something is malformed, or the top RBM is too large for its exact partition function.
    """
    dbn = validate(dbn)
    if len(hidden) != len(dbn.layers):
        raise ValueError(f"hidden: expected {len(dbn.layers)} layers, got {len(hidden)}")
    units = [_binary("x", x, dbn.layers[0].b.size)]
    units += [_binary(f"hidden[{k}]", h, dbn.layers[k].c.size) for k, h in enumerate(hidden)]
    if any(len(layer) != len(units[0]) for layer in units):
        raise ValueError(
            f"hidden: expected {len(units[0])} states to match x, got {[len(layer) for layer in units[1:]]}"
        )
    top = dbn.layers[-1]
    below, above = units[-2], units[-1]
    result = (
        np.einsum("ni,ij,nj->n", below, top.W, above) + below @ top.b + above @ top.c - rbm.log_partition(top)
    )
    for layer, v, h in zip(dbn.layers[:-1], units[:-2], units[1:-1], strict=True):
        result += _log_bernoulli(v, h @ layer.W.T + layer.b)
    return result


def log_prob(dbn: DBN, x) -> np.ndarray:
    """Exact log p(x), by summing over all states of the hidden layers below the top, one layer after the other.

    Parameters
    ----------
    dbn : DBN
    x : array_like, shape (n, D), 0 or 1

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        If something is malformed, or a layer has more than MAX_EXACT_UNITS units.
    """
    dbn = validate(dbn)
    x = _binary("x", x, dbn.layers[0].b.size)
    if len(dbn.layers) == 1:
        return rbm.log_prob(dbn.layers[0], x).astype(np.float64)
    states, log_p = _hidden_marginal(dbn)
    layer = dbn.layers[0]
    fields = states @ layer.W.T + layer.b
    result = np.empty(len(x))
    for n, row in enumerate(x):
        result[n] = np.logaddexp.reduce(log_p + _log_bernoulli(row, fields))
    return result


def _hidden_marginal(dbn: DBN) -> tuple[np.ndarray, np.ndarray]:
    """All states of h¹ and their exact log probabilities under the layers above."""
    sizes = [layer.c.size for layer in dbn.layers[:-1]]
    if max(sizes) > MAX_EXACT_UNITS:
        raise ValueError(
            f"dbn: expected hidden layers of at most {MAX_EXACT_UNITS} units below the top, got {sizes}"
        )
    states = all_states(sizes[-1])
    log_p = np.asarray(rbm.log_prob(dbn.layers[-1], states))
    for layer in reversed(dbn.layers[1:-1]):
        below = all_states(layer.b.size)
        fields = states @ layer.W.T + layer.b
        log_p = np.array([np.logaddexp.reduce(log_p + _log_bernoulli(row, fields)) for row in below])
        states = below
    return states, log_p


def log_bound(dbn: DBN, x, *, exact_posterior: bool = False) -> np.ndarray:
    """Lower bound on log p(x) of a network of two layers or more: E_q[log p(x, h¹)] + H(q(h¹ | x)), summed exactly.

    Parameters
    ----------
    dbn : DBN
    x : array_like, shape (n, D), 0 or 1
    exact_posterior : bool
        By default q is the posterior of the first RBM taken by itself, which factorises; with True it is the posterior
        of the whole network, for which the bound is log p(x).

    Returns
    -------
    ndarray, shape (n,), float64

    Raises
    ------
    ValueError
        As for `log_prob`, or for a single layer.

    References
    ----------
    Hinton, Osindero & Teh (2006), A fast learning algorithm for deep belief nets, on the bound; Neal & Hinton (1998).
    """
    dbn = validate(dbn)
    if len(dbn.layers) < 2:
        raise ValueError("dbn: expected at least two layers, got one")
    layer = dbn.layers[0]
    x = _binary("x", x, layer.b.size)
    states, log_p = _hidden_marginal(dbn)
    fields = states @ layer.W.T + layer.b
    result = np.empty(len(x))
    for n, row in enumerate(x):
        joint = log_p + _log_bernoulli(row, fields)
        if exact_posterior:
            log_q = joint - np.logaddexp.reduce(joint)
        else:
            log_q = _log_bernoulli(states, row @ layer.W + layer.c)
        q = np.exp(log_q)
        result[n] = np.sum(q * (joint - log_q), where=q > 0)
    return result


def fit_greedy(
    X,
    hidden_sizes,
    rng: np.random.Generator,
    *,
    tied_start: bool = False,
    callback: Callable[[int, rbm.Epoch], None] | None = None,
    **options,
) -> DBN:
    """Train layer by layer: each RBM learns the hidden means that the one below infers from the data.

    Parameters
    ----------
    X : array_like, shape (n, D), units in [0, 1]
    hidden_sizes : sequence of int
        Hidden units of each layer.
    rng : numpy.random.Generator
    tied_start : bool
        Start a layer at the transpose of the one below where the sizes allow it, so that the bound starts tight.
    callback : callable, optional
        Called with the layer's number, from 0, and an `rbm.Epoch`.
    **options
        Passed to `rbm.fit`.

    Returns
    -------
    DBN
        float32 if X is, else float64.

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Hinton, Osindero & Teh (2006), A fast learning algorithm for deep belief nets; Bengio et al. (2006), Greedy layer-wise training of
    deep networks.
    """
    if not len(hidden_sizes):
        raise ValueError("hidden_sizes: expected at least one layer, got none")
    layers: list[RBM] = []
    data = reals("X", X)
    for number, size in enumerate(hidden_sizes):
        initial = None
        if tied_start and layers and layers[-1].b.size == size:
            initial = tie(layers[-1]).layers[1]
        report = None if callback is None else lambda epoch, number=number: callback(number, epoch)
        layers.append(rbm.fit(data, size, rng, initial=initial, callback=report, **options).rbm)
        if number < len(hidden_sizes) - 1:
            W, c = layers[-1].W, layers[-1].c
            data = hidden_means(np.ascontiguousarray(data, W.dtype), np.ascontiguousarray(W), c)
    return DBN(tuple(layers))


def up_down(
    dbn: DBN,
    X,
    rng: np.random.Generator,
    *,
    num_epochs: int = 10,
    batch_size: int = 100,
    learning_rate: float = 0.01,
    num_steps: int = 1,
) -> UpDown:
    """Fine-tune by the up-down algorithm: wake-sleep with contrastive divergence in the top RBM.

    Waking, data go up through the recognition weights and train the generative ones to give each layer back from the
    one above. The top RBM takes contrastive steps. Sleeping, what it dreams goes down and trains the recognition weights.

    Parameters
    ----------
    dbn : DBN
        Two layers or more.
    X : array_like, shape (n, D), units in [0, 1]
    rng : numpy.random.Generator
    num_epochs, batch_size, num_steps : int
    learning_rate : float

    Returns
    -------
    UpDown

    Raises
    ------
    ValueError
        If an argument is malformed.

    References
    ----------
    Hinton et al. (1995), The wake-sleep algorithm for unsupervised neural networks; Hinton, Osindero & Teh (2006), on
    the up-down algorithm.
    """
    dbn = validate(dbn)
    if len(dbn.layers) < 2:
        raise ValueError("dbn: expected at least two layers, got one")
    whole(num_epochs=num_epochs, batch_size=batch_size, num_steps=num_steps)
    if min(num_epochs, batch_size, num_steps) < 1 or not 0 < learning_rate < np.inf:
        raise ValueError(
            "num_epochs, batch_size, num_steps, learning_rate: expected at least 1, and a rate above 0"
        )
    dtype = dbn.layers[0].W.dtype
    X = reals("X", X, dtype)
    if X.ndim != 2 or X.shape[1] != dbn.layers[0].b.size or len(X) == 0 or not ((X >= 0) & (X <= 1)).all():
        raise ValueError(
            f"X: expected units in [0, 1] of shape (n, {dbn.layers[0].b.size}), got shape {X.shape}"
        )
    layers = [RBM(*(a.copy() for a in layer)) for layer in dbn.layers]
    recognition = [Recognition(layer.W.copy(), layer.c.copy()) for layer in layers[:-1]]
    rate = dtype.type(learning_rate)
    errors = np.empty(num_epochs)
    for epoch in range(num_epochs):
        order = rng.permutation(len(X))
        squares = 0.0
        for start in range(0, len(X), batch_size):
            batch = X[order[start : start + batch_size]]
            awake = [batch]
            for up in recognition:
                awake.append(bernoulli(sigmoid(awake[-1] @ up.V + up.d), rng))
            for layer, step in zip(layers[:-1], wake_gradient(layers, awake), strict=True):
                layer.W[...] += rate * step.W
                layer.b[...] += rate * step.b
            gradient, dream = rbm.cd_gradient(layers[-1], awake[-1], num_steps, rng)
            for parameter, step in zip(layers[-1], gradient, strict=True):
                parameter += rate * step
            asleep = [dream]
            for layer in reversed(layers[:-1]):
                asleep.insert(0, bernoulli(sigmoid(asleep[0] @ layer.W.T + layer.b), rng))
            for up, below, above in zip(recognition, asleep[:-1], asleep[1:], strict=True):
                surprise = (above - sigmoid(below @ up.V + up.d)) / len(batch)
                up.V[...] += rate * (below.T @ surprise)
                up.d[...] += rate * surprise.sum(axis=0)
            back = sigmoid(awake[1] @ layers[0].W.T + layers[0].b)
            squares += float(np.sum((batch - back) ** 2))
        errors[epoch] = squares / X.size
    return UpDown(validate(DBN(tuple(layers))), tuple(recognition), errors)


def wake_gradient(layers, states) -> list[rbm.Gradient]:
    """Gradient of the mean log p(h^{l-1} | h^l) for the generative weights of each layer below the top.

    Not validated: this is the inner step of `up_down`.

    Parameters
    ----------
    layers : sequence of L RBM
    states : sequence of L ndarray, shapes (n, units)
        x, h¹, ..., h^{L-1}.

    Returns
    -------
    list of L - 1 Gradient
        The part for c, which generates nothing, is zero.
    """
    steps = []
    for layer, below, above in zip(layers[:-1], states[:-1], states[1:], strict=True):
        surprise = (below - sigmoid(above @ layer.W.T + layer.b)) / len(below)
        steps.append(rbm.Gradient(surprise.T @ above, surprise.sum(axis=0), np.zeros_like(layer.c)))
    return steps


def sample(
    dbn: DBN, num_samples: int, rng: np.random.Generator, *, num_steps: int = 1000, return_means: bool = False
) -> np.ndarray:
    """Sample x: block Gibbs sampling in the top RBM, then an ancestral pass down.

    Parameters
    ----------
    dbn : DBN
    num_samples : int
        Independent chains, one sample each.
    rng : numpy.random.Generator
    num_steps : int
        Steps of each chain at the top.
    return_means : bool
        Return p(x = 1 | h¹) of the last step in place of samples: smoother pictures, but not draws of x.

    Returns
    -------
    ndarray, shape (num_samples, D), the dtype of the first layer

    Raises
    ------
    ValueError
        If the network is malformed, or a number is below 1.

    References
    ----------
    Hinton, Osindero & Teh (2006), on generating samples.
    """
    dbn = validate(dbn)
    states = rbm.gibbs_sample(dbn.layers[-1], num_samples, num_steps, rng)
    if len(dbn.layers) == 1 and return_means:
        return rbm.visible_mean(dbn.layers[0], rbm.hidden_mean(dbn.layers[0], states))
    for number, layer in reversed(list(enumerate(dbn.layers[:-1]))):
        means = rbm.visible_mean(layer, states)
        states = means if number == 0 and return_means else bernoulli(means, rng)
    return states


def features(dbn: DBN, layer: int, *, linear: bool = False) -> np.ndarray:
    """What each unit of a hidden layer stands for, as a picture in x.

    Parameters
    ----------
    dbn : DBN
    layer : int
        1 for the first hidden layer.
    linear : bool
        Multiply the weights down to x; by default each unit is switched on by itself and means are passed down.

    Returns
    -------
    ndarray, shape (H_layer, D), the dtype of the layers

    Raises
    ------
    ValueError
        If the network is malformed or has no such layer, or products of weights overflow.

    References
    ----------
    Lee, Ekanadham & Ng (2007), Sparse deep belief net model for visual area V2 (linear combinations of filters).
    """
    dbn = validate(dbn)
    whole(layer=layer)
    if not 1 <= layer <= len(dbn.layers):
        raise ValueError(f"layer: expected 1 to {len(dbn.layers)}, got {layer}")
    units = np.eye(dbn.layers[layer - 1].c.size, dtype=dbn.layers[0].W.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        for below in reversed(dbn.layers[:layer]):
            units = units @ below.W.T if linear else rbm.visible_mean(below, units)
    if not np.isfinite(units).all():
        raise ValueError(f"dbn: expected weights whose products stay finite in {units.dtype}, got overflow")
    return units


def _log_bernoulli(units: np.ndarray, field: np.ndarray) -> np.ndarray:
    """Sum over the last axis of log p(unit) for 0/1 units with p(1) = σ(field)."""
    return np.sum(units * field - np.logaddexp(0, field), axis=-1)


def _binary(name: str, value, size: int) -> np.ndarray:
    array = np.atleast_2d(reals(name, value, np.float64))
    if array.ndim != 2 or array.shape[1] != size:
        raise ValueError(f"{name}: expected shape (n, {size}), got {array.shape}")
    if not ((array == 0) | (array == 1)).all():
        raise ValueError(f"{name}: expected units of 0 and 1, got others")
    return array
