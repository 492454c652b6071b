"""Finds out what this machine can do for the course, and says what to install or to mend.

Each check looks at one thing and gives one finding. "bad" means that grading can't go on, "note" that it is slower or
less comfortable than it could be.
"""

from __future__ import annotations

import os
import re
import resource
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
from autograder.sandbox import SandboxUnavailable, probe
from autograder.sandbox.bubblewrap import UNPRIVILEGED
from autograder.sandbox.inside import seccomp

PYTHONS = ((3, 11), (3, 13))
GIBIBYTE = 2**30
LEAST_DISK = GIBIBYTE
MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
"""Where a container sees the limits of its own control group."""


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
        limits = course.limits()
    except CourseError:
        limits = None  # another check tells
    try:
        found = probe(limits)
    except SandboxUnavailable as error:
        reason, *details = str(error).splitlines()
        yield Finding("sandbox", "bad", "; ".join(["none can be had here", *details]), reason)
        yield from _kernel()
        return
    nested = found.isolation == "nested"
    program = found.program + (
        f", run as user {UNPRIVILEGED} since you are root" if os.geteuid() == 0 else ""
    )
    advice = "" if nested else "grading is slower: mend what hinders nested user namespaces"
    yield Finding(
        "sandbox", "good" if nested else "note", "; ".join([found.description, program, *found.problems]), advice
    )  # fmt: skip
    # The first submission would not have started without it.
    yield Finding("seccomp", "good", "system calls that no exercise needs are refused")
    if nested:
        yield Finding("user namespaces", "good", "can be nested")
    else:
        yield from _kernel()


class _Switch(NamedTuple):
    """A setting of the kernel that forbids namespaces when it has a certain value."""

    path: str
    forbids: str
    command: str


SWITCHES = (
    _Switch("/proc/sys/user/max_user_namespaces", "0", "sysctl user.max_user_namespaces=10000"),
    _Switch("/proc/sys/kernel/unprivileged_userns_clone", "0", "sysctl kernel.unprivileged_userns_clone=1"),
    _Switch(
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
        "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)  # fmt: skip


def _kernel() -> Iterator[Finding]:
    """Say what of the kernel hinders a sandbox."""
    closed = [s for s in SWITCHES if Path(s.path).exists() and Path(s.path).read_text().strip() == s.forbids]
    for switch in closed:
        yield Finding(
            "user namespaces", "note", f"{switch.path} is {switch.forbids}, which forbids them",
            f"{switch.command}, as root; a file in /etc/sysctl.d makes it stay",
        )  # fmt: skip
    if not closed:
        yield Finding(
            "user namespaces", "note", "no setting of the kernel forbids them, so perhaps a container does",
            "start the container with --privileged, or with seccomp and AppArmor unconfined for it",
        )  # fmt: skip
    if not seccomp.is_available():
        yield Finding(
            "seccomp", "bad", f"this kernel has none, or {os.uname().machine} is neither x86_64 nor aarch64",
            "grade on a machine that has it",
        )  # fmt: skip


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
    wanted = {
        "RLIMIT_NPROC": limits.processes, "RLIMIT_NOFILE": limits.open_files, "RLIMIT_FSIZE": limits.disk,
        "RLIMIT_AS": limits.memory, "RLIMIT_CPU": limits.cpu_seconds,
    }  # fmt: skip
    lower = [name for name, value in wanted.items() if not _may_have(name, value)]
    if lower:
        yield Finding(
            "hard limits", "note", f"of this session, lower than a submission's: {', '.join(lower)}",
            "raise them in /etc/security/limits.conf, or in the service that starts the grader",
        )  # fmt: skip
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
    if shutil.which("systemd-run") is None:
        yield Finding("cgroup", "note", "there is no systemd-run, so the whole run can't be put under a limit of the system",
                      "a container's own limit on memory does the same")  # fmt: skip
    else:
        yield Finding(
            "cgroup",
            "good",
            "systemd-run --user --scope -p MemoryMax=8G autograder grade ... bounds a whole run",
        )


def _may_have(name: str, value: float) -> bool:
    hard = resource.getrlimit(getattr(resource, name))[1]
    return hard == resource.RLIM_INFINITY or hard >= value


def available_memory() -> int:
    """Return the bytes of memory that programs can still have, on the machine and in the container that this may be."""
    text = MEMINFO.read_text(encoding="ascii")
    available = int(re.search(r"MemAvailable:\s*(\d+) kB", text)[1]) * 1024
    most = (CGROUP / "memory.max").read_text().strip() if (CGROUP / "memory.max").exists() else "max"
    if most == "max":
        return available
    return min(available, max(0, int(most) - int((CGROUP / "memory.current").read_text())))


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


def without_secrets(db_url: str) -> str:
    """Return a gradebook's address as it may be printed: a password can stand before the host, or among the options."""
    url = sqlalchemy.make_url(db_url)
    return str(sqlalchemy.URL.create(url.drivername, url.username, None, url.host, url.port, url.database))


def _gradebook(course: Course) -> Iterator[Finding]:
    try:
        url = sqlalchemy.make_url(course.db_url)
        shown = without_secrets(course.db_url)
        if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
            yield Finding("gradebook", "good", f"{shown}: the first grading makes it")
            return
        engine = sqlalchemy.create_engine(url)
        with engine.connect() as connection:
            tables = sqlalchemy.inspect(connection).get_table_names()
        engine.dispose()
    except (SQLAlchemyError, ArgumentError, ImportError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        server = course.db_url.startswith("postgresql")
        yield Finding(
            "gradebook", "bad", f"can't be used: {reason}",
            f"start its server ({_install('postgresql', 'postgresql-server')} if there is none), or mend c.CourseDirectory.db_url "
            "in nbgrader_config.py" if server
            else "mend c.CourseDirectory.db_url in nbgrader_config.py, or put back a copy of the file",
        )  # fmt: skip
        return
    count = "empty" if "assignment" not in tables else "in use"
    yield Finding("gradebook", "good", f"{shown}: {count}")
    if url.get_backend_name() == "postgresql" and not course.course_id:
        yield Finding(
            "gradebook", "bad", "a PostgreSQL database wants the course to have a name",
            "set c.CourseDirectory.course_id in nbgrader_config.py",
        )  # fmt: skip


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
                _install(name),
            )


def _install(debian: str, fedora: str = "") -> str:
    """Say how a package of the system is installed."""
    return f"apt-get install {debian} on Debian and Ubuntu, dnf install {fedora or debian} on Fedora"


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
