"""How the attacks are written down: what is handed in, and the points that it honestly earns."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

NAME = "gibbs_principle"
FUNCTIONS = ("entropy", "kl", "elbo", "posterior", "quickscore")
POINTS = dict(zip(FUNCTIONS, (3, 4, 4, 4, 5), strict=True))
FULL = sum(POINTS.values())

EVERY = "for name in ('entropy', 'kl', 'elbo', 'posterior', 'quickscore'): globals()[name] = f\n"
"""The last line of an attack whose function `f` stands for all that the assignment asks for."""


class Attack(NamedTuple):
    """A submission: writes itself into a folder, given the solved notebook."""

    write: Callable[[Path, dict], None]
    points: float = 0
    reason: str = ""  # a part of what the report says went wrong


def _save(folder: Path, notebook: dict) -> None:
    (folder / f"{NAME}.ipynb").write_text(json.dumps(notebook), encoding="utf-8", errors="surrogatepass")


def solution_cell(notebook: dict, function: str) -> dict:
    """The solution cell of a function."""
    return next(c for c in notebook["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == function)


def alone(code: str, points: float = 0, reason: str = "") -> Attack:
    """Nothing is solved: the code stands in the first solution cell, the others are empty."""

    def write(folder: Path, notebook: dict) -> None:
        notebook = copy.deepcopy(notebook)
        for function in FUNCTIONS:
            solution_cell(notebook, function)["source"] = "# see the first cell"
        solution_cell(notebook, FUNCTIONS[0])["source"] = code
        _save(folder, notebook)

    return Attack(write, points, reason)


def beside(code: str, points: float = FULL, reason: str = "", *, last: bool = False) -> Attack:
    """All is solved, and the code stands in a cell of its own, before everything or after."""

    def write(folder: Path, notebook: dict) -> None:
        notebook = copy.deepcopy(notebook)
        cell = {
            "cell_type": "code",
            "id": "attack",
            "metadata": {},
            "source": code,
            "outputs": [],
            "execution_count": None,
        }
        notebook["cells"].insert(len(notebook["cells"]) if last else 0, cell)
        _save(folder, notebook)

    return Attack(write, points, reason)


def changed(change: Callable[[dict], object], points: float = FULL, reason: str = "") -> Attack:
    """The solved notebook, with its JSON changed."""

    def write(folder: Path, notebook: dict) -> None:
        notebook = copy.deepcopy(notebook)
        change(notebook)
        _save(folder, notebook)

    return Attack(write, points, reason)


def raw(make: Callable[[dict], bytes], points: float = 0, reason: str = "") -> Attack:
    """Any bytes, made from the solved notebook."""
    return Attack(
        lambda folder, notebook: (folder / f"{NAME}.ipynb").write_bytes(make(notebook)), points, reason
    )


def files(make: Callable[[Path, dict], object], points: float = 0, reason: str = "") -> Attack:
    """Any files in the submission's folder."""
    return Attack(lambda folder, notebook: make(folder, notebook) and None, points, reason)
