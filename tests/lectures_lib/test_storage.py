"""What is saved comes back, bit for bit; what is no model is refused."""

import io
import json
from typing import NamedTuple

import numpy as np
import pytest

from lectures_lib import conv_dbn, conv_rbm, dbn, em, graphical_models, mean_field, rbm, storage, two_kls


def saved_and_loaded(model):
    file = io.BytesIO()
    storage.save(file, model)
    return storage.load(io.BytesIO(file.getvalue()))


def assert_same(a, b):
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    else:
        assert a == b


def machine(dtype, shape=(5, 3)):
    rng = np.random.default_rng(0)
    return rbm.RBM(*(rng.normal(size=size).astype(dtype) for size in (shape, shape[:1], shape[1:])))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_models_come_back(dtype, tmp_path):
    small = machine(dtype)
    X = np.random.default_rng(1).normal(size=(20, 2)).astype(dtype)
    for number, model in enumerate(
        (small, dbn.tie(small), em.fit(X, X[:3], max_iter=2), em.hard_em(X, X[:3]))
    ):
        path = tmp_path / f"{number}.npz"
        storage.save(path, model)
        assert_same(storage.load(path), model)


LAYER = conv_rbm.ConvRBM(np.ones((2, 1, 3, 3)), np.zeros(1), np.zeros(2), 2, True)
EVERY_MODEL = [
    machine(np.float64),
    rbm.Fit(machine(np.float64), np.array([0.5, 0.25])),
    dbn.DBN((machine(np.float64),)),
    dbn.Recognition(np.ones((3, 2)), np.zeros(2)),
    dbn.UpDown(dbn.DBN(()), (dbn.Recognition(np.ones((3, 2)), np.zeros(2)),), np.array([1 / 3])),
    LAYER,
    conv_rbm.Fit(LAYER, np.ones(2), np.zeros(2)),
    conv_dbn.ConvDBN((LAYER, LAYER)),
    em.Mixture(np.ones((1, 2)), np.ones((3, 1)), np.array([-1.0]), 1, False),
    em.HardMixture(np.ones((1, 2)), np.zeros(3, np.int64), np.array([-1.0]), 1, True),
    mean_field.IsingMeanField(np.ones(3), -1 / 3, np.array([-1 / 3]), 1, True),
    mean_field.FactorGraphMeanField((np.ones(1), np.array([0.5, 0.5])), 0.1, np.array([0.1]), 2, True),
    two_kls.Gaussian(np.zeros(2), np.eye(2)),
    two_kls.ReverseFit(np.zeros(1), np.eye(1), 0.1, 5, False, np.inf, (0, 2)),
    graphical_models.FactorGraph((2,), ((0,),), (np.array([0.0, -np.inf]),)),
    graphical_models.BayesNet((2,), ((),), (np.array([0.5, 0.5]),)),
]


@pytest.mark.parametrize(
    "model", EVERY_MODEL, ids=lambda model: f"{type(model).__module__}.{type(model).__name__}"
)
def test_every_kind_of_model_comes_back(model):
    assert_same(saved_and_loaded(model), model)


def test_every_kind_of_model_is_tried():
    assert {type(model) for model in EVERY_MODEL} == set(storage.MODELS.values())


def test_numbers_of_numpy_come_back_as_those_of_python():
    mixture = em.Mixture(np.ones((1, 1)), np.ones((1, 1)), np.zeros(1), np.int64(3), np.bool_(True))
    assert_same(saved_and_loaded(mixture), mixture._replace(num_iter=3, converged=True))
    fit = EVERY_MODEL[-3]._replace(value=np.float32(0.1))
    assert_same(saved_and_loaded(fit), fit._replace(value=float(np.float32(0.1))))


def test_odd_parts_come_back():
    graph = graphical_models.FactorGraph((2, 3), ((), (0, 1)), (np.array(-0.5), np.full((2, 3), -np.inf)))
    assert_same(saved_and_loaded(graph), graph)
    mixture = em.Mixture(np.ones((1, 1)), np.ones((1, 1)), np.array([np.inf]), 3, True)
    assert_same(saved_and_loaded(mixture), mixture)


def test_a_trained_network_gives_the_same_samples(tmp_path):
    X = (np.random.default_rng(2).random((50, 6)) < 0.5).astype(float)
    model = dbn.fit_greedy(X, (4, 3), np.random.default_rng(3), num_epochs=2)
    storage.save(tmp_path / "network", model)
    again = storage.load(tmp_path / "network.npz")
    draws = [dbn.sample(m, 5, np.random.default_rng(4), num_steps=10) for m in (model, again)]
    np.testing.assert_array_equal(*draws)


class RBM(NamedTuple):
    W: int


def test_refuses_what_is_no_model():
    with pytest.raises(TypeError, match=r"expected one of .*, got RBM"):
        storage.save(io.BytesIO(), RBM(1))
    with pytest.raises(TypeError, match="expected one of"):
        storage.save(io.BytesIO(), {"W": np.ones(3)})
    with pytest.raises(TypeError, match="arrays of numbers"):
        storage.save(io.BytesIO(), rbm.RBM(np.array([object()]), np.zeros(1), np.zeros(1)))
    with pytest.raises(TypeError, match="got set"):
        storage.save(io.BytesIO(), rbm.RBM(set(), np.zeros(1), np.zeros(1)))


def written(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return io.BytesIO(file.getvalue())


@pytest.mark.parametrize(
    "file",
    [
        io.BytesIO(b"no archive"),
        io.BytesIO(b""),
        written(W=np.ones(3)),
        written(structure=np.array("not JSON")),
        written(structure=np.array("[1]")),
        written(structure=np.array({"version": 1}, dtype=object)),  # would need pickle
        written(structure=np.array(json.dumps({"version": 2, "model": {"plain": 1}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"model": "os", "fields": {}}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"model": "RBM", "fields": {}}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"array": "array_7"}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": 5}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"plain": 1}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"model": "RBM", "fields": []}}))),
        written(structure=np.array(json.dumps({"version": 1, "model": {"float": "0x1p9999"}}))),
        written(structure=np.array("[" * 100_000)),
    ],
    ids=range(15),
)
def test_refuses_files_of_another_kind(file):
    with pytest.raises(ValueError, match=r"expected a (model|file)"):
        storage.load(file)


def test_no_byte_of_a_file_can_change_without_a_clear_error_or_none():
    file, model = io.BytesIO(), machine(np.float64, (2, 1))
    storage.save(file, model)
    for place in range(len(file.getvalue())):
        for mask in (1, 32, 255):
            data = bytearray(file.getvalue())
            data[place] ^= mask
            try:
                loaded = storage.load(io.BytesIO(data))
            except ValueError as error:
                loaded = model if "expected a model saved by" in str(error) else error
            assert_same(loaded, model)  # where the damage is in a date, say


def test_a_damaged_file(tmp_path):
    storage.save(tmp_path / "a.npz", machine(np.float64))
    data = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match="expected a model"):
        storage.load(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError):
        storage.load(tmp_path / "none.npz")
