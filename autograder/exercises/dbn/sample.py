"""Checks of `sample`."""

from __future__ import annotations

import itertools

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.dbn.shared import MARGIN, block_gibbs, random_machine, random_units
from autograder.exercises.precision import doubles, single_precision
from lectures_lib import rbm


def _reference_sample(layers, start, u_hidden, u_visible, u_down):
    return _sampled(layers, start, u_hidden, u_visible, u_down)[0]


def _sampled(layers, start, u_hidden, u_visible, u_down):
    """The sample, and the smallest |u - p| met."""
    machines = [rbm.RBM(*doubles(*layer)) for layer in layers]
    states, margin = block_gibbs(machines[-1], *doubles(start, u_hidden, u_visible))
    x = states[-1]
    for machine, u in zip(machines[-2::-1], u_down[::-1], strict=True):
        p = rbm.visible_mean(machine, x)
        margin = min(margin, np.abs(u - p).min())
        x = (u < p).astype(float)
    return x, margin


def _sample_upside_down(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[0]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for (W, b, _), u in zip(layers[1:], u_down, strict=True):
        x = (u < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_bottom_alone(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[0]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    return x


def _sample_from_top_hidden(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    x = h
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_sign(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(x @ W + c))).astype(float)
        x = (u_visible[t] < 1 / (1 + np.exp(h @ W.T + b))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(x @ W.T + b))).astype(float)
    return x


def _sample_comparison(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] > 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        x = (u_visible[t] > 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] > 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_means_returned(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        p = 1 / (1 + np.exp(-(h @ W.T + b)))
        x = (u_visible[t] < p).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        p = 1 / (1 + np.exp(-(x @ W.T + b)))
        x = (u_down[number] < p).astype(float)
    return p


def _sample_means_passed_down(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = (u_hidden[t] < 1 / (1 + np.exp(-(x @ W + c)))).astype(float)
        p = 1 / (1 + np.exp(-(h @ W.T + b)))
        x = (u_visible[t] < p).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        p = 1 / (1 + np.exp(-(p @ W.T + b)))
        x = (u_down[number] < p).astype(float)
    return x


def _sample_means_at_the_top(layers, start, u_hidden, u_visible, u_down):
    x, (W, b, c) = start, layers[-1]
    for t in range(len(u_hidden)):
        h = 1 / (1 + np.exp(-(x @ W + c)))
        x = (u_visible[t] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_no_gibbs(layers, start, u_hidden, u_visible, u_down):
    x = start
    for number in range(len(layers) - 2, -1, -1):
        W, b, _ = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_one_step(layers, start, u_hidden, u_visible, u_down):
    W, b, c = layers[-1]
    h = (u_hidden[0] < 1 / (1 + np.exp(-(start @ W + c)))).astype(float)
    x = (u_visible[0] < 1 / (1 + np.exp(-(h @ W.T + b)))).astype(float)
    for number in range(len(layers) - 2, -1, -1):
        W, b, c = layers[number]
        x = (u_down[number] < 1 / (1 + np.exp(-(x @ W.T + b)))).astype(float)
    return x


def _sample_run(rng, n, sizes, k, scale=1.5, decimals=None):
    """A network of given layer sizes, x first, where no unit is left to rounding and the slips that fit the shapes show."""
    silent = [_sample_means_passed_down, _sample_means_at_the_top, _sample_no_gibbs] + [_sample_one_step] * (
        k > 1
    )
    if len(sizes) == 2:
        silent.remove(_sample_means_passed_down)  # nothing is passed down
    if min(sizes) == max(sizes):
        silent += [_sample_from_top_hidden] + [_sample_upside_down, _sample_bottom_alone] * (len(sizes) > 2)
    while True:
        layers = [random_machine(rng, D, H, scale) for D, H in itertools.pairwise(sizes)]
        top, hidden = sizes[-2:]
        start = random_units(rng, n, top)
        uniforms = [
            rng.random((k, n, hidden)),
            rng.random((k, n, top)),
            [rng.random((n, D)) for D in sizes[:-2]],
        ]
        if decimals is not None:
            layers = [tuple(np.round(a, decimals) for a in layer) for layer in layers]
            uniforms = [
                np.round(uniforms[0], 2),
                np.round(uniforms[1], 2),
                [np.round(u, 2) for u in uniforms[2]],
            ]
        args = (layers, start, *uniforms)
        x, margin = _sampled(*args)
        if margin > MARGIN and not any(np.array_equal(slip(*args), x) for slip in silent):
            return args


def _sample_edges(rng):
    layers, *rest, down = _sample_run(rng, 8, (5, 4, 3), 3)
    single = (
        [single_precision(*layer) for layer in layers],
        *single_precision(*rest),
        [u.astype(np.float32) for u in down],
    )
    return [
        Instance(_sample_run(rng, 1, (30, 8, 6), 3), "one sample alone"),
        Instance(_sample_run(rng, 12, (4, 3, 1), 2), "one unit at the top"),
        Instance(_sample_run(rng, 10, (5, 4, 3), 3, scale=20.0), "strong weights, which make units certain"),
        Instance(single, "in single precision"),
    ]


def _sample_visible():
    rng = np.random.default_rng(8)
    return [
        Instance(_sample_run(rng, 4, (3, 2), 1, decimals=1), "one layer: the machine alone"),
        Instance(_sample_run(rng, 4, (3, 2, 3), 2, decimals=1), "two layers"),
        Instance(_sample_run(rng, 4, (3, 2, 2, 1), 2, decimals=1), "three layers"),
        Instance(_sample_run(rng, 4, (2, 2, 2), 2, decimals=1), "layers of one size"),
    ]


SAMPLE = Exercise(
    assignment="dbn",
    function="sample",
    reference=_reference_sample,
    visible=(
        Instance(([(np.zeros((2, 1)), np.zeros(2), np.zeros(1)), (np.zeros((1, 3)), np.zeros(1), np.zeros(3))], np.array([[1.0]]),
                  np.array([[[0.2, 0.6, 0.7]]]), np.array([[[0.4]]]), [np.array([[0.3, 0.8]])]), "two layers without weights and biases"),
        *_sample_visible(),
    ),
    properties=(
        Property("two layers", "two layers", 0.35,
                 lambda rng: [Instance(_sample_run(rng, 12, (6, 4, 5), 3)), Instance(_sample_run(rng, 10, (4, 6, 3), 2)),
                              Instance(_sample_run(rng, 10, (4, 4, 4), 4))]),
        Property("three layers", "three layers", 0.25,
                 lambda rng: [Instance(_sample_run(rng, 12, (7, 5, 4, 3), 2)), Instance(_sample_run(rng, 10, (4, 5, 6, 7), 3)),
                              Instance(_sample_run(rng, 10, (5, 5, 5, 3), 2), "two layers of one size below the top")]),
        Property("one layer", "a machine alone", 0.15,
                 lambda rng: [Instance(_sample_run(rng, 10, (6, 4), 3), "one layer"),
                              Instance(_sample_run(rng, 10, (4, 5), 2), "one layer")]),
        Property("edges", "one sample, one unit at the top, strong weights, single precision, and the arguments left as they were", 0.25,
                 _sample_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("the stack is upside down", _sample_upside_down,
                      "The bottom machine was taken for the top: on layers of different sizes the shapes don't fit. The list begins at x.",
                      "dbn.html#sampling"),
        Misconception("sampling in the bottom machine", _sample_bottom_alone,
                      "The result comes from the bottom machine taken by itself. What does a deep belief network put in place of that "
                      "machine's own distribution of hidden units?", "dbn.html#sampling"),
        Misconception("the pass starts at the top's hidden units", _sample_from_top_hidden,
                      "The layer below was fed with the top machine's hidden units. Which of the top's layers do the two share?",
                      "dbn.html#sampling"),
        Misconception("the sign of the exponent", _sample_sign,
                      "Units that their neighbours excite came out silent. Flipped both ways, the chain samples states of high energy.",
                      "dbn.html#sampling"),
        Misconception("the comparison is reversed", _sample_comparison,
                      "Units were 1 where the uniform number is above the probability: likely units are mostly off.", "dbn.html#sampling"),
        Misconception("probabilities are returned", _sample_means_returned,
                      "The entries lie between 0 and 1. They make smooth pictures, but a draw of x is asked for.", "dbn.html#sampling"),
        Misconception("means are passed down", _sample_means_passed_down,
                      "A layer was computed from the probabilities of the one above instead of from its units: an expectation moved "
                      "inside a nonlinear function.", "dbn.html#sampling"),
        Misconception("hidden units of the top are not sampled", _sample_means_at_the_top,
                      "The chain at the top passed hidden means back. Such a chain has another stationary distribution.",
                      "dbn.html#sampling"),
        Misconception("no steps at the top", _sample_no_gibbs,
                      "The result doesn't depend on the top machine: the pass started at what was only the chain's start.",
                      "dbn.html#sampling"),
        Misconception("a single step at the top", _sample_one_step,
                      "The chain at the top took only its first step. One step forgets little of the start.", "dbn.html#sampling"),
    ),
    section="dbn.html#sampling",
    rtol=0.0, atol=1e-6,
    tolerance_reason="units are 0 or 1, and no uniform number is within 1e-4 of a probability, so no rounding flips one",
)  # fmt: skip
