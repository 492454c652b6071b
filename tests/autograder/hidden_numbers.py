"""Finds in text what only hidden instances and right answers hold: numbers in any decimal form, and lists of them."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from autograder import checks, exercises
from autograder.exercise import Exercise, Instance
from autograder.sandbox import Source

DIGITS = 7
"""So many digits of a number can't be met by chance, in a class of this size."""

LONGEST = 30
SHORTEST = 6
"""Entries of a list by which it is looked for, at least and at most; they are compared in four digits."""

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?!\w)")


def leaves(value: Any) -> Iterator[np.ndarray]:
    """Arrays of the numbers in a value, in the order in which they would be printed."""
    if isinstance(value, Source):
        yield from leaves(value.data)
    elif isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list | tuple) and not all(isinstance(x, int | float) for x in value):
        for item in value:
            yield from leaves(item)
    elif not isinstance(value, str) and value is not None:
        yield np.ravel(np.asarray(value, dtype=float))


def first_digits(texts: Iterable[str]) -> set[str]:
    """The first digits of numbers that have so many; where the point stands doesn't matter."""
    found = set()
    for text in texts:
        digits = text.lower().partition("e")[0].replace(".", "").lstrip("+-0")
        if len(digits) >= DIGITS:
            found.add(digits[:DIGITS])
    return found


def runs(values: np.ndarray) -> Iterator[str]:
    """The beginning of a list, in the form in which lists are looked for; of dull lists nothing."""
    shown = [f"{x:.4g}" for x in values[:LONGEST]]
    if len(shown) >= SHORTEST and len(set(shown)) >= 3:
        yield " ".join(shown)


class Secrets:
    """What the texts on an assignment may not hold."""

    def __init__(self, assignment: str, seed: int) -> None:
        declared = exercises.load(assignment).values()
        hidden = [
            i
            for e in declared
            for item in e.properties
            for i in _answered(e, checks.instances_of(e, item, seed))
        ]
        visible = [i for e in declared for i in _answered(e, e.visible)]
        # What a known wrong function gives on a visible example is shown to whoever wrote it.
        for exercise in declared:
            for ways in checks.known_outcomes(exercise, list(exercise.visible)).values():
                outcomes = itertools.chain.from_iterable(ways)
                visible += [array for o in outcomes if o.kind == "value" for array in leaves(o.value)]
        rounded = first_digits(f"{abs(x):.{DIGITS}g}" for array in visible for x in array.tolist())
        self.numbers = _numbers(hidden) - _numbers(visible) - rounded
        self.lists = _lists(hidden) - _lists(visible)

    def found(self, text: str) -> list[str]:
        """Hidden numbers and lists that stand in a text."""
        there = _NUMBER.findall(text)
        line = " ".join(["", *(f"{float(number):.4g}" for number in there), ""])
        return sorted(self.numbers & first_digits(there)) + [run for run in self.lists if f" {run} " in line]


def _answered(exercise: Exercise, instances: Iterable[Instance]) -> list[np.ndarray]:
    return [
        array
        for instance in instances
        for value in (*instance.args, exercise.reference(*copy.deepcopy(instance.args)))
        for array in leaves(value)
    ]


def _numbers(arrays: list[np.ndarray]) -> set[str]:
    found = first_digits(f"{abs(x):.17g}" for array in arrays for x in array.tolist() if len(repr(x)) > 10)
    # What is round but for the rounding to float32 is met everywhere.
    return {digits for digits in found if not digits.endswith(("0000", "9999"))}


def _lists(arrays: list[np.ndarray]) -> set[str]:
    return {run for array in arrays for run in runs(array)}
