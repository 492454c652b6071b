"""Checks of `quickscore`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import gibbs_principle


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
