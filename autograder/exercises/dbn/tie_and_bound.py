"""Checks of `tie_and_bound`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import RTOL, TOLERANCE_REASON, random_machine, random_units
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import dbn, rbm


def _reference_bound(x, W, b, c, dW, db, dc):
    x, W, b, c, dW, db, dc = doubles(x, W, b, c, dW, db, dc)
    bottom = rbm.RBM(W, b, c)
    tied = dbn.tie(bottom).layers[1]
    top = rbm.RBM(tied.W + dW, tied.b + db, tied.c + dc)
    return *top, dbn.log_bound(dbn.DBN((bottom, top)), x)


def _bound_biases_not_swapped(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, b + db, c + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_not_transposed(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_no_entropy(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x), axis=1)


def _bound_top_sign(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_x - log_top - log_q), axis=1)


def _bound_no_partition(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_bottom_partition(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(h @ c + np.logaddexp(0, h @ W.T + b).sum(axis=1))
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_log_prob(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    down = h @ W.T + b
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.logaddexp.reduce(log_top + log_x, axis=1)


def _bound_means_put_in(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_z = np.logaddexp.reduce(h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1))
    up = x @ W + c
    q = 1 / (1 + np.exp(-up))
    entropy = np.sum(np.logaddexp(0, up) - q * up, axis=1)
    down = q @ W.T + b
    log_x = np.sum(x * down - np.logaddexp(0, down), axis=1)
    return W2, b2, c2, q @ b2 + np.logaddexp(0, q @ W2 + c2).sum(axis=1) - log_z + log_x + entropy


def _bound_nan_at_certain(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = 1 / (1 + np.exp(-(x @ W + c))), h @ W.T + b
    q = np.prod(np.where(h[None] == 1, up[:, None], 1 - up[:, None]), axis=2)
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(q * (log_top + log_x - np.log(q)), axis=1)


def _bound_top_not_moved(x, W, b, c, dW, db, dc):
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ c + np.logaddexp(0, h @ W.T + b).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W.T + dW, c + db, b + dc, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_q_of_the_top(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.logaddexp(0, h @ W2 + c2).sum(axis=1)
    log_top = log_top - np.logaddexp.reduce(log_top)
    up, down = x @ W2.T + b2, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_overflow(x, W, b, c, dW, db, dc):
    W2, b2, c2 = W.T + dW, c + db, b + dc
    h = ((np.arange(2 ** len(c))[:, None] >> np.arange(len(c))) & 1).astype(float)
    log_top = h @ b2 + np.log(1 + np.exp(h @ W2 + c2)).sum(axis=1)
    log_top = log_top - np.log(np.sum(np.exp(log_top)))
    up, down = x @ W + c, h @ W.T + b
    log_q = up @ h.T - np.logaddexp(0, up).sum(axis=1)[:, None]
    log_x = x @ down.T - np.logaddexp(0, down).sum(axis=1)
    return W2, b2, c2, np.sum(np.exp(log_q) * (log_top + log_x - log_q), axis=1)


def _bound_run(rng, n, D, H, step=0.7):
    W, b, c = random_machine(rng, D, H)
    return (
        random_units(rng, n, D),
        W,
        b,
        c,
        step * rng.normal(size=(H, D)),
        step * rng.normal(size=H),
        step * rng.normal(size=D),
    )


def _bound_far_top(rng):
    """Every hidden state may occur, and the top's energies are large: what is certain and what overflows are two things."""
    x, W, b, c, dW, db, dc = _bound_run(rng, 3, 4, 3)
    sign = rng.choice([-1, 1])
    return (
        x,
        0.5 * W,
        b,
        0.5 * c,
        dW,
        db + sign * np.array([0, 800, -800]),
        dc + np.array([900, -900, 0, 900]),
    )


def _bound_hardly(rng):
    """A hidden unit that is hardly ever on, and a top that all but forbids it: little times a large logarithm."""
    x, W, b, c, dW, db, dc = _bound_run(rng, 3, 3, 2)
    return x, 0.3 * W, b, np.array([c[0], -14.0]), dW, db + np.array([0.0, -1500.0]), dc


def _bound_certain(rng):
    x, W, b, c, *step = _bound_run(rng, 4, 3, 4)
    strong = 30 * np.sign(W) + W
    x[0, :2] = 1.0, 0.0
    unlikely = b + np.array([-300.0, 300.0, 0.0])  # of the first row of x, whatever h
    return [
        Instance((x, W, b, rng.uniform(750, 900) * np.array([1, -1, 0, 0]) + c, *step), "hidden units that are certain"),
        Instance((x, strong, unlikely, c, *step), "strong weights and biases, which make units of both layers certain"),
        Instance(_bound_far_top(rng), "a top with biases beyond what exp can take"),
        Instance(_bound_hardly(rng), "a unit that is hardly ever on, and a top that all but forbids it"),
    ]  # fmt: skip


def _bound_edges(rng):
    x, *rest = _bound_run(rng, 5, 4, 3)
    return [
        Instance((x[:1], *rest), "one row alone"),
        Instance(_bound_run(rng, 3, 1, 3), "one visible unit"),
        Instance(_bound_run(rng, 4, 3, 1), "one hidden unit"),
        Instance(single_precision(x, *rest), "in single precision"),
    ]


def _bound_visible(D, H, step):
    rng = np.random.default_rng(5)
    x, *rest = _bound_run(rng, 2, D, H, step)
    return x, *(np.round(a, 1) + 0.0 for a in rest)


TIE_AND_BOUND = Exercise(
    assignment="dbn",
    function="tie_and_bound",
    reference=_reference_bound,
    visible=(
        Instance((np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 1)), np.array([np.log(3.0), 0.0]), np.zeros(1), np.zeros((1, 2)),
                  np.zeros(1), np.zeros(2)), "no weights, and the top as it was tied"),
        Instance(_bound_visible(3, 2, 0.0), "the top as it was tied"),
        Instance(_bound_visible(3, 2, 1.0)),
        Instance(_bound_visible(2, 2, 1.0), "as many hidden as visible units"),
        Instance((np.array([[1.0, 0.0]]), np.array([[1.0], [-1.0]]), np.array([0.0, 0.5]), np.array([800.0]), np.array([[0.5, 0.0]]),
                  np.array([-1.0]), np.array([0.0, 1.0])), "hidden units that are certain"),
        Instance((np.array([[1.0, 0.0]]), np.array([[1.0], [-1.0]]), np.array([-400.0, 400.0]), np.array([0.0]), np.array([[0.5, 0.0]]),
                  np.array([-1.0]), np.array([0.0, 1.0])), "an x that is all but impossible"),
        Instance((np.array([[1.0, 0.0]]), np.array([[1.0], [-1.0]]), np.array([0.0, 0.5]), np.array([0.0]), np.array([[0.5, 0.0]]),
                  np.array([800.0]), np.array([900.0, 0.0])), "a top with biases beyond what exp can take"),
    ),
    properties=(
        Property("tied", "the top as it was tied, where the bound is exact", 0.25,
                 lambda rng: [Instance(_bound_run(rng, 5, 4, 3, 0.0)), Instance(_bound_run(rng, 4, 2, 5, 0.0))]),
        Property("moved", "a top that has moved away", 0.4,
                 lambda rng: [Instance(_bound_run(rng, *shape)) for shape in ((5, 4, 3), (4, 3, 6), (6, 4, 4))]),
        Property("certain", "units that are certain, and exponentials that overflow", 0.15, _bound_certain,
                 hint="Right as long as nothing is certain. Which logarithm is taken of a probability that is 0 in floating point, and "
                      "which exponential is infinite?"),
        Property("edges", "one row, one unit, single precision, and the arguments left as they were", 0.2,
                 _bound_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the biases are not swapped", _bound_biases_not_swapped,
                      "The shapes don't fit unless both layers have the same size, and there the bound misses log p(x) at the tied start. "
                      "The top's visible units are the hidden units below: whose biases are those?", "dbn.html#tied-weights"),
        Misconception("W is not transposed", _bound_not_transposed,
                      "The shapes don't fit unless both layers have the same size, and there the bound misses log p(x) at the tied start. "
                      "In the top machine h stands where x stood below.", "dbn.html#tied-weights"),
        Misconception("the entropy is left out", _bound_no_entropy,
                      "At the tied start the result lies below log p(x), though the bound is exact there. What does q earn by being "
                      "uncertain?", "dbn.html#tied-weights"),
        Misconception("the top's term has the wrong sign", _bound_top_sign,
                      "The better the top machine explains the hidden states, the lower the result. Is that term to be raised or lowered?",
                      "dbn.html#tied-weights"),
        Misconception("the partition function is left out", _bound_no_partition,
                      "The result exceeds log p(x). The top's weights of hidden states are not yet probabilities.",
                      "dbn.html#tied-weights"),
        Misconception("the partition function of the bottom machine", _bound_bottom_partition,
                      "The result is right at the tied start, where both machines have the same Z, and wrong as soon as the top moves.",
                      "dbn.html#tied-weights"),
        Misconception("log p(x) in place of the bound", _bound_log_prob,
                      "The result is right at the tied start and too large elsewhere: it is what the bound is below. Under which q is the "
                      "expectation taken?", "dbn.html#tied-weights"),
        Misconception("means are put in for hidden units", _bound_means_put_in,
                      "An expectation of a function was replaced by the function at the mean. The two differ wherever hidden units are "
                      "uncertain.", "dbn.html#tied-weights"),
        Misconception("the top is not moved in the bound", _bound_top_not_moved,
                      "The bound doesn't change when the top moves, though the returned top has moved.", "dbn.html#tied-weights"),
        Misconception("q is the moved top's", _bound_q_of_the_top,
                      "The bound is right at the tied start alone. Hidden states were weighed with the moved top's parameters: whose "
                      "posterior is q?", "dbn.html#tied-weights"),
        Misconception("exponentials that overflow", _bound_overflow,
                      "The result isn't finite where the top's weights of hidden states are huge: they don't fit into a float, though "
                      "their logarithms do.", "rbm.html#rbm-partition-function"),
        Misconception("0 log 0 is NaN", _bound_nan_at_certain,
                      "The result is NaN where a hidden unit is certain: a state of probability 0 was multiplied by its logarithm.",
                      "dbn.html#tied-weights"),
    ),
    section="dbn.html#tied-weights",
    rtol=RTOL, atol=1e-5,
    tolerance_reason=TOLERANCE_REASON + "; terms of that size cancel, hence the larger atol, and fields of 900 are good to 1e-12 in double",
)  # fmt: skip
