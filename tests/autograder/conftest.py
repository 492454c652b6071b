"""A small course in a temporary folder: one assignment with one exercise, a figure cell and an answer in words."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.api import Gradebook

from autograder import demonstration
from autograder.course import Course
from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import rebuild
from autograder.report import CellRun, ExerciseResult, PropertyResult, Report

ROOT = Path(__file__).parents[2]


WORDS = r"""Since $x \log x$ is convex, and by Jensen $-\sum_i p_i \log p_i \le \log n$:

$$
H(p) = -\sum_{i=1}^{n} p_i \log p_i = \log n - \sum_{i=1}^{n} p_i \log \frac{p_i}{1/n} = \log n - \mathrm{KL}(p \,\|\, u) \le \log n
$$
"""


def marked(cell, grade_id: str, **marks):
    """Give a cell nbgrader's metadata."""
    cell.id = grade_id.replace("_", "-")
    defaults = {"grade": False, "solution": False, "locked": False, "task": False, "schema_version": 3}
    cell.metadata.nbgrader = {**defaults, "grade_id": grade_id, **marks}
    return cell


@pytest.fixture
def source():
    """The instructor's notebook."""
    cells = [
        new_markdown_cell("# Entropy\n\nWrite it.", id="intro"),
        marked(new_code_cell("import numpy as np"), "setup", locked=True),
        marked(
            new_code_cell("def entropy(p):\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"),
            "entropy",
            solution=True,
        ),
        marked(
            new_code_cell('check("small.entropy", entropy)'),
            "check_entropy",
            grade=True,
            locked=True,
            points=4,
        ),
        marked(new_code_cell("plot(entropy)"), "figure", locked=True),
        marked(
            new_markdown_cell("### BEGIN SOLUTION\nSince it is concave.\n### END SOLUTION"),
            "free_response",
            grade=True,
            solution=True,
            points=2,
        ),
    ]
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs = [nbformat.v4.new_output("stream", text="the instructor's output")]
    return new_notebook(cells=cells)


@pytest.fixture
def course(tmp_path, source):
    """A course directory that holds the assignment `small`."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    folder = tmp_path / "solutions" / "small"
    folder.mkdir(parents=True)
    nbformat.write(source, folder / "small.ipynb")
    return Course(tmp_path)


@pytest.fixture
def submission():
    """An ordinary submission, with a cell that the student added."""
    return Submission(
        (
            SubmittedCell("markdown", "# Entropy\n\nWrite it.", None),
            SubmittedCell("code", "import numpy as np", "setup"),
            SubmittedCell("code", "def entropy(p):\n    return p @ np.log(p)", "entropy"),
            SubmittedCell("code", "entropy(np.ones(2) / 2)", None),
            SubmittedCell("code", 'check("small.entropy", entropy)', "check_entropy"),
            SubmittedCell("code", "plot(entropy)", "figure"),
            SubmittedCell("markdown", WORDS, "free_response"),
        )
    )


@pytest.fixture
def rebuilt(source, submission):
    """The notebook that is graded."""
    return rebuild(source, submission).notebook


@pytest.fixture
def report():
    """What grading the ordinary submission finds out."""
    properties = (
        PropertyResult("ordinary", "entropy of ordinary distributions", 0.0, 3.0, "the sign is opposite"),
        PropertyResult("input", "the argument is left as it was", 1.0, 1.0),
    )
    return Report(
        student="ada",
        assignment="small",
        status="graded",
        exercises=(
            ExerciseResult(
                "small.entropy",
                "check_entropy",
                1.0,
                4.0,
                properties,
                reason="the sign is opposite",
                misconception="sign",
                hint="Every value seen was negative: is a logarithm of a probability positive?",
                link="small.html#entropy",
                remarks=("A list is taken as an array.",),
            ),
        ),
        cells=(
            CellRun(1),
            CellRun(2),
            CellRun(3, ({"output_type": "execute_result", "data": {"text/plain": "-0.69"}, "metadata": {}},)),
            CellRun(
                5, ({"output_type": "stream", "name": "stderr", "text": "a warning"},), "ran out of time"
            ),
        ),
        notes=("a note",),
        submission_digest="s",
        assignment_digest="a",
    )


KINDS = (
    "ada_solution",
    "cleo_partly_right",
    "misconceptions_1",
    "dan_blank",
    "finn_exception",
    "ivy_exit",
    "jan_malformed",
)
ASSIGNMENT = "gibbs_principle"


class GradedClass(NamedTuple):
    """A class that waits to be graded, and what an undisturbed run makes of it."""

    folder: Path
    results: dict[str, bytes | list]


@pytest.fixture(scope="session")
def graded_class(tmp_path_factory):
    """A small class of every kind of submission, and the results of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("class")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, folder / "solutions" / ASSIGNMENT)
    course = Course(folder)
    course.hidden_seed()
    source = nbformat.read(course.source_path(ASSIGNMENT), as_version=4)
    for student in demonstration.students(ASSIGNMENT, source):
        if student.name in KINDS:
            path = course.submission_folder(student.name, ASSIGNMENT)
            path.mkdir(parents=True)
            (path / f"{ASSIGNMENT}.ipynb").write_bytes(student.notebook)
    Gradebook(course.db_url).close()  # creating one takes nbgrader seconds
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    shutil.copytree(folder, undisturbed, dirs_exist_ok=True)
    result = start_grading(undisturbed, "--jobs", "1")
    assert finished(result)[0] == 0
    return GradedClass(folder, results(undisturbed))


@pytest.fixture
def waiting_class(graded_class, tmp_path):
    """A copy of the class, not graded yet."""
    return shutil.copytree(graded_class.folder, tmp_path / "course")


def start_grading(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start the program in a session of its own."""
    return subprocess.Popen(
        [Path(sys.executable).with_name("autograder"), "grade", ASSIGNMENT, "--quiet", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen) -> tuple[int, str, str]:
    """Exit code and what was printed."""
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def results(folder: Path) -> dict[str, bytes | list]:
    """Everything that grading leaves for people: reports, notebooks and pages to the byte, and the gradebook's marks."""
    found: dict[str, bytes | list] = {
        str(path.relative_to(folder)): path.read_bytes()
        for place in ("autograded", "feedback")
        for path in sorted((folder / place).rglob("*"))
        if path.is_file() and not path.name.endswith(".part")
    }
    with Gradebook(Course(folder).db_url) as gradebook:
        found["gradebook"] = sorted(
            (s.student.id, g.name, g.auto_score, g.manual_score, g.needs_manual_grade)
            for s in gradebook.assignment_submissions(ASSIGNMENT)
            for g in s.notebooks[0].grades
        )
    return found


def num_reports(folder: Path) -> int:
    """How many submissions have their result."""
    return len(list((folder / "autograded").glob("*/*/report.json")))


def wait_until(true: Callable[[], object], seconds: float = 400) -> object:
    """Wait for something, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
    return found


def descendants(pid: int) -> dict[int, tuple[int, str]]:
    """Processes that come from a process and have not ended: id -> parent's id and command line."""
    table = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if entry.name.isdigit() and fields[0] != "Z":
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                table[int(entry.name)] = (int(fields[1]), command)
    found: dict[int, tuple[int, str]] = {}
    pending = [pid]
    while pending:
        above = pending.pop()
        below = {child: entry for child, entry in table.items() if entry[0] == above}
        found |= below
        pending += below
    return found


@pytest.fixture
def tools():
    """The functions above, for the tests that disturb a run; a test that fails leaves no run behind."""
    with contextlib.ExitStack() as runs:
        yield SimpleNamespace(
            start=lambda *arguments: runs.enter_context(ending(start_grading(*arguments))),
            finished=finished,
            results=results,
            num_reports=num_reports,
            wait_until=wait_until,
            descendants=descendants,
        )


@contextlib.contextmanager
def ending(process: subprocess.Popen) -> Iterator[subprocess.Popen]:
    """A run that is killed, and its pipes closed, should it go on when the test has ended."""
    with process:
        yield process
        process.kill()
