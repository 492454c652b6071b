"""Figures as the inline backend shows them, cut to their contents, and drawn once, where that backend draws each of them twice."""

from __future__ import annotations

import io

from IPython.core.pylabtools import print_figure
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

PAD = 0.1
"""Inches that the backend leaves around the contents."""
MARGIN = 1.0
"""Inches around a figure that are drawn too, for labels and legends beyond its edges."""


def png(figure: Figure) -> bytes | None:
    """Draw a figure; None if there is nothing on it.

    Matplotlib draws to find out where the contents end, and then draws once more in that frame. Here the first drawing is cut.
    """
    if not figure.axes and not figure.lines:
        return None
    if type(figure.canvas) is not FigureCanvasAgg:
        return print_figure(figure)
    width, height = figure.get_size_inches() + 2 * MARGIN
    size = int(width * figure.dpi), int(height * figure.dpi)
    frame = Bbox.from_bounds(-MARGIN, -MARGIN, width, height)
    drawn = io.BytesIO()
    figure.canvas.print_figure(
        drawn, format="rgba", dpi=figure.dpi, facecolor=figure.get_facecolor(), bbox_inches=frame
    )
    contents = figure.get_tightbbox(figure.canvas.renderer).padded(PAD).translated(MARGIN, MARGIN)
    left, bottom, right, top = (round(inches * figure.dpi) for inches in contents.extents)
    pixels = drawn.getvalue()
    if min(left, bottom) < 0 or right > size[0] or top > size[1] or len(pixels) != 4 * size[0] * size[1]:
        return print_figure(figure)
    shown = Image.frombytes("RGBA", size, pixels).crop((left, size[1] - top, right, size[1] - bottom))
    file = io.BytesIO()
    shown.save(file, format="png")
    return file.getvalue()
