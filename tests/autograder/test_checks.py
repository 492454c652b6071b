"""The checks judge fairly: right answers pass, each misconception is named, and what matches none is not named."""

import dataclasses
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import check, checks, exercises, release
from autograder.check import STUB, Outcome
from autograder.exercise import Property

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = ["gibbs_principle", "mean_field", "two_kls", "em", "dbn"]
EXERCISES = [exercise for assignment in ASSIGNMENTS for exercise in exercises.load(assignment).values()]
SEEDS = [0, 1, 17, 2**100 + 3]
POINTS = 5.0

by_name = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: e.name)


def caller(function):
    return lambda name, args: check.call(function, args)


def evaluate(exercise, function, seed=0):
    return checks.evaluate(exercise, caller(function), seed, POINTS)


def alternatives(exercise, suffix=""):
    """Right solutions: three styles, or with "_students" what other people would write."""
    module = importlib.import_module(f"tests.alternatives.{exercise.assignment}{suffix}")
    return module.SOLUTIONS[exercise.function]


@by_name
@pytest.mark.parametrize("seed", SEEDS)
def test_right_solutions_get_full_points(exercise, seed):
    for function in [exercise.reference, *alternatives(exercise)]:
        result = evaluate(exercise, function, seed)
        assert (result.points, result.reason) == (POINTS, ""), (function.__name__, result)


@by_name
@pytest.mark.parametrize("seed", [5, 2**90 + 1])
def test_right_solutions_of_other_people_get_full_points(exercise, seed):
    for function in alternatives(exercise, "_students"):
        result = evaluate(exercise, function, seed)
        assert (result.points, result.reason) == (POINTS, ""), (function.__name__, result)


@by_name
def test_there_are_three_independent_right_solutions(exercise):
    assert len(alternatives(exercise)) >= 3


@by_name
@pytest.mark.parametrize("seed", SEEDS)
def test_each_misconception_fails_and_is_named(exercise, seed):
    for misconception in exercise.misconceptions:
        for function in misconception.versions:
            result = evaluate(exercise, function, seed)
            assert result.misconception == misconception.name
            assert result.points < POINTS
            assert result.hint == misconception.hint
            assert result.link == misconception.section


def said_by_check(exercise, function, folder, monkeypatch, capsys):
    """What check() prints or raises, in a student's folder."""
    path = folder / f"{exercise.assignment}.json"
    if not path.exists():
        release.add_check_files(exercise.assignment, folder)
        (folder / check.DATA.name).rename(path)
    monkeypatch.setattr(check, "DATA", path)
    try:
        check.check(exercise.name, function)
    except check.CheckFailed as failed:
        return str(failed)
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("release")


def test_check_says_which_example_failed(folder, monkeypatch, capsys):
    entropy = exercises.load("gibbs_principle")["entropy"]
    said = said_by_check(entropy, lambda q: np.log(len(q)), folder, monkeypatch, capsys)
    assert "example:   3 of 5\n  arguments: [" in said


def test_lists_of_arrays_are_shown_on_one_line():
    assert check.show([(np.zeros((2, 1)), 1.0)]) == "[([[0.], [0.]], 1.0)]"


def test_check_names_a_type_that_is_no_plain_data(folder, monkeypatch, capsys):
    entropy = exercises.load("gibbs_principle")["entropy"]
    said = said_by_check(entropy, lambda q: [{0.5}], folder, monkeypatch, capsys)
    assert "its type:  set" in said


def dressed(exercise, dress):
    """Right numbers, each result in another type."""

    def function(*args):
        answer = exercise.reference(*args)
        return tuple(map(dress, answer)) if isinstance(answer, tuple) else dress(answer)

    return function


class Derived(np.ndarray):
    """An array that claims to be equal to everything."""

    def __eq__(self, other):
        return True

    __hash__ = None


class Several(tuple):
    __slots__ = ()


def _masked(value):
    """Zeros masked, with something else behind the mask."""
    value = np.asarray(value, dtype=float)
    return np.ma.array(np.where(value == 0, 7.0, value), mask=value == 0)


def _nested(value):
    return tuple(map(_nested, value)) if np.ndim(value) else float(value)


DRESSES = {
    "no axes": lambda value: np.asarray(value) if np.ndim(value) == 0 else value,
    "list": lambda value: np.asarray(value).tolist(),
    "tuples": _nested,
    "list of rows": lambda value: list(value) if np.ndim(value) else value,
    "Fortran's order": lambda value: np.array(value, order="F")[()],
    "reversed strides": lambda value: np.array(value[::-1])[::-1] if np.ndim(value) else value,
    "byte order": lambda value: np.asarray(value).astype(">f8"),
    "masked": _masked,
    "derived": lambda value: np.asarray(value).view(Derived),
    "matrix": lambda value: np.matrix(value) if np.ndim(value) == 2 else value,
    "objects": lambda value: np.asarray(value, dtype=object),
    "long double": lambda value: np.asarray(value).astype(np.longdouble)[()],
    "complex": lambda value: np.asarray(value) + 0j,
    "whole numbers": lambda value: np.asarray(value).astype(int) if np.all(np.mod(value, 1) == 0) else value,
    "truth values": lambda value: np.asarray(value, bool) if np.isin(value, [0, 1]).all() else value,
    "memory": lambda value: memoryview(np.array(value)) if np.ndim(value) else value,
}


def _read_only(value):
    value = np.array(value)
    value.flags.writeable = False
    return value


@by_name
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_right_numbers_count_whatever_holds_them(exercise, folder, monkeypatch, capsys):
    collections = {
        "list": lambda *args: list(exercise.reference(*args)),
        "derived": lambda *args: Several(exercise.reference(*args)),
    }
    several = isinstance(exercise.reference(*exercise.visible[0].args), tuple)
    right = {name: dressed(exercise, dress) for name, dress in {**DRESSES, "read-only": _read_only}.items()}
    for name, function in [*right.items(), *(collections.items() if several else [])]:
        result = evaluate(exercise, function)
        assert (result.points, result.reason) == (POINTS, ""), (name, result)
        assert said_by_check(exercise, function, folder, monkeypatch, capsys).startswith("✓"), name


@by_name
def test_check_and_grader_agree_on_the_visible_instances(exercise, folder, monkeypatch, capsys):
    on_visible = Property(
        "visible", "the visible examples", 1.0, lambda rng: list(exercise.visible), unmodified=True
    )
    graded = dataclasses.replace(exercise, properties=(on_visible,))
    tried = [
        exercise.reference,
        *alternatives(exercise),
        *(function for m in exercise.misconceptions for function in m.versions),
        *(build(exercise) for build in WRONG.values()),
        spoiling(exercise),
    ]
    for function in tried:
        said = said_by_check(exercise, function, folder, monkeypatch, capsys)
        result = evaluate(graded, function)
        assert said.startswith("✓" if result.points == POINTS else "✗"), function
        named = re.findall(r"This is what one gets from: (.*)\.\n  (.*)\n  Read: (.*)", said)
        told = result.misconception, result.hint, release.place(result.link)
        assert named == ([told] if result.misconception else [])
        observed = result.properties[0].observation
        assert observed.rpartition(": ")[2] in said


def noisy(exercise):
    rng = np.random.default_rng(0)

    def disturb(value):
        if isinstance(value, tuple):
            return tuple(map(disturb, value))
        return np.asarray(value) * (1 + 0.01 * rng.standard_normal(np.shape(value))) + 1e-3

    return lambda *args: disturb(exercise.reference(*args))


WRONG = {
    "zero": lambda exercise: lambda *args: 0.0,
    "none": lambda exercise: lambda *args: None,
    "nan": lambda exercise: lambda *args: np.nan,
    "first argument": lambda exercise: lambda *args: args[0],
    "noise": noisy,
    "random": lambda exercise: (
        lambda *args: np.random.default_rng(1).random(np.shape(exercise.reference(*args)))
    ),
    "raises": lambda exercise: lambda *args: 1 / 0,
    "text": lambda exercise: lambda *args: "right",
    "set": lambda exercise: lambda *args: {1.0},
    "complex": lambda exercise: lambda *args: 1j,
    "truth": lambda exercise: lambda *args: True,
}


@by_name
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_answers_that_match_no_misconception_are_not_named(exercise, kind):
    result = evaluate(exercise, WRONG[kind](exercise))
    assert result.points <= 0.2 * POINTS
    assert result.misconception == ""
    assert result.reason
    assert result.hint == ""


@by_name
def test_a_function_that_only_hands_back_earns_nothing_for_leaving_its_arguments_alone(exercise):
    result = evaluate(exercise, lambda *args: 12345.678)
    assert result.points == 0


def spoiling(exercise):
    """Right answers, and every argument changed."""

    def spoil(value):
        if isinstance(value, np.ndarray):
            value += 1
        if isinstance(value, list):
            for item in value:
                spoil(item)

    def function(*args):
        answer = exercise.reference(*args)
        for argument in args:
            spoil(argument)
        return answer

    return function


@by_name
def test_changing_the_arguments_costs_that_property_alone(exercise):
    result = evaluate(exercise, spoiling(exercise))
    lost = [p for p in result.properties if p.observation]
    assert [p.name for p in lost] == [p.name for p in exercise.properties if p.unmodified]
    assert "the arguments were changed" in lost[0].observation
    assert result.misconception == ""


@by_name
def test_every_link_leads_to_a_place_in_the_book(exercise):
    listed = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    for section in {exercise.section, *(m.section for m in exercise.misconceptions)}:
        page, anchor = section.split(".html#")
        assert f"- file: {page}\n" in listed
        assert f"({anchor})=\n" in (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")


@by_name
def test_weights_add_up_and_points_stay_inside(exercise):
    assert sum(p.weight for p in exercise.properties) == pytest.approx(1.0)
    assert sum(p.unmodified for p in exercise.properties) == 1
    assert exercise.tolerance_reason


@by_name
def test_instances_depend_on_the_seed_alone(exercise):
    for item in exercise.properties:
        first, again, other = (checks.instances_of(exercise, item, seed) for seed in (3, 3, 4))
        assert str(first) == str(again)
        assert len(first) == len(other)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome("raised", error=STUB), "not attempted"),
        (Outcome("raised", error="Evil<script>"), "it raised an exception of its own"),
        (Outcome("raised", error="ValueError"), "it raised ValueError"),
        (Outcome("missing"), "there is no such function"),
        (Outcome("timeout"), "it did not finish in time"),
        (Outcome("died", error="ran out of memory"), "its process ended: ran out of memory"),
        (
            Outcome("wrong_type", error="Liar"),
            "it returned an object of another type than numbers and arrays",
        ),
    ],
)
def test_failures_have_reasons_that_repeat_nothing_of_the_students(outcome, reason):
    result = checks.evaluate(EXERCISES[0], lambda name, args: outcome, 0, POINTS)
    assert (result.points, result.reason) == (0, reason)


def test_a_misconception_that_also_times_out_somewhere_is_not_named():
    exercise = EXERCISES[0]
    misconception = exercise.misconceptions[0]
    count = iter(range(1000))

    def ask(name, args):
        return Outcome("timeout") if next(count) == 2 else check.call(misconception.function, args)

    assert checks.evaluate(exercise, ask, 0, POINTS).misconception == ""


def test_observations_of_hidden_instances_repeat_no_number():
    exercise = EXERCISES[0]
    result = evaluate(exercise, lambda q: 31.4159)
    assert all("31.4" not in p.observation for p in result.properties)
    shown = checks.visible_example(exercise, caller(lambda q: 31.4159))
    assert "31.4159" in shown
    assert "0.693147" in shown


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.complex_numbers()
    | st.text(max_size=3)
    | st.binary(max_size=3)
    | hnp.arrays(
        st.sampled_from(["?", "i1", "u8", "f2", "f4", "f8", "c16"]), hnp.array_shapes(min_dims=0, min_side=0)
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=2)
    ),
    max_leaves=6,
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(answer=PLAIN, after=PLAIN)
def test_no_answer_stops_the_checks(answer, after):
    for exercise in (EXERCISES[0], EXERCISES[5], EXERCISES[10]):

        def ask(name, args):
            return Outcome("value", answer, arguments_after=tuple(after for _ in args))

        result = checks.evaluate(exercise, ask, 0, POINTS)
        assert result.points < POINTS
        checks.visible_example(exercise, ask)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(
    shape=hnp.array_shapes(max_dims=3, max_side=40), expected=hnp.arrays("f8", hnp.array_shapes(max_dims=2))
)
def test_no_number_of_the_answers_choice_is_in_an_observation(shape, expected):
    """Through the shape that it returns, a function could tell a hidden instance to whoever reads the feedback."""
    for answer in (np.ones(shape), np.ones(shape).tolist(), tuple(np.ones(shape))):
        text = check.difference(expected, answer, 0.0, 0.0)
        numbers = {int(n) for n in re.findall(r"\d+", text)}
        assert numbers <= {len(shape), np.ndim(expected), 0, 1, 2}


def test_an_exit_status_says_nothing():
    told = [
        check.failure(Outcome("died", error=f"its process ended (exit status {n})"), 0, 0, 0)
        for n in (1, 200)
    ]
    assert told == ["its process ended"] * 2


def test_what_is_shown_of_a_huge_answer_is_short():
    for value in (
        np.zeros((2,) * 16),
        np.zeros((7,) * 6),
        ("x" * 150,) * 50_000,
        tuple(range(10**5)),
        [0] * 10**5,
    ):
        assert len(check.show(value)) < 1100
