"""Attempts at a submission: all its cells are run, and then every exercise is checked on the state that its grade cell saw.

A state is kept by forking: the copy goes on with the next cells, and the original answers the calls of its exercise. In a
careful attempt it has a copy made for that, so that a call which loses its process costs that call alone, and so does a cell.
Few submissions lose a process, so `evaluate` starts without these copies, which halves the forks.
"""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nbformat import NotebookNode

from autograder import checks
from autograder.check import Outcome
from autograder.exercise import Exercise
from autograder.report import CellRun, ExerciseResult
from autograder.sandbox import Sandbox, Session, SessionLost, outputs
from autograder.sandbox.client import ENDED

MAX_LOST_CALLS = 2
"""Calls of one exercise that may time out or kill their process before its other instances are not tried."""

CAREFUL_ATTEMPTS = 2
"""Of a submission while something kills its processes: what happens again in a second one is its own doing."""


class Cell(NamedTuple):
    """A code cell to run."""

    index: int  # in the notebook
    filename: str  # for tracebacks
    source: str
    students: bool  # the student's text, not the instructor's


class Chunk(NamedTuple):
    """The code cells up to and including a grade cell; the last chunk may have none, and then has no exercise."""

    cells: list[Cell]
    exercise: Exercise | None
    max_points: float


class Found(NamedTuple):
    """What an attempt found out."""

    runs: list[CellRun]
    results: list[ExerciseResult]
    reason: str
    seconds: dict[str, float]  # stage -> wall time
    check_seconds: dict[str, float]  # exercise -> wall time of its checks
    examples: list[str] | None = None  # what is shown of answers; None if no hidden instance was sent


class _Losses(NamedTuple):
    """What lost its process in the first attempt, so that the careful one need not wait for it once more."""

    cells: dict[int, str]  # index -> reason
    calls: dict[tuple[str, int], Outcome]  # exercise, number of its call -> outcome


class _Lost(Exception):
    """An attempt without copies lost a process."""


def chunks(notebook: NotebookNode, declared: dict[str, Exercise]) -> Iterator[Chunk]:
    """Take a rebuilt notebook apart at its grade cells.

    Raises
    ------
    ValueError
        If a grade cell belongs to no declared exercise.
    """
    by_grade_id = {exercise.grade_id: exercise for exercise in declared.values()}
    cells: list[Cell] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and not marks.get("solution"):
            if marks["grade_id"] not in by_grade_id:
                raise ValueError(
                    f"the notebook's grade cell {marks['grade_id']!r} belongs to no declared exercise"
                )
            yield Chunk(cells, by_grade_id[marks["grade_id"]], float(marks["points"]))
            cells = []
        else:
            name = f"<{marks.get('grade_id', f'cell {index + 1}')}>"
            cells.append(Cell(index, name, cell.source, bool(marks.get("solution")) or not marks))
    yield Chunk(cells, None, 0.0)


def evaluate(parts: list[Chunk], seed: int, sandbox: Sandbox) -> Found:
    """Run and check a submission; whatever it does, the result is a finding."""
    first = _Attempt(parts, seed, sandbox, _Losses({}, {}))
    try:
        return first.evaluate(last=True)
    except _Lost:
        found = first.found()
    # If something else ended a process, or all of the submission's time was up, the cell or call that was hit is not to blame.
    blamed = not (sandbox.killed or first.late)
    losses = first.losses if blamed else _Losses({}, {})
    for left in reversed(range(CAREFUL_ATTEMPTS)):
        # What an attempt loses that something kills isn't held against the next.
        known = _Losses(dict(losses.cells), dict(losses.calls))
        found = _Attempt(parts, seed, sandbox, known, found).evaluate(last=left == 0)
        if not sandbox.killed:
            break
    return found


class _Attempt:
    """An attempt, careful if there was one before.

    If that one got as far as the hidden instances, nobody knows what its code found to leave them in. So nothing is shown of
    what this one puts out: what the other had put out until then stands.
    """

    def __init__(
        self, parts: list[Chunk], seed: int, sandbox: Sandbox, losses: _Losses, before: Found | None = None
    ) -> None:
        self.losses = losses
        self._parts = parts
        self._seed = seed
        self._sandbox = sandbox
        self._before = before
        self._deadline = time.monotonic() + sandbox.limits.submission_seconds
        self._runs: list[CellRun] = []
        self._examples = before.examples if before is not None else None
        self._reason = ""

    @property
    def late(self) -> bool:
        """Whether the submission's time is used up."""
        return time.monotonic() >= self._deadline

    def found(
        self,
        results: Sequence[ExerciseResult] = (),
        seconds: dict[str, float] | None = None,
        check_seconds: dict[str, float] | None = None,
    ) -> Found:
        """What is known up to now."""
        return Found(
            self._runs, list(results), self._reason, seconds or {}, check_seconds or {}, self._examples
        )

    def evaluate(self, *, last: bool) -> Found:
        """Run all cells, then check every exercise. Unless it is the last, one that something kills before ends without results.

        Raises
        ------
        _Lost
            If a process was lost, and this attempt is not a careful one.
        """
        clock = {"start": time.perf_counter()}
        with self._sandbox.submission() as root:
            clock["sandbox"] = time.perf_counter()
            callers = self._run_cells(root)
            clock["run"] = time.perf_counter()
            examples = self._examples
            if examples is None:
                # They are shown, so they are asked for before any hidden instance enters the sandbox.
                examples = [checks.visible_example(caller.exercise, caller) for caller in callers]
            else:
                self._runs, self._reason = self._before.runs, self._reason and f"stopped: {ENDED}"
            if self._sandbox.killed and not last:
                return self.found()
            self._examples = examples
            results, check_seconds = [], {}
            for caller, example in zip(callers, examples, strict=True):
                asked = time.perf_counter()
                caller.number = 0
                result = checks.evaluate(caller.exercise, caller, self._seed, caller.chunk.max_points)
                caller.close()
                results.append(
                    self._with_cell_reason(dataclasses.replace(result, example=example), caller.chunk)
                )
                check_seconds[caller.exercise.name] = time.perf_counter() - asked
            clock["checks"] = time.perf_counter()
        marks = list(clock.items())
        seconds = {name: now - before for (_, before), (name, now) in itertools.pairwise(marks)}
        return self.found(results, seconds, check_seconds)

    def _run_cells(self, root: Session) -> list[_Caller]:
        """Run all cells; returns who asks the exercises, each on the state after its chunk."""
        state, callers = root, []
        try:
            for chunk in self._parts:
                state = self._run_chunk(state, chunk, kept=bool(callers))
                if chunk.exercise is not None:
                    callers.append(self._caller(chunk, state))
        except SessionLost as lost:
            if self._before is None:
                raise _Lost from lost
            self._reason = f"stopped: {lost.reason}"
            done = len(callers)
            rest = [chunk for chunk in self._parts if chunk.exercise is not None][done:]
            callers += [self._caller(chunk, None) for chunk in rest]
        return callers

    def _run_chunk(self, start: Session, chunk: Chunk, *, kept: bool) -> Session:
        """Run a chunk's cells, and return the state after them. `start` stays as it is if it has to be `kept` for an exercise.

        In a careful attempt it always does, and a cell that loses its process is left out: the chunk starts again without it.
        """
        if self._before is None:
            if kept and (chunk.cells or chunk.exercise is not None):
                start = start.fork()
            self._runs += self._run_each(start, chunk.cells)
            return start
        while chunk.cells:
            session = start.fork()
            try:
                self._runs += self._run_each(session, chunk.cells)
            except SessionLost:
                session.close()
            else:
                return session
        return start

    def _run_each(self, session: Session, cells: list[Cell]) -> list[CellRun]:
        """Run cells one after another but for those that lost their process before; the one that does so now counts to them."""
        limits, results = self._sandbox.limits, []
        room = limits.output_bytes - _size(self._runs)
        for index, filename, source, _ in cells:
            if index in self.losses.cells:
                results.append(CellRun(index, (), self.losses.cells[index]))
                continue
            left = self._deadline - time.monotonic()
            if left <= 0:
                results.append(CellRun(index, (), "not run: the submission's time was used up"))
                continue
            try:
                result = session.run(source, filename, min(limits.cell_seconds, left))
            except SessionLost as lost:
                self.losses.cells[index] = lost.reason
                raise
            results.append(CellRun(index, tuple(outputs.within(result.outputs, room)), result.error))
            room -= _size(results[-1:])
        return results

    def _caller(self, chunk: Chunk, state: Session | None) -> _Caller:
        seconds, careful = self._sandbox.limits.call_seconds, self._before is not None
        return _Caller(
            chunk, state, seconds, self._deadline, self._reason, self.losses.calls, careful=careful
        )

    def _with_cell_reason(self, result: ExerciseResult, chunk: Chunk) -> ExerciseResult:
        """Where there is no function to call because a cell didn't run through, that is the reason to give."""
        indices = {cell.index for cell in chunk.cells if cell.students}
        stopped = [run.reason for run in self._runs if run.index in indices and run.reason]
        if not stopped or result.reason != checks.MISSING:
            return result
        return dataclasses.replace(result, reason=f"the cell did not run through: {stopped[-1]}")


def _size(runs: list[CellRun]) -> int:
    return sum(outputs.size(output) for run in runs for output in run.outputs)


class _Caller:
    """Calls an exercise's function in the state after its cells; if careful, in a copy of it, and in another one after a loss."""

    def __init__(
        self,
        chunk: Chunk,
        state: Session | None,
        seconds: float,
        deadline: float,
        reason: str,
        losses: dict[tuple[str, int], Outcome],
        *,
        careful: bool,
    ) -> None:
        self.chunk = chunk
        self.exercise = chunk.exercise
        self.number = 0  # of the next call
        self._state = state
        self._seconds = seconds
        self._deadline = deadline
        self._reason = reason
        self._losses = losses
        self._careful = careful
        self._worker: Session | None = None
        self._lost: list[Outcome] = []

    def __call__(self, function: str, args: tuple) -> Outcome:
        if self._state is None:
            return Outcome("died", error=self._reason)
        if len(self._lost) >= MAX_LOST_CALLS:
            return self._lost[-1]
        left = self._deadline - time.monotonic()
        if left <= 0:
            return Outcome("timeout", error="the submission's time was used up")
        key, self.number = (self.exercise.name, self.number), self.number + 1
        outcome = self._losses.pop(key, None)
        if outcome is None:
            if self._worker is None:
                try:
                    self._worker = self._state.fork() if self._careful else self._state
                except SessionLost as lost:
                    self._state, self._reason = None, lost.reason
                    return Outcome("died", error=lost.reason)
            outcome = self._worker.call(function, args, min(self._seconds, left))
        if outcome.kind in ("timeout", "died"):
            if not self._careful:
                self._losses[key] = outcome
                raise _Lost
            self._lost.append(outcome)
            self.close()
        return outcome

    def close(self) -> None:
        """End the copy that answered the calls, if there is one; a state lasts as long as the submission."""
        if self._careful and self._worker is not None:
            self._worker.close()
            self._worker = None
