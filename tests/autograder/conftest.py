"""A small course in a temporary folder: one assignment with one exercise, a figure cell and an answer in words."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.course import Course
from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import rebuild
from autograder.report import CellRun, ExerciseResult, PropertyResult, Report

ROOT = Path(__file__).parents[2]


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
            SubmittedCell("markdown", "Since $x \\log x$ is convex.", "free_response"),
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
