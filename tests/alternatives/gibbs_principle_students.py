"""More right solutions, written from the notebook's statements alone, as different students would write them."""

import itertools
import math
from dataclasses import dataclass
from functools import partial, reduce

import numpy as np
from scipy import special, stats


def entropy_with_a_tiny_number(q):
    return -np.sum(q * np.log(q + 1e-12))


def entropy_clipped(q):
    return -(q @ np.log(np.clip(q, 1e-30, None)))


def entropy_by_grouping(q):
    """The chain rule of entropy: which half, then which state of the half."""
    if len(q) == 1:
        return 0
    half = len(q) // 2
    parts = q[:half], q[half:]
    masses = [part.sum() for part in parts]
    inner = sum(m * entropy_by_grouping(part / m) for m, part in zip(masses, parts, strict=True) if m > 0)
    return inner - sum(special.xlogy(m, m) for m in masses)


def entropy_masked(q):
    return -(q * np.ma.log(q)).sum()


def entropy_extended(q: np.ndarray, base: float | None = None) -> np.longdouble:
    print("entropy of", len(q), "states")
    wide = q.astype(np.longdouble)
    scale = 1 if base is None else np.log(base)
    return np.array(-np.sum(wide * np.log(np.where(wide > 0, wide, 1))) / scale)


def entropy_gathered(q):
    return math.fsum(-x * math.log2(x) * math.log(2) for x in filter(None, q.tolist()))


def kl_as_cross_entropy(q, p):
    p = np.array(p, dtype=float)
    p /= np.add.reduce(p)
    used = np.nonzero(q)
    if (p[used] == 0).any():
        return float("inf")
    return np.dot(q[used], -np.log(p[used])) - special.entr(q).sum()


def kl_scipy_stats(q, p):
    return stats.entropy(q, p)


def kl_with_errors_caught(q, p):
    total = sum(p)
    try:
        return sum(a * math.log(a / (b / total)) for a, b in zip(q.tolist(), p.tolist(), strict=True) if a)
    except ZeroDivisionError:
        return math.inf


@dataclass
class Distribution:
    weights: np.ndarray

    @property
    def log_p(self):
        with np.errstate(divide="ignore"):
            return np.log(self.weights) - np.log(self.weights.sum())


def kl_of_objects(q, p):
    a, b = Distribution(q), Distribution(p)
    gaps = np.where(q > 0, a.log_p, 0) - np.where(q > 0, b.log_p, 0)
    return (q * gaps).sum(keepdims=True)[0]


def elbo_from_gap(q, log_joint):
    """log p(x) minus the divergence to the posterior."""
    log_p = special.logsumexp(log_joint)
    posterior = log_joint - log_p
    return log_p - sum(a * (math.log(a) - b) for a, b in zip(q, posterior, strict=True) if a > 0)


def elbo_finite(q, log_joint):
    return special.entr(q).sum() + q @ np.nan_to_num(log_joint, neginf=0.0)


def elbo_masked(q, log_joint):
    return np.sum(np.where(q > 0, q, 0) * np.where(q > 0, log_joint - np.log(np.where(q > 0, q, 1)), 0))


def elbo_reduced(q, log_joint):
    pairs = ((float(a), float(b)) for a, b in np.c_[q, log_joint] if a != 0.0)
    return reduce(lambda total, pair: total + pair[0] * (pair[1] - np.log(pair[0])), pairs, 0.0)


def posterior_softmax(log_joint):
    return special.softmax(log_joint, axis=0)


def posterior_extended(log_joint):
    """Extended precision holds exp of -2000 and of 900."""
    joint = np.exp(log_joint.astype(np.longdouble))
    return joint / joint.sum(axis=0)


def posterior_column_by_column(log_joint):
    def one(column):
        weights = [math.exp(x - max(column)) for x in column]
        return [w / sum(weights) for w in weights]

    return np.apply_along_axis(one, 0, log_joint)


def posterior_by_ratios(log_joint):
    K, N = log_joint.shape
    table = [[0.0] * N for _ in range(K)]
    for k, n in itertools.product(range(K), range(N)):
        if log_joint[k, n] > -np.inf:
            with np.errstate(over="ignore"):
                table[k][n] = 1 / np.exp(log_joint[:, n] - log_joint[k, n]).sum()
    return table


def posterior_logaddexp(log_joint):
    return np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=0, keepdims=True)).copy(order="F")


def quickscore_by_clamping(prior, Q, leak, s):
    """The evidence with a disease present and absent, by inclusion and exclusion of the positive findings."""

    def evidence(prior):
        total = 0.0
        positive = [j for j in range(len(s)) if s[j] == 1]
        for size in range(len(positive) + 1):
            for subset in itertools.combinations(positive, size):
                silent = [*subset, *np.flatnonzero(s == 0)]
                factors = 1 - prior + prior * np.prod(1 - Q[silent], axis=0)
                total += (-1) ** size * np.prod(1 - leak[silent]) * np.prod(factors)
        return total

    result = []
    for d in range(len(prior)):
        on, off = prior.copy(), prior.copy()
        on[d], off[d] = 1, 0
        a, b = prior[d] * evidence(on), (1 - prior[d]) * evidence(off)
        result.append(a / (a + b))
    return result


def quickscore_recursive(prior, Q, leak, s):
    """p(s = 1) = 1 - p(s = 0), one positive finding after the other."""

    def joint(j, log_off, log_leak):
        if j == len(s):
            factors = prior * np.exp(log_off)
            base = np.exp(log_leak) * np.prod(factors + 1 - prior)
            return np.append(base * factors / (factors + 1 - prior), base)
        silent = partial(joint, j + 1, log_off + np.log1p(-Q[j]), log_leak + np.log1p(-leak[j]))
        if s[j] == 0:
            return silent()
        rest = joint(j + 1, log_off, log_leak)
        return rest - silent() if s[j] == 1 else rest

    result = joint(0, np.zeros(len(prior)), 0.0)
    return result[:-1] / result[-1]


SOLUTIONS = {
    "entropy": [
        entropy_with_a_tiny_number,
        entropy_clipped,
        entropy_by_grouping,
        entropy_masked,
        entropy_extended,
        entropy_gathered,
    ],
    "kl": [kl_as_cross_entropy, kl_scipy_stats, kl_with_errors_caught, kl_of_objects],
    "elbo": [elbo_from_gap, elbo_finite, elbo_masked, elbo_reduced],
    "posterior": [
        posterior_softmax,
        posterior_extended,
        posterior_column_by_column,
        posterior_by_ratios,
        posterior_logaddexp,
    ],
    "quickscore": [quickscore_by_clamping, quickscore_recursive],
}
