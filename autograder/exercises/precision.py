"""Arguments in single and in double precision, for the exercises of all assignments."""

from __future__ import annotations

import numpy as np


def single_precision(*arrays: np.ndarray) -> tuple[np.ndarray, ...]:
    """The arrays in float32, for an instance."""
    return tuple(a.astype(np.float32) for a in arrays)


def doubles(*arrays: np.ndarray) -> list[np.ndarray]:
    """The arrays in float64, for a reference: what is right doesn't depend on how the arguments are stored."""
    return [np.asarray(a, dtype=float) for a in arrays]
