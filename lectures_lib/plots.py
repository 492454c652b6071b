"""The look of the book's figures, and the few pictures that several chapters share.

Conventions: figures have a transparent ground and black text; on a dark page the book's style sheet inverts
their lightness and keeps their hues. Colours are those of Okabe and Ito, which colour-blind readers can tell
apart; wherever colour carries meaning, a line style, a marker or a label carries it, too.

>>> use_book_style()
>>> len(COLOURS)
7
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

__all__ = [
    "COLOURS",
    "SPIN_COLOURS",
    "Slider",
    "draw_network",
    "draw_spins",
    "new_figure",
    "use_book_style",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Okabe & Ito, "Color Universal Design" (2008), without black, which the axes have."""

SPIN_COLOURS = ListedColormap(["#E69F00", "#0072B2"], name="spins")
"""-1 orange, +1 blue."""

# Twice the resolution of a CSS pixel (96 per inch): sharp on fine screens, and a frame stays near 30 kB.
FRAME_DPI = 160

# Runs in the page that shows a slider, a notebook or the book, with no script file to load.
SHOW_FRAME = (
    "const figure = this.closest('figure'), frames = figure.querySelectorAll('img');"
    "frames.forEach((frame, k) => { frame.hidden = k != this.value; });"
    "const text = frames[this.value].dataset.label;"
    "this.setAttribute('aria-valuetext', text); figure.querySelector('output').textContent = text;"
)


def use_book_style() -> None:
    """Set Matplotlib's defaults to the book's look, for the rest of the session."""
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.4),
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "font.size": 11.0,
            "image.cmap": "cividis",
            "image.interpolation": "nearest",
            "legend.frameon": False,
            "lines.linewidth": 2.0,
            "savefig.facecolor": "none",
            "svg.hashsalt": "book",  # the same figure is the same file, so a rebuild changes nothing
        }
    )


class Slider:
    """Pictures and a slider that chooses one of them; shown by Jupyter and by the book, with no server.

    Parameters
    ----------
    draw : callable
        ``draw(value)`` returns a Matplotlib figure; called once for every value, here.
    values : sequence of length n
        The slider's stops.
    label : str
        What the slider changes, its name for screen readers.
    describe : callable
        ``describe(value)`` is the text beside the slider, such as "K = 0.30".
    alt : callable
        ``alt(value)`` says in words what the picture for this value shows.
    caption : str
        Stands below the picture.
    start : int
        Index of the value shown at first, in 0..n-1.

    Raises
    ------
    ValueError
        For fewer than two values, a start outside them, or a picture without alt text.
    """

    def __init__(
        self,
        draw: Callable[[Any], Figure],
        values: Sequence[Any],
        label: str,
        describe: Callable[[Any], str],
        alt: Callable[[Any], str],
        caption: str,
        start: int = 0,
    ) -> None:
        if len(values) < 2:
            raise ValueError(f"a slider needs at least two values, got {len(values)}")
        if not 0 <= start < len(values):
            raise ValueError(f"start must be in 0..{len(values) - 1}, got {start}")
        self.labels = [describe(value) for value in values]
        self.alts = [alt(value) for value in values]
        if not all(text.strip() for text in self.alts):
            raise ValueError("every picture of a slider needs alt text, got an empty one")
        self.frames = [_png(draw(value)) for value in values]
        self.label, self.caption, self.start = label, caption, start

    def _repr_html_(self) -> str:
        images = "".join(
            f'<img src="data:image/png;base64,{base64.b64encode(frame).decode()}" alt="{html.escape(alt)}"'
            f' data-label="{html.escape(label)}"{"" if k == self.start else " hidden"}>'
            for k, (frame, alt, label) in enumerate(zip(self.frames, self.alts, self.labels, strict=True))
        )
        text = html.escape(self.labels[self.start])
        return (
            f'<figure class="slider">{images}<div class="slider-control">'
            f'<input type="range" min="0" max="{len(self.frames) - 1}" step="1" value="{self.start}"'
            f' aria-label="{html.escape(self.label)}" aria-valuetext="{text}" oninput="{SHOW_FRAME}">'
            f"<output>{text}</output></div><figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=FRAME_DPI)
    figure.clear()
    return buffer.getvalue()


def new_figure(*args: Any, **kwargs: Any) -> tuple[Figure, Any]:
    """Return a figure and its axes, like `matplotlib.pyplot.subplots`, that pyplot does not display or keep.

    For the frames of a `Slider`: pyplot would keep every one of them open.
    """
    size = kwargs.pop("figsize", None)
    figure = Figure(figsize=size)
    return figure, figure.subplots(*args, **kwargs)


def draw_spins(ax: Axes, spins: np.ndarray, title: str = "") -> None:
    """Draw an array of values in [-1, 1] as an image, -1 orange and +1 blue, without axes.

    Parameters
    ----------
    ax : Axes
    spins : ndarray, shape (rows, columns)
        Spins are drawn in two colours; other values, such as means, on a scale between them.
    title : str
    """
    spins = np.asarray(spins)
    if spins.ndim != 2:
        raise ValueError(f"spins must have shape (rows, columns), got {spins.shape}")
    two_valued = bool(np.all(np.abs(spins) == 1))
    ax.imshow(spins, cmap=SPIN_COLOURS if two_valued else _SPIN_SCALE, vmin=-1, vmax=1)
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)


_SPIN_SCALE = mpl.colors.LinearSegmentedColormap.from_list("spin_means", ["#E69F00", "#EEEEEE", "#0072B2"])


def draw_network(
    ax: Axes,
    nodes: dict[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    directed: bool,
    observed: Sequence[str] = (),
) -> None:
    """Draw a graph of variables: named circles, shaded where observed, with arrows or lines between them.

    Parameters
    ----------
    ax : Axes
    nodes : dict
        Name, in which Matplotlib's mathematics may be used, to position.
    edges : sequence of pairs of names
    directed : bool
        Arrows from the first of a pair to the second, or plain lines.
    observed : sequence of names

    Raises
    ------
    ValueError
        If an edge or an observed name is no node.
    """
    unknown = {name for edge in edges for name in edge}.union(observed) - nodes.keys()
    if unknown:
        raise ValueError(f"expected names of nodes {sorted(nodes)}, got {sorted(unknown)}")
    radius_points = 15.0
    for tail, head in edges:
        ax.annotate(
            "",
            xy=nodes[head],
            xytext=nodes[tail],
            arrowprops={
                "arrowstyle": "-|>" if directed else "-",
                "color": "black",
                "lw": 1.3,
                "shrinkA": radius_points,
                "shrinkB": radius_points,
            },
        )
    for name, (x, y) in nodes.items():
        face = "#BBBBBB" if name in observed else "white"
        ax.plot(x, y, "o", ms=2 * radius_points, mfc=face, mec="black", mew=1.3)
        ax.text(x, y, name, ha="center", va="center", color="black")
    ax.margins(0.2)
    ax.set_axis_off()
