"""Puts `check.py` and its data into an assignment's release folder: inputs, right answers and what misconceptions give.

No source of a reference or a misconception and no hidden instance goes there.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path

from autograder import check, checks, exercises
from autograder.check import encode
from autograder.exercise import Exercise


def add_check_files(assignment: str, folder: Path, book_url: str = "") -> None:
    """Write check.py and check_data.json into a release folder; what is to be read is at the book's address, if it has one."""
    folder = Path(folder)
    (folder / "check.py").write_text(inspect.getsource(check), encoding="utf-8")
    declared = exercises.load(assignment).values()
    data = {exercise.name: _visible_data(exercise, book_url) for exercise in declared}
    (folder / check.DATA.name).write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def place(section: str, book_url: str = "") -> str:
    """Where to read, for somebody who has the release folder alone: an address, or the chapter and the section by name."""
    if book_url.startswith(("https://", "http://")):
        return f"{book_url.rstrip('/')}/{section}"
    chapter, _, anchor = section.partition(".html#")
    return f"the book's chapter {chapter.replace('_', ' ')}, section {anchor.replace('-', ' ')}"


def _visible_data(exercise: Exercise, book_url: str) -> dict:
    instances = list(exercise.visible)
    outcomes = checks.known_outcomes(exercise, instances)
    return {
        "examples": [
            encode((instance.args, answer))
            for instance, answer in zip(instances, checks.visible_answers(exercise), strict=True)
        ],
        "rtol": exercise.rtol,
        "atol": exercise.atol,
        "link": place(exercise.section, book_url),
        "misconceptions": {
            m.name: {
                "hint": m.hint,
                "link": place(m.section, book_url),
                "outcomes": [
                    [encode(tuple(outcome)[:3]) for outcome in version] for version in outcomes[m.name]
                ],
            }
            for m in exercise.misconceptions
        },
    }
