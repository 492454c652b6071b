"""Entropy, divergence, bound and posterior against SciPy and the identity; Quickscore against the sum over all diseases."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from lectures_lib import gibbs_principle as gibbs

seeds = st.integers(0, 10_000)
sizes = st.integers(1, 30)


def distribution(rng, size, zeros=False):
    q = rng.dirichlet(np.full(size, 0.7))
    if zeros and size > 1:
        q[rng.permutation(size)[: size // 2]] = 0
    return q / q.sum()


@settings(max_examples=60, deadline=None)
@given(seed=seeds, size=sizes, zeros=st.booleans())
def test_entropy_and_kl_agree_with_scipy(seed, size, zeros):
    rng = np.random.default_rng(seed)
    q, p = distribution(rng, size, zeros), distribution(rng, size)
    assert gibbs.entropy(q) == pytest.approx(stats.entropy(q), rel=1e-10, abs=1e-12)
    assert gibbs.kl(q, p) == pytest.approx(special.rel_entr(q, p).sum(), rel=1e-9, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, size=sizes, shift=st.sampled_from([-5000.0, 0.0, 700.0]), zeros=st.booleans())
def test_log_evidence_is_bound_plus_divergence(seed, size, shift, zeros):
    rng = np.random.default_rng(seed)
    log_joint = shift + 3 * rng.normal(size=size)
    q = distribution(rng, size, zeros)
    posterior = gibbs.posterior(log_joint)
    evidence = gibbs.log_evidence(log_joint)
    assert evidence == pytest.approx(special.logsumexp(log_joint), rel=1e-12)
    assert gibbs.elbo(q, log_joint) + gibbs.kl(q, posterior) == pytest.approx(evidence, rel=1e-9, abs=1e-9)
    assert gibbs.elbo(q, log_joint) <= evidence + 1e-9 * max(1, abs(evidence))
    assert gibbs.elbo(posterior, log_joint) == pytest.approx(evidence, rel=1e-10, abs=1e-10)
    assert gibbs.free_energy(q, log_joint) == -gibbs.elbo(q, log_joint)


def test_tables_of_any_shape():
    rng = np.random.default_rng(0)
    log_joint = rng.normal(size=(2, 3, 4))
    q = distribution(rng, 24).reshape(2, 3, 4)
    assert gibbs.elbo(q, log_joint) == pytest.approx(gibbs.elbo(q.ravel(), log_joint.ravel()))
    assert gibbs.posterior(log_joint).shape == (2, 3, 4)


def test_impossible_states():
    log_joint = np.array([0.0, -np.inf])
    assert gibbs.elbo([1.0, 0.0], log_joint) == 0.0
    assert gibbs.elbo([0.5, 0.5], log_joint) == -np.inf
    np.testing.assert_array_equal(gibbs.posterior(log_joint), [1.0, 0.0])
    assert gibbs.kl([0.5, 0.5], [1.0, 0.0]) == np.inf
    assert gibbs.entropy([1.0, 0.0]) == 0.0


def test_logarithms_as_far_apart_as_can_be():
    logs = np.array([-1.7e308, 1.7e308, 1.7e308])
    np.testing.assert_array_equal(gibbs.posterior(logs), [0, 0.5, 0.5])
    assert gibbs.log_evidence(logs) == 1.7e308


def test_kl_of_equal_distributions_is_not_negative():
    q = distribution(np.random.default_rng(1), 1000)
    assert 0 <= gibbs.kl(q, q) < 1e-12


def test_sums_that_miss_1_by_rounding_give_nothing_below_zero():
    assert gibbs.entropy([1 + 5e-7]) == 0
    assert gibbs.kl([1.0], [1 + 5e-7]) == 0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_both_precisions(dtype):
    q = distribution(np.random.default_rng(1), 50).astype(dtype)
    assert gibbs.entropy(q) == pytest.approx(stats.entropy(q.astype(float)), rel=1e-6)


def posterior_by_enumeration(prior, Q, leak, s):
    evidence, joint = 0.0, np.zeros(len(prior))
    for z in itertools.product([0, 1], repeat=len(prior)):
        z = np.array(z)
        off = (1 - leak) * np.prod((1 - Q) ** z, axis=1)
        p = np.prod(np.where(z == 1, prior, 1 - prior))
        p *= np.prod(np.where(s == 1, 1 - off, np.where(s == 0, off, 1.0)))
        evidence += p
        joint += p * z
    return np.log(evidence), joint / evidence


@settings(max_examples=50, deadline=None)
@given(seed=seeds, num_diseases=st.integers(1, 7), num_symptoms=st.integers(1, 7))
def test_quickscore_is_the_sum_over_all_diseases(seed, num_diseases, num_symptoms):
    rng = np.random.default_rng(seed)
    prior = rng.uniform(0.02, 0.6, num_diseases)
    Q = rng.uniform(0, 0.95, (num_symptoms, num_diseases)) * (rng.random((num_symptoms, num_diseases)) < 0.7)
    leak, s = rng.uniform(0.02, 0.4, num_symptoms), rng.integers(-1, 2, num_symptoms)
    log_evidence, posterior = posterior_by_enumeration(prior, Q, leak, s)
    result = gibbs.quickscore(prior, Q, leak, s)
    assert result.log_evidence == pytest.approx(log_evidence, abs=1e-8)
    np.testing.assert_allclose(result.posterior, posterior, atol=1e-8)


def test_quickscore_with_certain_diseases_and_sure_symptoms():
    prior, Q, leak = (
        np.array([1.0, 0.0, 0.3]),
        np.array([[1.0, 0.5, 0.2], [0.0, 0.5, 1.0]]),
        np.array([0.1, 0.2]),
    )
    s = np.array([1, 0])
    np.testing.assert_allclose(
        gibbs.quickscore(prior, Q, leak, s).posterior,
        posterior_by_enumeration(prior, Q, leak, s)[1],
        atol=1e-12,
    )


@settings(max_examples=100, deadline=None)
@given(
    prior=st.lists(st.sampled_from([0.0, 0.5, 0.9, 1.0]), min_size=1, max_size=3),
    symptoms=st.lists(
        st.tuples(
            st.lists(st.sampled_from([0.0, 0.5, 1.0]), min_size=3, max_size=3),
            st.sampled_from([0.0, 1e-4, 0.1, 1.0]),
            st.sampled_from([-1, 0, 1]),
        ),
        min_size=1,
        max_size=4,
    ),
)
def test_quickscore_of_certain_and_impossible_links_gives_probabilities_or_a_refusal(prior, symptoms):
    rows, leak, s = map(np.array, zip(*symptoms, strict=True))
    Q = rows[:, : len(prior)]
    with np.errstate(divide="ignore", invalid="ignore"):
        log_evidence, expected = posterior_by_enumeration(np.array(prior), Q, leak, s)
    if log_evidence == -np.inf:
        with pytest.raises(ValueError, match="it is zero"):
            gibbs.quickscore(prior, Q, leak, s)
        return
    result = gibbs.quickscore(prior, Q, leak, s)
    # Terms of the alternating sum are at most 1, so that an unlikely finding keeps fewer digits.
    tolerance = 1e-12 + 64 * np.finfo(float).eps / np.exp(log_evidence)
    assert result.log_evidence == pytest.approx(log_evidence, abs=tolerance)
    np.testing.assert_allclose(result.posterior, expected, atol=tolerance)
    assert ((result.posterior >= 0) & (result.posterior <= 1)).all()


def test_quickscore_with_no_finding_gives_the_prior():
    prior = np.array([0.1, 0.4])
    result = gibbs.quickscore(prior, np.full((3, 2), 0.5), np.full(3, 0.1), np.full(3, -1))
    assert result.log_evidence == pytest.approx(0.0, abs=1e-14)
    np.testing.assert_allclose(result.posterior, prior, rtol=1e-14)


def test_the_interpreted_kernel_gives_the_same():
    rng = np.random.default_rng(3)
    args = (rng.uniform(size=3), rng.uniform(size=(4, 3)), rng.uniform(size=4), 0.5, rng.uniform(size=3))
    ours, plain = gibbs._quickscore_kernel(*args), gibbs._quickscore_kernel.py_func(*args)
    for a, b in zip(ours, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("num_positive", range(5, 21))
def test_quickscore_refuses_what_cancellation_would_spoil(num_positive):
    """Their probability is about 1e-15 and less, of which terms near 1 leave no digit, whatever the sign of what is left."""
    with pytest.raises(ValueError, match="lost to cancellation"):
        gibbs.quickscore(
            [0.001],
            np.full((num_positive, 1), 0.01),
            np.full(num_positive, 0.001),
            np.ones(num_positive, int),
        )


ONE = (np.array([0.1]), np.array([[0.5]]), np.array([0.1]), np.array([1]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gibbs.entropy([]), "q: expected at least one state, got none"),
        (lambda: gibbs.entropy([0.5, np.nan]), "q: expected finite probabilities"),
        (lambda: gibbs.entropy([1.5, -0.5]), "q: expected probabilities of at least 0, got -0.5"),
        (lambda: gibbs.entropy([0.5, 0.4]), "q: expected probabilities that sum to 1, got a sum of 0.9"),
        (lambda: gibbs.kl([1.0], [0.5, 0.5]), r"p: expected shape \(1,\) to match q, got \(2,\)"),
        (lambda: gibbs.elbo([1.0], [np.inf]), r"log_joint: expected log probabilities below \+inf"),
        (lambda: gibbs.elbo([1.0], [0.0, 0.0]), "log_joint: expected shape"),
        (lambda: gibbs.posterior([-np.inf, -np.inf]), "expected a possible state"),
        (lambda: gibbs.quickscore(ONE[0], ONE[1].T.ravel(), *ONE[2:]), "Q: expected 2 dimension"),
        (lambda: gibbs.quickscore([0.1, 0.2], *ONE[1:]), r"Q: expected shape \(1, 2\)"),
        (lambda: gibbs.quickscore(*ONE[:3], [2]), "s: expected findings of 1"),
        (lambda: gibbs.quickscore(*ONE[:3], [1, 1]), r"s: expected shape \(1,\)"),
        (lambda: gibbs.quickscore([1.2], *ONE[1:]), r"prior: expected probabilities in \[0, 1\]"),
        (lambda: gibbs.quickscore([0.5], [[0.0]], [0.0], [1]), "it is zero"),
        (lambda: gibbs.quickscore([0.5], [[0.0]], [1.0], [0]), "it is zero"),
        (
            lambda: gibbs.quickscore([0.5], np.full((26, 1), 0.5), np.full(26, 0.5), np.ones(26)),
            "2\\^26 terms",
        ),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
