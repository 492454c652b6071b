"""Attempts at a submission: how often its code runs, and what a lost process costs."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest

from autograder import demonstration, exercises
from autograder.attempt import MAX_LOST_CALLS
from autograder.check import Outcome
from autograder.grade import Task, grade_submission
from autograder.intake import Submission, SubmittedCell, parse
from autograder.report import Report
from autograder.sandbox import Limits, Sandbox, Session

NAME = "gibbs_principle"
SOURCE = nbformat.read(Path(__file__).parents[2] / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
SOLVED = parse(next(demonstration.students(NAME, SOURCE)).notebook)
NUMBER = len(exercises.load(NAME))
LIMITS = Limits(cell_seconds=2, call_seconds=1)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(LIMITS) as sandbox:
        yield sandbox


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts what the grader asks of sessions and sandboxes."""
    counted: Counter = Counter()

    def count(owner: type, name: str) -> None:
        method = getattr(owner, name)

        def counting(self, *args):
            counted[name] += 1
            if name == "run":
                counted[args[1]] += 1
            result = method(self, *args)
            if isinstance(result, Outcome) and result.kind in ("timeout", "died"):
                counted[f"lost {args[0]}"] += 1
            return result

        monkeypatch.setattr(owner, name, counting)

    for owner, name in ((Session, "fork"), (Session, "run"), (Session, "call"), (Sandbox, "submission")):
        count(owner, name)
    return counted


def graded(sandbox: Sandbox, **changes: str | Callable[[str], str]) -> Report:
    """The solved notebook with some solution cells replaced, or changed by a function."""
    cells = []
    for cell in SOLVED.cells:
        change = changes.get(cell.grade_id or "", cell.source)
        cells.append(
            SubmittedCell(cell.cell_type, change(cell.source) if callable(change) else change, cell.grade_id)
        )
    task = Task("ada", NAME, Submission(tuple(cells)), nbformat.writes(SOURCE), 3, "", "")
    return grade_submission(task, sandbox).report


def lost(report: Report) -> dict[str, str]:
    """Reasons of the exercises without full marks."""
    return {r.exercise.rpartition(".")[2]: r.reason for r in report.exercises if r.points < r.max_points}


def test_each_state_answers_itself(sandbox, done):
    """An ordinary submission runs once, with one fork from each exercise to the next."""
    assert lost(graded(sandbox)) == {}
    assert (done["submission"], done["fork"]) == (1, NUMBER - 1)


def test_exercises_share_no_state(sandbox):
    """What a call changes is not seen by the exercises before and after it."""
    report = graded(
        sandbox,
        kl=lambda source: "calls = []\n" + source.replace("):\n", "):\n    calls.append(1)\n", 1),
        elbo=lambda source: source.replace("):\n", "):\n    assert not calls\n", 1),
    )
    assert lost(report) == {}


def test_an_endless_cell_is_waited_for_once(sandbox, done):
    report = graded(sandbox, quickscore="while True: pass")
    assert lost(report) == {"quickscore": "the cell did not run through: stopped after 2 s"}
    assert (done["submission"], done["<quickscore>"], done["<kl>"]) == (2, 1, 2)


@pytest.mark.parametrize(
    ("size", "points", "lost"),
    [(40, 1.5, 1), (4, 1.5, MAX_LOST_CALLS)],
    ids=["a hidden instance", "a visible one, and a hidden one"],
)
def test_a_lost_call_costs_that_call_alone(sandbox, done, size, points, lost):
    """Calls before and after it are answered, and the careful attempt does not wait again for what the first one lost."""
    source = f"""
def entropy(q):
    while q.size == {size}:
        pass
    q = q[q > 0]
    return -(q @ np.log(q))
"""
    result = graded(sandbox, entropy=source).exercises[0]
    assert result.points == points
    assert (done["submission"], done["lost entropy"]) == (2, lost)


def test_a_first_state_that_ends_itself(sandbox, done):
    """Nobody can tell how a submission's very first process ended: it may have been killed, so its call is made again."""
    source = "import os\ndef entropy(q):\n    os._exit(3)\n"
    result = graded(sandbox, entropy=source, kl="", elbo="", posterior="", quickscore="").exercises[0]
    assert (result.points, result.reason) == (0, "its process ended")
    assert (done["submission"], done["lost entropy"]) == (2, 1 + MAX_LOST_CALLS)


def test_a_cell_that_runs_while_the_sandbox_is_killed(sandbox, done, monkeypatch):
    """Is a cell run again if somebody kills its process, in an attempt that another cell had made necessary?"""
    run = Session.run

    def run_killed(self, source, filename, seconds):
        if filename == "<kl>" and not done["<kl>"]:
            outer = sandbox._server
            inner = int(Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text())
            os.kill(inner, signal.SIGKILL)
            outer.wait()
        return run(self, source, filename, seconds)

    monkeypatch.setattr(Session, "run", run_killed)
    report = graded(sandbox, entropy="import os\nos._exit(3)\n")
    assert [result.points > 0 for result in report.exercises] == [False, True, False, True, True]
    assert (done["submission"], done["<kl>"]) == (3, 2)
