"""Checks your functions on the visible examples: `check("gibbs_principle.entropy", entropy)`.

This file comes with each assignment, beside its data `check_data.json`, and needs NumPy alone. It compares what your function
returns with the right answers, and where they differ it looks whether a known misconception gives just what yours gave.
The graders use the same comparison, on examples that are not here.
"""

from __future__ import annotations

import copy
import json
import pathlib
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

DATA = pathlib.Path(__file__).with_name("check_data.json")
CHANGED = "the arguments were changed by the call"
NUMBERS = "biuf"  # NumPy's kinds of real numbers; truth values count as 0 and 1
LEVELS = 32  # of lists in lists
STUB = "NotImplementedError"  # raised by the line that a student's code replaces, as long as it has not


class Outcome(NamedTuple):
    """What one call of a function came to.

    kind is one of
        "value"       it returned `value`, made of plain data and NumPy arrays and scalars
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

    @property
    def attempted(self) -> bool:
        """Whether the line is gone that the student is to replace."""
        return (self.kind, self.error) != ("raised", STUB)


class Foreign(Exception):
    """A value that holds no number, text or collection of these; `value` is the culprit."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class CheckFailed(AssertionError):
    """Shown in a notebook without a traceback: the message says what there is to say."""

    def _render_traceback_(self) -> list[str]:
        return str(self).splitlines()


def check(name: str, function) -> None:
    """Try a function on the visible examples of an exercise.

    Parameters
    ----------
    name : str
        The exercise, such as "gibbs_principle.entropy".
    function : callable
        Your function.

    Raises
    ------
    CheckFailed
        If an answer is wrong or an argument was changed; the message says what was observed.
    """
    data = json.loads(DATA.read_text(encoding="utf-8"))
    if name not in data:
        raise CheckFailed(f"There is no exercise {name!r} here; these are: {', '.join(sorted(data))}.")
    exercise = data[name]
    if not callable(function):
        raise CheckFailed(f"{name}: expected a function, got {type(function).__name__}.")
    examples = [decode(example) for example in exercise["examples"]]
    outcomes = [call(function, args) for args, _ in examples]
    expected = [value for _, value in examples]
    known = {
        label: [[Outcome(*decode(o)) for o in version] for version in about["outcomes"]]
        for label, about in exercise["misconceptions"].items()
    }
    text, label = explain(outcomes, examples, known, exercise["rtol"], exercise["atol"])
    if not text and not all(
        unchanged(a, o.arguments_after) for (a, _), o in zip(examples, outcomes, strict=True)
    ):
        raise CheckFailed(f"✗ {name}: the numbers are right on the visible examples, but {CHANGED}.")
    if not text:
        notes = {remark for o, e in zip(outcomes, expected, strict=True) for remark in remarks(e, o.value)}
        count = f"{len(examples)} visible example{'s' if len(examples) > 1 else ''}"
        print("\n".join([f"✓ {name}: right on the {count}.", *sorted(notes)]))
        return
    lines = [f"✗ {name}: {text}"]
    if label:
        about = exercise["misconceptions"][label]
        lines += [f"  This is what one gets from: {label}.", f"  {about['hint']}", f"  Read: {about['link']}"]
    elif outcomes[0].attempted:
        lines.append(f"  No known misconception gives this. Read: {exercise['link']}")
    raise CheckFailed("\n".join(lines))


def call(function, args: tuple) -> Outcome:
    """Call a function on copies of the arguments; whatever happens is an outcome."""
    args = copy.deepcopy(args)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = plain(function(*args))
    except Foreign as foreign:
        return Outcome("wrong_type", error=type(foreign.value).__name__, arguments_after=args)
    except Exception as error:  # noqa: BLE001 - a student's function may raise anything, and that is its outcome: it is shown
        return Outcome("raised", error=type(error).__name__, message=str(error), arguments_after=args)
    return Outcome("value", value, arguments_after=args)


def plain(value: Any, level: int = 0) -> Any:
    """Return an answer in exact types: Python's numbers, text and collections, NumPy's scalars and arrays of numbers.

    What holds the right numbers counts, whatever its type: a named tuple becomes a tuple, an array of a derived type an array
    (masked entries 0), and what NumPy makes an array of numbers from, such as a fraction or another library's array, that array.
    Here the answer's own code may run; from here on it doesn't, so no object can answer "yes" to every comparison.

    Raises
    ------
    Foreign
        If there is anything else in it.
    """
    kind = type(value)
    if value is None or kind in (bool, int, float, complex, str):
        return value
    if level > LEVELS:
        raise Foreign(value)
    for collection in (tuple, list):
        if issubclass(kind, collection):
            return collection([plain(item, level + 1) for item in collection.__iter__(value)])
    if kind is dict:
        return {plain(key, level + 1): plain(item, level + 1) for key, item in value.items()}
    array = _converted(value, _array)
    if array.dtype.kind == "O":
        array = np.array([_as_float(item) for item in array.ravel()]).reshape(array.shape)
    if array.dtype.kind not in NUMBERS + "c":
        raise Foreign(value)
    return array if isinstance(value, np.ndarray) else array[()]


def _as_float(item: Any) -> float:
    """Return an element of an array of objects as a float: a fraction, or an int of many digits."""
    if not hasattr(type(item), "__float__") and not hasattr(type(item), "__index__"):
        raise Foreign(item)
    return _converted(item, float)


def _array(value: Any) -> np.ndarray:
    return np.asarray(np.ma.filled(value, 0) if isinstance(value, np.ma.MaskedArray) else value)


def _converted(value: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert an object, which may take code of its own; Foreign where that fails."""
    try:
        return convert(value)
    except Exception:  # noqa: BLE001 - whatever its __array__ or __float__ raises: it holds no numbers, which the student is told
        raise Foreign(value) from None


def difference(expected: Any, got: Any, rtol: float, atol: float) -> str:
    """Say how an answer differs from the right one, without giving that away; "" when it agrees within tolerance.

    No number that the answer decides stands in the text, such as a length: through it a hidden example could be read.
    """
    if isinstance(expected, tuple):
        if type(got) not in (tuple, list) or len(got) != len(expected):
            return f"{_kind(got)} was returned, where {len(expected)} values are asked for"
        for number, (e, g) in enumerate(zip(expected, got, strict=True), 1):
            problem = difference(e, g, rtol, atol)
            if problem:
                return f"value {number} of {len(expected)}: {problem}"
        return ""
    want = np.asarray(expected)
    have = _numbers(got)
    if have is None:
        return f"{_kind(got)} was returned, where {_kind(expected)} is asked for"
    if have.ndim != want.ndim:
        return f"{_kind(have)} was returned, where {_kind(want)} is asked for"
    if have.shape != want.shape:
        axis = next(k for k, (h, w) in enumerate(zip(have.shape, want.shape, strict=True)) if h != w)
        return f"{_kind(have)} was returned whose axis {axis} has another length than is asked for"
    if _close(want, have, rtol, atol):
        return ""
    return _numeric_difference(want.astype(float), have.astype(float), rtol, atol)


def unchanged(before: Any, after: Any) -> bool:
    """Tell whether arguments are as they were, types included."""
    if isinstance(before, tuple | list):
        return (
            type(after) is type(before)
            and len(after) == len(before)
            and all(unchanged(b, a) for b, a in zip(before, after, strict=True))
        )
    if isinstance(before, dict):
        same_keys = type(after) is dict and list(after) == list(before)
        return same_keys and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, np.ndarray):
        return (
            isinstance(after, np.ndarray)
            and after.dtype == before.dtype
            and np.array_equal(before, after, equal_nan=before.dtype.kind in "fc")
        )
    return type(after) is type(before) and bool(after == before)


def remarks(expected: Any, got: Any) -> list[str]:
    """Say what is accepted but better done otherwise."""
    if isinstance(expected, np.ndarray) and type(got) in (list, tuple):
        return [
            "  A list was returned where an array is asked for: accepted, its numbers and shape are right."
        ]
    if isinstance(expected, tuple) and type(got) in (tuple, list):
        return [r for e, g in zip(expected, got, strict=False) for r in remarks(e, g)]
    return []


def agree(a: Outcome, b: Outcome, rtol: float, atol: float) -> bool:
    """Tell whether two outcomes are the same: equal values (NaN equals NaN), or the same exception."""
    if a.kind != b.kind:
        return False
    if a.kind == "raised":
        return a.error == b.error
    return a.kind == "value" and _same(a.value, b.value, rtol, atol)


def recognise(
    outcomes: list[Outcome],
    expected: list[Any],
    known: dict[str, list[list[Outcome]]],
    rtol: float,
    atol: float,
) -> str:
    """Name the misconception one version of which gives just these outcomes; "" when none does, or more than one.

    A misconception that agrees with the right answers on all instances cannot be the reason of a failure.
    """
    matching = {
        label
        for label, versions in known.items()
        for theirs in versions
        if all(agree(o, t, rtol, atol) for o, t in zip(outcomes, theirs, strict=True))
        and any(failure(t, e, rtol, atol) for t, e in zip(theirs, expected, strict=True))
    }
    return matching.pop() if len(matching) == 1 else ""


def failure(outcome: Outcome, expected: Any, rtol: float, atol: float) -> str:
    """Say in a phrase, free of values, what is wrong with an outcome; "" when it is right."""
    if outcome.kind == "value":
        return difference(expected, outcome.value, rtol, atol)
    if not outcome.attempted:
        return "not attempted"
    if outcome.kind == "raised":
        return f"it raised {outcome.error if outcome.error in _BUILTIN_ERRORS else 'an exception of its own'}"
    if outcome.kind == "wrong_type":
        return "it returned an object of another type than numbers and arrays"
    if outcome.kind == "missing":
        return "there is no such function"
    if outcome.kind == "timeout":
        return "it did not finish in time"
    reason = outcome.error.partition(" (exit status")[0]  # a number of the student's choice
    return reason if reason.startswith("its process") else f"its process ended: {reason}".removesuffix(": ")


def explain(
    outcomes: list[Outcome],
    examples: list[tuple[tuple, Any]],
    known: dict[str, list[list[Outcome]]],
    rtol: float,
    atol: float,
) -> tuple[str, str]:
    """Describe the first failure among visible examples, numbers included, and name the misconception behind all of them."""
    for number, (outcome, (args, expected)) in enumerate(zip(outcomes, examples, strict=True), 1):
        problem = failure(outcome, expected, rtol, atol)
        if not problem:
            continue
        if problem == "not attempted":
            return "not attempted yet.", ""
        label = recognise(outcomes, [e for _, e in examples], known, rtol, atol)
        which = f"\n  example:   {number} of {len(examples)}" if len(examples) > 1 else ""
        shown = f"{which}\n  arguments: {', '.join(map(show, args))}"
        if outcome.kind == "value":
            shown += f"\n  returned:  {show(outcome.value)}\n  expected:  {show(expected)}"
            if isinstance(expected, np.ndarray) and type(outcome.value) is np.ndarray:
                shapes = outcome.value.shape, expected.shape
                shown += (
                    f"\n  shapes:    {shapes[0]} returned, {shapes[1]} expected"
                    if shapes[0] != shapes[1]
                    else ""
                )
        elif outcome.kind == "raised":
            shown += f"\n  raised:    {outcome.error}: {outcome.message[:300]}"
        elif outcome.kind == "wrong_type":
            shown += (
                f"\n  its type:  {_short(outcome.error, 100)}; return plain arrays, lists, tuples and numbers"
            )
        return problem + shown, label
    return "", ""


def show(value: Any) -> str:
    """Print a value short enough for a line or two."""
    if isinstance(value, tuple | list):
        opened, closed = "()" if isinstance(value, tuple) else "[]"
        shown = ", ".join(map(show, value[:20])) + (", ..." if len(value) > 20 else "")
        return _short(opened + shown + closed, 1000)
    if isinstance(value, np.ndarray):
        if value.ndim > 2:  # else six numbers along each axis would be shown
            value = value.ravel()
        return np.array2string(value, precision=6, threshold=12, separator=", ").replace("\n", "")
    return _short(repr(value.item() if isinstance(value, np.generic) else value), 200)


def _short(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "..."


def encode(value: Any) -> Any:
    """Turn plain data into what JSON keeps exactly; `decode` is the inverse."""
    if isinstance(value, np.ndarray):
        return {"array": value.ravel().tolist(), "shape": list(value.shape), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return {"array": value.item(), "shape": [], "dtype": value.dtype.str}
    if isinstance(value, tuple):
        return {"tuple": [encode(v) for v in value]}
    if isinstance(value, list):
        return [encode(v) for v in value]
    return value


def decode(data: Any) -> Any:
    """Return the value that `encode` was given."""
    if isinstance(data, list):
        return [decode(v) for v in data]
    if isinstance(data, dict):
        if "tuple" in data:
            return tuple(decode(v) for v in data["tuple"])
        return np.array(data["array"], dtype=data["dtype"]).reshape(data["shape"])
    return data


_BUILTIN_ERRORS = {
    name
    for name, value in vars(__import__("builtins")).items()
    if isinstance(value, type) and issubclass(value, Exception)
} | {"LinAlgError", "AxisError"}


def _numbers(value: Any) -> np.ndarray | None:
    """Return an answer as an array of real numbers; None when it is none."""
    if type(value) in (bool, int, float, complex, np.ndarray) or isinstance(value, np.generic):
        array = np.asarray(value)
    elif type(value) in (list, tuple) and _regular(value) is not None:
        array = np.array(value)
    else:
        return None
    if array.dtype == object and type(value) is int:
        array = np.asarray(float(value) if value.bit_length() < 1024 else np.inf)
    if array.dtype.kind == "c" and not array.imag.any():
        array = array.real
    return array if array.dtype.kind in NUMBERS else None


def _regular(value: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists of numbers; None when they are ragged or hold something else."""
    if type(value) in (list, tuple):
        shapes = {_regular(v) for v in value}
        if len(shapes) != 1 or None in shapes:
            return None
        return (len(value), *shapes.pop())
    if type(value) is np.ndarray:
        return value.shape if value.dtype.kind in NUMBERS + "c" else None
    if (type(value) is int and abs(value) < 2**63) or type(value) in (bool, float, complex):
        return ()
    return () if isinstance(value, np.generic) and value.dtype.kind in NUMBERS + "c" else None


def _close(want: np.ndarray, have: np.ndarray, rtol: float, atol: float) -> bool:
    return bool(_are_close(have.astype(float), want.astype(float), rtol, atol).all())


def _same(a: Any, b: Any, rtol: float, atol: float) -> bool:
    if type(a) in (tuple, list) and type(b) in (tuple, list) and (_regular(a) is None or _regular(b) is None):
        return len(a) == len(b) and all(_same(x, y, rtol, atol) for x, y in zip(a, b, strict=True))
    x, y = _numbers(a), _numbers(b)
    if x is None or y is None or x.shape != y.shape:
        return False
    x, y = x.astype(float), y.astype(float)
    return bool((_are_close(x, y, rtol, atol) | (np.isnan(x) & np.isnan(y))).all())


def _are_close(a: np.ndarray, b: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """Tell what np.isclose tells of floats, without its detours, which take longer than that: arrays are small here, and many."""
    with np.errstate(all="ignore"):
        return ((np.abs(a - b) <= atol + rtol * np.abs(b)) & np.isfinite(b)) | (a == b)


def _numeric_difference(want: np.ndarray, have: np.ndarray, rtol: float, atol: float) -> str:
    entry = "an entry" if want.ndim else "the result"
    if np.isnan(have).any():
        return f"{entry} is NaN"
    if (np.isinf(have) & ~np.isinf(want)).any():
        return f"{entry} is infinite where it should be finite"
    if (np.isinf(want) & ~np.isinf(have)).any():
        return f"{entry} is finite where it should be infinite"
    if _close(want, -have, rtol, atol):
        return "the sign is opposite"
    if want.ndim:
        wrong = int((~np.isclose(have, want, rtol=rtol, atol=atol)).sum())
        if wrong == want.size:
            return "every entry is wrong"
        return "one entry is wrong" if wrong == 1 else "some entries are wrong"
    return "the number is wrong"


def _kind(value: Any) -> str:
    if isinstance(value, tuple | list) and _regular(value) is None:
        return "a collection of values"
    if value is None:
        return "nothing (None)"
    if isinstance(value, bool | np.bool_):
        return "a truth value"
    array = value if isinstance(value, np.ndarray) else _numbers(value)
    if array is None:
        return f"a value of type {type(value).__name__}"
    if array.dtype.kind == "b":
        return "an array of truth values"
    if array.dtype.kind == "c":
        return "a complex number" if array.ndim == 0 else "an array of complex numbers"
    if array.ndim == 0:
        return "a number"
    return f"an array with {array.ndim} {'axis' if array.ndim == 1 else 'axes'}"


if __name__ == "__main__":
    sys.exit("This file is imported by the notebook: from check import check")
