import contextlib
import dataclasses
import json
import math
import os
import sqlite3

import nbformat
import nbgrader.api
import pytest
from nbgrader.api import Gradebook
from sqlalchemy.exc import OperationalError

from autograder import gradebook
from autograder.course import Course, load_report
from autograder.grade_class import graded_as
from autograder.gradebook import (
    GradebookError,
    load_notebook,
    manual_marks,
    save,
    standing,
)
from autograder.rebuild import rebuild
from autograder.report import Report


@pytest.fixture
def opened(course):
    """Open the gradebook of the course, as a person's program would."""
    return lambda: Gradebook(course.db_url, course.course_id)


def with_points(report, points):
    return dataclasses.replace(report, exercises=(dataclasses.replace(report.exercises[0], points=points),))


def grade(opened, name="check_entropy"):
    with opened() as book:
        found = book.find_grade(name, "small", "small", "ada")
        return found.auto_score, found.manual_score, found.needs_manual_grade, found.max_score


def comment(opened, name):
    with opened() as book:
        found = book.find_comment(name, "small", "small", "ada")
        return found.auto_comment, found.manual_comment


def test_scores_comments_and_files(course, report, rebuilt, opened):
    shown = save(course, report, rebuilt)
    assert grade(opened) == (1.0, None, False, 4.0)
    assert grade(opened, "free_response") == (None, None, True, 2.0)
    assert "logarithm of a probability" in comment(opened, "entropy")[0]
    assert comment(opened, "free_response") == (None, None)
    assert standing(course, "ada", "small") == (1.0, 6.0, 0.0, True)
    assert load_report(course, "ada", "small") == report
    assert load_notebook(course, "ada", "small") == nbformat.reads(nbformat.writes(shown), as_version=4)
    with opened() as book:
        cells = {cell.name: cell for cell in book.find_notebook("small", "small").source_cells}
        assert set(cells) == {"setup", "entropy", "check_entropy", "figure", "free_response"}
        assert "return 1" not in cells["entropy"].source


def test_a_new_gradebook_has_nbgraders_version_without_its_process(course, report, rebuilt, monkeypatch):
    right = nbgrader.api.get_alembic_version()
    monkeypatch.setattr(
        nbgrader.api, "get_alembic_version", lambda: pytest.fail("nbgrader started a process")
    )
    save(course, report, rebuilt)
    with contextlib.closing(sqlite3.connect(course.directory / "gradebook.db")) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [(right,)]


def test_the_report_is_written_last(course, report, rebuilt, monkeypatch):
    written = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda part, path: (written.append(path.name), replace(part, path)))
    save(course, report, rebuilt)
    assert written == ["small.ipynb", "report.json"]


def test_marks_and_comments_by_hand_survive_a_regrade(course, report, rebuilt, opened):
    save(course, report, rebuilt)
    with opened() as book:
        book.find_grade("check_entropy", "small", "small", "ada").manual_score = 3.5
        book.find_grade("check_entropy", "small", "small", "ada").needs_manual_grade = False
        book.find_comment("entropy", "small", "small", "ada").manual_comment = "Well tried"
        book.db.commit()
    save(course, with_points(report, 2.0), rebuilt)
    assert grade(opened) == (2.0, 3.5, False, 4.0)
    assert comment(opened, "entropy")[1] == "Well tried"
    assert manual_marks(course, "ada", "small") == {
        "check_entropy": (3.5, ""),
        "entropy": (None, "Well tried"),
    }
    assert standing(course, "ada", "small").score == 3.5
    save(course, dataclasses.replace(report, submission_digest="another"), rebuilt)
    assert grade(opened) == (1.0, 3.5, True, 4.0)  # the mark was given for another submission


def test_a_zero_by_hand_is_a_mark(course, report, rebuilt, opened):
    save(course, report, rebuilt)
    with opened() as book:
        book.find_grade("free_response", "small", "small", "ada").manual_score = 0.0
        book.db.commit()
    assert manual_marks(course, "ada", "small") == {"free_response": (0.0, "")}


@pytest.mark.parametrize("points", [math.nan, math.inf, -math.inf, -0.5, 4.001, 10**6, None, "4", True])
def test_what_is_no_score_is_an_error_and_writes_nothing(course, report, rebuilt, points):
    with pytest.raises(ValueError, match="expected points between 0 and 4"):
        save(course, with_points(report, points), rebuilt)
    assert load_report(course, "ada", "small") is None
    assert standing(course, "ada", "small") is None


def test_a_submission_is_written_whole_or_not_at_all(course, report, rebuilt, opened, monkeypatch):
    """The student and the empty submission are not there either when writing stops at its last step."""

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(gradebook, "_comment", stop)
    with pytest.raises(KeyboardInterrupt):
        save(course, report, rebuilt)
    with opened() as book:
        assert book.students == []
        assert book.find_assignment("small").submissions == []


def test_rounding_does_not_lift_points_over_the_maximum(course, report, rebuilt, opened):
    save(course, with_points(report, 4.0 + 1e-12), rebuilt)
    assert grade(opened)[0] == 4.0


def test_results_must_belong_to_the_notebooks_cells(course, report, rebuilt):
    with pytest.raises(ValueError, match="one result for each"):
        save(course, dataclasses.replace(report, exercises=()), rebuilt)
    with pytest.raises(ValueError, match="one result for each"):
        save(course, dataclasses.replace(report, exercises=report.exercises * 2), rebuilt)


def test_a_refused_submission(course, report, source, opened):
    refused = dataclasses.replace(
        with_points(report, 0.0), status="refused", reason="not a notebook", cells=()
    )
    save(course, refused, rebuild(source, None).notebook)
    assert grade(opened) == (0.0, None, False, 4.0)
    assert grade(opened, "free_response") == (0.0, None, False, 2.0)
    assert comment(opened, "free_response")[0] == "No response."
    assert graded_as(course, "ada", "small") == ("s", "a")


def test_a_failure_of_the_grader_waits_for_a_person(course, report, source, opened):
    failed = dataclasses.replace(with_points(report, 0.0), status="failed", cells=())
    save(course, failed, rebuild(source, None).notebook)
    assert grade(opened)[2]
    assert graded_as(course, "ada", "small") is None


def test_what_counts_as_current(course, report, rebuilt):
    assert graded_as(course, "ada", "small") is None
    save(course, report, rebuilt)
    assert graded_as(course, "ada", "small") == ("s", "a")
    path = course.autograded_path("ada", "small") / "report.json"
    whole = path.read_text()
    path.write_text(whole[: len(whole) // 2])
    assert graded_as(course, "ada", "small") is None
    path.write_text(json.dumps({**json.loads(whole), "format": 0}))
    assert load_report(course, "ada", "small") is None
    path.write_text(whole)
    (course.directory / "gradebook.db").unlink()
    assert graded_as(course, "ada", "small") is None


def test_saving_twice_gives_the_same_files(course, report, rebuilt):
    save(course, report, rebuilt)
    folder = course.autograded_path("ada", "small")
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    save(course, report, rebuilt)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_points_of_the_assignment_may_change_and_cells_may_not(course, report, rebuilt, source, opened):
    save(course, report, rebuilt)
    path = course.source_path("small")
    source.cells[3].metadata.nbgrader.points = rebuilt.cells[4].metadata.nbgrader.points = 8
    nbformat.write(source, path)
    save(course, report, rebuilt)
    assert grade(opened)[3] == 8.0
    source.cells[3].metadata.nbgrader.grade_id = "check_other"
    nbformat.write(source, path)
    with pytest.raises(GradebookError, match="other cells"):
        save(course, report, rebuilt)


def test_a_gradebook_that_stays_locked_gives_one_sentence(course, report, rebuilt, monkeypatch):
    save(course, report, rebuilt)
    monkeypatch.setattr(gradebook, "LOCK_SECONDS", 0.0)
    monkeypatch.setattr(
        gradebook, "_open", lambda course: Gradebook(f"{course.db_url}?timeout=0.1", course.course_id)
    )
    other = sqlite3.connect(course.directory / "gradebook.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(GradebookError, match="was locked for"):
            save(course, report, rebuilt)
    finally:
        other.execute("ROLLBACK")
        other.close()
    save(course, report, rebuilt)


def test_a_gradebook_that_is_read_only_stays_as_it_is(course, report, rebuilt):
    save(course, report, rebuilt)
    with (course.directory / "nbgrader_config.py").open("a") as file:
        url = f"sqlite:///file:{course.directory / 'gradebook.db'}?mode=ro&uri=true"
        file.write(f"\nc.CourseDirectory.db_url = {url!r}\n")
    with pytest.raises(
        GradebookError, match=r"can't be written .*readonly.*: give yourself the right to write it"
    ):
        save(Course(course.directory), with_points(report, 2.0), rebuilt)
    assert standing(course, "ada", "small").score == 1.0
    assert load_report(course, "ada", "small") == report


def test_a_lock_that_goes_away_is_waited_for(monkeypatch):
    monkeypatch.setattr(gradebook, "RETRY_SECONDS", 0.0)
    attempts = []

    def busy_twice():
        attempts.append(1)
        if len(attempts) < 3:
            raise OperationalError("", {}, Exception("database is locked"))
        return "done"

    assert gradebook._unless_locked(busy_twice) == "done"


@pytest.mark.parametrize("graded_before", [True, False])
def test_late_submissions_pay_what_the_courses_rule_says(course, report, rebuilt, opened, graded_before):
    if graded_before:
        save(course, report, rebuilt)
    with opened() as book:
        book.update_or_create_assignment("small", duedate="2026-01-10 12:00:00 UTC")
    folder = course.submission_folder("ada", "small")
    folder.mkdir(parents=True)
    (folder / "timestamp.txt").write_text("2026-01-10 13:00:00 UTC")
    course.config.LateSubmissionPlugin.penalty_method = "zero"
    save(course, report, rebuilt)
    with opened() as book:
        assert book.find_submission("small", "ada").total_seconds_late == 3600
    assert standing(course, "ada", "small").late_penalty == 1.0


def rows(submission):
    """What a submission consists of in the gradebook: by the names of notebooks and cells, without ids."""
    return {
        notebook.name: (
            (notebook.flagged, notebook.late_submission_penalty),
            {
                grade.name: (
                    grade.auto_score,
                    grade.manual_score,
                    grade.extra_credit,
                    grade.needs_manual_grade,
                )
                for grade in notebook.grades
            },
            {comment.name: (comment.auto_comment, comment.manual_comment) for comment in notebook.comments},
        )
        for notebook in submission.notebooks
    }


def test_a_new_submission_has_the_rows_that_nbgrader_would_add(course, report, rebuilt, opened):
    with opened() as book:
        book.add_student("ada", first_name="Ada")
        book.add_assignment("small")
        for name in ("other", "without cells"):
            book.add_notebook(name, "small")
        book.add_grade_cell("check", "other", "small", max_score=1, cell_type="code")
        book.add_solution_cell("answer", "other", "small")
        book.add_task_cell("task", "other", "small", max_score=2, cell_type="markdown")
    save(course, report, rebuilt)
    save(course, dataclasses.replace(report, student="bob"), rebuilt)
    with opened() as book:
        book.add_student("zoe")
        with book.db.no_autoflush:  # nbgrader reads from half-made objects, of which SQLAlchemy warns
            expected = rows(book.add_submission("small", "zoe"))
        assert set(expected["other"][1]) == {"check", "task"}
        assert set(expected["other"][2]) == {"answer", "task"}
        expected["small"] = (
            expected["small"][0],
            {"check_entropy": (1.0, None, None, False), "free_response": (None, None, None, True)},
            {"entropy": (comment(opened, "entropy")[0], None), "free_response": (None, None)},
        )
        for student in ("ada", "bob"):
            assert rows(book.find_submission("small", student)) == expected
        assert book.find_student("ada").first_name == "Ada"  # who was known already stays as they were


def test_students_without_results(course):
    assert manual_marks(course, "nobody", "small") == {}
    assert standing(course, "nobody", "small") is None
    assert not (course.directory / "gradebook.db").exists()


def test_a_students_name_is_no_way_out_of_the_folder(course, report, rebuilt):
    with pytest.raises(ValueError, match="expected a name"):
        save(course, dataclasses.replace(report, student="../ada"), rebuilt)


def test_reports_are_equal_after_a_round_trip(course, report, rebuilt):
    save(course, report, rebuilt)
    assert isinstance(load_report(course, "ada", "small"), Report)
