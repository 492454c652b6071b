"""The RBM against sums over all joint states, finite differences, scikit-learn, and its own exact quantities."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special
from sklearn.neural_network import BernoulliRBM

from lectures_lib import _team, rbm
from lectures_lib._fast_math import generators, uniform
from lectures_lib._rbm_kernels import WIDTH, train
from lectures_lib._tiles import COLUMNS
from lectures_lib.rbm import RBM
from tests.lectures_lib.oracles import log_sum_exp, states_of


def random_rbm(seed, D, H, scale=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return RBM(*(scale * rng.normal(size=shape).astype(dtype) for shape in ((D, H), D, H)))


def joint_weights(machine):
    """log p̃ of every joint state, as a table (visible states, hidden states)."""
    v = states_of((2,) * machine.b.size).astype(float)
    h = states_of((2,) * machine.c.size).astype(float)
    return v, h, v @ machine.W @ h.T + (v @ machine.b)[:, None] + h @ machine.c


sizes = st.tuples(st.integers(1, 6), st.integers(1, 5))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), shape=sizes, scale=st.sampled_from([1e-8, 1.0, 30.0, 1e3]))
def test_everything_exact_is_the_enumerated_joint(seed, shape, scale):
    machine = random_rbm(seed, *shape, scale)
    v, h, weights = joint_weights(machine)
    log_z = log_sum_exp(weights.ravel())
    assert rbm.log_partition(machine) == pytest.approx(log_z, rel=1e-11, abs=1e-11)
    marginal = special.logsumexp(weights, axis=1)
    np.testing.assert_allclose(-rbm.free_energy(machine, v), marginal, rtol=1e-10, atol=1e-10)
    posterior = np.exp(weights - marginal[:, None])
    np.testing.assert_allclose(rbm.hidden_mean(machine, v), posterior @ h, atol=1e-10)
    # The posterior factorises: its joint table is the product of the means.
    means = rbm.hidden_mean(machine, v)
    product = np.prod(np.where(h[None] == 1, means[:, None], 1 - means[:, None]), axis=2)
    np.testing.assert_allclose(product, posterior, atol=1e-10)
    other = np.exp(weights - special.logsumexp(weights, axis=0))
    np.testing.assert_allclose(rbm.visible_mean(machine, h), other.T @ v, atol=1e-10)
    assert np.exp(rbm.log_prob(machine, v)).sum() == pytest.approx(1.0, abs=1e-9)


def test_all_states_count_up():
    np.testing.assert_array_equal(rbm.all_states(3), states_of((2, 2, 2)))
    assert rbm.all_states(0).shape == (1, 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sigmoid_has_its_limits_and_keeps_the_precision(dtype):
    x = np.array([-np.inf, -1e30, -20, -1, 0, 1e-8, 3, 1e30, np.inf], dtype)
    result = rbm.sigmoid(x)
    assert result.dtype == dtype
    np.testing.assert_allclose(result, special.expit(x.astype(np.float64)), rtol=0, atol=np.finfo(dtype).eps)


def test_one_array_in_double_precision_makes_all_of_them_so():
    machine = random_rbm(0, 3, 2, dtype=np.float32)
    assert {array.dtype for array in rbm.validate(machine)} == {np.dtype(np.float32)}
    for name in RBM._fields:
        mixed = machine._replace(**{name: getattr(machine, name).astype(np.float64)})
        assert {array.dtype for array in rbm.validate(mixed)} == {np.dtype(np.float64)}


def test_the_interpreted_kernel_gives_the_same():
    machine = random_rbm(3, 4, 3)
    tops, sums = np.empty(2), np.empty(2)
    args = (machine.W.T.copy(), machine.c, machine.b, 1, tops, sums)
    from lectures_lib.rbm_model import _enumerate_kernel

    _enumerate_kernel.py_func(*args)
    assert log_sum_exp(tops + np.log(sums)) == pytest.approx(rbm.log_partition(machine), rel=1e-12)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5)])
def test_the_exact_gradient_is_the_finite_difference_of_the_log_likelihood(shape):
    machine = random_rbm(1, *shape)
    data = (np.random.default_rng(2).random((7, shape[0])) < 0.4).astype(float)
    gradient = rbm.exact_gradient(machine, data)
    for k, name in enumerate(RBM._fields):
        array = machine[k]
        for index in np.ndindex(array.shape):
            step = np.zeros_like(array)
            step[index] = 1e-5
            up = rbm.log_prob(machine._replace(**{name: array + step}), data).mean()
            down = rbm.log_prob(machine._replace(**{name: array - step}), data).mean()
            assert gradient[k][index] == pytest.approx((up - down) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("shape", [(4, 3), (3, 5)])
def test_the_exact_gradient_in_single_precision(shape):
    machine, data = random_rbm(1, *shape, dtype=np.float32), np.eye(shape[0])
    double = rbm.exact_gradient(RBM(*(a.astype(np.float64) for a in machine)), data)
    for single, other in zip(rbm.exact_gradient(machine, data.astype(np.float32)), double, strict=True):
        assert single.dtype == np.float32
        np.testing.assert_array_equal(single, other.astype(np.float32))


def test_free_energy_and_means_agree_with_scikit_learn():
    X = (np.random.default_rng(0).random((50, 8)) < 0.5).astype(float)
    peer = BernoulliRBM(n_components=5, n_iter=3, random_state=0).fit(X)
    machine = RBM(peer.components_.T, peer.intercept_visible_, peer.intercept_hidden_)
    np.testing.assert_allclose(rbm.free_energy(machine, X), peer._free_energy(X))
    np.testing.assert_allclose(rbm.hidden_mean(machine, X), peer.transform(X))


def test_block_gibbs_sampling_has_the_exact_distribution():
    machine = random_rbm(4, 3, 2)
    v = states_of((2, 2, 2))
    p = np.exp(rbm.log_prob(machine, v))
    samples = rbm.gibbs_sample(machine, 20_000, 60, np.random.default_rng(0)).astype(int)
    frequency = np.bincount(samples @ [4, 2, 1], minlength=8) / len(samples)
    assert 0.5 * np.abs(frequency - p).sum() < 0.015


def test_contrastive_divergence_with_many_steps_is_the_exact_gradient():
    machine = random_rbm(5, 4, 3, 0.5)
    data = (np.random.default_rng(2).random((20_000, 4)) < 0.4).astype(float)
    gradient, chains = rbm.cd_gradient(machine, data, 30, np.random.default_rng(0))
    for ours, exact in zip(gradient, rbm.exact_gradient(machine, data), strict=True):
        np.testing.assert_allclose(ours, exact, atol=0.015)
    assert chains.shape == data.shape


def test_contrastive_divergence_from_chains_of_another_number():
    """Biases that leave no choice to the samples: every chain ends where they say."""
    b, c = np.array([50.0, -50.0, 50.0]), np.array([50.0, -50.0])
    data, end, h = (
        np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 1.0]]),
        np.array([1.0, 0.0, 1.0]),
        np.array([1.0, 0.0]),
    )
    machine = RBM(np.zeros((3, 2)), b, c)
    gradient, chains = rbm.cd_gradient(machine, data, 2, np.random.default_rng(0), chains=np.ones((5, 3)))
    np.testing.assert_array_equal(chains, np.tile(end, (5, 1)))
    np.testing.assert_allclose(gradient.W, np.outer(data.mean(axis=0) - end, h), atol=1e-12)
    np.testing.assert_allclose(gradient.b, data.mean(axis=0) - end, atol=1e-12)
    np.testing.assert_allclose(gradient.c, 0, atol=1e-12)


def test_chains_go_on_from_where_they_are_told():
    """Weights so strong that nothing ever changes, but what the samples show and the units above do."""
    machine = RBM(200 * np.eye(3), np.full(3, -100.0), np.full(3, -100.0))
    start = states_of((2, 2, 2)).astype(float)
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(rbm.gibbs_sample(machine, 8, 3, rng, initial=start), start)
    data = np.ones((2, 3))
    gradient, chains = rbm.cd_gradient(machine, data, 3, rng, chains=start)
    np.testing.assert_array_equal(chains, start)
    np.testing.assert_allclose(gradient.W, 1 - start.T @ start / 8, atol=1e-12)
    np.testing.assert_allclose(gradient.c, 0.5, atol=1e-12)


def test_steps_of_sampling_have_the_exact_transition_probabilities():
    machine = random_rbm(7, 3, 2)
    v, h, weights = joint_weights(machine)
    up = np.exp(weights - special.logsumexp(weights, axis=1, keepdims=True))
    down = np.exp(weights - special.logsumexp(weights, axis=0)).T
    p, n = np.linalg.matrix_power(up @ down, 2), 40_000
    start = np.array([1.0, 0.0, 1.0])
    samples = rbm.gibbs_sample(machine, n, 2, np.random.default_rng(0), initial=np.tile(start, (n, 1)))
    frequency = np.bincount((samples @ [4, 2, 1]).astype(int), minlength=8) / n
    np.testing.assert_allclose(frequency, p[5], atol=4 * 0.5 / np.sqrt(n))
    gradient, chains = rbm.cd_gradient(machine, np.tile(start, (n, 1)), 2, np.random.default_rng(0))
    mean = p[5] @ (v[:, :, None] * (up @ h)[:, None, :]).reshape(8, 6)
    expected = np.outer(start, up[5] @ h) - mean.reshape(3, 2)
    np.testing.assert_allclose(gradient.W, expected, atol=4 * 0.5 / np.sqrt(n))
    np.testing.assert_allclose(gradient.c, up[5] @ h - p[5] @ up @ h, atol=4 * 0.5 / np.sqrt(n))
    # Of the hidden units' last step there are means, not draws.
    last = rbm.hidden_mean(machine, chains)
    np.testing.assert_allclose(gradient.c, up[5] @ h - last.mean(axis=0), atol=1e-10)
    np.testing.assert_allclose(gradient.W, np.outer(start, up[5] @ h) - chains.T @ last / n, atol=1e-10)
    assert set(np.unique(chains)) == {0.0, 1.0}


def test_pseudo_likelihood_is_the_product_of_enumerated_conditionals():
    machine = random_rbm(6, 4, 3)
    v = states_of((2,) * 4).astype(float)
    log_p = rbm.log_prob(machine, v).reshape((2,) * 4)
    state = np.array([1, 0, 0, 1])
    expected = 0.0
    for i in range(4):
        index = [*state]
        index[i] = slice(None)
        expected += log_p[tuple(state)] - special.logsumexp(log_p[tuple(index)])
    assert rbm.pseudo_log_likelihood(machine, state) == pytest.approx(expected, abs=1e-12)
    both = rbm.pseudo_log_likelihood(machine, [state, 1 - state])
    assert 2 * both == pytest.approx(expected + rbm.pseudo_log_likelihood(machine, 1 - state), abs=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_annealed_importance_sampling_within_three_standard_errors(seed):
    machine = random_rbm(seed, 12, 8, 0.7)
    estimate = rbm.annealed_log_partition(machine, np.random.default_rng(seed), num_temperatures=400)
    assert abs(estimate.log_partition - rbm.log_partition(machine)) < 3 * estimate.standard_error
    assert 0 < estimate.standard_error < 0.2
    assert estimate.log_weights.shape == (100,)


def test_the_estimate_and_its_error_are_those_of_the_weights():
    machine = random_rbm(3, 6, 4, 0.7)
    base = np.linspace(-1, 1, 6)
    log_z, error, logs = rbm.annealed_log_partition(
        machine, np.random.default_rng(0), num_chains=7, num_temperatures=5, base_bias=base
    )
    log_base = np.log1p(np.exp(base)).sum() + 4 * np.log(2)
    assert log_z == pytest.approx(log_base + special.logsumexp(logs) - np.log(7))
    assert error == pytest.approx(np.std(np.exp(logs), ddof=1) / np.exp(logs).mean() / np.sqrt(7))


def test_a_ladder_of_one_step_weighs_draws_from_the_base():
    """Without weights and at the base's own bias, what is left is one factor for each hidden bias."""
    machine = RBM(np.zeros((3, 2)), np.array([1.0, -1.0, 0.5]), np.array([2.0, -3.0]))
    estimate = rbm.annealed_log_partition(machine, np.random.default_rng(0), num_chains=5, num_temperatures=1)
    assert estimate.log_partition == pytest.approx(rbm.log_partition(machine), rel=1e-12)
    assert estimate.standard_error == pytest.approx(0, abs=1e-12)
    away = rbm.annealed_log_partition(
        machine, np.random.default_rng(0), num_chains=4000, num_temperatures=1, base_bias=[0.0, 1.0, -1.0]
    )
    assert abs(away.log_partition - rbm.log_partition(machine)) < 4 * away.standard_error < 0.2


@pytest.mark.parametrize("shape", [(5, 3), (3, 5)])
def test_annealing_is_that_of_whole_arrays_with_the_same_draws(shape):
    (W, b, c), base, n = random_rbm(1, *shape), np.linspace(-1, 1, shape[0]), 4
    rng, betas = np.random.default_rng(2), [0, 0.25, 0.5, 0.75, 1]
    v = rbm.bernoulli(np.tile(special.expit(base), (n, 1)), rng)
    state, logs = generators(rng, max(shape)), np.zeros(n)

    def draw(means):
        return np.array([[uniform(state, j) < mean for j, mean in enumerate(row)] for row in means]) * 1.0

    for before, beta in itertools.pairwise(betas):
        field = v @ W + c
        logs += (beta - before) * v @ (b - base)
        logs += (np.logaddexp(0, beta * field) - np.logaddexp(0, before * field)).sum(axis=1)
        h = draw(special.expit(beta * field))
        v = draw(special.expit(beta * (h @ W.T + b) + (1 - beta) * base))
    estimate = rbm.annealed_log_partition(
        RBM(W, b, c), np.random.default_rng(2), num_chains=n, num_temperatures=4, base_bias=base
    )
    np.testing.assert_allclose(estimate.log_weights, logs, rtol=1e-11)


def test_means_of_many_data_in_single_precision_are_added_up_in_double():
    X = np.full((100_000, 2), 0.1, np.float32)
    b = rbm._initial_machine(X, 1, np.random.default_rng(0), np.float32).b
    np.testing.assert_allclose(special.expit(b), 10_000.5 / 100_001, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32])
@pytest.mark.parametrize("shape", [(1,), (1, 5), (2, 3, 700)])
def test_working_arrays_are_zeros_that_begin_with_a_page(shape, dtype):
    array = rbm._pages(shape, dtype)
    assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, dtype, True)
    assert array.ctypes.data % 4096 == 0
    assert not array.any()


def test_training_starts_at_the_data_s_means_and_small_weights():
    X = np.tile([[1.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]], (50, 1))
    start = rbm.fit(X, 400, np.random.default_rng(0), num_epochs=1, learning_rate=1e-12).rbm
    np.testing.assert_allclose(special.expit(start.b), [100.5 / 101, 0.5 / 101, 0.5, 0.5 / 101], rtol=1e-8)
    assert start.W.std() == pytest.approx(0.01, rel=0.1)
    assert start.W.mean() == pytest.approx(0, abs=0.001)
    np.testing.assert_allclose(start.c, 0, atol=1e-9)


def test_annealing_from_another_base_and_in_single_precision():
    machine = random_rbm(2, 10, 6, 0.7, np.float32)
    base = np.full(10, 0.3)
    estimate = rbm.annealed_log_partition(
        machine, np.random.default_rng(1), num_temperatures=500, base_bias=base
    )
    assert abs(estimate.log_partition - rbm.log_partition(machine)) < 3 * estimate.standard_error + 1e-3


BARS = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]] * 25, dtype=float)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_steps": 3},
        {"persistent": True, "learning_rate": 0.02, "num_epochs": 1500, "momentum": 0.0},
        {"learning_rate": lambda t: 0.3 / (1 + t / 50)},
    ],
)
def test_training_raises_the_exact_likelihood(dtype, options):
    rng = np.random.default_rng(0)
    settings_ = {"num_epochs": 150, "batch_size": 20, "learning_rate": 0.2} | options
    result = rbm.fit(BARS.astype(dtype), 6, rng, **settings_)
    assert {array.dtype for array in result.rbm} == {np.dtype(dtype)}
    untrained = rbm.fit(BARS, 6, np.random.default_rng(0), num_epochs=1, learning_rate=1e-9).rbm
    before, after = rbm.log_prob(untrained, BARS).mean(), rbm.log_prob(result.rbm, BARS).mean()
    assert before == pytest.approx(4 * np.log(0.5), abs=0.01)
    assert after > before + 0.4
    assert after < -np.log(4)
    assert len(result.reconstruction_errors) == settings_["num_epochs"]
    assert result.reconstruction_errors[-1] < result.reconstruction_errors[0]


def test_training_is_repeatable_and_tells_its_progress():
    seen = []
    first = rbm.fit(BARS, 3, np.random.default_rng(1), num_epochs=3, callback=seen.append)
    again = rbm.fit(BARS, 3, np.random.default_rng(1), num_epochs=3)
    np.testing.assert_array_equal(first.rbm.W, again.rbm.W)
    assert [epoch.number for epoch in seen] == [1, 2, 3]
    assert seen[-1].reconstruction_error == first.reconstruction_errors[-1]


def test_weight_decay_shrinks_the_weights():
    loose = rbm.fit(BARS, 3, np.random.default_rng(1), num_epochs=60, learning_rate=0.3)
    tight = rbm.fit(BARS, 3, np.random.default_rng(1), num_epochs=60, learning_rate=0.3, weight_decay=0.1)
    assert np.linalg.norm(tight.rbm.W) < 0.7 * np.linalg.norm(loose.rbm.W)


def test_huge_parameters_never_give_nan():
    machine = random_rbm(1, 4, 3, 1e6)
    v = states_of((2,) * 4)
    for value in (rbm.hidden_mean(machine, v), rbm.free_energy(machine, v), rbm.log_partition(machine)):
        assert np.isfinite(value).all()


@pytest.mark.parametrize("huge", [1e10, 1e30, 1e300])
@pytest.mark.parametrize("shape", [(9, 10), (10, 9)])
def test_a_huge_weight_leaves_the_states_without_it_as_they_are(shape, huge):
    machine = random_rbm(1, *shape)
    machine.W[0, 0] = machine.W[3, 4] = -huge
    log_weights = -rbm.free_energy(machine, rbm.all_states(shape[0]))
    assert rbm.log_partition(machine) == pytest.approx(special.logsumexp(log_weights), rel=1e-13)


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e36), (np.float64, 1e306)])
def test_parameters_whose_sums_may_overflow_are_refused(dtype, huge):
    W = np.resize(np.array([1, -1, -1, 1], dtype), (10, 10))
    v, few = np.ones((1, 10), dtype), random_rbm(0, 10, 10, dtype=dtype)
    for call in (
        lambda machine: rbm.hidden_mean(machine, v),
        lambda machine: rbm.free_energy(machine, v),
        rbm.log_partition,
        lambda machine: rbm.pseudo_log_likelihood(machine, v),
        lambda machine: rbm.exact_gradient(machine, v).W,
        lambda machine: rbm.annealed_log_partition(machine, RNG, num_chains=2, num_temperatures=3)[:2],
    ):
        assert np.isfinite(call(few._replace(W=dtype(huge / 1e4) * W))).all()
        with pytest.raises(
            ValueError, match=f"^rbm: expected parameters whose sums stay finite in {v.dtype}"
        ):
            call(few._replace(W=dtype(huge * 10) * W))


def stop(epoch):
    raise AssertionError("not refused before training")


M = random_rbm(0, 3, 2)
RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rbm.log_partition(RBM(np.zeros((3, 2)), np.zeros(2), np.zeros(3))),
            r"expected W \(D, H\), b \(D,\)",
        ),
        (lambda: rbm.log_partition(RBM(np.zeros((0, 2)), np.zeros(0), np.zeros(2))), "at least one unit"),
        (lambda: rbm.log_partition(M._replace(c=np.array([0, np.nan]))), r"rbm\.c: expected finite numbers"),
        (lambda: rbm.log_partition(random_rbm(0, 26, 26)), r"2\^26 terms; use annealed_log_partition"),
        (lambda: rbm.exact_gradient(random_rbm(0, 21, 21), np.zeros((1, 21))), "use contrastive divergence"),
        (lambda: rbm.hidden_mean(M, [0, 1]), r"v: expected shape \(n, 3\) or \(3,\), got \(2,\)"),
        (lambda: rbm.visible_mean(M, [0, 2]), r"h: expected units in \[0, 1\]"),
        (lambda: rbm.hidden_mean(M, [0, 1, np.nan]), r"v: expected units in \[0, 1\]"),
        (lambda: rbm.cd_gradient(M, np.zeros((1, 3)), 0, RNG), "num_steps: expected at least 1"),
        (lambda: rbm.gibbs_sample(M, 0, 1, RNG), "num_samples, num_steps"),
        (lambda: rbm.fit(np.zeros(3), 2, RNG), r"X: expected shape \(n, D\)"),
        (lambda: rbm.fit(BARS, 0, RNG), "num_hidden, num_epochs, batch_size, num_steps: expected at least 1"),
        (lambda: rbm.fit(BARS, 2, RNG, momentum=1.0), "momentum, weight_decay"),
        (lambda: rbm.fit(BARS, 2, RNG, learning_rate=0.0), "learning_rate: expected above 0"),
        (lambda: rbm.fit(BARS, 2, RNG, initial=M), r"initial: expected W of shape \(4, 2\)"),
        (
            lambda: rbm.fit(
                BARS.astype(np.float32), 3, RNG, initial=random_rbm(0, 4, 3, 1e300), callback=stop
            ),
            "rbm.W: expected finite numbers",
        ),
        (
            lambda: rbm.annealed_log_partition(
                random_rbm(0, 3, 2, dtype=np.float32), RNG, base_bias=[1e300] * 3
            ),
            "base_bias: expected finite numbers",
        ),
        (lambda: rbm.annealed_log_partition(M, RNG, num_chains=1), "num_chains, num_temperatures"),
        (
            lambda: rbm.annealed_log_partition(M, RNG, base_bias=[1e308, 0.0, -1e308]),
            "base_bias: expected numbers whose sums stay finite in float64",
        ),
        (
            lambda: rbm.annealed_log_partition(M, RNG, base_bias=[0.0]),
            r"base_bias: expected finite numbers of shape \(3,\)",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("num_steps", [1, 2])
def test_training_that_leaves_the_samples_no_choice_has_a_known_gradient(dtype, persistent, num_steps):
    """Biases that leave no choice to the samples make the gradient a known one, in the short last batch too."""
    b, c = np.array([50.0, -50.0, 50.0]), np.array([50.0, -50.0])
    start = rbm.RBM(np.zeros((3, 2)), b, c)
    x, h, back = np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0]), np.array([1.0, 0.0, 1.0])
    rates, momentum, decay = (0.5, 0.25), 0.5, 0.125
    W, W_speed, b_speed = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros(3)
    for rate in rates:
        for _ in range(2):  # three rows make a batch of two and one of one
            W_speed = momentum * W_speed + rate * (np.outer(x - back, h) - decay * W)
            b_speed = momentum * b_speed + rate * (x - back)
            W, b = W + W_speed, b + b_speed
    options = {"num_epochs": 2, "batch_size": 2, "momentum": momentum, "weight_decay": decay}
    options |= {"num_steps": num_steps, "persistent": persistent, "learning_rate": rates.__getitem__}
    X = np.array([x, x, x], dtype)
    result = rbm.fit(X, 2, np.random.default_rng(3), initial=start, **options)
    np.testing.assert_allclose(result.rbm.W, W, atol=1e-6)
    np.testing.assert_allclose(result.rbm.b, b, atol=1e-5)
    np.testing.assert_allclose(result.rbm.c, c, atol=1e-6)
    np.testing.assert_allclose(result.reconstruction_errors, np.mean((x - back) ** 2), atol=1e-6)


def steps_in_numpy(
    start, X, rng, *, num_epochs, batch_size, rate, momentum, weight_decay, num_steps, persistent
):
    """Contrastive divergence by whole arrays: each unit draws from a generator of its own."""
    W, b, c = (array.copy() for array in start)
    speed = [np.zeros_like(array) for array in start]
    visible_state, hidden_state = generators(rng, b.size), generators(rng, c.size)
    chains = (rng.random((batch_size, b.size)) < 0.5).astype(float) if persistent else None
    errors = []

    def draw(means, state):
        draws = [[uniform(state, j) for j in range(means.shape[1])] for _ in range(len(means))]
        return (np.array(draws) < means).astype(float)

    def back(v):
        means = special.expit(draw(special.expit(v @ W + c), hidden_state) @ W.T + b)
        return means, draw(means, visible_state)

    for _ in range(num_epochs):
        order, squares = rng.permutation(len(X)), 0.0
        for first in range(0, len(X), batch_size):
            v = X[order[first : first + batch_size]]
            means, model = back(v)
            squares += ((v - means) ** 2).sum()
            if persistent:
                model = chains
            for _ in range(num_steps if persistent else num_steps - 1):
                model = back(model)[1]
            chains = model
            up, down = special.expit(v @ W + c), special.expit(model @ W + c)
            n, m = len(v), len(model)
            gradient = (
                v.T @ up / n - model.T @ down / m - weight_decay * W,
                v.mean(axis=0) - model.mean(axis=0),
                up.mean(axis=0) - down.mean(axis=0),
            )
            for k, parameter in enumerate((W, b, c)):
                speed[k] = momentum * speed[k] + rate * gradient[k]
                parameter += speed[k]
        errors.append(squares / X.size)
    return (W, b, c), errors


SHAPES = [(1, 1), (5, 2), (6, 37), (37, 6), (20, 30), (33, 300), (300, 33)]


@pytest.mark.parametrize(("D", "H"), SHAPES)
@pytest.mark.parametrize(("num_steps", "persistent"), [(1, False), (3, False), (2, True)])
def test_training_is_that_of_whole_arrays_with_the_same_draws(monkeypatch, D, H, num_steps, persistent):
    monkeypatch.setattr(rbm, "ENOUGH", 5000)  # so that the largest is shared among threads
    start, X = random_rbm(1, D, H, 0.3), (np.random.default_rng(2).random((23, D)) < 0.4).astype(float)
    options = {"num_epochs": 2, "batch_size": 9, "momentum": 0.5, "weight_decay": 0.01}
    options |= {"num_steps": num_steps, "persistent": persistent}
    result = rbm.fit(X, H, np.random.default_rng(3), initial=start, learning_rate=0.1, **options)
    machine, errors = steps_in_numpy(start, X, np.random.default_rng(3), rate=0.1, **options)
    for ours, theirs in zip(result.rbm, machine, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(result.reconstruction_errors, errors, rtol=1e-12)


@given(num_units=st.integers(1, 5000), shared=st.booleans())
def test_panels_are_whole_tiles_of_nearly_the_same_size(num_units, shared):
    edges = rbm._panel_edges(num_units, shared)
    widths = np.diff(edges)
    assert edges[0] == 0
    assert 0 <= edges[-1] - num_units < COLUMNS
    assert (edges % COLUMNS == 0).all()
    assert 0 < widths.min() <= widths.max() <= min(WIDTH, widths.min() + COLUMNS)
    assert widths.size % 2 == 0 or not shared or num_units <= COLUMNS


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize(("D", "H"), [(6, 37), (300, 33)])
def test_epochs_that_go_into_the_kernel_together_change_no_bit(monkeypatch, D, H, persistent):
    monkeypatch.setattr(rbm, "ENOUGH", 5000)
    X = (np.random.default_rng(2).random((23, D)) < 0.4).astype(float)
    calls, run, heard = [], _team.run, []

    def counted(kernel, members, X, orders, *rest):
        calls.append(len(orders))
        run(kernel, members, X, orders, *rest)

    monkeypatch.setattr(_team, "run", counted)

    def fit(callback=None):
        rng, options = np.random.default_rng(3), {"num_epochs": 5, "batch_size": 9, "persistent": persistent}
        return rbm.fit(X, H, rng, learning_rate=lambda epoch: 0.1 / (1 + epoch), callback=callback, **options)

    together = fit()
    apart = fit(lambda epoch: heard.append((epoch.number, epoch.reconstruction_error)))
    monkeypatch.setattr(rbm, "AT_ONCE", 2 * len(X) * max(D * H, 4096))
    by_twos = fit()
    monkeypatch.setattr(rbm, "AT_ONCE", 1)  # less than an epoch
    by_ones = fit()
    assert calls == [5, 1, 1, 1, 1, 1, 2, 2, 1, 1, 1, 1, 1, 1]
    for other in (apart, by_twos, by_ones):
        assert all(map(np.array_equal, together.rbm, other.rbm))
        assert np.array_equal(together.reconstruction_errors, other.reconstruction_errors)
    assert heard == list(enumerate(apart.reconstruction_errors, 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"num_steps": 2, "persistent": True, "weight_decay": 0.01}])
@pytest.mark.parametrize(("D", "H"), [(20, 500), (500, 20)])
def test_the_number_of_threads_changes_no_bit(monkeypatch, dtype, D, H, options):
    X = (np.random.default_rng(2).random((205, D)) < 0.4).astype(dtype)
    monkeypatch.setattr(rbm, "ENOUGH", 5000)
    sizes, run = [], _team.run
    monkeypatch.setattr(
        _team, "run", lambda kernel, members, *rest: (sizes.append(len(members)), run(kernel, members, *rest))
    )
    results = []
    for count in (1, 2, 3, 4):
        monkeypatch.setattr(_team, "num_threads", lambda count=count: count)
        results.append(rbm.fit(X, H, np.random.default_rng(3), num_epochs=2, batch_size=30, **options))
    monkeypatch.setattr(rbm, "ENOUGH", np.inf)
    rbm.fit(X, H, np.random.default_rng(3), num_epochs=1, batch_size=30, **options)
    assert sizes == [1, 2, 3, 4, 1]
    for other in results[1:]:
        assert all(map(np.array_equal, results[0].rbm, other.rbm))
        assert np.array_equal(results[0].reconstruction_errors, other.reconstruction_errors)


def test_data_of_any_layout_train_with_the_kernel_that_is_compiled_already():
    X = np.random.default_rng(0).integers(2, size=(10, 6)).astype(float)
    frozen = X.copy()
    frozen.flags.writeable = False
    fits = [rbm.fit(X, 3, np.random.default_rng(1))]
    kernels = list(train.signatures)
    fits += [rbm.fit(other, 3, np.random.default_rng(1)) for other in (np.asfortranarray(X), frozen)]
    assert train.signatures == kernels
    for other in fits[1:]:
        assert all(map(np.array_equal, fits[0].rbm, other.rbm))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_that_diverges_is_refused(dtype):
    with pytest.raises(ValueError, match=r"^rbm\.[Wbc]: expected finite numbers"):
        rbm.fit(
            BARS.astype(dtype),
            3,
            np.random.default_rng(0),
            learning_rate=float(np.finfo(dtype).max),
            momentum=0.9,
        )


def test_chains_that_persist_may_be_more_than_the_data():
    start, X = random_rbm(1, 6, 4, 0.3), (np.random.default_rng(2).random((5, 6)) < 0.4).astype(float)
    options = {"num_epochs": 3, "batch_size": 12, "momentum": 0.5, "weight_decay": 0.01, "num_steps": 1}
    options["persistent"] = True
    result = rbm.fit(X, 4, np.random.default_rng(3), initial=start, learning_rate=0.1, **options)
    machine, _ = steps_in_numpy(start, X, np.random.default_rng(3), rate=0.1, **options)
    for ours, theirs in zip(result.rbm, machine, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_a_batch_larger_than_the_data_is_all_of_them():
    whole, larger = (
        rbm.fit(BARS, 3, np.random.default_rng(1), num_epochs=3, batch_size=size)
        for size in (len(BARS), 10**12)
    )
    assert all(map(np.array_equal, whole.rbm, larger.rbm))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_from_huge_parameters_gives_no_nan(dtype):
    start = random_rbm(1, 5, 3, 1e30)
    result = rbm.fit(
        np.eye(5, dtype=dtype)[[0, 1, 2]], 3, np.random.default_rng(1), batch_size=2, initial=start
    )
    assert all(np.isfinite(array).all() for array in result.rbm)
