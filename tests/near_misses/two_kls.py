"""Wrong answers that are right on most examples, with the property that each must lose."""

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
    z = np.linspace(-7, 7, 225)
    g = np.exp(-(z**2) / 2) / np.sum(np.exp(-(z**2) / 2))
    found = []
    for k in np.abs(starts[:, :1] - means).argmin(axis=1):
        m, s = means[k], sigmas[k]
        for _ in range(200):
            u = ((m + s * z)[:, None] - means) / sigmas
            logs = np.log(weights) - np.log(sigmas) - u**2 / 2
            r = np.exp(logs - logs.max(axis=1, keepdims=True))
            slope = -np.sum(r * u / sigmas, axis=1) / np.sum(r, axis=1)
            m, s = m + 0.3 * s**2 * np.sum(g * slope), s * np.exp(0.15 * (1 + s * np.sum(g * z * slope)))
        found.append([m, s])
    return np.array(found)


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
