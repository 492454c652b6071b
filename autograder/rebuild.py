"""Lays a submission's text into the instructor's notebook.

Every cell of the result is either the instructor's, with the instructor's metadata, or an added cell without any. A
submission can therefore change neither points nor grade ids nor the checks: of its notebook only source text is used.
"""

from __future__ import annotations

import copy
import re
from collections import defaultdict
from dataclasses import dataclass

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_raw_cell

from autograder.check import STUB
from autograder.intake import Submission, SubmittedCell

CODE_STUB = f"raise {STUB}"
TEXT_STUB = ""

_BEGIN, _END = "BEGIN SOLUTION", "END SOLUTION"
_REGION_MARK = re.compile(r"\b(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")
_NEW_CELL = {"code": new_code_cell, "markdown": new_markdown_cell, "raw": new_raw_cell}


@dataclass(frozen=True)
class Rebuilt:
    """The notebook that is run and graded, and what the student should know about how it was made."""

    notebook: NotebookNode
    notes: tuple[str, ...] = ()


def rebuild(source: NotebookNode, submission: Submission | None) -> Rebuilt:
    """Build the notebook to grade.

    Parameters
    ----------
    source : NotebookNode
        The instructor's notebook, with the solutions.
    submission : Submission or None
        What the student handed in; None stands for a refused submission, and gives the stubs.

    Returns
    -------
    Rebuilt
        A notebook without outputs. No text of a solution region is in it.
    """
    cells = [_without_outputs(cell, index) for index, cell in enumerate(source.cells)]
    notes: list[str] = []
    followers: dict[int, list[SubmittedCell]] = {}
    if submission is None:
        for cell in cells:
            if _is_solution(cell):
                cell.source = stub(cell)
    else:
        notes += submission.notes
        known, followers = _match(cells, submission.cells, notes)
        for index, cell in enumerate(cells):
            _take_source(cell, known.get(index), notes)
    ids = _AddedIds(cells)
    result = [ids.cell(added) for added in followers.get(-1, ())]
    for index, cell in enumerate(cells):
        result.append(cell)
        result += [ids.cell(added) for added in followers.get(index, ())]
    notebook = NotebookNode(
        nbformat=4, nbformat_minor=5, metadata=copy.deepcopy(source.metadata), cells=result
    )
    return Rebuilt(notebook, tuple(dict.fromkeys(notes)))


def stub(cell: NotebookNode) -> str:
    """Return a solution cell's source as it is released: each solution region, or else the whole, becomes a stub.

    Raises
    ------
    ValueError
        If a region is not closed, or one is opened inside another.
    """
    text = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
    lines: list[str] = []
    inside = found = False
    for line in cell.source.split("\n"):
        if _BEGIN in line:
            if inside:
                raise ValueError(f"a solution region is opened inside another in: {cell.source!r}")
            inside = found = True
            indent = line[: len(line) - len(line.lstrip())]
            lines.append(indent + text)
        elif _END in line:
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise ValueError(f"a solution region is not closed in: {cell.source!r}")
    return "\n".join(lines) if found else text


def _without_outputs(cell: NotebookNode, index: int) -> NotebookNode:
    cell = NotebookNode({**cell, "metadata": copy.deepcopy(cell.metadata)})
    cell.setdefault("id", f"cell-{index}")
    if cell.cell_type == "code":
        cell.outputs = []
        cell.execution_count = None
    return cell


def _marks(cell: NotebookNode) -> dict:
    return cell.metadata.get("nbgrader", {})


def _is_solution(cell: NotebookNode) -> bool:
    return bool(_marks(cell).get("solution"))


def _match(
    cells: list[NotebookNode], submitted: tuple[SubmittedCell, ...], notes: list[str]
) -> tuple[dict[int, SubmittedCell], dict[int, list[SubmittedCell]]]:
    """Find each of the instructor's cells in the submission; the others follow the known cell that they stand after."""
    index_of = {
        _marks(cell)["grade_id"]: index for index, cell in enumerate(cells) if "grade_id" in _marks(cell)
    }
    unmarked: dict[tuple[str, str], list[int]] = defaultdict(list)
    for index, cell in enumerate(cells):
        if "grade_id" not in _marks(cell):
            unmarked[cell.cell_type, cell.source.strip()].append(index)

    chosen: dict[int, int] = {}  # the instructor's cell -> position in the submission
    for position, cell in enumerate(submitted):
        index = index_of.get(cell.grade_id)
        if index is None:
            continue
        # A copy of the right type is rather the student's cell than an original that was retyped.
        if (
            index not in chosen
            or submitted[chosen[index]].cell_type != cells[index].cell_type == cell.cell_type
        ):
            chosen[index] = position

    known: dict[int, SubmittedCell] = {}
    followers: dict[int, list[SubmittedCell]] = defaultdict(list)
    last = -1
    for position, cell in enumerate(submitted):
        index = index_of.get(cell.grade_id)
        if index is None:
            same_text = unmarked[cell.cell_type, cell.source.strip()]
            if same_text:
                last = same_text.pop(0)
                known[last] = cell
                continue
        elif chosen[index] == position:
            last = index
            known[index] = cell
            if not _counts_as_blank(cell, cells[index]):
                continue
        else:
            notes.append(
                f"a copy of the cell {cell.grade_id} was kept as an extra cell; the first one counts"
            )
        if cell.source.strip():
            followers[last].append(cell)
    return known, followers


def _counts_as_blank(cell: SubmittedCell, original: NotebookNode) -> bool:
    return _is_solution(original) and original.cell_type == "code" != cell.cell_type


def _take_source(cell: NotebookNode, submitted: SubmittedCell | None, notes: list[str]) -> None:
    """Put the student's text into one of the instructor's cells, if it is a cell for the student's text."""
    grade_id = _marks(cell).get("grade_id")
    if not _is_solution(cell):
        if grade_id is None:
            return
        if submitted is None:
            notes.append(f"the cell {grade_id} was deleted; it was put back")
        elif submitted.source.rstrip() != cell.source.rstrip():
            notes.append(f"the cell {grade_id} was changed; it was put back as it was given out")
        return
    if submitted is None:
        notes.append(f"the cell {grade_id} was deleted, so it counts as not answered")
        cell.source = stub(cell)
    elif _counts_as_blank(submitted, cell):
        notes.append(
            f"the cell {grade_id} was turned into a {submitted.cell_type} cell, so it counts as not answered"
        )
        cell.source = stub(cell)
    else:
        cell.source = _without_region_marks(submitted.source)


def _without_region_marks(source: str) -> str:
    return _REGION_MARK.sub(r"\1-\2", source)


class _AddedIds:
    """Makes cells of the text that students added, numbered in their order."""

    def __init__(self, cells: list[NotebookNode]) -> None:
        self._taken = {cell.id for cell in cells}
        self._count = 0

    def cell(self, added: SubmittedCell) -> NotebookNode:
        while True:
            self._count += 1
            name = f"added-{self._count}"
            if name not in self._taken:
                return _NEW_CELL[added.cell_type](source=_without_region_marks(added.source), id=name)
