"""The Ising model against sums over all states, published numbers, and one exact method against another."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lectures_lib import ising
from tests.lectures_lib.oracles import ising_exponents, log_sum_exp, random_ising, spin_states


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 13])
def test_log_partition_is_the_sum_over_all_states(n):
    J, h = random_ising(np.random.default_rng(n), n)
    assert ising.log_partition(J, h) == pytest.approx(log_sum_exp(ising_exponents(J, h)[1]), rel=1e-12)


@pytest.mark.parametrize("n", [17, 18])
def test_more_states_than_chunks(n):
    """A chain whose spins are numbered in a random order, by its transfer matrices."""
    rng = np.random.default_rng(n)
    couplings, fields, order = rng.normal(size=n - 1), rng.normal(size=n), rng.permutation(n)
    J, h = np.zeros((n, n)), np.empty(n)
    J[order[1:], order[:-1]] = J[order[:-1], order[1:]] = couplings
    h[order] = fields
    assert ising.log_partition(J, h) == pytest.approx(ising.log_partition_chain(couplings, fields), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 7), scale=st.sampled_from([0.0, 1e-9, 1.0, 50.0, 1e4]), seed=st.integers(0, 1000))
def test_log_partition_of_tiny_and_huge_parameters(n, scale, seed):
    J, h = random_ising(np.random.default_rng(seed), n)
    expected = log_sum_exp(ising_exponents(scale * J, scale * h)[1])
    assert ising.log_partition(scale * J, scale * h) == pytest.approx(expected, rel=1e-11, abs=1e-11)


def test_the_interpreted_kernel_gives_the_same():
    J, h = random_ising(np.random.default_rng(5), 6)
    tops, sums = np.empty(16), np.empty(16)
    ising._enumerate_kernel.py_func(J, h, 2, tops, sums)
    assert log_sum_exp(tops + np.log(sums)) == pytest.approx(ising.log_partition(J, h), rel=1e-12)


def test_exact_moments():
    J, h = random_ising(np.random.default_rng(2), 6)
    s, exponents = ising_exponents(J, h)
    p = np.exp(exponents - log_sum_exp(exponents))
    moments = ising.exact_moments(J, h)
    np.testing.assert_allclose(moments.mean, p @ s, atol=1e-12)
    np.testing.assert_allclose(moments.correlation, np.einsum("s,si,sj->ij", p, s, s), atol=1e-12)
    assert moments.log_partition == pytest.approx(log_sum_exp(exponents), rel=1e-12)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("huge", [1e10, 1e30, 1e300])
def test_moments_of_huge_parameters_are_those_of_the_ground_state(seed, huge):
    J, h = random_ising(np.random.default_rng(seed), 7)
    s, exponents = ising_exponents(J, h)
    ground = s[exponents.argmax()]
    moments = ising.exact_moments(huge * J, huge * h)
    np.testing.assert_array_equal(moments.mean, ground)
    np.testing.assert_array_equal(moments.correlation, np.outer(ground, ground))


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_chain(n):
    rng = np.random.default_rng(n)
    couplings, fields = rng.normal(size=n - 1), rng.normal(size=n)
    J = np.diag(couplings, 1) + np.diag(couplings, -1)
    assert ising.log_partition_chain(couplings, fields) == pytest.approx(
        log_sum_exp(ising_exponents(J, fields)[1]), rel=1e-12
    )


@settings(max_examples=100, deadline=None)
@given(n=st.integers(1, 7), seed=st.integers(0, 1000), scale=st.sampled_from([1e-300, 1.0, 1e3, 1e30, 1e300]))
def test_chains_and_rings_of_tiny_and_huge_parameters(n, seed, scale):
    rng = np.random.default_rng(seed)
    fields, couplings = (scale * rng.normal(size=n) * 10.0 ** rng.integers(-3, 2, n) for _ in range(2))
    s = spin_states(n)
    chain = s @ fields + (s[:, 1:] * s[:, :-1]) @ couplings[:-1]
    ring = chain + s[:, -1] * s[:, 0] * couplings[-1]
    for bonds, exponents in ((couplings[:-1], chain), (couplings, ring)):
        result = ising.log_partition_chain(bonds, fields, periodic=len(bonds) == n)
        assert result == pytest.approx(log_sum_exp(exponents), rel=1e-12, abs=1e-12)


def test_spins_that_turn_round_in_a_chain():
    """The weights of the two states of the first spin are too far apart for one double-precision scale."""
    assert ising.log_partition_chain([-2000.0], [1000.0, 1500.0]) == 2500.0


def test_ring_has_the_closed_form():
    n, K = 11, 0.7
    expected = n * np.log(2 * np.cosh(K)) + np.log1p(np.tanh(K) ** n)
    assert ising.log_partition_chain(np.full(n, K), np.zeros(n), periodic=True) == pytest.approx(
        expected, rel=1e-13
    )


def test_a_long_chain_neither_overflows_nor_loses_digits():
    n, K = 100_000, 3.0
    expected = np.log(2) + (n - 1) * np.log(2 * np.cosh(K))
    assert ising.log_partition_chain(np.full(n - 1, K), np.zeros(n)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (4, 1), (3, 4), (5, 2)])
def test_strip(shape):
    rows, columns = shape
    rng = np.random.default_rng(rows * 10 + columns)
    across, down = rng.normal(size=(rows, columns - 1)), rng.normal(size=(rows - 1, columns))
    fields = rng.normal(size=shape)
    index = np.arange(rows * columns).reshape(shape)
    J = np.zeros((fields.size, fields.size))
    J[index[:, :-1].ravel(), index[:, 1:].ravel()] = across.ravel()
    J[index[:-1].ravel(), index[1:].ravel()] = down.ravel()
    expected = log_sum_exp(ising_exponents(J + J.T, fields.ravel())[1])
    assert ising.log_partition_strip(across, down, fields) == pytest.approx(expected, rel=1e-12)


def test_a_strip_may_lie_or_stand():
    rng = np.random.default_rng(1)
    across, down, fields = rng.normal(size=(2, 19)), rng.normal(size=(1, 20)), rng.normal(size=(2, 20))
    assert ising.log_partition_strip(across, down, fields) == pytest.approx(
        ising.log_partition_strip(down.T, across.T, fields.T), rel=1e-13
    )


def test_strip_with_rows_that_are_rings():
    rng = np.random.default_rng(8)
    across, down, fields = rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), rng.normal(size=(3, 3))
    J = np.zeros((9, 9))
    for r in range(3):
        for c in range(3):
            J[3 * r + c, 3 * r + (c + 1) % 3] += across[r, c]
            if r < 2:
                J[3 * r + c, 3 * r + 3 + c] += down[r, c]
    expected = log_sum_exp(ising_exponents(J + J.T, fields.ravel())[1])
    assert ising.log_partition_strip(across, down, fields) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("coupling", "published"), [(0.2, 6.669744604), (ising.CRITICAL_COUPLING, 9.020213401)]
)
def test_torus_of_side_three(coupling, published):
    assert ising.log_partition_torus(3, coupling) == pytest.approx(published, abs=5e-10)


@pytest.mark.parametrize("coupling", [1e-3, 0.1, 0.3, 0.4406, 0.6, 2.0])
def test_torus_of_side_two_has_double_bonds(coupling):
    assert ising.log_partition_torus(2, coupling) == pytest.approx(
        np.log(4 * np.cosh(8 * coupling) + 12), rel=1e-12
    )


@pytest.mark.parametrize("coupling", [-0.7, -0.2, 0.0, 0.15, ising.CRITICAL_COUPLING, 0.9])
def test_torus_of_side_four_is_the_sum_over_all_states(coupling):
    J = ising.grid_couplings(4, 4, coupling, periodic=True)
    assert ising.log_partition_torus(4, coupling) == pytest.approx(
        ising.log_partition(J, np.zeros(16)), rel=1e-12
    )


@pytest.mark.parametrize("size", [2, 3, 16])
def test_torus_of_tiny_and_huge_coupling(size):
    for coupling in (1e-300, 1e-20):
        assert ising.log_partition_torus(size, coupling) == pytest.approx(size**2 * np.log(2), rel=1e-10)
    for coupling in (100.0, 177.0, 300.0, 1e3, 1e30, 1e300):
        ground_states = 2 * size**2 * coupling + np.log(2)
        assert ising.log_partition_torus(size, coupling) == pytest.approx(ground_states, rel=1e-14)


@pytest.mark.parametrize(
    "call",
    [
        lambda huge: ising.log_partition_torus(4, huge),
        lambda huge: ising.log_partition_chain([huge], [huge, -huge]),
        lambda huge: ising.log_partition_strip([[huge]], np.zeros((0, 2)), [[huge, huge]]),
        lambda huge: ising.log_partition([[0, huge], [huge, 0]], [huge, huge]),
        lambda huge: ising.exact_moments([[0, huge], [huge, 0]], [huge, huge]),
    ],
)
def test_parameters_whose_sums_overflow_are_refused(call):
    assert call(1e300) is not None
    with pytest.raises(ValueError, match="expected numbers whose sums stay finite"):
        call(1e308)


@settings(max_examples=40, deadline=None)
@given(size=st.integers(2, 4), power=st.integers(-320, 300), negative=st.booleans())
def test_torus_of_tiny_and_huge_couplings_is_the_sum_over_all_states(size, power, negative):
    coupling = 10.0**power * (-1 if negative and size % 2 == 0 else 1)
    J = ising.grid_couplings(size, size, coupling, periodic=True)
    assert ising.log_partition_torus(size, coupling) == pytest.approx(
        ising.log_partition(J, np.zeros(size**2)), rel=1e-12
    )


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    scale=st.sampled_from([0.0, 1e-300, 1e-9, 1.0, 50.0, 1e4, 1e300]),
    seed=st.integers(0, 1000),
)
def test_chains_strips_and_moments_of_tiny_and_huge_parameters(shape, scale, seed):
    rng = np.random.default_rng(seed)
    rows, columns = shape
    across, down = scale * rng.normal(size=(rows, columns - 1)), scale * rng.normal(size=(rows - 1, columns))
    fields = scale * rng.normal(size=shape)
    index = np.arange(rows * columns).reshape(shape)
    J = np.zeros((fields.size, fields.size))
    J[index[:, :-1].ravel(), index[:, 1:].ravel()] = across.ravel()
    J[index[:-1].ravel(), index[1:].ravel()] = down.ravel()
    J += J.T
    s, exponents = ising_exponents(J, fields.ravel())
    log_z = log_sum_exp(exponents)
    assert ising.log_partition_strip(across, down, fields) == pytest.approx(log_z, rel=1e-11)
    if rows == 1:
        assert ising.log_partition_chain(across[0], fields[0]) == pytest.approx(log_z, rel=1e-11)
    moments = ising.exact_moments(J, fields.ravel())
    p = np.exp(exponents - exponents.max())
    p /= p.sum()
    np.testing.assert_allclose(moments.mean, p @ s, atol=1e-10)
    np.testing.assert_allclose(moments.correlation, np.einsum("s,si,sj->ij", p, s, s), atol=1e-10)


def test_torus_near_the_critical_point_where_gamma_zero_vanishes():
    near = [ising.log_partition_torus(6, ising.CRITICAL_COUPLING + d) for d in (-1e-9, 0.0, 1e-9)]
    assert np.ptp(near) < 1e-6
    assert near[0] < near[1] < near[2]


def test_onsager_at_the_critical_point():
    catalan = 0.915965594177219015
    exact = 0.5 * np.log(2) + 2 * catalan / np.pi
    assert exact == pytest.approx(0.9296953983, abs=1e-10)
    assert ising.onsager_log_partition_per_site(ising.CRITICAL_COUPLING) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("coupling", [0.05, 0.3, 0.42, 0.47, 0.8])
def test_large_tori_approach_onsager(coupling):
    size = 300
    degeneracy = np.log(2) / size**2 if coupling > ising.CRITICAL_COUPLING else 0.0  # two ordered states
    per_site = ising.log_partition_torus(size, coupling) / size**2 - degeneracy
    assert ising.onsager_log_partition_per_site(coupling) == pytest.approx(per_site, abs=1e-8)


def test_onsager_far_from_the_critical_point():
    assert ising.onsager_log_partition_per_site(0.0) == pytest.approx(np.log(2))
    assert ising.onsager_log_partition_per_site(50.0) == pytest.approx(100.0, rel=1e-12)
    assert ising.onsager_log_partition_per_site(500.0) == pytest.approx(1000.0, rel=1e-12)
    assert ising.onsager_log_partition_per_site(-0.3) == ising.onsager_log_partition_per_site(0.3)


def test_magnetization():
    assert ising.onsager_magnetization(0.44) == 0.0
    assert ising.onsager_magnetization(0.5) == pytest.approx((1 - np.sinh(1.0) ** -4) ** 0.125)
    assert ising.onsager_magnetization(1000.0) == 1.0


def probability_of_up(update):
    """The uniform number below which a spin comes out as +1, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if update(middle) > 0 else (low, middle)
    return low


def test_one_sweep_leaves_the_exact_distribution_as_it_is():
    """The sweep's transition matrix, of the kernel's own conditionals, has p as its left eigenvector."""
    J, h = random_ising(np.random.default_rng(4), 4)
    s, exponents = ising_exponents(J, h)
    p = np.exp(exponents - log_sum_exp(exponents))

    def update(state, i, number):
        uniforms = np.where(state > 0, 0.0, 1.0)  # which leave the other spins as they are
        uniforms[i] = number
        after = np.empty((1, 4), np.int8)
        ising._gibbs_kernel(J, h, state.copy(), uniforms[None], after)
        assert (np.delete(after[0], i) == np.delete(state, i)).all()
        return after[0, i]

    matrix = np.eye(16)
    for i in range(4):
        step = np.zeros((16, 16))
        bit = 1 << (3 - i)
        for k in range(16):
            up = probability_of_up(functools.partial(update, s[k], i))
            step[k, k | bit] += up
            step[k, k & ~bit] += 1 - up
        matrix = matrix @ step
    np.testing.assert_allclose(p @ matrix, p, atol=1e-13)


@pytest.mark.parametrize("size", [2, 3])
def test_a_sweep_of_the_torus_draws_from_the_conditionals_of_the_dense_model(size):
    coupling, field = 0.3, -0.4
    J, rng = ising.grid_couplings(size, size, coupling, periodic=True), np.random.default_rng(1)

    def update(state, place, number):
        s, uniforms = state.copy(), np.where(state > 0, 0.0, 1.0)
        uniforms[place] = number
        ising._torus_sweep_kernel(s, coupling, field, uniforms)
        return s[place]

    for state in rng.choice(np.array([-1, 1], np.int8), size=(10, size, size)):
        for i, place in enumerate(np.ndindex(size, size)):
            expected = 1 / (1 + np.exp(-2 * (field + J[i] @ state.ravel())))
            assert probability_of_up(functools.partial(update, state, place)) == pytest.approx(expected)


def test_chains_start_where_they_are_told_and_go_on_from_one_piece_of_random_numbers_to_the_next(monkeypatch):
    cold = ising.grid_couplings(2, 3, 50.0)
    for start in (np.ones(6), -np.ones(6)):
        samples = ising.gibbs_sample(cold, np.zeros(6), 3, np.random.default_rng(0), start)
        np.testing.assert_array_equal(samples, np.tile(start, (3, 1)))
    J, h = random_ising(np.random.default_rng(3), 5)
    whole = ising.gibbs_sample(J, h, 11, np.random.default_rng(1))
    monkeypatch.setattr(ising, "UNIFORMS_AT_ONCE", 15)
    np.testing.assert_array_equal(ising.gibbs_sample(J, h, 11, np.random.default_rng(1)), whole)


def test_gibbs_means():
    J, h = random_ising(np.random.default_rng(3), 5)
    samples = ising.gibbs_sample(J, h, 40_000, np.random.default_rng(1))
    assert samples.dtype == np.int8
    np.testing.assert_allclose(samples[100:].mean(axis=0), ising.exact_moments(J, h).mean, atol=0.03)


def test_torus_sampler_has_the_exact_energy():
    size, K = 4, 0.3
    J = ising.grid_couplings(size, size, K, periodic=True)
    moments = ising.exact_moments(J, np.zeros(16))
    expected = np.sum(J / K * moments.correlation) / 2
    rng = np.random.default_rng(6)
    s, energies = None, []
    for _ in range(6000):
        s = ising.gibbs_sample_torus(size, K, 0.0, 1, rng, initial=s)
        energies.append(np.sum(s * np.roll(s, 1, 0)) + np.sum(s * np.roll(s, 1, 1)))
    assert np.mean(energies[100:]) == pytest.approx(expected, abs=0.4)


GOOD_J = np.array([[0.0, 1.0], [1.0, 0.0]])


@pytest.mark.parametrize(
    ("J", "h", "message"),
    [
        (np.zeros((2, 3)), np.zeros(2), r"J: expected shape \(2, 2\) to match h, got \(2, 3\)"),
        (np.zeros(2), np.zeros(2), "J: expected 2 dimension"),
        (
            np.array([[0.0, 1.0], [2.0, 0.0]]),
            np.zeros(2),
            "J: expected a symmetric matrix, got 1.0 .* and 2.0",
        ),
        (np.eye(2), np.zeros(2), r"J: expected a zero diagonal, got 1.0 at index \(0, 0\)"),
        (GOOD_J, np.array([0.0, np.nan]), r"h: expected finite numbers, got nan at index \(1,\)"),
        (np.array([[0.0, np.inf], [np.inf, 0.0]]), np.zeros(2), "J: expected finite numbers"),
        (np.zeros((0, 0)), np.zeros(0), "at least one spin"),
        (GOOD_J.astype(complex), np.zeros(2), "J: expected real numbers, got dtype complex128"),
    ],
)
def test_malformed_models_are_refused(J, h, message):
    with pytest.raises(ValueError, match=message):
        ising.log_partition(J, h)


def test_too_many_spins_are_refused_with_their_price():
    with pytest.raises(
        ValueError, match=r"got 31: enumeration would visit 2\^31 = 2.1e\+09 .* use log_partition_strip"
    ):
        ising.log_partition(np.zeros((31, 31)), np.zeros(31))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ising.log_partition_chain([1.0], [0.0]), "couplings: expected 0 for 1 spins, got 1"),
        (
            lambda: ising.log_partition_strip(np.zeros((2, 2)), np.zeros((2, 2)), np.zeros((2, 3))),
            "vertical: expected shape",
        ),
        (
            lambda: ising.log_partition_strip(np.zeros((17, 16)), np.zeros((16, 17)), np.zeros((17, 17))),
            "at most 16 spins wide",
        ),
        (lambda: ising.log_partition_torus(1, 0.1), "size: expected at least 2, got 1"),
        (lambda: ising.log_partition_torus(3, -0.1), "frustrated"),
        (lambda: ising.log_partition_torus(3, np.nan), "finite"),
        (lambda: ising.exact_moments(np.zeros((21, 21)), np.zeros(21)), "use gibbs_sample"),
        (
            lambda: ising.gibbs_sample(GOOD_J, [0, 0], 0, np.random.default_rng(0)),
            "num_sweeps: expected at least 1",
        ),
        (
            lambda: ising.gibbs_sample(GOOD_J, [0, 0], 1, np.random.default_rng(0), initial=[0, 1]),
            "initial: expected spins",
        ),
        (lambda: ising.grid_couplings(1, 3, 0.5, periodic=True), "at least 2 on a periodic grid"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_interpreted_samplers_and_moments_give_the_same():
    rng = np.random.default_rng(5)
    J, h = random_ising(rng, 4)
    uniforms, start = rng.random((6, 4)), np.ones(4)
    compiled, interpreted = np.empty((6, 4), np.int8), np.empty((6, 4), np.int8)
    ising._gibbs_kernel(J, h, start.copy(), uniforms, compiled)
    ising._gibbs_kernel.py_func(J, h, start.copy(), uniforms, interpreted)
    assert np.array_equal(compiled, interpreted)
    torus = rng.choice(np.array([-1, 1], np.int8), size=(4, 4))
    other = torus.copy()
    ising._torus_sweep_kernel(torus, 0.4, 0.1, uniforms[:4, :4])
    ising._torus_sweep_kernel.py_func(other, 0.4, 0.1, uniforms[:4, :4])
    assert np.array_equal(torus, other)
    moments = ising.exact_moments(J, h)
    mean, correlation = np.zeros(4), np.zeros((4, 4))
    ising._moments_kernel.py_func(J, h, mean, correlation)
    assert np.allclose(mean, moments.mean, rtol=1e-13)
    assert np.allclose(correlation, moments.correlation, rtol=1e-13)
