"""Checks of `cd_k`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import (
    ATOL,
    MARGIN,
    RTOL,
    TOLERANCE_REASON,
    block_gibbs,
    random_machine,
    random_units,
)
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import rbm


def _reference_cd(v, W, b, c, k, u_hidden, u_visible):
    v, W, b, c, u_hidden, u_visible = doubles(v, W, b, c, u_hidden, u_visible)
    machine = rbm.RBM(W, b, c)
    end = block_gibbs(machine, v, u_hidden[: int(k)], u_visible[: int(k)])[0][-1]
    first, last = rbm.hidden_mean(machine, v), rbm.hidden_mean(machine, end)
    return (v.T @ first - end.T @ last) / len(v), (v - end).mean(axis=0), (first - last).mean(axis=0)


def _cd_phases_swapped(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (x.T @ p - v.T @ p0) / len(v), (x - v).mean(axis=0), (p - p0).mean(axis=0)


def _cd_transposed(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (p0.T @ v - p.T @ x) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_sum(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return v.T @ p0 - x.T @ p, (v - x).sum(axis=0), (p0 - p).sum(axis=0)


def _cd_one_step_less(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k - 1):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_one_step_more(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k + 1):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_positive_samples(v, W, b, c, k, u_hidden, u_visible):
    p = 1 / (1 + np.exp(-(v @ W + c)))
    x, h0 = v, (u_hidden[0] < p).astype(float)
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ h0 - x.T @ p) / len(v), (v - x).mean(axis=0), (h0 - p).mean(axis=0)


def _cd_visible_means(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] < p).astype(float)
        x = 1 / (1 + np.exp(-(h @ W.T + b)))
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_no_samples(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for _ in range(k):
        x = 1 / (1 + np.exp(-(p @ W.T + b)))
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_from_data(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    for t in range(k):
        h = (u_hidden[t] < p0).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_old_hidden(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x = v
    for t in range(k):
        p = 1 / (1 + np.exp(-(x @ W + c)))
        h = (u_hidden[t] < p).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_comparison(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        h = (u_hidden[t] > p).astype(float)
        x = (u_visible[t] > 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_hidden_means(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for t in range(k):
        x = (u_visible[t] < 1 / (1 + np.exp(-(p @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_all_uniforms(v, W, b, c, k, u_hidden, u_visible):
    p0 = 1 / (1 + np.exp(-(v @ W + c)))
    x, p = v, p0
    for up, down in zip(u_hidden, u_visible, strict=True):
        h = (up < p).astype(float)
        x = (down < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
        p = 1 / (1 + np.exp(-(x @ W + c)))
    return (v.T @ p0 - x.T @ p) / len(v), (v - x).mean(axis=0), (p0 - p).mean(axis=0)


def _cd_run(rng, n, D, H, k, scale=1.0, spare=2):
    """An instance with more uniforms than k steps need, where no unit is left to rounding and each step tells."""
    while True:
        W, b, c = random_machine(rng, D, H, scale)
        v = random_units(rng, n, D)
        u_hidden, u_visible = rng.random((k + spare, n, H)), rng.random((k + spare, n, D))
        machine = rbm.RBM(W, b, c)
        states, margin = block_gibbs(machine, v, u_hidden, u_visible)
        afresh = block_gibbs(machine, v, u_hidden[k - 1 : k], u_visible[k - 1 : k])[0][-1]
        others = [states[k - 1], states[k + 1]] + ([afresh] if k > 1 else [])
        right = states[k].T @ rbm.hidden_mean(machine, states[k])
        if margin > MARGIN and all(
            np.abs(right - x.T @ rbm.hidden_mean(machine, x)).max() > 1e-2 for x in others
        ):
            return v, W, b, c, k, u_hidden, u_visible


def _cd_edges(rng):
    strong = _cd_run(rng, 8, 4, 3, 2, scale=20.0)
    *arrays, k, u_hidden, u_visible = _cd_run(rng, 7, 4, 3, 2)
    return [
        Instance(_cd_run(rng, 1, 6, 5, 2), "one row alone"),
        Instance(_cd_run(rng, 9, 1, 4, 1), "one visible unit"),
        Instance(_cd_run(rng, 9, 4, 1, 1), "one hidden unit"),
        Instance(strong, "strong weights, which make units certain"),
        Instance(
            (*single_precision(*arrays), k, *single_precision(u_hidden, u_visible)), "in single precision"
        ),
    ]


def _cd_visible():
    """Two instances with numbers of two digits, the second with as many hidden as visible units."""
    rng = np.random.default_rng(2)
    instances = []
    for n, D, H, k in ((4, 3, 2, 2), (4, 2, 2, 1)):
        while True:
            W, b, c = (np.round(a, 1) for a in random_machine(rng, D, H))
            v = random_units(rng, n, D)
            u_hidden, u_visible = (
                np.round(rng.random((k + 1, n, H)), 2),
                np.round(rng.random((k + 1, n, D)), 2),
            )
            states, margin = block_gibbs(rbm.RBM(W, b, c), v, u_hidden, u_visible)
            if margin > 1e-3 and not any(np.array_equal(states[k], states[t]) for t in (0, k - 1, k + 1)):
                break
        instances.append(Instance((v, W, b, c, k, u_hidden, u_visible)))
    return instances


CD_K = Exercise(
    assignment="dbn",
    function="cd_k",
    reference=_reference_cd,
    visible=(
        Instance((np.array([[1.0, 0.0]]), np.zeros((2, 1)), np.zeros(2), np.zeros(1), 1, np.array([[[0.3]]]), np.array([[[0.9, 0.2]]])),
                 "a machine without weights and biases"),
        *_cd_visible(),
    ),
    properties=(
        Property("one step", "k = 1", 0.35,
                 lambda rng: [Instance(_cd_run(rng, 10, 5, 4, 1)), Instance(_cd_run(rng, 6, 3, 5, 1)), Instance(_cd_run(rng, 8, 4, 4, 1))]),
        Property("steps", "k above 1", 0.35,
                 lambda rng: [Instance(_cd_run(rng, *shape)) for shape in ((12, 6, 4, 3), (10, 4, 5, 2), (8, 3, 4, 5))]),
        Property("edges", "one row, one unit, strong weights, single precision, and the arguments left as they were", 0.3,
                 _cd_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the phases are swapped", _cd_phases_swapped,
                      "All signs are opposite: a step along this direction makes the data less likely. Which statistics should grow?",
                      "rbm.html#contrastive-divergence"),
        Misconception("the gradient of W is transposed", _cd_transposed,
                      "The first array has the shape of W's transpose. Which axis of W belongs to v?", "rbm.html#contrastive-divergence"),
        Misconception("a sum over the rows", _cd_sum,
                      "Twice the same data gave twice the gradient, where the mean log-likelihood stays the same.",
                      "rbm.html#contrastive-divergence"),
        Misconception("one step less", _cd_one_step_less,
                      "For k = 1 all arrays are zero: the chain never left the data. How often does v -> h -> v happen?",
                      "rbm.html#contrastive-divergence"),
        Misconception("one step more", _cd_one_step_more,
                      "The chain took one more step v -> h -> v than k says.", "rbm.html#contrastive-divergence"),
        Misconception("as many steps as there are uniform numbers", _cd_all_uniforms,
                      "The result doesn't change with k: the chain went on until the uniform numbers were used up.",
                      "rbm.html#contrastive-divergence"),
        Misconception("samples in the positive phase", _cd_positive_samples,
                      "The data's statistics jump with the uniform numbers. At the data the hidden expectation is known exactly.",
                      "rbm.html#contrastive-divergence"),
        Misconception("visible units are not sampled", _cd_visible_means,
                      "The last visible layer holds probabilities. The chain that is asked for moves between states of 0 and 1.",
                      "rbm.html#contrastive-divergence"),
        Misconception("nothing is sampled", _cd_no_samples,
                      "The result doesn't depend on the uniform numbers. Passing means back and forth is another method.",
                      "rbm.html#contrastive-divergence"),
        Misconception("every step starts at the data", _cd_from_data,
                      "Steps beyond the first one don't take the chain any further. Where does the second step begin?",
                      "rbm.html#contrastive-divergence"),
        Misconception("the last hidden units are not renewed", _cd_old_hidden,
                      "The negative statistics pair the last visible units with hidden ones that belong to the visible units before.",
                      "rbm.html#contrastive-divergence"),
        Misconception("the comparison is reversed", _cd_comparison,
                      "Units were 1 where the uniform number is above the probability: likely units are mostly off.",
                      "rbm.html#contrastive-divergence"),
        Misconception("hidden units are not sampled", _cd_hidden_means,
                      "The result doesn't depend on u_hidden: the visible units were drawn from hidden probabilities. The chain that is "
                      "asked for moves between states of 0 and 1.", "rbm.html#contrastive-divergence"),
    ),
    section="rbm.html#contrastive-divergence",
    rtol=RTOL, atol=ATOL,
    tolerance_reason=TOLERANCE_REASON + "; no uniform number is within 1e-4 of a probability, so no rounding flips a unit",
)  # fmt: skip
