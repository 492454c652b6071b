"""The two KLs against SciPy's quadrature, sampling-free closed forms, and optimisers that share nothing with the library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, optimize, special, stats

from lectures_lib import two_kls

BIMODAL = ([0.5, 0.5], [[-2.0], [2.0]], [[[0.49]], [[0.49]]])
CORRELATED = np.array([[2.0, 1.2], [1.2, 1.0]])


def log_p_of(mixture):
    return lambda x: two_kls.log_mixture(x, *mixture)


def random_covariance(rng, d, scale=1.0):
    A = rng.normal(size=(d, d + 2))
    return scale**2 * (A @ A.T) / d


def random_mixture(rng, K, d, scale=1.0):
    covariances = np.stack([random_covariance(rng, d, scale) for _ in range(K)])
    return rng.dirichlet(np.ones(K)), scale * rng.normal(size=(K, d)), covariances


def plain_kl(m0, S0, m1, S1):
    """The textbook formula, by inverse and determinants."""
    difference = m1 - m0
    inverse = np.linalg.inv(S1)
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(inverse @ S0) + difference @ inverse @ difference - len(m0) + logs)


def negative_elbo(mixture, mean, sigma):
    """E_q[log q - log p] in one dimension, by SciPy's adaptive quadrature."""
    weights, means, covariances = (np.asarray(part).ravel() for part in mixture)

    def integrand(x):
        log_p = np.logaddexp.reduce(
            np.log(weights) - 0.5 * (x - means) ** 2 / covariances - 0.5 * np.log(2 * np.pi * covariances)
        )
        z = (x - mean) / sigma
        log_q = -0.5 * z * z - np.log(sigma) - 0.5 * np.log(2 * np.pi)
        return np.exp(log_q) * (log_q - log_p)

    cuts = np.clip(means, mean - 9 * sigma, mean + 9 * sigma)
    return integrate.quad(integrand, mean - 10 * sigma, mean + 10 * sigma, points=cuts, limit=200)[0]


cases = {
    "seed": st.integers(0, 1000),
    "d": st.integers(1, 5),
    "scale": st.sampled_from([1e-6, 1.0, 1e4]),
}


@settings(max_examples=60, deadline=None)
@given(**cases)
def test_kl_of_gaussians_is_the_textbook_formula(seed, d, scale):
    rng = np.random.default_rng(seed)
    m0, m1 = scale * rng.normal(size=(2, d))
    S0, S1 = random_covariance(rng, d, scale), random_covariance(rng, d, scale)
    kl = two_kls.kl_gaussian(m0, S0, m1, S1)
    assert kl == pytest.approx(plain_kl(m0, S0, m1, S1), rel=1e-6, abs=1e-9)
    assert two_kls.kl_gaussian(m0, S0, m0, S0) == pytest.approx(0, abs=1e-14)
    # Nothing changes in other units, however unlike.
    units = 10.0 ** rng.integers(-6, 7, d)
    across = np.outer(units, units)
    assert two_kls.kl_gaussian(units * m0, across * S0, units * m1, across * S1) == pytest.approx(
        kl, rel=1e-9, abs=1e-12
    )


def test_kl_of_gaussians_by_quadrature():
    def integrand(x):
        return stats.norm.pdf(x, 1, 0.5) * (stats.norm.logpdf(x, 1, 0.5) - stats.norm.logpdf(x, -1, 2))

    expected = integrate.quad(integrand, -5, 7)[0]
    assert two_kls.kl_gaussian([1.0], [[0.25]], [-1.0], [[4.0]]) == pytest.approx(expected, rel=1e-9)
    assert two_kls.kl_gaussian([-1.0], [[4.0]], [1.0], [[0.25]]) > 2 * expected


def test_kl_of_gaussians_near_zero_and_far_away():
    assert two_kls.kl_gaussian([0.0], [[1.0]], [1e-6], [[1.0]]) == pytest.approx(5e-13, rel=1e-12)
    assert two_kls.kl_gaussian([0.0], [[1e-200]], [0.0], [[1.0]]) == pytest.approx(
        0.5 * (200 * np.log(10) - 1), rel=1e-12
    )
    assert two_kls.kl_gaussian([0.0], [[1.0]], [1e200], [[1.0]]) == np.inf


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), K=st.integers(1, 4), d=st.integers(1, 4))
def test_moment_match_has_the_moments(seed, K, d):
    weights, means, covariances = random_mixture(np.random.default_rng(seed), K, d)
    result = two_kls.moment_match(weights, means, covariances)
    second = sum(w * (S + np.outer(m, m)) for w, m, S in zip(weights, means, covariances, strict=True))
    np.testing.assert_allclose(result.mean, sum(w * m for w, m in zip(weights, means, strict=True)))
    np.testing.assert_allclose(
        result.covariance, second - np.outer(result.mean, result.mean), rtol=1e-10, atol=1e-12
    )
    np.testing.assert_array_equal(result.covariance, result.covariance.T)


def test_moment_match_far_from_zero_keeps_its_digits():
    weights, means, covariances = random_mixture(np.random.default_rng(0), 3, 2)
    near = two_kls.moment_match(weights, means, covariances)
    far = two_kls.moment_match(weights, means + 1e8, covariances)
    np.testing.assert_allclose(far.covariance, near.covariance, rtol=1e-6)


def test_known_mixture():
    mean, covariance = two_kls.moment_match(*BIMODAL)
    assert mean[0] == pytest.approx(0)
    assert covariance[0, 0] == pytest.approx(4.49)
    x, dx = np.linspace(-12, 12, 4001, retstep=True)
    log_q = stats.norm.logpdf(x, 0, np.sqrt(4.49))
    result = two_kls.kl_grid(log_p_of(BIMODAL)(x[:, None]), log_q, dx)
    assert result.kl == pytest.approx(0.420505, abs=1e-6)
    # Any other Gaussian is farther in this direction.
    for mean, sigma in [(0.05, 2.12), (0.0, 2.0), (0.0, 2.25)]:
        assert (
            two_kls.kl_grid(log_p_of(BIMODAL)(x[:, None]), stats.norm.logpdf(x, mean, sigma), dx).kl
            > result.kl
        )


@settings(max_examples=40, deadline=None)
@given(**cases)
def test_factorized_variances(seed, d, scale):
    S = random_covariance(np.random.default_rng(seed), d, scale)
    narrow, wide = two_kls.reverse_kl_factorized(S), two_kls.forward_kl_factorized(S)
    np.testing.assert_allclose(narrow, 1 / np.diagonal(np.linalg.inv(S)), rtol=1e-6)
    np.testing.assert_array_equal(wide, np.diagonal(S))
    assert (narrow <= wide * (1 + 1e-12)).all()
    units = 10.0 ** np.random.default_rng(seed).integers(-6, 7, d)
    np.testing.assert_allclose(
        two_kls.reverse_kl_factorized(np.outer(units, units) * S), units**2 * narrow, rtol=1e-9
    )


@pytest.mark.parametrize("d", [2, 4])
def test_factorized_variances_are_optimal_each_in_its_direction(d):
    S = random_covariance(np.random.default_rng(d), d)
    zero = np.zeros(d)

    def numeric(kl):
        best = optimize.minimize(lambda logs: kl(np.diag(np.exp(logs))), np.zeros(d), tol=1e-12)
        return np.exp(best.x)

    reverse = numeric(lambda D: plain_kl(zero, D, zero, S))
    forward = numeric(lambda D: plain_kl(zero, S, zero, D))
    np.testing.assert_allclose(two_kls.reverse_kl_factorized(S), reverse, rtol=1e-4)
    np.testing.assert_allclose(two_kls.forward_kl_factorized(S), forward, rtol=1e-4)


def test_the_two_optimal_values_coincide_but_not_the_variances():
    zero = np.zeros(2)
    narrow, wide = two_kls.reverse_kl_factorized(CORRELATED), two_kls.forward_kl_factorized(CORRELATED)
    value = -0.5 * np.log(1 - 1.2**2 / 2)
    assert two_kls.kl_gaussian(zero, np.diag(narrow), zero, CORRELATED) == pytest.approx(value)
    assert two_kls.kl_gaussian(zero, CORRELATED, zero, np.diag(wide)) == pytest.approx(value)
    np.testing.assert_allclose(narrow, [0.56, 0.28])
    np.testing.assert_allclose(wide, [2.0, 1.0])


def test_grid_in_two_dimensions_and_its_masses():
    side, step = np.linspace(-9, 9, 361, retstep=True)
    points = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
    m, S = np.array([0.3, -0.4]), np.array([[1.0, 0.3], [0.3, 0.7]])
    log_q = stats.multivariate_normal.logpdf(points, m, S)
    log_p = stats.multivariate_normal.logpdf(points, np.zeros(2), CORRELATED)
    result = two_kls.kl_grid(log_q, log_p, step**2)
    assert result.kl == pytest.approx(plain_kl(m, S, np.zeros(2), CORRELATED), rel=1e-6)
    assert result.mass_q == pytest.approx(1, abs=1e-6)
    assert result.mass_p == pytest.approx(1, abs=1e-6)


def test_zeros_of_densities_on_a_grid():
    with np.errstate(divide="ignore"):
        q, p = np.log([0.0, 0.5, 0.5, 0.0]), np.log([0.25, 0.25, 0.5, 0.0])
    assert two_kls.kl_grid(q, p, 1.0).kl == pytest.approx(0.5 * np.log(2))
    assert two_kls.kl_grid(p, q, 1.0).kl == np.inf
    # What is too small for a number counts nothing, even where the other density is zero.
    assert two_kls.kl_grid([0.0, -800.0], [0.0, -np.inf], 1.0).kl == 0
    # A density may be larger than the largest number, a mass not.
    assert two_kls.kl_grid([-np.log(1e-310)], [712.0], 1e-310).kl == pytest.approx(-712 - np.log(1e-310))


def test_mass_outside_the_grid_is_not_silent():
    x, dx = np.linspace(-3, 3, 301, retstep=True)
    inside, escaped = stats.norm.logpdf(x), stats.norm.logpdf(x, 30, 2)
    with pytest.raises(ValueError, match=r"log_q: expected mass 1 on the grid, got 0.99\d+"):
        two_kls.kl_grid(inside, inside, dx, mass_tol=1e-4)
    with pytest.raises(ValueError, match="log_q: expected mass 1 on the grid, got"):
        two_kls.kl_grid(escaped, inside, dx)
    result = two_kls.kl_grid(escaped, inside, dx, mass_tol=np.inf)
    assert abs(result.kl) < 1e-6
    assert result.mass_q < 1e-6
    with pytest.raises(ValueError, match=r"log_p: expected mass of at most 1 on the grid, got 6\.9"):
        two_kls.kl_grid(stats.norm.logpdf(x, 0, 0.5), inside + np.log(7), dx)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), K=st.integers(1, 4), d=st.integers(1, 3))
def test_log_mixture_is_scipys(seed, K, d):
    rng = np.random.default_rng(seed)
    weights, means, covariances = random_mixture(rng, K, d)
    x = 3 * rng.normal(size=(7, d))
    logs = [
        stats.multivariate_normal.logpdf(x, m, S).reshape(7) for m, S in zip(means, covariances, strict=True)
    ]
    expected = special.logsumexp(logs, axis=0, b=weights[:, None])
    np.testing.assert_allclose(two_kls.log_mixture(x, weights, means, covariances), expected, rtol=1e-9)
    far = two_kls.log_mixture(1e6 + x, weights, means, covariances)
    assert np.isfinite(far).all()


def test_log_mixture_with_an_empty_component():
    single = two_kls.log_mixture([[0.5]], [1.0], [[0.0]], [[[1.0]]])
    both = two_kls.log_mixture([[0.5]], [1.0, 0.0], [[0.0], [9.0]], [[[1.0]], [[1.0]]])
    np.testing.assert_array_equal(single, both)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), d=st.integers(1, 2), scale=st.sampled_from([1e-4, 1.0, 1e5]))
def test_a_gaussian_target_is_recovered(seed, d, scale):
    rng = np.random.default_rng(seed)
    m, S = scale * rng.normal(size=d), random_covariance(rng, d, scale)
    starts = m + 10 * scale * rng.normal(size=(3, d))
    log_p = log_p_of(([1.0], [m], [S]))
    (fit,) = two_kls.fit_reverse_kl(lambda x: log_p(x) + 5, starts, scale=scale)
    assert fit.converged
    assert fit.starts == (0, 1, 2)
    assert fit.value == pytest.approx(-5, abs=1e-8)
    np.testing.assert_allclose(fit.mean, m, atol=1e-6 * scale)
    np.testing.assert_allclose(fit.covariance, S, rtol=1e-6, atol=1e-8 * scale**2)
    (fit,) = two_kls.fit_reverse_kl(log_p, starts, scale=scale, diagonal=True)
    assert fit.converged
    np.testing.assert_allclose(np.diagonal(fit.covariance), two_kls.reverse_kl_factorized(S), rtol=1e-6)
    np.testing.assert_allclose(fit.covariance, np.diag(np.diagonal(fit.covariance)), atol=0)


def test_all_optima_of_a_bimodal_density():
    """Two at the modes and, here, a third that covers both and is worse: compare with an independent optimiser."""
    fits = two_kls.fit_reverse_kl(log_p_of(BIMODAL), [[-2.5], [0.0], [2.5], [1.5]])
    assert [round(float(fit.mean[0])) for fit in fits] in ([-2, 2, 0], [2, -2, 0])
    assert sorted(fit.starts for fit in fits) == [(0,), (1,), (2, 3)]
    assert [fit.value for fit in fits] == sorted(fit.value for fit in fits)
    for fit in fits:
        assert fit.converged
        assert fit.quadrature_error < 1e-9
        mean, sigma = fit.mean[0], np.sqrt(fit.covariance[0, 0])
        assert fit.value == pytest.approx(negative_elbo(BIMODAL, mean, sigma), abs=1e-8)
        found = optimize.minimize(
            lambda t: negative_elbo(BIMODAL, t[0], np.exp(t[1])),
            [mean + 0.1, np.log(sigma) + 0.1],
            method="Nelder-Mead",
            options={"xatol": 1e-7, "fatol": 1e-13},
        )
        np.testing.assert_allclose([mean, np.log(sigma)], found.x, atol=1e-5)
    assert fits[0].value == pytest.approx(fits[1].value, abs=1e-9)
    assert fits[0].value < np.log(2) < fits[2].value


def test_close_components_have_one_optimum():
    mixture = ([0.5, 0.5], [[-0.8], [0.8]], BIMODAL[2])
    (fit,) = two_kls.fit_reverse_kl(log_p_of(mixture), [[-3.0], [-0.8], [0.0], [0.8], [3.0]])
    assert fit.mean[0] == pytest.approx(0, abs=1e-6)


NARROW_ON_WIDE = ([0.5, 0.5], [[0.0], [0.0]], [[[9e-4]], [[1.0]]])


@pytest.mark.parametrize("sign", [1, -1])
def test_a_start_on_a_saddle_leaves_it(monkeypatch, sign):
    """A narrow component on a wide one has an optimum at the width of each, and between the two a hill without slope."""
    mixture, eigh = NARROW_ON_WIDE, np.linalg.eigh

    def with_a_sign(matrix):
        values, vectors = eigh(matrix)
        return values, sign * vectors * np.sign(vectors.sum(axis=0))

    monkeypatch.setattr(np.linalg, "eigh", with_a_sign)
    top = optimize.minimize_scalar(
        lambda t: -negative_elbo(mixture, 0, np.exp(t)), bounds=np.log([0.05, 0.8]), method="bounded"
    )
    (fit,) = two_kls.fit_reverse_kl(log_p_of(mixture), [[0.0]], scale=float(np.exp(top.x)), tol=1e-3)
    assert fit.converged
    assert fit.value < -top.fun - 0.4


def test_a_descent_that_the_nodes_are_too_few_for_ends_and_says_so():
    (fit,) = two_kls.fit_reverse_kl(log_p_of(NARROW_ON_WIDE), [[0.0]], scale=0.9)
    assert not fit.converged
    assert fit.num_iter < 60
    assert fit.quadrature_error > 1e-3


@pytest.mark.parametrize(("d", "diagonal"), [(1, False), (2, False), (2, True)])
def test_slope_and_curvature_are_those_of_the_value(d, diagonal):
    """By finite differences along the steps that the descent takes."""
    rng = np.random.default_rng(d)
    log_p = log_p_of(random_mixture(rng, 3, d))
    mean, root, spacing = rng.normal(size=d), np.linalg.cholesky(random_covariance(rng, d)), 1 / 8
    if diagonal:
        root = np.diag(np.diagonal(root))
    basis = two_kls._symmetric_basis(d, diagonal)

    def value(step):
        new = two_kls._moved(mean, root, step, basis)
        return two_kls._expansion(two_kls._evaluate(log_p, *new, spacing), *new, basis, spacing)[0]

    size = d + len(basis)
    logs = two_kls._evaluate(log_p, mean, root, spacing)
    _, gradient, hessian, _ = two_kls._expansion(logs, mean, root, basis, spacing)
    e = 1e-3 * np.eye(size)
    slope = [(value(e[i]) - value(-e[i])) / 2e-3 for i in range(size)]
    np.testing.assert_allclose(gradient, slope, atol=1e-5)
    curvature = [
        [
            (value(e[i] + e[j]) - value(e[i] - e[j]) - value(e[j] - e[i]) + value(-e[i] - e[j])) / 4e-6
            for i in range(size)
        ]
        for j in range(size)
    ]
    np.testing.assert_allclose(hessian, curvature, atol=1e-4)


def test_a_far_start_arrives_in_few_steps():
    (fit,) = two_kls.fit_reverse_kl(log_p_of(([1.0], [[3.0]], [[[1.0]]])), [[1e6]])
    assert fit.converged
    assert fit.num_iter < 60


@pytest.mark.parametrize("diagonal", [False, True])
def test_optima_in_two_dimensions_have_no_slope_and_are_scipys(diagonal):
    mixture = ([0.4, 0.6], [[-4.0, 0.0], [3.0, 2.0]], [CORRELATED, np.diag([0.5, 1.0])])
    nodes, weights = np.polynomial.legendre.leggauss(90)
    nodes, weights = 7 * nodes, 7 * weights * stats.norm.pdf(7 * nodes)
    z = np.stack(np.meshgrid(nodes, nodes), axis=-1).reshape(-1, 2)
    w = np.outer(weights, weights).ravel()

    def unpack(t):
        return t[:2], np.array([[np.exp(t[2]), 0], [0 if diagonal else t[4], np.exp(t[3])]])

    def loss(t):
        mean, L = unpack(t)
        return -np.log(2 * np.pi * np.e) - t[2] - t[3] - w @ two_kls.log_mixture(mean + z @ L.T, *mixture)

    fits = two_kls.fit_reverse_kl(log_p_of(mixture), mixture[1], diagonal=diagonal)
    assert len(fits) == 2
    for fit in fits:
        assert fit.converged
        L = np.linalg.cholesky(fit.covariance)
        t = np.array([*fit.mean, *np.log(np.diagonal(L)), L[1, 0]])[: 4 if diagonal else 5]
        assert np.abs(optimize.approx_fprime(t, loss, 1e-6)).max() < 1e-4
        assert fit.value == pytest.approx(loss(t), abs=1e-5)
        mean, L = unpack(optimize.minimize(loss, t + 0.1, tol=1e-8).x)
        np.testing.assert_allclose(fit.mean, mean, atol=1e-3)
        np.testing.assert_allclose(fit.covariance, L @ L.T, atol=3e-3)
    assert (fits[0].mean[0] > 0) != (fits[1].mean[0] > 0)


def test_single_precision():
    S = CORRELATED.astype(np.float32)
    m = np.zeros(2, dtype=np.float32)
    assert two_kls.kl_gaussian(m, S, m + 1, 2 * S) == pytest.approx(
        plain_kl(np.zeros(2), CORRELATED, np.ones(2), 2 * CORRELATED), rel=1e-6
    )
    S[0, 1] *= 1 + np.finfo(np.float32).eps  # no more symmetric than sums in single precision are
    assert two_kls.reverse_kl_factorized(S).dtype == np.float64
    with pytest.raises(ValueError, match="symmetric"):
        two_kls.reverse_kl_factorized(S.astype(np.float64))
    (fit,) = two_kls.fit_reverse_kl(
        lambda x: two_kls.log_mixture(x, [1.0], [m], [S]).astype(np.float32), [m + 1]
    )
    assert fit.converged
    np.testing.assert_allclose(fit.covariance, CORRELATED, atol=1e-3)


def test_a_density_without_a_minimum_is_not_converged():
    (fit,) = two_kls.fit_reverse_kl(lambda x: np.zeros(len(x)), [[0.0]])
    assert not fit.converged
    (fit,) = two_kls.fit_reverse_kl(lambda x: x[:, 0], [[0.0]])
    assert not fit.converged
    (fit,) = two_kls.fit_reverse_kl(lambda x: -np.log(x[:, 0] ** 2 + 1e-300), [[0.0]])
    assert not fit.converged
    (fit,) = two_kls.fit_reverse_kl(log_p_of(BIMODAL), [[-1.0]], max_iter=2)
    assert not fit.converged
    assert fit.num_iter == 2
    # Where a descent was given up is no optimum, so two that stand at one place are kept apart.
    fits = two_kls.fit_reverse_kl(log_p_of(BIMODAL), [[-1.0], [-1.0]], max_iter=2)
    assert [other.starts for other in fits] == [(0,), (1,)]


def test_too_coarse_a_quadrature_is_not_converged():
    far = ([0.5, 0.5], [[-20.0], [20.0]], [[[0.25]], [[0.25]]])
    (fit,) = two_kls.fit_reverse_kl(log_p_of(far), [[0.0]])
    assert fit.quadrature_error > 1e-3
    assert not fit.converged


@pytest.mark.parametrize("unit", [1e-120, 1e120])
def test_two_starts_find_one_optimum_in_any_unit(unit):
    (fit,) = two_kls.fit_reverse_kl(lambda x: gaussian(x / unit), [[0.0], [unit]], scale=unit)
    assert fit.converged
    assert fit.covariance[0, 0] == pytest.approx(unit**2)
    assert fit.starts == (0, 1)


def test_point_masses_have_only_the_covariance_between_them():
    both = two_kls.moment_match([0.25, 0.75], [[0.0, 0.0], [1.0, 2.0]], np.zeros((2, 2, 2)))
    np.testing.assert_allclose(both.covariance, 0.1875 * np.array([[1, 2], [2, 4]]))


def test_inputs_stay_as_they_are():
    starts, S = np.array([[1.0, 2.0]]), CORRELATED.copy()
    (fit,) = two_kls.fit_reverse_kl(log_p_of(([1.0], [[1.0, 2.0]], [S])), starts, max_iter=1)
    fit.mean[:] = 7
    two_kls.forward_kl_factorized(S)[:] = 7
    np.testing.assert_array_equal(starts, [[1.0, 2.0]])
    np.testing.assert_array_equal(S, CORRELATED)


I1, I2 = np.eye(1), np.eye(2)


def test_huge_numbers_never_give_nan():
    assert two_kls.kl_gaussian([1e308, 0.0], I2, [-1e308, 1.0], [[1.0, 0.5], [0.5, 1.0]]) == np.inf
    assert two_kls.kl_gaussian([0.0], [[1e308]], [0.0], [[5e-324]]) == np.inf
    assert two_kls.kl_gaussian([1e150], I1, [0.0], I1) == pytest.approx(5e299)
    far = [[1e200, 0.0], [1e308, -1e308], [1e100, 0.0], [0.0, 0.0]]
    for weights in ([0.5, 0.5], [1.0, 0.0]):
        logs = two_kls.log_mixture(far, weights, [[0.0, 0.0], [-1e308, 1e308]], [CORRELATED, CORRELATED])
        assert logs[:2].tolist() == [-np.inf, -np.inf]
        peer = stats.multivariate_normal(cov=CORRELATED).logpdf(far[2:]) + np.log(weights[0])
        np.testing.assert_allclose(logs[2:], peer)


def gaussian(x):
    return -0.5 * (x**2).sum(axis=1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: two_kls.kl_gaussian(0.0, I1, [0.0], I1), r"m0: expected 1 dimension"),
        (lambda: two_kls.kl_gaussian([], I1, [0.0], I1), r"m0: expected shape \(d,\), got \(0,\)"),
        (lambda: two_kls.kl_gaussian([0.0], I1, [0.0, 1.0], I1), r"m1: expected shape \(1,\), got \(2,\)"),
        (lambda: two_kls.kl_gaussian([0.0], I1, [0.0], I2), r"S1: expected shape \(1, 1\), got \(2, 2\)"),
        (lambda: two_kls.kl_gaussian([np.nan], I1, [0.0], I1), "m0: expected finite numbers"),
        (lambda: two_kls.kl_gaussian([0.0], -I1, [0.0], I1), "S0: expected a positive definite matrix, got"),
        (lambda: two_kls.kl_gaussian([0.0], I1, [0.0], 0 * I1), "S1: expected a positive definite matrix"),
        (lambda: two_kls.reverse_kl_factorized([[1.0, 0.5], [0.4, 1.0]]), "S: expected a symmetric matrix"),
        (lambda: two_kls.reverse_kl_factorized([[1.0, 2.0], [2.0, 1.0]]), "eigenvalue -1"),
        (lambda: two_kls.forward_kl_factorized(np.zeros((0, 0))), r"S: expected shape \(d, d\)"),
        (lambda: two_kls.moment_match([1.0], np.zeros((0, 2)), [I2]), r"means: expected shape \(K, d\)"),
        (lambda: two_kls.moment_match([1.0], np.zeros((2, 2)), [I2, I2]), r"weights: expected shape \(2,\)"),
        (lambda: two_kls.moment_match([0.6, 0.6], np.zeros((2, 2)), [I2, I2]), "distribution, got sum 1.2"),
        (lambda: two_kls.moment_match([1.0], np.zeros((1, 2)), [I1]), r"covariances: expected shape \(1, 2"),
        (lambda: two_kls.log_mixture([0.0], [1.0], [[0.0]], [I1]), r"x: expected 2 dimension"),
        (lambda: two_kls.log_mixture([[0.0, 1.0]], [1.0], [[0.0]], [I1]), r"x: expected shape \(n, 1\)"),
        (lambda: two_kls.log_mixture([[0.0]], [1.0], [[0.0]], [0 * I1]), r"covariances\[0\]: expected a pos"),
        (lambda: two_kls.kl_grid([0.0], [0.0, 0.0], 1.0), r"log_p: expected shape \(1,\) to match log_q"),
        (lambda: two_kls.kl_grid([np.nan], [0.0], 1.0), "log_q: expected a table of log densities"),
        (lambda: two_kls.kl_grid([0.0], [np.inf], 1.0), "log_p: expected a table of log densities"),
        (lambda: two_kls.kl_grid([1e4], [1e4], 1.0, mass_tol=np.inf), "log_q, log_p: expected a finite mass"),
        (lambda: two_kls.kl_grid([0.0], [1e4], 1.0, mass_tol=np.inf), "log_q, log_p: expected a finite mass"),
        (lambda: two_kls.moment_match([0.5, 0.5], [[1e200], [-1e200]], [I1, I1]), "squares stay finite"),
        (lambda: two_kls.fit_reverse_kl(lambda x: gaussian(x) + 0j, [[0.0]]), "log_p: expected real numbers"),
        (lambda: two_kls.kl_grid([0.0], [0.0], 0.0), "dx: expected a cell volume above 0"),
        (lambda: two_kls.kl_grid([0.0], [0.0], 1.0, mass_tol=-1), "mass_tol: expected"),
        (lambda: two_kls.fit_reverse_kl(gaussian, [0.0]), "starts: expected 2 dimension"),
        (lambda: two_kls.fit_reverse_kl(gaussian, np.zeros((1, 3))), r"starts: expected shape \(num_starts"),
        (lambda: two_kls.fit_reverse_kl(gaussian, np.zeros((0, 1))), r"starts: expected shape \(num_starts"),
        (lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], scale=0.0), "scale: expected a number above 0"),
        (lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], scale=[1.0, 2.0]), "scale: expected a number"),
        (
            lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], scale=1e-300),
            "from 1e-120 to 1e[+]120, got 1e-300",
        ),
        (
            lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], scale=1e300),
            "from 1e-120 to 1e[+]120, got 1e[+]300",
        ),
        (lambda: two_kls.moment_match([1.0], [[0.0]], [-I1]), "semidefinite matrices, got .* eigenvalue -1"),
        (
            lambda: two_kls.moment_match([1.0], [[0.0] * 2], [1 - 3 * I2]),
            "covariances: expected positive semi",
        ),
        (lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], spacing=0.0), "spacing: expected a number from"),
        (lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], max_iter=0), "max_iter: expected at least 1"),
        (lambda: two_kls.fit_reverse_kl(gaussian, [[0.0]], tol=-1.0), "tol: expected a number of at least 0"),
        (lambda: two_kls.fit_reverse_kl(lambda x: x, [[0.0]]), r"log_p: expected shape \(257,\)"),
        (
            lambda: two_kls.fit_reverse_kl(lambda x: np.where(x[:, 0] > 0, -x[:, 0], -np.inf), [[1.0]]),
            r"log_p: expected finite numbers around the start \[1.\], got -inf at \[-7.\]",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
