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


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return request.param


def close(ours, formula, dtype):
    tolerance = 200 * np.finfo(dtype).eps
    np.testing.assert_allclose(ours, formula, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES)
def test_activation(variant, dtype, shape):
    rng = np.random.default_rng(1)
    field, bias = rng.normal(size=shape).astype(dtype), rng.normal(size=shape[1]).astype(dtype)
    state = generators(rng, shape[1])
    expected = sigma(field.astype(np.float64) + bias)
    draws = uniforms(state, shape)
    means, sample = field.copy(), np.full(shape, 7, dtype)
    variant(kernels.activate)(means, bias, state, sample)
    close(means, expected, dtype)
    assert np.array_equal(sample, (draws < means).astype(dtype))
    scaled = field.copy()
    variant(kernels.scaled_means)(scaled, bias, dtype(-0.25))
    close(scaled, -0.25 * expected, dtype)


@pytest.mark.parametrize("shape", SHAPES)
def test_squared_distance(variant, dtype, shape):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    expected = np.sum((a.astype(np.float64) - b) ** 2)
    assert np.isclose(variant(kernels.squared_distance)(a, b), expected, rtol=200 * np.finfo(dtype).eps)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_step_of_ascent(variant, dtype, shape):
    rng = np.random.default_rng(3)
    D, H = shape
    n, m, scale, rate, momentum, decay = 3, 2, 1.5, 0.125, 0.5, 0.25
    machine = tuple(rng.normal(size=s).astype(dtype) for s in ((D, H), D, H))
    speed = tuple(rng.normal(size=s).astype(dtype) for s in ((D, H), D, H))
    gradient = rng.normal(size=(D, H)).astype(dtype)
    visible, hidden = (
        rng.normal(size=(n + m, D)).astype(dtype),
        rng.normal(size=(n + m, H)).astype(dtype),
    )
    W, b, c = (array.astype(np.float64) for array in machine)
    W_speed, b_speed, c_speed = (momentum * array.astype(np.float64) for array in speed)
    W_speed += rate * (gradient - decay * W)
    b_speed += rate * (visible[:n].sum(axis=0) - scale * visible[n:].sum(axis=0))
    c_speed += rate * hidden.sum(axis=0)
    settings = [dtype(x) for x in (scale, rate, momentum, decay)]
    variant(kernels.ascend)(machine, speed, gradient, visible, hidden, n, *settings)
    for ours, formula in zip(
        (*speed, *machine), (W_speed, b_speed, c_speed, W + W_speed, b + b_speed, c + c_speed), strict=True
    ):
        close(ours, formula, dtype)


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
