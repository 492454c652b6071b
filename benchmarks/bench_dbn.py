"""Greedy training of a deep belief network on the digits, against a pipeline of scikit-learn's RBMs."""

from __future__ import annotations

import numpy as np
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline

from benchmarks.timing import duration, medians, row
from lectures_lib import datasets, dbn

BATCH_SIZE = 100


def rows() -> list[dict]:
    """Compare."""
    X = datasets.digits().X.astype(np.float32)

    def ours():
        dbn.fit_greedy(
            X, (256, 64), np.random.default_rng(0), num_epochs=10, batch_size=BATCH_SIZE, learning_rate=0.05
        )

    def theirs():
        options = {"batch_size": BATCH_SIZE, "n_iter": 10, "learning_rate": 0.05, "random_state": 0}
        make_pipeline(BernoulliRBM(256, **options), BernoulliRBM(64, **options)).fit(X)

    time, peer = medians([ours, theirs], 5)
    return [
        row(
            "DBN 64-256-64 greedy fit on the digits, 10 epochs a layer",
            f"scikit-learn, pipeline of BernoulliRBMs, batches of {BATCH_SIZE}",
            peer / time,
            4,
            f"{duration(time)} against {duration(peer)}",
        )
    ]
