"""Checks of `fit_reverse_kl`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from autograder.exercises.precision import single_precision
from lectures_lib import two_kls


def _reference_fit(weights, means, sigmas, starts):
    weights, means, sigmas, starts = (np.asarray(a, dtype=float) for a in (weights, means, sigmas, starts))
    mixture = (weights / weights.sum(), means[:, None], (sigmas**2)[:, None, None])
    rows = []
    for mean, sigma in starts:
        (fit,) = two_kls.fit_reverse_kl(lambda x: two_kls.log_mixture(x, *mixture), [[mean]], scale=sigma)
        rows.append([fit.mean[0], np.sqrt(fit.covariance[0, 0])])
    return np.array(rows)


def _fit_first_start(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    m, s = starts[0]
    for _ in range(150):
        u = ((m + s * z)[:, None] - means) / sigmas
        logs = np.log(weights) - np.log(sigmas) - u**2 / 2
        r = np.exp(logs - logs.max(axis=1, keepdims=True))
        slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
        m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
    return np.tile([m, s], (len(starts), 1))


def _fit_averaged(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
        found.append([m, s])
    return np.tile(np.mean(found, axis=0), (len(starts), 1))


def _fit_forward(weights, means, sigmas, starts):
    m = weights @ means
    s = np.sqrt(weights @ (sigmas**2 + (means - m) ** 2))
    return np.tile([m, s], (len(starts), 1))


def _fit_steps_in_sigma(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s + 0.15 * (1 / s + np.sum(g * z * slope))
        found.append([m, s])
    return np.array(found)


def _fit_no_entropy(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * s * np.sum(g * z * slope))
        found.append([m, s])
    return np.array(found)


def _fit_variance(weights, means, sigmas, starts):
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for m, s in starts:
        for _ in range(150):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
        found.append([m, s**2])
    return np.array(found)


def _fit_nearest_component(weights, means, sigmas, starts):
    nearest = np.argmin(np.abs(starts[:, :1] - means), axis=1)
    return np.stack([means[nearest], sigmas[nearest]], axis=1)


def _fit_laplace(weights, means, sigmas, starts):
    found = []
    for m, _ in starts:
        for _ in range(300):
            logs = np.log(weights) - np.log(sigmas) - ((m - means) / sigmas) ** 2 / 2
            r = np.exp(logs - logs.max()) / np.sum(np.exp(logs - logs.max()))
            m = np.sum(r * means / sigmas**2) / np.sum(r / sigmas**2)
        slopes = (means - m) / sigmas**2
        curvature = np.sum(r * (slopes**2 - 1 / sigmas**2)) - np.sum(r * slopes) ** 2
        found.append([m, 1 / np.sqrt(-curvature)])
    return np.array(found)


def _fit_logs_of_components(weights, means, sigmas, starts):
    precision = np.sum(weights / sigmas**2)
    m = np.sum(weights * means / sigmas**2) / precision
    return np.tile([m, 1 / np.sqrt(precision)], (len(starts), 1))


def _firmness(weights, means, sigmas, m, s):
    """Least curvature of KL(q || p) in the coordinates m / s and log s; that of a single Gaussian component at itself is 1."""
    z = np.linspace(-8, 8, 321)
    g = np.exp(-0.5 * z**2) / np.sum(np.exp(-0.5 * z**2))
    log_p = np.logaddexp.reduce(
        np.log(weights / sigmas) - 0.5 * (((m + s * z)[:, None] - means) / sigmas) ** 2, axis=1
    )
    # Derivatives of a Gaussian expectation are expectations with Hermite polynomials.
    mm, ms, ss = (-np.sum(g * h * log_p) for h in (z**2 - 1, z**3 - 3 * z, z**4 - 4 * z**2 + 1))
    return np.linalg.eigvalsh([[mm, ms], [ms, ss]])[0]


def _firm(weights, means, sigmas, starts, far):
    """Whether the optima are held firmly; if `far`, the starts too, each of which leads to an optimum close by."""
    args = weights, means, sigmas
    found = _reference_fit(*args, starts)
    near = np.abs(found - starts).max(axis=1) < 0.5 * sigmas.min()
    held = [_firmness(*args, *row) > 0.6 for row in (np.vstack([found, starts]) if far else found)]
    return all(held) and (near.all() or not far)


def _close_components(rng, scale=1.0):
    """Two components that overlap so much that the KL has one minimum, whatever the start."""
    while True:
        sigmas = rng.uniform(0.8, 1.1, 2)
        means = rng.uniform(-3, 3) + np.array([0.0, rng.choice([-1, 1]) * rng.uniform(2.3, 2.8)])
        weight = rng.uniform(0.6, 0.75)
        starts = np.stack([means.mean() + np.array([-1.5, 1.5]), rng.uniform(0.7, 1.5, 2)], axis=1)
        instance = np.array([weight, 1 - weight]), scale * means, scale * sigmas, scale * starts
        if _firm(*instance, far=False):
            return instance


def _narrow(rng):
    """Narrow components whose moments the tolerance tells from the optimum."""
    while True:
        instance = _close_components(rng, 0.12)
        if np.abs(_fit_forward(*instance) - _reference_fit(*instance)).max() > 0.01:
            return instance


def _apart(rng, K):
    """Components about six deviations apart, and a start near each: q stays there, but leans to its neighbours a little.

    The starts are given in order of rising weight, so the first doesn't lead to the best optimum.
    """
    while True:
        sigmas = rng.uniform(0.93, 1.07, K)
        means = rng.uniform(-4, 4) + np.cumsum(rng.uniform(5.8, 6.1, K))
        weights = np.sort(rng.uniform(0.85, 1.15, K)) + 0.1 * np.arange(K)
        means = rng.permutation(means)
        starts = np.stack(
            [means + sigmas * rng.uniform(-0.3, 0.3, K), sigmas * rng.uniform(0.8, 1.25, K)], axis=1
        )
        instance = weights / weights.sum(), means, sigmas, starts
        if _firm(*instance, far=True):
            return instance


def _across(rng):
    """A start that is nearer to a narrow component, and well inside the basin of a wide one; and a start in the narrow one."""
    narrow, wide, gap = rng.uniform(0.45, 0.55), rng.uniform(1.6, 1.8), rng.uniform(8.6, 9.2)
    weight = rng.uniform(0.45, 0.55)
    starts = np.array(
        [
            [rng.uniform(0.48, 0.49) * gap, rng.uniform(0.8, 1.0)],
            [rng.uniform(-0.1, 0.1), narrow * rng.uniform(0.9, 1.1)],
        ]
    )
    direction, shift = rng.choice([-1, 1]), rng.uniform(-2, 2)
    starts[:, 0] = direction * starts[:, 0] + shift
    means = direction * np.array([0.0, gap]) + shift
    return np.array([1 - weight, weight]), means, np.array([narrow, wide]), starts


def _fit_edges(rng):
    start = np.array([[0.0, 1.0]])
    weights, means, sigmas, starts = _apart(rng, 2)
    return [
        Instance((np.ones(1), rng.uniform(1, 2, 1), rng.uniform(0.5, 2, 1), start), "one component"),
        Instance((weights, means, sigmas, starts[1:]), "one start"),
        Instance(single_precision(*_close_components(rng)), "in single precision"),
    ]


FIT_SECTION = "two_kls.html#reverse-kl-fit"

FIT = Exercise(
    assignment="two_kls",
    function="fit_reverse_kl",
    reference=_reference_fit,
    visible=(
        Instance((np.array([1.0]), np.array([1.5]), np.array([0.8]), np.array([[0.0, 1.0]])), "one component"),
        Instance((np.array([0.7, 0.3]), np.array([0.0, 2.5]), np.array([1.0, 0.8]), np.array([[-1.0, 1.0], [3.0, 1.0]])),
                 "components that overlap"),
        Instance((np.array([0.45, 0.55]), np.array([-2.0, 2.1]), np.array([0.7, 0.7]), np.array([[2.2, 0.8], [-2.2, 0.6]])),
                 "components far apart"),
        Instance((np.array([0.45, 0.55]), np.array([-0.2, 0.1]), np.array([0.05, 0.05]), np.array([[-0.21, 0.06], [0.11, 0.04]])),
                 "narrow components"),
        Instance((np.array([0.5, 0.5]), np.array([0.0, 9.0]), np.array([0.5, 1.7]), np.array([[4.3, 0.9], [0.1, 0.5]])),
                 "a start nearer to the narrow component, in the basin of the wide one"),
    ),
    properties=(
        Property("one optimum", "components that overlap, where there is one optimum", 0.3,
                 lambda rng: [Instance(_close_components(rng), "components that overlap") for _ in range(3)]),
        Property("several optima", "components far apart, where each start leads to the optimum of its own basin", 0.4,
                 lambda rng: [*(Instance(_apart(rng, K), "components far apart") for K in (2, 2, 3)),
                              Instance(_across(rng), "a start nearer to a narrow component, in the basin of a wide one")]),
        Property("narrow", "narrow components", 0.15,
                 lambda rng: [Instance(_narrow(rng), "narrow components"),
                              Instance(_close_components(rng, 0.065), "narrow components")],
                 hint="Right for deviations near 1. How long is a step, and how large a tolerance, where everything is "
                      "twenty times smaller?"),
        Property("edges", "one component, one start, single precision, and the arguments left as they were", 0.15,
                 _fit_edges, unmodified=True),
    ),
    misconceptions=(
        Misconception("one start for all", _fit_first_start,
                      "Every row holds the same optimum, though the starts lie near different ones.", FIT_SECTION),
        Misconception("the local optima are averaged", _fit_averaged,
                      "The rows hold a Gaussian between the modes, where p is small. The average of two good answers need not be one.",
                      FIT_SECTION),
        Misconception("the forward KL is minimised", _fit_forward,
                      "The result covers all components wherever it starts: it has the mixture's own mean and deviation. Under which "
                      "density is the expectation of the KL taken?", FIT_SECTION),
        Misconception("descent in sigma itself", _fit_steps_in_sigma,
                      "All is well for deviations near 1, but for narrow components the steps of sigma jump across 0. In which variable "
                      "can a step never do so?", FIT_SECTION),
        Misconception("the entropy of q is left out", _fit_no_entropy,
                      "The deviation shrinks towards 0: nothing rewards q for spreading out.", FIT_SECTION),
        Misconception("the variance is returned", _fit_variance,
                      "The means are right and the second column is in the units of x squared.", FIT_SECTION),
        Misconception("the nearest component is returned", _fit_nearest_component,
                      "The rows repeat the parameters of the mixture. A neighbour's tail, though small, pulls the optimum a little.",
                      FIT_SECTION),
        Misconception("the curvature at the mode", _fit_laplace,
                      "The rows hold p's mode and its curvature there. The KL averages over all of q, not over its midpoint alone.",
                      FIT_SECTION),
        Misconception("the logarithm inside the mixture's sum", _fit_logs_of_components,
                      "The result is one Gaussian between the components: the logs of the components were averaged. Is the log of a sum "
                      "the sum of the logs?", FIT_SECTION),
    ),
    section=FIT_SECTION,
    rtol=3e-3, atol=3e-3,
    tolerance_reason="any descent followed to its end gives five digits, since no optimum is flat and each start is well inside one "
                     "basin; quadrature with some fifty nodes gives three, and the nearest wrong answer is twice as far off",
)  # fmt: skip
