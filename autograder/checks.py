"""The trusted side of an exercise: makes hidden instances, asks for answers, compares, and explains.

The student's code is reached only through `call`, which sends arguments and brings back outcomes.
"""

from __future__ import annotations

import copy
import functools
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograder.check import CHANGED, Outcome, call, explain, failure, recognise, remarks, unchanged
from autograder.exercise import Exercise, Instance, Property
from autograder.report import ExerciseResult, PropertyResult
from autograder.sandbox.inside.channel import Source

Call = Callable[[str, tuple], Outcome]

MISSING = failure(Outcome("missing"), None, 0, 0)
"""The reason of a result where the student's function isn't there."""


class _Prepared(NamedTuple):
    """The instances of a property with the right answers, and the outcomes of each misconception's versions on them."""

    instances: list[Instance]
    expected: list[Any]
    known: dict[str, list[list[Outcome]]]


def evaluate(exercise: Exercise, ask: Call, seed: int, max_points: float) -> ExerciseResult:
    """Judge one exercise.

    Parameters
    ----------
    exercise : Exercise
    ask : callable
        ask(function_name, args) -> Outcome calls the student's function, with copies of the arguments.
    seed : int
        Of the hidden instances.
    max_points : float
        What full marks are worth.
    """
    rtol, atol = exercise.rtol, exercise.atol
    results: list[PropertyResult] = []
    outcomes: list[Outcome] = []
    telling: list[Outcome] = []  # those on which misconceptions are looked for
    expected: list[Any] = []
    known: dict[str, list[list[Outcome]]] = {
        m.name: [[] for _ in m.versions] for m in exercise.misconceptions
    }
    notes: set[str] = set()
    for item in exercise.properties:
        prepared = _prepare(exercise, item, seed)
        answers = [ask(exercise.function, instance.args) for instance in prepared.instances]
        observation = _observe(item, prepared, answers, rtol, atol)
        worth = item.weight * max_points
        results.append(
            PropertyResult(item.name, item.text, 0.0 if observation else worth, worth, observation)
        )
        outcomes += answers
        if item.recognised:
            telling += answers
            expected += prepared.expected
            for label, versions in known.items():
                for version, more in zip(versions, prepared.known[label], strict=True):
                    version += more
        for answer, right in zip(answers, prepared.expected, strict=True):
            notes.update(remark.strip() for remark in remarks(right, answer.value))
    failed = [r for r in results if r.observation]
    label = recognise(telling, expected, known, rtol, atol) if failed else ""
    about = next((m for m in exercise.misconceptions if m.name == label), None)
    earned = max_points if not failed else round(sum(r.points for r in results), 2)
    return ExerciseResult(
        exercise=exercise.name,
        grade_id=exercise.grade_id,
        points=earned,
        max_points=max_points,
        properties=tuple(results),
        reason=_reason(failed, results, outcomes, label),
        misconception=label,
        hint=about.hint if about else _hint(exercise, failed),
        link=about.section if about else exercise.section,
        remarks=tuple(sorted(notes)),
    )


def visible_example(exercise: Exercise, ask: Call) -> str:
    """Describe, numbers included, what the function gives on the first visible example that it gets wrong; or ""."""
    for instance, right in zip(exercise.visible, visible_answers(exercise), strict=True):
        outcome = ask(exercise.function, instance.args)
        text, _ = explain([outcome], [(instance.args, right)], {}, exercise.rtol, exercise.atol)
        if text:
            return "" if outcome.kind not in ("value", "raised") or not outcome.attempted else text
    return ""


@functools.lru_cache(maxsize=256)
def visible_answers(exercise: Exercise) -> list[Any]:
    """Return the right answers on the visible instances."""
    return [_reference(exercise, instance) for instance in exercise.visible]


def known_outcomes(exercise: Exercise, instances: list[Instance]) -> dict[str, list[list[Outcome]]]:
    """Return what each version of each misconception gives on some instances."""
    return {
        m.name: [
            [call(function, i.args)._replace(message="", arguments_after=None) for i in instances]
            for function in m.versions
        ]
        for m in exercise.misconceptions
    }


def instances_of(exercise: Exercise, item: Property, seed: int) -> list[Instance]:
    """Return a property's hidden instances: the same for the same seed, independent between properties."""
    names = [zlib.crc32(f"{exercise.name} {item.name}".encode())]
    return item.instances(np.random.default_rng([seed, *names]))


@functools.lru_cache(maxsize=256)
def _prepare(exercise: Exercise, item: Property, seed: int) -> _Prepared:
    """Compute once a process what every submission of a class is compared with."""
    instances = instances_of(exercise, item, seed)
    expected = [_reference(exercise, instance) for instance in instances]
    return _Prepared(instances, expected, known_outcomes(exercise, instances) if item.recognised else {})


def _reference(exercise: Exercise, instance: Instance) -> Any:
    return exercise.reference(*copy.deepcopy(instance.args))


def _observe(item: Property, prepared: _Prepared, answers: list[Outcome], rtol: float, atol: float) -> str:
    """Say what is wrong with the first failing instance; "" when the property holds."""
    for instance, right, answer in zip(prepared.instances, prepared.expected, answers, strict=True):
        problem = failure(answer, right, rtol, atol)
        if not problem and item.unmodified and not _unchanged(instance.args, answer.arguments_after):
            problem = CHANGED
        if problem:
            return f"{instance.note}: {problem}" if instance.note else problem
    return ""


def _unchanged(before: tuple[Any, ...], after: Any) -> bool:
    if type(after) is not tuple or len(after) != len(before):
        return False
    # A function that is handed over as source has no state that could be seen.
    return all(isinstance(b, Source) or unchanged(b, a) for b, a in zip(before, after, strict=True))


def _hint(exercise: Exercise, failed: list[PropertyResult]) -> str:
    """Say what a property suggests that fails alone: the idea behind it may give noise that no misconception's numbers match."""
    return next((p.hint for p in exercise.properties if [p.name] == [r.name for r in failed]), "")


def _reason(
    failed: list[PropertyResult], results: list[PropertyResult], outcomes: list[Outcome], label: str
) -> str:
    if not failed:
        return ""
    if label:
        return f"misconception: {label}"
    kinds = {failure(o, None, 0, 0) if o.kind != "value" else "" for o in outcomes}
    if len(kinds) == 1 and "" not in kinds:
        return kinds.pop()
    if any(o.kind == "timeout" for o in outcomes) and len(failed) == len(results):
        return "it did not finish in time"
    held = len(results) - len(failed)
    return f"{held} of {len(results)} properties hold"
