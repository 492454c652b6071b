"""Bringing in a learning platform's archive with `nbgrader zip_collect`, honest archives and hostile ones."""

import re
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from nbgrader.apps import ZipCollectApp

from autograder import collect
from autograder.course import Course
from autograder.intake import MAX_BYTES, Refused, read_submission

ROOT = Path(__file__).parents[2]
NAME = "mean_field"


@pytest.fixture
def course(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    (tmp_path / "release" / NAME).mkdir(parents=True)
    shutil.copy(ROOT / "solutions" / NAME / f"{NAME}.ipynb", tmp_path / "release" / NAME)
    (tmp_path / "downloaded" / NAME / "archive").mkdir(parents=True)
    return Course(tmp_path)


def write_archive(course, members, name="lms.zip"):
    """Write an archive; a member is a name or a ZipInfo, with its content."""
    path = course.directory / "downloaded" / NAME / "archive" / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def collected(course, monkeypatch):
    """Run `nbgrader zip_collect` in the course's folder, and return what it put into submitted/."""
    monkeypatch.chdir(course.directory)
    ZipCollectApp.clear_instance()
    app = ZipCollectApp()
    app.initialize([NAME, "--force"])
    app.start()
    folder = course.submitted_folder
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.ipynb")}


@pytest.mark.parametrize(
    ("name", "student", "file"),
    [
        ("byronada_4242_77777_mean_field.ipynb", "4242", "mean_field"),
        ("byronada_LATE_4242_77777_mean_field-1.ipynb", "4242", "mean_field"),
        ("Ada Byron_4242_assignsubmission_file/mean_field.ipynb", "4242", "mean_field"),
        ("Ada K. d'Été_4242_assignsubmission_file_/mean_field.ipynb", "4242", "mean_field"),
        ("ada/mean_field.ipynb", "ada", "mean_field"),
        ("ada_b/em.ipynb", "ada_b", "em"),
        ("ada@example.org/em-2.ipynb", "ada@example.org", "em"),
    ],
)
def test_file_names_of_learning_platforms(name, student, file):
    match = re.match(collect.LMS_FILE, f"/course/downloaded/x_1_2/extracted/submissions/{name}")
    assert (match["student_id"], match["file_id"]) == (student, file)


def test_archives_of_canvas_and_moodle(course, monkeypatch):
    write_archive(
        course, [("byronada_4242_77777_mean_field.ipynb", "ada"), ("eve_LATE_43_7_mean_field-1.ipynb", "eve")]
    )
    moodle = [
        ("Mal Ö_44_assignsubmission_file/mean_field.ipynb", "mal"),
        ("Zoe_45_assignsubmission_file/essay.pdf", ""),
    ]
    write_archive(course, moodle, "moodle.zip")
    assert collected(course, monkeypatch) == {
        f"4242/{NAME}/{NAME}.ipynb": b"ada",
        f"43/{NAME}/{NAME}.ipynb": b"eve",
        f"44/{NAME}/{NAME}.ipynb": b"mal",
    }


def test_what_is_left_out(course, monkeypatch, tmp_path_factory):
    """Paths that lead outside, links and bombs harm nothing, and the honest file of the same archive is collected."""
    link = zipfile.ZipInfo("9_9_assignsubmission_file/mean_field.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    members = [
        ("../../../escaped_1_2_mean_field.ipynb", "out"),
        ("/tmp/absolute_1_2_mean_field.ipynb", "out"),
        ("..\\..\\windows_1_2_mean_field.ipynb", "out"),
        ("C:/x_1_2_mean_field.ipynb", "out"),
        (link, "/etc/passwd"),
        ("bomb_77_1_mean_field.ipynb", b"\0" * (3 * MAX_BYTES)),
        ("inner_78_1_mean_field.zip", "PK"),
        (f"{'n' * 300}_79_1_mean_field.ipynb", "long name"),
        ("honest_80_1_mean_field.ipynb", "honest"),
    ]
    write_archive(course, members)
    found = collected(course, monkeypatch)
    assert set(found) == {f"77/{NAME}/{NAME}.ipynb", f"80/{NAME}/{NAME}.ipynb"}
    assert len(found[f"77/{NAME}/{NAME}.ipynb"]) == MAX_BYTES + 1
    submission, _ = read_submission(course.submission_folder("77", NAME), NAME)
    assert isinstance(submission, Refused)
    assert "at most" in submission.reason
    assert not [path for path in course.directory.rglob("*") if path.is_symlink()]
    assert not list(course.directory.parent.glob("*escaped*"))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip file at all"])
def test_an_archive_that_is_none(course, monkeypatch, content):
    (course.directory / "downloaded" / NAME / "archive" / "lms.zip").write_bytes(content)
    with pytest.raises(SystemExit, match=r"^1$"):
        collected(course, monkeypatch)
    assert not course.submitted_folder.exists()


@pytest.mark.parametrize(("limit", "value"), [("MAX_FILES", 1), ("MAX_TOTAL", 5)])
def test_an_archive_that_is_too_much(course, monkeypatch, limit, value):
    write_archive(course, [("a_1_2_mean_field.ipynb", "1234"), ("b_2_2_mean_field.ipynb", "1234")])
    monkeypatch.setattr(collect, limit, value)
    with pytest.raises(SystemExit, match=r"^1$"):
        collected(course, monkeypatch)


def test_a_damaged_file_costs_itself_alone(course, monkeypatch):
    path = write_archive(course, [("a_1_2_mean_field.ipynb", "x" * 5000), ("b_2_2_mean_field.ipynb", "fine")])
    content = bytearray(path.read_bytes())
    content[60] ^= 0xFF  # in the compressed data of the first
    path.write_bytes(content)
    assert collected(course, monkeypatch) == {f"2/{NAME}/{NAME}.ipynb": b"fine"}
