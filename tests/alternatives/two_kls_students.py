"""More right solutions, written from the notebook's statements alone, as different students would write them."""

import math

import numpy as np
from scipy import integrate, linalg, optimize, special, stats


def gaussian_generalised_eigenvalues(m0, S0, m1, S1):
    """Both covariances diagonal at once."""
    values, vectors = linalg.eigh(S0, S1)
    step = vectors.T @ (m1 - m0)
    return 0.5 * np.sum(values - 1 - np.log(values) + step**2)


def gaussian_inverse(m0, S0, m1, S1):
    """In the arithmetic of the input."""
    P = np.linalg.inv(S1)
    d = m1 - m0
    log_ratio = np.linalg.slogdet(S1)[1] - np.linalg.slogdet(S0)[1]
    return (np.sum(P * S0) + d @ P @ d - d.size + log_ratio) / 2


def gaussian_ratio_of_determinants(m0, S0, m1, S1):
    """The determinant of the product is an ordinary number, though neither factor's is."""
    A = np.linalg.solve(S1, S0)
    d = np.atleast_2d(m1 - m0)
    return (0.5 * (np.trace(A) - np.log(np.linalg.det(A)) - len(A) + d @ np.linalg.inv(S1) @ d.T))[0, 0]


def gaussian_coordinate_by_coordinate(m0, S0, m1, S1):
    """Chain rule: each coordinate given those before, whose conditional means are linear."""
    L0, L1 = np.linalg.cholesky(S0), np.linalg.cholesky(S1)
    A, shift = linalg.solve_triangular(L1, L0, lower=True), linalg.solve_triangular(L1, m1 - m0, lower=True)
    total = 0.0
    for i in range(len(m0)):
        ratio = L0[i, i] / L1[i, i]
        total += 0.5 * (ratio**2 - 1) - math.log(ratio) + 0.5 * (shift[i] ** 2 + np.sum(A[i, :i] ** 2))
    return total


def factorized_conditional(S):
    """Schur complement: what is left of a coordinate's variance when the others are known."""
    result = []
    for i in range(S.shape[0]):
        rest = np.delete(np.arange(len(S)), i)
        cross = S[i, rest]
        explained = cross @ np.linalg.solve(S[np.ix_(rest, rest)], cross) if len(rest) else 0.0
        result.append(S[i, i] - explained)
    return np.array(result)


def factorized_determinants(S):
    whole = np.linalg.det(S)
    minors = [np.delete(np.delete(S, i, 0), i, 1) for i in range(len(S))]
    return [whole / np.linalg.det(M) if M.size else S[0, 0] for M in minors]


def factorized_eigen(S):
    values, vectors = np.linalg.eigh(S)
    return 1 / (vectors**2 @ (1 / values))


def factorized_cholesky(S):
    """In the arithmetic of the input."""
    root = np.linalg.inv(np.linalg.cholesky(S))
    return 1 / (root**2).sum(axis=0)


def match_centred_at_the_first(weights, means, covariances):
    steps = means - means[0]
    step = np.average(steps, axis=0, weights=weights)
    second = np.einsum("k,ki,kj->ij", weights, steps, steps) - np.outer(step, step)
    return means[0] + step, second + np.average(covariances, axis=0, weights=weights)


def match_by_merging(weights, means, covariances):
    """Two components become one, then that one and the next."""
    w, m, S = weights[0], means[0], covariances[0]
    for v, n, T in zip(weights[1:], means[1:], covariances[1:], strict=True):
        a, b = w / (w + v), v / (w + v)
        S = a * S + b * T + a * b * np.outer(n - m, n - m)
        w, m = w + v, a * m + b * n
    return m, S


def match_numpy_cov(weights, means, covariances):
    between = np.cov(means, rowvar=False, aweights=weights, ddof=0)
    within = sum(w * S for w, S in zip(weights, covariances, strict=True))
    return [np.average(means, axis=0, weights=weights), within + between]


def match_entry_by_entry(weights, means, covariances):
    K, d = means.shape
    mean = [sum(weights[k] * means[k, i] for k in range(K)) for i in range(d)]
    table = np.empty((d, d), order="F")
    for i in range(d):
        for j in range(d):
            table[i, j] = sum(
                weights[k] * (covariances[k, i, j] + (means[k, i] - mean[i]) * (means[k, j] - mean[j]))
                for k in range(K)
            )
    return mean, table


def grid_nansum(log_q, log_p, dx):
    return np.nansum(np.exp(log_q) * (log_q - log_p)) * dx


def grid_masked(log_q, log_p, dx):
    q = np.ma.masked_equal(np.exp(log_q), 0)
    return float((q * (log_q - log_p)).sum() * dx)


def grid_entropies(log_q, log_p, dx):
    q = np.exp(log_q).ravel()
    inside = np.flatnonzero(q)
    crossed = np.dot(q[inside], log_p.ravel()[inside])
    return -dx * crossed - dx * special.entr(q).sum()


def grid_recursive(log_q, log_p, dx):
    if np.ndim(log_q) > 0:
        return sum(grid_recursive(a, b, dx) for a, b in zip(log_q, log_p, strict=True))
    return 0 if log_q == -np.inf else math.exp(log_q) * (float(log_q) - float(log_p)) * dx


def _log_mixture(x, weights, means, sigmas):
    return special.logsumexp(stats.norm.logpdf(x[..., None], means, sigmas), axis=-1, b=weights)


def _divergence(m, s, mixture, z, w):
    return -math.log(s) - np.sum(w * _log_mixture(m + s * z, *mixture))


def _equal_steps():
    z = np.linspace(-7, 7, 201)
    w = stats.norm.pdf(z)
    return z, w / w.sum()


def fit_nelder_mead(weights, means, sigmas, starts):
    z, w = _equal_steps()
    rows = []
    for m, s in starts.astype(float):

        def loss(y, m=m, s=s):
            return _divergence(m + s * y[0], s * math.exp(y[1]), (weights, means, sigmas), z, w)

        found = optimize.minimize(
            loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-12}
        )
        rows.append([m + s * found.x[0], s * math.exp(found.x[1])])
    return rows


def fit_quasi_newton_in_raw_units(weights, means, sigmas, starts):
    """Mean and deviation themselves, with a bound for the deviation."""
    z, w = _equal_steps()
    rows = np.empty((len(starts), 2))
    for k, (m, s) in enumerate(starts):

        def loss(y):
            return _divergence(y[0], y[1], (weights, means, sigmas), z, w)

        options = {"ftol": 1e-13, "gtol": 1e-7}
        rows[k] = optimize.minimize(
            loss, [m, s], method="L-BFGS-B", bounds=[(None, None), (1e-3, None)], options=options
        ).x
    return rows


def fit_adam(weights, means, sigmas, starts):
    z, w = _equal_steps()
    m, log_s = starts[:, 0].astype(float), np.log(starts[:, 1].astype(float))
    first, second = np.zeros((2, len(starts))), np.zeros((2, len(starts)))
    for step in range(1, 701):
        s = np.exp(log_s)
        x = m[:, None] + s[:, None] * z
        logs = np.log(weights / sigmas) - 0.5 * ((x[..., None] - means) / sigmas) ** 2
        slope = np.sum(special.softmax(logs, axis=-1) * (means - x[..., None]) / sigmas**2, axis=-1)
        g = -np.array([s * (slope @ w), 1 + s * ((slope * z) @ w)])
        first, second = 0.8 * first + 0.2 * g, 0.95 * second + 0.05 * g**2
        rate = 0.03 / (1 + step / 40)
        move = rate * (first / (1 - 0.8**step)) / (np.sqrt(second / (1 - 0.95**step)) + 1e-8)
        m, log_s = m - s * move[0], log_s - move[1]
    return np.column_stack([m, np.exp(log_s)])


def fit_hermite(weights, means, sigmas, starts):
    """Gauss-Hermite nodes, and plain descent in steps of q's own size."""
    t, w = np.polynomial.hermite.hermgauss(48)
    z, w = np.sqrt(2) * t, w / np.sqrt(np.pi)
    rows = []
    for m, s in starts:
        for _ in range(400):
            x = (m + s * z)[:, None]
            logs = np.log(weights) - np.log(sigmas) - (x - means) ** 2 / (2 * sigmas**2)
            shares = np.exp(logs - special.logsumexp(logs, axis=1, keepdims=True))
            slope = (shares * (means - x) / sigmas**2).sum(axis=1)
            m, s = m + 0.2 * s**2 * (w @ slope), s * np.exp(0.1 * (1 + s * (w @ (z * slope))))
        rows.append([m, s])
    return np.array(rows)


def fit_simpson(weights, means, sigmas, starts):
    """One fine grid for all of the line."""
    x = np.linspace((means - 9 * sigmas).min() - 3, (means + 9 * sigmas).max() + 3, 6001)
    log_p = _log_mixture(x, *(a.astype(float) for a in (weights, means, sigmas)))
    slope = np.gradient(log_p, x)
    rows = []
    for m, s in starts.astype(float):
        for _ in range(150):
            q = stats.norm.pdf(x, m, s)
            along_m = integrate.simpson(q * slope, x=x)
            along_s = integrate.simpson(q * slope * (x - m) / s, x=x)
            m, s = m + 0.3 * s**2 * along_m, s * math.exp(0.15 * (1 + s * along_s))
        rows.append([m, s])
    return np.array(rows)


SOLUTIONS = {
    "kl_gaussian": [
        gaussian_generalised_eigenvalues,
        gaussian_inverse,
        gaussian_ratio_of_determinants,
        gaussian_coordinate_by_coordinate,
    ],
    "reverse_kl_factorized": [
        factorized_conditional,
        factorized_determinants,
        factorized_eigen,
        factorized_cholesky,
    ],
    "moment_match": [
        match_centred_at_the_first,
        match_by_merging,
        match_numpy_cov,
        match_entry_by_entry,
    ],
    "kl_grid": [grid_nansum, grid_masked, grid_entropies, grid_recursive],
    "fit_reverse_kl": [
        fit_nelder_mead,
        fit_quasi_newton_in_raw_units,
        fit_adam,
        fit_hermite,
        fit_simpson,
    ],
}
