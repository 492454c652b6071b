"""Wrong answers that are right on most examples lose the property that they break, whatever the seed."""

import importlib

import pytest

from autograder import check, checks, exercises

ASSIGNMENTS = ["gibbs_principle", "mean_field", "two_kls", "em", "dbn"]
CASES = [
    (exercises.load(assignment)[function], wrong, lost)
    for assignment in ASSIGNMENTS
    for function, cases in importlib.import_module(f"tests.near_misses.{assignment}").NEAR_MISSES.items()
    for wrong, lost in cases
]


@pytest.mark.parametrize("seed", [0, 17])
@pytest.mark.parametrize(("exercise", "wrong", "lost"), CASES)
def test_a_near_miss_loses_its_property_and_has_no_name(exercise, wrong, lost, seed):
    result = checks.evaluate(exercise, lambda _, args: check.call(wrong, args), seed, 1.0)
    assert lost in {p.name for p in result.properties if p.observation}
    assert result.misconception == ""
