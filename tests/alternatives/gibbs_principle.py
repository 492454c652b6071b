"""Right solutions of the exercises in three styles: plain loops, vectorised, library calls."""

import itertools
import math

import numpy as np
from scipy import special, stats


def entropy_loop(q):
    total = 0.0
    for p in q:
        if p > 0:
            total -= float(p) * math.log(p)
    return total


def entropy_vectorised(q):
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nansum(np.where(q > 0, -q * np.log(q), 0.0))


def entropy_library(q):
    return special.entr(q).sum()


def entropy_scipy_stats(q):
    return np.float32(stats.entropy(q)) if q.dtype == np.float32 else stats.entropy(q)


def kl_loop(q, p):
    normaliser = math.fsum(float(x) for x in p)
    total = 0.0
    for a, b in zip(q, p, strict=True):
        if a > 0:
            if b == 0:
                return math.inf
            total += float(a) * math.log(float(a) * normaliser / float(b))
    return total


def kl_vectorised(q, p):
    p = p / p.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = q * (np.log(q) - np.log(p))
    return np.where(q == 0, 0.0, terms).sum()


def kl_library(q, p):
    return special.rel_entr(q, p / p.sum()).sum()


def elbo_loop(q, log_joint):
    return sum(float(a) * (float(b) - math.log(a)) for a, b in zip(q, log_joint, strict=True) if a > 0)


def elbo_vectorised(q, log_joint):
    on = np.flatnonzero(q)
    return np.dot(q[on], log_joint[on] - np.log(q[on]))


def elbo_library(q, log_joint):
    finite = np.where(q > 0, log_joint, 0.0)
    return special.entr(q).sum() + (q * finite).sum()


def elbo_by_divergence(q, log_joint):
    log_z = special.logsumexp(log_joint)
    posterior = special.softmax(log_joint)
    on = q > 0
    return log_z - np.sum(q[on] * (np.log(q[on]) - (log_joint[on] - log_z))) if posterior.size else 0.0


def posterior_loop(log_joint):
    rows, columns = log_joint.shape
    result = np.zeros((rows, columns))
    for n in range(columns):
        top = max(float(x) for x in log_joint[:, n])
        weights = [math.exp(float(x) - top) for x in log_joint[:, n]]
        for k in range(rows):
            result[k, n] = weights[k] / sum(weights)
    return result.tolist()


def posterior_vectorised(log_joint):
    return np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=0, keepdims=True))


def posterior_library(log_joint):
    return special.softmax(log_joint, axis=0)


def quickscore_recursive(prior, Q, leak, s):
    """p(positives present, negatives absent) by splitting one positive at a time: P(A) - P(A with it absent)."""
    negatives = [j for j in range(len(s)) if s[j] == 0]

    def probability(positives, absent, prior):
        if positives:
            first, rest = positives[0], positives[1:]
            return probability(rest, absent, prior) - probability(rest, [*absent, first], prior)
        value = 1.0
        for j in absent:
            value *= 1 - leak[j]
        for d in range(len(prior)):
            off = 1.0
            for j in absent:
                off *= 1 - Q[j, d]
            value *= prior[d] * off + 1 - prior[d]
        return value

    positives = [j for j in range(len(s)) if s[j] == 1]
    total = probability(positives, negatives, prior)
    result = []
    for d in range(len(prior)):
        certain = np.array(prior, dtype=float)
        certain[d] = 1.0
        result.append(prior[d] * probability(positives, negatives, certain) / total)
    return result


def quickscore_vectorised(prior, Q, leak, s):
    positive, negative = np.flatnonzero(s == 1), s == 0
    k = len(positive)
    subsets = (np.arange(2**k)[:, None] >> np.arange(k) & 1).astype(float)
    present = prior * np.prod(1 - Q[negative], axis=0) * np.exp(subsets @ np.log1p(-Q[positive]))
    terms = present + (1 - prior)
    weights = (-1.0) ** subsets.sum(axis=1) * np.exp(subsets @ np.log1p(-leak[positive])) * terms.prod(axis=1)
    return (weights[:, None] * present / terms).sum(axis=0) / weights.sum()


def quickscore_with_fsum(prior, Q, leak, s):
    """The same sum with exact accumulation, over combinations from itertools."""
    positive = [int(j) for j in np.flatnonzero(s == 1)]
    base = np.ones(len(prior))
    for j in np.flatnonzero(s == 0):
        base = base * (1 - Q[j])
    evidence, joint = [], [[] for _ in prior]
    for size in range(len(positive) + 1):
        for chosen in itertools.combinations(positive, size):
            on = prior * base
            value = (-1) ** size
            for j in chosen:
                on = on * (1 - Q[j])
                value = value * (1 - leak[j])
            each = on + 1 - prior
            value = value * math.prod(map(float, each))
            evidence.append(value)
            for d in range(len(prior)):
                joint[d].append(value * on[d] / each[d])
    return np.array([math.fsum(terms) for terms in joint]) / math.fsum(evidence)


SOLUTIONS = {
    "entropy": [entropy_loop, entropy_vectorised, entropy_library, entropy_scipy_stats],
    "kl": [kl_loop, kl_vectorised, kl_library],
    "elbo": [elbo_loop, elbo_vectorised, elbo_library, elbo_by_divergence],
    "posterior": [posterior_loop, posterior_vectorised, posterior_library],
    "quickscore": [quickscore_recursive, quickscore_vectorised, quickscore_with_fsum],
}
