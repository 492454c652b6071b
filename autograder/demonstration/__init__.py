"""The demonstration class: submissions of every kind that occurs, generated from an assignment's own solutions.

`make course` grades it, and a test asserts each of its points and hints. The kinds are the same for every assignment;
what is particular to one (another right route, half-right answers) stands in the module of its name.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import re
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from autograder import exercises
from autograder.demonstration import cheats
from autograder.exercise import Exercise
from autograder.rebuild import CODE_STUB

REGION = re.compile(r"^[ \t]*### (BEGIN|END) SOLUTION[ \t]*\n?", re.MULTILINE)


HARMLESS = ("ada_", "bo_", "cleo_", "misconceptions_", "dan_", "finn_")
"""Students whose code may run outside of a sandbox: it neither loops nor ends its process nor tampers with anything."""


class Student(NamedTuple):
    """One student of the class: an identifier, and the bytes of the notebook that they hand in."""

    name: str
    notebook: bytes


def particulars(assignment: str) -> ModuleType:
    """Return the module with what is particular to one assignment: OTHER_ROUTE and PARTLY_RIGHT, code by function."""
    return importlib.import_module(f"autograder.demonstration.{assignment}")


def students(assignment: str, source: NotebookNode) -> Iterator[Student]:
    """Generate the class of one assignment from the instructor's notebook."""
    declared = list(exercises.load(assignment).values())
    own = particulars(assignment)
    solved = _solved(source)
    first, second = declared[0].function, declared[1].function

    yield _student("ada_solution", solved)
    yield _student("bo_other_route", _with(solved, own.OTHER_ROUTE))
    yield _student("cleo_partly_right", _with(solved, own.PARTLY_RIGHT))
    for number in range(max(len(exercise.misconceptions) for exercise in declared)):
        wrong = {
            exercise.function: _as_student_code(exercise, number)
            for exercise in declared
            if number < len(exercise.misconceptions)
        }
        yield _student(f"misconceptions_{number + 1}", _with(solved, wrong))
    yield _student("dan_blank", _with(solved, {e.function: _stub(source, e.function) for e in declared}))
    yield _student(
        "eve_syntax_error", _edit(solved, first, lambda code: code.replace("return", "retrun (", 1))
    )
    yield _student("finn_exception", _with(solved, {second: _raising(solved, second)}))
    yield _student(
        "gus_endless_loop", _with(solved, {first: _prefixed(solved, first, "    while True:\n        pass")})
    )
    yield _student("hal_loop_in_cell", _edit(solved, second, lambda code: f"{code}\n\nwhile True:\n    pass"))
    yield _student("ivy_exit", _edit(solved, first, lambda code: f"{code}\n\nimport os\n\nos._exit(0)"))
    for name, code in cheats.CELLS.items():
        code = code.replace("FUNCTIONS", repr([e.function for e in declared]))
        emptied = dict.fromkeys([e.function for e in declared[1:]], "# see the first cell")
        yield _student(f"cheat_{name}", _with(solved, {first: code, **emptied}))
    yield Student("jan_malformed", nbformat.writes(solved).encode()[:-200])
    yield Student("kim_strange_metadata", cheats.strange_metadata(json.loads(nbformat.writes(solved))))


def write(assignment: str, source: Path, submitted: Path) -> int:
    """Write the class below `submitted`; files that are right already are left alone. Returns the number of students."""
    count = 0
    for student in students(assignment, nbformat.read(source, as_version=4)):
        path = submitted / student.name / assignment / f"{assignment}.ipynb"
        if not (path.exists() and path.read_bytes() == student.notebook):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(student.notebook)
        count += 1
    return count


def _student(name: str, notebook: NotebookNode) -> Student:
    return Student(name, (nbformat.writes(notebook) + "\n").encode())


def _solved(source: NotebookNode) -> NotebookNode:
    """Return the instructor's notebook as a student would hand it in: solved, without the marks of the regions."""
    notebook = copy.deepcopy(source)
    for cell in notebook.cells:
        cell.source = REGION.sub("", cell.source).rstrip("\n")
    return notebook


def _solution_cell(notebook: NotebookNode, function: str) -> NotebookNode:
    return next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == function)


def _edit(notebook: NotebookNode, function: str, change: Callable[[str], str]) -> NotebookNode:
    notebook = copy.deepcopy(notebook)
    cell = _solution_cell(notebook, function)
    changed = change(cell.source)
    if changed == cell.source:
        raise ValueError(f"the edit of {function} changes nothing")
    cell.source = changed
    return notebook


def _with(notebook: NotebookNode, sources: dict[str, str]) -> NotebookNode:
    for function, source in sources.items():
        notebook = _edit(notebook, function, lambda _, source=source: textwrap.dedent(source).strip())
    return notebook


def _stub(source: NotebookNode, function: str) -> str:
    """Return a solution cell as it is released: the region replaced by an exception."""
    code = _solution_cell(source, function).source
    return re.sub(
        r"([ \t]*)### BEGIN SOLUTION.*?### END SOLUTION",
        rf"\1{CODE_STUB}",
        code,
        flags=re.DOTALL,
    )


def _prefixed(solved: NotebookNode, function: str, statements: str) -> str:
    """Return a solution with statements put before the function's own."""
    code = _solution_cell(solved, function).source
    return re.sub(r"(?ms)^(def .*?:\n)", lambda match: f"{match[1]}{statements}\n", code, count=1)


def _raising(solved: NotebookNode, function: str) -> str:
    return _prefixed(solved, function, '    raise RuntimeError("this line was meant to go")')


def _as_student_code(exercise: Exercise, number: int) -> str:
    """Return a misconception's source under the name that the student's function has."""
    function = exercise.misconceptions[number].function
    code = textwrap.dedent(inspect.getsource(function))
    return re.sub(rf"\b{function.__name__}\b", exercise.function, code)
