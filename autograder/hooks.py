"""Makes nbgrader's own commands and its formgrader use this grader.

nbgrader runs students' code with the instructor's rights, copies all files that they handed in, links included, and
leaves a student without a result whose notebook it can't read. No list of preprocessors changes that: the copying and the choice
of submissions come before any of them. So where nbgrader's configuration is loaded, `install` puts this grader in the
place of two of its converters, and makes formgrader escape what it shows; the rest of nbgrader stays as it is.
"""

from __future__ import annotations

import asyncio
import datetime
import fnmatch
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from markupsafe import escape
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.exporter import ResourcesDict
from nbformat import NotebookNode
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import NbGraderPreprocessor

from autograder.course import Course, find_programs, load_report
from autograder.intake import read_timestamp

_T = TypeVar("_T")


def install() -> None:
    """Make `nbgrader autograde`, `nbgrader generate_feedback` and formgrader's buttons use this grader."""
    find_programs()
    Autograde.start = _autograde
    GenerateFeedback.start = _generate_feedback
    CourseDirectory.get_existing_timestamp = _existing_timestamp
    formgrader = sys.modules.get("nbgrader.server_extensions.formgrader.formgrader")
    if formgrader is not None:  # only a server has it, and it takes half a second to import
        _escape(formgrader.FormgradeExtension)


def _escape(extension: type) -> None:
    """Make formgrader escape what it puts into pages: names, which platforms let students choose, and parts of addresses."""
    settings = extension.init_tornado_settings
    if hasattr(settings, "escapes"):
        return

    def init_tornado_settings(self, webapp) -> None:
        settings(self, webapp)
        webapp.settings["nbgrader_jinja2_env"].autoescape = True
        webapp.settings["nbgrader_exporter"] = EscapingExporter(config=self.config)

    init_tornado_settings.escapes = True
    extension.init_tornado_settings = init_tornado_settings


class EscapingExporter(HTMLExporter):
    """Exports a notebook to a page in which the texts that come with it are texts. Its cells are made safe by `sanitise`."""

    def from_notebook_node(
        self, nb: NotebookNode, resources: dict | None = None, **kw: Any
    ) -> tuple[str, ResourcesDict]:
        """Convert, with every text of the resources escaped."""
        texts = {
            name: str(escape(value)) if isinstance(value, str) else value
            for name, value in (resources or {}).items()
        }
        return super().from_notebook_node(nb, resources=texts, **kw)


class AddCheckFiles(NbGraderPreprocessor):
    """Puts check.py and its data beside the notebook that is given out.

    A preprocessor and no hook, since nbgrader goes on in silence when a hook fails.
    """

    def preprocess(self, nb: NotebookNode, resources: ResourcesDict) -> tuple[NotebookNode, ResourcesDict]:
        """Write the files; the notebook stays as it is."""
        from autograder.release import (
            add_check_files,
        )  # the exercises' references need numba, which takes seconds

        folders = self.parent.parent.coursedir  # of the converter that runs the exporter that runs this
        assignment = resources["nbgrader"]["assignment"]
        folder = Path(folders.format_path(folders.release_directory, ".", assignment))
        folder.mkdir(parents=True, exist_ok=True)
        add_check_files(assignment, folder, self.config.Autograder.get("book_url", ""))
        return nb, resources


def _autograde(self: Autograde) -> None:
    """Grade what nbgrader was asked to grade, in the sandbox."""
    from autograder.grade_class import NotGradable, Progress, grade
    from autograder.gradebook import GradebookError
    from autograder.intake import unsafe_folders
    from autograder.sandbox import SandboxUnavailable

    course = Course.of(self.coursedir)
    assignment = self.coursedir.assignment_id
    for name in unsafe_folders(course.submitted_folder):
        self.log.warning("The folder %s is skipped, since its name can't be a student's id", name)
    students = _chosen(self, course.students(assignment))

    def say(progress: Progress) -> None:
        report = progress.report
        self.log.info(
            "%d of %d: %s has %g of %g points%s",
            progress.done,
            progress.total,
            report.student,
            report.points,
            report.max_points,
            f" ({report.summary})" if report.summary else "",
        )

    def run() -> None:
        grade(course, assignment, students=students, jobs=os.cpu_count() or 1, force=self.force, progress=say)

    try:
        _outside_the_event_loop(run)
    except (NotGradable, SandboxUnavailable, GradebookError) as error:
        raise _failure(self, str(error)) from error


def _generate_feedback(self: GenerateFeedback) -> None:
    """Write the feedback pages of what is graded, with the marks and comments given by hand."""
    from autograder import feedback
    from autograder.gradebook import load_notebook, update_late_penalty

    course = Course.of(self.coursedir)
    assignment = self.coursedir.assignment_id
    graded = [name for name in course.students(assignment) if load_report(course, name, assignment)]
    for student in _chosen(self, graded):
        report = load_report(course, student, assignment)
        update_late_penalty(course, report)
        path = feedback.write(course, report, load_notebook(course, student, assignment))
        self.log.info("Wrote %s", path)


def _chosen(converter: Autograde | GenerateFeedback, present: list[str]) -> list[str]:
    """Return the students that nbgrader's options name; it is an error if there are none."""
    folders = converter.coursedir
    excluded = {name.strip() for name in folders.student_id_exclude.split(",")}
    chosen = [
        name for name in present if fnmatch.fnmatchcase(name, folders.student_id) and name not in excluded
    ]
    if not chosen:
        raise _failure(
            converter,
            f"there is nothing of {folders.student_id!r} for the assignment {folders.assignment_id!r}",
        )
    return chosen


def _failure(converter: Autograde | GenerateFeedback, text: str) -> NbGraderException:
    """Log what is wrong, since nbgrader's commands end without printing their error, and return the error."""
    converter.log.error("%s", text)
    return NbGraderException(text)


def _existing_timestamp(self: CourseDirectory, dest_path: str) -> datetime.datetime | None:
    """Read a submission's timestamp; nbgrader's own way opens pipes and fails on text that is no time."""
    return read_timestamp(Path(dest_path))


def _outside_the_event_loop(action: Callable[[], _T]) -> _T:
    """Run an action in a thread of its own if this one runs an event loop, as formgrader's does."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return action()
    with ThreadPoolExecutor(max_workers=1) as executor:
        return executor.submit(action).result()
