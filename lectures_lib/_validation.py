"""Checks of arguments that several modules share, and what a damaged file is known by."""

from __future__ import annotations

import operator
import zipfile
import zlib

import numpy as np

SYMMETRY_RTOL = 1e-10
"""Couplings computed in float64 by different orders of summation agree to this; real asymmetry is far larger."""

DAMAGED_ARCHIVE = (
    OSError,
    EOFError,
    KeyError,
    ValueError,
    RuntimeError,  # zipfile, for what it can't read, and json, for what is nested too deeply
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading an .npz raises that is none, or damaged."""


def whole(**numbers) -> None:
    """Raise a ValueError if a count, by name, is no whole number: NaN would pass a comparison, and 1.5 be cut short."""
    for name, value in numbers.items():
        try:
            operator.index(value)
        except TypeError:
            raise ValueError(f"{name}: expected a whole number, got {value!r}") from None


def reals(name: str, value, dtype=None) -> np.ndarray:
    """Return an array of real numbers, of this dtype if one is given, or raise a ValueError: NumPy would drop imaginary parts."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name}: expected an array, got nested lists of unequal lengths") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    if dtype is None:
        return array
    with np.errstate(over="ignore"):  # what float32 can't hold becomes inf, for the caller to refuse
        return array.astype(dtype, copy=False)


def real_array(name: str, value, ndim: int, dtype=np.float64) -> np.ndarray:
    """Return a finite array of `ndim` dimensions, or raise a ValueError that says what came instead."""
    array = reals(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name}: expected {ndim} dimension(s), got shape {array.shape}")
    with np.errstate(over="ignore"):
        array = np.ascontiguousarray(array, dtype=dtype)
    if not np.isfinite(array).all():
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name}: expected finite numbers, got {array[where]} at index {where}")
    return array


def finite_sums(**arrays: np.ndarray) -> None:
    """Raise a ValueError if sums of all the numbers, by name, could overflow: differences of such sums would be NaN."""
    with np.errstate(over="ignore"):
        total = sum(np.abs(array).sum() for array in arrays.values())
    if not total <= np.finfo(np.float64).max / 4:
        raise ValueError(f"{', '.join(arrays)}: expected numbers whose sums stay finite, got overflow")


def ising_parameters(J, h) -> tuple[np.ndarray, np.ndarray]:
    """Return couplings and fields as float64 arrays, after checking shapes, symmetry, the zero diagonal and sums."""
    J = real_array("J", J, 2)
    h = real_array("h", h, 1)
    n = h.shape[0]
    if n == 0:
        raise ValueError("h: expected at least one spin, got none")
    if J.shape != (n, n):
        raise ValueError(f"J: expected shape ({n}, {n}) to match h, got {J.shape}")
    if np.diagonal(J).any():
        i = int(np.flatnonzero(np.diagonal(J))[0])
        raise ValueError(f"J: expected a zero diagonal, got {J[i, i]} at index ({i}, {i})")
    difference = np.abs(J - J.T)
    if difference.max() > SYMMETRY_RTOL * max(1.0, np.abs(J).max()):
        i, k = (int(x) for x in np.unravel_index(difference.argmax(), J.shape))
        raise ValueError(
            f"J: expected a symmetric matrix, got {J[i, k]} at ({i}, {k}) and {J[k, i]} at ({k}, {i})"
        )
    finite_sums(J=J, h=h)
    return J, h
