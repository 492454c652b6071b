"""Unpacks the archives that a learning platform hands out, for `nbgrader zip_collect`: only notebooks, within bounds.

nbgrader's own way unpacks everything. Here a member is written only if it is a notebook of a size that is read later, at a
place below the archive's own folder; the rest is named in the log.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from nbgrader.plugins import ExtractorPlugin

from autograder.intake import MAX_BYTES

ZIP, TAR = (".zip",), (".tar", ".tar.gz", ".tgz")
MAX_DEPTH = 3
"""Archives inside archives: a class's download, a student's own archive, and one in that."""

MAX_MEMBERS = 20_000
MAX_UNPACKED = 2 * 2**30
"""Bytes that one archive may unfold to, what is left out included."""

MAX_INNER = 100 * 2**20
"""Bytes of an archive inside an archive, which is held in memory."""


class Unpackable(Exception):
    """An archive that is damaged, too large or hostile; its text says which."""


class BoundedExtractor(ExtractorPlugin):
    """Takes the notebooks out of archives; `c.ZipCollectApp.extractor_plugin` names it."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Put the notebooks of a folder, and those in its archives, into another folder of the same structure."""
        for folder, _, names in os.walk(archive_path):
            for name in sorted(names):
                source = Path(folder, name)
                place = Path(extracted_path, os.path.relpath(folder, archive_path))
                if not stat.S_ISREG(source.lstat().st_mode):
                    self._leave_out(source.name, "it is a link or no regular file")
                    continue
                with source.open("rb") as file:
                    self._take(file, name, source.stat().st_size, place, 0)

    def _take(self, file: BinaryIO, name: str, size: int, place: Path, depth: int) -> None:
        """Write a notebook to `place`, or unpack an archive there into a folder of its name."""
        lower = name.lower()
        kind = next((k for k in (*ZIP, *TAR) if lower.endswith(k)), None)
        if lower.endswith(".ipynb"):
            if size > MAX_BYTES:
                self._leave_out(name, f"it has more than {MAX_BYTES // 2**20} MB")
                return
            content = file.read(MAX_BYTES + 1)
            place.mkdir(parents=True, exist_ok=True)
            target = place / name
            if os.path.lexists(target):
                self._leave_out(name, "there is a file of this name already")
                return
            target.write_bytes(content)
        elif kind is None:
            self._leave_out(name, "it is no notebook")
        elif depth >= MAX_DEPTH:
            self._leave_out(name, f"it is an archive inside {MAX_DEPTH} others")
        else:
            members = _zip_members if kind in ZIP else _tar_members
            try:
                self._unpack(members(file, kind), place / name[: -len(kind)], depth)
            except (Unpackable, zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, OSError, ValueError,
                    NotImplementedError, RuntimeError) as error:  # fmt: skip
                self._leave_out(name, f"it can't be unpacked to its end ({error or type(error).__name__})")

    def _unpack(
        self, members: Iterator[tuple[str, int, Callable[[], BinaryIO]]], place: Path, depth: int
    ) -> None:
        left = MAX_UNPACKED
        for count, (name, size, opened) in enumerate(members):
            left -= size
            if count >= MAX_MEMBERS or left < 0:
                raise Unpackable("it holds too much")
            parts = PurePosixPath(name.replace("\\", "/")).parts
            if not parts or any(
                part in ("..", "/") or ":" in part or not part.isprintable() for part in parts
            ):
                self._leave_out(name, "its name leads elsewhere")
                continue
            inner = parts[-1].lower().endswith((*ZIP, *TAR))
            if inner and size > MAX_INNER:
                self._leave_out(name, "it is a large archive in another")
                continue
            if not (inner or parts[-1].lower().endswith(".ipynb")):
                self._leave_out(name, "it is no notebook")
                continue
            with opened() as file:
                content = io.BytesIO(file.read(MAX_INNER)) if inner else file
                self._take(content, parts[-1], size, place.joinpath(*parts[:-1]), depth + 1)

    def _leave_out(self, name: str, reason: str) -> None:
        self.log.warning("Left out: %s, since %s", ascii(name[-200:]), reason)


def _zip_members(file: BinaryIO, kind: str) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    """Names, sizes and contents of a zip file's regular files. A size that is no true one is an error on reading."""
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            kind_of_file = stat.S_IFMT(info.external_attr >> 16)
            if not info.is_dir() and kind_of_file in (0, stat.S_IFREG):
                yield info.filename, info.file_size, lambda info=info: archive.open(info)


def _tar_members(file: BinaryIO, kind: str) -> Iterator[tuple[str, int, Callable[[], BinaryIO]]]:
    """Names, sizes and contents of a tar file's regular files, read as a stream that ends at its bound."""
    unpacked = _Bounded(file if kind == ".tar" else gzip.GzipFile(fileobj=file))
    with tarfile.open(fileobj=unpacked, mode="r|") as archive:
        for info in archive:
            if info.isreg() and not info.issparse():
                yield info.name, info.size, lambda info=info: archive.extractfile(info)


class _Bounded:
    """A file that may be read up to MAX_UNPACKED bytes: what is skipped has to be unfolded, too."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = MAX_UNPACKED

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise Unpackable("it holds too much")
        return data
