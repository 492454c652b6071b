"""The look of the book's figures, and the few pictures that several chapters share.

Conventions: figures have a transparent ground and black text; on a dark page the book's style sheet inverts
their lightness and keeps their hues. A figure is at most `WIDTH` inches wide and has no text smaller than the
style's, so that a phone, which makes it as wide as its screen, still shows letters that can be read. Colours are
those of Okabe and Ito, which colour-blind readers can tell apart; wherever colour carries meaning, a line style,
a marker or a label carries it, too. What draws a shared picture returns its alt text.

>>> use_book_style()
>>> len(COLOURS)
7
"""

from __future__ import annotations

import base64
import html
import io
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from lectures_lib._validation import whole

__all__ = [
    "COLOURS",
    "PIXELS_PER_INCH",
    "SPIN_COLOURS",
    "WIDTH",
    "Slider",
    "draw_network",
    "draw_pictures",
    "draw_spins",
    "new_figure",
    "use_book_style",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
"""Okabe & Ito, "Color Universal Design" (2008), without black, which the axes have."""

SPIN_COLOURS = ListedColormap(["#E69F00", "#0072B2"], name="spins")
"""-1 orange, +1 blue."""

WIDTH = 5.8
"""Inches. On a column of 350 CSS pixels, a phone's, text of 12 points is then 10 pixels high."""

PIXELS_PER_INCH = 100
"""CSS pixels on a page for an inch of a figure: text of 12 points is as large as the text beside it."""

# Finer than a CSS pixel: sharp on fine screens, and a frame stays near 30 kB.
FRAME_DPI = 160

# Runs in the page that shows a slider, a notebook or the book, with no script file to load.
SHOW_FRAME = (
    "const figure = this.closest('figure'), frames = figure.querySelectorAll('img');"
    "frames.forEach((frame, k) => { frame.hidden = k != this.value; });"
    "const text = frames[this.value].dataset.label;"
    "this.setAttribute('aria-valuetext', text); figure.querySelector('output').textContent = text;"
)


def use_book_style() -> None:
    """Set Matplotlib's defaults to the book's look, for the rest of the session.

    In a notebook figures then have two pixels where the page has one, for fine screens.
    """
    if os.environ.get("MPLBACKEND") == "module://matplotlib_inline.backend_inline":  # set by Jupyter's kernel
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
    mpl.rcParams.update(
        {
            "figure.figsize": (WIDTH, 3.4),
            "figure.dpi": PIXELS_PER_INCH,
            "figure.facecolor": "none",
            "figure.constrained_layout.use": True,
            "axes.facecolor": "none",
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": "medium",
            "font.size": 12.0,
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
        ``alt(value)`` says in words what the picture for this value shows; called after ``draw(value)``.
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
        self.labels = [_with_minus_signs(describe(value)) for value in values]
        figures = [draw(value) for value in values]
        self.size = tuple(round(side * PIXELS_PER_INCH) for side in figures[0].get_size_inches())
        self.frames = [_png(figure) for figure in figures]
        self.alts = [alt(value) for value in values]
        if not all(text.strip() for text in self.alts):
            raise ValueError("every picture of a slider needs alt text, got an empty one")
        self.label, self.caption, self.start = label, caption, start

    def _repr_html_(self) -> str:
        images = "".join(
            f'<img src="data:image/png;base64,{base64.b64encode(frame).decode()}" alt="{html.escape(alt)}"'
            f' width="{self.size[0]}" height="{self.size[1]}" data-label="{html.escape(label)}"{"" if k == self.start else " hidden"}>'
            for k, (frame, alt, label) in enumerate(zip(self.frames, self.alts, self.labels, strict=True))
        )
        text = html.escape(self.labels[self.start])
        return (
            f'<figure class="slider">{images}<div class="slider-control">'
            f'<input type="range" min="0" max="{len(self.frames) - 1}" step="1" value="{self.start}"'
            f' aria-label="{html.escape(self.label)}" aria-valuetext="{text}" oninput="{SHOW_FRAME}">'
            f"<output>{text}</output></div><figcaption>{html.escape(self.caption)}</figcaption></figure>"
        )


def _with_minus_signs(text: str) -> str:
    """What Python prints as a hyphen before a number is a minus sign in the text of a book."""
    return re.sub(r"(?<![\w.])-(?=\d)", "−", text)


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


def draw_spins(ax: Axes, spins: np.ndarray, title: str = "") -> str:
    """Draw an array of values in [-1, 1] as an image, -1 orange and +1 blue, without axes.

    Parameters
    ----------
    ax : Axes
    spins : ndarray, shape (rows, columns)
        Spins are drawn in two colours; other values, such as means, on a scale between them.
    title : str

    Returns
    -------
    str
        Alt text: how many there are, and their mean.

    Raises
    ------
    ValueError
        If the array has not two dimensions, is empty, or holds a number outside [-1, 1].
    """
    spins = np.asarray(spins)
    if spins.ndim != 2 or not spins.size:
        raise ValueError(f"spins must have shape (rows, columns), got {spins.shape}")
    if not (np.abs(spins) <= 1).all():
        raise ValueError("spins must be in [-1, 1], got others")
    two_valued = bool(np.all(np.abs(spins) == 1))
    ax.imshow(spins, cmap=SPIN_COLOURS if two_valued else _SPIN_SCALE, vmin=-1, vmax=1)
    _without_axes(ax, title)
    kind = "spins, orange down and blue up" if two_valued else "values between orange, -1, and blue, +1"
    return f"{spins.shape[0]} by {spins.shape[1]} {kind}; their mean is {spins.mean():+.2f}."


_SPIN_SCALE = mpl.colors.LinearSegmentedColormap.from_list("spin_means", ["#E69F00", "#EEEEEE", "#0072B2"])


def _without_axes(ax: Axes, title: str) -> None:
    ax.set(xticks=[], yticks=[], title=title)
    ax.spines[:].set_visible(False)


def draw_pictures(
    ax: Axes, pictures: np.ndarray, columns: int, title: str = "", *, weights: bool = False
) -> str:
    """Draw small pictures side by side in rows.

    Parameters
    ----------
    ax : Axes
    pictures : ndarray, shape (n, height, width)
        Of ink, 0 to 1, which is drawn black on a light ground.
    columns : int
        How many stand in a row.
    title : str
    weights : bool
        Whether these are weights of any size instead: orange negative and blue positive, each picture on the scale of its largest.

    Returns
    -------
    str
        Alt text: how many there are, of what size, and in which colours.

    Raises
    ------
    ValueError
        If the array has not three dimensions or holds NaN or inf, there is no picture, or columns is below 1.
    """
    pictures = np.asarray(pictures, dtype=float)
    if pictures.ndim != 3 or not pictures.size:
        raise ValueError(f"pictures must have shape (n, height, width), got {pictures.shape}")
    if not np.isfinite(pictures).all():
        raise ValueError("pictures must hold finite numbers, got NaN or inf")
    whole(columns=columns)
    if columns < 1:
        raise ValueError(f"columns: expected at least 1, got {columns}")
    n, height, width = pictures.shape
    # Neighbours are one pixel apart; what is nan is not drawn.
    canvas = np.full((-(-n // columns) * (height + 1) + 1, columns * (width + 1) + 1), np.nan)
    for k, picture in enumerate(pictures):
        row, column = divmod(k, columns)
        top, left = row * (height + 1) + 1, column * (width + 1) + 1
        scale = (np.abs(picture).max() or 1.0) if weights else 1.0
        canvas[top : top + height, left : left + width] = picture / scale
    lowest = -1.0 if weights else -0.12  # below 0, so that the ground of a picture shows where it ends
    ax.imshow(canvas, cmap=_SPIN_SCALE if weights else "gray_r", vmin=lowest, vmax=1)
    _without_axes(ax, title)
    kind = "pictures of weights, blue positive and orange negative," if weights else "pictures"
    return f"{n} {kind} of {height} by {width} pixels, {columns} in a row."


def draw_network(
    ax: Axes,
    nodes: dict[str, tuple[float, float]],
    edges: Sequence[tuple[str, str]],
    directed: bool,
    observed: Sequence[str] = (),
) -> str:
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

    Returns
    -------
    str
        Alt text: the variables, which of them are observed, and what joins them.

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
        # No higher than the circles: one that is drawn again, as part of a second graph, covers its first name.
        ax.text(x, y, name, ha="center", va="center", color="black", zorder=2)
    ax.margins(0.2)
    ax.set_axis_off()
    kind, mark = ("Directed", "to") if directed else ("Undirected", "and")
    joined = ", ".join(f"{_plain(tail)} {mark} {_plain(head)}" for tail, head in edges) or "none"
    text = f"{kind} graph of the variables {', '.join(map(_plain, nodes))}; {'arrows' if directed else 'lines'}: {joined}"
    return text + (f"; observed: {', '.join(map(_plain, observed))}." if observed else ".")


def _plain(name: str) -> str:
    """A name without the marks of Matplotlib's mathematics, which a screen reader would read out."""
    return name.translate(str.maketrans("_", " ", "${}\\"))
