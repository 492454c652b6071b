"""EM against SciPy and scikit-learn, the bound F against its definition, monotone traces, degenerate sizes."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats
from sklearn.cluster import KMeans

from lectures_lib import em


def log_joint(X, means):
    """log p(x_i, z_i = k), by SciPy's density."""
    return np.stack(
        [stats.multivariate_normal.logpdf(X, mean, np.eye(X.shape[1])).reshape(len(X)) for mean in means],
        axis=1,
    ) - np.log(len(means))


def problem(seed, n, d, K, scale=2.0):
    rng = np.random.default_rng(seed)
    return scale * rng.normal(size=(n, d)), scale * rng.normal(size=(K, d))


cases = {
    "seed": st.integers(0, 1000),
    "n": st.integers(1, 30),
    "d": st.integers(1, 9),
    "K": st.integers(1, 5),
}


@settings(max_examples=50, deadline=None)
@given(**cases, scale=st.sampled_from([1e-6, 2.0, 1e3]))
def test_steps_likelihood_and_bound(seed, n, d, K, scale):
    X, means = problem(seed, n, d, K, scale)
    joint = log_joint(X, means)
    R = em.e_step(X, means)
    np.testing.assert_allclose(R, special.softmax(joint, axis=1), atol=1e-9)
    likelihood = special.logsumexp(joint, axis=1).sum()
    assert em.log_likelihood(X, means) == pytest.approx(likelihood, rel=1e-10)
    assert em.objective(X, means, R) == pytest.approx(likelihood, rel=1e-9)
    q = np.random.default_rng(seed).dirichlet(np.ones(K), size=n)
    F = em.objective(X, means, q)
    assert pytest.approx(np.sum(special.entr(q)) + np.sum(q * joint), rel=1e-9, abs=1e-9) == F
    assert likelihood + 1e-9 * abs(likelihood) >= F
    weights = R.sum(axis=0)
    full = weights > 1e-200
    np.testing.assert_allclose(
        em.m_step(X, R, means)[full], (R.T @ X / np.where(full, weights, 1)[:, None])[full], rtol=1e-9
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [64, 65, 1024, 1025, 3000])
def test_points_in_many_blocks_and_chunks(dtype, n):
    X, means = problem(n, n, 5, 3, 1.0)
    X, means = X.astype(dtype), means.astype(dtype)
    joint = log_joint(X.astype(np.float64), means.astype(np.float64))
    tolerance = 1e-5 if dtype == np.float32 else 1e-11
    posterior = special.softmax(joint, axis=1)
    np.testing.assert_allclose(em.e_step(X, means), posterior, atol=tolerance)
    assert em.log_likelihood(X, means) == pytest.approx(special.logsumexp(joint, axis=1).sum(), rel=tolerance)
    step = em.fit(X, means, max_iter=1)
    expected = posterior.T @ X / posterior.sum(axis=0)[:, None]
    np.testing.assert_allclose(step.means, expected, rtol=tolerance, atol=tolerance)


@settings(max_examples=30, deadline=None)
@given(**cases)
def test_fit_is_monotone_and_ends_at_a_fixed_point(seed, n, d, K):
    X, means = problem(seed, n, d, K)
    result = em.fit(X, means, max_iter=20_000, tol=1e-13)
    trace = result.log_likelihood_trace
    assert np.diff(trace).min(initial=0) >= -1e-9 * max(1, abs(trace[-1]))
    assert len(trace) == result.num_iter + 1
    assert trace[0] == pytest.approx(em.log_likelihood(X, means), rel=1e-12)
    assert trace[-1] == pytest.approx(em.log_likelihood(X, result.means), rel=1e-12)
    np.testing.assert_allclose(result.responsibilities, em.e_step(X, result.means), atol=1e-12)


def test_the_gradient_vanishes_at_the_end():
    X, means = problem(0, 60, 2, 3)
    result = em.fit(X, means, max_iter=100_000, tol=1e-15)
    gradient = result.responsibilities.T @ X - result.responsibilities.sum(axis=0)[:, None] * result.means
    np.testing.assert_allclose(gradient, 0, atol=1e-3)


def test_one_component_is_the_mean():
    X, _ = problem(1, 40, 3, 1)
    result = em.fit(X, X[:1])
    np.testing.assert_allclose(result.means[0], X.mean(axis=0))
    assert result.converged


def test_order_of_components_and_points_does_not_matter():
    X, means = problem(2, 50, 2, 3)
    result, other = em.fit(X, means), em.fit(X[::-1], means[[2, 0, 1]])
    np.testing.assert_allclose(other.means, result.means[[2, 0, 1]], atol=1e-6)


def test_identical_means_stay_together():
    X, _ = problem(3, 30, 2, 2)
    result = em.fit(X, np.zeros((2, 2)))
    np.testing.assert_array_equal(result.means[0], result.means[1])
    assert (
        result.log_likelihood_trace[-1]
        < em.fit_restarts(X, 2, np.random.default_rng(0)).log_likelihood_trace[-1]
    )


def test_a_literal_exponent_without_one_half_lowers_the_likelihood():
    """Erratum 15: EM for covariance I/2, from the optimum."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(200, 1)), 2 + rng.normal(size=(200, 1))])
    best = em.fit(X, np.array([[0.0], [2.0]]), max_iter=10_000, tol=1e-14)
    squares = (X - best.means.T) ** 2
    literal = special.softmax(-squares, axis=1)
    after = em.m_step(X, literal)
    assert em.log_likelihood(X, after) < best.log_likelihood_trace[-1] - 1


@pytest.mark.parametrize("seed", range(4))
def test_hard_em_is_k_means(seed):
    X, means = problem(seed, 80, 2 + 2 * seed, 4)
    result = em.hard_em(X, means)
    peer = KMeans(4, init=means, n_init=1, algorithm="lloyd", tol=0.0, max_iter=1000).fit(X)
    np.testing.assert_allclose(result.means, peer.cluster_centers_, atol=1e-9)
    np.testing.assert_array_equal(result.labels, peer.labels_)
    assert np.diff(result.objective_trace).min() >= -1e-9
    q = np.eye(4)[result.labels]
    assert result.objective_trace[-1] == pytest.approx(em.objective(X, result.means, q), rel=1e-10)
    assert result.objective_trace[-1] <= em.log_likelihood(X, result.means)
    assert result.converged


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 12),
    d=st.integers(1, 2),
    K=st.integers(1, 5),
    width=st.integers(0, 3),
)
def test_hard_em_is_a_plain_loop_over_points_of_a_grid_where_many_distances_are_equal(seed, n, d, K, width):
    rng = np.random.default_rng(seed)
    X, means = (rng.integers(-width, width + 1, size=(m, d)).astype(float) for m in (n, K))
    result = em.hard_em(X, means)
    labels = None
    for _ in range(result.num_iter + 1):
        squares = ((X[:, None] - means) ** 2).sum(axis=2)
        before, labels = labels, squares.argmin(axis=1)  # the first of equals
        last = means
        means = np.array([X[labels == k].mean(axis=0) if (labels == k).any() else means[k] for k in range(K)])
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_allclose(result.means, last, atol=1e-12)
    assert result.converged
    assert result.num_iter == 0 or (before == labels).all()


def test_hard_em_stops_where_it_is_told():
    X, means = problem(0, 80, 2, 4)
    result = em.hard_em(X, means, max_iter=2)
    assert (result.num_iter, len(result.objective_trace), result.converged) == (2, 3, False)
    assert em.hard_em(X, means).num_iter > 2


def test_hard_em_with_ties_and_empty_components():
    result = em.hard_em([[0.0], [1.0]], [[0.5], [0.5], [99.0]])
    np.testing.assert_array_equal(result.labels, [0, 0])
    np.testing.assert_array_equal(result.means, [[0.5], [0.5], [99.0]])


def test_soft_em_leaves_a_far_component_where_it_is():
    result = em.fit([[0.0], [1.0]], [[0.5], [1e6]], max_iter=5)
    assert np.isfinite(result.means).all()
    assert result.means[1, 0] == 1e6


def test_a_component_without_weight_needs_a_previous_mean():
    R = np.array([[1.0, 0.0], [1.0, 0.0]])
    np.testing.assert_array_equal(em.m_step([[1.0], [3.0]], R, [[0.0], [7.0]]), [[2.0], [7.0]])
    with pytest.raises(ValueError, match=r"expected weight on every component, got none on \[1\]"):
        em.m_step([[1.0], [3.0]], R)


@pytest.mark.parametrize("method", ["k-means++", "data points"])
def test_initial_means_are_points(method):
    X, _ = problem(5, 30, 2, 1)
    means = em.initial_means(X, 30, np.random.default_rng(0), method=method)
    if method == "data points":
        assert len({tuple(m) for m in means}) == 30
    assert {tuple(m) for m in means} <= {tuple(x) for x in X}
    assert len(em.initial_means(np.zeros((5, 2)), 3, np.random.default_rng(0), method=method)) == 3


def test_careful_seeding_finds_far_clusters():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(500, 2)), 100 + rng.normal(size=(3, 2))])
    assert all(em.initial_means(X, 2, np.random.default_rng(k)).max() > 50 for k in range(20))


def test_careful_seeding_draws_by_the_squared_distance_from_the_nearest_choice():
    X = np.array([0.0, 1.0, 3.0, 7.0])
    expected = dict.fromkeys(itertools.permutations(range(4), 3), 1 / 4)
    for chosen in expected:
        for k in (1, 2):
            squares = np.min([(X - X[j]) ** 2 for j in chosen[:k]], axis=0)
            expected[chosen] *= squares[chosen[k]] / squares.sum()
    assert sum(expected.values()) == pytest.approx(1)
    rng, n = np.random.default_rng(0), 5000
    seen = Counter(tuple(em.initial_means(X[:, None], 3, rng).ravel()) for _ in range(n))
    for chosen, p in expected.items():
        assert seen[tuple(X[list(chosen)])] / n == pytest.approx(p, abs=4 * np.sqrt(p * (1 - p) / n))


def test_of_several_restarts_the_best_is_kept():
    X, _ = problem(8, 60, 2, 1)
    rng = np.random.default_rng(0)
    ends = [em.fit(X, em.initial_means(X, 4, rng)).log_likelihood_trace[-1] for _ in range(5)]
    best = em.fit_restarts(X, 4, np.random.default_rng(0), num_restarts=5)
    assert best.log_likelihood_trace[-1] == max(ends) > min(ends) + 0.1


def test_single_precision():
    X, means = problem(6, 200, 3, 4)
    single = em.fit(X.astype(np.float32), means, max_iter=10, tol=0)
    double = em.fit(X, means, max_iter=10, tol=0)
    assert single.means.dtype == single.responsibilities.dtype == np.float32
    np.testing.assert_allclose(single.means, double.means, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(single.log_likelihood_trace, double.log_likelihood_trace, rtol=1e-5)


def test_interpreted_kernels_give_the_same():
    X, means = problem(7, 10, 2, 3)
    sums, weights, logs = np.zeros((2, 3, 2)), np.zeros((2, 3)), np.zeros(2)
    em._pass_kernel.py_func(X, means, sums, weights, logs)
    np.testing.assert_allclose(sums.sum(axis=0), em._pass(X, means)[0], rtol=1e-12)
    R = np.empty((10, 3))
    em._responsibilities_kernel.py_func(X, means, R)
    np.testing.assert_allclose(R, em.e_step(X, means), atol=1e-14)
    labels, squares = np.empty(10, dtype=np.int64), np.empty(10)
    em._nearest_kernel.py_func(X, means, labels, squares)
    np.testing.assert_array_equal(labels, em._nearest(X, means)[0])


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: em.fit(np.zeros(3), np.zeros((1, 1))), r"X: expected 2 dimension"),
        (lambda: em.fit(np.zeros((0, 2)), np.zeros((1, 2))), "at least one point"),
        (
            lambda: em.fit(np.zeros((3, 2)), np.zeros((1, 3))),
            r"means: expected shape \(K, 2\) to match X, got \(1, 3\)",
        ),
        (lambda: em.fit(np.zeros((3, 2)), np.zeros((0, 2))), "means: expected shape"),
        (lambda: em.fit([[np.nan]], [[0.0]]), "X: expected finite numbers"),
        (lambda: em.fit(np.ones((1, 1), np.float32), [[1e300]]), "means: expected finite numbers, got inf"),
        (lambda: em.fit([[0.0]], [[0.0]], max_iter=0), "max_iter: expected at least 1"),
        (lambda: em.objective([[0.0]], [[0.0]], [[0.5]]), "rows that are distributions"),
        (lambda: em.objective([[0.0]], [[0.0]], [[0.5, 0.5]]), r"responsibilities: expected shape \(1, 1\)"),
        (lambda: em.m_step([[0.0]], [[-1.0]]), "expected at least 0, got -1.0"),
        (lambda: em.initial_means([[0.0]], 2, RNG), "num_components: expected 1 to 1"),
        (lambda: em.initial_means([[0.0]], 1, RNG, method="guess"), "method: expected 'k-means"),
        (lambda: em.fit_restarts([[0.0]], 1, RNG, num_restarts=0), "num_restarts: expected at least 1"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_float32_points_are_summed_in_double_precision():
    X, R = np.array([[3e38], [3e38]], np.float32), np.ones((2, 1), np.float32)
    assert em.m_step(X, R)[0, 0] == X[0, 0]
    tiny = np.full((2, 1), 1e-30, np.float32)
    assert em.m_step(tiny, tiny)[0, 0] == tiny[0, 0]


def test_hard_em_adds_up_float32_in_double_precision():
    """2^24 is where float32 no longer counts by ones: of means over points, and of squares over dimensions."""
    points = np.array([[2.0**24], *[[1.0]] * 1000], np.float32)
    assert em.hard_em(points, points[:1]).means[0, 0] == pytest.approx((2.0**24 + 1000) / 1001, rel=1e-7)
    X, means = np.array([[2.0**12, *[1.0] * 99]], np.float32), np.zeros((1, 100), np.float32)
    expected = -(2.0**24 + 99) / 2 - 50 * np.log(2 * np.pi)
    assert em.hard_em(X, means).objective_trace[0] == pytest.approx(expected, rel=1e-9)


def test_a_sum_of_logarithms_of_numbers_whose_product_overflows():
    for size in (1, 2, 3, 64):
        assert em._sum_of_logs(np.full(size, 1e100), 1e100) == pytest.approx(100 * size * np.log(10))


def test_points_are_dealt_out_in_a_bounded_number_of_chunks():
    sizes = 1, 16 * em.BLOCK, 16 * em.BLOCK + 1, 10**9
    assert [em._num_chunks(n) for n in sizes] == [1, 1, 2, em.CHUNKS]


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e18), (np.float64, 1e153)])
def test_huge_coordinates(dtype, huge):
    X, means = np.array([[huge], [0.0], [-huge]], dtype), np.array([[0.0], [huge / 2]], dtype)
    np.testing.assert_array_equal(em.e_step(X, means), [[0, 1], [1, 0], [1, 0]])
    assert em.log_likelihood(X, means) == pytest.approx(-0.625 * huge**2)
    assert em.objective(X, means, em.e_step(X, means)) == pytest.approx(-0.625 * huge**2)
    np.testing.assert_array_equal(em.hard_em(X, means, max_iter=1).labels, [1, 0, 0])
    assert np.isfinite(em.fit_restarts(X, 2, np.random.default_rng(0)).log_likelihood_trace).all()


@pytest.mark.parametrize(("dtype", "huge"), [(np.float32, 1e30), (np.float64, 1e300)])
@pytest.mark.parametrize(
    "call",
    [
        em.e_step,
        em.log_likelihood,
        em.fit,
        em.hard_em,
        lambda X, means: em.objective(X, means, np.ones((3, 1))),
        lambda X, means: em.initial_means(X, 2, RNG),
        lambda X, means: em.fit_restarts(X, 2, RNG),
    ],
)
def test_coordinates_whose_squares_overflow_are_refused(call, dtype, huge):
    X, zero = np.array([[huge], [0.0], [-huge]], dtype), np.zeros((1, 1), dtype)
    # Squares that overflow, alone or in their sum.
    for points in (X, X / huge * np.sqrt(np.finfo(dtype).max) * dtype(0.3)):
        with pytest.raises(ValueError, match=r"^X: expected points whose squared distances .* finite"):
            call(points, zero)


def test_sums_that_overflow_are_refused():
    with pytest.raises(ValueError, match=r"^X: expected points whose squared distances .* finite"):
        em.e_step([[0.0], [1.0]], [[1e200]])
    with pytest.raises(ValueError, match=r"^responsibilities: expected ones whose sums stay finite"):
        em.m_step([[1.0], [2.0]], [[1e308], [1e308]])
