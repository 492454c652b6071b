"""Writes what grading found out into nbgrader's gradebook, and the graded notebook beside it.

One process writes. Marks and comments that a person gave are never touched. `report.json` is written last: as long as
it is missing, or tells of another submission, the submission counts as not graded, so a killed run can go on.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, TypeVar

import nbformat
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from nbformat import NotebookNode
from nbgrader.api import (
    Assignment,
    BaseCell,
    Comment,
    Grade,
    Gradebook,
    InvalidEntry,
    MissingEntry,
    Notebook,
    Student,
    SubmittedAssignment,
    SubmittedNotebook,
    new_uuid,
)
from nbgrader.dbutil import ALEMBIC_DIR
from nbgrader.preprocessors import AssignLatePenalties, ComputeChecksums, SaveCells
from sqlalchemy import Select, bindparam, create_engine, inspect, select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.attributes import set_committed_value

from autograder.course import Course, load_report
from autograder.intake import read_timestamp
from autograder.rebuild import rebuild
from autograder.report import ExerciseResult, Report, to_json
from autograder.sanitise import plain_text, sanitise_notebook

LOCK_SECONDS = 60.0
"""How long a locked gradebook is tried again: formgrader holds its lock for parts of a second."""

RETRY_SECONDS = 0.5

ROUNDING = 1e-9
"""Points are sums of a few shares: they may exceed the maximum by rounding, and by nothing else."""

_T = TypeVar("_T")


def _of_submission(statement: Select) -> Select:
    """Of submitted notebooks the one of a student and an assignment."""
    return (
        statement.join(SubmittedNotebook.notebook)
        .join(SubmittedNotebook.assignment)
        .join(SubmittedAssignment.assignment)
        .where(
            SubmittedAssignment.student_id == bindparam("student"),
            Assignment.name == bindparam("assignment"),
            Notebook.name == bindparam("assignment"),
        )
    )


# Queries of every submission, made once, since SQLAlchemy takes longer to make one than to run it.
_SUBMITTED_NOTEBOOK = _of_submission(select(SubmittedNotebook)).options(
    joinedload(SubmittedNotebook.assignment),
    selectinload(SubmittedNotebook.grades).joinedload(Grade.cell),
    selectinload(SubmittedNotebook.comments).joinedload(Comment.cell),
)
_CELLS = (
    select(
        Assignment,
        Student.id.label("student"),
        Notebook.id.label("notebook_id"),
        Notebook.name.label("notebook"),
        BaseCell.id,
        BaseCell.name,
        BaseCell.type,
    )
    .join(Assignment.notebooks)
    .outerjoin(BaseCell, BaseCell.notebook_id == Notebook.id)
    .outerjoin(Student, Student.id == bindparam("student"))
    .where(Assignment.name == bindparam("assignment"))
    .order_by(Notebook.name, BaseCell.name)
)
_STANDING = _of_submission(
    select(
        SubmittedNotebook.score,
        SubmittedNotebook.max_score,
        SubmittedNotebook.late_submission_penalty,
        SubmittedNotebook.needs_manual_grade,
    )
)
_MANUAL_SCORES = _of_submission(
    select(BaseCell.name, Grade.manual_score).join(Grade.cell).join(Grade.notebook)
).where(Grade.manual_score.is_not(None))
_MANUAL_COMMENTS = _of_submission(
    select(BaseCell.name, Comment.manual_comment).join(Comment.cell).join(Comment.notebook)
).where(Comment.manual_comment != "")


class GradebookError(RuntimeError):
    """The gradebook can't be written; the text says why and what to do."""


class Standing(NamedTuple):
    """A submission's score as the gradebook has it: automatic points, manual marks, late penalty."""

    score: float
    max_score: float
    late_penalty: float
    needs_manual_grade: bool


@contextlib.contextmanager
def kept_open(course: Course, assignment: str) -> Iterator[None]:
    """Keep the gradebook open, for a run that writes many results of an assignment.

    Opening it, and compiling its queries anew each time, takes longer than everything else that `save` does.

    Raises
    ------
    GradebookError
        If it can't be written, or if its assignment has other cells than the instructor's notebook.
    """
    stubs = _stubs(course, assignment)

    def start() -> Gradebook:
        _stamp(course)
        return Gradebook(course.db_url, course.course_id)

    with _unless_locked(start) as gradebook:
        _kept[course.db_url] = _Kept(gradebook, assignment, stubs)
        try:
            _unless_locked(lambda: _ensure_assignment(course, assignment, stubs))
            yield
        finally:
            del _kept[course.db_url]


class _Kept(NamedTuple):
    gradebook: Gradebook
    assignment: str
    stubs: NotebookNode


_kept: dict[str, _Kept] = {}
"""What `kept_open` keeps, by the gradebook's address."""


def save(
    course: Course,
    report: Report,
    notebook: NotebookNode,
    publish: Callable[[NotebookNode], object] | None = None,
) -> NotebookNode:
    """Write a report to the gradebook, and the notebook as graders see it to autograded/.

    Parameters
    ----------
    course : Course
    report : Report
    notebook : NotebookNode
        The rebuilt notebook.
    publish : callable, optional
        Called with the notebook as graders see it, once it is written and before the submission counts as graded.

    Returns
    -------
    NotebookNode
        The notebook that was written, with safe outputs.

    Raises
    ------
    GradebookError
        If the gradebook stays locked, or its assignment has other cells than the notebook.
    ValueError
        If the points are no points: not finite, negative, above the maximum, or for a cell that the notebook lacks.
    """
    points = _checked_points(report, notebook)
    shown = sanitise_notebook(notebook, report)
    folder = course.autograded_path(report.student, report.assignment)
    previous = load_report(course, report.student, report.assignment)
    changed = previous is None or previous.submission_digest != report.submission_digest
    submitted = read_timestamp(course.submission_folder(report.student, report.assignment))
    kept = _kept.get(course.db_url)
    prepared = kept is not None and kept.assignment == report.assignment
    stubs = kept.stubs if prepared else _stubs(course, report.assignment)

    def write() -> None:
        if not prepared:
            _ensure_assignment(course, report.assignment, stubs)
        with _open(course) as gradebook:
            late = _write_scores(gradebook, report, notebook, stubs, points, submitted, changed)
        if late:
            _late_penalty(course, report)

    _unless_locked(write)
    folder.mkdir(parents=True, exist_ok=True)
    if submitted is not None:
        _replace(folder / "timestamp.txt", f"{submitted.isoformat()} UTC\n")
    # The version's own writer: nbformat.writes would validate what was made here.
    _replace(folder / f"{report.assignment}.ipynb", nbformat.v4.writes(shown) + "\n")
    if publish is not None:
        publish(shown)
    _replace(folder / "report.json", to_json(report) + "\n")
    return shown


def update_late_penalty(course: Course, report: Report) -> None:
    """Reckon the late penalty anew, from the score with the marks given by hand and the due date as it is now."""
    if standing(course, report.student, report.assignment) is not None:
        _unless_locked(lambda: _late_penalty(course, report))


def load_notebook(course: Course, student: str, assignment: str) -> NotebookNode:
    """Return the graded notebook that `save` wrote."""
    return nbformat.read(course.autograded_path(student, assignment) / f"{assignment}.ipynb", as_version=4)


def manual_marks(course: Course, student: str, assignment: str) -> dict[str, tuple[float | None, str]]:
    """Return what a person gave: grade id -> (score or None, comment or "")."""
    if not course.has_gradebook():
        return {}
    names = {"student": student, "assignment": assignment}
    with contextlib.ExitStack() as stack:
        gradebook = _unless_locked(lambda: stack.enter_context(_open(course)))
        marks = {name: (score, "") for name, score in gradebook.db.execute(_MANUAL_SCORES, names)}
        for name, comment in gradebook.db.execute(_MANUAL_COMMENTS, names):
            marks[name] = (marks.get(name, (None, ""))[0], comment)
    return marks


def standing(course: Course, student: str, assignment: str) -> Standing | None:
    """Return a submission's score as the gradebook has it, or None if it isn't in the gradebook."""
    if not course.has_gradebook():
        return None
    with contextlib.ExitStack() as stack:
        gradebook = _unless_locked(lambda: stack.enter_context(_open(course)))
        found = gradebook.db.execute(_STANDING, {"student": student, "assignment": assignment}).one_or_none()
    if found is None:
        return None
    score, max_score, late_penalty, waits = found
    return Standing(float(score), float(max_score), float(late_penalty or 0), bool(waits))


def waiting(course: Course, assignment: str) -> list[str]:
    """Return the ids of the students who wait for a mark by hand, sorted."""
    with contextlib.ExitStack() as stack:
        gradebook = _unless_locked(lambda: stack.enter_context(_open(course)))
        rows = (
            gradebook.db.query(SubmittedAssignment.student_id)
            .join(SubmittedAssignment.assignment)
            .join(SubmittedAssignment.notebooks)
            .join(SubmittedNotebook.grades)
            .filter(Assignment.name == assignment, Grade.needs_manual_grade)
            .distinct()
        )
        return sorted(student for (student,) in rows)


@contextlib.contextmanager
def _open(course: Course) -> Iterator[Gradebook]:
    if course.db_url in _kept:
        gradebook = _kept[course.db_url].gradebook
        try:
            yield gradebook
        finally:
            gradebook.db.remove()  # ends the transaction; what others write meanwhile is seen the next time
    else:
        _stamp(course)
        with Gradebook(course.db_url, course.course_id) as gradebook:
            yield gradebook


def _stamp(course: Course) -> None:
    """Write into an empty database which version of nbgrader's tables it is to have.

    nbgrader would do so itself, by a process that takes as long as grading ten submissions.
    """
    engine = create_engine(course.db_url)
    try:
        with engine.begin() as connection:
            if not inspect(connection).get_table_names():
                MigrationContext.configure(connection).stamp(ScriptDirectory(ALEMBIC_DIR), "head")
    finally:
        engine.dispose()


def _unless_locked(action: Callable[[], _T]) -> _T:
    deadline = time.monotonic() + LOCK_SECONDS
    collided = False
    while True:
        try:
            with _without_nbgraders_traceback():
                return action()
        except (DBAPIError, InvalidEntry) as error:
            cause = error.__context__ if isinstance(error, InvalidEntry) else error
            if not isinstance(cause, DBAPIError):
                raise
            # Another process may have written the same student just before: then the next attempt finds it.
            again = isinstance(cause, IntegrityError) and not collided
            collided |= again
            if "locked" not in str(cause.orig) and not again:
                raise GradebookError(_what_to_do(cause)) from error
            if time.monotonic() > deadline:
                raise GradebookError(
                    f"the gradebook was locked for {LOCK_SECONDS:g} seconds: close the other programs that use it, "
                    "and start again; what is graded is kept"
                ) from error
            time.sleep(RETRY_SECONDS)


@contextlib.contextmanager
def _without_nbgraders_traceback() -> Iterator[None]:
    """nbgrader logs a traceback for what is told in a sentence here."""
    log = logging.getLogger("tornado.application")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def _what_to_do(error: DBAPIError) -> str:
    text = " ".join(str(error.orig).split())
    if "readonly" in text or "read-only" in text:
        return f"the gradebook can't be written ({text}): give yourself the right to write it and its folder"
    if "disk is full" in text or "No space left" in text:
        return f"the gradebook can't be written ({text}): free some space, and start again; what is graded is kept"
    if "course_id_fkey" in text:
        return "this database wants the course to have a name: set c.CourseDirectory.course_id in nbgrader_config.py"
    if "no such table" in text or "no such column" in text or "UndefinedTable" in text:
        return f"the gradebook can't be used ({text}): if nbgrader was updated, run 'nbgrader db upgrade'"
    return f"the gradebook can't be used ({text}): see that its database runs and that its address is right"


def _marks(cell: NotebookNode) -> dict:
    return cell.metadata.get("nbgrader", {})


def _checked_points(report: Report, notebook: NotebookNode) -> dict[str, float]:
    maxima = {
        _marks(cell)["grade_id"]: float(_marks(cell)["points"])
        for cell in notebook.cells
        if _marks(cell).get("grade") and not _marks(cell).get("solution")
    }
    if sorted(maxima) != sorted(result.grade_id for result in report.exercises):
        found = sorted(result.grade_id for result in report.exercises)
        raise ValueError(f"expected one result for each of {sorted(maxima)}, got {found}")
    points = {}
    for result in report.exercises:
        highest = maxima[result.grade_id]
        value = result.points
        if (
            type(value) not in (int, float)
            or not math.isfinite(value)
            or not 0 <= value <= highest + ROUNDING
        ):
            raise ValueError(
                f"expected points between 0 and {highest:g} for {result.exercise}, got {value!r}"
            )
        points[result.grade_id] = min(float(value), highest)
    return points


def _stubs(course: Course, assignment: str) -> NotebookNode:
    """Return the notebook as it was given out, with nbgrader's checksums."""
    source = nbformat.read(course.source_path(assignment), as_version=4)
    stubs, _ = ComputeChecksums().preprocess(rebuild(source, None).notebook, {})
    return stubs


def _ensure_assignment(course: Course, assignment: str, stubs: NotebookNode) -> None:
    """Put the assignment and its cells into the gradebook, unless they are there already."""
    expected = {
        (_marks(cell)["grade_id"], float(_marks(cell)["points"]))
        for cell in stubs.cells
        if _marks(cell).get("grade")
    }
    with _open(course) as gradebook:
        try:
            known = gradebook.find_notebook(assignment, assignment)
            if {(cell.name, cell.max_score) for cell in known.grade_cells} == expected:
                return
        except MissingEntry:
            gradebook.update_or_create_assignment(assignment)
    resources = {"nbgrader": {"notebook": assignment, "assignment": assignment, "db_url": course.db_url}}
    try:
        SaveCells(config=course.config).preprocess(stubs, resources)
    except RuntimeError as error:
        raise GradebookError(
            f"the gradebook has other cells for {assignment} than its notebook in {course.source_path(assignment).parent}: "
            "cells can't be added or removed once there are submissions"
        ) from error


def _write_scores(
    gradebook: Gradebook,
    report: Report,
    notebook: NotebookNode,
    stubs: NotebookNode,
    points: dict[str, float],
    submitted: datetime.datetime | None,
    changed: bool,
) -> bool:
    """Write what the grader found; returns whether the course's rule for late submissions has to be asked."""
    given = {_marks(cell)["grade_id"]: cell.source for cell in stubs.cells if _marks(cell).get("solution")}
    results = {result.exercise.rpartition(".")[2]: result for result in report.exercises}
    written = _find_submission(gradebook, report, submitted) or _new_submission(gradebook, report, submitted)
    for cell in notebook.cells:
        grade_id = _marks(cell).get("grade_id")
        blank = grade_id in given and cell.source.strip() in ("", given[grade_id].strip())
        if _marks(cell).get("grade"):
            grade = written.grades[grade_id]
            # As nbgrader does: an answer in words waits for a person, unless there is none.
            grade.auto_score = points.get(grade_id, 0.0 if blank else None)
            grade.needs_manual_grade = _needs_person(grade, report, changed)
        if _marks(cell).get("solution"):
            written.comments[grade_id].auto_comment = _comment(results.get(grade_id), blank)
    late = written.submission.total_seconds_late > 0 or bool(written.notebook.late_submission_penalty)
    gradebook.db.bulk_save_objects(written.new)  # no relationships to follow, so no flush that looks for them
    gradebook.db.commit()  # all or nothing, and waiting for the disk once
    return late


class _Submitted(NamedTuple):
    """A student's submission, as the gradebook is to have it."""

    submission: SubmittedAssignment
    notebook: SubmittedNotebook
    grades: dict[str, Grade]  # by the name of their cell
    comments: dict[str, Comment]
    new: list[object]  # what isn't in the gradebook yet, each after what it refers to


def _find_submission(
    gradebook: Gradebook, report: Report, submitted: datetime.datetime | None
) -> _Submitted | None:
    names = {"student": report.student, "assignment": report.assignment}
    found = gradebook.db.execute(_SUBMITTED_NOTEBOOK, names).scalar_one_or_none()
    if found is None:
        return None
    if submitted is not None:
        found.assignment.timestamp = submitted
    grades = {grade.name: grade for grade in found.grades}
    comments = {comment.name: comment for comment in found.comments}
    return _Submitted(found.assignment, found, grades, comments, [])


def _new_submission(gradebook: Gradebook, report: Report, submitted: datetime.datetime | None) -> _Submitted:
    """Make the rows that nbgrader's `add_submission` writes with a query and a flush for each."""
    cells = gradebook.db.execute(_CELLS, {"student": report.student, "assignment": report.assignment}).all()
    assignment = cells[0].Assignment
    submission = SubmittedAssignment(
        id=new_uuid(), assignment_id=assignment.id, student_id=report.student, timestamp=submitted
    )
    set_committed_value(submission, "assignment", assignment)  # has the due date
    notebooks: dict[str, SubmittedNotebook] = {}
    grades: dict[tuple[str, str], Grade] = {}
    comments: dict[tuple[str, str], Comment] = {}
    for cell in cells:
        if cell.notebook not in notebooks:
            notebooks[cell.notebook] = SubmittedNotebook(
                id=new_uuid(), notebook_id=cell.notebook_id, assignment_id=submission.id
            )
        of = {"cell_id": cell.id, "notebook_id": notebooks[cell.notebook].id}
        if cell.type in ("GradeCell", "TaskCell"):
            grades[cell.notebook, cell.name] = Grade(**of)
        if cell.type in ("SolutionCell", "TaskCell"):
            comments[cell.notebook, cell.name] = Comment(**of)
    student = [Student(id=report.student)] if cells[0].student is None else []
    return _Submitted(
        submission,
        notebooks[report.assignment],
        {name: grade for (notebook, name), grade in grades.items() if notebook == report.assignment},
        {name: comment for (notebook, name), comment in comments.items() if notebook == report.assignment},
        [*student, submission, *notebooks.values(), *grades.values(), *comments.values()],
    )


def _needs_person(grade: Grade, report: Report, changed: bool) -> bool:
    if report.status == "failed":
        return True
    if grade.manual_score is not None:
        # The mark was given for an earlier submission if that has changed; a mark that stands is left as it is.
        return changed or bool(grade.needs_manual_grade)
    return grade.auto_score is None


def _comment(result: ExerciseResult | None, blank: bool) -> str | None:
    if blank:
        return "No response."
    if result is None:
        return None
    return plain_text("\n\n".join(filter(None, (result.reason, result.hint, *result.remarks)))) or None


def _late_penalty(course: Course, report: Report) -> None:
    resources = {
        "nbgrader": {
            "notebook": report.assignment,
            "assignment": report.assignment,
            "student": report.student,
            "db_url": course.db_url,
        }
    }
    AssignLatePenalties(config=course.config).preprocess(NotebookNode(cells=[], metadata={}), resources)


def _replace(path: Path, text: str) -> None:
    """Write a file so that at every moment either the old or the new one is there whole."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
