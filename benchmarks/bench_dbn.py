"""Greedy training of a deep belief network on the digits, against a pipeline of scikit-learn's RBMs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline

from benchmarks import machine
from benchmarks.timing import Row, duration, medians
from lectures_lib import datasets, dbn

BATCH_SIZE = 100
NUM_EPOCHS = 10


def rows() -> Iterator[Row]:
    """Compare."""
    X = datasets.digits().X.astype(np.float32)

    def ours():
        dbn.fit_greedy(
            X,
            (256, 64),
            np.random.default_rng(0),
            num_epochs=NUM_EPOCHS,
            batch_size=BATCH_SIZE,
            learning_rate=0.05,
        )

    def theirs():
        options = {
            "batch_size": BATCH_SIZE,
            "n_iter": NUM_EPOCHS,
            "learning_rate": 0.05,
            "random_state": 0,
        }
        make_pipeline(BernoulliRBM(256, **options), BernoulliRBM(64, **options)).fit(X)

    time, peer = medians([ours, theirs], 7)
    products = 2 * NUM_EPOCHS * 5 * 2 * len(X) * 64 * 256
    at_peak = products / machine.sgemm_rate(1500, 1500, 1500)
    yield Row(
        "DBN 64-256-64 greedy fit on the digits, 10 epochs a layer",
        f"scikit-learn, pipeline of BernoulliRBMs, batches of {BATCH_SIZE}",
        peer / time,
        4,
        f"{duration(time)} against {duration(peer)}",
        f"As for the RBM's epochs: {products / 1e9:.1f} GFLOP of matrix products, which alone would "
        f"take {duration(at_peak)} at the rate of large "
        "ones. Batches of 100 make products too small for that rate.",
    )
