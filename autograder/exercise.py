"""How an exercise is declared: the reference, the instances, the properties that earn points, the misconceptions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np


class Instance(NamedTuple):
    """Arguments for one call of the student's function: plain numbers, arrays, strings, lists, tuples, dicts."""

    args: tuple[Any, ...]
    note: str = (
        ""  # what is special about it, in words that give no answer away ("a state of probability zero")
    )


@dataclass(frozen=True, eq=False)
class Property:
    """Something that a right implementation does, and the share of the points that it earns.

    A property holds when every instance of it passes.
    """

    name: str
    text: str  # "entropy of ordinary distributions", shown to the student
    weight: float
    instances: Callable[[np.random.Generator], list[Instance]]
    unmodified: bool = False  # the arguments must be left as they were, too
    recognised: bool = (
        True  # misconceptions are looked for on these instances (not where they would take for ever)
    )
    hint: str = ""  # said where this property alone fails and no misconception is recognised


@dataclass(frozen=True, eq=False)
class Misconception:
    """A known wrong implementation; also a test of the checks, which must fail and recognise it.

    Each is a whole program, as a student would write it, and calls no other: the demonstration class hands in its source as it is.
    So misconceptions of one exercise repeat most of each other's lines.
    """

    name: str
    function: Callable[..., Any]
    hint: str  # what was observed, which idea it betrays; never the answer
    section: str  # page and anchor of the book, "gibbs_principle.html#entropy"
    also: tuple[Callable[..., Any], ...] = ()  # the same idea written otherwise, which gives other numbers

    @property
    def versions(self) -> tuple[Callable[..., Any], ...]:
        """All the ways in which it is written."""
        return (self.function, *self.also)


@dataclass(frozen=True, eq=False)
class Exercise:
    """One function that the student writes, and how it is judged."""

    assignment: str
    function: (
        str  # the student's function; the solution cell's grade_id, the grade cell's is check_<function>
    )
    reference: Callable[..., Any]
    visible: tuple[Instance, ...]  # shown to the student with their answers
    properties: tuple[Property, ...]  # on hidden instances; the weights sum to 1
    misconceptions: tuple[Misconception, ...]
    section: str  # where the book treats it
    rtol: float
    atol: float
    tolerance_reason: str

    @property
    def name(self) -> str:
        return f"{self.assignment}.{self.function}"

    @property
    def grade_id(self) -> str:
        return f"check_{self.function}"
