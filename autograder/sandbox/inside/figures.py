"""Figures as the inline backend shows them, cut to their contents, and drawn once, where that backend draws each of them twice."""

from __future__ import annotations

import io

import numpy as np
from IPython.core.pylabtools import print_figure
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.spines import Spine
from matplotlib.transforms import Bbox
from PIL import Image

PAD = 0.1
"""Inches that the backend leaves around the contents."""
MARGIN = 1.0
"""Inches around a figure that are drawn too, for labels and legends beyond its edges."""
OPAQUE = 255
COMPRESSION = 3
"""Of PNG files: the usual 6 takes longer, for files that are hardly smaller."""


class _Nowhere(io.RawIOBase):
    """Takes the pixels that Matplotlib writes: they are still in its buffer, and a copy takes longer than to cut them."""

    def write(self, data: memoryview) -> int:
        return len(data)


def png(figure: Figure) -> bytes | None:
    """Draw a figure; None if there is nothing on it.

    Matplotlib draws to find out where the contents end, and then draws once more in that frame. Here the first drawing is cut, where its
    pixels are no longer those of the ground: to ask Matplotlib where the contents end takes long, for it works out every tick once more.
    """
    if not figure.axes and not figure.lines:
        return None
    if type(figure.canvas) is not FigureCanvasAgg:
        return print_figure(figure)
    width, height = figure.get_size_inches() + 2 * MARGIN
    frame = Bbox.from_bounds(-MARGIN, -MARGIN, width, height)
    figure.canvas.print_figure(
        _Nowhere(), format="rgba", dpi=figure.dpi, facecolor=figure.get_facecolor(), bbox_inches=frame
    )
    if _is_beyond(figure, frame):
        return print_figure(figure)
    pixels = np.asarray(figure.canvas.buffer_rgba())
    colours = pixels.view(np.uint32)[..., 0]
    drawn = colours != colours[0, 0]
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    pad = round(PAD * figure.dpi)
    if not rows.size:
        return print_figure(figure)
    top, bottom, left, right = rows[0] - pad, rows[-1] + 1 + pad, columns[0] - pad, columns[-1] + 1 + pad
    if min(top, left) < 0 or bottom > len(drawn) or right > len(drawn[0]):  # perhaps it goes on beyond
        return print_figure(figure)
    file = io.BytesIO()
    shown = Image.fromarray(pixels[top:bottom, left:right])
    if pixels[..., 3].min() == OPAQUE:
        shown = shown.convert("RGB")
    shown.save(file, format="png", compress_level=COMPRESSION)
    return file.getvalue()


def _is_beyond(figure: Figure, frame: Bbox) -> bool:
    """Whether a text, legend or the like reaches out of the frame, where no pixel tells of it.

    Axes and their spines ask for all ticks once more. What they have leaves the frame over its edge, where pixels tell.
    """
    artists = [a for a in figure.get_default_bbox_extra_artists() if not isinstance(a, Axes | Spine)]
    # A legend would be laid out anew. Its ground is where it has been drawn.
    artists = [a.legendPatch if isinstance(a, Legend) else a for a in artists]
    boxes = [artist.get_tightbbox(figure.canvas.renderer) for artist in artists]
    left, bottom, right, top = frame.extents * figure.dpi
    return any(
        box.x0 < left or box.y0 < bottom or box.x1 > right or box.y1 > top for box in boxes if box is not None
    )
