"""The mutants that are made, and what `autograder validate` says of good checks and of bad ones."""

import dataclasses
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from autograder import cli, exercises, validate
from autograder.course import Course
from autograder.mutants import mutants

CODE = '''
def f(x, y):
    """Twice 3 is not 7."""
    total = 0
    for i in range(len(x)):
        total += x[i] * np.log(y[i])
    return -total if total < 2.5 else np.sum(x, axis=0)
'''


def made(code):
    return {(m.kind, m.after) for m in mutants(code)}


def test_first_order_mutants():
    kinds = made(CODE)
    for kind, line in (
        ("off by one", "total = 1"),
        ("off by one", "total = -1"),
        ("off by one", "for i in range(1, len(x)):"),
        ("off by one", "for i in range(len(x) - 1):"),
        ("operator", "total -= x[i] * np.log(y[i])"),
        ("operator", "total += x[i] / np.log(y[i])"),
        ("dropped term", "total += x[i]"),
        ("dropped term", "total += np.log(y[i])"),
        ("dropped call", "total += x[i] * y[i]"),
        ("function", "total += x[i] * np.log2(y[i])"),
        ("sign", "return total if total < 2.5 else np.sum(x, axis=0)"),
        ("comparison", "return -total if total <= 2.5 else np.sum(x, axis=0)"),
        ("constant", "return -total if total < 5.0 else np.sum(x, axis=0)"),
        ("function", "return -total if total < 2.5 else np.mean(x, axis=0)"),
        ("off by one", "return -total if total < 2.5 else np.sum(x, axis=1)"),
        ("dropped argument", "return -total if total < 2.5 else np.sum(x)"),
        ("condition", "return -total if True else np.sum(x, axis=0)"),
    ):
        assert (kind, line) in kinds
    assert all("Twice 3 is not 7." in mutant.code for mutant in mutants(CODE))


def test_mutants_are_programs_of_their_own():
    programs = [mutant.code for mutant in mutants(CODE)]
    assert len(set(programs)) == len(programs)
    for program in programs:
        compile(program, "mutant", "exec")
    assert {m.kind for m in mutants("def f(a, b):\n    return a @ b")} == {"swapped operands"}
    assert "return (b - a) ** 2" not in {m.after for m in mutants("def f(a, b):\n    return (a - b) ** 2")}


@pytest.fixture(scope="module")
def project():
    return Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course(project):
    return Course(project)


@pytest.fixture
def weakened(monkeypatch):
    """The exercise on entropy with one property that hardly looks."""
    entropy = exercises.load("gibbs_principle")["entropy"]

    def weaken(**changes):
        changed = dataclasses.replace(entropy, **changes)
        # In this module alone: the demonstration class answers all exercises.
        monkeypatch.setattr(validate, "exercises", SimpleNamespace(load=lambda name: {"entropy": changed}))
        return entropy

    return weaken


def test_good_checks_have_nothing_to_mend(course, project):
    said = []
    result = validate.validate(
        course,
        "gibbs_principle",
        seeds=2,
        jobs=2,
        alternatives=project / "tests" / "alternatives",
        progress=lambda *step: said.append(step),
    )
    assert result.problems == []
    assert result.score == 1.0
    assert result.killed_share >= 0.98
    assert [e.function for e in result.exercises] == list(exercises.load("gibbs_principle"))
    assert all(len(e.right) >= 5 for e in result.exercises)
    assert sum(e.num_mutants for e in result.exercises) > 150
    assert said[-1][1] == said[-1][2]


def test_checks_that_hardly_look_are_found_out(course, weakened):
    entropy = exercises.load("gibbs_principle")["entropy"]
    weakened(properties=(dataclasses.replace(entropy.properties[0], weight=1.0),), atol=1.0)
    result = validate.validate(course, "gibbs_principle", seeds=1)
    problems = "\n".join(result.problems)
    assert "a mutant survives" in problems
    assert "the mutation score is" in problems
    assert result.score < 0.9
    assert "passes with seed 0" in problems or "is taken for" in problems


def test_a_wrong_reference_is_found_out(course, weakened):
    weakened(reference=lambda q: 1.0)
    problems = "\n".join(validate.validate(course, "gibbs_principle", seeds=1).problems)
    assert "the instructor's solution: is right, but with seed 0 fails" in problems


def test_equivalent_mutants_that_no_longer_occur_are_named(course, weakened, monkeypatch):
    weakened()
    monkeypatch.setattr(validate, "_equivalent", lambda assignment: {("entropy", "x = 1", "x = 2"): "why"})
    result = validate.validate(course, "gibbs_principle", seeds=1)
    assert "declared equivalent, but no such mutant survives: entropy: x = 1 -> x = 2" in result.problems


def test_endless_mutants_are_killed(course, weakened, monkeypatch):
    weakened()
    monkeypatch.setattr(validate, "SECONDS", 0.5)
    loop = "def entropy(q):\n    i = 0\n    while i < 1:\n        i += 1\n    return -sum(x * np.log(x) for x in q if x > 0)"
    monkeypatch.setattr(
        validate, "_solution_cells", lambda *_: {"setup": "import numpy as np", "entropy": loop}
    )
    result = validate.validate(course, "gibbs_principle", seeds=1, jobs=2).exercises[0]
    endless = {"pass", "i -= 1"}
    assert endless <= {m.after for m in mutants(loop)}
    assert endless.isdisjoint({s.mutant.after for s in result.survivors})


def test_command(project, tmp_path, capsys, monkeypatch):
    for name in ("solutions", "tests/alternatives"):
        shutil.copytree(project / name, tmp_path / name)
    shutil.copy(project / "nbgrader_config.py", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["validate", "gibbs_principle", "--seeds", "1"]) == 0
    out = capsys.readouterr().out
    assert "quickscore" in out
    assert "100.00 % of those not equivalent" in out
    page = (tmp_path / "_build" / "validation" / "gibbs_principle.html").read_text(encoding="utf-8")
    assert "Nothing is to be mended" in page
    assert "<script" not in page
    assert cli.main(["validate", "alchemy"]) == 2
