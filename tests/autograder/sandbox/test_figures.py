"""Figures are those of IPython's inline backend, but for shifts within a pixel, and the width of the edge by a few."""

from __future__ import annotations

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from IPython.core.pylabtools import print_figure
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from PIL import Image

from autograder.sandbox.inside import figures


def ordinary() -> Figure:
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.plot([0, 1, 3], label="a line")
    axes.set(xlabel="x", ylabel="$y^2$", title="a title")
    axes.legend()
    return figure


def small_and_coloured() -> Figure:
    figure, axes = plt.subplots(figsize=(2, 2), dpi=72, facecolor="lightblue")
    axes.imshow(np.eye(3))
    axes.axis("off")
    return figure


def constrained() -> Figure:
    figure, panels = plt.subplots(2, 3, layout="constrained")
    image = panels[0, 0].imshow(np.arange(9).reshape(3, 3))
    figure.colorbar(image, ax=panels)
    figure.suptitle("six")
    return figure


def far_inside() -> Figure:
    figure = plt.figure(figsize=(5, 5))
    figure.add_axes((0.4, 0.4, 0.2, 0.2)).plot([1, 2])
    return figure


def beyond_the_edge() -> Figure:
    figure = ordinary()
    figure.axes[0].legend(loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def far_beyond_the_edge() -> Figure:
    figure = ordinary()
    figure.text(1.5, 0.5, "far out")
    return figure


def another_canvas() -> Figure:
    figure = ordinary()
    FigureCanvasSVG(figure)
    return figure


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA"), float)


def cut(picture: np.ndarray) -> np.ndarray:
    """Without the edge, which has the colour of the corner."""
    drawn = (picture != picture[0, 0]).any(axis=2)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    return picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize(
    "make",
    [
        ordinary,
        small_and_coloured,
        constrained,
        far_inside,
        beyond_the_edge,
        far_beyond_the_edge,
        another_canvas,
    ],
)
def test_the_same_picture(make):
    ours, theirs = pixels(figures.png(make())), pixels(print_figure(make()))
    assert np.abs(np.subtract(ours.shape, theirs.shape)).max() <= 5
    ours, theirs = cut(ours), cut(theirs)
    assert np.abs(np.subtract(ours.shape, theirs.shape)).max() <= 1
    height, width = np.minimum(ours.shape, theirs.shape)[:2]
    differences = [
        np.abs(ours[i : height - 1 + i, j : width - 1 + j] - theirs[k : height - 1 + k, m : width - 1 + m]).mean()
        for i in (0, 1) for j in (0, 1) for k in (0, 1) for m in (0, 1)
    ]  # fmt: skip
    assert min(differences) < 6, differences
    assert theirs[..., :3].std() > 10


def test_an_ordinary_figure_is_drawn_once(monkeypatch):
    drawn = []
    draw = Figure.draw
    monkeypatch.setattr(Figure, "draw", lambda self, renderer: (drawn.append(1), draw(self, renderer)))
    assert figures.png(ordinary())
    assert len(drawn) == 1


def test_nothing_to_show():
    assert figures.png(plt.figure()) is None
