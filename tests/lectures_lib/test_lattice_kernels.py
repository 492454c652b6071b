"""The red-black sweep, compiled and interpreted, against whole arrays; and numbers taken from every second place and put there."""

import numpy as np
import pytest
from numba import njit

from lectures_lib import _lattice_kernels as lattice


@njit
def take(*arguments):
    lattice.take_every_second(*arguments)


@njit
def put(*arguments):
    lattice.put_every_second(*arguments)


# Around one and two blocks of 8 or 16 pairs: what fills no block goes number by number.
SIZES = [1, 2, 3, 15, 16, 17, 18, 31, 32, 33, 34, 63, 64, 65, 67]


@pytest.mark.parametrize("variants", [(take, put), (lattice.take_every_second, lattice.put_every_second)])
@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("size", SIZES)
def test_every_second_number(variants, dtype, size, first):
    taken_by, put_by = variants
    around = np.arange(1.0, size + 5).astype(dtype)
    row, count = around[2:-2], (size - first + 1) // 2
    expected, out = row[first::2].copy(), np.full(count + 3, 7, dtype)
    taken_by(row, first, count, out)
    assert np.array_equal(out[:count], expected)
    assert (out[count:] == 7).all()
    changed = around.copy()
    changed[2 + first : 2 + size : 2] *= -1
    out[:count] *= -1
    put_by(out, row, first, count)
    assert np.array_equal(around, changed)


def test_numbers_that_are_not_contiguous_are_refused():
    near, spread = np.zeros(8), np.zeros(16)[::2]
    for row, numbers in ((near, spread), (spread, near)):
        with pytest.raises(TypeError, match="expected contiguous arrays"):
            take(row, 0, 4, numbers)
        with pytest.raises(TypeError, match="expected contiguous arrays"):
            put(numbers, row, 0, 4)


def sweep_of_whole_arrays(mean, fields, coupling, periodic):
    """Red, then black, of all spins of a colour at once; the largest change."""
    mode = "wrap" if periodic else "constant"
    before, red = mean.copy(), np.add.outer(*map(np.arange, mean.shape)) % 2 == 0
    for colour in (red, ~red):
        m = np.pad(mean, 1, mode=mode)
        field = fields + coupling * (m[:-2, 1:-1] + m[2:, 1:-1] + m[1:-1, :-2] + m[1:-1, 2:])
        mean = np.where(colour, np.tanh(field), mean)
    return mean, np.abs(mean - before).max()


@pytest.mark.parametrize("variant", ["compiled", "interpreted"])
@pytest.mark.parametrize(
    ("shape", "periodic"),
    [(shape, False) for shape in [(1, 1), (1, 5), (5, 1), (7, 33)]]
    + [(shape, periodic) for shape in [(2, 2), (2, 18), (6, 34), (130, 4)] for periodic in (False, True)],
)
@pytest.mark.parametrize("num_chunks", [1, 5])
def test_sweep(variant, dtype, shape, periodic, num_chunks):
    num_chunks = min(num_chunks, shape[0])
    rng = np.random.default_rng(1)
    fields, start = rng.normal(size=shape).astype(dtype), rng.uniform(-1, 1, shape).astype(dtype)
    expected, change = sweep_of_whole_arrays(start.astype(float), fields.astype(float), 0.3, periodic)
    mean = start.copy()
    sweep = lattice.sweep if variant == "compiled" else lattice.sweep.py_func
    largest = sweep(mean, fields, dtype(0.3), periodic, num_chunks)
    tolerance = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(mean, expected, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(largest, change, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("num_chunks", [1, 2])
def test_the_largest_change_is_seen_wherever_it_is(num_chunks):
    for place in np.ndindex(5, 4):
        mean = np.zeros((5, 4))
        mean[place] = -0.75
        assert lattice.sweep(mean, np.zeros((5, 4)), 0.0, False, num_chunks) == 0.75
