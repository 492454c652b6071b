import asyncio
import dataclasses
import json
import logging
import os
import shutil
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbgrader.api import Gradebook
from nbgrader.apps import NbGraderAPI
from nbgrader.converters import Autograde, GenerateAssignment
from nbgrader.converters.base import NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.server_extensions.formgrader import handlers
from traitlets.config import Config

from autograder import grade_class, gradebook
from autograder.course import Course
from autograder.grade_class import NotGradable
from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import rebuild
from autograder.report import CellRun

ROOT = Path(__file__).parents[2]
NAME = "gibbs_principle"


@pytest.fixture
def real(tmp_path):
    """A course with one of the real assignments."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / NAME, tmp_path / "solutions" / NAME)
    return Course(tmp_path)


def folders(course, **options):
    return CourseDirectory(config=course.config, assignment_id=NAME, **options)


def hand_in(course, student, content=b"{}"):
    folder = course.submission_folder(student, NAME)
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_bytes(content)
    return folder


@pytest.fixture
def asked(monkeypatch):
    """What nbgrader's command asks of the grader, which doesn't run."""
    calls = []
    monkeypatch.setattr(grade_class, "grade", lambda course, assignment, **options: calls.append(options))
    return calls


def test_the_release_holds_check_py_and_no_answer(real):
    GenerateAssignment(coursedir=folders(real), config=real.config).start()
    folder = real.release_folder / NAME
    assert {path.name for path in folder.iterdir()} == {f"{NAME}.ipynb", "check.py", "check_data.json"}
    text = (folder / f"{NAME}.ipynb").read_text()
    assert "SOLUTION" not in text
    assert "raise NotImplementedError" in text


@pytest.mark.parametrize(
    ("book_url", "link"),
    [
        ("https://course.example/book/", "https://course.example/book/gibbs_principle.html#kl-divergence"),
        ("", "the book's chapter gibbs principle, section kl divergence"),
    ],
)
def test_hints_name_a_place_that_a_student_can_find(real, book_url, link):
    real.config.Autograder.book_url = book_url
    GenerateAssignment(coursedir=folders(real), config=real.config).start()
    data = json.loads((real.release_folder / NAME / "check_data.json").read_text(encoding="utf-8"))
    assert data[f"{NAME}.kl"]["link"] == link
    assert {about["link"] for about in data[f"{NAME}.kl"]["misconceptions"].values()} == {link}


def test_a_release_without_check_py_fails(real, monkeypatch):
    def broken(assignment, folder, book_url):
        raise OSError("disk full")

    monkeypatch.setattr("autograder.release.add_check_files", broken)
    with pytest.raises(NbGraderException):
        GenerateAssignment(coursedir=folders(real), config=real.config).start()
    assert not (real.release_folder / NAME).exists()


def test_autograde_asks_for_the_chosen_students(real, asked):
    for student in ("ada", "abe", "eve"):
        hand_in(real, student)
    Autograde(coursedir=folders(real, student_id="a*", student_id_exclude="abe")).start()
    assert asked[0]["students"] == ["ada"]
    assert asked[0]["force"] is False
    Autograde(coursedir=folders(real), force=True).start()
    assert asked[1]["students"] == ["abe", "ada", "eve"]
    assert asked[1]["force"] is True


def test_nobody_to_grade_is_an_error(real, asked):
    with pytest.raises(NbGraderException, match="there is nothing of 'zoe'"):
        Autograde(coursedir=folders(real, student_id="zoe")).start()
    assert asked == []


def test_an_error_of_the_grader_is_one_of_nbgraders(real, monkeypatch, caplog):
    def refuse(*_, **options):
        raise NotGradable("there is no such assignment")

    hand_in(real, "ada")
    monkeypatch.setattr(grade_class, "grade", refuse)
    with caplog.at_level(logging.ERROR), pytest.raises(NbGraderException, match="no such assignment"):
        Autograde(coursedir=folders(real)).start()


def test_a_hostile_timestamp_does_not_stop_nbgrader(real):
    folder = hand_in(real, "ada")
    (folder / "timestamp.txt").write_text("not a time")
    assert folders(real).get_existing_timestamp(str(folder)) is None
    (folder / "timestamp.txt").unlink()
    os.mkfifo(folder / "timestamp.txt")
    assert folders(real).get_existing_timestamp(str(folder)) is None


def test_formgraders_buttons(real):
    """Grading and feedback as formgrader starts them: from a running event loop, one student at a time."""
    solution = real.source_path(NAME).read_bytes()
    hand_in(real, "ada", solution)
    folder = hand_in(real, "eve", b'{"nbformat": 4, "cel')
    secret = real.directory / "secret.txt"
    secret.write_text("secret")
    (folder / "link.txt").symlink_to(secret)

    async def press():
        api = NbGraderAPI(CourseDirectory(config=real.config), config=Config(real.config))
        graded = [api.autograde(NAME, student) for student in ("ada", "eve")]
        written = api.generate_feedback(NAME)
        return graded, written, api.get_submissions(NAME)

    graded, written, submissions = asyncio.run(press())
    assert [result["success"] for result in (*graded, written)] == [True] * 3, graded
    points = {
        entry["student"]: (entry["auto"]["score"] if "auto" in entry else entry["score"])
        for entry in submissions
    }
    assert points == {"ada": 20.0, "eve": 0.0}
    assert {entry["student"] for entry in submissions if entry["autograded"]} == {"ada", "eve"}
    assert "not a notebook" in real.feedback_path("eve", NAME).read_text()
    assert "20" in real.feedback_path("ada", NAME).read_text()
    assert sorted(path.name for path in real.autograded_path("eve", NAME).iterdir()) == [
        f"{NAME}.ipynb",
        "report.json",
    ]
    nbformat.validate(gradebook.load_notebook(real, "ada", NAME))
    with Gradebook(real.db_url, real.course_id) as book:
        assert book.find_submission(NAME, "ada").score == 20.0


def test_nothing_that_a_student_writes_runs_in_formgrader(course, source, report):
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    cells = (
        SubmittedCell("code", f"# {evil}", "entropy"),
        SubmittedCell(
            "markdown",
            f"{evil} $\\href{{javascript:alert(1)}}{{x}}$ [x](javascript:alert(1))",
            "free_response",
        ),
        SubmittedCell("raw", evil, None),
    )
    outputs = (
        {"output_type": "stream", "name": "stdout", "text": evil},
        {"output_type": "error", "ename": evil, "evalue": evil, "traceback": [evil]},
        {"output_type": "display_data", "data": {"text/html": evil, "image/svg+xml": evil}},
    )
    hostile = dataclasses.replace(report, cells=(CellRun(2, outputs, evil),))
    gradebook.save(course, hostile, rebuild(source, Submission(cells)).notebook)
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    config.HTMLExporter.extra_template_basedirs = [handlers.template_path]
    names = (
        "assignment_id",
        "notebook_id",
        "submission_id",
        "base_url",
        "student",
        "last_name",
        "first_name",
    )
    resources = {**dict.fromkeys((*names, "notebook_path"), "x"), "index": 0, "total": 1}
    path = course.autograded_path("ada", "small") / "small.ipynb"
    html, _ = HTMLExporter(config=config).from_filename(str(path), resources=resources)
    assert html.count("alert(1)") > 5
    for danger in ("<script>alert", "<img src=x", "javascript:alert", "\\href"):
        assert danger not in html
