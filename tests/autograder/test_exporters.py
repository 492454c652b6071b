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


CANVAS_GRADEBOOK = '''\
Student,ID,SIS User ID,SIS Login ID,Root Account,Section,Small (77),Other (78)
    Points Possible,,,,,,6,10
"Byron, K., Ada ""A""",41,u41,ada,uni.example,Group 1,,7
"=HYPERLINK(""http://spy""), x",42,u42,eve,uni.example,Group 2,5,8
"Absent, Zoë",43,u43,zoe,uni.example,Group 1,3,9
"Student, Test",44,,,uni.example,Group 1,,
'''
"""A gradebook as Canvas exports it."""


def imported_by_canvas(gradebook, rows):
    """What Canvas makes of an import: a row's student is found by ID, or else by login; a blank deletes a score."""
    header, points, *students = csv.reader(io.StringIO(gradebook))
    assert points[0] == "    Points Possible"
    titles, possible, *new = rows
    assert titles[:2] == ["Student", "ID"]
    assert possible[0] == "    Points Possible"
    assert (possible[0], possible[-1]) == (points[0], points[header.index("Small (77)")])
    scores = {row[1]: dict(zip(header, row, strict=True)) for row in students}
    for row in (dict(zip(titles, row, strict=True)) for row in new):
        found = [
            key
            for key, s in scores.items()
            if row["ID"] == key or (not row["ID"] and row["SIS Login ID"] == s["SIS Login ID"])
        ]
        assert len(found) == 1, row
        scores[found[0]]["Small (77)"] = row["Small (77)"]
    return {key: (row["Small (77)"], row["Other (78)"]) for key, row in scores.items()}


def test_canvas_takes_the_scores(graded):
    """Round trip through a gradebook of the real form: who has no submission keeps the score, other columns stay."""
    rows = exported(graded, "Canvas", "--Canvas.columns=small=Small (77)", "--assignment=small")
    assert imported_by_canvas(CANVAS_GRADEBOOK, rows) == {
        "41": ("2.5", "7"),
        "42": ("1", "8"),
        "43": ("3", "9"),
        "44": ("", ""),
    }


def test_ids_that_came_from_canvas(graded, report, rebuilt):
    save(graded, dataclasses.replace(report, student="4242"), rebuilt)
    rows = exported(graded, "Canvas", "--student=4242")
    assert rows[2] == ["4242", "4242", "", "", "", "1"]


def test_moodle_takes_the_scores(graded):
    """Moodle's import: the first row names the columns, a student is found by ID number or by address."""
    participants = {"42": "eve@example.org", "99": "ada@example.org"}
    titles, *rows = exported(graded, "Moodle")
    taken = {}
    for row in (dict(zip(titles, row, strict=True)) for row in rows):
        by_number = row["ID number"] if row["ID number"] in participants else None
        by_address = [number for number, address in participants.items() if address == row["Email address"]]
        taken[by_number or by_address[0]] = float(row["small"])
    assert taken == {"42": 1.0, "99": 2.5}


def test_names_of_all_kinds_come_back_as_they_were(course, report, rebuilt):
    """Through the file and back: names keep every letter, but for an apostrophe where a spreadsheet would reckon."""
    names = [
        "+49",
        "-Ann",
        "@work",
        "\tTab",
        'Quo"te',
        "Com,ma",
        "Li\nne",
        "Zoë 李 😀",
        "'apostrophe",
        "=1;2",
    ]
    save(course, report, rebuilt)
    for number in range(len(names)):
        save(course, dataclasses.replace(report, student=f"s{number}"), rebuilt)
    with Gradebook(course.db_url, course.course_id) as book:
        for number, name in enumerate(names):
            book.update_or_create_student(f"s{number}", first_name=name, last_name=name)
        book.db.commit()
    titles, *rows = exported(course, "Table")
    back = {row[1]: row[titles.index("last_name")] for row in rows}
    expected = [
        "'+49",
        "'-Ann",
        "'@work",
        "'\tTab",
        'Quo"te',
        "Com,ma",
        "Li ne",
        "Zoë 李 😀",
        "'apostrophe",
        "'=1;2",
    ]
    assert [back[f"s{number}"] for number in range(len(names))] == expected


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
