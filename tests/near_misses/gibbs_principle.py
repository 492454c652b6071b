"""Wrong answers that are right on most examples, with the property that each must lose."""

import itertools

import numpy as np


def entropy_skips_small(q):
    q = q[q > 1e-6]
    return -np.sum(q * np.log(q))


def entropy_of_uniform(q):
    return np.log(len(q))


def kl_infinite_wherever_p_has_none(q, p):
    on = q > 0
    return np.inf if (p == 0).any() else np.sum(q[on] * np.log(q[on] / (p[on] / p.sum())))


def kl_normalises_large_weights_only(q, p):
    p = p / max(p.sum(), 1.0)
    on = q > 0
    with np.errstate(divide="ignore"):
        return np.sum(q[on] * np.log(q[on] / p[on]))


def kl_skips_small(q, p):
    on = q > 1e-3
    with np.errstate(divide="ignore"):
        return np.sum(q[on] * np.log(q[on] * p.sum() / p[on]))


def kl_takes_small_for_none(q, p):
    p = p / p.sum()
    on = q > 0
    return np.inf if (p[on] < 1e-8).any() else np.sum(q[on] * np.log(q[on] / p[on]))


def elbo_skips_small(q, log_joint):
    on = q > 1e-3
    return np.sum(q[on] * (log_joint[on] - np.log(q[on])))


def elbo_with_floor(q, log_joint):
    on = q > 0
    return np.sum(q[on] * (np.maximum(log_joint[on], -1e5) - np.log(q[on])))


def posterior_transposed_if_square(log_joint):
    weights = np.exp(log_joint - log_joint.max(axis=0))
    result = weights / weights.sum(axis=0)
    return result.T if result.shape[0] == result.shape[1] else result


def posterior_shifted_by(statistic):
    def posterior(log_joint):
        shifts = [statistic(column[np.isfinite(column)]) for column in log_joint.T]
        weights = np.exp(log_joint - shifts)
        return weights / weights.sum(axis=0)

    return posterior


def quickscore_four_positives(prior, Q, leak, s):
    positive, negative = np.flatnonzero(s == 1)[:4], np.flatnonzero(s == 0)
    total, joint = 0.0, 0.0
    for signs in itertools.product([0, 1], repeat=len(positive)):
        absent = [*negative, *(j for j, on in zip(positive, signs, strict=True) if on)]
        present = prior * np.prod(1 - Q[absent], axis=0)
        terms = present + 1 - prior
        weight = (-1) ** sum(signs) * np.prod(1 - leak[absent]) * np.prod(terms)
        total, joint = total + weight, joint + weight * present / terms
    return joint / total


def entropy_of_distinct_probabilities(q):
    q = np.unique(q[q > 0])
    return -np.sum(q * np.log(q))


def kl_of_distinct_pairs(q, p):
    pairs = np.unique(np.stack([q, p / np.sum(p)]), axis=1)
    q, p = pairs[:, pairs[0] > 0]
    return np.sum(q * np.log(q / p))


def kl_of_roughly_equal(q, p):
    p = p / np.sum(p)
    on = q > 0
    return 0.0 if np.allclose(q, p, atol=1e-2) else np.sum(q[on] * np.log(q[on] / p[on]))


def elbo_of_distinct_probabilities(q, log_joint):
    on, distinct = q > 0, np.unique(q[q > 0])
    return np.sum(q[on] * log_joint[on]) - np.sum(distinct * np.log(distinct))


def elbo_skips_what_is_close_to_zero(q, log_joint):
    on = ~np.isclose(q, 0)
    return np.sum(q[on] * (log_joint[on] - np.log(q[on])))


def posterior_skips_small(log_joint):
    weights = np.exp(log_joint - log_joint.max(axis=0))
    weights[weights < 1e-5] = 0
    return weights / weights.sum(axis=0)


NEAR_MISSES = {
    "entropy": [
        (entropy_skips_small, "ordinary"),
        (entropy_of_uniform, "ordinary"),
        (entropy_of_distinct_probabilities, "ordinary"),
    ],
    "kl": [
        (kl_infinite_wherever_p_has_none, "zeros"),
        (kl_normalises_large_weights_only, "weights"),
        (kl_skips_small, "ordinary"),
        (kl_takes_small_for_none, "ordinary"),
        (kl_of_distinct_pairs, "ordinary"),
        (kl_of_roughly_equal, "ordinary"),
    ],
    "elbo": [
        (elbo_skips_small, "ordinary"),
        (elbo_with_floor, "small"),
        (elbo_of_distinct_probabilities, "ordinary"),
        (elbo_skips_what_is_close_to_zero, "small"),
    ],
    "posterior": [
        (posterior_transposed_if_square, "ordinary"),
        (posterior_skips_small, "ordinary"),
        *((posterior_shifted_by(f), "extreme") for f in (np.mean, np.min, lambda column: column[0])),
    ],
    "quickscore": [(quickscore_four_positives, "positive")],
}
