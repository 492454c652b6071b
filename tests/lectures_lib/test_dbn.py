"""The DBN against enumeration of all its layers; the tied start, the bound, greedy training, up-down."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from lectures_lib import dbn, rbm
from lectures_lib.dbn import DBN
from lectures_lib.rbm import RBM
from tests.lectures_lib.oracles import log_sum_exp, states_of
from tests.lectures_lib.test_rbm import random_rbm


def random_dbn(seed, *sizes, scale=1.0):
    return DBN(tuple(random_rbm(seed + k, D, H, scale) for k, (D, H) in enumerate(itertools.pairwise(sizes))))


def binary(n):
    return states_of((2,) * n).astype(float)


def sigma(x):
    return 1 / (1 + np.exp(-x))


def enumerated_joint(net):
    """p(x, h¹, h²) of a two-layer network as a table, by plain loops over the definition."""
    first, top = net.layers
    x, h1, h2 = binary(first.b.size), binary(first.c.size), binary(top.c.size)
    pair = np.exp(h1 @ top.W @ h2.T + (h1 @ top.b)[:, None] + h2 @ top.c)
    pair /= pair.sum()
    means = sigma(h1 @ first.W.T + first.b)
    down = np.array([[np.prod(np.where(row == 1, m, 1 - m)) for m in means] for row in x])
    return x, h1, h2, down[:, :, None] * pair[None]


def test_joint_and_marginal_are_the_enumerated_ones():
    net = random_dbn(0, 4, 3, 2)
    x, h1, h2, table = enumerated_joint(net)
    assert table.sum() == pytest.approx(1.0)
    for i, j, k in [(0, 0, 0), (5, 3, 1), (15, 7, 3)]:
        assert dbn.log_joint(net, x[i], [h1[j], h2[k]])[0] == pytest.approx(np.log(table[i, j, k]), abs=1e-10)
    np.testing.assert_allclose(np.exp(dbn.log_prob(net, x)), table.sum(axis=(1, 2)), rtol=1e-9)


@pytest.mark.parametrize("sizes", [(3, 2), (2, 3, 4), (3, 2, 4, 2), (2, 3, 2, 3, 2)])
def test_probabilities_sum_to_one(sizes):
    net = random_dbn(1, *sizes)
    assert np.exp(dbn.log_prob(net, binary(sizes[0]))).sum() == pytest.approx(1.0, abs=1e-10)


def test_three_layers_sum_over_the_middle_one():
    net = random_dbn(2, 3, 2, 3, 2)
    middle = DBN(net.layers[1:])
    h1, x = binary(2), binary(3)
    prior = np.exp(dbn.log_prob(middle, h1))
    means = sigma(h1 @ net.layers[0].W.T + net.layers[0].b)
    expected = [np.sum(prior * np.prod(np.where(row == 1, means, 1 - means), axis=1)) for row in x]
    np.testing.assert_allclose(np.exp(dbn.log_prob(net, x)), expected, rtol=1e-9)


@pytest.mark.parametrize("sizes", [(3, 2), (3, 2, 4), (3, 2, 2, 4)])
def test_log_probabilities_are_in_double_precision(sizes):
    net = random_dbn(0, *sizes)
    single = DBN(tuple(rbm.RBM(*(a.astype(np.float32) for a in layer)) for layer in net.layers))
    log_p = dbn.log_prob(single, np.eye(3))
    assert log_p.dtype == np.float64
    np.testing.assert_allclose(log_p, dbn.log_prob(net, np.eye(3)), atol=1e-5)
    assert dbn.sample(single, 2, RNG, num_steps=1).dtype == dbn.features(single, 1).dtype == np.float32


def test_a_tied_network_is_the_rbm():
    machine = random_rbm(3, 5, 3)
    x = binary(5)
    tied = dbn.tie(machine)
    np.testing.assert_allclose(dbn.log_prob(tied, x), rbm.log_prob(machine, x), atol=1e-10)
    np.testing.assert_allclose(dbn.log_bound(tied, x), rbm.log_prob(machine, x), atol=1e-10)


def test_tying_without_swapping_the_biases_is_another_model():
    """Erratum 22, in total variation."""
    machine = random_rbm(3, 4, 4)
    x = binary(4)
    wrong = DBN((machine, RBM(machine.W.T, machine.b, machine.c)))
    distance = 0.5 * np.abs(np.exp(dbn.log_prob(wrong, x)) - np.exp(rbm.log_prob(machine, x))).sum()
    assert distance > 0.1


def test_the_bound_is_the_enumerated_one_and_tight_for_the_exact_posterior():
    net = random_dbn(4, 4, 3, 2)
    x, h1, _, table = enumerated_joint(net)
    joint = table.sum(axis=2)
    means = sigma(x @ net.layers[0].W + net.layers[0].c)
    q = np.array([[np.prod(np.where(h == 1, m, 1 - m)) for h in h1] for m in means])
    expected = np.sum(q * (np.log(joint) - np.log(q)), axis=1)
    np.testing.assert_allclose(dbn.log_bound(net, x), expected, atol=1e-10)
    assert (dbn.log_bound(net, x) < dbn.log_prob(net, x)).all()
    np.testing.assert_allclose(dbn.log_bound(net, x, exact_posterior=True), dbn.log_prob(net, x), atol=1e-10)


def bars_and_stripes(size=3):
    patterns = {tuple(np.repeat(row, size)) for row in itertools.product([0, 1], repeat=size)}
    patterns |= {tuple(np.tile(row, size)) for row in itertools.product([0, 1], repeat=size)}
    return np.array(sorted(patterns), dtype=float)


def ascend(machine, data, steps, rate=0.5):
    for _ in range(steps):
        machine = RBM(
            *(a + rate * g for a, g in zip(machine, rbm.exact_gradient(machine, data), strict=True))
        )
    return machine


def test_greedy_training_gives_old_below_bound_below_new():
    """From the tied start the second RBM, trained exactly on the first one's posterior, can only help on average."""
    data = bars_and_stripes()
    assert data.shape == (14, 9)
    rng = np.random.default_rng(0)
    first = ascend(RBM(0.1 * rng.normal(size=(9, 5)), np.zeros(9), np.zeros(5)), data, 400)
    old = rbm.log_prob(first, data).mean()
    # The second layer learns from exact samples' weights: every h¹ weighted by the mean of q(h¹ | x) over the data.
    h = binary(5)
    means = sigma(data @ first.W + first.c)
    weights = np.mean([[np.prod(np.where(row == 1, m, 1 - m)) for row in h] for m in means], axis=0)
    second = dbn.tie(first).layers[1]
    for _ in range(300):
        p = np.exp(rbm.log_prob(second, h))
        hidden = sigma(h @ second.W + second.c)
        diff = weights - p
        second = RBM(
            second.W + 0.5 * h.T @ (diff[:, None] * hidden),
            second.b + 0.5 * diff @ h,
            second.c + 0.5 * diff @ hidden,
        )
    net = DBN((first, second))
    bound, new = dbn.log_bound(net, data).mean(), dbn.log_prob(net, data).mean()
    assert old + 1e-3 < bound < new < -np.log(14)


def test_fit_greedy_learns_and_reports():
    data = np.tile(bars_and_stripes(), (20, 1))
    seen = []
    options = {"num_epochs": 60, "learning_rate": 0.1, "batch_size": 20}
    net = dbn.fit_greedy(
        data, [8, 6], np.random.default_rng(0), callback=lambda k, e: seen.append((k, e.number)), **options
    )
    assert [layer.W.shape for layer in net.layers] == [(9, 8), (8, 6)]
    assert seen[0] == (0, 1)
    assert seen[-1] == (1, 60)
    assert dbn.log_prob(net, bars_and_stripes()).mean() > 9 * np.log(0.5) + 0.5


@pytest.mark.parametrize("sizes", [(5, 4), (5, 9, 3)])
def test_each_layer_learns_the_means_of_the_one_below(sizes):
    data = np.tile(bars_and_stripes(), (3, 1))
    options = {"num_epochs": 3, "learning_rate": 0.5, "batch_size": 8}
    net = dbn.fit_greedy(data, sizes, np.random.default_rng(0), **options)
    rng = np.random.default_rng(0)
    for layer, size in zip(net.layers, sizes, strict=True):
        expected = rbm.fit(data, size, rng, **options).rbm
        assert np.abs(expected.c).max() > 0.01
        for ours, theirs in zip(layer, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-10)
        data = sigma(data @ expected.W + expected.c)


def test_a_tied_start_starts_at_the_transpose():
    data = bars_and_stripes()
    net = dbn.fit_greedy(
        data, [5, 9], np.random.default_rng(0), tied_start=True, num_epochs=1, learning_rate=1e-12
    )
    np.testing.assert_allclose(net.layers[1].W, net.layers[0].W.T, atol=1e-9)
    np.testing.assert_allclose(net.layers[1].b, net.layers[0].c, atol=1e-9)


def test_the_wake_update_is_the_finite_difference_of_the_mean_log_likelihood():
    net = random_dbn(5, 4, 3, 2)
    rng = np.random.default_rng(0)
    x, h = (rng.random((6, 4)) < 0.5).astype(float), (rng.random((6, 3)) < 0.5).astype(float)

    def objective(W, b):
        m = sigma(h @ W.T + b)
        return np.mean(np.sum(special.xlogy(x, m) + special.xlog1py(1 - x, -m), axis=1))

    layer = net.layers[0]
    (step,) = dbn.wake_gradient(net.layers, [x, h])
    for index in np.ndindex(layer.W.shape):
        d = np.zeros_like(layer.W)
        d[index] = 1e-6
        expected = (objective(layer.W + d, layer.b) - objective(layer.W - d, layer.b)) / 2e-6
        assert step.W[index] == pytest.approx(expected, abs=1e-8)
    assert step.b[1] == pytest.approx(
        (
            objective(layer.W, layer.b + 1e-6 * np.eye(4)[1])
            - objective(layer.W, layer.b - 1e-6 * np.eye(4)[1])
        )
        / 2e-6,
        abs=1e-8,
    )


def test_up_down_improves_the_bound_of_a_crude_network():
    data = np.tile(bars_and_stripes(), (20, 1))
    rng = np.random.default_rng(1)
    net = dbn.fit_greedy(data, [6, 5], rng, num_epochs=3, learning_rate=0.05, batch_size=20)
    result = dbn.up_down(net, data, rng, num_epochs=200, learning_rate=0.2, batch_size=20)
    patterns = bars_and_stripes()
    assert dbn.log_prob(result.dbn, patterns).mean() > dbn.log_prob(net, patterns).mean() + 1
    assert len(result.recognition) == 1
    assert result.reconstruction_errors[-1] < result.reconstruction_errors[0]
    np.testing.assert_array_equal(net.layers[0].W.shape, result.dbn.layers[0].W.shape)


@pytest.mark.parametrize("sizes", [(4, 3, 2), (5, 2, 4, 3)])
def test_steps_of_up_down_are_those_of_the_definition_with_the_same_draws(sizes):
    net = random_dbn(8, *sizes)
    X = (np.random.default_rng(1).random((7, sizes[0])) < 0.4).astype(float)
    rate, batch_size, num_steps = 0.3, 3, 2
    result = dbn.up_down(
        net,
        X,
        np.random.default_rng(2),
        num_epochs=2,
        batch_size=batch_size,
        learning_rate=rate,
        num_steps=num_steps,
    )
    rng = np.random.default_rng(2)

    def draw(means):
        return (rng.random(means.shape) < means).astype(float)

    *below_top, top = [[array.copy() for array in layer] for layer in net.layers]
    recognition = [[W.copy(), c.copy()] for W, _, c in below_top]
    errors = []
    for _ in range(2):
        order, squares = rng.permutation(7), 0.0
        for first in range(0, 7, batch_size):
            awake = [X[order[first : first + batch_size]]]
            n = len(awake[0])
            for V, d in recognition:
                awake.append(draw(sigma(awake[-1] @ V + d)))
            for k, (W, b, _) in enumerate(below_top):
                surprise = awake[k] - sigma(awake[k + 1] @ W.T + b)
                W += rate * surprise.T @ awake[k + 1] / n
                b += rate * surprise.mean(axis=0)
            W, b, c = top
            up = down = sigma(awake[-1] @ W + c)
            for _ in range(num_steps):
                dream = draw(sigma(draw(down) @ W.T + b))
                down = sigma(dream @ W + c)
            steps = awake[-1].T @ up - dream.T @ down, awake[-1] - dream, up - down
            W += rate * steps[0] / n
            b += rate * steps[1].mean(axis=0)
            c += rate * steps[2].mean(axis=0)
            asleep = [dream]
            for W, b, _ in reversed(below_top):
                asleep.insert(0, draw(sigma(asleep[0] @ W.T + b)))
            for k, (V, d) in enumerate(recognition):
                surprise = asleep[k + 1] - sigma(asleep[k] @ V + d)
                V += rate * asleep[k].T @ surprise / n
                d += rate * surprise.mean(axis=0)
            W, b, _ = below_top[0]
            squares += np.sum((awake[0] - sigma(awake[1] @ W.T + b)) ** 2)
        errors.append(squares / X.size)
    for ours, theirs in zip(result.dbn.layers, [*below_top, top], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(result.recognition, recognition, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(result.reconstruction_errors, errors, rtol=1e-12)
    for layer, before in zip(net.layers, random_dbn(8, *sizes).layers, strict=True):
        np.testing.assert_array_equal(layer.W, before.W)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_keeps_the_precision_of_the_data(dtype):
    data = bars_and_stripes().astype(dtype)
    net = dbn.fit_greedy(data, [4, 3], np.random.default_rng(0), num_epochs=2)
    tuned = dbn.up_down(net, data, np.random.default_rng(0), num_epochs=2)
    arrays = [array for layer in (*net.layers, *tuned.dbn.layers, *tuned.recognition) for array in layer]
    assert {array.dtype for array in arrays} == {np.dtype(dtype)}
    assert dbn.sample(net, 2, np.random.default_rng(0), num_steps=2).dtype == dtype


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    sizes=st.lists(st.integers(1, 4), min_size=3, max_size=4),
    scale=st.sampled_from([1e-8, 1.0, 30.0, 1e3]),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_any_sizes_and_scale_give_probabilities_and_a_bound(seed, sizes, scale, dtype):
    net = DBN(
        tuple(random_rbm(seed + k, D, H, scale, dtype) for k, (D, H) in enumerate(itertools.pairwise(sizes)))
    )
    x = binary(sizes[0])
    log_p, tolerance = dbn.log_prob(net, x), (1e-6 if dtype == np.float64 else 1e-3) * (1 + scale)
    assert log_sum_exp(log_p) == pytest.approx(0, abs=tolerance)
    np.testing.assert_allclose(dbn.log_bound(net, x, exact_posterior=True), log_p, atol=tolerance)
    assert (dbn.log_bound(net, x) <= log_p + tolerance).all()
    machine = net.layers[0]
    expected = rbm.log_prob(machine, x)
    np.testing.assert_allclose(dbn.log_prob(dbn.tie(machine), x), expected, atol=tolerance)
    np.testing.assert_allclose(dbn.log_bound(dbn.tie(machine), x), expected, atol=tolerance)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2), (4, 2, 3, 2)])
def test_means_in_place_of_samples_come_from_draws_of_the_layers_above(sizes):
    net = random_dbn(9, *sizes)
    means = dbn.sample(net, 6, np.random.default_rng(0), num_steps=3, return_means=True)
    rng = np.random.default_rng(0)
    states = rbm.gibbs_sample(net.layers[-1], 6, 3, rng)
    if len(sizes) == 2:
        states = sigma(states @ net.layers[0].W + net.layers[0].c)
        expected = sigma(states @ net.layers[0].W.T + net.layers[0].b)
    for layer in reversed(net.layers[:-1]):
        expected = sigma(states @ layer.W.T + layer.b)
        states = rng.random(expected.shape) < expected
    np.testing.assert_allclose(means, expected, rtol=1e-12)


def test_samples_have_the_enumerated_distribution():
    net = random_dbn(6, 3, 2, 3)
    x = binary(3)
    p = np.exp(dbn.log_prob(net, x))
    samples = dbn.sample(net, 30_000, np.random.default_rng(0), num_steps=60).astype(int)
    frequency = np.bincount(samples @ [4, 2, 1], minlength=8) / len(samples)
    assert 0.5 * np.abs(frequency - p).sum() < 0.015
    means = dbn.sample(net, 5, np.random.default_rng(0), num_steps=5, return_means=True)
    assert ((means > 0) & (means < 1)).all()


def test_features():
    net = random_dbn(7, 4, 3, 2)
    np.testing.assert_allclose(dbn.features(net, 2, linear=True), (net.layers[0].W @ net.layers[1].W).T)
    np.testing.assert_allclose(dbn.features(net, 1), sigma(net.layers[0].W.T + net.layers[0].b))
    assert dbn.features(net, 2).shape == (2, 4)


N = random_dbn(0, 3, 2, 2)
HUGE = DBN(tuple(layer._replace(W=1e200 * np.sign(layer.W)) for layer in N.layers))
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dbn.log_prob(DBN(()), np.zeros((1, 3))), "at least one layer"),
        (
            lambda: dbn.log_prob(DBN((N.layers[0], N.layers[0])), np.zeros((1, 3))),
            "expected layer 2 to have 2 visible units",
        ),
        (lambda: dbn.log_prob(N, [[0, 1, 0.5]]), "x: expected units of 0 and 1"),
        (lambda: dbn.log_prob(N, [[0, 1]]), r"x: expected shape \(n, 3\), got \(1, 2\)"),
        (lambda: dbn.log_joint(N, [[0, 1, 1]], [[[0, 1]]]), "hidden: expected 2 layers, got 1"),
        (lambda: dbn.log_bound(DBN(N.layers[:1]), [[0, 1, 1]]), "at least two layers"),
        (lambda: dbn.log_prob(random_dbn(0, 2, 19, 2), [[0, 1]]), "hidden layers of at most 18 units"),
        (lambda: dbn.fit_greedy(np.zeros((2, 3)), [], RNG), "at least one layer"),
        (lambda: dbn.up_down(DBN(N.layers[:1]), np.zeros((1, 3)), RNG), "at least two layers"),
        (lambda: dbn.up_down(N, np.zeros((1, 4)), RNG), r"of shape \(n, 3\)"),
        (lambda: dbn.up_down(N, np.zeros((1, 3)), RNG, learning_rate=0), "a rate above 0"),
        (lambda: dbn.features(HUGE, 2, linear=True), "dbn: expected weights whose products stay finite"),
        (lambda: dbn.features(N, 3), "layer: expected 1 to 2, got 3"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
