"""What the doctor says on this machine, and what it says where something is missing (each absence is faked)."""

import os
import shutil
import sys
from collections import namedtuple
from importlib import metadata
from pathlib import Path

import pytest

from autograder import cli, doctor
from autograder.course import Course
from autograder.doctor import GIBIBYTE
from autograder.sandbox import SandboxUnavailable

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / "mean_field", tmp_path / "solutions" / "mean_field")
    return tmp_path


def found(check, folder):
    """The findings of one check: about -> (state, text, advice)."""
    return {finding.about: tuple(finding)[1:] for finding in check(Course(folder))}


def configure(folder, line):
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(f"\n{line}\n")


def test_this_machine(folder, capsys):
    """All checks together: a machine that runs these tests can grade, and the command says so."""
    assert cli.main(["doctor", "--course", str(folder)]) == 0
    said = capsys.readouterr().out
    for part in (
        "Python: 3.",
        "sandbox: each submission runs in",
        "GiB of memory",
        "processors",
        "gradebook: sqlite",
    ):
        assert part in said
    assert "this machine can grade" in said
    assert "✗" not in said


def test_a_bad_finding_is_the_exit_code(folder, monkeypatch, capsys):
    monkeypatch.setattr(
        doctor, "CHECKS", (lambda course: iter([doctor.Finding("x[y]", "bad", "broken", "mend it")]),)
    )
    assert cli.main(["doctor", "--course", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "✗ x[y]: broken\n    mend it\n" in said
    assert "something has to be mended" in said


def test_another_python(folder, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 9, "final", 0))
    state, text, advice = found(doctor._python, folder)["Python"]
    assert (state, text) == ("bad", "3.10.9")
    assert "3.11 to 3.13" in advice


def test_packages(folder, monkeypatch):
    shutil.copy(ROOT / "requirements.lock", folder)
    assert found(doctor._packages, folder)["packages"][0] == "good"
    real = metadata.version

    def version(name):
        if name == "nh3":
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "nbgrader" else real(name)

    monkeypatch.setattr(metadata, "version", version)
    state, text, advice = found(doctor._packages, folder)["packages"]
    assert state == "note"
    assert "nh3 is missing" in text
    assert "nbgrader is 0.1, not ==" in text
    assert "make course" in advice


def test_no_sandbox(folder, monkeypatch):
    def refuse():
        raise SandboxUnavailable("install bubblewrap")

    monkeypatch.setattr(doctor, "Sandbox", refuse)
    assert found(doctor._sandbox, folder)["sandbox"] == ("bad", "none can be had here", "install bubblewrap")


def test_no_bubblewrap(folder, monkeypatch):
    monkeypatch.setattr("autograder.sandbox.bubblewrap.candidates", list)
    state, _, advice = found(doctor._sandbox, folder)["sandbox"]
    assert state == "bad"
    assert "no bubblewrap program was found" in advice


def test_no_nested_namespaces(folder, monkeypatch):
    real = doctor.Sandbox
    monkeypatch.setattr(doctor, "Sandbox", lambda: real(isolation="bubblewrap"))
    state, text, advice = found(doctor._sandbox, folder)["sandbox"]
    assert state == "note"
    assert "a bubblewrap of its own" in text
    assert "user namespaces" in advice


def test_wrong_limits(folder):
    configure(folder, "c.Autograder.limits = {'fame': 1}")
    state, text, _ = found(doctor._limits, folder)["limits"]
    assert state == "bad"
    assert "no limit 'fame'" in text


def test_little_memory(folder, monkeypatch):
    assert doctor.available_memory() > GIBIBYTE // 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(16))
    monkeypatch.setattr(doctor, "available_memory", lambda: 5 * GIBIBYTE)
    findings = found(doctor._limits, folder)
    assert findings["jobs"][1].startswith("16 processors")
    assert findings["memory"][0] == "note"
    assert "--jobs 2" in findings["memory"][2]


def test_a_full_disk_and_a_folder_of_someone_else(folder, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1, 1, 10**6))
    monkeypatch.setattr(os, "access", lambda *_: False)
    findings = found(doctor._disk, folder)
    assert findings["disk"][0] == findings["folder"][0] == "bad"
    assert "can't be written to" in findings["folder"][1]


def test_kernels_that_are_not_compiled(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(doctor.lectures_lib, "__file__", str(tmp_path / "__init__.py"))
    state, _, advice = found(doctor._kernels, folder)["numba's cache"]
    assert state == "note"
    assert "python -m lectures_lib" in advice


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql+psycopg://ada:secret@127.0.0.1:9/gradebook", "can't be used"),
        ("nothing", "Could not parse"),
        ("fortran://host/x", "can't be used"),
    ],
)
def test_a_gradebook_out_of_reach(folder, url, reason):
    configure(folder, f"c.CourseDirectory.db_url = {url!r}")
    state, text, advice = found(doctor._gradebook, folder)["gradebook"]
    assert state == "bad"
    assert reason in text
    assert "secret" not in text + advice
    assert "db_url" in advice


def test_a_gradebook_file(folder):
    assert "the first grading makes it" in found(doctor._gradebook, folder)["gradebook"][1]
    (folder / "gradebook.db").write_text("no database" * 1000)
    assert found(doctor._gradebook, folder)["gradebook"][0] == "bad"


def test_assignments(folder):
    state, text, advice = found(doctor._assignments, folder)["assignments"]
    assert (state, text) == ("note", "mean_field")
    assert "make release" in advice
    (folder / "release" / "mean_field").mkdir(parents=True)
    assert found(doctor._assignments, folder)["assignments"][0] == "good"
    (folder / "solutions" / "mean_field" / "mean_field.ipynb").write_text("{")
    assert found(doctor._assignments, folder)["assignments"][0] == "bad"
    shutil.rmtree(folder / "solutions")
    assert found(doctor._assignments, folder)["assignments"][:2] == ("bad", "there are none")


def test_submissions(folder):
    assert "demonstrate" in found(doctor._submissions, folder)["submissions"][2]
    (folder / "submitted" / "ada").mkdir(parents=True)
    assert "1 students have a folder" in found(doctor._submissions, folder)["submissions"][1]
    (folder / "submitted" / "ada; rm").mkdir()
    assert "'ada; rm'" in found(doctor._submissions, folder)["submissions"][1]


def test_programs_that_are_missing(folder, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    findings = found(doctor._programs, folder)
    assert {state for state, _, _ in findings.values()} == {"note"}
    assert "apt-get install chromium" in findings["chromium"][2]
