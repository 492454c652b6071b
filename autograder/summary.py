"""Sums up a graded class in a few lines, which stay few however large the class is."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable

from autograder import grade_class, gradebook
from autograder.course import Course
from autograder.report import Report

MOST = 5
"""Students, exercises or misconceptions that a line names."""


def lines(course: Course, assignment: str, graded: Iterable[Report]) -> list[str]:
    """Sum up an assignment.

    Parameters
    ----------
    course : Course
    assignment : str
    graded : iterable of Report
        Those of the run that has just ended: they alone know how long it took.
    """
    points: list[float] = []
    highest = 0.0
    troubles: dict[str, list[Report]] = {"refused": [], "failed": []}
    misconceptions: Counter[str] = Counter()
    for report in grade_class.reports(course, assignment):
        points.append(report.points)
        highest = max(highest, report.max_points)
        for result in report.exercises:
            if result.misconception:
                misconceptions[f"{result.exercise.rpartition('.')[2]}: {result.misconception}"] += 1
        if report.status in troubles:
            troubles[report.status].append(Report(report.student, assignment, report.status, report.reason))
    if not points:
        return []
    full = sum(value == highest for value in points)
    said = [
        f"points by the checks: {statistics.fmean(points):.1f} of {highest:g} on average, full marks for {full}"
    ]
    waiting = gradebook.waiting(course, assignment)
    if waiting:
        said.append(f"waiting for a mark by hand: {len(waiting)} (make lab)")
    for status, phrase in (("refused", "could not be read, 0 points"), ("failed", "THE GRADER FAILED")):
        if troubles[status]:
            said.append(f"{phrase}: {_named(troubles[status])}")
    slowest = _slowest(graded)
    if slowest:
        said.append(f"slowest exercises, a submission: {slowest}")
    if misconceptions:
        common = ", ".join(f"{name} ({count})" for name, count in misconceptions.most_common(MOST))
        said.append(f"most frequent misconceptions: {common}")
    return said


def _named(reports: list[Report]) -> str:
    """How many, and the first few with their reasons."""
    named = "; ".join(f"{report.student}: {report.reason}" for report in reports[:MOST])
    return f"{len(reports)} ({named}{'; ...' if len(reports) > MOST else ''})"


def _slowest(graded: Iterable[Report]) -> str:
    times: dict[str, list[float]] = defaultdict(list)
    for report in graded:
        for name, seconds in report.check_seconds.items():
            times[name.rpartition(".")[2]].append(seconds)
    means = {name: statistics.fmean(values) for name, values in times.items()}
    order = sorted(means, key=means.__getitem__, reverse=True)[:MOST]
    return ", ".join(f"{name} {means[name]:.2f} s (at most {max(times[name]):.2f} s)" for name in order)
