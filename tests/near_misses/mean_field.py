"""Wrong answers that are right on most examples, with the property that each must lose."""

import numpy as np


def _expected(table, qs, i):
    """Expectation over all factors but the i-th."""
    table = np.moveaxis(table, i, 0)
    for q in reversed([q for j, q in enumerate(qs) if j != i]):
        table = np.where(q > 0, table, 0) @ q
    return table


def _normalised(weights):
    return weights / weights.sum()


def update_with_floor(log_p, qs, i):
    field = _expected(np.maximum(log_p, -1e4), qs, i)
    return _normalised(np.exp(field - field.max()))


def update_shifted_by(statistic):
    def update(log_p, qs, i):
        field = _expected(log_p, qs, i)
        return _normalised(np.exp(field - statistic(field[np.isfinite(field)])))

    return update


def update_shifts_the_table(log_p, qs, i):
    return _normalised(np.exp(_expected(log_p - log_p.max(), qs, i)))


def update_skips_small(log_p, qs, i):
    field = _expected(log_p, [_normalised(np.where(q > 0.01, q, 0)) for q in qs], i)
    return _normalised(np.exp(field - field.max()))


def _updated(m, image, J, sigma):
    p = np.pad(m, 1)
    return np.tanh(image / sigma**2 + J * (p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]))


def denoise_sweeps(number):
    def denoise(image, J, sigma):
        m = np.zeros(image.shape)
        for _ in range(number):
            m = _updated(m, image, J, sigma)
        return m

    return denoise


def denoise_until(settled):
    def denoise(image, J, sigma):
        m, new = np.zeros(image.shape), np.tanh(image / sigma**2)
        while not settled(m, new):
            m, new = new, _updated(new, image, J, sigma)
        return new

    return denoise


def _entropy(m, least=0.0):
    p = np.stack([1 + m, 1 - m]) / 2
    p = p[p > least]
    return -np.sum(p * np.log(p))


def energy_without_fair_spins(J, h, m):
    on = m != 0
    J, h, m = J[np.ix_(on, on)], h[on], m[on]
    return -0.5 * m @ J @ m - 0.5 * np.sum(np.diag(J) * (1 - m**2)) - h @ m


def bound_skips_small(J, h, m):
    return _entropy(m, 1e-3) + 0.5 * m @ J @ m + h @ m


def bound_takes_close_for_certain(J, h, m):
    return _entropy(m[~np.isclose(np.abs(m), 1)]) + 0.5 * m @ J @ m + h @ m


def bound_of_distinct_means(J, h, m):
    return _entropy(np.unique(m)) + 0.5 * m @ J @ m + h @ m


def ascent(tolerance, least=0.0):
    """Stops when settled, and fills the rest of the trace with the last bound; probabilities up to `least` don't count."""

    def coordinate_ascent(J, h, m0, num_sweeps):
        m, trace = np.array(m0, dtype=float), []
        while len(trace) < num_sweeps:
            old = m.copy()
            for i in range(len(m)):
                m[i] = np.tanh(h[i] + J[i] @ m)
            trace.append(_entropy(m, least) + 0.5 * m @ J @ m + h @ m)
            if np.abs(m - old).max() < tolerance:
                trace += [trace[-1]] * (num_sweeps - len(trace))
        return m, np.array(trace)

    return coordinate_ascent


NEAR_MISSES = {
    "mean_field_energy": [(energy_without_fair_spins, "diagonal")],
    "log_partition_bound": [
        (bound_skips_small, "certain"),
        (bound_takes_close_for_certain, "certain"),
        (bound_of_distinct_means, "ordinary"),
    ],
    "coordinate_ascent": [
        (ascent(1e-6), "sweeps"),
        (ascent(1e-4), "sweeps"),
        (ascent(0.0, 1e-3), "saturated"),
    ],
    "coordinate_update": [
        (update_with_floor, "impossible"),
        (update_shifted_by(np.mean), "extreme"),
        (update_shifted_by(np.min), "extreme"),
        (update_shifts_the_table, "extreme"),
        (update_skips_small, "ordinary"),
    ],
    "denoise": [
        *((denoise_sweeps(number), "ordinary") for number in (10, 15, 20)),
        (denoise_until(lambda m, new: np.abs(new - m).max() < 1e-3), "ordinary"),
        (denoise_until(lambda m, new: abs(new.mean() - m.mean()) < 1e-5), "ordinary"),
    ],
}
