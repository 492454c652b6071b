"""The instructor's notebooks and what students get of them."""

import difflib
import importlib.util
import inspect
import json
import re
import sys

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from autograder import checks, exercises
from autograder.release import add_check_files, place
from tests.solutions.conftest import ASSIGNMENTS, ROOT

REGION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION", re.DOTALL)

by_assignment = pytest.mark.parametrize("assignment", ASSIGNMENTS)


def notebook(folder, assignment):
    return nbformat.read(folder / assignment / f"{assignment}.ipynb", as_version=4)


@pytest.fixture
def check(tmp_path, monkeypatch, request):
    """The `check` module as a student imports it, from a folder of its own, with the library out of sight."""
    assignment = request.node.callspec.params["assignment"]
    add_check_files(assignment, tmp_path)
    monkeypatch.setitem(sys.modules, "lectures_lib", None)
    monkeypatch.setitem(sys.modules, "autograder", None)
    spec = importlib.util.spec_from_file_location("check", tmp_path / "check.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "check", module)
    spec.loader.exec_module(module)
    return module


def run(cells, namespace):
    mpl.use("Agg")
    for cell in cells:
        exec(compile(cell.source, f"<{cell.metadata.nbgrader.grade_id}>", "exec"), namespace)
    plt.close("all")


@by_assignment
def test_every_code_cell_is_known_to_nbgrader_and_has_no_output(assignment):
    for cell in notebook(ROOT / "solutions", assignment).cells:
        if cell.cell_type == "code":
            assert cell.metadata.nbgrader.grade_id
            assert not cell.outputs
            assert cell.execution_count is None


@by_assignment
def test_exercises_and_cells_fit_together(assignment):
    declared = list(exercises.load(assignment))
    cells = notebook(ROOT / "solutions", assignment).cells
    marks = [cell.metadata.nbgrader for cell in cells if "nbgrader" in cell.metadata]
    assert [m.grade_id for m in marks if m.solution and not m.grade] == declared
    assert [m.grade_id for m in marks if m.grade and not m.solution] == [f"check_{name}" for name in declared]
    assert [m.grade_id for m in marks if m.grade and m.solution] == ["free_response"]
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    for name, exercise in exercises.load(assignment).items():
        section = text[text.index(f"`{name}(") :].partition("\n## ")[0]
        points = next(m.points for m in marks if m.grade_id == exercise.grade_id)
        assert f"{points} points." in section
        stated = sorted(int(x) for x in re.findall(r"\((\d+) %\)", section.partition("*Judged on*")[2]))
        shares = [round(100 * p.weight) for p in exercise.properties]
        if len(stated) == len(shares):
            assert stated == sorted(shares)
        else:  # the last exercise says the shares in the text
            assert all(share in [int(x) for x in re.findall(r"\((\d+) %\)", section)] for share in shares)


@by_assignment
def test_the_solutions_pass_the_students_own_check_and_draw_the_figure(assignment, check, capsys):
    cells = notebook(ROOT / "solutions", assignment).cells
    run([cell for cell in cells if cell.cell_type == "code"], {})
    assert capsys.readouterr().out.count("✓") == len(exercises.load(assignment))


@by_assignment
def test_stubs_are_not_attempted(assignment, check, release):
    namespace = {}
    asked = 0
    for cell in notebook(release, assignment).cells:
        if cell.cell_type != "code" or cell.metadata.nbgrader.grade_id.startswith("figure"):
            continue
        if cell.metadata.nbgrader.grade:
            asked += 1
            with pytest.raises(check.CheckFailed, match="not attempted yet"):
                run([cell], namespace)
        else:
            run([cell], namespace)
    assert asked == len(exercises.load(assignment))


@by_assignment
def test_check_names_each_misconception_with_its_hint(assignment, check):
    for exercise in exercises.load(assignment).values():
        for misconception in exercise.misconceptions:
            for function in misconception.versions:
                with pytest.raises(check.CheckFailed) as failed:
                    check.check(exercise.name, function)
                text = str(failed.value)
                assert misconception.name in text
                assert misconception.hint in text
                assert place(misconception.section) in text
                assert failed.value._render_traceback_() == text.splitlines()


@by_assignment
def test_check_is_clear_about_what_is_no_function(assignment, check):
    name = next(iter(exercises.load(assignment).values())).name
    with pytest.raises(check.CheckFailed, match="expected a function, got int"):
        check.check(name, 3)
    with pytest.raises(check.CheckFailed, match=r"There is no exercise 'x\.y' here; these are: "):
        check.check("x.y", len)


@by_assignment
def test_a_stub_differs_from_its_solution_only_inside_the_region(assignment, release):
    ours, theirs = notebook(ROOT / "solutions", assignment).cells, notebook(release, assignment).cells
    assert len(ours) == len(theirs)
    for solved, stub in zip(ours, theirs, strict=True):
        outside = REGION.sub("", solved.source)
        removed = [
            line for line in difflib.ndiff(outside.splitlines(), stub.source.splitlines()) if line[0] == "-"
        ]
        assert not [line for line in removed if line.strip("- ")], solved.source


@by_assignment
def test_nothing_of_the_answers_is_in_the_release(assignment, release):
    folder = release / assignment
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["check.py", "check_data.json", f"{assignment}.ipynb"]
    )
    given = "\n".join(path.read_text(encoding="utf-8") for path in folder.iterdir())
    solved = [
        m for cell in notebook(ROOT / "solutions", assignment).cells for m in REGION.findall(cell.source)
    ]
    assert len(solved) == len(exercises.load(assignment)) + 1
    secret = "\n".join(solved)
    for exercise in exercises.load(assignment).values():
        secret += inspect.getsource(exercise.reference)
        secret += "".join(inspect.getsource(f) for m in exercise.misconceptions for f in m.versions)
    # Short lines such as `return m` occur anywhere; a line that solves something is longer.
    telling = {line.strip() for line in secret.splitlines() if len(line.strip()) > 28}
    assert len(telling) > 20
    assert not [line for line in telling if line in given]
    assert "lectures_lib" not in given


def numbers(value):
    """All numbers with many digits in an argument: they occur nowhere by chance."""
    if isinstance(value, list | tuple):
        return set().union(*map(numbers, value)) if value else set()
    found = (
        {repr(float(x)) for x in np.ravel(value).tolist()} if np.asarray(value).dtype.kind == "f" else set()
    )
    return {text for text in found if len(text) > 14}


@by_assignment
def test_no_hidden_instance_is_in_the_release(assignment, release):
    given = "\n".join(path.read_text(encoding="utf-8") for path in (release / assignment).iterdir())
    shown: set[str] = set()
    hidden: list[set[str]] = [set(), set(), set()]
    for exercise in exercises.load(assignment).values():
        shown |= numbers([instance.args for instance in exercise.visible])
        for item in exercise.properties:
            for seed, found in enumerate(hidden):
                found |= numbers([instance.args for instance in checks.instances_of(exercise, item, seed)])
    drawn = set.union(*hidden) - set.intersection(*hidden)  # constants such as log 5 may occur anywhere
    assert len(drawn) > 500
    assert all(text in given for text in shown)  # so numbers that are there are found
    assert not [text for text in drawn if text in given]


@by_assignment
def test_the_data_of_check_hold_examples_outcomes_and_hints_alone(assignment, release):
    data = json.loads((release / assignment / "check_data.json").read_text(encoding="utf-8"))
    declared = {exercise.name: exercise for exercise in exercises.load(assignment).values()}
    assert list(data) == list(declared)
    for name, about in data.items():
        assert set(about) == {"examples", "rtol", "atol", "link", "misconceptions"}
        assert len(about["examples"]) == len(declared[name].visible)
        for misconception in about["misconceptions"].values():
            assert set(misconception) == {"hint", "link", "outcomes"}
            assert {len(version) for version in misconception["outcomes"]} == {len(declared[name].visible)}
