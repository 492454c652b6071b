"""Mean field against enumeration: a lower bound that rises, stationary at the end, exact where nothing is coupled."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from lectures_lib import _lattice_kernels, _mean_field_kernels, ising, mean_field
from lectures_lib.graphical_models import FactorGraph, log_partition, log_unnormalized, to_factor_graph
from tests.lectures_lib.oracles import ising_exponents, log_sum_exp, random_ising, states_of
from tests.lectures_lib.test_graphical_models import grid_graph, random_graph, random_net

seeds = st.integers(0, 10_000)
ROUNDING = 1e-10


def product_probabilities(m):
    s = np.array(np.meshgrid(*[[-1.0, 1.0]] * len(m), indexing="ij")).reshape(len(m), -1).T
    return s, np.prod((1 + s * m) / 2, axis=1)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(1, 7))
def test_energy_entropy_and_bound_are_the_enumerated_expectations(seed, n):
    rng = np.random.default_rng(seed)
    J, h = random_ising(rng, n)
    m = rng.uniform(-1, 1, n)
    _, q = product_probabilities(m)
    _, exponents = ising_exponents(J, h)
    assert mean_field.energy(J, h, m) == pytest.approx(-q @ exponents, abs=1e-12)
    positive = q > 0
    entropy = -np.sum(q[positive] * np.log(q[positive]))
    assert mean_field.entropy(m) == pytest.approx(entropy, abs=1e-12)
    bound = mean_field.log_partition_bound(J, h, m)
    assert bound == pytest.approx(entropy + q @ exponents, abs=1e-11)
    assert bound <= log_sum_exp(exponents) + ROUNDING


@settings(max_examples=40, deadline=None)
@given(seed=seeds, n=st.integers(1, 8), scale=st.sampled_from([1e-6, 0.3, 1.0, 30.0]))
def test_coordinate_ascent_rises_to_a_stationary_point_below_log_z(seed, n, scale):
    rng = np.random.default_rng(seed)
    J, h = random_ising(rng, n, scale)
    result = mean_field.coordinate_ascent(J, h)
    assert result.converged
    assert np.diff(result.bound_trace).min(initial=0.0) >= -ROUNDING * max(
        1.0, abs(result.log_partition_bound)
    )
    assert len(result.bound_trace) == result.num_iter + 1
    assert result.log_partition_bound <= ising.log_partition(J, h) + ROUNDING * max(1.0, n * scale)
    np.testing.assert_allclose(result.mean, np.tanh(h + J @ result.mean), atol=1e-7)
    assert result.log_partition_bound == pytest.approx(
        mean_field.log_partition_bound(J, h, result.mean), rel=1e-12
    )


def test_the_gradient_vanishes_at_the_end():
    J, h = random_ising(np.random.default_rng(1), 6, 0.3)
    result = mean_field.coordinate_ascent(J, h)
    gradient = optimize.approx_fprime(result.mean, lambda m: mean_field.log_partition_bound(J, h, m), 1e-7)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-5)


def test_exact_without_couplings():
    h = np.array([0.3, -2.0, 0.0, 40.0])
    result = mean_field.coordinate_ascent(np.zeros((4, 4)), h, np.zeros(4))
    np.testing.assert_allclose(result.mean, np.tanh(h))
    assert result.log_partition_bound == pytest.approx(np.logaddexp(h, -h).sum(), rel=1e-13)


def test_parallel_updates_swap_for_ever_where_sequential_ones_converge():
    """Erratum 9: two ferromagnetic spins started at (m, -m)."""
    J, h = np.array([[0.0, 2.0], [2.0, 0.0]]), np.zeros(2)
    m = np.array([0.5, -0.5])
    for _ in range(100):
        m = np.tanh(h + J @ m)
    np.testing.assert_allclose(np.tanh(h + J @ m), -m)
    assert abs(m[0]) > 0.9
    result = mean_field.coordinate_ascent(J, h, [0.5, -0.5])
    assert result.converged
    assert np.prod(result.mean) > 0.9


def test_the_mean_field_transition_of_the_square_lattice_is_at_one_quarter():
    assert mean_field.CRITICAL_COUPLING == 0.25
    below = mean_field.coordinate_ascent_torus(
        np.zeros((6, 6)), 0.249, np.full((6, 6), 0.5), max_sweeps=100_000
    )
    above = mean_field.coordinate_ascent_torus(
        np.zeros((6, 6)), 0.255, np.full((6, 6), 0.5), max_sweeps=100_000
    )
    assert np.abs(below.mean).max() < 1e-4
    m = optimize.brentq(lambda m: m - np.tanh(4 * 0.255 * m), 0.01, 1)
    np.testing.assert_allclose(above.mean, m, atol=1e-6)


def test_the_default_start_leaves_the_saddle():
    J = ising.grid_couplings(4, 4, 0.5, periodic=True)
    result = mean_field.coordinate_ascent(J, np.zeros(16))
    assert result.log_partition_bound > mean_field.log_partition_bound(J, np.zeros(16), np.zeros(16)) + 1


def test_several_starts_keep_the_best():
    J, h = random_ising(np.random.default_rng(13), 12, 2.0)
    one = mean_field.coordinate_ascent(J, h)
    many = mean_field.coordinate_ascent(J, h, num_starts=20, rng=np.random.default_rng(0))
    assert one.log_partition_bound < many.log_partition_bound <= ising.log_partition(J, h)


def test_interpreted_kernels_give_the_same():
    J, h = random_ising(np.random.default_rng(2), 5)
    ours = mean_field.coordinate_ascent(J, h, np.zeros(5), max_sweeps=7, tol=0.0)
    mean, trace = np.zeros(5), np.empty(8)
    mean_field._ascent_kernel.py_func(J, h, mean, 7, 0.0, trace)
    np.testing.assert_allclose(mean, ours.mean, atol=1e-14)
    np.testing.assert_allclose(trace, ours.bound_trace, atol=1e-13)
    fields = np.random.default_rng(3).normal(size=(4, 6))
    a, b = np.zeros((4, 6)), np.zeros((4, 6))
    mean_field.sweep_lattice(a, fields, 0.3, True)
    _lattice_kernels.sweep.py_func(b, fields, 0.3, True, 4)
    np.testing.assert_allclose(a, b, atol=1e-15)
    graph = _mean_field_kernels.flatten(random_graph(np.random.default_rng(4), 4, 5))
    q = np.concatenate(
        [np.full(b - a, 1 / (b - a)) for a, b in zip(graph.offsets[:-1], graph.offsets[1:], strict=True)]
    )
    r = q.copy()
    _mean_field_kernels.ascend_graph(graph, q, 3, 0.0, np.empty(4))
    _mean_field_kernels.ascend_graph.py_func(graph, r, 3, 0.0, np.empty(4))
    np.testing.assert_allclose(q, r, atol=1e-14)


# --- lattices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 2), (4, 6), (8, 2)])
def test_the_torus_has_the_fixed_point_of_the_dense_model(dtype, shape):
    rng = np.random.default_rng(3)
    fields = rng.normal(size=shape).astype(dtype)
    J = ising.grid_couplings(*shape, 0.15, periodic=True)
    dense = mean_field.coordinate_ascent(J, fields.ravel())
    result = mean_field.coordinate_ascent_torus(fields, 0.15)
    assert result.converged
    assert result.mean.dtype == dtype
    tolerance = 1e-5 if dtype == np.float32 else 1e-8
    np.testing.assert_allclose(result.mean.ravel(), dense.mean, atol=tolerance)
    assert result.log_partition_bound == pytest.approx(
        dense.log_partition_bound, abs=1e-4 if dtype == np.float32 else 1e-10
    )
    assert np.diff(result.bound_trace).min(initial=0.0) > -(1e-3 if dtype == np.float32 else 1e-10)


def plain_sweep(mean, fields, coupling, periodic):
    """A red sweep and a black one by whole arrays, and the largest change."""
    colour, old = np.indices(mean.shape).sum(axis=0) % 2, mean
    for k in (0, 1):
        padded = np.pad(mean, 1, mode="wrap" if periodic else "constant")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        mean = np.where(colour == k, np.tanh(fields + coupling * around), mean)
    return mean, np.abs(mean - old).max()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("shape", "periodic"),
    [
        *[(shape, False) for shape in [(1, 1), (1, 6), (7, 1), (2, 3), (31, 5), (32, 4), (33, 2), (97, 6)]],
        *[(shape, True) for shape in [(2, 2), (4, 6), (32, 2), (64, 4), (98, 6), (520, 2)]],
    ],
)
def test_a_sweep_is_that_of_whole_arrays(shape, periodic, dtype):
    rng = np.random.default_rng(5)
    fields, mean = rng.normal(size=shape).astype(dtype), rng.uniform(-1, 1, shape).astype(dtype)
    expected, largest = plain_sweep(mean.astype(np.float64), fields, 0.4, periodic)
    change = mean_field.sweep_lattice(mean, fields, 0.4, periodic)
    tolerance = 10 * float(np.finfo(dtype).eps)
    np.testing.assert_allclose(mean, expected, atol=tolerance)
    assert change == pytest.approx(largest, abs=tolerance)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (3, 4)])
def test_denoising_has_free_edges(shape):
    rng = np.random.default_rng(9)
    image, coupling, sigma = rng.normal(size=shape), 0.2, 1.3
    J = ising.grid_couplings(*shape, coupling)
    dense = mean_field.coordinate_ascent(J, image.ravel() / sigma**2)
    result = mean_field.denoise(image, coupling, sigma)
    np.testing.assert_allclose(result.mean.ravel(), dense.mean, atol=1e-8)


def test_denoising_brings_back_more_pixels_than_thresholding():
    rng = np.random.default_rng(0)
    clean = np.where(np.add.outer(np.arange(40) - 20, np.arange(60) - 30) > 0, 1.0, -1.0)
    noisy = clean + 1.5 * rng.normal(size=clean.shape)
    restored = np.sign(mean_field.denoise(noisy, 0.6, 1.5).mean)
    assert (restored != clean).mean() < 0.3 * (np.sign(noisy) != clean).mean()


def test_denoising_in_single_precision():
    image = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    result = mean_field.denoise(image, 0.2, 1.0)
    assert result.mean.dtype == np.float32
    np.testing.assert_allclose(result.mean, mean_field.denoise(image.astype(float), 0.2, 1.0).mean, atol=1e-5)


# --- factor graphs -----------------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(seed=seeds, num_variables=st.integers(1, 5), num_factors=st.integers(0, 6))
def test_a_factor_graph_gets_a_bound_that_rises_to_a_fixed_point(seed, num_variables, num_factors):
    graph = random_graph(np.random.default_rng(seed), num_variables, num_factors)
    result = mean_field.fit_factor_graph(graph)
    assert result.converged
    assert np.diff(result.bound_trace).min(initial=0.0) >= -ROUNDING
    states = states_of(graph.cardinalities)
    weights = log_unnormalized(graph, states)
    q = np.prod([result.marginals[v][states[:, v]] for v in range(num_variables)], axis=0)
    positive = q > 0
    bound = q @ weights - np.sum(q[positive] * np.log(q[positive]))
    assert result.log_partition_bound == pytest.approx(bound, abs=1e-10)
    assert bound <= log_sum_exp(weights) + ROUNDING
    table = weights.reshape(graph.cardinalities)
    for v in range(num_variables):
        np.testing.assert_allclose(
            mean_field.coordinate_update(table, result.marginals, v), result.marginals[v], atol=1e-6
        )


def test_a_grid_as_a_factor_graph_has_the_ising_fixed_point():
    rng = np.random.default_rng(2)
    shape = (4, 4)
    fields = rng.normal(size=shape)
    graph = grid_graph(np.full((4, 3), 0.2), np.full((3, 4), 0.2), fields)
    dense = mean_field.coordinate_ascent(ising.grid_couplings(*shape, 0.2), fields.ravel())
    result = mean_field.fit_factor_graph(graph)
    np.testing.assert_allclose([q[1] - q[0] for q in result.marginals], dense.mean, atol=1e-8)
    assert result.log_partition_bound == pytest.approx(dense.log_partition_bound, abs=1e-10)
    assert result.log_partition_bound < log_partition(graph)


def test_forbidden_states_get_no_mass():
    table = np.log(np.array([[0.2, 0.3], [0.5, 0.0 + 1e-300]]))
    table[1, 1] = -np.inf
    graph = FactorGraph((2, 2), ((0, 1),), (table,))
    result = mean_field.fit_factor_graph(graph)
    assert np.isfinite(result.log_partition_bound)
    assert result.marginals[0][1] * result.marginals[1][1] == 0.0
    assert result.log_partition_bound <= 0.0


@pytest.mark.parametrize("shift", [-5000.0, 5000.0])
def test_a_constant_in_a_table_with_forbidden_states_shifts_the_bound_alone(shift):
    table = np.array([[0.2, 0.1], [-np.inf, 0.3]])
    plain, shifted = (
        mean_field.fit_factor_graph(FactorGraph((2, 2), ((0, 1),), (table + level,)))
        for level in (0.0, shift)
    )
    assert shifted.log_partition_bound == pytest.approx(plain.log_partition_bound + shift, rel=1e-12)
    np.testing.assert_allclose(shifted.marginals, plain.marginals, atol=1e-8)


def test_a_deterministic_network_with_evidence():
    """An exclusive or with its output seen: the product must pick one of the two explanations."""
    xor = np.full((2, 2, 2), -np.inf)
    for a in range(2):
        for b in range(2):
            xor[a, b, a ^ b] = 0.0
    graph = FactorGraph((2, 2, 2), ((0,), (1,), (0, 1, 2), (2,)),
                        (np.log([0.6, 0.4]), np.log([0.7, 0.3]), xor, np.array([-np.inf, 0.0])))  # fmt: skip
    result = mean_field.fit_factor_graph(graph, num_starts=10, rng=np.random.default_rng(0))
    assert result.log_partition_bound == pytest.approx(np.log(0.4 * 0.7))
    assert result.log_partition_bound < log_partition(graph)


def test_a_network_of_37_nodes_with_evidence():
    net = random_net(np.random.default_rng(37), 37, window=6)
    from lectures_lib.graphical_models import condition

    graph = condition(to_factor_graph(net), {3: 1, 17: 0, 30: 1})
    result = mean_field.fit_factor_graph(graph)
    assert result.converged
    assert result.log_partition_bound <= log_partition(graph)
    assert result.marginals[3][1] == 1.0
    assert all(abs(q.sum() - 1) < 1e-12 for q in result.marginals)


def test_a_graph_that_no_product_satisfies_is_refused():
    graph = FactorGraph((2,), ((0,),), (np.array([-np.inf, -np.inf]),))
    with pytest.raises(ValueError, match="avoids its forbidden states"):
        mean_field.fit_factor_graph(graph)


@settings(max_examples=60, deadline=None)
@given(
    seed=seeds,
    shape=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    scale=st.sampled_from([1e-8, 1.0, 1e4]),
    zeros=st.booleans(),
)
def test_coordinate_update_is_the_exponential_of_the_expected_logarithm(seed, shape, scale, zeros):
    """Summed state by state; an impossible state counts only where the other factors have mass."""
    rng = np.random.default_rng(seed)
    log_p = scale * rng.normal(size=shape)
    marginals = [rng.dirichlet(np.ones(k)) for k in shape]
    if zeros:
        log_p[rng.random(shape) < 0.2] = -np.inf
        for q in marginals:
            q[rng.permutation(q.size)[: q.size // 2]] = 0
            q /= q.sum()
    for i in range(len(shape)):
        field = np.zeros(shape[i])
        for state in np.ndindex(*shape):
            mass = np.prod([q[x] for j, (q, x) in enumerate(zip(marginals, state, strict=True)) if j != i])
            if mass > 0:
                field[state[i]] += mass * log_p[state]
        if (field == -np.inf).all():
            with pytest.raises(ValueError, match="some state of coordinate"):
                mean_field.coordinate_update(log_p, marginals, i)
        else:
            expected = np.exp(field - field.max()) / np.exp(field - field.max()).sum()
            result = mean_field.coordinate_update(log_p, marginals, i)
            np.testing.assert_allclose(result, expected, rtol=1e-8, atol=1e-12)


def test_coordinate_update_with_impossible_states():
    log_p = np.array([[0.0, -np.inf], [1.0, -np.inf]])
    q = mean_field.coordinate_update(log_p, [[0.5, 0.5], [1.0, 0.0]], 0)
    np.testing.assert_allclose(q, np.exp([0, 1]) / np.exp([0, 1]).sum())


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e30), (np.float64, 1e300)])
def test_huge_fields_and_couplings(dtype, huge):
    J = np.array([[0.0, huge], [huge, 0.0]])
    assert mean_field.coordinate_ascent(J, np.zeros(2)).log_partition_bound == huge
    fields = np.array([[1, -1], [1, 1]], dtype) * dtype(huge)
    for result in (mean_field.coordinate_ascent_torus(fields, huge), mean_field.denoise(fields, huge, 1.0)):
        assert np.isfinite(result.bound_trace).all()
        assert (np.abs(result.mean) == 1).all()
        assert (np.diff(result.bound_trace) >= 0).all()


SINGLE = np.ones((2, 2), np.float32)
J2, H2 = np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros(2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mean_field.energy(J2, H2, [0.0]), r"m: expected shape \(2,\), got \(1,\)"),
        (lambda: mean_field.energy(J2, H2, [0.0, 1.1]), r"m: expected means in \[-1, 1\]"),
        (lambda: mean_field.energy(J2, H2, [0.0, np.nan]), r"m: expected means in \[-1, 1\]"),
        (lambda: mean_field.coordinate_ascent(np.eye(2), H2), "zero diagonal"),
        (
            lambda: mean_field.coordinate_ascent(J2, H2, num_starts=2),
            "rng: expected a numpy.random.Generator",
        ),
        (lambda: mean_field.coordinate_ascent(J2, H2, max_sweeps=0), "max_sweeps: expected at least 1"),
        (lambda: mean_field.coordinate_ascent(J2, H2, tol=np.nan), "tol: expected a number of at least 0"),
        (lambda: mean_field.coordinate_ascent_torus(np.zeros((3, 4)), 0.1), r"even sides, .* got \(3, 4\)"),
        (
            lambda: mean_field.coordinate_ascent_torus(np.zeros((2, 2)), np.inf),
            "coupling: expected a finite number",
        ),
        (lambda: mean_field.denoise(np.zeros((2, 2)), 0.1, 0.0), "sigma: expected a number above 0"),
        (lambda: mean_field.denoise(np.ones((2, 2)), 0.1, 1e-200), "image / sigma² is finite"),
        (
            lambda: mean_field.denoise(np.zeros(4), 0.1, 1.0),
            r"image: expected 2 dimension\(s\), got shape \(4,\)",
        ),
        (lambda: mean_field.coordinate_update(np.zeros((2, 2)), [[0.5, 0.5]], 0), "marginals: expected 2"),
        (
            lambda: mean_field.coordinate_update(np.zeros((2, 2)), [[0.5, 0.5]] * 2, 2),
            "coordinate from 0 to 1, got 2",
        ),
        (
            lambda: mean_field.coordinate_update(np.full((2, 1), -np.inf), [[0.5, 0.5], [1.0]], 0),
            "some state of coordinate 0",
        ),
        (
            lambda: mean_field.coordinate_update(np.zeros((2, 2)), [[7.0, 7.0], [0.5, 0.6]], 0),
            r"marginals\[1\]: expected probabilities that sum to 1, got a sum of 1.1",
        ),
        (
            lambda: mean_field.coordinate_ascent_torus(SINGLE, 1e300),
            "sums with the fields stay finite in float32",
        ),
        (lambda: mean_field.coordinate_ascent_torus(3e38 * SINGLE, 1.0), "sums with the fields stay finite"),
        (lambda: mean_field.coordinate_ascent_torus(np.ones((2, 2)), 1e308), "stay finite in float64"),
        (lambda: mean_field.denoise(SINGLE, 1e300, 1.0), "coupling: expected one whose sums"),
        (lambda: mean_field.coordinate_ascent(1e308 * J2, H2), "expected numbers whose sums stay finite"),
        (lambda: mean_field.fit_factor_graph(FactorGraph((2,), ((0,),), (np.zeros(3),))), "expected shape"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
