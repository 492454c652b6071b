"""What is checked: a package an assignment, in it a module an exercise. The engine finds exercises by the assignment's name alone."""

from __future__ import annotations

import importlib
from types import ModuleType

from autograder.exercise import Exercise


def module(assignment: str) -> ModuleType:
    """Return the package that declares an assignment's exercises.

    Raises
    ------
    LookupError
        If there is none of that name.
    """
    try:
        return importlib.import_module(f"{__name__}.{assignment}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{assignment}":
            raise
        raise LookupError(f"no exercises are declared for an assignment named {assignment!r}") from None


def load(assignment: str) -> dict[str, Exercise]:
    """Return an assignment's exercises by the name of the student's function, in the order of the notebook."""
    return {exercise.function: exercise for exercise in module(assignment).EXERCISES}
