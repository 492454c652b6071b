"""Grades submissions: one function a submission, which any worker can run, and one that grades a class.

The stages, in their order and with the reason for it:

1. intake: the submitted file is read as untrusted bytes; what comes out is source text, or a refusal.
2. rebuild: that text is laid into the instructor's notebook, so no metadata of the student's survives.
3. run: every cell runs in the sandbox; at each grade cell a forked copy of the state is kept.
4. checks: only now, when no output can leave the sandbox any more, the copies answer the checks' calls. A hidden
   instance can therefore never be printed into a page that its student sees.
5. gradebook and feedback: in the calling process alone, which is the only writer.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from autograder import checks, exercises
from autograder.check import Outcome
from autograder.exercise import Exercise
from autograder.intake import Refused, Submission
from autograder.rebuild import rebuild
from autograder.report import CellRun, ExerciseResult, Report
from autograder.sandbox import Sandbox, Session, SessionLost, outputs
from autograder.sandbox.client import ENDED

MAX_LOST_CALLS = 2
"""Calls of one exercise that may time out or kill their process before its other instances are not tried."""

ATTEMPTS = 2
"""Runs of a submission while something kills its processes: what happens again in a second run is its own doing."""


@dataclass(frozen=True)
class Task:
    """Everything a worker needs to grade one submission: plain data, so that it can be sent to another machine."""

    student: str
    assignment: str
    submission: Submission | Refused
    source: str  # the instructor's notebook as JSON
    seed: int
    submission_digest: str
    assignment_digest: str


class Graded(NamedTuple):
    """A graded submission: the report, and the rebuilt notebook as JSON."""

    report: Report
    notebook: str


class _Cell(NamedTuple):
    """A code cell to run."""

    index: int  # in the notebook
    filename: str  # for tracebacks
    source: str
    students: bool  # the student's text, not the instructor's


class _Chunk(NamedTuple):
    """The code cells up to and including a grade cell; the last chunk may have none."""

    cells: list[_Cell]
    grade_id: str | None
    max_points: float


class _Found(NamedTuple):
    """What running a submission found out."""

    runs: list[CellRun]
    results: list[ExerciseResult]
    reason: str
    seconds: dict[str, float]  # stage -> wall time
    check_seconds: dict[str, float]  # exercise -> wall time of its checks


def grade_submission(task: Task, sandbox: Sandbox) -> Graded:
    """Grade one submission. Whatever it does, the result is a report: failures are results with a reason."""
    started = time.perf_counter()
    source = _read(task.source)
    declared = exercises.load(task.assignment)
    refusal = task.submission.reason if isinstance(task.submission, Refused) else ""
    rebuilt = rebuild(source, None if refusal else task.submission)
    chunks = list(_chunks(rebuilt.notebook))
    if refusal:
        results = [_zero(declared, chunk, refusal) for chunk in chunks if chunk.grade_id]
        found = _Found([], results, refusal, {}, {})
    else:
        found = _run_and_check(chunks, declared, task.seed, sandbox)
        for left in reversed(range(ATTEMPTS - 1)):
            if not sandbox.killed:
                break
            found = _run_and_check(chunks, declared, task.seed, sandbox, found, last=left == 0)
    report = Report(
        student=task.student,
        assignment=task.assignment,
        status="refused" if refusal else "graded",
        reason=found.reason,
        exercises=tuple(found.results),
        cells=tuple(found.runs),
        notes=tuple(rebuilt.notes),
        submission_digest=task.submission_digest,
        assignment_digest=task.assignment_digest,
        seconds={**found.seconds, "total": time.perf_counter() - started},
        check_seconds=found.check_seconds,
    )
    return Graded(report, json.dumps(rebuilt.notebook))


@functools.lru_cache(maxsize=4)
def _read(source: str) -> NotebookNode:
    """The instructor's notebook, which is the same for a whole class; `rebuild` copies what it takes of it."""
    return nbformat.reads(source, as_version=4)


def failure(task: Task, error: BaseException) -> Graded:
    """What a submission gets when the grader itself failed on it: no points, and a reason that asks for a person."""
    source = _read(task.source)
    rebuilt = rebuild(source, None)
    reason = f"the grader failed and a person must look: {type(error).__name__}"
    declared = exercises.load(task.assignment)
    report = Report(
        student=task.student,
        assignment=task.assignment,
        status="failed",
        reason=reason,
        exercises=tuple(
            _zero(declared, chunk, reason) for chunk in _chunks(rebuilt.notebook) if chunk.grade_id
        ),
        notes=("".join(traceback.format_exception(error)),),
        submission_digest="",  # never current: the next run tries again
        assignment_digest=task.assignment_digest,
    )
    return Graded(report, json.dumps(rebuilt.notebook))


def _chunks(notebook: NotebookNode) -> Iterator[_Chunk]:
    cells: list[_Cell] = []
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        marks = cell.metadata.get("nbgrader", {})
        if marks.get("grade") and not marks.get("solution"):
            yield _Chunk(cells, marks["grade_id"], float(marks["points"]))
            cells = []
        else:
            name = f"<{marks.get('grade_id', f'cell {index + 1}')}>"
            cells.append(_Cell(index, name, cell.source, bool(marks.get("solution")) or not marks))
    yield _Chunk(cells, None, 0.0)


def _zero(declared: dict[str, Exercise], chunk: _Chunk, reason: str) -> ExerciseResult:
    exercise = _exercise_of(declared, chunk)
    return ExerciseResult(
        exercise.name, exercise.grade_id, 0.0, chunk.max_points, reason=reason, link=exercise.section
    )


def _exercise_of(declared: dict[str, Exercise], chunk: _Chunk) -> Exercise:
    for exercise in declared.values():
        if exercise.grade_id == chunk.grade_id:
            return exercise
    raise ValueError(f"the notebook's grade cell {chunk.grade_id!r} belongs to no declared exercise")


def _run_and_check(
    chunks: list[_Chunk],
    declared: dict[str, Exercise],
    seed: int,
    sandbox: Sandbox,
    before: _Found | None = None,
    *,
    last: bool = False,
) -> _Found:
    """Run all cells, then evaluate every exercise on the state that its grade cell saw.

    If the attempt before got as far as the checks, its code was sent hidden instances. Nobody knows what it found to leave
    them in, so nothing is shown of what this attempt puts out: what the other one had put out until then stands. An attempt
    that something kills earlier ends without results, unless it is the last.
    """
    clock = {"start": time.perf_counter()}
    deadline = time.monotonic() + sandbox.limits.submission_seconds
    runs: list[CellRun] = []
    snapshots: list[tuple[_Chunk, Session | None]] = []
    reason = ""
    with sandbox.submission() as root:
        clock["sandbox"] = time.perf_counter()
        state = root
        try:
            for chunk in chunks:
                state = _run_chunk(state, chunk, runs, deadline, sandbox)
                if chunk.grade_id:
                    snapshots.append((chunk, state))
        except SessionLost as lost:
            reason = f"stopped: {lost.reason}"
            done = {chunk.grade_id for chunk, _ in snapshots}
            snapshots += [(chunk, None) for chunk in chunks if chunk.grade_id and chunk.grade_id not in done]
        clock["run"] = time.perf_counter()
        informed = before is not None and before.results
        if informed:
            runs, reason = before.runs, reason and f"stopped: {ENDED}"
        callers = [_Caller(snapshot, deadline, sandbox, reason) for _, snapshot in snapshots]
        judged = [(chunk, _exercise_of(declared, chunk)) for chunk, _ in snapshots]
        # Answers on visible examples are shown, so they are asked for before any hidden instance enters the sandbox.
        examples = (
            [result.example for result in before.results]
            if informed
            else [checks.visible_example(e, call) for (_, e), call in zip(judged, callers, strict=True)]
        )
        if sandbox.killed and not last:
            return _Found(runs, [], reason, {}, {})
        results = []
        check_seconds = {}
        for (chunk, exercise), call, example in zip(judged, callers, examples, strict=True):
            asked = time.perf_counter()
            result = checks.evaluate(exercise, call, seed, chunk.max_points)
            call.close()
            result = dataclasses.replace(result, example=example)
            results.append(_with_cell_reason(result, chunk, runs))
            check_seconds[exercise.name] = time.perf_counter() - asked
        clock["checks"] = time.perf_counter()
    marks = list(clock.items())
    seconds = {name: now - before for (_, before), (name, now) in itertools.pairwise(marks)}
    return _Found(runs, results, reason, seconds, check_seconds)


def _with_cell_reason(result: ExerciseResult, chunk: _Chunk, runs: list[CellRun]) -> ExerciseResult:
    """Where there is no function to call because a cell didn't run through, that is the reason to give."""
    indices = {cell.index for cell in chunk.cells if cell.students}
    stopped = [run.reason for run in runs if run.index in indices and run.reason]
    if not stopped or result.reason != checks.MISSING:
        return result
    return dataclasses.replace(result, reason=f"the cell did not run through: {stopped[-1]}")


def _run_chunk(
    start: Session, chunk: _Chunk, runs: list[CellRun], deadline: float, sandbox: Sandbox
) -> Session:
    """Run a chunk's cells in a fork of `start`, and return the state after them.

    A cell that loses its process is left out: the chunk starts again from `start` without it.
    """
    if not chunk.cells:
        return start
    limits = sandbox.limits
    lost: dict[int, str] = {}
    before = limits.output_bytes - _size(runs)
    while True:
        session = start.fork()
        results: list[CellRun] = []
        room = before
        for index, filename, source, _ in chunk.cells:
            if index in lost:
                results.append(CellRun(index, (), lost[index]))
                continue
            left = deadline - time.monotonic()
            if left <= 0:
                results.append(CellRun(index, (), "not run: the submission's time was used up"))
                continue
            try:
                result = session.run(source, filename, min(limits.cell_seconds, left))
            except SessionLost as error:
                lost[index] = error.reason
                session.close()
                break
            results.append(CellRun(index, tuple(outputs.within(result.outputs, room)), result.error))
            room -= _size(results[-1:])
        else:
            runs += results
            return session


def _size(runs: list[CellRun]) -> int:
    return sum(outputs.size(output) for run in runs for output in run.outputs)


class _Caller:
    """Calls functions in forks of a snapshot; a call that loses its process costs that call alone."""

    def __init__(self, snapshot: Session | None, deadline: float, sandbox: Sandbox, reason: str) -> None:
        self._snapshot = snapshot
        self._deadline = deadline
        self._seconds = sandbox.limits.call_seconds
        self._reason = reason
        self._worker: Session | None = None
        self._lost: list[Outcome] = []

    def __call__(self, function: str, args: tuple) -> Outcome:
        if self._snapshot is None:
            return Outcome("died", error=self._reason)
        if len(self._lost) >= MAX_LOST_CALLS:
            return self._lost[-1]
        left = self._deadline - time.monotonic()
        if left <= 0:
            return Outcome("timeout", error="the submission's time was used up")
        if self._worker is None:
            try:
                self._worker = self._snapshot.fork()
            except SessionLost as lost:
                self._snapshot, self._reason = None, lost.reason
                return Outcome("died", error=lost.reason)
        outcome = self._worker.call(function, args, min(self._seconds, left))
        if outcome.kind in ("timeout", "died"):
            self._lost.append(outcome)
            self.close()
        return outcome

    def close(self) -> None:
        """End the process that answered the calls, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None
