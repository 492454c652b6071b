"""Wrong answers that are right on most examples, with the property that each must lose."""

import numpy as np


def free_energy_linear_above_five(v, W, b, c):
    field = v @ W + c
    return -(v @ b) - np.where(field > 5, field, np.log1p(np.exp(np.minimum(field, 5)))).sum(axis=1)


NEAR_MISSES = {"free_energy": [(free_energy_linear_above_five, "ordinary")]}
