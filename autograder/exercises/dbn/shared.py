"""What several exercises on deep belief networks share: random instances, tolerances."""

from __future__ import annotations

import numpy as np

from lectures_lib import rbm

RTOL, ATOL = 1e-5, 1e-6
TOLERANCE_REASON = "double precision is good to 1e-12 here; float32 arithmetic on float32 input carries fields near 10, rounded at 1e-6"

MARGIN = 1e-4
"""How far the uniform numbers stay from the probabilities: a hundred times the rounding of single precision."""


def random_machine(rng: np.random.Generator, D: int, H: int, scale: float = 1.0) -> tuple[np.ndarray, ...]:
    return scale * rng.normal(size=(D, H)), rng.normal(size=D), rng.normal(size=H)


def random_units(rng, n, D):
    """Rows of 0 and 1, neither of which is missing where there is room for both."""
    v = rng.integers(2, size=(n, D)).astype(float)
    if v.size > 1:
        v.flat[rng.choice(v.size, 2, replace=False)] = 0.0, 1.0
    return v


def block_gibbs(machine, v, u_hidden, u_visible):
    """Block Gibbs sampling with given uniforms: all visible states, the start first, and the smallest |u - p| met."""
    states, margin = [v], 1.0
    for up, down in zip(u_hidden, u_visible, strict=True):
        p = rbm.hidden_mean(machine, states[-1])
        margin = min(margin, np.abs(up - p).min())
        p_below = rbm.visible_mean(machine, (up < p).astype(float))
        margin = min(margin, np.abs(down - p_below).min())
        states.append((down < p_below).astype(float))
    return states, margin
