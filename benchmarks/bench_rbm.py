"""Training of RBMs against scikit-learn and against the machine's matrix product, and annealed "
"importance sampling against NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from sklearn.neural_network import BernoulliRBM

from benchmarks import machine
from benchmarks.timing import Row, duration, medians, medians_per_step
from lectures_lib import rbm

NUM_POINTS, NUM_VISIBLE = 18_000, 64


def rows() -> Iterator[Row]:
    """Compare."""
    rng = np.random.default_rng(0)
    X = (rng.random((NUM_POINTS, NUM_VISIBLE)) < rng.random(NUM_VISIBLE)).astype(np.float32)
    for batch_size in (100, 10):
        for num_hidden in (64, 256, 500):
            time, peer = _epochs(X, num_hidden, batch_size)
            yield _epoch_row(num_hidden, batch_size, time, peer)
            if (num_hidden, batch_size) == (500, 100):
                yield _rate_row(time)
    yield _annealing()


def _epochs(X: np.ndarray, num_hidden: int, batch_size: int) -> list[float]:
    """Seconds of an epoch, ours and scikit-learn's."""

    def ours(epochs):
        rng = np.random.default_rng(0)
        rbm.fit(X, num_hidden, rng, num_epochs=epochs, batch_size=batch_size, learning_rate=0.05)

    def theirs(epochs):
        options = {"batch_size": batch_size, "n_iter": epochs, "learning_rate": 0.05, "random_state": 0}
        BernoulliRBM(num_hidden, **options).fit(X)

    return medians_per_step([ours, theirs], 1, 4, 7)


def _products(num_hidden: int) -> int:
    """Multiplications and additions of an epoch: up, down, up, and the two phases of the gradient."""
    return 5 * 2 * NUM_POINTS * NUM_VISIBLE * num_hidden


def _epoch_row(num_hidden: int, batch_size: int, time: float, peer: float) -> Row:
    work = f"RBM CD-1 epoch, {NUM_POINTS:,} x {NUM_VISIBLE} visible, {num_hidden} hidden, float32"
    rate = machine.sgemm_rate(batch_size, NUM_VISIBLE, num_hidden)
    step, products = time * batch_size / NUM_POINTS, _products(num_hidden) / rate
    return Row(
        work if batch_size == 100 else f"{work}, batches of 10",
        f"scikit-learn BernoulliRBM, batches of {batch_size}",
        peer / time,
        4,
        f"{duration(time)} against {duration(peer)}",
        f"{duration(step)} a batch, of which matrix products take {products / time:.0%} at the "
        f"{rate / 1e9:.0f} GFLOP/s that BLAS reaches in this shape. "
        + (
            "The rest is sigmoids and random numbers, 0.4 ns each, and the update of the weights, "
            "which BLAS can't take along."
            if batch_size == 100
            else "The rest is mostly calls: nine a batch from Python, at about half a microsecond each, and the update of the weights."
        ),
    )


def _rate_row(time: float) -> Row:
    peak, shape = machine.sgemm_rate(1500, 1500, 1500), machine.sgemm_rate(100, NUM_VISIBLE, 500)
    rate = _products(500) / time
    return Row(
        "the same at 500 hidden: rate of its matrix products",
        "half the rate of sgemm, 1500 x 1500",
        2 * rate / peak,
        1,
        f"{rate / 1e9:.0f} GFLOP/s in training; sgemm {peak / 1e9:.0f}, in the shape of a batch {shape / 1e9:.0f}",
        "An inner dimension of 64 leaves BLAS too little to do between loads and stores for the rate of large matrices.",
    )


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


def _annealing() -> Row:
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
    operations = 1000 * 2 * 2 * 100 * 784 * 500
    rate = machine.sgemm_rate(100, 784, 500)
    return Row(
        "AIS, 784 x 500 RBM, 100 chains, 1,000 temperatures, float32",
        "the same in vectorised NumPy",
        theirs / ours,
        2,
        f"{duration(ours)} against {duration(theirs)}",
        f"Matrix products, two a temperature, which both sides leave to BLAS: {operations / 1e9:.0f} "
        f"GFLOP, {operations / rate / ours:.0%} of the time at the "
        f"{rate / 1e9:.0f} GFLOP/s of this shape. NumPy's logarithms of 1 + e^x, one a unit and "
        f"temperature, are what is saved.",
    )
