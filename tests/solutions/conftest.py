"""What the tests of the notebooks share: the students' versions of all assignments."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = sorted(path.parent.name for path in (ROOT / "solutions").glob("*/*.ipynb"))


@pytest.fixture(scope="package")
def release(tmp_path_factory):
    """A release made by nbgrader's own command, as an instructor makes it."""
    course = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", course)
    shutil.copytree(ROOT / "solutions", course / "solutions")
    program = Path(sys.executable).with_name("nbgrader")
    for assignment in ASSIGNMENTS:
        subprocess.run(
            [program, "generate_assignment", assignment],
            cwd=course,
            check=True,
            capture_output=True,
            text=True,
        )
    return course / "release"
