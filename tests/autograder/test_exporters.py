import csv
import dataclasses
import io
import json
import math

import pytest
from nbgrader.api import Gradebook
from nbgrader.apps import ExportApp

from autograder.exporters import csv_text, gradescope_results
from autograder.gradebook import save


@pytest.fixture
def graded(course, report, rebuilt):
    """The course with two results; one of the students has a name that a spreadsheet would run."""
    save(course, report, rebuilt)
    save(course, dataclasses.replace(report, student="eve"), rebuilt)
    with Gradebook(course.db_url, course.course_id) as book:
        book.update_or_create_student(
            "ada", first_name='Ada "A"', last_name="Byron, K.", email="ada@example.org"
        )
        book.update_or_create_student(
            "eve", first_name="x\n=1+1", last_name='=HYPERLINK("http://spy")', lms_user_id="42"
        )
        book.update_or_create_student("zoe", first_name="Zoe")
        book.find_grade("free_response", "small", "small", "ada").manual_score = 1.5
        book.db.commit()
    return course


def exported(course, exporter, *arguments):
    """Run `nbgrader export`, and return the rows that it wrote."""
    target = course.directory / "out.csv"
    app = ExportApp()
    app.initialize(
        [
            f"--CourseDirectory.root={course.directory}",
            f"--exporter=autograder.exporters.{exporter}",
            f"--to={target}",
            *arguments,
        ]
    )
    app.start()
    content = target.read_bytes().decode()
    assert content.endswith("\r\n")
    return list(csv.reader(io.StringIO(content, newline="")))


def test_canvas(graded):
    rows = exported(graded, "Canvas", "--Canvas.columns=small=Small (77)", "--assignment=small")
    assert rows == [
        ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", "Small (77)"],
        ["    Points Possible", "", "", "", "", "6"],
        ['Byron, K., Ada "A"', "", "", "ada", "", "2.5"],
        ['\'=HYPERLINK("http://spy"), x =1+1', "42", "", "eve", "", "1"],
    ]


def test_moodle(graded):
    rows = exported(graded, "Moodle")
    assert rows[0] == ["ID number", "Email address", "Last name", "First name", "small"]
    assert rows[1] == ["ada", "ada@example.org", "Byron, K.", 'Ada "A"', "2.5"]
    assert rows[2][0] == "42"
    assert len(rows) == 3


def test_table(graded):
    rows = exported(graded, "Table")
    table = {row["student_id"]: row for row in (dict(zip(rows[0], row, strict=True)) for row in rows[1:])}
    assert set(table) == {"ada", "eve"}
    assert table["ada"]["small.check_entropy"] == "1"
    assert table["ada"]["small.free_response"] == "1.5"
    assert table["eve"]["small.free_response"] == "0"
    assert table["eve"]["needs_manual_grade"] == "true"
    assert table["ada"]["score"] == "2.5"


def test_one_student(graded):
    assert [row[0] for row in exported(graded, "Moodle", "--student=eve")] == ["ID number", "42"]


def test_an_unknown_assignment_ends_with_a_sentence(graded, caplog):
    with pytest.raises(SystemExit, match=r"^1$"):
        exported(graded, "Canvas", "--assignment=other")
    assert not (graded.directory / "out.csv").exists()


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1"])
def test_no_text_is_a_formula(text):
    (row,) = csv.reader(io.StringIO(csv_text([[text]]), newline=""))
    assert row[0].startswith("'")


def test_numbers_stay_numbers():
    assert (
        csv_text([[-1.5, 0.1 + 0.2, 2, True, None, "a,b", 1234567.0]]) == '-1.5,0.3,2,true,,"a,b",1234567\r\n'
    )


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_an_error(value):
    with pytest.raises(ValueError, match="finite"):
        csv_text([[value]])


def test_gradescope(graded):
    app = ExportApp()
    target = graded.directory / "gradescope"
    app.initialize(
        [
            f"--CourseDirectory.root={graded.directory}",
            "--exporter=autograder.exporters.Gradescope",
            f"--to={target}",
        ]
    )
    app.start()
    data = json.loads((target / "ada" / "results.json").read_text())
    assert data["score"] == 2.5
    assert [(test["number"], test["score"], test["max_score"], test["status"]) for test in data["tests"]] == [
        ("1.1", 0.0, 3.0, "failed"),
        ("1.2", 1.0, 1.0, "passed"),
    ]
    assert {test["visibility"] for test in data["tests"]} == {"visible"}
    assert "the sign is opposite" in data["tests"][0]["output"]
    assert "logarithm" in data["tests"][0]["output"]
    assert "logarithm" not in data["tests"][1]["output"]


def test_gradescope_of_an_exercise_without_properties(report):
    refused = dataclasses.replace(
        report, reason="no", exercises=(dataclasses.replace(report.exercises[0], properties=(), points=0.0),)
    )
    (test,) = gradescope_results(refused, 0.0)["tests"]
    assert (test["name"], test["status"], test["score"]) == ("small.entropy", "failed", 0.0)
