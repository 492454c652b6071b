"""Matplotlib's fonts, listed and read once for many processes; to be imported before anything else of Matplotlib.

When it is imported, Matplotlib lists the fonts of the machine and keeps the list in the home folder, which is empty here. Later it
reads each glyph from its font's file in small pieces, and opens the files anew after each fork.
"""

from __future__ import annotations

import functools
import io
import os
from typing import Any, BinaryIO

from matplotlib import _afm


def _read_header(font: _afm.AFM, file: BinaryIO) -> None:
    """Read of a PDF's font what stands in the list, and not the size of each character, which takes most of the time."""
    font._header = _afm._parse_header(file)


_read_whole, _afm.AFM.__init__ = _afm.AFM.__init__, _read_header
try:
    from matplotlib import font_manager
finally:
    _afm.AFM.__init__ = _read_whole


class _File(io.BytesIO):
    """A font's file in memory: processes that are forked share no position in it."""

    def __init__(self, path: str) -> None:
        super().__init__(_content(path))
        self.name = path  # as of any open file; Matplotlib asks for it


@functools.lru_cache(64)
def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _open(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
    if mode == "rb" and os.fspath(path).endswith((".ttf", ".otf", ".ttc")):
        return _File(os.fspath(path))
    return open(path, mode, *rest, **options)


def keep_in_memory() -> None:
    """Have fonts read from memory, and kept over forks: then a session that draws has no files to open and read."""
    get_font = font_manager._get_font.__wrapped__

    @functools.lru_cache(64)  # as the original's, which forgets all at a fork
    def kept(*args: Any, **options: Any) -> Any:
        io.open = _open  # by this function Matplotlib's compiled part opens a font
        try:
            return get_font(*args, **options)
        finally:
            io.open = open

    font_manager._get_font = kept
