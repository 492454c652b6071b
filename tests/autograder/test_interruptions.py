"""Whatever is killed, full, locked or read-only: is nothing lost, and does the next run end where an undisturbed one does?"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from autograder import grade_class, gradebook
from autograder.course import Course
from autograder.grade_class import Stopped
from autograder.gradebook import GradebookError

ASSIGNMENT = "gibbs_principle"
pytestmark = pytest.mark.timeout(1800)  # several whole runs each, which a busy machine makes slow


def role(name, main, processes):
    """Processes of a run by what they do; the workers' nannies live in the main process."""
    # The workers' parent is a copy of the main process; Python's other process of its own keeps account of semaphores.
    forking = {pid for pid, (parent, command) in processes.items()
               if parent == main and "autograder grade" in command}  # fmt: skip
    match name:
        case "main":
            return [main]
        case "workers' parent":
            return sorted(forking)
        case "worker":
            return sorted(pid for pid, (parent, _) in processes.items() if parent in forking)
        case "bubblewrap":
            return sorted(pid for pid, (_, command) in processes.items() if "bwrap --unshare" in command)
        case "fork server":
            above = role("bubblewrap", main, processes)
            return sorted(pid for pid, (parent, _) in processes.items() if parent in above)
        case "copy of the fork server":
            above = role("fork server", main, processes)
            return sorted(pid for pid, (parent, _) in processes.items() if parent in above)
        case "submission":
            above = role("copy of the fork server", main, processes)
            return sorted(pid for pid, (parent, _) in processes.items() if parent in above)


def killed(name, main, processes):
    """Kill the first process of a role that is still there; false if there is none."""
    for victim in role(name, main, processes):
        with contextlib.suppress(ProcessLookupError):  # a submission's process lasts 0.1 s
            os.kill(victim, signal.SIGKILL)
            return True
    return False


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("main", 0),
        ("main", 4),
        ("worker", 1),
        ("workers' parent", 1),
        ("bubblewrap", 1),
        ("fork server", 2),
        ("copy of the fork server", 2),
        ("submission", 0),  # the first reports are written when all of a class as small are graded
    ],
)
def test_kill_9(graded_class, waiting_class, tools, name, after):
    """A process is killed once some results are there."""
    run = tools.start(waiting_class, "--jobs", "2")
    tools.wait_until(lambda: tools.num_reports(waiting_class) >= after)
    family = tools.descendants(run.pid)
    while not killed(name, run.pid, family):
        family = tools.wait_until(lambda: tools.descendants(run.pid))
    code, out, err = tools.finished(run)
    tools.wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in family), 20)
    if name == "main":
        assert code == -signal.SIGKILL
        kept = tools.num_reports(waiting_class)
        assert after <= kept < len(os.listdir(waiting_class / "submitted"))
        code, out, err = tools.finished(tools.start(waiting_class, "--jobs", "2"))
        assert f"{ASSIGNMENT}: {7 - kept} graded now, 7 submissions in all\n" == out
    assert code == 0, err
    assert "Traceback" not in err
    assert tools.results(waiting_class) == graded_class.results


FULL_DISK = """
set -e
mount -t tmpfs -o size={size} tmpfs {place}
cp -a {source}/. {place}
cd {place}
head -c 50M /dev/zero > ballast 2>/dev/null || truncate -s -{left} ballast
code=0
{program} grade {assignment} --quiet --jobs 2 >{logs}/full 2>&1 || code=$?
echo $code >{logs}/full-code
ls autograded/*/*/report.json 2>/dev/null | wc -l >{logs}/full-reports
rm ballast
mount -t tmpfs -o remount,size=100m tmpfs {place}
{program} grade {assignment} --quiet --jobs 2 >{logs}/resumed 2>&1
mount -t tmpfs -o remount,ro tmpfs {place}
code=0
{program} grade {assignment} --force --quiet --jobs 2 >{logs}/read-only 2>&1 || code=$?
echo $code >{logs}/read-only-code
cp -a {place}/. {logs}/course
"""


def test_a_full_disk_and_a_read_only_one(graded_class, tmp_path, tools):
    """The course lies on a disk that fills up while it is graded, and later becomes read-only."""
    place, logs = tmp_path / "small", tmp_path / "logs"
    place.mkdir()
    logs.mkdir()
    script = FULL_DISK.format(
        size="2m", left=220_000, place=place, source=graded_class.folder, logs=logs, assignment=ASSIGNMENT,
        program=Path(sys.executable).with_name("autograder"),
    )  # fmt: skip
    own = [] if os.geteuid() == 0 else ["--map-root-user"]  # who isn't root may mount in a user namespace
    subprocess.run(["unshare", *own, "--mount", "sh", "-c", script], check=True, timeout=1500)
    said = (logs / "full").read_text()
    assert (logs / "full-code").read_text() == "1\n"
    assert "free some space, and start again; what is graded is kept" in said
    assert "Traceback" not in said
    kept = int((logs / "full-reports").read_text())
    assert kept < 7
    assert f"{7 - kept} graded now" in (logs / "resumed").read_text()
    said = (logs / "read-only").read_text()
    assert (logs / "read-only-code").read_text() == "1\n"
    assert (
        "can't be written (Read-only file system): mend that, and start again; what is graded is kept" in said
    )
    assert "Traceback" not in said
    assert tools.results(logs / "course") == graded_class.results


def test_a_gradebook_that_is_locked(graded_class, waiting_class, tools, monkeypatch):
    """Another program takes the lock when the third result is there, and keeps it."""
    monkeypatch.setattr(gradebook, "LOCK_SECONDS", 0.0)
    course = Course(waiting_class)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(
            contextlib.closing(sqlite3.connect(waiting_class / "gradebook.db", isolation_level=None))
        )

        def lock(step):
            if step.done == 3:
                other.execute("BEGIN EXCLUSIVE")

        with pytest.raises(Stopped, match="was locked for 0 seconds: close the other programs"):
            grade_class.grade(course, ASSIGNMENT, jobs=2, progress=lock)
        assert tools.num_reports(waiting_class) == 3
        with pytest.raises(GradebookError, match="was locked"):
            grade_class.grade(course, ASSIGNMENT, jobs=2)
        other.execute("ROLLBACK")
    resumed = grade_class.grade(course, ASSIGNMENT, jobs=2)
    assert len(resumed) == 4
    assert tools.results(waiting_class) == graded_class.results
