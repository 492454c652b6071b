"""The vectorised elementary functions against NumPy in extended precision, and the generators against what uniform numbers do."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from lectures_lib import _fast_math as fast


def compiled(function):
    @njit(fastmath=fast.FASTMATH, error_model="numpy")
    def over_array(x):
        result = np.empty_like(x)
        for i in range(x.size):
            result[i] = function(x[i])
        return result

    return over_array


FUNCTIONS = {
    "exp": (compiled(fast.exp), np.exp),
    "tanh": (compiled(fast.tanh), np.tanh),
    "sigmoid": (compiled(fast.sigmoid), lambda x: 1 / (1 + np.exp(-x))),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_good_to_two_units_in_the_last_place(name, dtype):
    ours, reference = FUNCTIONS[name]
    x = np.concatenate([np.linspace(-80, 80, 100_001), np.logspace(-30, 0, 1001), -np.logspace(-30, 0, 1001)])
    x = x[x != 0].astype(dtype)
    right = reference(x.astype(np.longdouble))
    assert ours(x).dtype == dtype
    assert np.max(np.abs(ours(x) - right) / np.abs(right)) < 2 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_limits(dtype):
    x = np.array([-np.inf, np.inf, np.nan, 0, -1e30, 1e30, 1e-30, -1e-30], dtype)
    inf, nan = np.inf, np.nan
    np.testing.assert_array_equal(FUNCTIONS["exp"][0](x), np.array([0, inf, nan, 1, 0, inf, 1, 1], dtype))
    np.testing.assert_array_equal(
        FUNCTIONS["tanh"][0](x), np.array([-1, 1, nan, 0, -1, 1, 1e-30, -1e-30], dtype)
    )
    np.testing.assert_array_equal(
        FUNCTIONS["sigmoid"][0](x), np.array([0, 1, nan, 0.5, 0, 1, 0.5, 0.5], dtype)
    )


@pytest.mark.parametrize(("dtype", "largest"), [(np.float32, 88.722), (np.float64, 709.782)])
def test_exp_at_the_ends_of_its_range(dtype, largest):
    x = np.array([largest, largest + 0.1, -largest + 2, -largest - 20], dtype)
    ours = FUNCTIONS["exp"][0](x)
    with np.errstate(over="ignore", under="ignore"):
        np.testing.assert_allclose(ours, np.exp(x), rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-300)
    assert np.isinf(ours[1])
    assert ours[3] == 0


@settings(deadline=None)  # the first call compiles
@given(
    st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=1500),
    st.sampled_from([np.float32, np.float64]),
)
def test_softplus_sum(values, dtype):
    x = np.array(values)
    unit = np.finfo(dtype).eps
    np.testing.assert_allclose(
        fast.softplus_sum(x.astype(dtype)),
        np.logaddexp(0, x).sum(),
        rtol=100 * unit,
        atol=4 * unit * x.size,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1, 63, 64, 65, 128, 3000])
def test_softplus_sum_of_equal_numbers(size, dtype):
    """Every factor of the products is as large as one can be, or as small."""
    for value in (0.0, -1e-3, 40.0, -200.0, 1e30 if dtype == np.float32 else 1e300):
        x = np.full(size, value, dtype)
        expected = size * np.logaddexp(0, x[0].astype(np.float64))
        assert fast.softplus_sum(x) == pytest.approx(
            expected, rel=100 * float(np.finfo(dtype).eps), abs=1e-12
        )
    x[0] = np.inf
    assert fast.softplus_sum(x) == np.inf
    x[0] = np.nan
    assert np.isnan(fast.softplus_sum(x))


def test_uniform_numbers():
    """Moments, range and serial correlation within five standard errors; bits of the published generator."""

    @njit
    def draw(state, rounds):
        numbers = np.empty((rounds, state.shape[1]), dtype=np.float32)
        for r in range(rounds):
            for lane in range(state.shape[1]):
                numbers[r, lane] = fast.uniform(state, lane)
        return numbers

    u = draw(fast.generators(np.random.default_rng(0), 64), 20_000).astype(np.float64)
    assert u.min() >= 0
    assert u.max() < 1
    error = 1 / np.sqrt(u.size)
    assert abs(u.mean() - 0.5) < 5 * error * np.sqrt(1 / 12)
    assert abs((u**2).mean() - 1 / 3) < 5 * error * np.sqrt(4 / 45)
    centred = u - 0.5
    assert abs((centred[1:] * centred[:-1]).mean()) < 5 * error / 12
    assert abs((centred[:, 1:] * centred[:, :-1]).mean()) < 5 * error / 12
    counts = np.bincount((u * 256).astype(int).ravel(), minlength=256)
    chi_square = ((counts - u.size / 256) ** 2).sum() / (u.size / 256)
    assert abs(chi_square - 255) < 5 * np.sqrt(2 * 255)


def test_generators_start_at_seeds_of_32_bits_that_are_all_different_and_repeat_with_the_seed():
    states = fast.generators(np.random.default_rng(1), 3, 500)
    assert (states.shape, states.dtype) == ((3, 4, 500), np.uint32)
    assert states.min() > 0
    assert len(np.unique(states)) == states.size
    for bit in range(32):
        assert abs((states >> np.uint32(bit) & 1).mean() - 0.5) < 5 * 0.5 / np.sqrt(states.size)
    np.testing.assert_array_equal(states, fast.generators(np.random.default_rng(1), 3, 500))


def test_generator_is_xoshiro128_plus():
    """Against the recurrence in Python integers, which know no overflow."""
    state = fast.generators(np.random.default_rng(3), 2)
    mine = [int(word) for word in state[:, 1]]
    mask = (1 << 32) - 1
    for _ in range(20):
        expected = ((mine[0] + mine[3]) & mask) >> 8
        shifted = (mine[1] << 9) & mask
        mine[2] ^= mine[0]
        mine[3] ^= mine[1]
        mine[1] ^= mine[2]
        mine[0] ^= mine[3]
        mine[2] ^= shifted
        mine[3] = ((mine[3] << 11) | (mine[3] >> 21)) & mask
        assert fast.uniform(state, 1) * 2**24 == expected


def test_a_function_that_asks_for_it_gets_the_widest_vectors():
    def code(function):
        function = njit(function)
        function(np.ones(4))
        return "".join(function.inspect_llvm().values())

    def wide(x):
        fast.wide_vectors()
        return x[0]

    assert '"prefer-vector-width"="512"' in code(wide)
    assert "prefer-vector-width" not in code(lambda x: x[0])
    assert wide(np.ones(1)) == 1
