"""Exports of the gradebook for learning platforms, as plugins of `nbgrader export`.

Examples
--------
nbgrader export --exporter=autograder.exporters.Canvas --assignment mean_field --to canvas.csv
nbgrader export --exporter=autograder.exporters.Moodle --assignment mean_field --to moodle.csv
nbgrader export --exporter=autograder.exporters.Table --to grades.csv
nbgrader export --exporter=autograder.exporters.Gradescope --assignment mean_field --to gradescope
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.plugins import ExportPlugin
from traitlets import Dict, Unicode

from autograder.course import Course, load_report
from autograder.report import ExerciseResult, Report

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_DIGITS = 6  # of points: shares of points carry rounding errors


def csv_text(rows: Iterable[Iterable[Any]]) -> str:
    """Return rows as CSV in which no text is a formula to a spreadsheet, and each row is one line.

    Raises
    ------
    ValueError
        If a number is not finite.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_csv_field(value) for value in row])
    return file.getvalue()


def _csv_field(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float):
        if not math.isfinite(value):
            raise ValueError(f"expected a finite number for a grade, got {value}")
        return str(value).lower() if isinstance(value, bool) else f"{value:.4f}".rstrip("0").rstrip(".")
    text = " ".join(str(value).split("\n")).replace("\r", " ")
    # A spreadsheet runs what begins like a formula, also behind blanks; an apostrophe makes it text.
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text


class _Export(ExportPlugin):
    """What the exports share: which submissions, and where to."""

    default_to = Unicode("grades.csv")
    # Each export has its own: the file's rows, the heading first.
    _rows: Callable[[Gradebook], Iterator[list[Any]]]

    def export(self, gradebook: Gradebook) -> None:
        """Write the file; called by `nbgrader export`."""
        path = Path(self.to or self.default_to)
        part = path.with_name(f".{path.name}.part")
        part.write_text(csv_text(self._rows(gradebook)), encoding="utf-8", newline="")
        os.replace(part, path)
        self.log.info("Wrote %s", path)

    def _submissions(self, gradebook: Gradebook, assignment: str) -> list[SubmittedAssignment]:
        chosen = {str(name) for name in self.student}
        found = [
            submission
            for submission in gradebook.assignment_submissions(assignment)
            if not chosen or submission.student.id in chosen
        ]
        waiting = sum(submission.needs_manual_grade for submission in found)
        if waiting:
            self.log.warning(
                "%s: %d of %d submissions wait for a person's marks", assignment, waiting, len(found)
            )
        return sorted(found, key=lambda submission: submission.student.id)

    def _one_assignment(self, gradebook: Gradebook) -> str:
        """Return the assignment to export; a row must not have a blank for another one, which would delete a score."""
        known = [assignment.name for assignment in gradebook.assignments]
        chosen = [str(name) for name in self.assignment] or known
        if len(chosen) != 1 or chosen[0] not in known:
            self.log.error("expected --assignment with one of: %s", ", ".join(known) or "none")
            raise SystemExit(1)
        return chosen[0]


def _score(submission: SubmittedAssignment) -> float:
    return max(0.0, submission.score - submission.late_submission_penalty)


class Canvas(_Export):
    """CSV for the grades page of Canvas. Who handed nothing in has no row: a blank would delete a score there."""

    default_to = Unicode("canvas.csv")
    columns = Dict(
        help='Titles of columns in Canvas, such as {"mean_field": "Mean field (1234)"}; '
        "without one Canvas makes a new assignment"
    ).tag(config=True)

    def _rows(self, gradebook: Gradebook) -> Iterator[list[Any]]:
        name = self._one_assignment(gradebook)
        title = self.columns.get(name, name)
        yield ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", title]
        yield ["    Points Possible", "", "", "", "", gradebook.find_assignment(name).max_score]
        for submission in self._submissions(gradebook, name):
            student = submission.student
            full = ", ".join(filter(None, (student.last_name, student.first_name))) or student.id
            # Submissions that came from Canvas's own archive have its user ids for student ids.
            number = student.lms_user_id or (student.id if student.id.isdigit() else None)
            login = None if student.id == number else student.id
            yield [full, number, "", login, "", _score(submission)]


class Moodle(_Export):
    """CSV for Moodle's grade import, which finds a student by e-mail address or ID number."""

    default_to = Unicode("moodle.csv")

    def _rows(self, gradebook: Gradebook) -> Iterator[list[Any]]:
        name = self._one_assignment(gradebook)
        yield ["ID number", "Email address", "Last name", "First name", name]
        for submission in self._submissions(gradebook, name):
            student = submission.student
            number = student.lms_user_id or student.id
            yield [number, student.email, student.last_name, student.first_name, _score(submission)]


class Table(_Export):
    """CSV of everything: one row a submission, one column a graded cell."""

    def _rows(self, gradebook: Gradebook) -> Iterator[list[Any]]:
        wanted = {str(name) for name in self.assignment}
        names = [a.name for a in gradebook.assignments if not wanted or a.name in wanted]
        cells = {
            name: sorted(c.name for n in gradebook.find_assignment(name).notebooks for c in n.grade_cells)
            for name in names
        }
        columns = [(name, cell) for name in names for cell in cells[name]]
        yield [
            *(
                "assignment",
                "student_id",
                "last_name",
                "first_name",
                "email",
                "timestamp",
                "score",
                "max_score",
            ),
            *("late_penalty", "needs_manual_grade"),
            *(f"{name}.{cell}" for name, cell in columns),
        ]
        for name in names:
            for submission in self._submissions(gradebook, name):
                student = submission.student
                points = {
                    grade.name: grade.score for notebook in submission.notebooks for grade in notebook.grades
                }
                yield [
                    *(
                        name,
                        student.id,
                        student.last_name,
                        student.first_name,
                        student.email,
                        submission.timestamp,
                    ),
                    *(_score(submission), submission.max_score),
                    *(submission.late_submission_penalty, submission.needs_manual_grade),
                    *(points.get(cell) if of == name else None for of, cell in columns),
                ]


class Gradescope(_Export):
    """Gradescope's results.json, one file a student: <to>/<student>/results.json."""

    default_to = Unicode("gradescope")

    def export(self, gradebook: Gradebook) -> None:
        """Write the files; called by `nbgrader export`."""
        course = Course.of(self.parent.coursedir)
        name = self._one_assignment(gradebook)
        folder = Path(self.to or self.default_to)
        for submission in self._submissions(gradebook, name):
            student = submission.student.id
            report = load_report(course, student, name)
            if report is None:
                self.log.warning("%s has no result for %s", student, name)
                continue
            path = folder / student / "results.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(
                json.dumps(gradescope_results(report, _score(submission)), indent=1, allow_nan=False)
            )
        self.log.info("Wrote results to %s", folder)


def gradescope_results(report: Report, score: float) -> dict[str, Any]:
    """Return a report in the form of Gradescope's results.json.

    Every test is visible: one hidden test would hide the student's total, and no text here tells a hidden instance.

    Parameters
    ----------
    report : Report
    score : float
        The total, with marks by hand and penalties.
    """
    return {
        "score": round(score, _DIGITS),
        "output": report.summary or "Everything that was checked is right.",
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [
            test
            for number, result in enumerate(report.exercises, start=1)
            for test in _gradescope_tests(str(number), result)
        ],
    }


def _gradescope_tests(number: str, result: ExerciseResult) -> Iterator[dict[str, Any]]:
    tags = [result.misconception] if result.misconception else []
    help_text = "\n\n".join(filter(None, (result.hint, *result.remarks)))
    common = {"output_format": "text", "visibility": "visible", "tags": tags}
    if not result.properties:
        yield {
            "name": result.exercise,
            "number": number,
            "score": round(result.points, _DIGITS),
            "max_score": round(result.max_points, _DIGITS),
            "status": "passed" if result.points >= result.max_points else "failed",
            "output": "\n\n".join(filter(None, (result.reason, help_text))),
            **common,
        }
    for position, item in enumerate(result.properties, start=1):
        passed = item.points >= item.max_points
        output = [item.observation, help_text if not passed else ""]
        yield {
            "name": f"{result.exercise}: {item.text}",
            "number": f"{number}.{position}",
            "score": round(item.points, _DIGITS),
            "max_score": round(item.max_points, _DIGITS),
            "status": "passed" if passed else "failed",
            "output": "\n\n".join(filter(None, output)),
            **common,
        }
