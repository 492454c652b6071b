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


def add_check_files(assignment: str, folder: Path) -> None:
    """Write check.py and check_data.json into a release folder."""
    folder = Path(folder)
    (folder / "check.py").write_text(inspect.getsource(check), encoding="utf-8")
    data = {exercise.name: _visible_data(exercise) for exercise in exercises.load(assignment).values()}
    (folder / check.DATA.name).write_text(
        json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def _visible_data(exercise: Exercise) -> dict:
    instances = list(exercise.visible)
    outcomes = checks.known_outcomes(exercise, instances)
    return {
        "examples": [
            encode((instance.args, answer))
            for instance, answer in zip(instances, checks.visible_answers(exercise), strict=True)
        ],
        "rtol": exercise.rtol,
        "atol": exercise.atol,
        "link": exercise.section,
        "misconceptions": {
            m.name: {
                "hint": m.hint,
                "link": m.section,
                "outcomes": [encode(tuple(outcome)[:3]) for outcome in outcomes[m.name]],
            }
            for m in exercise.misconceptions
        },
    }
