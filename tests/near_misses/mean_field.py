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


NEAR_MISSES = {
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
