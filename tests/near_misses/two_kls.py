"""Wrong answers that are right on most examples, with the property that each must lose."""

import functools

import numpy as np

from autograder.exercises.two_kls.fit_reverse_kl import FIT
from lectures_lib import two_kls


def gaussian_pseudo_inverse(m0, S0, m1, S1):
    P, shift = np.linalg.pinv(S1, rcond=1e-6), m1 - m0
    logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return 0.5 * (np.trace(P @ S0) + shift @ P @ shift - len(shift) + logs)


def factorized_pseudo_inverse(tolerance):
    return lambda S: 1 / np.diag(np.linalg.pinv(S, rcond=tolerance))


def match_squeezed(weights, means, covariances):
    return tuple(map(np.squeeze, two_kls.moment_match(weights, means, covariances)))


def match_number_in_one_dimension(weights, means, covariances):
    mean, covariance = two_kls.moment_match(weights, means, covariances)
    return mean, covariance[0, 0] if len(mean) == 1 else covariance


def grid_with_floor(log_q, log_p, dx):
    on = log_q > -np.inf
    if np.isneginf(log_p[on]).any():
        return np.inf
    return np.sum(np.exp(log_q[on]) * (log_q[on] - np.maximum(log_p[on], -1e4))) * dx


def fit_from_the_nearest_component(weights, means, sigmas, starts):
    """The descent begins at the component that is nearest to the start."""
    nearest = np.abs(starts[:, :1] - means).argmin(axis=1)
    mixture = weights, means[:, None], (sigmas**2)[:, None, None]
    rows = []
    for k in nearest:
        log_p = functools.partial(
            two_kls.log_mixture, weights=mixture[0], means=mixture[1], covariances=mixture[2]
        )
        (fit,) = two_kls.fit_reverse_kl(log_p, [[means[k]]], scale=sigmas[k])
        rows.append([fit.mean[0], np.sqrt(fit.covariance[0, 0])])
    return np.array(rows)


def gaussian_zero_if(equal):
    """Takes a shortcut where the Gaussians seem equal."""

    def kl_gaussian(m0, S0, m1, S1):
        if equal(m0, S0, m1, S1):
            return 0.0
        precision, shift = np.linalg.inv(S1), m1 - m0
        logs = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
        return 0.5 * (np.trace(precision @ S0) + shift @ precision @ shift - len(shift) + logs)

    return kl_gaussian


def match_likeliest_component(weights, means, covariances):
    """Leaves the others out if their weight is little."""
    if weights.max() > 0.99:
        weights = (weights == weights.max()).astype(float)
    return two_kls.moment_match(weights, means, covariances)


def grid_skips_small(log_q, log_p, dx):
    on = log_q > np.log(1e-8)
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def grid_of_distinct_cells(log_q, log_p, dx):
    log_q, log_p = np.unique(np.stack([np.ravel(log_q), np.ravel(log_p)]), axis=1)
    on = np.exp(log_q) > 0
    return np.sum(np.exp(log_q[on]) * (log_q[on] - log_p[on])) * dx


def fit_never_below_a_tenth(weights, means, sigmas, starts):
    found = FIT.reference(weights, means, sigmas, starts)
    return np.stack([found[:, 0], np.maximum(found[:, 1], 0.1)], axis=1)


NEAR_MISSES = {
    "kl_gaussian": [
        (gaussian_pseudo_inverse, "edges"),
        (gaussian_zero_if(lambda m0, S0, m1, S1: np.array_equal(m0, m1)), "ordinary"),
        (
            gaussian_zero_if(lambda m0, S0, m1, S1: np.allclose(m0, m1) and np.allclose(S0, S1)),
            "determinants",
        ),
    ],
    "reverse_kl_factorized": [
        (factorized_pseudo_inverse(1e-3), "strong"),
        (factorized_pseudo_inverse(1e-6), "scales"),
    ],
    "moment_match": [
        (match_squeezed, "edges"),
        (match_number_in_one_dimension, "edges"),
        (match_likeliest_component, "ordinary"),
    ],
    "kl_grid": [
        (grid_with_floor, "far"),
        (grid_skips_small, "ordinary"),
        (grid_of_distinct_cells, "ordinary"),
    ],
    "fit_reverse_kl": [
        (fit_from_the_nearest_component, "several optima"),
        (fit_never_below_a_tenth, "narrow"),
    ],
}
