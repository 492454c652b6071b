"""A small call of everything in the package that numba compiles: to fill its cache, and to measure first calls from it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lectures_lib import conv_dbn, dbn, em, gibbs_principle, ising, mean_field, rbm
from lectures_lib.graphical_models import FactorGraph


def first_calls() -> dict[str, Callable[[], object]]:
    """Return calls by name, each of which reaches kernels in one precision; together they reach all of them."""
    pair = np.array([[0.0, 0.3], [0.3, 0.0]])
    field = np.array([0.1, -0.2])
    graph = FactorGraph(
        (2, 2, 2), ((0,), (0, 1), (0, 1, 2)), (np.zeros(2), np.zeros((2, 2)), np.zeros((2, 2, 2)))
    )
    calls: dict[str, Callable[[], object]] = {
        "gibbs_principle.quickscore": lambda: gibbs_principle.quickscore([0.1], [[0.5]], [0.1], [1]),
        "ising.log_partition": lambda: ising.log_partition(pair, field),
        "ising.exact_moments": lambda: ising.exact_moments(pair, field),
        "ising.gibbs_sample": lambda: ising.gibbs_sample(pair, field, 2, np.random.default_rng(0)),
        "ising.gibbs_sample_torus": lambda: ising.gibbs_sample_torus(
            2, 0.3, 0.0, 2, np.random.default_rng(0)
        ),
        "mean_field.coordinate_ascent": lambda: mean_field.coordinate_ascent(pair, field),
        "mean_field.fit_factor_graph": lambda: mean_field.fit_factor_graph(graph),
    }
    for dtype in (np.float32, np.float64):
        X = np.eye(3, dtype=dtype)
        machine = rbm.RBM(np.ones((3, 2), dtype), np.zeros(3, dtype), np.zeros(2, dtype))
        images = np.eye(8, dtype=dtype)[None, None]
        some: dict[str, Callable[[], object]] = {
            "mean_field.coordinate_ascent_torus": lambda X=X: mean_field.coordinate_ascent_torus(
                X[:2, :2], 0.1
            ),
            "em.fit": lambda X=X: em.fit(X, X[:2], max_iter=1),
            "em.hard_em": lambda X=X: em.hard_em(X, X[:2]),
            "rbm.fit": lambda X=X: rbm.fit(X, 2, np.random.default_rng(0), num_epochs=1),
            "dbn.fit_greedy": lambda X=X: dbn.fit_greedy(X, (2, 2), np.random.default_rng(0), num_epochs=1),
            "rbm.log_partition": lambda m=machine: rbm.log_partition(m),
            "rbm.annealed_log_partition": lambda m=machine: rbm.annealed_log_partition(
                m, np.random.default_rng(0), num_chains=2, num_temperatures=1
            ),
            "conv_dbn.fit_greedy": lambda images=images: conv_dbn.fit_greedy(
                images, [{"num_filters": 2, "filter_size": 3}], np.random.default_rng(0), num_epochs=1
            ),
        }
        calls |= {f"{name}, {np.dtype(dtype).name}": call for name, call in some.items()}
    return calls
