"""Right solutions of the exercises in three styles: plain loops, vectorised, library calls."""

import itertools
import math

import numpy as np
from scipy import special


def sigmoid(a):
    return 1 / (1 + math.exp(-a)) if a > 0 else math.exp(a) / (1 + math.exp(a))


def conditional_loop(v, W, c):
    D, H = W.shape
    return [
        [sigmoid(float(c[j]) + sum(float(row[i] * W[i, j]) for i in range(D))) for j in range(H)] for row in v
    ]


def conditional_vectorised(v, W, c):
    """In the arithmetic of the input."""
    return (1 + np.tanh((v @ W + c) / 2)) / 2


def conditional_library(v, W, c):
    return special.expit(np.einsum("ni,ij->nj", v, W) + c[None])


def conditional_naive(v, W, c):
    """The exponential may overflow to infinity: the result is 0 all the same."""
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-np.dot(v, W) - c))


def softplus(a):
    return max(a, 0.0) + math.log1p(math.exp(-abs(a)))


def free_energy_loop(v, W, b, c):
    D, H = W.shape
    result = []
    for row in v:
        total = -sum(float(b[i]) * float(row[i]) for i in range(D))
        for j in range(H):
            total -= softplus(float(c[j]) + sum(float(W[i, j]) * float(row[i]) for i in range(D)))
        result.append(total)
    return result


def free_energy_vectorised(v, W, b, c):
    """In the arithmetic of the input."""
    field = v @ W + c
    return -(v @ b) - (np.maximum(field, 0) + np.log1p(np.exp(-np.abs(field)))).sum(axis=1)


def free_energy_enumerated(v, W, b, c):
    """The sum over all hidden states, which is possible for a few units."""
    v, W, b, c = (a.astype(float) for a in (v, W, b, c))
    states = np.array(list(itertools.product([0, 1], repeat=len(c))))
    return -special.logsumexp((v @ W + c) @ states.T, axis=1) - v @ b


def free_energy_library(v, W, b, c):
    return special.log_expit(-(v @ W + c)).sum(axis=1) - v @ b


def partition_loop(W, b, c):
    if W.shape[0] > W.shape[1]:
        return partition_loop(W.T, c, b)
    D, H = W.shape
    logs = []
    for state in itertools.product([0, 1], repeat=D):
        fields = [float(c[j]) + sum(float(W[i, j]) for i in range(D) if state[i]) for j in range(H)]
        logs.append(sum(float(b[i]) for i in range(D) if state[i]) + sum(map(softplus, fields)))
    top = max(logs)
    return top + math.log(math.fsum(math.exp(x - top) for x in logs))


def partition_vectorised(W, b, c):
    """Adds one unit after the other to a list of fields. In the arithmetic of the input."""
    if len(c) < len(b):
        W, b, c = W.T, c, b
    logs, fields = np.zeros(1, dtype=W.dtype), c[None]
    for row, bias in zip(W, b, strict=True):
        logs, fields = np.concatenate([logs, logs + bias]), np.concatenate([fields, fields + row])
    return np.logaddexp.reduce(logs + np.logaddexp(0, fields).sum(axis=1))


def partition_library(W, b, c):
    """Over the states of the hidden layer if that is the smaller one, in closed form over the other."""
    W, b, c = (a.astype(float) for a in (W, b, c))
    if W.shape[1] <= W.shape[0]:
        states = np.array(list(np.ndindex(*[2] * len(c))))
        return special.logsumexp(states @ c - special.log_expit(-(states @ W.T + b)).sum(axis=1))
    states = np.array(list(np.ndindex(*[2] * len(b))))
    return special.logsumexp(-free_energy_library(states, W, b, c))


def cd_loop(v, W, b, c, k, u_hidden, u_visible):
    n, (D, H) = len(v), W.shape
    dW, db, dc = np.zeros((D, H)), np.zeros(D), np.zeros(H)
    for r in range(n):
        x = [float(a) for a in v[r]]
        first = conditional_loop(np.array([x]), W, c)[0]
        p = first
        for t in range(k):
            h = [int(u_hidden[t, r, j] < p[j]) for j in range(H)]
            x = [
                int(u_visible[t, r, i] < sigmoid(b[i] + sum(W[i, j] for j in range(H) if h[j])))
                for i in range(D)
            ]
            p = conditional_loop(np.array([x]), W, c)[0]
        for i in range(D):
            db[i] += (v[r, i] - x[i]) / n
            for j in range(H):
                dW[i, j] += (v[r, i] * first[j] - x[i] * p[j]) / n
        dc += (np.array(first) - np.array(p)) / n
    return [dW.tolist(), db.tolist(), dc.tolist()]


def cd_vectorised(v, W, b, c, k, u_hidden, u_visible):
    """Boolean states, in the arithmetic of the input."""
    x = v
    for up, down in zip(u_hidden[:k], u_visible[:k], strict=True):
        h = up < conditional_vectorised(x, W, c)
        x = down < conditional_vectorised(h, W.T, b)
    first, last = conditional_vectorised(v, W, c), conditional_vectorised(x, W, c)
    dW = np.mean(v[:, :, None] * first[:, None] - x[:, :, None] * last[:, None], axis=0)
    return dW, np.mean(v - x, axis=0), np.mean(first - last, axis=0)


def cd_library(v, W, b, c, k, u_hidden, u_visible):
    """Log-odds of the uniforms against the fields: the same comparison, without a sigmoid."""
    up, down = special.logit(u_hidden.astype(float)), special.logit(u_visible.astype(float))
    x = v
    for t in range(k):
        h = np.heaviside(x @ W + c - up[t], 0)
        x = np.heaviside(h @ W.T + b - down[t], 0)
    pairs = [(v, special.expit(v @ W + c), 1), (x, special.expit(x @ W + c), -1)]
    n = v.shape[0]
    return (
        sum(sign * np.einsum("ni,nj->ij", y, p) for y, p, sign in pairs) / n,
        sum(sign * y.sum(axis=0) for y, p, sign in pairs) / n,
        sum(sign * p.sum(axis=0) for y, p, sign in pairs) / n,
    )


def bound_loop(x, W, b, c, dW, db, dc):
    """State by state, weights multiplied out; what has no weight is skipped."""
    W2, b2, c2 = W.T + dW, c + db, b + dc
    log_z = partition_loop(W2, b2, c2)
    result = []
    for row in x:
        q = conditional_loop(row[None], W, c)[0]
        total = 0.0
        for h in itertools.product([0, 1], repeat=len(c)):
            weight = math.prod(p if unit else 1 - p for p, unit in zip(q, h, strict=True))
            if weight > 0:
                value = -free_energy_loop(np.array([h]), W2, b2, c2)[0] - log_z - math.log(weight)
                for i in range(len(b)):
                    field = float(b[i]) + sum(float(W[i, j]) for j in range(len(c)) if h[j])
                    value -= softplus(-field if row[i] else field)
                total += weight * value
        result.append(total)
    return [W2.tolist(), b2.tolist(), c2.tolist(), result]


def bound_vectorised(x, W, b, c, dW, db, dc):
    """The gap to log p(x) is a divergence: from log p(x) subtract KL(q || posterior)."""
    x, W, b, c, dW, db, dc = (a.astype(float) for a in (x, W, b, c, dW, db, dc))
    W2, b2, c2 = W.T + dW, c + db, b + dc
    states = np.array(list(itertools.product([0, 1], repeat=len(c))))
    log_top = states @ b2 - special.log_expit(-(states @ W2 + c2)).sum(axis=1)
    log_top -= special.logsumexp(log_top)
    field = states @ W.T + b
    log_joint = log_top + x @ special.log_expit(field).T + (1 - x) @ special.log_expit(-field).T
    log_p = special.logsumexp(log_joint, axis=1)
    log_posterior = log_joint - log_p[:, None]
    up = x @ W + c
    log_q = special.log_expit(up) @ states.T + special.log_expit(-up) @ (1 - states).T
    return W2, b2, c2, log_p - np.sum(np.exp(log_q) * (log_q - log_posterior), axis=1)


def bound_with_means(x, W, b, c, dW, db, dc):
    """What is linear in h takes its mean; the entropy is a sum over units. In the arithmetic of the input."""
    W2, b2, c2 = np.transpose(W) + dW, c + db, b + dc
    states = np.indices([2] * len(c)).reshape(len(c), -1).T.astype(W.dtype)
    mean = conditional_vectorised(x, W, c)
    q = np.ones((len(x), 1), dtype=W.dtype)
    for j in range(len(c)):  # the last unit changes fastest
        q = (q[:, :, None] * np.stack([1 - mean[:, j], mean[:, j]], axis=1)[:, None]).reshape(len(x), -1)
    up = np.logaddexp(0, states @ W2 + c2).sum(axis=1) - np.logaddexp(0, states @ W.T + b).sum(axis=1)
    entropy = (special.entr(mean) + special.entr(1 - mean)).sum(axis=1)
    bound = q @ up + mean @ b2 + np.sum(x * (mean @ W.T + b), axis=1) + entropy
    return W2, b2, c2, bound - partition_vectorised(W2, b2, c2)


def sample_loop(layers, start, u_hidden, u_visible, u_down):
    n = len(start)
    rows = []
    for r in range(n):
        W, b, c = layers[-1]
        x = [float(a) for a in start[r]]
        for t in range(len(u_hidden)):
            p = conditional_loop(np.array([x]), W, c)[0]
            h = [int(u_hidden[t][r, j] < p[j]) for j in range(len(c))]
            p = conditional_loop(np.array([h]), W.T, b)[0]
            x = [int(u_visible[t][r, i] < p[i]) for i in range(len(b))]
        for number in reversed(range(len(layers) - 1)):
            W, b, c = layers[number]
            p = conditional_loop(np.array([x]), W.T, b)[0]
            x = [int(u_down[number][r, i] < p[i]) for i in range(len(b))]
        rows.append(x)
    return rows


def sample_vectorised(layers, start, u_hidden, u_visible, u_down):
    W, b, c = layers[-1]
    v = start
    for up, down in zip(u_hidden, u_visible, strict=True):
        v = down < conditional_vectorised(up < conditional_vectorised(v, W, c), W.T, b)
    for (W, b, _), u in reversed(list(zip(layers, u_down, strict=False))):
        v = u < conditional_vectorised(v, W.T, b)
    return 1 * v


def sample_library(layers, start, u_hidden, u_visible, u_down):
    """From the top by recursion, with log-odds of the uniforms."""
    if len(layers) > 1 and len(u_down) == len(layers) - 1 and u_down:
        (W, b, _), *above = layers
        h = sample_library(above, start, u_hidden, u_visible, u_down[1:])
        return np.where(special.logit(u_down[0].astype(float)) < h @ W.T + b, 1.0, 0.0)
    ((W, b, c),) = layers
    if len(u_hidden) > 1:
        start = sample_library(layers, start, u_hidden[:-1], u_visible[:-1], [])
    h = (u_hidden[-1] < special.expit(start @ W + c)).astype(np.float32)
    return (u_visible[-1] < special.expit(h @ W.T + b)).astype(np.float32)


SOLUTIONS = {
    "rbm_conditional": [conditional_loop, conditional_vectorised, conditional_library, conditional_naive],
    "free_energy": [free_energy_loop, free_energy_vectorised, free_energy_enumerated, free_energy_library],
    "log_partition": [partition_loop, partition_vectorised, partition_library],
    "cd_k": [cd_loop, cd_vectorised, cd_library],
    "tie_and_bound": [bound_loop, bound_vectorised, bound_with_means],
    "sample": [sample_loop, sample_vectorised, sample_library],
}
