"""A class of 60 submissions graded with this grader, with stock `nbgrader autograde`, and with `otter run`.

All three run the same notebooks, as programs, from a cold start to grades on disk. The peers check in the way that their
own users would: assertions on the visible examples in the grade cells. Ours tries the hidden instances too.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbgrader.api import Gradebook

from autograder import checks, demonstration, exercises, feedback, grade_class, gradebook
from autograder.course import Course
from autograder.exercise import Exercise
from autograder.grade import grade_submission
from autograder.sandbox import Sandbox
from benchmarks.timing import Row, duration

ROOT = Path(__file__).parents[1]
ASSIGNMENT = "gibbs_principle"
STUDENTS = 60
JOBS = 2
RUNS = 3
"""Of ours, from nothing, before and after the minutes that stock nbgrader takes; the median counts."""
OTTER_RUNS = 5
WARM_UP, TIMED = 3, 20
_PROGRAMS = Path(sys.executable).parent
NEEDED = 15

# Those of the demonstration class that every grader can run to the end: a loop costs what its time limit says, and a
# damaged notebook or a process that ends itself stops stock nbgrader.
LEFT_OUT = ("gus_", "hal_", "ivy_", "jan_", "eve_", "cheat_", "kim_")


def rows() -> list[Row]:
    """Grade the class three ways."""
    with tempfile.TemporaryDirectory() as folder:
        ours, stock, otter = (Path(folder) / name for name in ("ours", "stock", "otter"))
        submissions = list(_submissions())
        for place in (ours, stock):
            _hand_in(place, submissions)
        shutil.copy(ROOT / "nbgrader_config.py", ours)
        shutil.copytree(ROOT / "solutions" / ASSIGNMENT, ours / "solutions" / ASSIGNMENT)
        _seconds(["nbgrader", "generate_assignment", ASSIGNMENT, "--log-level=ERROR"], ours)
        _prepare_stock(stock)
        _prepare_otter(otter, submissions)

        runs = [_parts(ours)]
        with_stock = _seconds(["nbgrader", "autograde", ASSIGNMENT, "--log-level=ERROR"], stock)
        runs += [_parts(ours) for _ in range(RUNS - 1)]
        parts = sorted(runs, key=lambda run: sum(run.values()))[RUNS // 2]
        with_ours = sum(parts.values())
        with_otter = statistics.median(
            _seconds(
                ["otter", "run", "-a", "autograder.zip", "-o", f"result-{n}", "--no-logo", f"{n}.ipynb"],
                otter,
            )
            for n in range(OTTER_RUNS)
        )
        _check_that_all_graded(ours, stock, otter)
        stages = _stages(ours)
    return [
        Row(
            f"grading {STUDENTS} submissions of {ASSIGNMENT}, {JOBS} jobs, start to end (median of {RUNS})",
            "stock nbgrader autograde, the same notebooks",
            with_stock / with_ours,
            NEEDED,
            f"{60 * STUDENTS / with_ours:.0f} against {60 * STUDENTS / with_stock:.0f} submissions a minute",
        ),
        Row(
            f"grading {STUDENTS} submissions of {ASSIGNMENT}, {JOBS} jobs, start to end (median of {RUNS})",
            f"otter run, a submission at a time (median of {OTTER_RUNS})",
            STUDENTS * with_otter / with_ours,
            None,
            f"{duration(with_ours / STUDENTS)} against {duration(with_otter)} a submission",
        ),
        Row(
            f"where the {duration(with_ours)} of that run go",
            "all of it",
            1.0,
            None,
            ", ".join(f"{name} {duration(time)}" for name, time in parts.items()),
        ),
        Row(
            "where the time of one submission goes, in a process that has started",
            "the same submission with stock nbgrader",
            with_stock / STUDENTS / sum(stages.values()),
            None,
            ", ".join(f"{name} {duration(time)}" for name, time in stages.items()),
        ),
    ]


def _submissions() -> Iterator[tuple[str, bytes]]:
    """Student ids and notebooks: the demonstration's, over and over, none the same as another."""
    source = nbformat.read(_source_path(), as_version=4)
    kinds = [s for s in demonstration.students(ASSIGNMENT, source) if not s.name.startswith(LEFT_OUT)]
    for number, student in zip(range(STUDENTS), itertools.cycle(kinds)):
        notebook = nbformat.reads(student.notebook.decode(), as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
                cell.source = f"# student {number}\n{cell.source}"
        yield f"{student.name}_{number}", nbformat.writes(notebook).encode()


def _source_path() -> Path:
    return ROOT / "solutions" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"


def _hand_in(course: Path, submissions: list[tuple[str, bytes]]) -> None:
    for student, notebook in submissions:
        folder = course / "submitted" / student / ASSIGNMENT
        folder.mkdir(parents=True)
        (folder / f"{ASSIGNMENT}.ipynb").write_bytes(notebook)


def _prepare_stock(course: Path) -> None:
    """Make a course of nbgrader's own: no configuration but the place of the database, asserts in the grade cells."""
    source = nbformat.read(_source_path(), as_version=4)
    declared = {exercise.grade_id: exercise for exercise in exercises.load(ASSIGNMENT).values()}
    for cell in source.cells:
        cell.source = cell.source.replace("from check import check", "")
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in declared:
            cell.source = _assertions(declared[grade_id])
    folder = course / "source" / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(source, folder / f"{ASSIGNMENT}.ipynb")
    (course / "nbgrader_config.py").write_text("c = get_config()\n")
    _seconds(["nbgrader", "generate_assignment", ASSIGNMENT, "--log-level=ERROR"], course)


def _prepare_otter(folder: Path, submissions: list[tuple[str, bytes]]) -> None:
    """Write an autograder archive with a test file an exercise, and the notebooks that call them."""
    folder.mkdir()
    declared = exercises.load(ASSIGNMENT).values()
    settings = {"lang": "python", "autograder_dir": str(folder / "autograder")}
    with zipfile.ZipFile(folder / "autograder.zip", "w") as archive:
        archive.writestr("otter_config.json", json.dumps(settings))
        for exercise in declared:
            lines = _assertions(exercise).splitlines()
            code = "\n".join([f">>> {line}" for line in lines])
            case = {"code": code, "hidden": False, "locked": False, "points": 1}
            suite = {"cases": [case], "scored": True, "setup": "", "teardown": "", "type": "doctest"}
            archive.writestr(
                f"tests/{exercise.function}.py",
                f"OK_FORMAT = True\ntest = {{'name': {exercise.function!r}, 'points': 1, 'suites': [{suite!r}]}}\n",
            )
    for number, (_, content) in enumerate(submissions[:OTTER_RUNS]):
        notebook = nbformat.reads(content.decode(), as_version=4)
        for cell in notebook.cells:
            cell.source = cell.source.replace(
                "from check import check", "import otter\ngrader = otter.Notebook()"
            )
            for exercise in declared:
                if cell.metadata.get("nbgrader", {}).get("grade_id") == exercise.grade_id:
                    cell.source = f"grader.check({exercise.function!r})"
        nbformat.write(notebook, folder / f"{number}.ipynb")
        (folder / f"result-{number}").mkdir()


def _assertions(exercise: Exercise) -> str:
    """Statements that fail unless the function is right on the visible examples."""
    lines = ["from numpy import array, inf, nan"]
    for instance, right in zip(exercise.visible, checks.visible_answers(exercise), strict=True):
        arguments = ", ".join(_literal(argument) for argument in instance.args)
        lines.append(
            f"np.testing.assert_allclose({exercise.function}({arguments}), {_literal(right)}, "
            f"rtol={exercise.rtol}, atol={exercise.atol})"
        )
    return "\n".join(lines)


def _parts(folder: Path) -> dict[str, float]:
    """Grade the class as an instructor does, from nothing; the seconds of each part of the run, told by what it prints."""
    # Set aside, not deleted: a file system takes longer to make files where as many have just been deleted.
    aside = Path(tempfile.mkdtemp(dir=folder.parent))
    for results in ("autograded", "feedback", "gradebook.db"):
        if (folder / results).exists():
            (folder / results).rename(aside / results)
    with tempfile.TemporaryFile("w+") as printed:
        start = time.perf_counter()
        process = subprocess.Popen(
            [_PROGRAMS / "autograder", "grade", ASSIGNMENT, "--jobs", str(JOBS), "--quiet"],
            cwd=folder,
            env=_environment(),
            stdout=printed,
            stderr=subprocess.PIPE,
            text=True,
        )
        lines = [(time.perf_counter(), line) for line in process.stderr]
        code = process.wait()
        end = time.perf_counter()
        printed.seek(0)
        if code:
            raise RuntimeError(
                f"autograder grade failed:\n{printed.read()}\n{''.join(said for _, said in lines)}"
            )
    started = next(when for when, said in lines if said.startswith("sandbox:"))
    graded = next(when for when, said in lines if f"{STUDENTS} of {STUDENTS} graded" in said)
    return {
        "starting processes and sandboxes": started - start,
        f"{STUDENTS} submissions": graded - started,
        "ending": end - graded,
    }


def _stages(folder: Path) -> dict[str, float]:
    """Median seconds of each stage of grading a submission, one after another in this process."""
    course = Course(folder)
    times: dict[str, list[float]] = defaultdict(list)
    with Sandbox(course.limits()) as sandbox, gradebook.kept_open(course, ASSIGNMENT):
        for student in course.students(ASSIGNMENT)[: WARM_UP + TIMED]:
            start = time.perf_counter()
            task = grade_class.read_task(course, student, ASSIGNMENT, "digest")
            read = time.perf_counter()
            report, text = grade_submission(task, sandbox)
            graded = time.perf_counter()
            notebook = nbformat.reads(text, as_version=4)
            shown = gradebook.save(course, report, notebook)
            saved = time.perf_counter()
            feedback.write(course, report, shown)
            written = time.perf_counter()
            stages = {
                "reading it": read - start,
                "starting its sandbox": report.seconds["sandbox"],
                "running its cells": report.seconds["run"],
                "checks": report.seconds["checks"],
                "rebuilding it, ending its sandbox": graded
                - read
                - sum(report.seconds[s] for s in ("sandbox", "run", "checks")),
                "gradebook": saved - graded,
                "feedback page": written - saved,
            }
            for name, seconds in stages.items():
                times[name].append(seconds)
    return {name: statistics.median(values[WARM_UP:]) for name, values in times.items()}


def _literal(value: Any) -> str:
    """A value as Python source, in one line."""
    if isinstance(value, np.ndarray):
        return f"array({value.tolist()!r})"
    if isinstance(value, np.generic):
        return repr(value.item())
    return repr(value)


def _seconds(command: list[str], folder: Path) -> float:
    """Run a program of this environment and time it; its failure is ours."""
    start = time.perf_counter()
    result = subprocess.run(
        [_PROGRAMS / command[0], *command[1:]],
        cwd=folder,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    elapsed = time.perf_counter() - start
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{result.stdout}\n{result.stderr}")
    return elapsed


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": os.pathsep.join([str(_PROGRAMS), os.environ.get("PATH", os.defpath)])}


def _check_that_all_graded(ours: Path, stock: Path, otter: Path) -> None:
    """Make sure that every submission got its grade from each of the graders, and not everyone the same one."""
    for course in (ours, stock):
        with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
            scores = [submission.score for submission in book.assignment_submissions(ASSIGNMENT)]
        if len(scores) != STUDENTS or len(set(scores)) < 3:
            raise RuntimeError(f"{course} has the grades {scores}")
    for number in range(OTTER_RUNS):
        tests = json.loads((otter / f"result-{number}" / "results.json").read_text())["tests"]
        if sum(test.get("max_score", 0) > 0 for test in tests) != len(exercises.load(ASSIGNMENT)):
            raise RuntimeError(f"otter graded {tests}")
