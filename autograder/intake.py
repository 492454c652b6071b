"""Reads a submission's bytes as what they are: untrusted.

Only text comes out. Of a notebook file the cells' types, sources and grade ids are kept; outputs, attachments and all
other metadata never get past this module. Whatever the bytes are, the result is a value: a `Submission`, or a `Refused`
with a reason that a student can act on.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MAX_BYTES = 10 * 2**20
"""A notebook with some tens of figures stays under 10 MB."""

MAX_DEPTH = 100
"""Notebooks nest about ten levels; Python's JSON parser recurses, so the depth is counted before it is called."""

MAX_CONTAINERS = 500_000
"""Lists and objects in the file: each costs some hundred bytes once parsed, so 10 MB of "[]," would cost a gigabyte."""

MAX_CELLS = 2000

MAX_TIMESTAMP = 100  # bytes

CELL_TYPES = ("code", "markdown", "raw")

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar")
_ARCHIVE_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!")

_SAFE_NAME = re.compile(r"[A-Za-z0-9_@+-][A-Za-z0-9_.@+-]{0,99}")
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class SubmittedCell:
    """A cell as the student handed it in."""

    cell_type: str
    source: str
    grade_id: str | None


@dataclass(frozen=True)
class Submission:
    """What is kept of a submitted notebook."""

    cells: tuple[SubmittedCell, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A submission that can't be graded, and why."""

    reason: str


class _NotReadable(Exception):
    """Its text is the reason of a refusal."""


def is_safe_name(name: str) -> bool:
    """Tell whether a student's id can be a folder's name, a database key and a column of a table."""
    return _SAFE_NAME.fullmatch(name) is not None


def student_folders(submitted: Path) -> list[str]:
    """Names of the students' folders, sorted; names that aren't safe are left to `unsafe_folders`."""
    return [name for name in _folders(submitted) if is_safe_name(name)]


def unsafe_folders(submitted: Path) -> list[str]:
    """Names of folders that are skipped since they can't be a student's id, in a form that can be printed."""
    return [
        ascii(name) for name in _folders(submitted) if not is_safe_name(name) and not name.startswith(".")
    ]


def _folders(submitted: Path) -> list[str]:
    try:
        with os.scandir(submitted) as entries:
            # A link is kept: `read_submission` refuses it with a reason, so that the student isn't left out in silence.
            return sorted(
                entry.name for entry in entries if entry.is_dir(follow_symlinks=False) or entry.is_symlink()
            )
    except FileNotFoundError:
        return []


def read_submission(folder: Path, notebook_name: str) -> tuple[Submission | Refused, str]:
    """Read submitted/<student>/<assignment>.

    Parameters
    ----------
    folder : Path
        The submission's folder. Neither it nor the student's folder above it may be a symbolic link.
    notebook_name : str
        Name of the notebook without its suffix, which is the assignment's name.

    Returns
    -------
    tuple[Submission | Refused, str]
        What was read, and a digest that changes when the submission does.
    """
    try:
        content, notes = _read_file(folder, f"{notebook_name}.ipynb")
    except _NotReadable as error:
        return Refused(str(error)), hashlib.sha256(f"refused: {error}".encode()).hexdigest()
    digest = hashlib.sha256(content).hexdigest()
    try:
        return parse(content, notes), digest
    except _NotReadable as error:
        return Refused(str(error)), digest
    except (ValueError, RecursionError, MemoryError) as error:
        return Refused(f"the file can't be read as a notebook ({type(error).__name__})"), digest


def _read_file(folder: Path, name: str) -> tuple[bytes, tuple[str, ...]]:
    with contextlib.ExitStack() as stack:
        student = _open_folder(stack, folder.parent, None)
        directory = _open_folder(stack, folder.name, student)
        try:
            names = sorted(os.listdir(directory))
            others = [n for n in names if n.endswith(".ipynb") and n != name]
            # Without O_NONBLOCK, opening a pipe would wait for a writer for ever.
            descriptor = os.open(
                name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
            )
        except FileNotFoundError:
            found = others or [n for n in names if n.lower().endswith(ARCHIVES)]
            there = f"; there is {', '.join(map(_quoted, found[:3]))}" if found else ""
            advice = "; an archive has to be unpacked first" if found and not others else ""
            raise _NotReadable(f"the file {name} is missing{there}{advice}") from None
        except OSError as error:
            raise _NotReadable(f"{name} is not a regular file that can be read ({_words(error)})") from None
        stack.callback(os.close, descriptor)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _NotReadable(f"{name} is not a regular file")
        if status.st_size > MAX_BYTES:
            raise _NotReadable(
                f"{name} has {status.st_size / 2**20:.1f} MB, and at most {MAX_BYTES // 2**20} MB are read: "
                "clear its outputs and hand it in again"
            )
        content = _read_all(descriptor)
    notes = ()
    if others:
        notes = (f"there are several notebooks; only {name} is graded",)
    return content, notes


def read_timestamp(folder: Path) -> datetime.datetime | None:
    """Read when a submission was handed in (UTC), as nbgrader's exchange wrote it; None if that can't be told."""
    from nbgrader.utils import parse_utc  # workers read no times, and nbgrader takes a second to import

    try:
        descriptor = os.open(
            folder / "timestamp.txt", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            return parse_utc(file.read(MAX_TIMESTAMP).decode("ascii").strip())
    except (OSError, ValueError, OverflowError):
        return None


def _open_folder(stack: contextlib.ExitStack, name: Path | str, above: int | None) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        descriptor = os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        raise _NotReadable("nothing was handed in") from None
    except (OSError, ValueError) as error:
        raise _NotReadable(f"the submission's folder is not an ordinary folder ({_words(error)})") from None
    stack.callback(os.close, descriptor)
    return descriptor


def _quoted(name: str) -> str:
    """A file's name, which a student chose, in printable characters and short."""
    return ascii(name if len(name) <= 60 else name[:60] + "...")


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__


def _read_all(descriptor: int) -> bytes:
    pieces = []
    left = MAX_BYTES + 1
    try:
        while left and (piece := os.read(descriptor, left)):
            pieces.append(piece)
            left -= len(piece)
    except OSError as error:
        raise _NotReadable(f"the file can't be read ({_words(error)})") from None
    if not left:
        raise _NotReadable(f"the file has more than {MAX_BYTES // 2**20} MB")
    return b"".join(pieces)


def parse(content: bytes, notes: tuple[str, ...] = ()) -> Submission:
    """Parse a notebook file's bytes. `read_submission` turns what this raises into a refusal."""
    if not content.strip():
        raise _NotReadable("the file is empty")
    if content.startswith(_ARCHIVE_STARTS) or content[257:262] == b"ustar":
        raise _NotReadable(
            "the file is an archive and no notebook: unpack it, and hand in the notebook that is in it"
        )
    _check_nesting(content)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _NotReadable("the file is not UTF-8 text, so it is no notebook") from None
    try:
        data = json.loads(text)
    except ValueError:
        raise _NotReadable(
            "the file is not a notebook: it is not valid JSON; perhaps it was cut off"
        ) from None
    cells = list(_submitted_cells(_cells(data), remarks := []))
    return Submission(tuple(cells), (*notes, *remarks))


def _check_nesting(content: bytes) -> None:
    brackets = np.frombuffer(_STRING.sub(b"", content).translate(None, _NOT_BRACKETS), dtype=np.uint8)
    opening = (brackets == ord("[")) | (brackets == ord("{"))
    if opening.sum() > MAX_CONTAINERS:
        raise _NotReadable("the file holds more lists and objects than a notebook has")
    depth = np.cumsum(np.where(opening, 1, -1), dtype=np.int64)
    if depth.size and depth.max() > MAX_DEPTH:
        raise _NotReadable(f"the file's JSON is nested more than {MAX_DEPTH} levels deep")


def _cells(data: Any) -> list:
    version = data.get("nbformat") if isinstance(data, dict) else None
    if type(version) is not int:
        raise _NotReadable("the file is not a notebook: it has no nbformat version")
    if version < 4:
        raise _NotReadable(
            "the notebook has an old format (nbformat 3 or older): open it in Jupyter and save it in the current format"
        )
    if version > 4:
        raise _NotReadable("the notebook has a format that is newer than nbformat 4")
    cells = data.get("cells")
    if not isinstance(cells, list):
        raise _NotReadable("the file is not a notebook: it has no list of cells")
    if len(cells) > MAX_CELLS:
        raise _NotReadable(f"the notebook has {len(cells)} cells, and at most {MAX_CELLS} are read")
    return cells


def _submitted_cells(cells: list, remarks: list[str]) -> Iterator[SubmittedCell]:
    for number, cell in enumerate(cells, start=1):
        cell_type = cell.get("cell_type") if isinstance(cell, dict) else None
        source = _source(cell.get("source")) if isinstance(cell, dict) else None
        if not (isinstance(cell_type, str) and cell_type in CELL_TYPES) or source is None:
            remarks.append(f"cell {number} of the file is damaged and was left out")
            continue
        text = _NOT_TEXT.sub("\ufffd", source)
        if text != source:
            remarks.append(f"cell {number} of the file has characters that are no text; they were replaced")
        yield SubmittedCell(cell_type, text, _grade_id(cell.get("metadata")))


def _source(source: Any) -> str | None:
    if isinstance(source, str):
        return source
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        return "".join(source)
    return None


def _grade_id(metadata: Any) -> str | None:
    marks = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = marks.get("grade_id") if isinstance(marks, dict) else None
    return grade_id if isinstance(grade_id, str) else None
