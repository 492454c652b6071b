"""Finds out what this machine can do for the course, and says what to install or to mend.

Each check looks at one thing and gives one finding. "bad" means that grading can't go on, "note" that it is slower or
less comfortable than it could be.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import sqlalchemy
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

import lectures_lib
from autograder import grade_class
from autograder.course import Course, CourseError
from autograder.intake import student_folders, unsafe_folders
from autograder.sandbox import Sandbox, SandboxUnavailable

PYTHONS = ((3, 11), (3, 13))
GIBIBYTE = 2**30
LEAST_DISK = GIBIBYTE


class Finding(NamedTuple):
    """What a check found: its state is "good", "note" or "bad"."""

    about: str
    state: str
    text: str
    advice: str = ""  # what to do, "" when there is nothing


def examine(course: Course) -> Iterator[Finding]:
    """Run every check, and yield what it found as soon as it did."""
    for check in CHECKS:
        yield from check(course)


def _python(course: Course) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]:
        yield Finding("Python", "good", f"{version}, {sys.executable}")
    else:
        first, last = (".".join(map(str, pair)) for pair in PYTHONS)
        yield Finding(
            "Python",
            "bad",
            version,
            f"install a Python from {first} to {last}, remove .venv, and run make course",
        )


def _packages(course: Course) -> Iterator[Finding]:
    lock = course.directory / "requirements.lock"
    if not lock.exists():
        yield Finding("packages", "note", "there is no requirements.lock to compare with")
        return
    wrong = []
    lines = re.findall(r"^[A-Za-z0-9][^\\\n]*==[^\\\n]*", lock.read_text(encoding="utf-8"), re.MULTILINE)
    for requirement in map(Requirement, lines):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            version = metadata.version(canonicalize_name(requirement.name))
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, not {requirement.specifier}")
    if wrong:
        more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
        yield Finding(
            "packages", "note", "; ".join(wrong[:5]) + more, "touch requirements.lock, and run make course"
        )
    else:
        yield Finding("packages", "good", f"{len(lines)} versions are as requirements.lock names them")


def _sandbox(course: Course) -> Iterator[Finding]:
    try:
        with Sandbox() as sandbox:
            first, *others = sandbox.describe().splitlines()
    except SandboxUnavailable as error:
        yield Finding("sandbox", "bad", "none can be had here", str(error))
        return
    nested = "namespaces" in first
    advice = (
        ""
        if nested
        else "grading is slower: allow nested user namespaces (sysctl user.max_user_namespaces) to mend that"
    )
    yield Finding("sandbox", "good" if nested else "note", "; ".join([first, *others]), advice)


def _limits(course: Course) -> Iterator[Finding]:
    try:
        limits = course.limits()
    except CourseError as error:
        yield Finding("limits", "bad", str(error), "mend c.Autograder.limits in nbgrader_config.py")
        return
    text = (
        f"a submission has {limits.submission_seconds:g} s, {limits.memory / GIBIBYTE:.3g} GiB of memory and "
        f"{limits.processes} processes; a cell {limits.cell_seconds:g} s, a call {limits.call_seconds:g} s"
    )
    yield Finding("limits", "good", text)
    jobs = len(os.sched_getaffinity(0))
    yield Finding("jobs", "good", f"{jobs} processors: {jobs} submissions are graded at once by default")
    memory = available_memory()
    if memory < jobs * limits.memory:
        fit = max(1, int(memory // limits.memory))
        yield Finding(
            "memory", "note", f"{memory / GIBIBYTE:.1f} GiB are free, less than {jobs} submissions may take together",
            f"grade with --jobs {fit} if submissions fail for memory",
        )  # fmt: skip
    else:
        yield Finding("memory", "good", f"{memory / GIBIBYTE:.1f} GiB are free")


def available_memory() -> int:
    """Return the bytes of memory that programs can still have."""
    text = Path("/proc/meminfo").read_text(encoding="ascii")
    return int(re.search(r"MemAvailable:\s*(\d+) kB", text)[1]) * 1024


def _disk(course: Course) -> Iterator[Finding]:
    if not os.access(course.directory, os.W_OK):
        yield Finding(
            "folder", "bad", f"{course.directory} can't be written to", f"chown or chmod it, so that you may: chmod u+w {course.directory}"
        )  # fmt: skip
    free = shutil.disk_usage(course.directory).free
    if free < LEAST_DISK:
        yield Finding(
            "disk", "bad", f"{free / GIBIBYTE:.2f} GiB are free", "make room: grading a class writes about 1 MB a submission"
        )  # fmt: skip
    else:
        yield Finding("disk", "good", f"{free / GIBIBYTE:.0f} GiB are free")


def _kernels(course: Course) -> Iterator[Finding]:
    cache = Path(lectures_lib.__file__).parent / "__pycache__"
    compiled = len(list(cache.glob("*.nbi")))
    if compiled:
        yield Finding("numba's cache", "good", f"{compiled} kernels are compiled")
    else:
        yield Finding(
            "numba's cache", "note", "empty: the first grading compiles the kernels", "python -m lectures_lib fills it, in about a minute"
        )  # fmt: skip


def _gradebook(course: Course) -> Iterator[Finding]:
    try:
        url = sqlalchemy.make_url(course.db_url)
        shown = url.render_as_string(hide_password=True)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            yield Finding("gradebook", "good", f"{shown}: the first grading makes it")
            return
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
        engine.dispose()
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        yield Finding(
            "gradebook", "bad", f"can't be used: {reason}",
            "mend c.CourseDirectory.db_url in nbgrader_config.py, start its server, or put back a copy of the file",
        )  # fmt: skip
        return
    count = "empty" if "assignment" not in tables else "in use"
    yield Finding("gradebook", "good", f"{shown}: {count}")


def _assignments(course: Course) -> Iterator[Finding]:
    names = course.assignments()
    if not names:
        yield Finding(
            "assignments", "bad", "there are none", "put NAME/NAME.ipynb into the folder of solutions, or choose the folder with --course"
        )  # fmt: skip
    for name in names:
        try:
            grade_class.check_assignment(course, name)
        except grade_class.NotGradable as error:
            yield Finding("assignments", "bad", name, str(error))
            return
    released = [name for name in names if (course.release_folder / name).is_dir()]
    if names:
        missing = ", ".join(sorted(set(names) - set(released)))
        advice = f"make release writes what students receive (missing: {missing})" if missing else ""
        yield Finding("assignments", "note" if missing else "good", ", ".join(names), advice)


def _submissions(course: Course) -> Iterator[Finding]:
    students = student_folders(course.submitted_folder)
    skipped = unsafe_folders(course.submitted_folder)
    if skipped:
        yield Finding(
            "submissions", "note", f"folders that are skipped: {', '.join(skipped[:5])}",
            "rename them: a student's id has letters, digits and _@+-. only",
        )  # fmt: skip
    elif students:
        yield Finding(
            "submissions", "good", f"{len(students)} students have a folder in {course.submitted_folder}"
        )
    else:
        yield Finding(
            "submissions",
            "note",
            f"none in {course.submitted_folder}",
            "autograder demonstrate writes some to try",
        )


def _programs(course: Course) -> Iterator[Finding]:
    for name, use in (("chromium", "the tests in a browser"), ("make", "make course"), ("git", "make lint")):
        if shutil.which(name):
            yield Finding(name, "good", shutil.which(name))
        else:
            yield Finding(
                name,
                "note",
                f"not found; only {use} needs it",
                f"apt-get install {name}, or your system's way",
            )


CHECKS: tuple[Callable[[Course], Iterator[Finding]], ...] = (
    _python,
    _packages,
    _sandbox,
    _limits,
    _disk,
    _kernels,
    _gradebook,
    _assignments,
    _submissions,
    _programs,
)
