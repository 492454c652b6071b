"""Training of RBMs against scikit-learn and against the machine's matrix product, and annealed importance sampling against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks.timing import duration, medians, medians_per_step, row
from lectures_lib import rbm

BATCH_SIZE = 100


def rows() -> list[dict]:
    """Compare."""
    return [*_training(), *_annealing()]


def _sgemm_rate(m: int, k: int, n: int) -> float:
    """Multiplications and additions a second of a float32 product (m, k) (k, n)."""
    rng = np.random.default_rng(0)
    a, b = rng.random((m, k), dtype=np.float32), rng.random((k, n), dtype=np.float32)
    out = np.empty((m, n), np.float32)
    repeats = max(1, int(2e9 / (2 * m * k * n)))

    def products():
        for _ in range(repeats):
            np.matmul(a, b, out=out)

    return 2 * m * k * n * repeats / medians([products], 5)[0]


def _training() -> list[dict]:
    n, num_visible = 18_000, 64
    rng = np.random.default_rng(0)
    X = (rng.random((n, num_visible)) < rng.random(num_visible)).astype(np.float32)
    result = []
    for num_hidden in (64, 256, 500):

        def ours(epochs, num_hidden=num_hidden):
            rbm.fit(
                X,
                num_hidden,
                np.random.default_rng(0),
                num_epochs=epochs,
                batch_size=BATCH_SIZE,
                learning_rate=0.05,
            )

        def theirs(epochs, num_hidden=num_hidden):
            BernoulliRBM(
                num_hidden, batch_size=BATCH_SIZE, n_iter=epochs, learning_rate=0.05, random_state=0
            ).fit(X)

        time, peer = medians_per_step([ours, theirs], 1, 4)
        result.append(
            row(
                f"RBM CD-1 epoch, {n:,} x {num_visible} visible, {num_hidden} hidden, float32",
                f"scikit-learn BernoulliRBM, batches of {BATCH_SIZE}",
                peer / time,
                4,
                f"{duration(time)} against {duration(peer)}",
            )
        )
    products = 5 * 2 * n * num_visible * 500  # up, down, up, and the two phases of the gradient
    peak = _sgemm_rate(1500, 1500, 1500)
    shape = _sgemm_rate(BATCH_SIZE, num_visible, 500)
    result.append(
        row(
            "the same at 500 hidden: rate of its matrix products",
            "half the rate of sgemm, 1500 x 1500",
            2 * products / time / peak,
            1,
            f"{products / time / 1e9:.0f} GFLOP/s in training; sgemm {peak / 1e9:.0f}, in the shape of a batch {shape / 1e9:.0f}",
        )
    )
    return result


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _numpy_annealing(machine, rng, num_chains, num_temperatures):
    """The same algorithm in whole-array NumPy, float32 throughout."""
    W, b, c = machine
    v = (rng.random((num_chains, b.size), dtype=np.float32) < _sigmoid(b)).astype(np.float32)
    log_weights = np.zeros(num_chains)
    for before, beta in itertools.pairwise(np.linspace(0, 1, num_temperatures + 1, dtype=np.float32)):
        field = v @ W + c
        log_weights += np.logaddexp(np.float32(0), beta * field).sum(axis=1)
        log_weights -= np.logaddexp(np.float32(0), before * field).sum(axis=1)
        h = (rng.random(field.shape, dtype=np.float32) < _sigmoid(beta * field)).astype(np.float32)
        means = _sigmoid(beta * (h @ W.T + b) + (1 - beta) * b)
        v = (rng.random(means.shape, dtype=np.float32) < means).astype(np.float32)
    return log_weights


def _annealing() -> list[dict]:
    rng = np.random.default_rng(0)
    machine = rbm.RBM(
        (0.05 * rng.normal(size=(784, 500))).astype(np.float32),
        (0.1 * rng.normal(size=784)).astype(np.float32),
        np.zeros(500, np.float32),
    )
    ours, theirs = medians(
        [
            lambda: rbm.annealed_log_partition(
                machine, np.random.default_rng(1), num_chains=100, num_temperatures=1000
            ),
            lambda: _numpy_annealing(machine, np.random.default_rng(1), 100, 1000),
        ],
        3,
    )
    return [
        row(
            "AIS, 784 x 500 RBM, 100 chains, 1,000 temperatures, float32",
            "the same in vectorised NumPy",
            theirs / ours,
            2,
            f"{duration(ours)} against {duration(theirs)}",
        )
    ]
