"""Grades submissions: one function a submission, which any worker can run, and one that grades a class.

The stages, in their order and with the reason for it:

1. intake: the submitted file is read as untrusted bytes; what comes out is source text, or a refusal.
2. rebuild: that text is laid into the instructor's notebook, so no metadata of the student's survives.
3. run: every cell runs in the sandbox; at each grade cell the state is kept, and a forked copy goes on (attempt.py).
4. checks: only now, when no output can leave the sandbox any more, the kept states answer the checks' calls. A hidden
   instance can therefore never be printed into a page that its student sees.
5. gradebook and feedback: in the calling process alone, which is the only writer.
"""

from __future__ import annotations

import functools
import json
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode

from autograder import exercises
from autograder.attempt import Chunk, Found, chunks, evaluate
from autograder.intake import Refused, Submission
from autograder.rebuild import rebuild
from autograder.report import ExerciseResult, Report
from autograder.sandbox import Sandbox


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


def grade_submission(task: Task, sandbox: Sandbox) -> Graded:
    """Grade one submission. Whatever it does, the result is a report: failures are results with a reason."""
    started = time.perf_counter()
    source = _read(task.source)
    declared = exercises.load(task.assignment)
    refusal = task.submission.reason if isinstance(task.submission, Refused) else ""
    rebuilt = rebuild(source, None if refusal else task.submission)
    parts = list(chunks(rebuilt.notebook, declared))
    if refusal:
        found = Found([], _zeros(parts, refusal), refusal, {}, {})
    else:
        found = evaluate(parts, task.seed, sandbox)
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
    report = Report(
        student=task.student,
        assignment=task.assignment,
        status="failed",
        reason=reason,
        exercises=tuple(_zeros(chunks(rebuilt.notebook, exercises.load(task.assignment)), reason)),
        notes=("".join(traceback.format_exception(error)),),
        submission_digest="",  # never current: the next run tries again
        assignment_digest=task.assignment_digest,
    )
    return Graded(report, json.dumps(rebuilt.notebook))


def _zeros(parts: Iterable[Chunk], reason: str) -> list[ExerciseResult]:
    return [
        ExerciseResult(e.name, e.grade_id, 0.0, part.max_points, reason=reason, link=e.section)
        for part in parts
        if (e := part.exercise) is not None
    ]
