"""The stack of convolutional RBMs: shapes, pictures of units, information about classes, training on drawn objects."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal
from sklearn.metrics import mutual_info_score

from lectures_lib import conv_dbn, conv_rbm, datasets
from lectures_lib.conv_dbn import ConvDBN
from tests.lectures_lib.test_conv_rbm import random_machine


def random_net(seed, channels=(1, 3, 2), filters=((3, 2), (2, 4)), pools=(2, 1), **options):
    return ConvDBN(
        tuple(
            random_machine(seed + k, channels[k + 1], channels[k], s, t, pools[k], **options)
            for k, (s, t) in enumerate(filters)
        )
    )


@functools.cache
def trained_on_drawings():
    drawn = datasets.drawn_objects(40, np.random.default_rng(0), 36)
    X = datasets.whiten(drawn.images)[:, None].astype(np.float32)
    layers = [
        {"num_filters": 12, "filter_size": 7, "gaussian": True},
        {"num_filters": 20, "filter_size": 8, "sparsity": 0.02},
    ]
    epochs = []
    net = conv_dbn.fit_greedy(
        X,
        layers,
        np.random.default_rng(0),
        num_epochs=12,
        callback=lambda k, epoch: epochs.append((k, epoch)),
    )
    return X, drawn, net, epochs


def test_means_go_up_layer_by_layer_in_chunks_of_any_size(monkeypatch):
    net = random_net(0)
    X = np.random.default_rng(0).random((7, 1, 8, 9))
    first = conv_rbm.hidden_mean(net.layers[0], X).pooled
    second = conv_rbm.hidden_mean(net.layers[1], first).pooled
    assert first.shape == (7, 3, 3, 4)
    assert second.shape == (7, 2, 2, 1)
    monkeypatch.setattr(conv_dbn, "CHUNK", 3)
    np.testing.assert_array_equal(conv_dbn.transform(net, X, 1), first)
    np.testing.assert_array_equal(conv_dbn.transform(net, X), second)


def test_each_layer_learns_the_pooled_means_of_the_one_below_by_settings_of_its_own():
    X = (np.random.default_rng(1).random((4, 1, 8, 10)) < 0.4).astype(float)
    own = [
        {"num_filters": 2, "filter_size": 3, "pool": 2},
        {"num_filters": 3, "filter_size": 2, "pool": 1, "momentum": 0.25},
    ]
    net = conv_dbn.fit_greedy(X, own, np.random.default_rng(0), num_epochs=2, momentum=0.75)
    rng = np.random.default_rng(0)
    first = conv_rbm.fit(X, 2, 3, rng, pool=2, num_epochs=2, momentum=0.75).crbm
    pooled = conv_rbm.hidden_mean(first, X).pooled
    second = conv_rbm.fit(pooled, 3, 2, rng, pool=1, num_epochs=2, momentum=0.25).crbm
    for ours, theirs in zip(net.layers, (first, second), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_pictures_of_units_are_weights_multiplied_down():
    net = random_net(1)
    np.testing.assert_array_equal(conv_dbn.features(net, 1), net.layers[0].W)
    pictures = conv_dbn.features(net)
    assert pictures.shape == (2, 1, 2 * 2 + 3 - 1, 2 * 4 + 2 - 1)
    for k in range(2):
        expected = sum(
            signal.convolve2d(np.kron(net.layers[1].W[k, m], np.full((2, 2), 0.25)), net.layers[0].W[m, 0])
            for m in range(3)
        )
        np.testing.assert_allclose(pictures[k, 0], expected, rtol=1e-10)


def test_pictures_through_three_layers():
    net = random_net(2, (2, 3, 2, 4), ((3, 2), (2, 2), (2, 3)), (2, 3, 1))
    below = conv_dbn.features(net, 2)
    assert below.shape == (2, 2, 6, 5)
    top = conv_dbn.features(net, 3)
    assert top.shape == (4, 2, 16, 21)
    # A unit's picture is what switching its own weights on shows: linear in the top weights.
    doubled = ConvDBN((*net.layers[:2], net.layers[2]._replace(W=2 * net.layers[2].W)))
    np.testing.assert_allclose(conv_dbn.features(doubled), 2 * top, rtol=1e-12)


def test_pictures_are_as_precise_as_the_most_precise_layer():
    net = random_net(1)
    single = net.layers[0]._replace(
        **{name: getattr(net.layers[0], name).astype(np.float32) for name in "Wbc"}
    )
    pictures = conv_dbn.features(ConvDBN((single, net.layers[1])))
    assert pictures.dtype == np.float64
    np.testing.assert_allclose(pictures, conv_dbn.features(net), rtol=1e-5, atol=1e-6)


def test_of_images_of_equal_strength_the_first_come_first():
    net, n = random_net(1), 60
    X = (np.arange(n) % 3)[:, None, None, None] / 2 * np.ones((1, 8, 9))
    pictures = np.arange(n, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 9), np.uint8)
    patches = conv_dbn.strongest_patches(net, X, n, pictures=pictures)
    assert patches.dtype == np.uint8
    for k, strength in enumerate(conv_dbn.transform(net, X).max(axis=(2, 3)).T):
        assert patches[k, :, 0, 0, 0].tolist() == sorted(range(n), key=(-strength).__getitem__)


def test_strongest_patches_hold_what_a_filter_looks_for():
    """Filters that are pieces of noise find these pieces where they were hidden, through a pooling layer and one above it."""
    rng = np.random.default_rng(0)
    pieces = rng.normal(size=(2, 3, 3))
    X = np.zeros((5, 1, 12, 14))
    X[1, 0, 2:5, 8:11] = pieces[0]
    X[3, 0, 6:9, 1:4] = pieces[1]
    first = conv_rbm.ConvRBM(pieces[:, None], np.zeros(1), np.full(2, -5.0), pool=2, gaussian=True)
    patches = conv_dbn.strongest_patches(ConvDBN((first,)), X, 2)
    assert patches.shape == (2, 2, 1, 4, 4)
    np.testing.assert_array_equal(patches[0, 0, 0], X[1, 0, 2:6, 8:12])
    np.testing.assert_array_equal(patches[1, 0, 0], X[3, 0, 6:10, 0:4])
    coloured = np.concatenate([X, -X, 2 * X], axis=1)
    cut = conv_dbn.strongest_patches(ConvDBN((first,)), X, 1, pictures=coloured)
    np.testing.assert_array_equal(cut[0, 0], coloured[1, :, 2:6, 8:12])
    second = conv_rbm.ConvRBM(np.eye(2)[:, :, None, None] * 4, np.zeros(2), np.zeros(2), pool=1)
    patches = conv_dbn.strongest_patches(ConvDBN((first, second)), X, 5)
    assert patches.shape == (2, 5, 1, 4, 4)
    np.testing.assert_array_equal(patches[1, 0, 0], X[3, 0, 6:10, 0:4])
    third = random_machine(0, 2, 2, 2, 3, 1)
    assert conv_dbn.strongest_patches(ConvDBN((first, third)), X, 1).shape == (2, 1, 1, 6, 8)


def test_information_is_sklearns_mutual_information():
    rng = np.random.default_rng(0)
    labels = rng.integers(3, 7, size=200)
    activations = rng.random((200, 4, 2, 3))
    activations[:, 1] += labels[:, None, None] == 4
    active = activations.max(axis=(2, 3)) > 0.9
    expected = [mutual_info_score(labels, active[:, k]) for k in range(4)]
    np.testing.assert_allclose(
        conv_dbn.class_information(activations, labels, threshold=0.9), expected, atol=1e-12
    )
    strongest = activations.max(axis=(2, 3))
    expected = [mutual_info_score(labels, strongest[:, k] > np.median(strongest[:, k])) for k in range(4)]
    np.testing.assert_allclose(conv_dbn.class_information(activations, labels), expected, atol=1e-12)
    np.testing.assert_allclose(conv_dbn.class_information(strongest, labels), expected, atol=1e-12)


def test_a_unit_at_its_median_is_not_active():
    activations, labels = np.array([[0.1], [0.2], [0.2], [0.7], [0.9]]), [0, 0, 0, 1, 1]
    np.testing.assert_allclose(
        conv_dbn.class_information(activations, labels), mutual_info_score(labels, [0, 0, 0, 1, 1])
    )


def test_activations_are_compared_in_double_precision_and_information_is_never_below_zero():
    activations = np.array([[0.1], [0.0]], np.float32)  # 0.1 is a little more in float32
    assert conv_dbn.class_information(activations, [0, 1], threshold=0.1) == pytest.approx(np.log(2))
    labels, independent = np.arange(36) % 3, np.arange(36)[:, None] // 3 % np.arange(2, 9) == 0
    assert (conv_dbn.class_information(independent, labels, threshold=0.5) >= 0).all()


def test_places_go_down_through_pools_of_several_sizes():
    """Single taps that pass a picture up: the best of 6 by 6 pixels is where a bright one was put."""
    layers = [
        conv_rbm.ConvRBM(np.full((1, 1, 1, 1), 9.0), np.zeros(1), np.full(1, -5.0), pool) for pool in (2, 3)
    ]
    X = np.zeros((2, 1, 12, 18))
    X[0, 0, 8, 13] = X[1, 0, 5, 2] = 1
    patches = conv_dbn.strongest_patches(ConvDBN(tuple(layers)), X, 2)[0, :, 0]
    np.testing.assert_array_equal(patches, [X[0, 0, 6:12, 12:18], X[1, 0, 0:6, 0:6]])


def test_information_of_units_that_know_all_or_nothing():
    labels = np.repeat([0, 1], 10)
    activations = np.column_stack([labels, 1 - labels, np.ones(20), np.arange(20) % 2])
    information = conv_dbn.class_information(activations, labels, threshold=0.5)
    np.testing.assert_allclose(information, [np.log(2), np.log(2), 0, 0], atol=1e-15)
    assert conv_dbn.class_information(np.zeros((1, 3)), [7]).tolist() == [0, 0, 0]


def test_training_on_drawings_learns_parts_that_tell_classes_apart():
    X, drawn, net, epochs = trained_on_drawings()
    assert [layer.W.shape for layer in net.layers] == [(12, 1, 7, 7), (20, 12, 8, 8)]
    assert net.layers[1].W.dtype == np.float32
    assert [k for k, _ in epochs] == [0] * 12 + [1] * 12
    for errors in (
        [e.reconstruction_error for _, e in epochs[:12]],
        [e.reconstruction_error for _, e in epochs[12:]],
    ):
        assert errors[-1] < 0.7 * errors[0]
    for layer, least in ((1, 0.03), (2, 0.1)):
        activations = conv_dbn.transform(net, X, layer)
        information = conv_dbn.class_information(activations, drawn.labels).mean()
        rng = np.random.default_rng(0)
        shuffled = [
            conv_dbn.class_information(activations, rng.permutation(drawn.labels)).mean() for _ in range(20)
        ]
        assert information > least
        assert information > 3 * max(shuffled)


def test_what_was_learned_holds_for_new_drawings():
    _, _, net, _ = trained_on_drawings()
    fresh = datasets.drawn_objects(40, np.random.default_rng(1), 36)
    activations = conv_dbn.transform(net, datasets.whiten(fresh.images)[:, None].astype(np.float32))
    assert conv_dbn.class_information(activations, fresh.labels).max() > 0.2


def test_first_filters_of_natural_images_are_local_and_oriented():
    """Power of a learned filter gathers in one direction of the frequency plane more than that of noise does."""
    patches = datasets.natural_patches(150, 26, np.random.default_rng(0))[:, None].astype(np.float32)
    filters = conv_rbm.fit(
        patches, 12, 9, np.random.default_rng(0), gaussian=True, sparsity=0.015, weight_decay=0.005
    ).crbm.W[:, 0]

    def orientation(pictures):
        power = np.abs(np.fft.fft2(pictures - pictures.mean(axis=(1, 2), keepdims=True), s=(16, 16))) ** 2
        angle = np.arctan2(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(16))
        return np.abs((power * np.exp(2j * angle)).sum(axis=(1, 2))) / power.sum(axis=(1, 2))

    noise = np.random.default_rng(1).normal(size=(500, 9, 9))
    assert np.median(orientation(filters)) > 2 * np.median(orientation(noise))


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 8),
    gaussian=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_any_shapes_fit_together(shape, gaussian, dtype, seed):
    n, L, K1, K2, s1, s2, p1, p2 = shape
    net = ConvDBN(
        (
            random_machine(seed, K1, L, s1, s1, p1, gaussian, dtype=dtype),
            random_machine(seed + 1, K2, K1, s2, 1, p2, dtype=dtype),
        )
    )
    rows, columns = p1 * (p2 + s2 - 1) + s1 - 1, p1 * 2 * p2 + s1 - 1
    X = np.random.default_rng(seed).random((n, L, rows, columns)).astype(dtype)
    top = conv_dbn.transform(net, X)
    assert top.shape == (n, K2, 1, 2)
    assert top.dtype == dtype
    assert ((top >= 0) & (top <= 1)).all()
    assert conv_dbn.features(net).shape == (K2, L, p1 * s2 + s1 - 1, p1 + s1 - 1)
    assert conv_dbn.strongest_patches(net, X, n).shape[:3] == (K2, n, L)


N = random_net(0)
X = np.zeros((2, 1, 8, 9))
RNG = np.random.default_rng(0)
LAYER = {"num_filters": 2, "filter_size": 2}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_dbn.transform(ConvDBN(()), X), "net: expected at least one layer"),
        (lambda: conv_dbn.transform(ConvDBN((N.layers[0], N.layers[0])), X), "layer 2 to have 3 channels"),
        (
            lambda: conv_dbn.features(ConvDBN((N.layers[0], N.layers[1]._replace(gaussian=True)))),
            "expected binary units below layer 2",
        ),
        (lambda: conv_dbn.transform(N, X[0]), r"X: expected shape \(n, L, R, C\)"),
        (lambda: conv_dbn.transform(N, X[:0]), "X: expected shape"),
        (lambda: conv_dbn.transform(N, X[:, :, :7]), "multiples of the pool size 2"),
        (lambda: conv_dbn.transform(N, X, 3), "layer: expected 1 to 2, got 3"),
        (lambda: conv_dbn.features(N, 1.5), "layer: expected a whole number, got 1.5"),
        (lambda: conv_dbn.features(N, 0), "layer: expected 1 to 2, got 0"),
        (lambda: conv_dbn.strongest_patches(N, X, 3), "num_patches: expected 1 to 2"),
        (
            lambda: conv_dbn.strongest_patches(N, X, 1, pictures=X[:1]),
            "pictures: expected images of the shape",
        ),
        (lambda: conv_dbn.fit_greedy(X, [], RNG), "layers: expected at least one"),
        (lambda: conv_dbn.fit_greedy(X, [{"num_filters": 2}], RNG), r"layers\[0\]: expected num_filters and"),
        (
            lambda: conv_dbn.fit_greedy(X, [LAYER | {"pool": 1}] * 2, RNG, gaussian=True, num_epochs=1),
            r"layers\[1\]: expected binary units",
        ),
        (lambda: conv_dbn.class_information(np.zeros(3), [0, 1, 0]), "activations: expected shape"),
        (lambda: conv_dbn.class_information(np.zeros((0, 3)), []), "activations: expected shape"),
        (lambda: conv_dbn.class_information([[np.nan]], [0]), "activations: expected finite"),
        (lambda: conv_dbn.class_information(np.zeros((2, 1)), [0]), "labels: expected integers"),
        (lambda: conv_dbn.class_information(np.zeros((2, 1)), [0.0, 1.0]), "labels: expected integers"),
        (lambda: conv_dbn.class_information([[0.0]], [0], threshold=np.nan), "threshold: expected a number"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_pictures_that_overflow_are_refused():
    huge = ConvDBN(tuple(layer._replace(W=np.full(layer.W.shape, 1e200)) for layer in N.layers))
    with pytest.raises(ValueError, match="products stay finite"):
        conv_dbn.features(huge)
