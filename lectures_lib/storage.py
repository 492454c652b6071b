"""Saving fitted models to .npz files, and loading them, without pickle: a file from a stranger can hold numbers, never code.

A model is a named tuple of this package, made of arrays, numbers, texts, tuples and other such models. The file holds its arrays, and a
JSON text that says how they fit together.

    >>> import io, numpy as np
    >>> file = io.BytesIO()
    >>> save(file, rbm.RBM(np.ones((3, 2)), np.zeros(3), np.zeros(2)))
    >>> load(io.BytesIO(file.getvalue())).W.shape
    (3, 2)
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from lectures_lib import conv_dbn, conv_rbm, dbn, em, graphical_models, mean_field, rbm, two_kls
from lectures_lib._validation import DAMAGED_ARCHIVE

__all__ = [
    "load",
    "save",
]

MODELS = {
    model.__name__: model
    for model in (
        rbm.RBM,
        rbm.Fit,
        dbn.DBN,
        dbn.Recognition,
        dbn.UpDown,
        conv_dbn.ConvRBM,
        conv_dbn.ConvDBN,
        em.Mixture,
        em.HardMixture,
        mean_field.IsingMeanField,
        mean_field.FactorGraphMeanField,
        two_kls.Gaussian,
        two_kls.ReverseFit,
        graphical_models.FactorGraph,
        graphical_models.BayesNet,
    )
} | {"conv_rbm.Fit": conv_rbm.Fit}
"""What can be saved, by the name that the file gives it; two models are called Fit."""

NAMES = {model: name for name, model in MODELS.items()}

VERSION = 1

NO_MODEL = (*DAMAGED_ARCHIVE, IndexError, TypeError, AttributeError, OverflowError)
"""What reading a damaged or foreign file raises, somewhere on the way through zipfile, NumPy, json and `_decode`."""


def save(path: str | Path | BinaryIO, model) -> None:
    """Write a model to a file.

    Parameters
    ----------
    path : str, Path or binary file
        A name without a suffix gets `.npz`.
    model : named tuple
        One of MODELS.

    Raises
    ------
    TypeError
        If the model, or a part of it, is of a kind that isn't saved.
    """
    if type(model) not in NAMES:
        raise TypeError(f"model: expected one of {', '.join(sorted(MODELS))}, got {type(model).__name__}")
    arrays: dict[str, np.ndarray] = {}
    text = json.dumps({"version": VERSION, "model": _encode(model, arrays)})
    np.savez_compressed(path, structure=np.array(text), **arrays)


def load(path: str | Path | BinaryIO):
    """Read a model that `save` wrote.

    Parameters
    ----------
    path : path-like or binary file

    Returns
    -------
    object
        A model of the kind that was saved.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, of another version, or holds something else.
    """
    try:
        # Opened here, since NumPy leaves a damaged file open.
        with (
            contextlib.nullcontext(path) if hasattr(path, "read") else open(path, "rb") as binary,
            np.load(binary, allow_pickle=False) as file,
        ):
            contents = {name: file[name] for name in file.files}
        structure = json.loads(str(contents["structure"]))
        version = structure["version"]
        model = _decode(structure["model"], contents) if version == VERSION else None
    except FileNotFoundError:
        raise
    except NO_MODEL as error:
        raise ValueError(f"{path}: expected a model saved by lectures_lib.storage, got {error}") from error
    if version != VERSION:
        raise ValueError(f"{path}: expected a file of version {VERSION}, got {version}")
    if type(model) not in NAMES:
        raise ValueError(
            f"{path}: expected a model saved by lectures_lib.storage, got a {type(model).__name__}"
        )
    return model


def _encode(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if type(value) in NAMES:
        fields = {name: _encode(part, arrays) for name, part in zip(value._fields, value, strict=True)}
        return {"model": NAMES[type(value)], "fields": fields}
    if isinstance(value, tuple | list):
        return {"tuple": [_encode(part, arrays) for part in value]}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"model: expected arrays of numbers, got one of {value.dtype}")
        name = f"array_{len(arrays)}"
        arrays[name] = value
        return {"array": name}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return {"plain": value}
    if isinstance(value, float):
        return {"float": value.hex()}  # exact, and inf and NaN stay what they are
    raise TypeError(f"model: expected arrays, numbers, texts and tuples, got {type(value).__name__}")


def _decode(data: dict, arrays: dict[str, np.ndarray]) -> Any:
    if "model" in data:
        model = MODELS[data["model"]]
        return model(**{name: _decode(part, arrays) for name, part in data["fields"].items()})
    if "tuple" in data:
        return tuple(_decode(part, arrays) for part in data["tuple"])
    if "array" in data:
        return arrays[data["array"]]
    return float.fromhex(data["float"]) if "float" in data else data["plain"]
