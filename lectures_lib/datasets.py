"""Data of the book: generated here, carried by scikit-learn, or, for the full MNIST, fetched once and kept.

Generators take a `numpy.random.Generator`; units and pixels are floats in [0, 1] unless said otherwise. scikit-learn is imported by
the functions that need it alone: `digits`, `iris`, `sample_images`, `natural_patches` and `mnist`.

    >>> bars_and_stripes(3).shape
    (14, 9)
"""

from __future__ import annotations

import functools
import http.client
import itertools
import os
import tempfile
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lectures_lib._validation import DAMAGED_ARCHIVE, real_array, whole
from lectures_lib.drawn_objects import DrawnObjects, drawn_objects
from lectures_lib.graphical_models import NoisyOr

__all__ = [
    "DrawnObjects",
    "Labelled",
    "SampleImages",
    "bars_and_stripes",
    "digits",
    "drawn_objects",
    "iris",
    "mnist",
    "natural_patches",
    "qmr_network",
    "sample_bars_and_stripes",
    "sample_images",
    "whiten",
]

MAX_BARS_SIZE = 14
"""2^(size + 1) - 2 patterns of size² pixels: 51 MB at 14."""

GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in the luma of ITU-R BT.601."""

WHITENING_CUTOFF = 0.4
"""Cycles a pixel where the whitening filter has fallen to 1/e of its ramp, so that noise at the finest scale isn't raised."""

ROUNDING = 1e-12
"""What is left of a constant image after filtering, relative to its brightness, is below this."""

MNIST_FILE = "mnist_784.npz"


class Labelled(NamedTuple):
    """Data with classes.

    Attributes
    ----------
    X : ndarray, shape (n, D)
    labels : ndarray, shape (n,), int64
        Indices into class_names.
    class_names : tuple of str
    """

    X: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]


class SampleImages(NamedTuple):
    """Two photographs in grey.

    Attributes
    ----------
    china : ndarray, shape (427, 640), float64
        A Chinese palace, in [0, 1].
    flower : ndarray, shape (427, 640), float64
        A dahlia.
    """

    china: np.ndarray
    flower: np.ndarray


def bars_and_stripes(size: int) -> np.ndarray:
    """All distinct pictures whose rows, or whose columns, are each of one colour.

    Parameters
    ----------
    size : int
        Side, 1 to MAX_BARS_SIZE.

    Returns
    -------
    ndarray, shape (2^(size + 1) - 2, size²), float64
        0 or 1; rows in lexicographic order. A size of 1 has two patterns.

    Raises
    ------
    ValueError
        If size is out of range.

    References
    ----------
    MacKay (2003), Information theory, inference, and learning algorithms, ch. 43.
    """
    whole(size=size)
    if not 1 <= size <= MAX_BARS_SIZE:
        raise ValueError(f"size: expected 1 to {MAX_BARS_SIZE}, got {size}")
    colours = np.array(list(itertools.product([0.0, 1.0], repeat=size)))
    rows = np.repeat(colours, size, axis=1)
    columns = np.tile(colours, (1, size))
    return np.unique(np.vstack([rows, columns]), axis=0)


def sample_bars_and_stripes(num_samples: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw from the distinct patterns of `bars_and_stripes`, all equally probable; shape (num_samples, size²).

    Parameters
    ----------
    num_samples : int
    size : int
        Side of the pictures.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (num_samples, size²), float64

    Raises
    ------
    ValueError
        If a number is out of its range.
    """
    whole(num_samples=num_samples)
    if num_samples < 1:
        raise ValueError(f"num_samples: expected at least 1, got {num_samples}")
    patterns = bars_and_stripes(size)
    return patterns[rng.integers(len(patterns), size=num_samples)]


def qmr_network(
    num_diseases: int, num_findings: int, rng: np.random.Generator, *, mean_causes: float = 3.0
) -> NoisyOr:
    """Draw a noisy-OR network of the kind of QMR-DT: rare diseases, and findings with a few causes each.

    Parameters
    ----------
    num_diseases, num_findings : int
        D and S, at least 1.
    rng : numpy.random.Generator
    mean_causes : float
        Diseases that a finding may come from, on average, at least 1; every finding has one or more (up to D), and every
        disease shows in at least one finding.

    Returns
    -------
    NoisyOr
        float64; priors and leaks are log-uniform in [0.005, 0.05] and [0.001, 0.02], activations of the links uniform in
        [0.2, 0.9], the others 0. `gibbs_principle.quickscore(*network, findings)` takes it as it is.

    Raises
    ------
    ValueError
        If a number is too small.

    References
    ----------
    Shwe et al. (1991), Probabilistic diagnosis using a reformulation of the INTERNIST-1/QMR knowledge base. The numbers are
    ours, not theirs.
    """
    whole(num_diseases=num_diseases, num_findings=num_findings)
    if num_diseases < 1 or num_findings < 1:
        raise ValueError(
            f"num_diseases, num_findings: expected at least 1, got {num_diseases} and {num_findings}"
        )
    if not 1 <= mean_causes < np.inf:
        raise ValueError(f"mean_causes: expected at least 1, and finite, got {mean_causes}")
    linked = np.zeros((num_findings, num_diseases), dtype=bool)
    for j in range(num_findings):
        causes = min(num_diseases, 1 + rng.poisson(mean_causes - 1))
        linked[j, rng.choice(num_diseases, causes, replace=False)] = True
    for d in np.flatnonzero(~linked.any(axis=0)):
        linked[rng.integers(num_findings), d] = True
    activation = np.where(linked, rng.uniform(0.2, 0.9, linked.shape), 0.0)
    prior = np.exp(rng.uniform(np.log(0.005), np.log(0.05), num_diseases))
    leak = np.exp(rng.uniform(np.log(0.001), np.log(0.02), num_findings))
    return NoisyOr(prior, activation, leak)


def digits(*, binary: bool = False) -> Labelled:
    """Handwritten digits of 8 by 8 pixels, from scikit-learn.

    Parameters
    ----------
    binary : bool
        Round pixels to 0 and 1 at one half.

    Returns
    -------
    Labelled
        X (1797, 64), float64 in [0, 1], rows of pixels one after the other.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    References
    ----------
    Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI machine learning repository.
    """
    data = _sklearn_datasets().load_digits()
    X = data.data / 16
    if binary:
        X = (X >= 0.5).astype(np.float64)
    return Labelled(X, data.target.astype(np.int64), tuple("0123456789"))


def iris() -> Labelled:
    """Lengths and widths of sepals and petals of three species, from scikit-learn.

    Returns
    -------
    Labelled
        X (150, 4), float64, in centimetres.

    Raises
    ------
    ImportError
        If scikit-learn is not installed.

    References
    ----------
    Fisher (1936), The use of multiple measurements in taxonomic problems.
    """
    data = _sklearn_datasets().load_iris()
    names = tuple(str(name) for name in data.target_names)
    return Labelled(data.data.astype(np.float64), data.target.astype(np.int64), names)


def sample_images() -> SampleImages:
    """The photographs that scikit-learn carries, in grey by the weights GREY.

    Returns
    -------
    SampleImages

    Raises
    ------
    ImportError
        If scikit-learn, or Pillow, which it reads them with, is not installed.
    """
    loaders = _sklearn_datasets()
    return SampleImages(
        *(loaders.load_sample_image(f"{name}.jpg") @ np.array(GREY) / 255 for name in SampleImages._fields)
    )


def natural_patches(
    num: int,
    size: int,
    rng: np.random.Generator,
    *,
    whiten: bool = True,
    shrink: int = 2,
    min_contrast: float = 0.3,
) -> np.ndarray:
    """Cut square patches at random from the two photographs.

    Parameters
    ----------
    num : int
        At least 1.
    size : int
        Side in pixels, 1 to 427 // shrink.
    rng : numpy.random.Generator
    whiten : bool
        Flatten the spectrum of each photograph before it is cut, as `whiten` does.
    shrink : int
        1 to 8: first average the photographs over squares of this side, which takes away the traces of their compression.
    min_contrast : float
        In [0, 0.5]. Patches whose standard deviation is less than this part of their photograph's are passed over, for
        half of the two pictures is empty sky and ground. A patch of one pixel has no contrast and is always taken.

    Returns
    -------
    ndarray, shape (num, size, size), float64
        The mean of squares over all patches is 1; their mean is near 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    ImportError
        As for `sample_images`.
    """
    whole(num=num, size=size)
    if num < 1:
        raise ValueError(f"num: expected at least 1, got {num}")
    if not 0 <= min_contrast <= 0.5:
        raise ValueError(f"min_contrast: expected 0 to 0.5, got {min_contrast}")
    if shrink not in range(1, 9):
        raise ValueError(f"shrink: expected 1 to 8, got {shrink}")
    images = _prepared_images(whiten, shrink)
    rows, columns = images[0].shape
    if not 1 <= size <= min(rows, columns):
        raise ValueError(f"size: expected 1 to {min(rows, columns)}, got {size}")
    patches = np.empty((num, size, size))
    taken = 0
    while taken < num:
        image = images[rng.integers(len(images))]
        i, j = rng.integers(rows - size + 1), rng.integers(columns - size + 1)
        patch = image[i : i + size, j : j + size]
        if size == 1 or patch.std() >= min_contrast:
            patches[taken] = patch
            taken += 1
    return patches / np.sqrt(np.mean(patches**2))


def whiten(images) -> np.ndarray:
    """Flatten the spectrum of each image, which falls about as 1/f in photographs, by a filter f exp(-(f/f₀)⁴).

    Parameters
    ----------
    images : array_like, shape (n, R, C)

    Returns
    -------
    ndarray, shape (n, R, C), float64
        Scaled together, so that the mean of squares is 1; all 0 if every image is constant.

    Raises
    ------
    ValueError
        If the shape doesn't fit or a pixel isn't finite.

    References
    ----------
    Field (1987), Relations between the statistics of natural images and the response properties of cortical cells; Olshausen
    & Field (1997), Sparse coding with an overcomplete basis set (the filter).
    """
    images = real_array("images", images, 3)
    if images.size == 0:
        raise ValueError(f"images: expected at least one pixel, got shape {images.shape}")
    # To 1 or less, by a power of two: squares stay in range.
    images = np.ldexp(images, -np.frexp(np.abs(images).max())[1])
    white = np.stack([_whitened(image - image.mean()) for image in images])
    scale = np.sqrt(np.mean(white**2))
    return white / scale if scale > ROUNDING * np.abs(images).max() else np.zeros_like(white)


@functools.cache
def _prepared_images(whiten: bool, shrink: int) -> tuple[np.ndarray, ...]:
    """The photographs with mean 0 and variance 1 over their pixels."""
    prepared = []
    for image in sample_images():
        rows, columns = (side // shrink for side in image.shape)
        image = (
            image[: rows * shrink, : columns * shrink]
            .reshape(rows, shrink, columns, shrink)
            .mean(axis=(1, 3))
        )
        if whiten:
            image = _whitened(image)
        prepared.append((image - image.mean()) / image.std())
    return tuple(prepared)


def _whitened(image: np.ndarray) -> np.ndarray:
    """Filter an image that is mirrored at its edges, where a periodic continuation would jump."""
    rows, columns = image.shape
    mirrored = np.pad(image, ((0, rows), (0, columns)), mode="symmetric")
    f = np.hypot(np.fft.fftfreq(2 * rows)[:, None], np.fft.rfftfreq(2 * columns))
    spectrum = np.fft.rfft2(mirrored) * f * np.exp(-((f / WHITENING_CUTOFF) ** 4))
    return np.fft.irfft2(spectrum, s=mirrored.shape)[:rows, :columns]


def mnist(cache=None) -> Labelled:
    """All 70,000 handwritten digits of MNIST; the first 60,000 are its training set.

    Fetched from openml.org the first time (15 MB) and parsed, which takes a minute or so; then read from a file of 12 MB.

    Parameters
    ----------
    cache : path-like, optional
        Folder for what is fetched; by default scikit-learn's data folder (``~/scikit_learn_data``, or SCIKIT_LEARN_DATA).

    Returns
    -------
    Labelled
        X (70000, 784), float32 in [0, 1], rows of 28 pixels one after the other.

    Raises
    ------
    OSError
        If the data are neither in the cache nor to be had from the network, or the cache is damaged.
    ImportError
        If scikit-learn is not installed.

    References
    ----------
    LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition.
    """
    loaders = _sklearn_datasets()
    folder = Path(loaders.get_data_home(cache))
    path = folder / MNIST_FILE
    if path.exists():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as saved:
                pixels, labels = saved["pixels"], saved["labels"]
        except DAMAGED_ARCHIVE as error:
            raise OSError(
                f"mnist: expected pixels and labels in {path}, got {error}; delete the file and try again"
            ) from error
    else:
        pixels, labels = _fetch_mnist(loaders, folder)
        _save_whole(path, pixels=pixels, labels=labels)
    return Labelled(pixels.astype(np.float32) / 255, labels.astype(np.int64), tuple("0123456789"))


def _fetch_mnist(loaders, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # each retry warns, and the error says it once
            data = loaders.fetch_openml(
                "mnist_784",
                version=1,
                as_frame=False,
                parser="liac-arff",  # slower than the other parser, but needs no pandas
                data_home=folder,
                n_retries=1,
            )
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise OSError(
            f"mnist: expected to fetch MNIST from openml.org, got {type(error).__name__}: {error}. Run this once with a "
            f"network, or copy {MNIST_FILE} from the cache of a machine that has it to {folder}; digits() needs neither"
        ) from error
    pixels, labels = data.data, data.target
    if pixels.ndim != 2 or pixels.shape[1] != 784 or not ((pixels >= 0) & (pixels <= 255)).all():
        raise OSError(
            f"mnist: expected 784 columns of 0 to 255, got shape {pixels.shape} or others; delete {folder / 'openml'} and try again"
        )
    return pixels.astype(np.uint8), labels.astype(np.uint8)


def _save_whole(path: Path, **arrays: np.ndarray) -> None:
    """Write under another name and rename, so that no reader meets half a file."""
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    os.close(handle)
    try:
        np.savez_compressed(name, **arrays)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _sklearn_datasets():
    try:
        from sklearn import datasets as loaders
    except ImportError as error:
        raise ImportError(
            "this data set comes with scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    return loaders
