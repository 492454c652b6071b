"""The command line as an instructor meets it: help, results, exit codes, and messages that say what to do next."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course with two submissions: one solved, one that isn't a notebook."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions" / "mean_field", folder / "solutions" / "mean_field")
    for student in ("ada", "zoe"):
        (folder / "submitted" / student / "mean_field").mkdir(parents=True)
    source = folder / "solutions" / "mean_field" / "mean_field.ipynb"
    shutil.copy(source, folder / "submitted" / "ada" / "mean_field")
    (folder / "submitted" / "zoe" / "mean_field" / "mean_field.ipynb").write_bytes(b"\x00\xff")
    return folder


def autograder(*arguments, **options):
    program = Path(sys.executable).with_name("autograder")
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=300, check=False, **options
    )


def test_grading_a_class(course):
    first = autograder("grade", "mean_field", "--course", course, "--jobs", "1")
    assert first.returncode == 0, first.stderr
    assert "2 graded now, 2 submissions in all" in first.stdout
    assert "20 / 20" in first.stdout
    assert "no notebook" in first.stdout
    again = autograder("grade", "mean_field", cwd=course)
    assert (again.returncode, "0 graded now" in again.stdout) == (0, True)
    forced = autograder("grade", "mean_field", "--student", "zoe", "--force", "--quiet", cwd=course)
    assert (forced.returncode, forced.stdout) == (0, "mean_field: 1 graded now, 2 submissions in all\n")
    report = json.loads((course / "autograded" / "ada" / "mean_field" / "report.json").read_text())
    assert sum(result["points"] for result in report["exercises"]) == 20
    assert (course / "feedback" / "zoe" / "mean_field" / "mean_field.html").exists()
    table = autograder("table", "mean_field", "--course", course)
    assert table.stdout.count("/ 20") == 2
    pages = autograder("feedback", "mean_field", "--course", course)
    assert pages.stdout.startswith("mean_field: 2 feedback pages in ")
    overview = autograder("overview", "--course", course)
    assert "gradebook: sqlite:///" in overview.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["grade", "poetry"], "there is no assignment 'poetry'; these are: mean_field"),
        (
            ["grade", "mean_field", "--student", "nobody"],
            "there is no submission of nobody for mean_field in ",
        ),
        (["table", "poetry"], "there is no assignment 'poetry'"),
        (
            ["grade", "mean_field", "--course", "/nonexistent"],
            "is no course directory, since it has no nbgrader_config.py",
        ),
    ],
)
def test_mistakes_get_one_sentence_and_exit_code_2(course, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(course)
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.strip().startswith("autograder: ")
    assert message in error
    assert "Traceback" not in error


def test_a_scheduler_that_does_not_answer(course, monkeypatch, capsys):
    monkeypatch.chdir(course)
    monkeypatch.setattr("autograder.cluster.SCHEDULER_SECONDS", 1.0)
    arguments = ["grade", "mean_field", "--force", "--scheduler", "tcp://127.0.0.1:9"]
    assert cli.main(arguments) == 2
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["grade"], ["grade", "x", "--jobs", "0"], ["grade", "x", "--jobs", "many"], ["fly"]]
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "usage: autograder" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["grade"], ["table"], ["feedback"], ["demonstrate"], ["overview"]])
def test_every_command_has_help_with_an_example_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([*command, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert "example:" in text
    assert "exit codes:" in text
