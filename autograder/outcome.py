"""What one call of the student's function came to. Ships with the release, so it imports nothing of the course."""

from __future__ import annotations

from typing import Any, NamedTuple


class Outcome(NamedTuple):
    """Result of one call.

    kind is one of
        "value"       the function returned `value`, made of plain data and NumPy arrays and scalars
        "raised"      it raised an exception of type `error` (a name), with `message`
        "wrong_type"  it returned something that is no plain data; `error` names the type
        "missing"     there is no function of that name; `error` says what there is instead, if anything
        "timeout"     it did not return in time
        "died"        its process ended; `error` is the reason in a phrase ("ran out of memory")
    """

    kind: str
    value: Any = None
    error: str = ""
    message: str = ""
    arguments_after: tuple[Any, ...] | None = None  # the arguments as they were after the call
