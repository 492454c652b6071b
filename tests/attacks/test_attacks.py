"""Every attack of the corpus, graded for real: it earns what is honestly solved, tells nothing, and disturbs nobody."""

import json
import math
import os

import pytest
from nbgrader.api import Gradebook

from autograder import gradebook
from autograder.report import to_json
from tests.attacks.conftest import CANARY, FAMILIES, LIMITS, attacks, written
from tests.attacks.submission import FULL, NAME, POINTS

pytestmark = pytest.mark.timeout(3000)  # the class is graded in the first test's time
ATTACKS = attacks()
FAMILIES_OF_THE_TABLE = 14
MEBIBYTE = 2**20
each = pytest.mark.parametrize("student", ATTACKS)


def test_the_corpus_is_whole():
    """Does every family have several attacks?"""
    assert len(FAMILIES) >= FAMILIES_OF_THE_TABLE
    for family in FAMILIES:
        assert sum(student.startswith(f"{family}.") for student in ATTACKS) >= 2, family


def test_everyone_has_a_result(graded):
    """Does nothing stop the class, and does the grader itself fail on nobody?"""
    assert set(graded.reports) == {*ATTACKS, "bystander"}
    assert {
        report.student: report.notes for report in graded.reports.values() if report.status == "failed"
    } == {}


@each
def test_points(graded, student):
    """Does an attack earn what it has honestly solved, and no more?"""
    report, attack = graded.reports[student], ATTACKS[student]
    assert report.points == attack.points, (report.summary, report.notes)
    assert attack.reason in report.summary


@each
def test_points_in_the_gradebook(graded, student):
    """Does the gradebook say the same, with nothing set by hand?"""
    standing = gradebook.standing(graded.course, student, NAME)
    assert standing.score == ATTACKS[student].points
    assert standing.max_score == FULL + 5
    with Gradebook(graded.course.db_url) as book:
        submission = book.find_submission(NAME, student)
        for grade in (grade for notebook in submission.notebooks for grade in notebook.grades):
            assert grade.manual_score is None
            assert not grade.auto_score or (
                math.isfinite(grade.auto_score) and 0 <= grade.auto_score <= grade.max_score
            )


@each
def test_a_reason_for_what_is_missing(graded, student):
    """Does every exercise that lost points say why, in printable words?"""
    for result in graded.reports[student].exercises:
        assert (result.points == result.max_points) != bool(result.reason), result
        assert result.reason.isprintable()
        assert result.max_points == POINTS[result.exercise.partition(".")[2]]


@each
def test_nothing_leaks(graded, student):
    """Does nothing that a person reads hold a secret, a hidden number, or a path of this machine?"""
    text = written(graded.course, student)
    assert CANARY not in text
    assert str(graded.course.directory) not in text
    assert os.path.expanduser("~") + "/" not in text.replace("~/", "")
    assert f"{graded.course.hidden_seed():x}"[:16] not in text
    digits = text.replace(".", "")
    assert [number for number in graded.hidden if number in digits] == []


@each
def test_what_is_written_is_bounded(graded, student):
    """Are the report, the notebook and the page of a submission of a bounded size?"""
    course = graded.course
    for folder in (course.autograded_path(student, NAME), course.feedback_path(student, NAME).parent):
        assert sum(path.stat().st_size for path in folder.iterdir()) < 8 * LIMITS.output_bytes
    seconds = graded.reports[student].seconds.get("total", 0)
    assert seconds < 3 * LIMITS.submission_seconds


def test_the_leak_test_would_see_one(graded):
    """Do secrets, hidden numbers and paths show in the places where they are?"""
    assert CANARY in (graded.course.directory / "README.md").read_text()
    assert CANARY in written(graded.course, "bystander")
    assert any(number in "0.".join(graded.hidden).replace(".", "") for number in graded.hidden)


def test_the_bystander_notices_nothing(graded):
    """Has an honest submission the same report, to the byte, before the class, with it and after?"""
    assert set(graded.alone.values()) == {graded.alone["before"]}
    assert json.loads(graded.alone["before"])["status"] == "graded"
    assert graded.reports["bystander"].points == FULL


def test_nobody_finds_what_another_left(graded):
    """Does no submission see a file, a process, a socket or a changed state of another?"""
    for student in ATTACKS:
        if student.startswith("stay_behind."):
            assert "FOUND" not in printed(graded.reports[student]), student


def test_outsiders_files_are_as_they_were(graded):
    """Is nothing in the course's folders that the grader has not put there?"""
    found = {path.name for path in graded.course.directory.iterdir()}
    assert found == {
        "nbgrader_config.py", "solutions", "README.md", "submitted", "autograded", "feedback", "gradebook.db", ".hidden_seed",
    }  # fmt: skip


def test_a_shown_score_is_no_score(graded):
    """Does a submission that puts scores out have the same report as the bystander, but for what it shows?"""
    forged, honest = graded.reports["forge_messages.shown_beside"], graded.reports["bystander"]
    assert forged.exercises == honest.exercises
    assert to_json(forged) != to_json(honest)


def printed(report) -> str:
    """What a submission printed."""
    return "".join(str(output.get("text", "")) for run in report.cells for output in run.outputs)
