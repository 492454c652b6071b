"""A changed exercise or submission is noticed, and only what it concerns is graded again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import cluster, demonstration, grade_class
from autograder.course import Course, load_report
from autograder.grade_class import NotGradable
from autograder.gradebook import manual_marks

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ("gibbs_principle", "two_kls")
STUDENTS = ("cleo_partly_right", "dan_blank")
PENDING = """
import sys
from autograder import grade_class
from autograder.course import Course, load_report
for assignment in sys.argv[1:]:
    print(assignment, grade_class.count_pending(Course("."), assignment))
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A copy of the course's own packages, for a test to change; compiled kernels come along."""
    folder = tmp_path_factory.mktemp("program")
    for package in ("autograder", "lectures_lib"):
        shutil.copytree(ROOT / package, folder / package)
    return folder


@pytest.fixture(scope="module")
def course(tmp_path_factory, program):
    """Two assignments of two students, all graded."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    for assignment in ASSIGNMENTS:
        shutil.copytree(ROOT / "solutions" / assignment, folder / "solutions" / assignment)
        source = nbformat.read(folder / "solutions" / assignment / f"{assignment}.ipynb", as_version=4)
        for student in demonstration.students(assignment, source):
            if student.name in STUDENTS:
                place = folder / "submitted" / student.name / assignment
                place.mkdir(parents=True)
                (place / f"{assignment}.ipynb").write_bytes(student.notebook)
        grade(program, folder, assignment)
    return Course(folder)


def grade(program, folder, assignment):
    """Run the program, and return what it printed."""
    return run(
        program,
        folder,
        Path(sys.executable).with_name("autograder"),
        "grade",
        assignment,
        "--jobs",
        "1",
        "--quiet",
    )


def run(program, folder, *command):
    """Run something on the copy of the packages, and return what it printed."""
    done = subprocess.run(
        command,
        cwd=folder, env={**os.environ, "PYTHONPATH": str(program)}, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def pending(program, course):
    """How many submissions of each assignment wait for being graded."""
    lines = run(program, course.directory, sys.executable, "-c", PENDING, *ASSIGNMENTS).splitlines()
    return {assignment: int(count) for assignment, count in (line.split() for line in lines)}


def source_file(path):
    """A module's or a package's own file."""
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def append(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.fixture
def restored(program, course):
    """What a test changes is as it was afterwards."""
    kept = {path: path.read_bytes() for folder in (program, course.submitted_folder, course.source_path("two_kls").parents[1])
            for path in folder.rglob("*") if path.suffix in (".py", ".ipynb")}  # fmt: skip
    times = {path: path.stat() for path in kept}
    yield
    for path, content in kept.items():
        if path.read_bytes() != content:
            path.write_bytes(content)
            os.utime(path, ns=(times[path].st_atime_ns, times[path].st_mtime_ns))


@pytest.mark.parametrize(
    ("paths", "waiting"),
    [
        (["autograder/exercises/em", "lectures_lib/plots.py"], {"gibbs_principle": 0, "two_kls": 0}),
        (["autograder/exercises/two_kls"], {"gibbs_principle": 0, "two_kls": 2}),
        (["lectures_lib/two_kls.py"], {"gibbs_principle": 0, "two_kls": 2}),
        (["autograder/check.py"], {"gibbs_principle": 2, "two_kls": 2}),
    ],
)
@pytest.mark.usefixtures("restored")
def test_code_that_changes_concerns_the_assignments_that_use_it(program, course, paths, waiting):
    for path in paths:
        append(source_file(program / path), "\n# changed\n")
    assert pending(program, course) == waiting


@pytest.mark.usefixtures("restored")
def test_notebooks_that_change(program, course):
    """A student's concerns that submission, the instructor's all of its assignment's."""
    path = course.submission_folder("dan_blank", "two_kls") / "two_kls.ipynb"
    notebook = json.loads(path.read_text())
    notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": "I tried.", "id": "new"})
    path.write_text(json.dumps(notebook))
    path = course.source_path("gibbs_principle")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].source += "\n\nOne more sentence."
    nbformat.write(notebook, path)
    assert pending(program, course) == {"gibbs_principle": 2, "two_kls": 1}


@pytest.mark.usefixtures("restored")
def test_an_exercise_that_changes_is_graded_again_and_marks_stay(program, course):
    """Everybody's reports have the new exercise; a mark and a comment by hand, and the other assignment, are as they were."""
    with Gradebook(course.db_url) as book:
        mark = book.find_grade("free_response", "two_kls", "two_kls", "dan_blank")
        mark.manual_score, mark.needs_manual_grade = 1.5, False
        book.find_comment("kl_gaussian", "two_kls", "two_kls", "dan_blank").manual_comment = "Try again"
        book.db.commit()
    before = load_report(course, "cleo_partly_right", "two_kls")
    untouched = course.autograded_path("dan_blank", "gibbs_principle") / "report.json"
    stamp = untouched.stat().st_mtime_ns
    path = source_file(program / "autograder" / "exercises" / "two_kls")
    append(
        path,
        "\nimport dataclasses\nEXERCISES = tuple(dataclasses.replace(e, section='two_kls.html#changed') for e in EXERCISES)\n",
    )
    for assignment, count in (("two_kls", 2), ("gibbs_principle", 0)):
        assert (
            grade(program, course.directory, assignment)
            == f"{assignment}: {count} graded now, 2 submissions in all\n"
        )
    after = load_report(course, "cleo_partly_right", "two_kls")
    assert after.points == before.points
    assert {e.link for e in after.exercises if not e.misconception} == {"two_kls.html#changed"}
    assert manual_marks(course, "dan_blank", "two_kls") == {
        "free_response": (1.5, ""),
        "kl_gaussian": (None, "Try again"),
    }
    assert untouched.stat().st_mtime_ns == stamp


def test_code_that_changed_since_the_program_was_started(course, monkeypatch):
    """A formgrader that runs for days would else grade by what it has loaded, and note that as what is in the files."""
    cluster.version()
    monkeypatch.setattr(cluster, "files_digest", lambda: "another")
    with pytest.raises(NotGradable, match="has changed since this program was started: start it again"):
        grade_class.grade(course, "two_kls", force=True)
