"""The Gibbs variational principle on a finite set of states.

For a joint log p(z, x) at a fixed observation x, given as a table `log_joint` over the latent states z,

    log p(x) = ELBO(q) + KL(q || p(z|x)),    ELBO(q) = H(q) + E_q log p(z, x)

for every distribution q, so the posterior is the unique maximiser of the ELBO. Logarithms are natural and
0 log 0 = 0. Tables may have any number of dimensions; a state of probability zero has `log_joint` = -inf.

    >>> import numpy as np
    >>> log_joint = np.log([0.1, 0.3])
    >>> q = posterior(log_joint)
    >>> bool(np.isclose(elbo(q, log_joint), np.log(0.4)))
    True
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lectures_lib._validation import reals

__all__ = [
    "MAX_CANCELLATION",
    "MAX_POSITIVE_FINDINGS",
    "SUM_TOLERANCE",
    "QuickscoreResult",
    "elbo",
    "entropy",
    "free_energy",
    "kl",
    "log_evidence",
    "posterior",
    "quickscore",
]

SUM_TOLERANCE = 1e-6
"""A distribution may miss a sum of 1 by this much: room for float32 tables, and far below any real mistake."""

MAX_POSITIVE_FINDINGS = 25
"""Quickscore sums over the 2^k subsets of the k positive findings; 2^25 takes about a second a disease hundred."""

MAX_CANCELLATION = 1e-6
"""Relative error that Quickscore's alternating sum may have lost before its result is refused."""


class QuickscoreResult(NamedTuple):
    """Exact posterior of a noisy-OR network.

    Attributes
    ----------
    log_evidence : float
        log p(findings).
    posterior : ndarray, shape (D,), float64
        p(disease d present | findings).
    """

    log_evidence: float
    posterior: np.ndarray


def entropy(q) -> float:
    """Entropy H(q) = -Σ q log q in nats.

    Parameters
    ----------
    q : array_like, any shape, float
        A probability table.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    ValueError
        If q is empty, has NaN or negative entries, or doesn't sum to 1.

    References
    ----------
    Shannon (1948), A mathematical theory of communication, §6.
    """
    q = _distribution("q", q)
    return max(0.0, -_sum_x_log_y(q, q))


def kl(q, p) -> float:
    """Kullback-Leibler divergence KL(q || p) = Σ q log(q/p) in nats; inf where q > 0 = p.

    Parameters
    ----------
    q, p : array_like, the same shape, float
        Probability tables.

    Returns
    -------
    float
        At least 0, inf included.

    Raises
    ------
    ValueError
        If the shapes differ, or one of the two is no distribution.

    References
    ----------
    Kullback & Leibler (1951), On information and sufficiency.
    """
    q = _distribution("q", q)
    p = _distribution("p", p)
    if q.shape != p.shape:
        raise ValueError(f"p: expected shape {q.shape} to match q, got {p.shape}")
    return max(0.0, _sum_x_log_y(q, q) - _sum_x_log_y(q, p))


def elbo(q, log_joint) -> float:
    """Evidence lower bound H(q) + E_q log p(z, x) in nats; -inf where q > 0 = p.

    Parameters
    ----------
    q : array_like, any shape, float
        A probability table over the latent states.
    log_joint : array_like, the same shape, float
        log p(z, x) of each state; -inf is allowed.

    Returns
    -------
    float
        At most `log_evidence` of the same table.

    Raises
    ------
    ValueError
        If the shapes differ, q is no distribution, or log_joint has NaN or +inf.

    References
    ----------
    Jordan et al. (1999), An introduction to variational methods for graphical models.
    """
    q = _distribution("q", q)
    log_joint = _log_table("log_joint", log_joint)
    if q.shape != log_joint.shape:
        raise ValueError(f"log_joint: expected shape {q.shape} to match q, got {log_joint.shape}")
    support = q > 0
    return float(np.sum(q[support] * log_joint[support])) - _sum_x_log_y(q, q)


def free_energy(q, log_joint) -> float:
    """Variational free energy, the negative of `elbo`.

    Parameters
    ----------
    q : array_like, any shape, float
        A probability table over the latent states.
    log_joint : array_like, the same shape, float
        log p(z, x) of each state; -inf is allowed.

    Returns
    -------
    float
        At least -log p(x).

    Raises
    ------
    ValueError
        If the shapes differ, q is no distribution, or log_joint has NaN or +inf.
    """
    return -elbo(q, log_joint)


def log_evidence(log_joint) -> float:
    """log p(x) = log Σ_z p(z, x), computed without overflow.

    Parameters
    ----------
    log_joint : array_like, any shape, float
        log p(z, x) of each state; -inf is allowed, but not everywhere.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the table is empty, has NaN or +inf, or every state is impossible.
    """
    log_joint = _log_table("log_joint", log_joint)
    top = log_joint.max()
    with np.errstate(over="ignore"):  # a difference of -inf is the right limit
        return float(top + np.log(np.sum(np.exp(log_joint - top))))


def posterior(log_joint) -> np.ndarray:
    """p(z | x) of each state, in the shape of the table.

    Parameters
    ----------
    log_joint : array_like, any shape, float
        log p(z, x) of each state; -inf is allowed, but not everywhere.

    Returns
    -------
    ndarray, float64
        Sums to 1.

    Raises
    ------
    ValueError
        If the table is empty, has NaN or +inf, or every state is impossible.
    """
    log_joint = _log_table("log_joint", log_joint)
    with np.errstate(over="ignore"):  # a difference of -inf is the right limit
        weights = np.exp(log_joint - log_joint.max())
    return weights / weights.sum()


def quickscore(prior, Q, leak, s) -> QuickscoreResult:
    """Exact posterior of independent diseases in a noisy-OR network, in time exponential in the positive findings alone.

    Symptom j is absent with probability (1 - leak_j) Π_d (1 - Q_jd)^{z_d}.

    Parameters
    ----------
    prior : array_like, shape (D,), float
        p(z_d = 1).
    Q : array_like, shape (S, D), float
        Probability that disease d alone turns symptom j on.
    leak : array_like, shape (S,), float
        Probability that symptom j is on with no disease present.
    s : array_like, shape (S,), int
        1 for a positive finding, 0 for a negative one, -1 for a symptom that wasn't observed.

    Returns
    -------
    QuickscoreResult

    Raises
    ------
    ValueError
        If shapes don't match, a probability lies outside [0, 1], a finding is none of 1, 0, -1, there are more than
        MAX_POSITIVE_FINDINGS positive ones, the findings are impossible, or cancellation in the alternating sum would
        spoil the result.

    References
    ----------
    Heckerman (1989), A tractable inference algorithm for diagnosing multiple diseases.
    """
    prior = _probabilities("prior", prior, 1)
    leak = _probabilities("leak", leak, 1)
    Q = _probabilities("Q", Q, 2)
    s = reals("s", s)
    if Q.shape != (leak.size, prior.size):
        raise ValueError(
            f"Q: expected shape ({leak.size}, {prior.size}) to match leak and prior, got {Q.shape}"
        )
    if s.shape != leak.shape:
        raise ValueError(f"s: expected shape {leak.shape} to match leak, got {s.shape}")
    if not np.isin(s, (-1, 0, 1)).all():
        raise ValueError("s: expected findings of 1 (positive), 0 (negative) or -1 (not observed)")
    positive = np.flatnonzero(s == 1)
    if positive.size > MAX_POSITIVE_FINDINGS:
        raise ValueError(
            f"s: expected at most {MAX_POSITIVE_FINDINGS} positive findings, got {positive.size}: the sum would have "
            f"2^{positive.size} terms; use mean_field.fit_factor_graph instead"
        )
    absent = s == 0
    # What the negative findings say factorises over the diseases.
    base_leak = float(np.prod(1 - leak[absent]))
    base = np.prod(1 - Q[absent], axis=0)
    evidence, magnitude, joint = _quickscore_kernel(
        prior, 1 - Q[positive], 1 - leak[positive], base_leak, base
    )
    if not evidence > 0 or np.finfo(np.float64).eps * magnitude > MAX_CANCELLATION * evidence:
        raise ValueError(
            f"s: expected findings whose probability an alternating sum can resolve, got about {max(evidence, 0.0):.1e} from "
            f"terms that add up to {magnitude:.1e}: it is zero, or lost to cancellation; use graphical_models.log_partition"
        )
    return QuickscoreResult(float(np.log(evidence)), np.clip(joint / evidence, 0.0, 1.0))


@njit(cache=True)
def _quickscore_kernel(prior, off, leak_off, base_leak, base):
    """Sum over subsets A of the positive findings: (-1)^|A| Π_A leak_off Π_d (prior_d base_d Π_A off_d + 1 - prior_d)."""
    num_positive, num_diseases = off.shape
    present = np.empty((num_positive + 1, num_diseases))
    evidence = 0.0
    magnitude = 0.0
    joint = np.zeros(num_diseases)
    terms = np.empty(num_diseases)
    for subset in range(1 << num_positive):
        sign = 1.0
        leak_term = base_leak
        for d in range(num_diseases):
            present[0, d] = prior[d] * base[d]
        for j in range(num_positive):
            if subset >> j & 1:
                sign = -sign
                leak_term *= leak_off[j]
                for d in range(num_diseases):
                    present[0, d] *= off[j, d]
        product = leak_term
        zeros = 0
        for d in range(num_diseases):
            terms[d] = present[0, d] + (1.0 - prior[d])
            if terms[d] == 0.0:
                zeros += 1
            else:
                product *= terms[d]
        if zeros == 0:
            evidence += sign * product
            magnitude += product
            for d in range(num_diseases):
                joint[d] += sign * product / terms[d] * present[0, d]
    return evidence, magnitude, joint


def _sum_x_log_y(x: np.ndarray, y: np.ndarray) -> float:
    """Σ x log y with 0 log 0 = 0."""
    support = x > 0
    with np.errstate(divide="ignore"):
        return float(np.sum(x[support] * np.log(y[support])))


def _distribution(name: str, value) -> np.ndarray:
    array = reals(name, value, np.float64)
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one state, got none")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite probabilities, got NaN or inf")
    if array.min() < 0:
        raise ValueError(f"{name}: expected probabilities of at least 0, got {array.min()}")
    if abs(array.sum() - 1) > SUM_TOLERANCE:
        raise ValueError(f"{name}: expected probabilities that sum to 1, got a sum of {array.sum()}")
    return array


def _log_table(name: str, value) -> np.ndarray:
    array = reals(name, value, np.float64)
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one state, got none")
    if np.isnan(array).any() or np.isposinf(array).any():
        raise ValueError(f"{name}: expected log probabilities below +inf, got NaN or +inf")
    if np.isneginf(array).all():
        raise ValueError(f"{name}: expected a possible state, got -inf everywhere")
    return array


def _probabilities(name: str, value, ndim: int) -> np.ndarray:
    array = reals(name, value, np.float64)
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimension(s), got shape {array.shape}")
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name}: expected probabilities in [0, 1], got others")
    return np.ascontiguousarray(array)
