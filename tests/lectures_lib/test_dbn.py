"""The DBN against enumeration of all its layers; the tied start, the bound, greedy training, up-down."""

import itertools

import numpy as np
import pytest
from scipy import special

from lectures_lib import dbn, rbm
from lectures_lib.dbn import DBN
from lectures_lib.rbm import RBM
from tests.lectures_lib.oracles import states_of
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
