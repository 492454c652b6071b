"""Shows how far a run is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from autograder import grade_class

SECONDS_BETWEEN_LINES = 5.0


@contextlib.contextmanager
def shown(assignment: str, console: Console) -> Iterator[Callable[[grade_class.Progress], None]]:
    """Show progress as long as the context lasts; gives the function to call with each step."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TextColumn("{task.fields[last]}", markup=False),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        row = bar.add_task(f"grading {assignment}", total=None, visible=False, last="", pace="")
        first = said = time.monotonic()

        def show(step: grade_class.Progress) -> None:
            nonlocal first, said
            now = time.monotonic()
            if step.done == 1:
                first = now  # the pace is the workers': what starting them took is not counted
            pace = _pace(step, now - first)
            bar.update(
                row, total=step.total, completed=step.done, last=step.report.student, pace=pace, visible=True
            )
            if not console.is_terminal and (now - said > SECONDS_BETWEEN_LINES or step.done == step.total):
                console.print(f"{assignment}: {step.done} of {step.total} graded{pace and ', '}{pace}")
                said = now

        yield show


def _pace(step: grade_class.Progress, seconds: float) -> str:
    """Rate and time left, once there is something to tell them from."""
    if step.done == 1 or seconds <= 0:
        return ""
    rate = (step.done - 1) / seconds
    left = round((step.total - step.done) / rate)
    return f"{60 * rate:.0f} a minute, {left // 60}:{left % 60:02} left"
