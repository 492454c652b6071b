"""The command line as an instructor meets it: help, results, exit codes, and messages that say what to do next."""

import contextlib
import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from nbgrader.api import Gradebook

from autograder import cli, gradebook
from autograder.course import Course
from autograder.report import Report, to_json

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
        (["grade", "mean_fild"], "there is no assignment 'mean_fild' (did you mean mean_field?)"),
        (["similarity", "meanfield"], "did you mean mean_field?"),
        (["gradescope", "meanfield"], "did you mean mean_field?"),
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
    "arguments",
    [
        [],
        ["grade"],
        ["grade", "x", "--jobs", "0"],
        ["grade", "x", "--jobs", "many"],
        ["grade", "x", "--scheduler", "host:8786"],
        ["grade", "x", "--scheduler", "tcp://host"],
        ["grade", "x", "--scheduler", "tcp://host:port"],
        ["fly"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    assert exit_.value.code == 2
    assert "usage: autograder" in capsys.readouterr().err


def all_commands():
    (commands,) = (action for action in cli._parser()._actions if action.choices)
    return [[], *([name] for name in commands.choices)]


def test_there_are_commands():
    assert {"grade", "similarity", "doctor", "gradescope"} <= {
        name for names in all_commands() for name in names
    }


@pytest.mark.parametrize("command", all_commands(), ids=" ".join)
def test_every_command_has_help_with_an_example_and_exit_codes(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        cli.main([*command, "--help"])
    assert exit_.value.code == 0
    text = capsys.readouterr().out
    assert f"example:\n  autograder {' '.join(command)}" in text
    assert "exit codes:" in text


@pytest.fixture
def broken(tmp_path):
    """A course without submissions, for a test to break."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / "mean_field", tmp_path / "solutions" / "mean_field")
    return tmp_path


def submit(folder):
    (folder / "submitted" / "zoe" / "mean_field").mkdir(parents=True)


def configure(folder, line):
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(f"\n{line}\n")


def graded_already(folder):
    """A result that has lost its notebook."""
    submit(folder)
    report = Report(student="zoe", assignment="mean_field", status="refused", reason="no")
    (folder / "autograded" / "zoe" / "mean_field").mkdir(parents=True)
    (folder / "autograded" / "zoe" / "mean_field" / "report.json").write_text(to_json(report))


@pytest.mark.parametrize(
    ("spoil", "command", "message"),
    [
        (lambda f: None, "grade", "there is no submission for mean_field: put each student's notebook at "),
        (lambda f: None, "table", "nothing of mean_field is graded yet: run autograder grade mean_field"),
        (lambda f: None, "feedback", "nothing of mean_field is graded yet"),
        (lambda f: configure(f, "1 +"), "grade", "nbgrader_config.py can't be run (SyntaxError"),
        (lambda f: configure(f, "import no_such_module"), "similarity", "can't be run (ModuleNotFoundError"),
        (lambda f: (f / "nbgrader_config.py").unlink(), "doctor", "is no course directory"),
        (
            lambda f: (f / "solutions" / "mean_field" / "mean_field.ipynb").write_text("{"),
            "grade",
            "can't be read as a notebook: put back a copy",
        ),
        (
            lambda f: (submit(f), configure(f, "c.Autograder.limits = {'fame': 1}")),
            "grade",
            "there is no limit 'fame'",
        ),
        (
            lambda f: (submit(f), (f / ".hidden_seed").write_text("lost")),
            "grade",
            "holds no seed (expected a hexadecimal number): restore it, or delete it",
        ),
        (graded_already, "feedback", "mean_field.ipynb: No such file or directory: see that it is there"),
        (
            lambda f: (graded_already(f), (f / "gradebook.db").write_text("not a database" * 100)),
            "feedback",
            "the gradebook can't be used (",
        ),
        (lambda f: (f / "_build").write_text("a file"), "gradescope", "_build"),
    ],
)
def test_what_can_be_mended_gets_one_sentence(broken, monkeypatch, capsys, spoil, command, message):
    monkeypatch.chdir(broken)
    spoil(broken)
    if (broken / "gradebook.db").exists():
        submitted = broken / "autograded" / "zoe" / "mean_field" / "mean_field.ipynb"
        shutil.copy(broken / "solutions" / "mean_field" / "mean_field.ipynb", submitted)
    arguments = [command] if command == "doctor" else [command, "mean_field"]
    assert cli.main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert error.strip().splitlines()[-1].startswith("autograder: ")


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EACCES, "give yourself the right to write there"),
    ],
)
def test_what_can_not_be_written_while_grading(broken, monkeypatch, capsys, number, advice):
    """One sentence, and the code that says that results are missing."""
    submit(broken)

    def fail(path, _):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(gradebook, "_replace", fail)
    assert cli.main(["grade", "mean_field", "--course", str(broken), "--jobs", "1"]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said.startswith(f"autograder: {broken / 'autograded' / 'zoe'}")
    assert said.endswith(
        f" can't be written ({os.strerror(number)}): {advice}, and start again; what is graded is kept"
    )


def test_a_gradebook_that_somebody_has_locked(broken, monkeypatch, capsys):
    submit(broken)
    Gradebook(f"sqlite:///{broken / 'gradebook.db'}").close()
    monkeypatch.setattr(gradebook, "LOCK_SECONDS", 0.0)
    with contextlib.closing(sqlite3.connect(broken / "gradebook.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert cli.main(["grade", "mean_field", "--course", str(broken)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(
        "autograder: the gradebook was locked for 0 seconds: close the other programs that use it"
    )


@pytest.mark.parametrize(
    "command",
    ["grade", "feedback", "similarity", "gradescope", "validate", "table", "overview", "demonstrate"],
)
def test_an_error_of_the_system_in_any_command(broken, monkeypatch, capsys, command):
    """Whatever the system refuses, and wherever: one sentence that names the place, even if the system names none."""

    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Course, "assignments", fail)
    arguments = [command] if command in ("overview", "demonstrate") else [command, "mean_field"]
    assert cli.main([*arguments, "--course", str(broken)]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"autograder: {broken}: Input/output error: see that it is there")


def test_a_reader_that_has_seen_enough(broken):
    """Is `autograder demonstrate | true` quiet?"""
    program = Path(sys.executable).with_name("autograder")
    shell = f"set -o pipefail; {program} demonstrate 2>said | sleep 0"
    subprocess.run(["bash", "-c", shell], cwd=broken, check=False, timeout=300)
    assert (broken / "said").read_text() == ""
