"""What grading one submission produces: plain data that the gradebook, the feedback page and the exports all read."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field

FORMAT = 1
"""Version of the JSON form; a report of another version is graded anew."""


@dataclass(frozen=True)
class PropertyResult:
    """One property of an exercise (say, "handles zero probabilities") and what it earned."""

    name: str
    text: str  # what was asked, in words a student reads
    points: float
    max_points: float
    observation: str = ""  # what was seen, "" when the property holds


@dataclass(frozen=True)
class ExerciseResult:
    """The checks of one grade cell."""

    exercise: str  # "gibbs_principle.entropy"
    grade_id: str  # the grade cell's id in the notebook, "check_entropy"
    points: float
    max_points: float
    properties: tuple[PropertyResult, ...] = ()
    reason: str = ""  # what went wrong in a phrase, "" when nothing did
    misconception: str = ""  # its name, "" when none was recognised
    hint: str = ""
    link: str = ""  # page and anchor in the book, "gibbs_principle.html#entropy"
    example: str = ""  # what came on a visible example, numbers included; "" when those are right
    remarks: tuple[str, ...] = ()  # said to the student, without effect on the points


@dataclass(frozen=True)
class CellRun:
    """One executed cell of the rebuilt notebook; outputs are nbformat output dicts, not yet sanitised."""

    index: int  # position in the rebuilt notebook
    outputs: tuple[dict, ...] = ()
    reason: str = ""  # why the cell did not finish, "" when it did


@dataclass(frozen=True)
class Report:
    """Everything that grading one submission found out."""

    student: str
    assignment: str
    status: str  # "graded" or "refused"
    reason: str = ""  # for a refusal, or a failure that concerns the whole submission
    exercises: tuple[ExerciseResult, ...] = ()
    cells: tuple[CellRun, ...] = ()
    notes: tuple[str, ...] = ()  # what intake and rebuild noticed ("a copied cell was run as an extra cell")
    submission_digest: str = ""
    assignment_digest: str = ""
    seconds: dict[str, float] = field(default_factory=dict, compare=False)  # stage -> wall time
    check_seconds: dict[str, float] = field(default_factory=dict, compare=False)  # exercise -> wall time

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises)

    @property
    def max_points(self) -> float:
        return sum(exercise.max_points for exercise in self.exercises)

    @property
    def summary(self) -> str:
        """What went wrong, in a phrase; "" when nothing did."""
        if self.reason:
            return self.reason
        wrong = [f"{e.exercise.split('.')[-1]}: {e.reason}" for e in self.exercises if e.reason]
        return "; ".join(wrong)


def to_json(report: Report) -> str:
    """Serialise a report; the wall times are left out, so equal grading gives equal bytes."""
    data = dataclasses.asdict(report)
    del data["seconds"], data["check_seconds"]
    return json.dumps({"format": FORMAT, **data}, indent=1, sort_keys=True, allow_nan=False)


def from_json(text: str) -> Report:
    """Read what `to_json` wrote.

    Raises
    ------
    ValueError
        If the text is not a report of this version.
    """
    data = json.loads(text)
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise ValueError(f"expected a report of format {FORMAT}")
    try:
        exercises = tuple(
            ExerciseResult(
                **{
                    **e,
                    "properties": tuple(PropertyResult(**p) for p in e["properties"]),
                    "remarks": tuple(e["remarks"]),
                }
            )
            for e in data.pop("exercises")
        )
        cells = tuple(CellRun(c["index"], tuple(c["outputs"]), c["reason"]) for c in data.pop("cells"))
        notes = tuple(data.pop("notes"))
        return Report(**data, exercises=exercises, cells=cells, notes=notes)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a complete report: {error}") from error
