"""The convolutional RBM against plain loops, SciPy's convolution and enumeration of all states of tiny machines."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import signal, special

from lectures_lib import _convolution, conv_rbm, conv_rbm_model, datasets
from lectures_lib.conv_rbm import ConvRBM
from tests.lectures_lib.oracles import log_sum_exp, states_of


def random_machine(seed, K=2, L=1, s=2, t=2, pool=2, gaussian=False, scale=1.0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    W, b, c = (scale * rng.normal(size=shape).astype(dtype) for shape in [(K, L, s, t), (L,), (K,)])
    return ConvRBM(W.astype(dtype), b.astype(dtype), c.astype(dtype), pool, gaussian)


def hidden_states(K, rows, columns, pool):
    """Every state of the hidden units with at most one on in a block, by listing each block's pool² + 1 states."""
    blocks = [(k, i, j) for k in range(K) for i in range(rows // pool) for j in range(columns // pool)]
    result = []
    for choice in itertools.product(range(pool**2 + 1), repeat=len(blocks)):
        h = np.zeros((K, rows, columns))
        for (k, i, j), which in zip(blocks, choice, strict=True):
            if which:
                r, q = divmod(which - 1, pool)
                h[k, i * pool + r, j * pool + q] = 1
        result.append(h)
    return np.array(result)


def plain_energy(machine, v, h):
    """E(v, h) of one state by loops over the definition."""
    W, b, c = machine[:3]
    L, s, t = W.shape[1:]
    total = -sum(b[m] * v[m].sum() for m in range(L))
    if machine.gaussian:
        total += 0.5 * (v**2).sum()
    for k, i, j in np.argwhere(h):
        total -= c[k] + sum(
            W[k, m, r, q] * v[m, i + r, j + q] for m in range(L) for r in range(s) for q in range(t)
        )
    return total


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 3, *[st.integers(1, 4)] * 2, *[st.integers(1, 5)] * 2),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_the_kernels_are_scipys_correlation_and_each_others_adjoints(shape, dtype, seed):
    n, L, K, s, t, rows, columns = shape
    rng = np.random.default_rng(seed)
    v = rng.normal(size=(n, L, rows + s - 1, columns + t - 1)).astype(dtype)
    W = rng.normal(size=(K, L, s, t)).astype(dtype)
    h = rng.normal(size=(n, K, rows, columns)).astype(dtype)
    up, down, gradient = _convolution.valid(v, W), _convolution.transposed(h, W), _convolution.taps(v, h)
    assert up.dtype == down.dtype == gradient.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    for i, k in itertools.product(range(n), range(K)):
        expected = sum(signal.correlate2d(v[i, m], W[k, m], mode="valid") for m in range(L))
        np.testing.assert_allclose(up[i, k], expected, atol=tolerance)
    for i, m in itertools.product(range(n), range(L)):
        expected = sum(signal.convolve2d(h[i, k], W[k, m], mode="full") for k in range(K))
        np.testing.assert_allclose(down[i, m], expected, atol=tolerance)
    for k, m in itertools.product(range(K), range(L)):
        expected = sum(signal.correlate2d(v[i, m], h[i, k], mode="valid") for i in range(n))
        np.testing.assert_allclose(gradient[k, m], expected, atol=tolerance)
    assert np.vdot(h, up) == pytest.approx(np.vdot(down, v), abs=10 * tolerance, rel=tolerance)
    assert np.vdot(h, up) == pytest.approx(np.vdot(gradient, W), abs=10 * tolerance, rel=tolerance)


def test_the_kernels_without_numba():
    rng = np.random.default_rng(0)
    v, W = rng.normal(size=(2, 2, 4, 5)), rng.normal(size=(3, 2, 2, 3))
    buffer, weights = v.reshape(2, -1), W.reshape(3, -1)
    offsets = _convolution._offsets(2, 20, 2, 3, 5)
    span = 2 * 5 + 3
    compiled, plain = np.zeros((2, 3, 15)), np.zeros((2, 3, 15))
    _convolution._weighted_shifts(buffer, offsets, weights, span, compiled)
    _convolution._weighted_shifts.py_func(buffer, offsets, weights, span, plain)
    np.testing.assert_allclose(compiled, plain, rtol=1e-12)
    h = rng.normal(size=(2, 3, 15))
    products, plain_products = np.zeros((3, 12)), np.zeros((3, 12))
    _convolution._shifted_products(buffer, offsets, h, span, products)
    _convolution._shifted_products.py_func(buffer, offsets, h, span, plain_products)
    np.testing.assert_allclose(products, plain_products, rtol=1e-12)


def test_the_kernels_read_nothing_beyond_their_arrays(monkeypatch):
    """Compiled, they would notice nothing; interpreted, they give the same without an error."""
    rng = np.random.default_rng(0)
    v, W, h = (rng.normal(size=shape) for shape in [(2, 2, 4, 5), (3, 2, 2, 3), (2, 3, 3, 3)])
    calls = (_convolution.valid, v, W), (_convolution.transposed, h, W), (_convolution.taps, v, h)
    compiled = [kernel(a, b) for kernel, a, b in calls]
    for name in ("_weighted_shifts", "_shifted_products"):
        monkeypatch.setattr(_convolution, name, getattr(_convolution, name).py_func)
    for (kernel, a, b), expected in zip(calls, compiled, strict=True):
        np.testing.assert_allclose(kernel(a, b), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("pool", [1, 2, 3])
def test_a_block_is_the_enumerated_softmax(pool):
    machine = random_machine(pool, K=2, L=2, s=2, t=3, pool=pool, scale=2.0)
    v = np.random.default_rng(0).random((1, 2, 2 * pool + 1, pool + 2))
    hidden, pooled = conv_rbm.hidden_mean(machine, v)
    field = np.stack(
        [
            sum(signal.correlate2d(v[0, m], machine.W[k, m], mode="valid") for m in range(2)) + machine.c[k]
            for k in range(2)
        ]
    )
    assert hidden.shape == (1, 2, 2 * pool, pool)
    assert pooled.shape == (1, 2, 2, 1)
    for k, i in itertools.product(range(2), range(2)):
        block = field[k, i * pool : (i + 1) * pool].ravel()
        weights = np.exp(np.append(block, 0.0))  # the last state is "none"
        p = weights / weights.sum()
        np.testing.assert_allclose(hidden[0, k, i * pool : (i + 1) * pool].ravel(), p[:-1], rtol=1e-12)
        assert pooled[0, k, i, 0] == pytest.approx(1 - p[-1], rel=1e-12)


def test_energy_is_the_definition():
    for gaussian in (False, True):
        machine = random_machine(3, K=2, L=2, s=2, t=3, gaussian=gaussian)
        rng = np.random.default_rng(1)
        v = rng.normal(size=(4, 2, 5, 4)) if gaussian else rng.integers(2, size=(4, 2, 5, 4))
        h = conv_rbm.sample_hidden(machine, v, rng).hidden
        expected = [plain_energy(machine, a, b) for a, b in zip(v, h, strict=True)]
        np.testing.assert_allclose(conv_rbm.energy(machine, v, h), expected, rtol=1e-12)


def test_energies_of_float32_images_are_added_up_in_double_precision():
    """2^24 is where float32 no longer counts by ones."""
    zero, h = np.zeros((1, 1, 1, 1), np.float32), np.zeros((1, 1, 5, 5))
    machine = ConvRBM(zero, np.ones(1, np.float32), np.full(1, -1e4, np.float32), 1, True)
    for large in (2.0**12, 2.0**24):
        v = np.ones((1, 1, 5, 5), np.float32)
        v[0, 0, 0, 0] = large
        expected = 0.5 * (large**2 + 24) - (large + 24)
        assert conv_rbm.energy(machine, v, h)[0] == expected
        assert conv_rbm.free_energy(machine, v)[0] == expected


def test_a_unit_of_no_probability_is_never_drawn():
    class Least:
        @staticmethod
        def random(shape, dtype):
            return np.zeros(shape, dtype)

    field = np.array([[-1e4, -1e4, -1e4, 5.0], [-1e4, -1e4, 0.0, -1e4]])[None, None]
    hidden, pooled = conv_rbm_model.draw_units(field, 2, Least())
    assert hidden[0, 0].tolist() == [[0, 0, 0, 1], [0, 0, 0, 0]]
    assert pooled[0, 0].tolist() == [[0, 1]]


@pytest.mark.parametrize("gaussian", [False, True])
def test_free_energy_sums_over_the_hidden_states(gaussian):
    machine = random_machine(4, K=2, L=1, gaussian=gaussian)
    rng = np.random.default_rng(0)
    v = rng.normal(size=(5, 1, 3, 3)) if gaussian else rng.integers(2, size=(5, 1, 3, 3))
    states = hidden_states(2, 2, 2, 2)
    assert len(states) == 25
    expected = [-log_sum_exp([-plain_energy(machine, image, h) for h in states]) for image in v.astype(float)]
    np.testing.assert_allclose(conv_rbm.free_energy(machine, v), expected, rtol=1e-12)


def test_conditionals_are_those_of_the_enumerated_joint():
    machine = random_machine(5, K=2, L=1, scale=0.7)
    images = states_of((2,) * 9).reshape(-1, 1, 3, 3).astype(float)
    states = hidden_states(2, 2, 2, 2)
    correlated = [signal.correlate(images[:, 0], filters, mode="valid") for filters in machine.W]
    field = np.stack(correlated, axis=1) + machine.c[:, None, None]
    exponent = np.einsum("nkij,mkij->nm", field, states) + machine.b[0] * images.sum(axis=(1, 2, 3))[:, None]
    assert exponent[300, 7] == pytest.approx(-plain_energy(machine, images[300], states[7]))
    joint = np.exp(exponent - exponent.max())
    joint /= joint.sum()
    marginal = joint.sum(axis=1)
    free = conv_rbm.free_energy(machine, images)
    np.testing.assert_allclose(marginal, np.exp(-free) / np.exp(-free).sum(), rtol=1e-9)
    means = np.einsum("nm,mkij->nkij", joint / marginal[:, None], states)
    np.testing.assert_allclose(conv_rbm.hidden_mean(machine, images).hidden, means, rtol=1e-9)
    pooled = np.einsum("nm,mk->nk", joint / marginal[:, None], states.max(axis=(2, 3)))
    np.testing.assert_allclose(conv_rbm.hidden_mean(machine, images).pooled[:, :, 0, 0], pooled, rtol=1e-9)
    visible = np.einsum("nm,nlij->mlij", joint / joint.sum(axis=0), images)
    np.testing.assert_allclose(conv_rbm.visible_mean(machine, states), visible, rtol=1e-9)


def test_the_mean_of_gaussian_units_minimises_the_energy():
    machine = random_machine(6, K=2, L=2, s=2, t=3, gaussian=True)
    rng = np.random.default_rng(0)
    h = conv_rbm.sample_hidden(machine, rng.normal(size=(1, 2, 5, 4)), rng).hidden
    best = conv_rbm.visible_mean(machine, h)
    bottom = conv_rbm.energy(machine, best, h)
    for _ in range(10):
        other = best + 0.1 * rng.normal(size=best.shape)
        rise = 0.5 * np.sum((other - best) ** 2)  # of a quadratic with unit curvature
        assert conv_rbm.energy(machine, other, h) - bottom == pytest.approx(rise, rel=1e-9)


def test_draws_have_the_frequencies_of_the_conditionals():
    n = 40_000
    rng = np.random.default_rng(0)
    for gaussian in (False, True):
        machine = random_machine(7, K=2, gaussian=gaussian)
        v = np.repeat(rng.random((1, 1, 5, 3)), n, axis=0)
        means, draws = conv_rbm.hidden_mean(machine, v[:1]), conv_rbm.sample_hidden(machine, v, rng)
        assert set(np.unique(draws.hidden)) == {0.0, 1.0}
        blocks = draws.hidden.reshape(n, 2, 2, 2, 1, 2).sum(axis=(3, 5))
        np.testing.assert_array_equal(blocks, draws.pooled)
        np.testing.assert_allclose(draws.hidden.mean(axis=0), means.hidden[0], atol=5 * 0.5 / np.sqrt(n))
        h = np.repeat(draws.hidden[:1], n, axis=0)
        back, mean = conv_rbm.sample_visible(machine, h, rng), conv_rbm.visible_mean(machine, h[:1])
        np.testing.assert_allclose(back.mean(axis=0), mean[0], atol=5 / np.sqrt(n))
        if gaussian:
            np.testing.assert_allclose(back.var(axis=0), 1, atol=0.05)
            assert back.var(axis=0).mean() == pytest.approx(1, abs=0.01)
        else:
            assert set(np.unique(back)) == {0.0, 1.0}


@pytest.mark.parametrize("gaussian", [False, True])
def test_the_data_term_is_the_finite_difference_of_the_free_energy(gaussian):
    machine = random_machine(8, K=2, L=2, s=2, t=3, gaussian=gaussian)
    rng = np.random.default_rng(0)
    v = rng.normal(size=(3, 2, 5, 6)) if gaussian else rng.random((3, 2, 5, 6))
    gradient = conv_rbm._statistics(v, conv_rbm.hidden_mean(machine, v).hidden)
    for name, step in zip("Wbc", gradient, strict=True):
        for index in np.ndindex(step.shape):
            values = []
            for sign in (1, -1):
                moved = getattr(machine, name).copy()
                moved[index] += sign * 1e-5
                values.append(-conv_rbm.free_energy(machine._replace(**{name: moved}), v).mean())
            assert step[index] == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("num_steps", [1, 4])
def test_contrastive_divergence_averages_to_its_expectation(num_steps):
    """Of the bias of a single binary unit pair: the chain's exact transition matrix gives the expected model term."""
    machine = ConvRBM(np.array([[[[6.0]]]]), np.array([-3.0]), np.array([-2.5]), pool=1)
    data = np.ones((60_000, 1, 1, 1))
    p_h = [1 / (1 + np.exp(2.5)), 1 / (1 + np.exp(2.5 - 6))]
    p_v = [1 / (1 + np.exp(3)), 1 / (1 + np.exp(3 - 6))]
    v_mean = 1.0
    for _ in range(num_steps):
        h_mean = v_mean * p_h[1] + (1 - v_mean) * p_h[0]
        v_mean = h_mean * p_v[1] + (1 - h_mean) * p_v[0]
    gradient, first, units = conv_rbm.cd_gradient(machine, data, num_steps, np.random.default_rng(0))
    assert gradient.b[0] == pytest.approx(1 - v_mean, abs=0.01)
    assert first.shape == data.shape
    assert units.hidden[0, 0, 0, 0] == pytest.approx(p_h[1])


def test_hidden_units_see_the_means_of_the_last_step_and_the_first_reconstruction_is_returned():
    machine, data = random_machine(2, K=2), np.random.default_rng(1).integers(2, size=(4, 1, 5, 5))
    gradient, first, units = conv_rbm.cd_gradient(machine, data, 1, np.random.default_rng(0))
    down = conv_rbm.hidden_mean(machine, first).hidden
    np.testing.assert_allclose(gradient.c, (units.hidden - down).sum(axis=(2, 3)).mean(axis=0), atol=1e-12)
    np.testing.assert_array_equal(conv_rbm.cd_gradient(machine, data, 3, np.random.default_rng(0))[1], first)


def test_one_array_in_double_precision_makes_all_of_them_so():
    machine = random_machine(0, dtype=np.float32)
    assert conv_rbm.validate(machine).W.dtype == np.float32
    for name in "Wbc":
        mixed = machine._replace(**{name: getattr(machine, name).astype(np.float64)})
        assert {array.dtype for array in conv_rbm.validate(mixed)[:3]} == {np.dtype(np.float64)}


def test_energies_and_means_that_overflow_are_refused():
    machine = ConvRBM(np.zeros((1, 1, 1, 1)), np.zeros(1), np.zeros(1), 1, True)
    v, h = np.full((1, 1, 2, 2), 1e200), np.ones((1, 1, 2, 2))
    for call in (
        lambda: conv_rbm.energy(machine, v, h),
        lambda: conv_rbm.free_energy(machine, v),
        lambda: conv_rbm.visible_mean(machine._replace(W=np.full((1, 1, 2, 2), 1e308)), h),
    ):
        with pytest.raises(ValueError, match="crbm: expected parameters whose sums stay finite"):
            call()


def test_steps_of_sampling_keep_the_machines_own_distribution():
    """Started at exact draws from the machine, contrastive divergence is zero on average."""
    machine = random_machine(9, K=1, scale=0.8)
    images = states_of((2,) * 9).reshape(-1, 1, 3, 3).astype(float)
    p = np.exp(-conv_rbm.free_energy(machine, images))
    rng = np.random.default_rng(1)
    data = images[rng.choice(len(images), 40_000, p=p / p.sum())]
    gradient, _, _ = conv_rbm.cd_gradient(machine, data, 1, rng)
    expected = conv_rbm._statistics(data, conv_rbm.hidden_mean(machine, data).hidden)
    assert abs(gradient.b[0]) < 0.06
    assert abs(gradient.b[0]) < 0.02 * expected.b[0]


def drawn_images(num_per_class, dtype=np.float32, size=24):
    images = datasets.drawn_objects(num_per_class, np.random.default_rng(0), size).images
    return datasets.whiten(images)[:, None].astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_training_lowers_the_reconstruction_error_and_meets_the_target(dtype):
    X = drawn_images(30, dtype)
    seen = []
    result = conv_rbm.fit(
        X, 12, 7, np.random.default_rng(0), gaussian=True, num_epochs=25, sparsity=0.01, callback=seen.append
    )
    assert result.crbm.W.dtype == result.crbm.b.dtype == result.crbm.c.dtype == dtype
    assert result.reconstruction_errors[-1] < 0.5 * result.reconstruction_errors[0]
    assert result.activities[-1] == pytest.approx(0.01, abs=0.004)
    assert [epoch.number for epoch in seen] == list(range(1, 26))
    assert seen[3].reconstruction_error == result.reconstruction_errors[3]


def test_training_raises_the_exact_likelihood_of_binary_images():
    """Of 4 x 4 bars and stripes, summed over all 2^16 images."""
    patterns = datasets.bars_and_stripes(4).reshape(-1, 1, 4, 4)
    machine = conv_rbm.fit(
        np.tile(patterns, (4, 1, 1, 1)),
        6,
        3,
        np.random.default_rng(0),
        pool=1,
        sparsity=None,
        num_epochs=150,
        learning_rate=0.3,
    ).crbm
    images = states_of((2,) * 16).reshape(-1, 1, 4, 4)
    log_z = log_sum_exp(-conv_rbm.free_energy(machine, images))
    assert np.mean(-conv_rbm.free_energy(machine, patterns)) - log_z > -16 * np.log(2) + 3


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("gaussian", "num_steps", "sparsity"), [(True, 1, 0.1), (False, 2, 0.05), (False, 1, None)]
)
def test_steps_of_training_are_those_of_the_definition(dtype, gaussian, num_steps, sparsity):
    start = random_machine(1, K=3, L=2, s=2, t=2, gaussian=gaussian, dtype=dtype)
    X = np.random.default_rng(2).random((5, 2, 5, 7)).astype(dtype)
    momentum, decay, cost, rates = 0.25, 0.125, 2.0, (0.5, 0.25)
    result = conv_rbm.fit(
        X,
        3,
        2,
        np.random.default_rng(3),
        gaussian=gaussian,
        num_epochs=2,
        batch_size=2,
        learning_rate=lambda epoch: rates[epoch],
        momentum=momentum,
        weight_decay=decay,
        sparsity=sparsity,
        sparsity_cost=cost,
        num_steps=num_steps,
        initial=start,
    )
    rng, machine, speeds = np.random.default_rng(3), start, [0.0, 0.0, 0.0]
    errors, activities = [], []
    for rate in rates:
        order, squares, means = rng.permutation(5), [], []
        for rows in (order[:2], order[2:4], order[4:]):
            gradient, back, units = conv_rbm.cd_gradient(machine, X[rows], num_steps, rng)
            squares.append((X[rows] - back) ** 2)
            means.append(units.hidden)
            slopes = [g / 24 for g in gradient]  # 4 by 6 places
            slopes[0] = slopes[0] - decay * machine.W
            if sparsity is not None:
                slopes[2] = slopes[2] + cost * (sparsity - units.hidden.mean(axis=(0, 2, 3)))
            speeds = [momentum * speed + rate * slope for speed, slope in zip(speeds, slopes, strict=True)]
            moved = (a + speed for a, speed in zip(machine, speeds, strict=False))
            machine = machine._replace(
                **{name: a.astype(dtype) for name, a in zip("Wbc", moved, strict=True)}
            )
        errors.append(np.concatenate(squares).mean())
        activities.append(np.concatenate(means).mean())
    tolerance = 1e-4 if dtype == np.float32 else 1e-10
    for ours, theirs in zip(result.crbm[:3], machine[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(result.reconstruction_errors, errors, rtol=tolerance)
    np.testing.assert_allclose(result.activities, activities, rtol=tolerance)


def test_training_starts_with_fields_of_the_same_size_whatever_the_data():
    """And with visible biases at the data's means, and hidden ones at the target."""
    rng = np.random.default_rng(0)
    for scale, gaussian in ((1.0, False), (5.0, True)):
        X = scale * (rng.random((20, 2, 9, 9)) < np.array([0.2, 0.6])[:, None, None])
        start = conv_rbm.fit(
            X,
            50,
            6,
            rng,
            gaussian=gaussian,
            num_epochs=1,
            learning_rate=1e-12,
            sparsity=0.02,
        ).crbm
        field = conv_rbm_model.hidden_field(start, X) - start.c[:, None, None]
        assert field.std() == pytest.approx(conv_rbm.START_FIELD, rel=0.15)
        means = start.b if gaussian else special.expit(start.b)
        np.testing.assert_allclose(means, X.mean(axis=(0, 2, 3)), rtol=1e-9)
        blank = start._replace(W=np.zeros_like(start.W))
        np.testing.assert_allclose(conv_rbm.hidden_mean(blank, X).hidden, 0.02, rtol=1e-9)


def test_a_rate_may_change_and_a_start_is_kept():
    X = drawn_images(2)
    start = conv_rbm.fit(X, 3, 5, np.random.default_rng(0), gaussian=True, num_epochs=1).crbm
    before = [a.copy() for a in start[:3]]
    rates = []

    def rate(epoch):
        rates.append(epoch)
        return 1e-12

    result = conv_rbm.fit(
        X, 3, 5, np.random.default_rng(1), gaussian=True, num_epochs=2, learning_rate=rate, initial=start
    )
    assert rates == [0, 1]
    for a, b, c in zip(result.crbm[:3], start[:3], before, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_array_equal(b, c)


@given(
    shape=st.tuples(*[st.integers(1, 3)] * 7),
    gaussian=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    scale=st.sampled_from([0.0, 1e-30, 1.0, 50.0, 1e4]),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=80, deadline=None)
def test_any_shape_and_scale_gives_probabilities(shape, gaussian, dtype, scale, seed):
    n, L, K, s, t, pool, blocks = shape
    machine = random_machine(seed, K, L, s, t, pool, gaussian, scale, dtype)
    rng = np.random.default_rng(seed)
    v = rng.random((n, L, pool * blocks + s - 1, pool + t - 1)).astype(dtype)
    hidden, pooled = conv_rbm.hidden_mean(machine, v)
    assert hidden.shape == (n, K, pool * blocks, pool)
    assert pooled.shape == (n, K, blocks, 1)
    for array in (hidden, pooled):
        assert array.dtype == dtype
        assert ((array >= 0) & (array <= 1)).all()
    sums = hidden.reshape(n, K, blocks, pool, 1, pool).sum(axis=(3, 5))
    np.testing.assert_allclose(sums, pooled, rtol=1e-4, atol=1e-30)
    draws = conv_rbm.sample_hidden(machine, v, rng)
    assert conv_rbm.sample_visible(machine, draws.hidden, rng).shape == v.shape
    assert np.isfinite(conv_rbm.free_energy(machine, v)).all()
    assert (
        conv_rbm.energy(machine, v, draws.hidden) >= conv_rbm.free_energy(machine, v) - 1e-3 * (1 + scale)
    ).all()
    gradient, _, _ = conv_rbm.cd_gradient(machine, v, 1, rng)
    assert all(np.isfinite(a).all() for a in gradient)


@given(
    value=hnp.arrays(np.float32, (1, 1, 3, 3), elements=st.floats(-(2.0**127), 2.0**127, width=32)),
    weight=st.floats(-(2.0**127), 2.0**127, width=32),
)
@settings(max_examples=60, deadline=None)
def test_huge_numbers_give_finite_answers_or_a_refusal(value, weight):
    machine = ConvRBM(*(np.full(s, weight, np.float32) for s in [(1, 1, 2, 2), (1,), (1,)]), gaussian=True)
    rng = np.random.default_rng(0)
    calls = [
        lambda: conv_rbm.hidden_mean(machine, value).hidden,
        lambda: conv_rbm.sample_visible(machine, conv_rbm.sample_hidden(machine, value, rng).hidden, rng),
        lambda: conv_rbm.free_energy(machine, value),
        lambda: conv_rbm.cd_gradient(machine, value, 2, rng)[0].W,
    ]
    for call in calls:
        try:
            assert np.isfinite(call()).all()
        except ValueError as error:
            assert "overflow" in str(error)  # noqa: PT017


def test_pooling_without_numba():
    field = np.random.default_rng(0).normal(size=(2, 4, 6), scale=3)
    compiled, plain = (
        [np.zeros((2, 4, 6)), np.zeros((2, 2, 3)), np.zeros((2, 4, 6)), np.zeros((2, 2, 3))] for _ in range(2)
    )
    uniforms = np.random.default_rng(1).random((2, 2, 3))
    for (hidden, pooled, drawn, drawn_pool), softmax, draw in (
        (compiled, conv_rbm_model._softmax_kernel, conv_rbm_model._draw_kernel),
        (plain, conv_rbm_model._softmax_kernel.py_func, conv_rbm_model._draw_kernel.py_func),
    ):
        softmax(field, 2, hidden, pooled)
        draw(field, 2, uniforms, drawn, drawn_pool)
    for a, b in zip(compiled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    out = np.zeros((4, 6))
    on, none = conv_rbm_model._weigh_block.py_func(np.full((4, 6), -800.0), 2, 1, 2, out)
    assert (on, none) == (0.0, 1.0)


M = random_machine(0, K=2, L=1)
V = np.zeros((1, 1, 3, 3))
RNG = np.random.default_rng(0)
FIT = {"X": np.zeros((2, 1, 6, 6)), "num_filters": 2, "filter_size": 3, "rng": RNG}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: conv_rbm.validate(M._replace(b=np.zeros(3))), r"crbm: expected W \(K, L, s, t\)"),
        (lambda: conv_rbm.validate(M._replace(W=np.zeros((2, 1, 0, 2)))), "no empty side"),
        (lambda: conv_rbm.validate(M._replace(pool=0)), "crbm.pool: expected a whole number"),
        (lambda: conv_rbm.validate(M._replace(pool=np.inf)), "crbm.pool: expected a whole number"),
        (lambda: conv_rbm.validate(M._replace(pool=None)), "crbm.pool: expected a whole number"),
        (lambda: conv_rbm.validate(M._replace(pool=1.5)), "crbm.pool: expected a whole number"),
        (lambda: conv_rbm.validate(M._replace(c=np.array([0, np.nan]))), "crbm.c: expected finite"),
        (lambda: conv_rbm.hidden_mean(M, V[0]), r"v: expected numbers of shape \(n, 1, R, C\)"),
        (lambda: conv_rbm.hidden_mean(M, V.astype(str)), "v: expected real numbers"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((1, 2, 3, 3))), r"v: expected numbers of shape \(n, 1"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((0, 1, 3, 3))), "v: expected numbers"),
        (lambda: conv_rbm.hidden_mean(M, V - 1), r"v: expected units in \[0, 1\]"),
        (lambda: conv_rbm.hidden_mean(M, V * np.nan), r"v: expected units in \[0, 1\]"),
        (lambda: conv_rbm.hidden_mean(M._replace(gaussian=True), V * np.nan), "v: expected finite"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((1, 1, 4, 3))), "multiples of the pool size 2"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((1, 1, 1, 3))), "positive multiples"),
        (lambda: conv_rbm.visible_mean(M, np.zeros((1, 3, 2, 2))), r"h: expected numbers of shape \(n, 2"),
        (lambda: conv_rbm.visible_mean(M, np.zeros((1, 2, 3, 2))), "h: expected sides that are multiples"),
        (lambda: conv_rbm.visible_mean(M, np.full((1, 2, 2, 2), 2)), r"h: expected units in \[0, 1\]"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((1, 1, 3, 4))), "positive multiples of the pool size 2"),
        (lambda: conv_rbm.hidden_mean(M, np.zeros((1, 1, 3, 1))), "positive multiples of the pool size 2"),
        (lambda: conv_rbm.visible_mean(M, np.zeros((1, 2, 2, 3))), "h: expected sides that are multiples"),
        (lambda: conv_rbm.energy(M, V, np.ones((1, 2, 2, 2))), "at most one on in a block"),
        (lambda: conv_rbm.energy(M, V, np.eye(2)[None, None].repeat(2, axis=1)), "at most one on in a block"),
        (lambda: conv_rbm.energy(M, V, np.full((1, 2, 2, 2), 0.5)), "units of 0 and 1"),
        (lambda: conv_rbm.energy(M, V, np.zeros((2, 2, 2, 2))), r"h: expected shape \(1, 2, 2, 2\)"),
        (lambda: conv_rbm.cd_gradient(M, V, 0, RNG), "num_steps: expected at least 1"),
        (lambda: conv_rbm.fit(**{**FIT, "X": np.zeros((2, 6, 6))}), r"X: expected shape \(n, L, R, C\)"),
        (lambda: conv_rbm.fit(**{**FIT, "X": np.zeros((0, 1, 6, 6))}), "X: expected numbers"),
        (lambda: conv_rbm.fit(**{**FIT, "X": np.full((2, 1, 6, 6), 3)}), r"X: expected units in \[0, 1\]"),
        (lambda: conv_rbm.fit(**{**FIT, "X": np.zeros((2, 1, 7, 6))}), "X: expected R - 3"),
        (lambda: conv_rbm.fit(**FIT, batch_size=0), "batch_size, num_steps: expected at least 1"),
        (lambda: conv_rbm.fit(**FIT, momentum=1.0), "momentum, weight_decay, sparsity_cost"),
        (lambda: conv_rbm.fit(**FIT, weight_decay=np.nan), "momentum, weight_decay, sparsity_cost"),
        (lambda: conv_rbm.fit(**FIT, sparsity=0.25), "sparsity: expected above 0 and below"),
        (lambda: conv_rbm.fit(**FIT, learning_rate=0), "learning_rate: expected above 0"),
        (lambda: conv_rbm.fit(**FIT, learning_rate=np.nan), "learning_rate: expected above 0"),
        (
            lambda: conv_rbm.fit(
                V.astype(np.float32), 2, 2, RNG, initial=M._replace(W=np.full((2, 1, 2, 2), 1e300))
            ),
            "crbm.W: expected finite numbers",
        ),
        (lambda: conv_rbm.fit(**FIT, initial=M), r"initial: expected W of shape \(2, 1, 3, 3\)"),
        (
            lambda: conv_rbm.fit(drawn_images(2), 3, 5, RNG, gaussian=True, learning_rate=1e30),
            "learning_rate: expected one at which training stays finite, got 1e.30 in epoch",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
