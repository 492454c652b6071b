"""Late submissions, with the plugin that the guide for instructors prints."""

import re
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder import cli
from autograder.course import Course
from autograder.gradebook import save, standing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def late(course, report, rebuilt):
    """A course with the guide's rule; its one submission has 1 point, and a mark of 2 points that came later."""
    guide = (ROOT / "book" / "instructors.md").read_text()
    (rule,) = re.findall(r"```python\n(.*?plugin_class.*?)```", guide, re.DOTALL)
    with (course.directory / "nbgrader_config.py").open("a") as file:
        file.write(rule)
    course = Course(course.directory)
    folder = course.submission_folder("ada", "small")
    folder.mkdir(parents=True)
    (folder / "timestamp.txt").write_text("2026-12-02 10:30:00 UTC")
    save(course, report, rebuilt)
    return course


def set_due(course, duedate):
    with Gradebook(course.db_url, course.course_id) as book:
        book.update_or_create_assignment("small", duedate=duedate)


def test_the_guides_rule(late, report, rebuilt, monkeypatch):
    """Nothing without a due date; then a tenth a day, also of what a person marked; nothing if the date is moved."""
    assert standing(late, "ada", "small").late_penalty == 0
    set_due(late, "2026-11-30 23:59:00 UTC")
    save(late, report, rebuilt)
    assert standing(late, "ada", "small").late_penalty == pytest.approx(0.2)  # of 1 point, in the second day
    with Gradebook(late.db_url, late.course_id) as book:
        book.find_grade("free_response", "small", "small", "ada").manual_score = 2.0
        book.db.commit()
    monkeypatch.setattr("autograder.grade_class.check_assignment", lambda *_: None)
    assert cli.main(["feedback", "small", "--course", str(late.directory)]) == 0
    assert standing(late, "ada", "small").late_penalty == pytest.approx(0.6)
    page = late.feedback_path("ada", "small").read_text()
    assert "0.6 points were taken off since the submission was late" in page
    assert "<strong>2.4</strong>" in page
    set_due(late, "2026-12-24 23:59:00 UTC")
    assert cli.main(["feedback", "small", "--course", str(late.directory)]) == 0
    assert standing(late, "ada", "small").late_penalty == 0
    assert "<strong>3</strong>" in late.feedback_path("ada", "small").read_text()


def test_half_of_the_score_at_most(late, report, rebuilt):
    set_due(late, "2026-01-01 00:00:00 UTC")
    save(late, report, rebuilt)
    assert standing(late, "ada", "small").late_penalty == pytest.approx(0.5)
