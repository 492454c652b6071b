"""Wrong answers that are right on most examples, with the property that each must lose."""

import functools

import numpy as np

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


NEAR_MISSES = {
    "kl_gaussian": [(gaussian_pseudo_inverse, "edges")],
    "reverse_kl_factorized": [
        (factorized_pseudo_inverse(1e-3), "strong"),
        (factorized_pseudo_inverse(1e-6), "scales"),
    ],
    "moment_match": [(match_squeezed, "edges"), (match_number_in_one_dimension, "edges")],
    "kl_grid": [(grid_with_floor, "far")],
    "fit_reverse_kl": [(fit_from_the_nearest_component, "several optima")],
}
