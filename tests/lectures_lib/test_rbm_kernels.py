"""The kernels between matrix products, compiled and interpreted, against whole-array formulas."""

import numpy as np
import pytest

from lectures_lib import _rbm_kernels as kernels
from lectures_lib._fast_math import generators, uniform

SHAPES = [(1, 1), (3, 5), (4, 70)]


def sigma(x):
    return 1 / (1 + np.exp(-x))


def uniforms(state, shape):
    """What the kernels draw: generator j serves unit j, row after row."""
    state = state.copy()
    return np.array([[uniform(state, j) for j in range(shape[1])] for _ in range(shape[0])])


@pytest.fixture(params=["compiled", "interpreted"])
def variant(request):
    return (lambda kernel: kernel) if request.param == "compiled" else (lambda kernel: kernel.py_func)


def close(ours, formula, dtype):
    tolerance = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, formula, rtol=tolerance, atol=tolerance)


def panel(array):
    """Rows of at most WIDTH, filled up with zeros to multiples of 8 rows and to STRIDE columns."""
    padded = np.zeros((-(-len(array) // 8) * 8, kernels.STRIDE), array.dtype)
    padded[: len(array), : array.shape[1]] = array
    return padded


@pytest.mark.parametrize("shape", SHAPES)
def test_activation(variant, dtype, shape):
    rng = np.random.default_rng(1)
    field, bias = rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1]).astype(dtype)
    state = generators(rng, shape[1])
    expected = sigma(field.astype(np.float64) + bias)
    draws = uniforms(state, shape)
    means, sample = np.vstack([field, field]), np.full(shape, 7, dtype)
    variant(kernels.activate)(means, bias, state, shape[1], shape[0], sample)
    close(means[: shape[0]], expected, dtype)
    assert np.array_equal(sample, (draws < means[: shape[0]]).astype(dtype))
    assert np.array_equal(means[shape[0] :], field)
    scaled = field.copy()
    variant(kernels.scaled_means)(scaled, bias, dtype(-0.25), shape[1], shape[0])
    close(scaled, -0.25 * expected, dtype)


def test_a_bias_of_minus_infinity_keeps_a_unit_at_0(variant, dtype):
    field, sample = np.zeros((2, 1), dtype), np.full((2, 1), 7, dtype)
    variant(kernels.activate)(
        field, np.array([-np.inf], dtype), generators(np.random.default_rng(0), 1), 1, 2, sample
    )
    assert np.array_equal(field, np.zeros_like(field))
    assert np.array_equal(sample, np.zeros_like(field))


@pytest.mark.parametrize("width", [32, 96, kernels.WIDTH])
@pytest.mark.parametrize(("n", "D"), [(1, 1), (6, 9), (kernels.DEPTH + 3, 9), (6, 2 * kernels.DEPTH + 3)])
def test_products(variant, dtype, width, n, D):
    rng = np.random.default_rng(5)
    units = np.zeros((-(-n // 8) * 8 + 1, -(-D // 8) * 8), dtype)
    units[: n + 1, :D] = rng.normal(size=(n + 1, D))
    W, means = (panel(rng.normal(size=(size, width)).astype(dtype)) for size in (D, n + 1))
    fields = np.full((len(units), kernels.STRIDE), 7, dtype)
    variant(kernels.multiply)(units, W, width, 1, n, fields)
    close(fields[1 : n + 1, :width], units[1 : n + 1].astype(np.float64) @ W[:, :width], dtype)
    assert (fields[0] == 7).all()
    gradient = np.full_like(W, 7)
    variant(kernels.gradient_of)(units, means, width, n + 1, gradient)
    close(gradient[:, :width], units[: n + 1].astype(np.float64).T @ means[: n + 1, :width], dtype)
    back = np.full((len(means), len(W)), 7, dtype)
    variant(kernels.multiply_transposed)(means, W, width, n + 1, back)
    close(back[: n + 1], means[: n + 1, :width].astype(np.float64) @ W[:, :width].T, dtype)


@pytest.mark.parametrize(("n", "D", "H"), [(1, 1, 1), (3, 5, 130), (70, 6, 2)])
def test_hidden_means(variant, dtype, n, D, H):
    rng = np.random.default_rng(7)
    X, W, bias = (rng.normal(size=shape).astype(dtype) for shape in [(n, D), (D, H), H])
    close(variant(kernels.hidden_means)(X, W, bias), sigma(X.astype(np.float64) @ W + bias), dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_annealing(variant, dtype, shape):
    rng = np.random.default_rng(4)
    field, bias = 3 * rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1]).astype(dtype)
    base = rng.normal(size=shape[1]).astype(dtype)
    state = generators(rng, shape[1])
    before, beta = dtype(0.25), dtype(0.375)
    f = field.astype(np.float64) + bias
    log_weights, sample = np.ones(shape[0]), np.full(shape, 7, dtype)
    draws = uniforms(state, shape)
    variant(kernels.anneal_hidden)(field, bias, before, beta, state, sample, log_weights)
    close(log_weights, 1 + (np.logaddexp(0, beta * f) - np.logaddexp(0, before * f)).sum(axis=1), dtype)
    assert np.array_equal(sample, (draws < sigma(beta * f)).astype(dtype))
    draws = uniforms(state, shape)
    variant(kernels.anneal_visible)(field, bias, base, beta, state, sample)
    assert np.array_equal(sample, (draws < sigma(beta * f + (1 - beta) * base)).astype(dtype))
