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
                yield from _rate_rows(time)
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


def _products(batch_size: int, num_hidden: int) -> list[tuple[int, int, int]]:
    """Shapes of a batch's products: up, down and up again, and the gradient, which takes data and model in one."""
    up, down = (batch_size, NUM_VISIBLE, num_hidden), (batch_size, num_hidden, NUM_VISIBLE)
    return [up, down, up, (NUM_VISIBLE, 2 * batch_size, num_hidden)]


def _epoch_row(num_hidden: int, batch_size: int, time: float, peer: float) -> Row:
    work = f"RBM CD-1 epoch, {NUM_POINTS:,} x {NUM_VISIBLE} visible, {num_hidden} hidden, float32"
    step, products = time * batch_size / NUM_POINTS, machine.products_time(*_products(batch_size, num_hidden))
    return Row(
        work if batch_size == 100 else f"{work}, batches of 10",
        f"scikit-learn BernoulliRBM, batches of {batch_size}",
        peer / time,
        4,
        f"{duration(time)} against {duration(peer)}",
        f"{duration(step)} a batch; its matrix products alone take BLAS {duration(products)}. "
        + (
            "Arithmetic: the products, done where the weights stay in the first caches, then sigmoids and random "
            "numbers. Threads exchange the visible fields alone."
            if batch_size == 100
            else "Ten rows are worked on as sixteen, and beside so few the update, which reads and writes every "
            "weight, is no longer small; steps of little work are left to one thread."
        ),
    )


def _rate_rows(time: float) -> Iterator[Row]:
    """Operations a second in training, against those of the products alone, and against those of large matrices."""
    shapes = _products(100, 500)
    operations = sum(2 * m * k * n for m, k, n in shapes)
    rate = operations * NUM_POINTS / 100 / time
    alone, large = operations / machine.products_time(*shapes), machine.sgemm_rate(1500, 1500, 1500)
    work = "the same at 500 hidden, batches of 100: rate of its matrix products"
    yield Row(
        work,
        "half the rate of sgemm, the products of a batch alone",
        2 * rate / alone,
        1,
        f"{rate / 1e9:.0f} GFLOP/s in training; {alone / 1e9:.0f} alone",
        "The time is that of whole steps: sigmoids, random numbers and the update are in it, and the sums across "
        "vectors where fields of visible units add up over hidden ones.",
    )
    yield Row(
        work,
        "half the rate of sgemm, 1500 x 1500",
        2 * rate / large,
        None,
        f"{rate / 1e9:.0f} GFLOP/s in training; sgemm {large / 1e9:.0f}",
        f"BLAS itself reaches {alone / large:.0%} of that rate in the shapes of a batch: an inner dimension of 64 "
        "leaves it too little to do between loads and stores.",
    )


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _numpy_annealing(model, rng, num_chains, num_temperatures):
    """The same algorithm in whole-array NumPy, float32 throughout."""
    W, b, c = model
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
    model = rbm.RBM(
        (0.05 * rng.normal(size=(784, 500))).astype(np.float32),
        (0.1 * rng.normal(size=784)).astype(np.float32),
        np.zeros(500, np.float32),
    )
    ours, theirs = medians(
        [
            lambda: rbm.annealed_log_partition(
                model, np.random.default_rng(1), num_chains=100, num_temperatures=1000
            ),
            lambda: _numpy_annealing(model, np.random.default_rng(1), 100, 1000),
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
