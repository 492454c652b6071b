"""Finds submissions of an assignment that are suspiciously alike, and writes a page that shows the like parts.

copydetect does the comparing: it turns code into tokens in which names and comments don't count, and compares runs of
these wherever they stand. So renaming, other comments and another order change nothing. What the release gave out is
discounted. Likeness is a reason to look, never a proof.
"""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import jinja2
import nbformat
import numpy as np
from copydetect import CodeFingerprint, compare_files
from copydetect.utils import get_token_coverage
from markupsafe import Markup
from nbformat import NotebookNode

import lectures_lib
from autograder.course import Course
from autograder.intake import Refused, read_submission
from autograder.rebuild import rebuild
from autograder.sanitise import is_students, source_text

REFERENCE = "the reference implementations"

RUN = 25
"""Characters, names counted as one, of the shortest run that counts: about a line of code."""

SUSPICIOUS = 0.5
"""Share of a submission. Independent right solutions of these exercises share up to a third (see the tests)."""

SUSPICIOUS_CELL = 0.8
"""Share of one answer: short formulas are alike by nature, up to 0.6 among independent right solutions."""

LEAST = 100
"""Characters, names counted as one, that must be alike: two lines tell nothing."""

MAX_CODE = 50_000
"""Characters of a submission that are compared; the longest honest one has some ten thousand."""

MAX_SHOWN = 200
"""Pairs that the page shows."""

BETWEEN = "\x01"
"""Stands between cells, so that no run reaches from one cell into the next; students' texts have no such character."""

CONTEXT = 2  # lines shown around what is alike

_TEMPLATES = Path(__file__).parent / "templates"


class Piece(NamedTuple):
    """Consecutive text of a submission: alike, or not, or left out on the page."""

    text: str
    alike: bool


class Pair(NamedTuple):
    """Two submissions, and how much of them is alike."""

    first: str
    second: str
    size: int  # characters that are alike, names counted as one
    share_first: float  # of the first one's own code, what is in the second one too
    share_second: float
    cells: tuple[str, ...]  # answers of which nearly all is alike
    pieces: tuple[list[Piece], list[Piece]] | None = None  # of the pairs that the page shows

    @property
    def share(self) -> float:
        """The larger share; the references are so long that their own share says nothing."""
        return self.share_first if self.second == REFERENCE else max(self.share_first, self.share_second)

    @property
    def suspicious(self) -> bool:
        return self.size >= LEAST and (self.share >= SUSPICIOUS or bool(self.cells))


class Similarity(NamedTuple):
    """What comparing an assignment's submissions found."""

    assignment: str
    compared: int
    left_out: list[tuple[str, str]]  # student, reason
    pairs: list[Pair]  # the suspicious ones, the most alike first
    usual: float  # the median share of all pairs of students


class _Code(NamedTuple):
    whole: CodeFingerprint
    cells: dict[str, CodeFingerprint]


def compare(
    course: Course, assignment: str, progress: Callable[[int, int], None] | None = None
) -> Similarity:
    """Compare every two submissions of an assignment, and each with the reference implementations.

    Parameters
    ----------
    course : Course
    assignment : str
    progress : callable, optional
        Called with the number of submissions that are compared with all before them, and their number.
    """
    source = nbformat.read(course.source_path(assignment), as_version=4)
    given = _fingerprint(_text(rebuild(source, None).notebook.cells), set()).hashes
    codes: dict[str, _Code] = {}
    left_out: list[tuple[str, str]] = []
    for student in course.students(assignment):
        submission, _ = read_submission(course.submission_folder(student, assignment), assignment)
        if isinstance(submission, Refused):
            left_out.append((student, submission.reason))
            continue
        code = _code(rebuild(source, submission).notebook, given)
        if not code.whole.hashes:
            left_out.append((student, "it has no code of its own"))
        else:
            codes[student] = code
    reference = _Code(_fingerprint(_reference(source), given), {})
    pairs: list[Pair] = []
    shares: list[float] = []
    names = list(codes)
    for number, name in enumerate(names):
        for other in names[:number]:
            pair = _pair(other, codes[other], name, codes[name])
            shares.append(pair.share)
            pairs += [pair] if pair.suspicious else []
        pair = _pair(name, codes[name], REFERENCE, reference)
        pairs += [pair] if pair.suspicious else []
        if progress is not None:
            progress(number + 1, len(names))
    pairs.sort(key=lambda pair: (-pair.share, pair.first, pair.second))
    codes[REFERENCE] = reference
    pairs[:MAX_SHOWN] = [_with_pieces(pair, codes) for pair in pairs[:MAX_SHOWN]]
    return Similarity(assignment, len(names), left_out, pairs, statistics.median(shares) if shares else 0.0)


def write_page(result: Similarity, path: Path) -> None:
    """Write the report as one HTML page that runs nothing and fetches nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    style = (_TEMPLATES / "feedback.css").read_text(encoding="utf-8")
    page = environment.get_template("similarity.html.j2").render(
        result=result,
        shown=result.pairs[:MAX_SHOWN],
        reference=REFERENCE,
        suspicious=SUSPICIOUS,
        suspicious_cell=SUSPICIOUS_CELL,
        style=Markup(style),  # a file of this package
    )
    path.write_text(page, encoding="utf-8")


def _code(notebook: NotebookNode, given: set[int]) -> _Code:
    cells = [cell for cell in notebook.cells if is_students(cell)]
    answers = {
        cell.metadata.nbgrader.grade_id: _fingerprint(source_text(cell.source)[:MAX_CODE], given)
        for cell in cells
        if cell.cell_type == "code" and "nbgrader" in cell.metadata
    }
    return _Code(_fingerprint(_text(cells)[:MAX_CODE], given), answers)


def _text(cells: list[NotebookNode]) -> str:
    return f"\n{BETWEEN}\n".join(source_text(cell.source) for cell in cells if cell.cell_type == "code")


def _reference(source: NotebookNode) -> str:
    """The instructor's solution and lectures_lib, which a reader may install: one more submission."""
    library = sorted(Path(lectures_lib.__file__).parent.glob("*.py"))
    return "\n\n".join([_text(source.cells), *(path.read_text(encoding="utf-8") for path in library)])


def _fingerprint(text: str, given: set[int]) -> CodeFingerprint:
    result = CodeFingerprint("code.py", RUN, 1, fp=io.StringIO(text), language="python")
    across = {
        at - i for at, letter in enumerate(result.filtered_code) if letter == BETWEEN for i in range(RUN)
    }
    # Not by copydetect's own boilerplate option: it takes what a submission repeats for given, too.
    own = {
        key: [at for at in where if at not in across]
        for key, where in result.hash_idx.items()
        if key not in given
    }
    result.hash_idx = {key: where for key, where in own.items() if where}
    result.hashes = set(result.hash_idx)
    result.token_coverage = get_token_coverage(result.hash_idx, RUN, len(result.filtered_code))
    return result


def _pair(first: str, code: _Code, second: str, other: _Code) -> Pair:
    size, shares, _ = compare_files(code.whole, other.whole)
    cells = {*_like_cells(code, other), *_like_cells(other, code)} if size >= LEAST else ()
    return Pair(first, second, int(size), float(shares[0]), float(shares[1]), tuple(sorted(cells)))


def _with_pieces(pair: Pair, codes: dict[str, _Code]) -> Pair:
    sides = codes[pair.first].whole, codes[pair.second].whole
    _, _, slices = compare_files(*sides)
    first, second = (_pieces(side.raw_code, where) for side, where in zip(sides, slices, strict=True))
    return pair._replace(pieces=(first, second))


def _like_cells(code: _Code, other: _Code) -> Iterator[str]:
    """Answers of the first of which nearly all is in the second, wherever it stands there."""
    for name, cell in code.cells.items():
        overlap, (share, _), _ = compare_files(cell, other.whole)
        if overlap >= LEAST and share >= SUSPICIOUS_CELL:
            yield name


def _pieces(text: str, slices: np.ndarray) -> list[Piece]:
    """Cut a text into what is alike and what isn't; lines far from anything alike are left out."""
    pieces: list[Piece] = []
    end = 0
    for start, stop in sorted(zip(*slices.astype(int).tolist(), strict=True)):
        start, stop = max(start, end), min(stop, len(text))
        if start < stop:
            pieces += [Piece(text[end:start], False), Piece(text[start:stop], True)]
            end = stop
    pieces.append(Piece(text[end:], False))
    last = len(pieces) - 1
    return [
        piece if piece.alike else Piece(_shortened(piece.text, at == 0, at == last), False)
        for at, piece in enumerate(pieces)
    ]


def _shortened(text: str, is_first: bool, is_last: bool) -> str:
    lines = text.replace(f"{BETWEEN}\n", "").split("\n")
    head = [] if is_first else lines[: CONTEXT + 1]
    tail = [] if is_last else lines[-CONTEXT - 1 :]
    if len(head) + len(tail) >= len(lines):
        return "\n".join(lines)
    return "\n".join([*head, "⋮", *tail])
