"""Convolutional deep belief networks: a stack of convolutional RBMs, each on the pooling units of the one below.

Images have shape (n, L, R, C); layer l has K_l filters, which are the channels of layer l + 1. Layers are trained one after the
other, and what a unit stands for is drawn by multiplying weights down to the image. Logarithms are natural.

    >>> import numpy as np
    >>> X = np.random.default_rng(0).integers(2, size=(20, 1, 12, 12)).astype(np.float32)
    >>> layers = [{"num_filters": 4, "filter_size": 3}, {"num_filters": 5, "filter_size": 2}]
    >>> net = fit_greedy(X, layers, np.random.default_rng(1), num_epochs=2)
    >>> transform(net, X).shape, features(net, 2).shape
    ((20, 5, 2, 2), (5, 1, 6, 6))
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from lectures_lib import _convolution, conv_rbm
from lectures_lib._validation import reals, whole
from lectures_lib.conv_rbm import ConvRBM

__all__ = [
    "ConvDBN",
    "ConvRBM",
    "class_information",
    "features",
    "fit_greedy",
    "strongest_patches",
    "transform",
    "validate",
]

CHUNK = 50
"""Images that go up together; with 24 maps of 40 by 40 their hidden units take 8 MB in float32."""


class ConvDBN(NamedTuple):
    """A stack of convolutional RBMs.

    Attributes
    ----------
    layers : tuple of ConvRBM
        Bottom first; the pooling units of each are the channels of the next.

    References
    ----------
    Lee, Grosse, Ranganath & Ng (2009), Convolutional deep belief networks for scalable unsupervised learning of hierarchical
    representations, §3.5.
    """

    layers: tuple[ConvRBM, ...]


def validate(net: ConvDBN) -> ConvDBN:
    """Check a network.

    Parameters
    ----------
    net : ConvDBN

    Returns
    -------
    ConvDBN
        The same with valid layers.

    Raises
    ------
    ValueError
        If there is no layer, a layer is malformed, or two don't fit together.
    """
    if not net.layers:
        raise ValueError("net: expected at least one layer, got none")
    layers = tuple(conv_rbm.validate(layer) for layer in net.layers)
    for number, (below, above) in enumerate(itertools.pairwise(layers), 1):
        if above.gaussian:
            raise ValueError(f"net: expected binary units below layer {number + 1}, got Gaussian ones")
        if below.c.size != above.b.size:
            raise ValueError(
                f"net: expected layer {number + 1} to have {below.c.size} channels, as layer {number} has filters, "
                f"got {above.b.size}"
            )
    return ConvDBN(layers)


def fit_greedy(
    X,
    layers: Sequence[Mapping[str, Any]],
    rng: np.random.Generator,
    *,
    callback: Callable[[int, conv_rbm.Epoch], None] | None = None,
    **options,
) -> ConvDBN:
    """Train layer by layer: each learns the means of the pooling units that the one below infers from the data.

    Parameters
    ----------
    X : array_like, shape (n, L, R, C), float32 or float64
    layers : sequence of mappings
        For each layer the arguments of `conv_rbm.fit` that are its own: num_filters and filter_size at least.
    rng : numpy.random.Generator
    callback : callable, optional
        Called with the layer's number, from 0, and a `conv_rbm.Epoch`.
    **options
        Arguments of `conv_rbm.fit` that all layers share; a layer's own come first.

    Returns
    -------
    ConvDBN

    Raises
    ------
    ValueError
        If an argument is malformed, or a layer above the first is to be Gaussian.

    References
    ----------
    Lee et al. (2009), §3.5; Hinton, Osindero & Teh (2006), A fast learning algorithm for deep belief nets.
    """
    if not len(layers):
        raise ValueError("layers: expected at least one layer, got none")
    trained: list[ConvRBM] = []
    data = reals("X", X)
    for number, own in enumerate(layers):
        settings = {**options, **own}
        missing = {"num_filters", "filter_size"} - settings.keys()
        if missing:
            raise ValueError(
                f"layers[{number}]: expected num_filters and filter_size, got {sorted(settings)}"
            )
        if number and settings.get("gaussian", False):
            raise ValueError(
                f"layers[{number}]: expected binary units above the first layer, got gaussian=True"
            )
        sizes = settings.pop("num_filters"), settings.pop("filter_size")
        report = None if callback is None else lambda epoch, number=number: callback(number, epoch)
        trained.append(conv_rbm.fit(data, *sizes, rng, callback=report, **settings).crbm)
        data = transform(ConvDBN((trained[-1],)), data)
    return ConvDBN(tuple(trained))


def transform(net: ConvDBN, X, layer: int | None = None) -> np.ndarray:
    """Means of the pooling units of a layer, each layer inferred from the means of the one below.

    Parameters
    ----------
    net : ConvDBN
    X : array_like, shape (n, L, R, C)
    layer : int, optional
        1 for the first; by default the top one.

    Returns
    -------
    ndarray, shape (n, K, rows, columns)
        In [0, 1], in the dtype of the last layer used.

    Raises
    ------
    ValueError
        If something is malformed, or a layer's filters or blocks don't fit.
    """
    net = validate(net)
    layer = _layer_number(net, layer)
    X = reals("X", X)
    if X.ndim != 4 or X.size == 0:
        raise ValueError(f"X: expected shape (n, L, R, C) with at least one entry, got {X.shape}")
    parts = []
    for start in range(0, len(X), CHUNK):
        units = X[start : start + CHUNK]
        for crbm in net.layers[:layer]:
            units = conv_rbm.hidden_mean(crbm, units).pooled
        parts.append(units)
    return np.concatenate(parts)


def features(net: ConvDBN, layer: int | None = None) -> np.ndarray:
    """What each unit of a layer stands for, as a picture: its weights, multiplied down through the layers to the image.

    A pooling unit below gives its weight in equal parts to the units of its block, since nothing says which of them is on.

    Parameters
    ----------
    net : ConvDBN
    layer : int, optional
        1 for the first, whose pictures are its filters; by default the top one.

    Returns
    -------
    ndarray, shape (K, L, height, width)
        Weights, of either sign, in the dtype of the layers.

    Raises
    ------
    ValueError
        If something is malformed, or weights overflow.

    References
    ----------
    Lee, Ekanadham & Ng (2007), Sparse deep belief net model for visual area V2; Lee et al. (2009), §4.1.
    """
    net = validate(net)
    layer = _layer_number(net, layer)
    picture = net.layers[layer - 1].W
    for below in reversed(net.layers[: layer - 1]):
        spread = picture.repeat(below.pool, axis=2).repeat(below.pool, axis=3) / below.W.dtype.type(
            below.pool**2
        )
        dtype = np.result_type(spread, below.W)
        picture = _convolution.transposed(
            np.ascontiguousarray(spread, dtype=dtype), below.W.astype(dtype, copy=False)
        )
    if not np.isfinite(picture).all():
        raise ValueError(f"net: expected weights whose products stay finite in {picture.dtype}, got overflow")
    return picture


def strongest_patches(
    net: ConvDBN, X, num_patches: int, layer: int | None = None, *, pictures=None
) -> np.ndarray:
    """Cut out what makes each unit of a layer most active: its receptive field, at its best place in the best images.

    Parameters
    ----------
    net : ConvDBN
    X : array_like, shape (n, L, R, C)
    num_patches : int
        Of each unit, from different images: 1 to n.
    layer : int, optional
        1 for the first; by default the top one.
    pictures : array_like, shape (n, channels, R, C), optional
        What to cut from in place of X: the images before they were whitened, say.

    Returns
    -------
    ndarray, shape (K, num_patches, channels, height, width)
        Strongest first, in the dtype of what is cut.

    Raises
    ------
    ValueError
        If something is malformed.
    """
    net = validate(net)
    activations = transform(net, X, layer)
    X = reals("X", X)
    pictures = X if pictures is None else reals("pictures", pictures)
    if pictures.ndim != 4 or (len(pictures), *pictures.shape[2:]) != (len(X), *np.shape(X)[2:]):
        raise ValueError(f"pictures: expected images of the shape of X, {np.shape(X)}, got {pictures.shape}")
    n, K, _, columns = activations.shape
    whole(num_patches=num_patches)
    if not 1 <= num_patches <= n:
        raise ValueError(f"num_patches: expected 1 to {n}, the number of images, got {num_patches}")
    stride, height, width = 1, 1, 1
    for crbm in net.layers[: _layer_number(net, layer)]:
        height += (crbm.W.shape[2] + crbm.pool - 2) * stride
        width += (crbm.W.shape[3] + crbm.pool - 2) * stride
        stride *= crbm.pool
    places = activations.reshape(n, K, -1)
    best, strength = places.argmax(axis=2), places.max(axis=2)
    order = np.argsort(-strength, axis=0, kind="stable")[:num_patches]
    patches = np.empty((K, num_patches, pictures.shape[1], height, width), dtype=pictures.dtype)
    for k in range(K):
        for rank, image in enumerate(order[:, k]):
            i, j = (stride * int(place) for place in divmod(best[image, k], columns))
            patches[k, rank] = pictures[image, :, i : i + height, j : j + width]
    return patches


def class_information(activations, labels, *, threshold: float | None = None) -> np.ndarray:
    """Mutual information, in nats, between the class of an image and whether a unit is active anywhere in it.

    A unit counts as active where its largest activation over the image exceeds a threshold. The estimate puts frequencies in
    the place of probabilities, so it is above zero even for labels without meaning: compare it with that for shuffled labels.

    Parameters
    ----------
    activations : array_like, shape (n, K) or (n, K, rows, columns)
    labels : array_like, shape (n,), int
    threshold : float, optional
        By default each unit's own median over the images.

    Returns
    -------
    ndarray, shape (K,), float64
        At least 0, and at most the entropies of the two.

    Raises
    ------
    ValueError
        If shapes don't fit, or something is not finite.

    References
    ----------
    Cover & Thomas (2006), Elements of information theory, §2.3.
    """
    activations = reals("activations", activations, np.float64)
    if activations.ndim not in (2, 4) or activations.size == 0:
        raise ValueError(
            f"activations: expected shape (n, K) or (n, K, rows, columns), got {activations.shape}"
        )
    if not np.isfinite(activations).all():
        raise ValueError("activations: expected finite numbers, got NaN or inf")
    labels = reals("labels", labels)
    if labels.shape != activations.shape[:1] or labels.dtype.kind not in "iub":
        raise ValueError(
            f"labels: expected integers of shape ({len(activations)},), got {labels.dtype} of shape {labels.shape}"
        )
    if threshold is not None and np.isnan(threshold):
        raise ValueError("threshold: expected a number, got NaN")
    strongest = activations.max(axis=(2, 3)) if activations.ndim == 4 else activations
    active = strongest > (np.median(strongest, axis=0) if threshold is None else threshold)
    _, classes = np.unique(labels, return_inverse=True)
    member = np.eye(classes.max() + 1)[classes]
    joint = np.stack([member.T @ ~active, member.T @ active]) / len(labels)  # (2, classes, K)
    independent = joint.sum(axis=0) * joint.sum(axis=1, keepdims=True)
    ratio = np.divide(joint, independent, out=np.ones_like(joint), where=joint > 0)
    return np.maximum(0.0, np.sum(joint * np.log(ratio), axis=(0, 1)))


def _layer_number(net: ConvDBN, layer: int | None) -> int:
    layer = len(net.layers) if layer is None else layer
    whole(layer=layer)
    if not 1 <= layer <= len(net.layers):
        raise ValueError(f"layer: expected 1 to {len(net.layers)}, got {layer}")
    return layer
