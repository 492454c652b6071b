"""Checks of `denoise`."""

from __future__ import annotations

import numpy as np

from autograder.exercise import Exercise, Instance, Misconception, Property
from lectures_lib import mean_field


def _reference_denoise(image, J, sigma):
    return mean_field.denoise(np.asarray(image, dtype=float), float(J), float(sigma)).mean


def _denoise_wraps(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        around = np.roll(m, 1, 0) + np.roll(m, -1, 0) + np.roll(m, 1, 1) + np.roll(m, -1, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * around)
    return m


def _denoise_sigma_not_squared(image, J, sigma):
    field = image / sigma
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_whole_log_odds(image, J, sigma):
    field = 2 * image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_threshold(image, J, sigma):
    field = image / sigma**2
    m = np.where(field >= 0, 1.0, -1.0)
    for _ in range(50):
        for r in range(m.shape[0]):
            for c in range(m.shape[1]):
                total = field[r, c]
                for a, b in ((r - 1, c), (r + 1, c), (r, c - 1), (r, c + 1)):
                    if 0 <= a < m.shape[0] and 0 <= b < m.shape[1]:
                        total += J * m[a, b]
                m[r, c] = 1.0 if total >= 0 else -1.0
    return m


def _denoise_pairs_twice(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + 2 * J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_half_the_coupling(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(
            field + 0.5 * J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:])
        )
    return m


def _denoise_edges_repeated(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1, mode="edge")
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_eight_neighbours(image, J, sigma):
    field = image / sigma**2
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        rows = p[:-2] + p[1:-1] + p[2:]
        m = 0.5 * m + 0.5 * np.tanh(field + J * (rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:] - m))
    return m


def _denoise_half_of_the_field(image, J, sigma):
    field = image / (2 * sigma**2)
    m = np.tanh(field)
    for _ in range(200):
        p = np.pad(m, 1)
        m = 0.5 * m + 0.5 * np.tanh(field + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))
    return m


def _denoise_one_sweep(image, J, sigma):
    m = np.tanh(image / sigma**2)
    p = np.pad(m, 1)
    return np.tanh(image / sigma**2 + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))


def _denoise_no_prior(image, J, sigma):
    return np.tanh(image / sigma**2)


def _noisy(rng, rows, columns, coupling, sigma):
    r, c = np.mgrid[:rows, :columns]
    clean = np.where(
        (r - rows * rng.uniform(0.2, 0.8)) * rng.choice([-1, 1]) + rng.uniform(-1, 1) * c > 0, 1.0, -1.0
    )
    return clean + sigma * rng.normal(size=clean.shape), coupling, sigma


def _faint(rng, rows, columns, mirrored=False):
    """Faint data under the strongest coupling, where the updates take longest; if mirrored, the means cancel in every sweep."""
    if mirrored:
        half = rng.uniform(0.02, 0.08, (rows, columns // 2))
        image = np.hstack([half, -half[::-1, ::-1]])
    else:
        image = rng.choice([-1, 1]) * rng.uniform(0.04, 0.06, (rows, columns))
    return Instance((image, 0.22, 2.0), "faint pixels")


DENOISE = Exercise(
    assignment="mean_field",
    function="denoise",
    reference=_reference_denoise,
    visible=(
        Instance((np.array([[0.5]]), 0.2, 2.0), "one pixel"),
        Instance((np.array([[1.0, -0.5, 1.0]]), 0.2, 1.5), "one row"),
        Instance((np.array([[1.0, 1.2, 0.9], [0.8, -0.3, 1.1], [1.3, 0.7, 1.0]]), 0.2, 1.25)),
        Instance((np.full((8, 12), 0.05), 0.22, 2.0), "faint pixels, which take many sweeps"),
    ),
    properties=(
        Property("ordinary", "images higher than wide or wider than high, faint ones among them", 0.6,
                 lambda rng: [Instance(_noisy(rng, 6, 9, rng.uniform(0.15, 0.22), rng.uniform(1.2, 1.7))),
                              Instance(_noisy(rng, 11, 5, rng.uniform(0.15, 0.22), rng.uniform(1.2, 1.7))),
                              _faint(rng, 8, 12), _faint(rng, 12, 10), _faint(rng, 6, 8, mirrored=True)]),
        Property("quiet", "little noise, where most pixels are nearly certain", 0.15,
                 lambda rng: [Instance(_noisy(rng, 7, 5, 0.2, 0.7), "little noise")]),
        Property("edges", "single rows and columns, no coupling, and the arguments left as they were", 0.25,
                 lambda rng: [Instance(_noisy(rng, 1, 7, 0.2, 1.5), "one row"),
                              Instance(_noisy(rng, 6, 1, 0.18, 1.3), "one column"),
                              Instance(_noisy(rng, 4, 5, 0.0, 1.5), "no coupling"),
                              Instance(_noisy(rng, 5, 4, 0.2, 1.5)),
                              Instance(_noisy(rng, 5, 5, 0.2, 1.5), "as high as wide")],
                 unmodified=True),
    ),
    misconceptions=(
        Misconception("edges wrap around", _denoise_wraps,
                      "Pixels at the edge are pulled by the opposite edge. An image doesn't continue there.",
                      "mean_field.html#denoising"),
        Misconception("sigma instead of its square", _denoise_sigma_not_squared,
                      "The data weigh too little or too much, unless sigma is 1. How does a Gaussian's log density depend on sigma?",
                      "mean_field.html#denoising"),
        Misconception("the whole log-odds as field", _denoise_whole_log_odds,
                      "The data count double. A field h has log-odds of 2h between the states +1 and -1.",
                      "mean_field.html#denoising"),
        Misconception("thresholded in every sweep", _denoise_threshold,
                      "All pixels came out as -1 or +1: uncertainty was thrown away in each sweep (iterated conditional modes).",
                      "mean_field.html#denoising"),
        Misconception("each pair is counted twice", _denoise_pairs_twice,
                      "Neighbours pull twice too strongly. The prior has one J for each pair: how much of it does one pixel feel?",
                      "mean_field.html#denoising"),
        Misconception("half of the coupling", _denoise_half_the_coupling,
                      "Neighbours pull half as strongly as they should. The half of the energy meets every pair twice.",
                      "mean_field.html#denoising"),
        Misconception("half of the field", _denoise_half_of_the_field,
                      "The data weigh half as much as they should. Write out (y - 1)^2 and (y + 1)^2: what is their difference?",
                      "mean_field.html#denoising"),
        Misconception("edges are repeated", _denoise_edges_repeated,
                      "Pixels at the edge are pulled by copies of themselves. Where the image ends there are fewer neighbours.",
                      "mean_field.html#denoising"),
        Misconception("eight neighbours", _denoise_eight_neighbours,
                      "Pixels that touch at a corner pulled at each other. Which neighbours does the prior couple?",
                      "mean_field.html#denoising"),
        Misconception("a single sweep", _denoise_one_sweep,
                      "Each pixel has heard of its nearest neighbours and of nothing beyond: the means still change from sweep to sweep.",
                      "mean_field.html#denoising"),
        Misconception("the prior is left out", _denoise_no_prior,
                      "Each pixel was treated by itself; its neighbours had no say.", "mean_field.html#denoising"),
    ),
    section="mean_field.html#denoising",
    rtol=0.0, atol=1e-3,
    tolerance_reason="the statement asks for means that change by less than 1e-5 in a sweep; with couplings below 0.22 the map "
                     "contracts by 0.88, so such a stop is within 1e-4 of the one fixed point, and any order of updates reaches it",
)  # fmt: skip
