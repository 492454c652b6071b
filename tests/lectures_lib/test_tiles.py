"""Tiles of products: compiled ones against the definitions in NumPy, which is what they are where numba is switched off."""

import numpy as np
import pytest
from numba import njit

from lectures_lib import _tiles
from lectures_lib._tiles import COLUMNS, ROWS, SIDE, STRIDE


@njit
def multiplied(*operands):
    _tiles.multiply_tile(*operands)


@njit
def dotted(*operands):
    _tiles.dot_tile(*operands)


def close(ours, theirs, dtype):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("depth", [0, 1, 7, 64])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("more", [False, True])
def test_multiply_tile(dtype, depth, transposed, more):
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(3, 2 + ROWS * 70)), rng.normal(size=(depth + 1) * STRIDE)
    a, b = a.reshape(-1).astype(dtype), b.astype(dtype)
    steps = (1, ROWS) if transposed else (70, 1)
    before, tiles = rng.normal(size=(ROWS + 1, STRIDE)).astype(dtype), []
    for multiply in (multiplied, _tiles.multiply_tile):
        out = before.copy()
        multiply(depth, a, 2, *steps, b, 5, out.reshape(-1), 3, more)
        tiles.append(out)
    close(*tiles, dtype)
    columns = (
        a[2 : 2 + ROWS * depth].reshape(depth, ROWS)
        if transposed
        else a[2 : 2 + ROWS * 70].reshape(ROWS, 70).T
    )
    right = b[: depth * STRIDE].reshape(depth, STRIDE)[:, 5 : 5 + COLUMNS].astype(np.float64)
    there = np.s_[:ROWS, 3 : 3 + COLUMNS]
    close(tiles[0][there], columns[:depth].T @ right + (before[there] if more else 0), dtype)
    tiles[0][there] = before[there]
    assert np.array_equal(tiles[0], before)


@pytest.mark.parametrize("length", [16, 48, 128])
def test_dot_tile(dtype, length):
    rng = np.random.default_rng(2)
    a, b = rng.normal(size=(2, 6, STRIDE)).astype(dtype)
    tiles = []
    for dot in (dotted, _tiles.dot_tile):
        out = np.full((SIDE + 1, 11), 7, dtype)
        dot(length, a.reshape(-1), 2 * STRIDE, b.reshape(-1), STRIDE + 1, out.reshape(-1), 3, 11)
        tiles.append(out)
    close(*tiles, dtype)
    expected = a[2:6, :length].astype(np.float64) @ b[1:5, 1 : 1 + length].T
    close(tiles[0][:SIDE, 3 : 3 + SIDE], expected, dtype)
    tiles[0][:SIDE, 3 : 3 + SIDE] = 7
    assert (tiles[0] == 7).all()


def test_numbers_that_are_not_finite_stay_in_their_entries(dtype):
    a, b = np.ones((SIDE, STRIDE), dtype), np.ones((SIDE, STRIDE), dtype)
    a[1, 3], b[2, 5] = np.inf, np.nan
    out = np.zeros((SIDE, SIDE), dtype)
    dotted(16, a.reshape(-1), 0, b.reshape(-1), 0, out.reshape(-1), 0, SIDE)
    expected = np.full((SIDE, SIDE), 16.0)
    expected[1], expected[:, 2] = np.inf, np.nan
    assert np.array_equal(out, expected, equal_nan=True)


def test_a_matrix_that_is_not_contiguous_is_refused():
    a, b, out = np.zeros((16, 70)), np.zeros((70, STRIDE)), np.zeros((16, STRIDE))
    with pytest.raises(TypeError, match="expected contiguous arrays"):
        multiplied(3, a[:, ::2], 0, 70, 1, b, 0, out, 0, False)
