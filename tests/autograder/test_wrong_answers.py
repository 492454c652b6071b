"""Wrong answers of many kinds are never given the name of a misconception that isn't theirs."""

import itertools

import numpy as np
import pytest

from autograder import check, checks, exercises
from autograder.check import Outcome

ASSIGNMENTS = ["gibbs_principle", "mean_field", "two_kls", "em", "dbn"]
EXERCISES = [exercise for assignment in ASSIGNMENTS for exercise in exercises.load(assignment).values()]

by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def each(change):
    """Change every array of an answer."""

    def changed(value, rng):
        if isinstance(value, tuple):
            return tuple(changed(v, rng) for v in value)
        return change(np.asarray(value), rng)

    return changed


def arguments(change):
    """Change every array among the arguments."""

    def changed(value):
        if isinstance(value, list | tuple):
            return type(value)(map(changed, value))
        return change(value) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value

    return changed


def of_answer(change):
    def build(exercise):
        rng = np.random.default_rng(3)
        return lambda *args: change(exercise.reference(*args), rng)

    return build


def of_arguments(change):
    return lambda exercise: lambda *args: exercise.reference(*change(args))


def _all_square(args):
    return all(a.ndim < 2 or len(set(a.shape)) == 1 for a in args if isinstance(a, np.ndarray))


def square_only(exercise):
    """Right as long as each matrix is square."""
    return lambda *args: exercise.reference(*args) if _all_square(args) else np.zeros((1, 2, 3))


def every_other(exercise):
    """Right in every second call."""
    calls = itertools.count()
    noise = each(lambda a, rng: a + rng.normal(size=a.shape))
    rng = np.random.default_rng(4)
    return lambda *args: (
        noise(exercise.reference(*args), rng) if next(calls) % 2 else exercise.reference(*args)
    )


def first_answer(exercise):
    """What was right in the first call, for ever."""
    kept = []

    def function(*args):
        kept.append(exercise.reference(*args))
        return kept[0]

    return function


KINDS = {
    "outputs swapped": of_answer(
        lambda value, rng: value[::-1] if isinstance(value, tuple) else np.flip(np.atleast_1d(value))
    ),
    "one output of several": of_answer(lambda value, rng: value[0] if isinstance(value, tuple) else np.ravel(value)[0]),
    "transposed": of_answer(each(lambda a, rng: a.T if a.ndim > 1 else a[..., None])),
    "off by one place": of_answer(each(lambda a, rng: np.roll(a, 1) if a.size > 1 else a + 1)),
    "one entry less": of_answer(each(lambda a, rng: a[1:] if a.ndim else a - 1)),
    "doubled": of_answer(each(lambda a, rng: 2 * a)),
    "negated": of_answer(each(lambda a, rng: -a)),
    "squared": of_answer(each(lambda a, rng: a * a)),
    "one minus": of_answer(each(lambda a, rng: 1 - a)),
    "exponential": of_answer(each(lambda a, rng: np.exp(np.clip(a, -50, 50)))),
    "shifted": of_answer(each(lambda a, rng: a + 0.05)),
    "rounded": of_answer(each(lambda a, rng: np.round(a, 1))),
    "a constant": of_answer(each(lambda a, rng: np.full(a.shape, 0.5))),
    "noise of the right size": of_answer(each(lambda a, rng: rng.normal(size=a.shape))),
    "relative noise": of_answer(each(lambda a, rng: a * (1 + 0.05 * rng.normal(size=a.shape)))),
    "absolute values of the arguments": of_arguments(arguments(np.abs)),
    "arguments ten percent larger": of_arguments(arguments(lambda a: 1.1 * a)),
    "arguments negated": of_arguments(arguments(np.negative)),
    "arguments reversed": of_arguments(lambda args: args[::-1]),
    "arguments flipped": of_arguments(arguments(lambda a: a[::-1])),
    "integers one more": of_arguments(lambda args: tuple(a + 1 if type(a) is int else a for a in args)),
    "right on squares only": square_only,
    "right every other time": every_other,
    "the first answer for ever": first_answer,
}  # fmt: skip

# Where a kind is a misconception by another name.
SAME = {
    "gibbs_principle.entropy": {"negated": "the sign is forgotten"},
    "gibbs_principle.elbo": {"negated": "the negative of the bound"},
    "mean_field.mean_field_energy": {"negated": "the energy has the wrong sign"},
    "two_kls.kl_gaussian": {"doubled": "the half is left out"},
    "em.em_objective": {"negated": "the negative of the objective"},
    "dbn.rbm_conditional": {"one minus": "the sign of the exponent"},
    "dbn.free_energy": {"negated": "the sign"},
    "dbn.cd_k": {"negated": "the phases are swapped", "integers one more": "one step more"},
}

# Pairs that are declared as a misconception of their own.
PAIRS = {
    "both constants are left out": {"log K is left out", "the factor with 2 pi is left out"},
    "logarithm to base 2, and 0 log 0 is NaN": {"logarithm to base 2", "0 log 0 is NaN"},
    "the sign is forgotten, and 0 log 0 is NaN": {"the sign is forgotten", "0 log 0 is NaN"},
    "the exponent lacks its half, and exponentials underflow": {
        "the exponent lacks its half",
        "exponentials that underflow",
    },
    "normalised over the points, and exponentials underflow": {
        "normalised over the points",
        "exponentials that underflow",
    },
    "both constants are left out, and exponentials underflow": {
        "both constants are left out",
        "exponentials that underflow",
    },
}


def name_given(exercise, function, seed=0):
    result = checks.evaluate(exercise, lambda _, args: check.call(function, args), seed, 1.0)
    return result.misconception, result.points


@by_name
def test_none_is_misnamed(exercise):
    named, wrong = {}, 0
    for kind, build in KINDS.items():
        name, points = name_given(exercise, build(exercise))
        wrong += points < 1
        if name:
            named[kind] = name
    assert wrong >= 12
    assert named == SAME.get(exercise.name, {})


def both(right, a, b):
    """An answer with two errors at once."""
    if a.kind != "value" or b.kind != "value":
        return a if a.kind != "value" else b
    try:
        return Outcome("value", _added(right, a.value, b.value))
    except (ValueError, TypeError):
        return a


def _added(right, a, b):
    if isinstance(right, tuple):
        return tuple(_added(*values) for values in zip(right, a, b, strict=True))
    with np.errstate(all="ignore"):
        return np.asarray(a) + np.asarray(b) - np.asarray(right)


def either(right, a, b):
    """An answer with one error here and another there."""
    first = right[0] if isinstance(right, tuple) else right
    return a if np.ravel(first)[0] > 0.4 else b


@by_name
@pytest.mark.parametrize("combine", [both, either])
def test_two_errors_at_once_have_the_name_of_one_of_them_or_of_the_pair_or_none(exercise, combine):
    prepared = [checks._prepare(exercise, item, 0) for item in exercise.properties]
    for a, b in itertools.combinations((m.name for m in exercise.misconceptions), 2):
        outcomes = []
        for p in prepared:
            same = [(Outcome("value", e),) * 2 for e in p.expected]
            pairs = zip(p.known[a][0], p.known[b][0], strict=True) if p.known else same
            outcomes += [combine(e, *pair) for e, pair in zip(p.expected, pairs, strict=True)]
        given = iter(outcomes)
        result = checks.evaluate(exercise, lambda name, args, given=given: next(given), 0, 1.0)
        assert result.points < 1
        assert result.misconception in {"", a, b} or PAIRS[result.misconception] == {a, b}, (a, b)
