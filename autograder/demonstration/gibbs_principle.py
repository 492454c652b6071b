"""What is particular to this assignment's demonstration class: another right route, and answers that are right in part."""

OTHER_ROUTE = {
    "entropy": """
import math

def entropy(q: "list[float]") -> float:
    total = 0.0
    for p in q:
        if p > 0:
            total += float(p) * math.log(1 / float(p))
    return total
""",
    "kl": """
def kl(q, p):
    weights = [float(x) for x in p]
    cross = 0.0
    for a, b in zip(q, weights):
        if a == 0:
            continue
        if b == 0:
            return float("inf")
        cross -= float(a) * math.log(b / sum(weights))
    return cross - entropy(q)
""",
    "elbo": """
def elbo(q, log_joint):
    print("computing the bound of", len(q), "states")
    return sum(float(a) * (float(l) - math.log(float(a))) for a, l in zip(q, log_joint) if a > 0)
""",
    "posterior": """
def posterior(log_joint):
    columns = []
    for column in np.array(log_joint, dtype=float).T:
        log_z = np.logaddexp.reduce(column)
        columns.append(np.exp(column - log_z))
    return [list(row) for row in zip(*columns)]
""",
    "quickscore": """
import functools
import warnings

def quickscore(prior, Q, leak, s):
    warnings.warn("this may take a moment")

    @functools.lru_cache(maxsize=None)
    def evidence(chosen, disease):
        # log of p(negatives, all chosen positives absent), with one disease forced on, or none forced
        off = [j for j in range(len(s)) if s[j] == 0] + list(chosen)
        value = 1.0
        for j in chosen:
            value *= 1 - leak[j]
        for d in range(len(prior)):
            q = prior[d]
            for j in off:
                q *= 1 - Q[j][d]
            value *= q if d == disease else q + 1 - prior[d]
        return value

    positive = [j for j in range(len(s)) if s[j] == 1]
    result = []
    for d in range(len(prior)):
        top = bottom = 0.0
        for mask in range(1 << len(positive)):
            chosen = tuple(j for k, j in enumerate(positive) if mask >> k & 1)
            sign = -1 if len(chosen) % 2 else 1
            top += sign * evidence(chosen, d)
            bottom += sign * evidence(chosen, -1)
        result.append(top / bottom)
    return np.array(result)
""",
}

PARTLY_RIGHT = {
    # Sorts its argument in place: the numbers are right, but the caller's array is not what it was.
    "entropy": """
def entropy(q):
    q.sort()
    positive = q[q > 0]
    return -(positive * np.log(positive)).sum()
""",
    # Returns a large number in place of infinity.
    "kl": """
def kl(q, p):
    p = p / p.sum()
    on = q > 0
    return np.sum(q[on] * (np.log(q[on]) - np.log(np.maximum(p[on], 1e-300))))
""",
    # Goes through probabilities, which underflow.
    "elbo": """
def elbo(q, log_joint):
    on = q > 0
    joint = np.exp(log_joint)
    return np.sum(q[on] * np.log(joint[on] / q[on]))
""",
    # Forgets the axis of a single row.
    "posterior": """
def posterior(log_joint):
    weights = np.exp(log_joint - log_joint.max(axis=0))
    return (weights / weights.sum(axis=0)).squeeze()
""",
    # Sums over all combinations of diseases, which is out of reach for forty of them.
    "quickscore": """
def quickscore(prior, Q, leak, s):
    states = (np.arange(2 ** len(prior))[:, None] >> np.arange(len(prior))) & 1
    weight = np.prod(np.where(states == 1, prior, 1 - prior), axis=1)
    off = (1 - leak) * np.exp(states @ np.log1p(-Q).T)
    weight = weight * np.prod(np.where(s == 1, 1 - off, np.where(s == 0, off, 1)), axis=1)
    return weight @ states / weight.sum()
""",
}
