"""A class in which every attack is a student, with an honest bystander among them, graded for real once for all tests."""

from __future__ import annotations

import copy
import importlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import numpy as np
import pytest

from autograder import checks, demonstration, exercises, grade_class, gradebook
from autograder.course import SEED_FILE, Course, load_report
from autograder.report import Report, to_json
from autograder.sandbox import Limits
from tests.attacks.submission import NAME, Attack, solution_cell

ROOT = Path(__file__).parents[2]
FAMILIES = sorted(path.stem for path in (Path(__file__).parent / "families").glob("*.py"))
LIMITS = Limits(
    submission_seconds=120,
    cpu_seconds=1000,
    cell_seconds=2,
    call_seconds=1,
    memory=800
    * 2**20,  # an eighth of it has to hold what the kept states of a process that took the rest copy
    processes=60,
    disk=8 * 2**20,
    output_bytes=4 * 2**20,
)
CANARY = "CANARY-7f3a91"
"""Stands in whatever no submission may see."""


class Class(NamedTuple):
    """The graded class."""

    course: Course
    reports: dict[str, Report]
    alone: dict[str, str]  # reports of the bystander, graded by himself, as JSON
    hidden: set[str]  # the digits of every number in a hidden instance or in its right answer


def attacks() -> dict[str, Attack]:
    """All attacks by the name of the student who makes them."""
    found = {}
    for family in FAMILIES:
        module = importlib.import_module(f"tests.attacks.families.{family}")
        found |= {f"{family}.{name}": attack for name, attack in module.ATTACKS.items()}
    return found


@pytest.fixture(scope="session")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Class]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("home")
        (home / "secret.txt").write_text(CANARY)
        patch.setenv("HOME", str(home))
        patch.setenv("AUTOGRADER_SECRET", CANARY)
        course, notebook = make_course(tmp_path_factory.mktemp("course"))
        hand_in(course, notebook, attacks())
        alone = {"before": _bystander_alone(course)}
        grade_class.grade(course, NAME, jobs=2, force=True, limits=LIMITS)
        reports = {report.student: report for report in grade_class.reports(course, NAME)}
        alone["with the class"] = to_json(reports["bystander"])
        alone["after"] = _bystander_alone(course)
        yield Class(course, reports, alone, _hidden(course.hidden_seed()))


def make_course(folder: Path) -> tuple[Course, dict]:
    """A course whose private files hold canaries, and the solved notebook, which holds none."""
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    path = folder / "solutions" / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True)
    source = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    solved = json.loads(next(demonstration.students(NAME, source)).notebook)
    for cell in source.cells:
        cell.source = cell.source.replace("### BEGIN SOLUTION\n", f"### BEGIN SOLUTION\n    # {CANARY}\n")
    nbformat.write(source, path)
    (folder / "README.md").write_text(CANARY)
    # Else some seed would meet the digits of a figure by chance.
    (folder / SEED_FILE).write_text("5eed0fa77ac5" + 20 * "5")
    return Course(folder), solved


def hand_in(course: Course, notebook: dict, students: dict[str, Attack]) -> None:
    """Write the submissions of an honest bystander and of those who attack."""
    bystander = copy.deepcopy(notebook)
    solution_cell(bystander, "entropy")["source"] += f"\n# {CANARY}, of another student"
    everybody = {
        "bystander": Attack(lambda folder, _: (folder / f"{NAME}.ipynb").write_text(json.dumps(bystander)))
    }
    for student, attack in (everybody | students).items():
        folder = course.submission_folder(student, NAME)
        folder.mkdir(parents=True)
        attack.write(folder, notebook)


def _bystander_alone(course: Course) -> str:
    grade_class.grade(course, NAME, students=["bystander"], jobs=1, force=True, limits=LIMITS)
    return to_json(load_report(course, "bystander", NAME))


def _hidden(seed: int) -> set[str]:
    found: set[str] = set()
    for exercise in exercises.load(NAME).values():
        for item in exercise.properties:
            for instance in checks.instances_of(exercise, item, seed):
                for value in (*instance.args, exercise.reference(*copy.deepcopy(instance.args))):
                    digits = (repr(number).strip("-").replace(".", "") for number in np.ravel(value).tolist())
                    # Seven digits can't be met by chance; round numbers stand in visible examples too.
                    found |= {
                        text.lstrip("0")[:7]
                        for text in digits
                        if len(text.lstrip("0")) >= 12 and "e" not in text
                    }
    # What is round but for the rounding to float32 is met everywhere.
    found = {text for text in found if not text.endswith(("0000", "9999"))}
    assert len(found) > 100
    return found


def written(course: Course, student: str) -> str:
    """All text that a student or an instructor sees of a submission, and the gradebook's comments."""
    folders = course.autograded_path(student, NAME), course.feedback_path(student, NAME).parent
    texts = [path.read_text(encoding="utf-8") for folder in folders for path in sorted(folder.iterdir())]
    marks = gradebook.manual_marks(course, student, NAME)
    return "\n".join([*texts, repr(marks), repr(gradebook.standing(course, student, NAME))])
