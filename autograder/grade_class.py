"""Grades a class: reads what was handed in, spreads it over workers, and writes gradebook and feedback as results come.

This process is the only writer. What it has written stays if it is killed, and the next run goes on from there.
"""

from __future__ import annotations

import dataclasses
import difflib
import errno
import hashlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import nbformat
from distributed import Client

from autograder import cluster, exercises, feedback, gradebook
from autograder.cluster import ClusterLost, OtherVersion, connect, grade_tasks, grader_digest, prepare
from autograder.course import Course, load_report
from autograder.grade import Graded, Task, failure
from autograder.intake import read_submission
from autograder.report import Report
from autograder.sandbox import Limits


class NotGradable(Exception):
    """An assignment can't be graded at all; the text says why and what to do."""


class Stopped(RuntimeError):
    """A run that could not go on; what was graded before is kept. The text says why and what to do."""


class Progress(NamedTuple):
    """A submission that got its result just now."""

    report: Report
    done: int
    total: int


def grade(
    course: Course,
    assignment: str,
    *,
    students: list[str] | None = None,
    jobs: int = 1,
    scheduler: str | None = None,
    force: bool = False,
    isolation: str = "auto",
    limits: Limits | None = None,
    progress: Callable[[Progress], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> list[Report]:
    """Grade an assignment's submissions, leaving alone what is up to date.

    Parameters
    ----------
    course : Course
    assignment : str
    students : list of str, optional
        Only these; by default all who handed something in.
    jobs : int
        Worker processes of the local cluster.
    scheduler : str, optional
        Address of a running Dask scheduler, in place of a local cluster.
    force : bool
        Grade again what is up to date.
    isolation : str
        "auto", or "none" for no sandbox.
    limits : Limits, optional
        Of a submission; by default the course's.
    progress : callable, optional
        Called with each Progress.
    announce : callable, optional
        Called once, before the first submission, with a sentence on how submissions are isolated from the machine.

    Returns
    -------
    list of Report
        Of the submissions that were graded now, with the points and reasons of each exercise and no details: a class of
        any size fits into memory.

    Raises
    ------
    NotGradable
        If the assignment or a student doesn't exist, or its notebook and its exercises don't fit.
    SandboxUnavailable
        If no sandbox can be had on a machine that grades.
    ConnectionError, NoWorkers, OtherVersion
        If the scheduler doesn't answer, or its workers can't grade this course.
    GradebookError
        If the gradebook can't be written to begin with.
    Stopped
        If the run could not go on.
    """
    try:
        limits = limits or course.limits()
    except ValueError as error:
        raise NotGradable(str(error)) from None
    if cluster.files_digest() != cluster.version().course:  # a formgrader may run for days
        raise NotGradable("the course's program has changed since this program was started: start it again")
    check_assignment(course, assignment)
    present = course.students(assignment)
    unknown = sorted(set(students or ()) - set(present))
    if unknown:
        raise NotGradable(
            f"there is no submission of {', '.join(unknown)} for {assignment} in {course.submitted_folder}"
        )
    tasks = list(_pending(course, assignment, students or present, force))
    if not tasks:
        return []
    reports = []
    with (
        connect(scheduler, min(jobs, len(tasks)), assignment) as client,
        ThreadPoolExecutor(1) as beside,
    ):
        to_do = (read_task(course, *task) for task in tasks)
        # Workers grade while the gradebook is imported and opened.
        started = beside.submit(_start, client, to_do, limits, isolation)
        with gradebook.kept_open(course, assignment):
            try:
                isolated, graded = started.result()
            except ClusterLost as error:
                raise Stopped(f"{error}; start again") from error
            if announce is not None:
                announce(isolated)
            for report in _recorded(course, graded):
                reports.append(_shortened(report))
                if progress is not None:
                    progress(Progress(reports[-1], len(reports), len(tasks)))
    return reports


def _start(
    client: Client, tasks: Iterator[Task], limits: Limits, isolation: str
) -> tuple[str, Iterator[tuple[Task, Graded]]]:
    """Start the sandboxes, hand out the first tasks, and return how submissions are isolated and the results to come."""
    isolated = prepare(client, limits, isolation)
    return isolated, grade_tasks(client, tasks, limits, isolation)


def _shortened(report: Report) -> Report:
    exercises = tuple(
        dataclasses.replace(result, properties=(), hint="", example="", remarks=())
        for result in report.exercises
    )
    return dataclasses.replace(report, exercises=exercises, cells=())


_ADVICE = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EACCES: "give yourself the right to write there",
    errno.EPERM: "give yourself the right to write there",
}
"""What to do about files that can't be written."""


def _recorded(course: Course, graded: Iterator[tuple[Task, Graded]]) -> Iterator[Report]:
    """Write results as they come, and hand on what was written."""
    try:
        for task, (report, notebook) in graded:
            try:
                _save(course, report, notebook)
            except ValueError as error:  # a result that the gradebook won't take must not stop the class
                report, notebook = failure(task, error)
                _save(course, report, notebook)
            yield report
    except (ClusterLost, OtherVersion) as error:
        raise Stopped(f"{error}; what is graded is kept, and the next run goes on from there") from error
    except gradebook.GradebookError as error:
        raise Stopped(str(error)) from error
    except OSError as error:
        advice = _ADVICE.get(error.errno, "mend that")
        raise Stopped(
            f"{error.filename or course.directory} can't be written ({error.strerror}): {advice}, and start again; "
            "what is graded is kept"
        ) from error


def _save(course: Course, report: Report, notebook: str) -> None:
    # The page is written before the report: once that is there, the submission counts as done.
    gradebook.save(
        course,
        report,
        nbformat.from_dict(json.loads(notebook)),  # our own, not to be validated anew
        publish=lambda shown: feedback.write(course, report, shown),
    )


def count_pending(
    course: Course, assignment: str, students: list[str] | None = None, force: bool = False
) -> int:
    """Return how many submissions `grade` would grade."""
    return sum(1 for _ in _pending(course, assignment, students or course.students(assignment), force))


def reports(course: Course, assignment: str) -> Iterator[Report]:
    """Read the latest reports of an assignment, by student."""
    for student in course.students(assignment):
        report = load_report(course, student, assignment)
        if report is not None:
            yield report


def check_assignment(course: Course, assignment: str) -> None:
    """Raise NotGradable unless the instructor's notebook and the declared exercises fit together."""
    known = course.assignments()
    if assignment not in known:
        near = difflib.get_close_matches(assignment, known, n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise NotGradable(
            f"there is no assignment {assignment!r}{meant}; these are: {', '.join(known) or 'none'}"
        )
    try:
        declared = {exercise.grade_id for exercise in exercises.load(assignment).values()}
    except LookupError as error:
        raise NotGradable(str(error)) from None
    try:
        notebook = nbformat.read(course.source_path(assignment), as_version=4)
    except ValueError as error:  # no JSON, or no notebook
        raise NotGradable(
            f"{course.source_path(assignment)} can't be read as a notebook: put back a copy"
        ) from error
    marks = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    checked = {m["grade_id"] for m in marks if m.get("grade") and not m.get("solution")}
    if checked != declared:
        raise NotGradable(
            f"{course.source_path(assignment)}: its grade cells and the declared exercises differ: {sorted(checked ^ declared)}"
        )


def _pending(
    course: Course, assignment: str, students: list[str], force: bool
) -> Iterator[tuple[str, str, str]]:
    """Find the submissions to grade: (student, assignment, digest of the assignment)."""
    digest = assignment_digest(course, assignment)
    for student in students:
        graded = None if force else graded_as(course, student, assignment)
        folder = course.submission_folder(student, assignment)
        # What was never graded need not be read to tell that.
        if graded is None or graded != (read_submission(folder, assignment)[1], digest):
            yield student, assignment, digest


def graded_as(course: Course, student: str, assignment: str) -> tuple[str, str] | None:
    """Return the digests of the submission and of the assignment that the last grading saw, or None if there is none that stands."""
    report = load_report(course, student, assignment)
    if report is None or report.status == "failed" or not course.has_gradebook():
        return None
    return report.submission_digest, report.assignment_digest


def assignment_digest(course: Course, assignment: str) -> str:
    """Digest of all that decides an assignment's points, apart from the submission: code, instructor's notebook, seed."""
    own = hashlib.sha256(course.source_path(assignment).read_bytes())
    own.update(str(course.hidden_seed()).encode())
    return f"{grader_digest(assignment)}-{own.hexdigest()}"


def read_task(course: Course, student: str, assignment: str, digest: str) -> Task:
    """Read a submission, and everything else that grading it takes."""
    submission, submitted = read_submission(course.submission_folder(student, assignment), assignment)
    return Task(
        student=student,
        assignment=assignment,
        submission=submission,
        source=Path(course.source_path(assignment)).read_text(encoding="utf-8"),
        seed=course.hidden_seed(),
        submission_digest=submitted,
        assignment_digest=digest,
    )
