"""The data: what the generators promise, what scikit-learn carries, and MNIST's loader on a small file of the same form."""

import gzip
import hashlib
import io
import json
import sys
import urllib.error

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_sample_image

from lectures_lib import datasets
from lectures_lib.drawn_objects import Shape, rasterise
from lectures_lib.gibbs_principle import quickscore
from lectures_lib.graphical_models import NoisyOr, sample, to_factor_graph


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_bars_and_stripes_are_all_the_pictures_of_equal_rows_or_columns(size):
    patterns = datasets.bars_and_stripes(size)
    assert patterns.shape == (2 ** (size + 1) - 2, size * size)
    assert len(np.unique(patterns, axis=0)) == len(patterns)
    pictures = patterns.reshape(-1, size, size)
    equal_rows = (pictures == pictures[:, :, :1]).all(axis=(1, 2))
    equal_columns = (pictures == pictures[:, :1]).all(axis=(1, 2))
    assert (equal_rows | equal_columns).all()


def test_three_by_three_has_fourteen_patterns():
    assert datasets.bars_and_stripes(3).shape == (14, 9)


def test_samples_are_uniform_over_the_patterns():
    X = datasets.sample_bars_and_stripes(14_000, 3, np.random.default_rng(0))
    patterns, counts = np.unique(X, axis=0, return_counts=True)
    np.testing.assert_array_equal(patterns, datasets.bars_and_stripes(3))
    assert np.sum((counts - 1000) ** 2 / 1000) < 34.5  # χ² with 13 degrees of freedom: p = 0.001


def test_the_rasteriser_against_geometry():
    square = np.array([[2.0, 3], [9, 3], [9, 7], [2, 7]])
    solid = rasterise([Shape(square, closed=True, fill=1.0)], (12, 14), 0.0)
    assert solid[3:8, 2:10].min() >= 0.5  # pixel centres on the outline are half covered
    assert (solid[4:7, 3:9] == 1).all()
    assert solid.sum() == pytest.approx(7 * 4, rel=0.05)
    line = rasterise([Shape(np.array([[1.0, 2], [8, 2]]))], (6, 12), 2.0)
    np.testing.assert_allclose(line[:, 4], [0, 0.5, 1, 0.5, 0, 0])
    hidden = rasterise(
        [Shape(square, closed=True, fill=1.0), Shape(square, closed=True, fill=0.0)], (12, 14), 0.0
    )
    assert (hidden[4:7, 3:9] == 0).all()


@given(
    num=st.integers(1, 3),
    size=st.one_of(st.integers(8, 40), st.tuples(st.integers(8, 40), st.integers(8, 40))),
    classes=st.lists(st.sampled_from(["face", "car", "motorbike", "aeroplane"]), min_size=1, unique=True),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=40, deadline=None)
def test_drawn_objects_of_any_size_and_class(num, size, classes, seed):
    images, labels, names = datasets.drawn_objects(num, np.random.default_rng(seed), size, classes=classes)
    assert images.shape == (num * len(classes), *((size, size) if isinstance(size, int) else size))
    assert images.dtype == np.float64
    assert images.min() >= 0
    assert images.max() <= 1
    assert (images.max(axis=(1, 2)) > 0.3).all()
    assert labels.tolist() == [k for k in range(len(classes)) for _ in range(num)]
    assert names == tuple(classes)


@pytest.mark.parametrize("size", [(24, 60), (60, 24)])
def test_drawings_are_as_large_as_the_shorter_side(size):
    images = datasets.drawn_objects(5, np.random.default_rng(0), size).images
    extents = [np.count_nonzero(images.max(axis=axis), axis=1) for axis in (1, 2)]
    assert np.max(extents) <= 26  # a stroke may reach beyond
    assert np.median(np.maximum(*extents)) > 18


def test_drawings_vary_and_a_seed_repeats_them():
    first = datasets.drawn_objects(5, np.random.default_rng(1)).images
    np.testing.assert_array_equal(first, datasets.drawn_objects(5, np.random.default_rng(1)).images)
    flat = first.reshape(len(first), -1)
    distance = ((flat[:, None] - flat) ** 2).sum(axis=2)
    assert distance[~np.eye(len(flat), dtype=bool)].min() > 10


def test_drawings_of_a_class_resemble_each_other():
    """Nearest neighbours among fresh drawings, blurred so that a small shift doesn't count, are of the same class."""
    train = datasets.drawn_objects(30, np.random.default_rng(0), 24)
    test = datasets.drawn_objects(10, np.random.default_rng(1), 24)

    def blurred(images):
        return images.reshape(len(images), 8, 3, 8, 3).mean(axis=(2, 4)).reshape(len(images), -1)

    distance = ((blurred(test.images)[:, None] - blurred(train.images)) ** 2).sum(axis=2)
    assert np.mean(train.labels[distance.argmin(axis=1)] == test.labels) > 0.9


@given(D=st.integers(1, 12), S=st.integers(1, 12), causes=st.floats(1, 6), seed=st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_a_qmr_network_is_one_and_every_node_is_linked(D, S, causes, seed):
    network = datasets.qmr_network(D, S, np.random.default_rng(seed), mean_causes=causes)
    assert isinstance(network, NoisyOr)
    assert (network.prior.shape, network.activation.shape, network.leak.shape) == ((D,), (S, D), (S,))
    linked = network.activation > 0
    assert linked.any(axis=0).all()
    assert linked.any(axis=1).all()
    for numbers, low, high in (
        (network.prior, 0.005, 0.05),
        (network.leak, 0.001, 0.02),
        (network.activation[linked], 0.2, 0.9),
    ):
        assert ((numbers >= low) & (numbers <= high)).all()
    to_factor_graph(network)


def test_quickscore_takes_a_qmr_network():
    rng = np.random.default_rng(0)
    network = datasets.qmr_network(30, 40, rng)
    findings = sample(network, 1, rng)[0, 30:]
    posterior = quickscore(*network, findings).posterior
    assert ((posterior >= 0) & (posterior <= 1)).all()
    means = datasets.qmr_network(200, 3000, rng, mean_causes=4).activation
    assert (means > 0).sum() / 3000 == pytest.approx(4, abs=0.15)


def test_digits():
    X, labels, names = datasets.digits()
    assert X.shape == (1797, 64)
    assert X.dtype == np.float64
    assert (X.min(), X.max()) == (0, 1)
    assert labels.shape == (1797,)
    assert names[labels[0]] == "0"
    binary = datasets.digits(binary=True).X
    np.testing.assert_array_equal(binary, X >= 0.5)
    assert binary.dtype == np.float64


def test_iris():
    X, labels, names = datasets.iris()
    assert X.shape == (150, 4)
    assert np.bincount(labels).tolist() == [50, 50, 50]
    assert names == ("setosa", "versicolor", "virginica")


def test_sample_images_are_grey():
    images = datasets.sample_images()
    assert images._fields == ("china", "flower")
    for image in images:
        assert image.shape == (427, 640)
        assert image.min() >= 0
        assert image.max() <= 1
        assert image.std() > 0.1
    red, green, blue = np.moveaxis(load_sample_image("china.jpg") / 255, 2, 0)
    np.testing.assert_allclose(images.china, 0.299 * red + 0.587 * green + 0.114 * blue, atol=1e-12)


def test_patches_come_from_everywhere_in_both_pictures_but_where_they_are_flat(monkeypatch):
    first, second = np.random.default_rng(1).normal(size=(2, 6, 30))
    first[:, :15] = 1.0
    monkeypatch.setattr(datasets, "_prepared_images", lambda whiten, shrink: (first, second))
    patches = datasets.natural_patches(500, 4, np.random.default_rng(0), min_contrast=0.3).reshape(500, 16)

    def directions(rows):
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    shares = []
    for image in (first, second):
        places = np.lib.stride_tricks.sliding_window_view(image, (4, 4)).reshape(-1, 16)
        found = directions(patches) @ directions(places).T > 1 - 1e-9
        shares.append(found.any(axis=1).mean())
        contrast = places.std(axis=1)
        assert found[:, contrast > 0.3].any(axis=0).mean() > 0.9
        assert not found[:, contrast < 0.3].any()
    assert sum(shares) == pytest.approx(1)
    assert 0.25 < shares[0] < 0.5  # half of its places are passed over


def test_whitening_sees_no_jump_at_the_edges_of_a_slope():
    """A periodic continuation of it would jump, which the filter would make a bright frame of."""
    white = datasets.whiten(np.add.outer(np.arange(40.0), 2 * np.arange(40.0))[None])[0]
    inner = np.abs(white[10:30, 10:30]).max()
    assert np.abs(white[:, [0, -1]]).max() < 8 * inner


def spectral_slope(patches):
    """Exponent of the frequency in the mean power spectrum, below the cut-off of the whitening filter."""
    side = patches.shape[1]
    window = np.hanning(side)[:, None] * np.hanning(side)
    power = (np.abs(np.fft.fft2(patches * window)) ** 2).mean(axis=0)
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    used = (f > 0.06) & (f < 0.25)
    return np.polyfit(np.log(f[used]), np.log(power[used]), 1)[0]


def test_whitening_flattens_the_spectrum():
    rng = np.random.default_rng(0)
    white = datasets.natural_patches(500, 32, rng)
    raw = datasets.natural_patches(500, 32, rng, whiten=False)
    for patches in (white, raw):
        assert patches.shape == (500, 32, 32)
        assert np.mean(patches**2) == pytest.approx(1)
    assert abs(white.mean()) < 0.05
    assert spectral_slope(raw) < -2
    assert -1 < spectral_slope(white) < 1


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-30, 2.0**1000])
def test_whitening_does_not_depend_on_the_unit(unit):
    images = np.random.default_rng(0).random((2, 5, 6))
    np.testing.assert_array_equal(datasets.whiten(unit * images), datasets.whiten(images))


def test_whitened_drawings_have_unit_variance_and_flat_ones_stay_flat():
    white = datasets.whiten(datasets.drawn_objects(3, np.random.default_rng(0), (20, 31)).images)
    assert white.shape == (12, 20, 31)
    assert np.mean(white**2) == pytest.approx(1)
    assert abs(white.mean()) < 0.02
    np.testing.assert_array_equal(datasets.whiten(np.full((2, 5, 6), 0.3)), 0)
    np.testing.assert_array_equal(datasets.whiten(np.zeros((1, 1, 1))), 0)


@pytest.mark.parametrize(("size", "shrink"), [(1, 1), (2, 1), (427, 1), (1, 8), (53, 8)])
def test_patches_of_extreme_sizes(size, shrink):
    patches = datasets.natural_patches(2, size, np.random.default_rng(0), shrink=shrink, min_contrast=0.5)
    assert patches.shape == (2, size, size)
    assert np.isfinite(patches).all()


def write_openml(folder, pixels, labels):
    """Lay down what openml.org answers for MNIST, in the form in which scikit-learn keeps it, with fewer rows."""
    columns = [f"pixel{k}" for k in range(1, 785)]
    lines = ["@RELATION mnist_784", *(f"@ATTRIBUTE {name} real" for name in columns)]
    lines += ["@ATTRIBUTE class {0,1,2,3,4,5,6,7,8,9}", "@DATA"]
    lines += [",".join(map(str, [*row, label])) for row, label in zip(pixels, labels, strict=True)]
    arff = ("\n".join(lines) + "\n").encode()
    feature = {"is_ignore": "false", "is_row_identifier": "false", "number_of_missing_values": "0"}
    features = [
        {"index": str(k), "name": name, "data_type": "numeric", "is_target": "false", **feature}
        for k, name in enumerate(columns)
    ]
    features.append({"index": "784", "name": "class", "data_type": "nominal", "is_target": "true", **feature})
    description = {
        "id": "554",
        "name": "mnist_784",
        "version": "1",
        "description": "a few rows",
        "format": "ARFF",
        "status": "active",
        "url": "https://api.openml.org/data/v1/download/52667/mnist_784.arff",
        "md5_checksum": hashlib.md5(arff).hexdigest(),
    }
    answers = {
        "api/v1/json/data/list/data_name/mnist_784/limit/2/data_version/1": {
            "data": {"dataset": [{"did": 554, "name": "mnist_784", "version": 1, "status": "active"}]}
        },
        "api/v1/json/data/554": {"data_set_description": description},
        "api/v1/json/data/features/554": {"data_features": {"feature": features}},
        "api/v1/json/data/qualities/554": {
            "data_qualities": {"quality": [{"name": "NumberOfInstances", "value": str(len(labels))}]}
        },
    }
    contents = {name: json.dumps(answer).encode() for name, answer in answers.items()}
    contents["data/v1/download/52667/mnist_784.arff"] = arff
    for name, content in contents.items():
        path = folder / "openml" / "openml.org" / f"{name}.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content))
    return folder / "openml" / "openml.org"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("sklearn.datasets._openml.urlopen", refuse)


@pytest.mark.usefixtures("no_network")
def test_mnist_is_read_from_the_form_that_openml_serves_and_then_from_its_own_file(tmp_path):
    rng = np.random.default_rng(0)
    pixels, labels = rng.integers(0, 256, (12, 784)), np.array([5, 0, 4, 1, 9, 2, 1, 3, 1, 4, 8, 7])
    write_openml(tmp_path, pixels, labels)
    first = datasets.mnist(tmp_path)
    (tmp_path / "openml").rename(tmp_path / "gone")
    for X, got, names in (first, datasets.mnist(tmp_path)):
        assert X.dtype == np.float32
        np.testing.assert_allclose(X, pixels / 255, rtol=1e-6)
        np.testing.assert_array_equal(got, labels)
        assert names[got[0]] == "5"
    assert [path.name for path in tmp_path.glob("*.npz")] == ["mnist_784.npz"]


@pytest.mark.usefixtures("no_network")
def test_mnist_without_a_network_says_what_to_do(tmp_path):
    with pytest.raises(
        OSError, match=r"Run this once with a network, or copy mnist_784\.npz .*digits\(\) needs neither"
    ):
        datasets.mnist(tmp_path)
    assert not list(tmp_path.glob("*.npz"))


@pytest.mark.usefixtures("no_network")
def test_a_damaged_download_or_cache_is_refused(tmp_path):
    pixels = np.zeros((3, 784), dtype=int)
    server = write_openml(tmp_path, pixels, [1, 2, 3])
    arff = server / "data/v1/download/52667/mnist_784.arff.gz"
    arff.write_bytes(gzip.compress(gzip.decompress(arff.read_bytes())[:-20]))
    with pytest.raises(
        OSError, match="expected to fetch MNIST"
    ):  # the damaged file is dropped and fetched again
        datasets.mnist(tmp_path)
    write_openml(tmp_path, pixels + 256, [1, 2, 3])
    with pytest.raises(OSError, match="expected 784 columns of 0 to 255"):
        datasets.mnist(tmp_path)
    (tmp_path / "mnist_784.npz").write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(OSError, match="delete the file and try again"):
        datasets.mnist(tmp_path)


def test_any_damage_to_the_cache_is_refused_or_harmless(tmp_path):
    file, pixels = io.BytesIO(), np.full((2, 784), 255, np.uint8)
    np.savez_compressed(file, pixels=pixels, labels=np.array([3, 7]))
    for place in range(len(file.getvalue())):
        data = bytearray(file.getvalue())
        data[place] ^= 255
        (tmp_path / "mnist_784.npz").write_bytes(data)
        try:
            X, labels, _ = datasets.mnist(tmp_path)
            harmless = (X == 1).all() and labels.tolist() == [3, 7]
        except OSError as error:
            harmless = "delete the file and try again" in str(error)
        assert harmless


def test_a_file_that_could_not_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError("no space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="no space"):
        datasets._save_whole(tmp_path / "x.npz", a=np.zeros(3))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("loader", [datasets.digits, datasets.iris, datasets.sample_images, datasets.mnist])
def test_scikit_learn_is_needed_only_when_asked_for_and_then_named(loader, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    assert len(datasets.bars_and_stripes(2)) == 6
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        loader()


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: datasets.bars_and_stripes(0), "size: expected 1 to 14, got 0"),
        (lambda: datasets.bars_and_stripes(15), "size: expected 1 to 14, got 15"),
        (lambda: datasets.sample_bars_and_stripes(0, 3, RNG), "num_samples: expected at least 1"),
        (lambda: datasets.drawn_objects(0, RNG), "num_per_class: expected at least 1, got 0"),
        (lambda: datasets.drawn_objects(1, RNG, 7), "size: expected a side"),
        (lambda: datasets.drawn_objects(1, RNG, (48, 48, 48)), "size: expected a side"),
        (lambda: datasets.drawn_objects(1, RNG, classes=["cat"]), "classes: expected distinct ones of face"),
        (lambda: datasets.drawn_objects(1, RNG, classes=["car", "car"]), "classes: expected distinct"),
        (lambda: datasets.drawn_objects(1, RNG, classes=[]), "classes: expected distinct"),
        (lambda: datasets.qmr_network(0, 3, RNG), "num_diseases, num_findings: expected at least 1"),
        (lambda: datasets.qmr_network(3, 3, RNG, mean_causes=0.5), "mean_causes: expected at least 1"),
        (lambda: datasets.qmr_network(3, 3, RNG, mean_causes=np.nan), "mean_causes: expected at least 1"),
        (lambda: datasets.qmr_network(3, 3, RNG, mean_causes=np.inf), "mean_causes: expected at least 1"),
        (lambda: datasets.natural_patches(0, 3, RNG), "num: expected at least 1"),
        (lambda: datasets.natural_patches(1, 214, RNG), "size: expected 1 to 213, got 214"),
        (lambda: datasets.natural_patches(1, 0, RNG, shrink=1), "size: expected 1 to 427, got 0"),
        (lambda: datasets.natural_patches(1, 8, RNG, shrink=0), "shrink: expected 1 to 8, got 0"),
        (lambda: datasets.natural_patches(1, 8, RNG, shrink=1.5), "shrink: expected 1 to 8, got 1.5"),
        (lambda: datasets.whiten(np.zeros((3, 4))), "images: expected 3 dimension"),
        (lambda: datasets.whiten(np.full((1, 2, 2), np.nan)), "images: expected finite numbers"),
        (lambda: datasets.whiten(np.zeros((1, 0, 2))), "images: expected at least one pixel"),
        (lambda: datasets.natural_patches(1, 8, RNG, min_contrast=np.nan), "min_contrast: expected 0 to 0.5"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("bad", [2.5, np.nan, "2", None], ids=str)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("size", datasets.bars_and_stripes),
        ("size", lambda bad: datasets.sample_bars_and_stripes(2, bad, RNG)),
        ("num_samples", lambda bad: datasets.sample_bars_and_stripes(bad, 2, RNG)),
        ("num_diseases", lambda bad: datasets.qmr_network(bad, 2, RNG)),
        ("num_findings", lambda bad: datasets.qmr_network(2, bad, RNG)),
        ("num", lambda bad: datasets.natural_patches(bad, 8, RNG)),
        ("size", lambda bad: datasets.natural_patches(1, bad, RNG)),
        ("num_per_class", lambda bad: datasets.drawn_objects(bad, RNG)),
        ("size", lambda bad: datasets.drawn_objects(1, RNG, (9, bad))),
    ],
)
def test_counts_are_whole_numbers(name, call, bad):
    with pytest.raises(ValueError, match=f"^{name}: expected a whole number, got"):
        call(bad)
