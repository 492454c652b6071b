"""What a course's configuration decides."""

import pytest

from autograder.sandbox import Limits


def test_limits(course):
    assert course.limits() == Limits()
    course.config.Autograder.limits = {"cell_seconds": 60, "memory": 2**30}
    assert course.limits() == Limits(cell_seconds=60, memory=2**30)


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"cell_second": 60}, "no limit 'cell_second'; these are: submission_seconds, cpu_seconds"),
        ({"memory": "2 GB"}, "a whole number above zero for memory, got '2 GB'"),
        ({"memory": 1.5}, "a whole number above zero"),
        ({"cell_seconds": 0}, "a number above zero"),
        ({"cell_seconds": float("nan")}, "a number above zero"),
        ({"processes": True}, "a whole number above zero"),
    ],
)
def test_limits_that_are_none(course, limits, problem):
    course.config.Autograder.limits = limits
    with pytest.raises(ValueError, match=r"c\.Autograder\.limits") as error:
        course.limits()
    assert problem in str(error.value)
