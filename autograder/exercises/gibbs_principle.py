"""Checks of the assignment on the Gibbs variational principle.

Every misconception is a function that stands by itself, so that the demonstration class can hand it in as it is.
"""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import gibbs_principle

RTOL, ATOL = 1e-6, 1e-8
TOLERANCE_REASON = "float64 sums of some thousand terms are good to 1e-12 in any order; 1e-6 admits float32 arithmetic on float32 input"


def _distribution(rng: np.random.Generator, size: int) -> np.ndarray:
    return rng.dirichlet(np.full(size, 1.5))


def _with_zeros(rng: np.random.Generator, size: int) -> np.ndarray:
    q = _distribution(rng, size)
    q[rng.choice(size, size // 2, replace=False)] = 0.0
    return q / q.sum()


RARE = np.array([0.6, 0.08993967, 0.3, 0.0095, 5e-4, 6e-5, 3.3e-7])
"""Small probabilities, of which none may be left out."""


# --- entropy -----------------------------------------------------------------------------------------------------------


def _entropy_sign(q):
    q = q[q > 0]
    return np.sum(q * np.log(q))


def _entropy_log2(q):
    q = q[q > 0]
    return -np.sum(q * np.log2(q))


def _entropy_nan_at_zero(q):
    return -np.sum(q * np.log(q))


def _entropy_mean(q):
    positive = q[q > 0]
    return -np.sum(positive * np.log(positive)) / len(q)


def _entropy_log2_nan_at_zero(q):
    return -np.sum(q * np.log2(q))


def _entropy_sign_nan_at_zero(q):
    return np.sum(q * np.log(q))


NAN_HINT = "The logarithm of 0 was multiplied by 0, which is NaN in floating point; in the limit p log p -> 0 it counts nothing."
LOG2_HINT = "The result is in bits. The course counts in nats: which logarithm does that ask for?"
SIGN_HINT = "The result is negative. A logarithm of a probability is never positive, and entropy measures surprise: how many signs?"

ENTROPY = Exercise(
    assignment="gibbs_principle",
    function="entropy",
    reference=gibbs_principle.entropy,
    visible=(
        Instance((np.array([0.5, 0.5]),)),
        Instance((np.array([0.25, 0.25, 0.25, 0.25]),)),
        Instance((np.array([0.1, 0.2, 0.7]),)),
        Instance((np.array([1.0, 0.0]),), "a state of probability zero"),
    ),
    properties=(
        Property(
            "ordinary", "distributions with all probabilities positive, small ones among them", 0.5,
            lambda rng: [Instance((_distribution(rng, k),)) for k in (2, 3, 7, 40)]
            + [Instance((rng.permutation(RARE),), "small probabilities")],
        ),
        Property(
            "zeros", "states of probability zero", 0.3,
            lambda rng: [Instance((_with_zeros(rng, k),), "with states of probability zero") for k in (3, 10)]
            + [Instance((np.eye(4)[1],), "all mass on one state")],
        ),
        Property(
            "edges", "one state alone, single precision, and the argument left as it was", 0.2,
            lambda rng: [
                Instance((np.array([1.0]),), "one state alone"),
                Instance((_distribution(rng, 6).astype(np.float32),), "in single precision"),
                Instance((_with_zeros(rng, 8),), "with states of probability zero"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the sign is forgotten", _entropy_sign, SIGN_HINT, "gibbs_principle.html#entropy"),
        Misconception("logarithm to base 2", _entropy_log2, LOG2_HINT, "gibbs_principle.html#entropy"),
        Misconception("0 log 0 is NaN", _entropy_nan_at_zero, NAN_HINT, "gibbs_principle.html#entropy"),
        Misconception(
            "mean instead of sum", _entropy_mean,
            "The result shrinks with the number of states. An expectation weighs each term by its probability already.",
            "gibbs_principle.html#entropy",
        ),
        Misconception(
            "logarithm to base 2, and 0 log 0 is NaN", _entropy_log2_nan_at_zero, f"{LOG2_HINT} {NAN_HINT}",
            "gibbs_principle.html#entropy",
        ),
        Misconception(
            "the sign is forgotten, and 0 log 0 is NaN", _entropy_sign_nan_at_zero, f"{SIGN_HINT} {NAN_HINT}",
            "gibbs_principle.html#entropy",
        ),
    ),
    section="gibbs_principle.html#entropy",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip


# --- kl ----------------------------------------------------------------------------------------------------------------


def _reference_kl(q, p):
    return gibbs_principle.kl(q, np.asarray(p, dtype=float) / np.sum(p, dtype=float))


def _kl_swapped(q, p):
    p = p / np.sum(p)
    if np.any((p > 0) & (q == 0)):
        return np.inf
    on = p > 0
    return np.sum(p[on] * np.log(p[on] / q[on]))


def _kl_absolute(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * np.abs(np.log(q[on] / p[on])))


def _kl_log_missing(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * q[on] / p[on])


def _kl_unnormalised(q, p):
    on = q > 0
    return np.sum(q[on] * np.log(q[on] / p[on]))


def _kl_nan_at_zero(q, p):
    p = p / np.sum(p)
    return np.sum(q * np.log(q / p))


def _kl_support_dropped(q, p):
    p = p / np.sum(p)
    on = (q > 0) & (p > 0)
    return np.sum(q[on] * np.log(q[on] / p[on]))


def _kl_log2(q, p):
    p = p / np.sum(p)
    on = q > 0
    return np.sum(q[on] * np.log2(q[on] / p[on]))


def _kl_ordinary(rng):
    p = _distribution(rng, RARE.size)
    barely = np.append(1e-12, rng.uniform(0.5, 1, 4))
    return [
        *(Instance((_distribution(rng, k), _distribution(rng, k))) for k in (2, 5, 30)),
        Instance((rng.permutation(RARE), 0.5 * p + 0.5 / p.size), "small probabilities"),
        Instance((_distribution(rng, 5), barely / barely.sum()), "a state that p hardly ever takes"),
    ]


def _kl_weights(rng):
    small = rng.uniform(0.5, 1, 5)
    return [
        *(
            Instance((_distribution(rng, k), rng.uniform(0.2, 5, k)), "p in weights that don't sum to 1")
            for k in (3, 9)
        ),
        Instance((_distribution(rng, 5), 0.2 * small / small.sum()), "p in weights that sum to less than 1"),
    ]


def _kl_zeros(rng, size):
    """A pair where q has zeros, and lies below p in one state at least: else the sign of the terms would not matter."""
    q, p = _with_zeros(rng, size), _distribution(rng, size)
    p[np.where(q > 0, q, 2).argmin()] += 1
    return q, p / p.sum()


def _kl_neither(rng):
    q, p = _kl_zeros(rng, 8)
    p[np.flatnonzero(q == 0)[0]] = 0.0
    return Instance((q, p / p.sum()), "a state that neither q nor p takes")


def _kl_outside(rng):
    q, p = _distribution(rng, 5), _distribution(rng, 5)
    p[2] = 0
    return [Instance((q, p), "q puts mass where p has none"), Instance((np.array([0.5, 0.5]), np.array([3.0, 0.0])),
            "q puts mass where p has none")]  # fmt: skip


KL = Exercise(
    assignment="gibbs_principle",
    function="kl",
    reference=_reference_kl,
    visible=(
        Instance((np.array([0.5, 0.5]), np.array([0.25, 0.75]))),
        Instance((np.array([0.25, 0.75]), np.array([2.0, 2.0])), "p in weights that don't sum to 1"),
        Instance((np.array([1.0, 0.0]), np.array([0.25, 0.75])), "a state that q never takes"),
        Instance((np.array([0.5, 0.5]), np.array([1.0, 0.0])), "q puts mass where p has none"),
    ),
    properties=(
        Property("ordinary", "two distributions, small probabilities among them", 0.4, _kl_ordinary),
        Property("weights", "p given by weights that don't sum to 1", 0.2, _kl_weights),
        Property("zeros", "states that q never takes", 0.15,
                 lambda rng: [*(Instance(_kl_zeros(rng, k), "a state that q never takes") for k in (4, 11)), _kl_neither(rng)]),
        Property("outside", "mass of q where p has none", 0.15, _kl_outside),
        Property(
            "edges", "one state alone, equal distributions, and the arguments left as they were", 0.1,
            lambda rng: [
                Instance((np.array([1.0]), np.array([4.0])), "one state alone"),
                Instance((q := _distribution(rng, 6), 2 * q), "equal distributions"),
                Instance(_kl_zeros(rng, 7), "a state that q never takes"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the arguments are swapped", _kl_swapped,
                      "The result is the other divergence. Under which of the two is the expectation taken?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("absolute value of each term", _kl_absolute,
                      "The result is too large. Terms of the sum may be negative; only their sum never is.",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("the logarithm is missing", _kl_log_missing,
                      "For equal distributions the result is 1. What should a divergence give there, and what turns a ratio into it?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("p is not normalised", _kl_unnormalised,
                      "The result changes when all weights of p are doubled, though the distribution stays the same.",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("0 log 0 is NaN", _kl_nan_at_zero, NAN_HINT, "gibbs_principle.html#kl-divergence"),
        Misconception("states that p never takes are left out", _kl_support_dropped,
                      "The result stays finite although q puts mass where p has none. How likely are such data under p?",
                      "gibbs_principle.html#kl-divergence"),
        Misconception("logarithm to base 2", _kl_log2, LOG2_HINT, "gibbs_principle.html#kl-divergence"),
    ),
    section="gibbs_principle.html#kl-divergence",
    rtol=RTOL, atol=1e-7, tolerance_reason=TOLERANCE_REASON + "; near 0 terms of order 1 cancel, hence the larger atol",
)  # fmt: skip


# --- elbo --------------------------------------------------------------------------------------------------------------


def _elbo_negated(q, log_joint):
    on = q > 0
    return np.sum(q[on] * np.log(q[on])) - np.sum(q[on] * log_joint[on])


def _elbo_log_missing(q, log_joint):
    on = q > 0
    return -np.sum(q[on] * np.log(q[on])) + np.sum(q[on] * np.exp(log_joint[on]))


def _elbo_no_entropy(q, log_joint):
    on = q > 0
    return np.sum(q[on] * log_joint[on])


def _elbo_minus_evidence(q, log_joint):
    on = q > 0
    top = np.max(log_joint)
    evidence = top + np.log(np.sum(np.exp(log_joint - top)))
    return np.sum(q[on] * (log_joint[on] - np.log(q[on]))) - evidence


def _elbo_entropy_sign(q, log_joint):
    on = q > 0
    return np.sum(q[on] * np.log(q[on])) + np.sum(q[on] * log_joint[on])


def _elbo_nan_at_zero(q, log_joint):
    return -np.sum(q * np.log(q)) + np.sum(q * log_joint)


def _log_joint(rng, size, scale=2.0, shift=-3.0):
    return shift + scale * rng.normal(size=size)


def _elbo_zeros(rng):
    instances = []
    for k in (4, 9):
        q, log_joint = _with_zeros(rng, k), _log_joint(rng, k)
        impossible = log_joint.copy()
        impossible[np.flatnonzero(q == 0)[0]] = -np.inf
        instances += [Instance((q, log_joint), "a state that q never takes"),
                      Instance((q, impossible), "an impossible state that q never takes")]  # fmt: skip
    return instances


ELBO = Exercise(
    assignment="gibbs_principle",
    function="elbo",
    reference=gibbs_principle.elbo,
    visible=(
        Instance((np.array([0.5, 0.5]), np.log([0.1, 0.3]))),
        Instance((np.array([0.25, 0.75]), np.log([0.1, 0.3])), "q is the posterior"),
        Instance((np.array([1.0, 0.0]), np.array([np.log(0.2), -np.inf])), "an impossible state that q never takes"),
        Instance((np.array([0.5, 0.5]), np.array([-1000.0, -1001.0])), "tiny joint probabilities"),
    ),
    properties=(
        Property("ordinary", "ordinary tables, small probabilities of q among them", 0.4,
                 lambda rng: [*(Instance((_distribution(rng, k), _log_joint(rng, k))) for k in (2, 6, 50)),
                              Instance((rng.permutation(RARE), _log_joint(rng, RARE.size)), "small probabilities of q")]),
        Property("small", "joint probabilities far below what a float can hold", 0.2,
                 lambda rng: [Instance((_distribution(rng, k), _log_joint(rng, k, 30, -2000)), "tiny joint probabilities")
                              for k in (3, 8)]
                 + [Instance((_distribution(rng, 4), _log_joint(rng, 4, 30, -3e5)), "tiny joint probabilities")]),
        Property("zeros", "states that q never takes, impossible ones among them", 0.25, _elbo_zeros),
        Property(
            "edges", "one state alone, and the arguments left as they were", 0.15,
            lambda rng: [
                Instance((np.array([1.0]), np.array([-3.5])), "one state alone"),
                Instance((_with_zeros(rng, 6), _log_joint(rng, 6)), "a state that q never takes"),
            ],
            unmodified=True,
        ),
    ),
    misconceptions=(
        Misconception("the negative of the bound", _elbo_negated,
                      "The result is positive where a log probability must lie above it. Is this the quantity to raise, or to lower?",
                      "gibbs_principle.html#elbo"),
        Misconception("the joint's logarithm is missing", _elbo_log_missing,
                      "The expectation was taken of the joint probability itself, so the result exceeds log p(x).",
                      "gibbs_principle.html#elbo"),
        Misconception("the entropy is left out", _elbo_no_entropy,
                      "At the posterior the result lies below log p(x), though the bound should touch it there. What is missing?",
                      "gibbs_principle.html#elbo"),
        Misconception("log p(x) is subtracted", _elbo_minus_evidence,
                      "The result is never above 0 and is 0 at the posterior: which of the identity's terms behaves so?",
                      "gibbs_principle.html#elbo"),
        Misconception("the entropy has the wrong sign", _elbo_entropy_sign,
                      "The more q spreads, the lower the result. Does the bound reward a spread-out q or punish it?",
                      "gibbs_principle.html#elbo"),
        Misconception("0 log 0 is NaN", _elbo_nan_at_zero, NAN_HINT, "gibbs_principle.html#elbo"),
    ),
    section="gibbs_principle.html#elbo",
    rtol=RTOL, atol=ATOL, tolerance_reason=TOLERANCE_REASON,
)  # fmt: skip


# --- posterior ---------------------------------------------------------------------------------------------------------


def _reference_posterior(log_joint):
    log_joint = np.asarray(log_joint, dtype=float)
    return np.stack([gibbs_principle.posterior(column) for column in log_joint.T], axis=1)


def _posterior_no_shift(log_joint):
    joint = np.exp(log_joint)
    return joint / joint.sum(axis=0)


def _posterior_logs_normalised(log_joint):
    return log_joint / log_joint.sum(axis=0)


def _posterior_sign(log_joint):
    top = log_joint.max(axis=0)
    log_z = top + np.log(np.exp(log_joint - top).sum(axis=0))
    return np.exp(log_joint + log_z)


def _posterior_prior_only(log_joint):
    weights = np.exp(log_joint - log_joint.max()).sum(axis=1)
    prior = weights / weights.sum()
    return np.tile(prior[:, None], (1, log_joint.shape[1]))


def _posterior_wrong_axis(log_joint):
    weights = np.exp(log_joint - log_joint.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _posterior_joint_normalised(log_joint):
    weights = np.exp(log_joint - log_joint.max())
    return weights / weights.sum()


def _posterior_shared_shift(log_joint):
    weights = np.exp(log_joint - log_joint.max())
    return weights / weights.sum(axis=0)


def _posterior_logarithms(log_joint):
    top = log_joint.max(axis=0)
    return log_joint - top - np.log(np.exp(log_joint - top).sum(axis=0))


def _posterior_extreme(rng):
    wide = np.array(list(itertools.permutations([-2000.0, 0.0, 900.0]))).T
    return [
        Instance((_log_joint(rng, (3, 4), 2, -2000),), "tiny joint probabilities"),
        Instance((_log_joint(rng, (5, 2), 2, 900),), "unnormalised joint with huge weights"),
        Instance(
            (_log_joint(rng, (4, 3)) + np.array([-1500.0, 0.0, 600.0]),),
            "observations of very different probability",
        ),
        Instance((wide + _log_joint(rng, wide.shape, 2, 0),), "states of very different probability"),
    ]


def _posterior_edges(rng):
    impossible = _log_joint(rng, (4, 3))
    impossible[1, 0] = impossible[3, 2] = -np.inf
    return [
        Instance((impossible,), "impossible states"),
        Instance((np.array([[-2.0, 5.0, 0.0]]),), "one latent state alone"),
        Instance((_log_joint(rng, (6, 1)),), "one observation alone"),
        Instance((_log_joint(rng, (3, 5)).astype(np.float32),), "in single precision"),
    ]


POSTERIOR = Exercise(
    assignment="gibbs_principle",
    function="posterior",
    reference=_reference_posterior,
    visible=(
        Instance((np.log([[0.1, 0.2], [0.3, 0.4]]),)),
        Instance((np.log([[0.3], [0.1], [0.4]]),), "one observation alone"),
        Instance((np.array([[-1000.0, 0.0, 1.0], [-1000.0 + np.log(3.0), 0.0, 1.0]]),), "tiny joint probabilities"),
        Instance((np.array([[900.0, 901.0], [900.0, 901.0]]),), "unnormalised joint with huge weights"),
    ),
    properties=(
        Property("ordinary", "ordinary tables", 0.4,
                 lambda rng: [Instance((_log_joint(rng, shape),)) for shape in ((2, 3), (5, 4), (7, 2), (4, 4))]),
        Property("extreme", "log probabilities that overflow or underflow", 0.35, _posterior_extreme),
        Property("edges", "impossible states, single rows and columns, and the argument left as it was", 0.25,
                 _posterior_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("exponentials that overflow or underflow", _posterior_no_shift,
                      "An entry is NaN where all log probabilities of a column are far from 0: exp gives 0 or infinity there. A "
                      "constant may be added to a column of logarithms without changing the posterior.",
                      "gibbs_principle.html#posterior"),
        Misconception("logarithms are normalised", _posterior_logs_normalised,
                      "The logarithms were divided by their sum, which reverses the order: the least probable state came out on top.",
                      "gibbs_principle.html#posterior"),
        Misconception("log p(x) has the wrong sign", _posterior_sign,
                      "The columns don't sum to 1: the normaliser was multiplied where Bayes' rule divides.",
                      "gibbs_principle.html#posterior"),
        Misconception("the prior instead of the posterior", _posterior_prior_only,
                      "All columns are the same: the result ignores which x was observed.",
                      "gibbs_principle.html#posterior"),
        Misconception("normalised over the observations", _posterior_wrong_axis,
                      "The rows sum to 1. Over which variable must a posterior sum to 1, and along which axis does that variable run?",
                      "gibbs_principle.html#posterior"),
        Misconception("the joint is normalised as a whole", _posterior_joint_normalised,
                      "The whole table sums to 1: that is the joint distribution, not one distribution for each observation.",
                      "gibbs_principle.html#posterior"),
        Misconception("one shift for all observations", _posterior_shared_shift,
                      "An entry is NaN where one observation is far less probable than another: a shift that suits one column "
                      "underflows in the other.",
                      "gibbs_principle.html#posterior"),
        Misconception("logarithms of the posterior", _posterior_logarithms,
                      "No entry is positive, and the exponentials of each column sum to 1: these are the logarithms of probabilities.",
                      "gibbs_principle.html#posterior"),
    ),
    section="gibbs_principle.html#posterior",
    rtol=1e-5, atol=1e-7,
    tolerance_reason="a probability is exp of a difference of logarithms near 2000, whose rounding alone is 2e-13 in double and, on "
                     "the float32 instance, 1e-6",
)  # fmt: skip


# --- quickscore --------------------------------------------------------------------------------------------------------


def _reference_quickscore(prior, Q, leak, s):
    return gibbs_principle.quickscore(prior, Q, leak, s).posterior


def _quickscore_no_alternation(prior, Q, leak, s):
    positive = np.flatnonzero(s == 1)
    base = np.prod(1 - Q[s == 0], axis=0)
    total, joint = 0.0, np.zeros(len(prior))
    for subset in range(2 ** len(positive)):
        chosen = [j for k, j in enumerate(positive) if subset >> k & 1]
        present = prior * base * np.prod(1 - Q[chosen], axis=0)
        terms = present + 1 - prior
        product = np.prod(1 - leak[chosen]) * np.prod(terms)
        total += product
        joint += product * present / terms
    return joint / total


def _quickscore_sum_for_or(prior, Q, leak, s):
    states = (np.arange(2 ** len(prior))[:, None] >> np.arange(len(prior))) & 1
    weight = np.prod(np.where(states == 1, prior, 1 - prior), axis=1)
    on = np.minimum(leak + states @ Q.T, 1.0)
    weight = weight * np.prod(np.where(s == 1, on, np.where(s == 0, 1 - on, 1.0)), axis=1)
    return weight @ states / weight.sum()


def _quickscore_no_leak(prior, Q, leak, s):
    states = (np.arange(2 ** len(prior))[:, None] >> np.arange(len(prior))) & 1
    weight = np.prod(np.where(states == 1, prior, 1 - prior), axis=1)
    off = np.exp(states @ np.log1p(-Q).T)
    weight = weight * np.prod(np.where(s == 1, 1 - off, np.where(s == 0, off, 1.0)), axis=1)
    return weight @ states / weight.sum()


def _quickscore_negatives_ignored(prior, Q, leak, s):
    states = (np.arange(2 ** len(prior))[:, None] >> np.arange(len(prior))) & 1
    weight = np.prod(np.where(states == 1, prior, 1 - prior), axis=1)
    off = (1 - leak) * np.exp(states @ np.log1p(-Q).T)
    weight = weight * np.prod(np.where(s == 1, 1 - off, 1.0), axis=1)
    return weight @ states / weight.sum()


def _quickscore_unobserved_negative(prior, Q, leak, s):
    states = (np.arange(2 ** len(prior))[:, None] >> np.arange(len(prior))) & 1
    weight = np.prod(np.where(states == 1, prior, 1 - prior), axis=1)
    off = (1 - leak) * np.exp(states @ np.log1p(-Q).T)
    weight = weight * np.prod(np.where(s == 1, 1 - off, off), axis=1)
    return weight @ states / weight.sum()


def _quickscore_each_disease_alone(prior, Q, leak, s):
    off = (1 - leak)[:, None] * (1 - Q)
    positive, negative = s == 1, s == 0
    present = prior * np.prod(1 - off[positive], axis=0) * np.prod(off[negative], axis=0)
    absent = (1 - prior) * np.prod(leak[positive]) * np.prod(1 - leak[negative])
    return present / (present + absent)


def _network(rng, num_diseases, findings, sparse=0.0):
    """Random network and findings: counts of (positive, negative, unobserved) symptoms, in random order."""
    positive, negative, unobserved = findings
    s = rng.permutation([1] * positive + [0] * negative + [-1] * unobserved)
    prior = rng.uniform(0.03, 0.4, num_diseases)
    Q = rng.uniform(0.1, 0.9, (s.size, num_diseases)) * (rng.random((s.size, num_diseases)) >= sparse)
    return prior, Q, rng.uniform(0.02, 0.2, s.size), s


QUICKSCORE = Exercise(
    assignment="gibbs_principle",
    function="quickscore",
    reference=_reference_quickscore,
    visible=(
        Instance((np.array([0.1]), np.array([[0.8]]), np.array([0.1]), np.array([1]))),
        Instance((np.array([0.1, 0.2]), np.array([[0.8, 0.5]]), np.array([0.1]), np.array([1])), "two causes of one symptom"),
        Instance((np.array([0.1, 0.2]), np.array([[0.8, 0.0], [0.5, 0.9], [0.7, 0.4]]), np.array([0.1, 0.05, 0.2]),
                  np.array([1, 0, -1])), "a negative finding and a symptom that wasn't observed"),
    ),
    properties=(
        Property("positive", "positive findings alone", 0.25,
                 lambda rng: [Instance(_network(rng, d, (k, 0, 0))) for d, k in ((3, 2), (5, 4), (2, 3), (3, 6))]),
        Property("negative", "negative findings among them", 0.2,
                 lambda rng: [Instance(_network(rng, d, (k, n, 0)), "with negative findings")
                              for d, k, n in ((4, 2, 2), (3, 0, 3))]),
        Property("unobserved", "symptoms that weren't observed", 0.2,
                 lambda rng: [Instance(_network(rng, d, (k, n, u)), "with unobserved symptoms")
                              for d, k, n, u in ((4, 2, 1, 3), (3, 0, 0, 2))]),
        Property("edges", "one disease, one symptom, and the arguments left as they were", 0.15,
                 lambda rng: [Instance(_network(rng, 1, (1, 0, 0)), "one disease and one symptom"),
                              Instance(_network(rng, 1, (2, 2, 1)), "one disease"),
                              Instance(_network(rng, 6, (1, 1, 1)), "few symptoms")],
                 unmodified=True),
        Property("many", "forty diseases, where the sum over all their states is out of reach", 0.2,
                 lambda rng: [Instance(_network(rng, 40, (4, 5, 3), 0.5), "forty diseases")], recognised=False),
    ),
    misconceptions=(
        Misconception("the signs don't alternate", _quickscore_no_alternation,
                      "All subsets of the positive findings were added. Expand 1 - a b by hand for one finding, then for two: which signs "
                      "appear?", "gibbs_principle.html#quickscore"),
        Misconception("a sum in place of the noisy OR", _quickscore_sum_for_or,
                      "The causes' probabilities were added. Two causes of one half each don't make a symptom certain.",
                      "gibbs_principle.html#quickscore"),
        Misconception("the leak is left out", _quickscore_no_leak,
                      "Diseases come out too probable: a symptom can also be there with no disease at all.",
                      "gibbs_principle.html#quickscore"),
        Misconception("negative findings are ignored", _quickscore_negatives_ignored,
                      "The result is the same whether a symptom was looked for and not found, or never looked for.",
                      "gibbs_principle.html#quickscore"),
        Misconception("unobserved symptoms are taken as negative", _quickscore_unobserved_negative,
                      "Symptoms that nobody looked for count as evidence against diseases.",
                      "gibbs_principle.html#quickscore"),
        Misconception("each disease by itself", _quickscore_each_disease_alone,
                      "With one disease the result is right; with two, each was judged as if the other weren't there. A second possible "
                      "cause of a symptom should make the first one less probable: they explain it away.",
                      "gibbs_principle.html#quickscore"),
    ),
    section="gibbs_principle.html#quickscore",
    rtol=1e-5, atol=1e-7,
    tolerance_reason="the alternating sum over up to 64 subsets loses some digits of double precision, never as many as ten",
)  # fmt: skip

EXERCISES = (ENTROPY, KL, ELBO, POSTERIOR, QUICKSCORE)
