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


class _Nowhere(io.RawIOBase):
    """Takes the pixels that Matplotlib writes: they are still in its buffer, and a copy takes longer than to cut them."""

    def write(self, data: memoryview) -> int:
        return len(data)


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
    figure.canvas.print_figure(
        _Nowhere(), format="rgba", dpi=figure.dpi, facecolor=figure.get_facecolor(), bbox_inches=frame
    )
    contents = figure.get_tightbbox(figure.canvas.renderer).padded(PAD).translated(MARGIN, MARGIN)
    left, bottom, right, top = (round(inches * figure.dpi) for inches in contents.extents)
    pixels = figure.canvas.buffer_rgba()
    if min(left, bottom) < 0 or right > size[0] or top > size[1] or pixels.shape != (size[1], size[0], 4):
        return print_figure(figure)
    shown = Image.frombuffer("RGBA", size, pixels, "raw", "RGBA", 0, 1).crop(
        (left, size[1] - top, right, size[1] - bottom)
    )
    file = io.BytesIO()
    shown.save(file, format="png")
    return file.getvalue()
