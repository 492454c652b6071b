"""No reference, seed, hidden instance or secret is in the sandbox: all of its processes' memory is searched, from outside."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest

from autograder import checks, demonstration, exercises
from autograder.exercise import Exercise
from autograder.grade import Task, grade_submission
from autograder.intake import Submission, SubmittedCell, parse
from autograder.report import to_json
from autograder.sandbox import Limits, Sandbox
from tests.attacks.submission import FULL, FUNCTIONS, NAME

ROOT = Path(__file__).parents[2]
SECRET = "CANARY-51c0de"
SEED = 0x51C0DE51C0DE51C0DE51C0DE51C0DE51
MARK = "a-name-that-only-this-submission-has"


def descendants(pid: int) -> list[int]:
    """A process and all that come from it."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except OSError:
            continue
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def regions(pid: int) -> Iterator[bytes]:
    """What a process can read and write of its memory."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    if not lines:
        return  # it has ended, and its parent hasn't asked yet
    with open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in lines:
            addresses, rights = line.split()[:2]
            if rights.startswith("rw") and "[v" not in line:
                start, end = (int(number, 16) for number in addresses.split("-"))
                memory.seek(start)
                yield memory.read(end - start)


def found(pid: int, texts: list[bytes], numbers: np.ndarray) -> list:
    """Texts, and doubles where doubles are kept, that stand in a process's memory."""
    seen: list = []
    for region in regions(pid):
        seen += [text for text in texts if text in region]
        words = np.frombuffer(region, "<u8")
        seen += [number for number in numbers if (words == number.view("<u8")).any()]
    return seen


def found_by_root(pid: int, texts: list[bytes], numbers: np.ndarray) -> list:
    """As `found`, in a process that is closed to everybody but root: to others, that is what has to be seen."""
    if os.geteuid() == 0:
        return found(pid, texts, numbers)
    with pytest.raises(PermissionError):
        found(pid, texts, numbers)
    return []


TEXTS = [
    SECRET,
    f"{SEED:x}",
    str(SEED),
    "lectures_lib",
    "autograder.exercises",
    ".hidden_seed",
    "gradebook.db",
]


def secret_numbers() -> np.ndarray:
    """One number of each property's first hidden instance, and one of its right answer."""
    numbers = []
    for exercise in exercises.load(NAME).values():
        for item in exercise.properties:
            instance = checks.instances_of(exercise, item, SEED)[0]
            for values in (
                np.concatenate([np.ravel(a) for a in instance.args]),
                exercise.reference(*instance.args),
            ):
                numbers += [x for x in np.ravel(values).tolist() if len(repr(x)) > 15][:1]
    assert len(numbers) > 15
    return np.array(numbers)


@pytest.fixture(scope="module")
def task() -> Task:
    source = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    solved = json.loads(next(demonstration.students(NAME, source)).notebook)
    for cell in source.cells:
        cell.source = cell.source.replace("### BEGIN SOLUTION\n", f"### BEGIN SOLUTION\n    # {SECRET}\n")
    cell = {"cell_type": "code", "metadata": {}, "source": f"mark = '{MARK}'", "outputs": []}
    solved["cells"].insert(0, cell)
    submission = parse(json.dumps(solved).encode())
    return Task("ada", NAME, submission, nbformat.writes(source), SEED, "", "")


def test_memory_of_every_process(task, monkeypatch):
    """Is no secret in the server, the kept states and the keeper, when the first hidden instance is about to be sent?

    Afterwards the server and the keeper know none either: what was sent instances are states, which end with the submission.
    """
    secrets = [text.encode() for text in TEXTS], secret_numbers()
    evaluate = checks.evaluate
    leaks, calls = {}, []

    def family() -> list[int]:
        return descendants(sandbox._server.pid)[1:]  # bubblewrap itself is of the trusted side

    def watched(exercise, ask, seed, max_points):
        if not calls:
            server, keeper, *states = family()
            assert len(states) == len(FUNCTIONS)
            for pid in (server, keeper):
                leaks["before the first", pid] = found_by_root(pid, *secrets)
            for pid in (states[0], states[-1]):  # the others are between
                leaks["before the first", pid] = found(pid, *secrets)
            assert found(states[-1], [MARK.encode()], secrets[1])  # so the search finds what is there
        calls.append(exercise.function)
        result = evaluate(exercise, ask, seed, max_points)
        if len(calls) == len(FUNCTIONS):
            server, keeper, *_ = family()
            for pid in (server, keeper):
                leaks["after the last", pid] = found_by_root(pid, *secrets)
        return result

    monkeypatch.setenv("AUTOGRADER_SECRET", SECRET)
    with Sandbox() as sandbox:
        monkeypatch.setattr(checks, "evaluate", watched)
        assert grade_submission(task, sandbox).report.points == FULL
        assert {moment for moment, _ in leaks} == {"before the first", "after the last"}
        assert {place: seen for place, seen in leaks.items() if seen} == {}
        server = descendants(sandbox._server.pid)[1:]
        assert len(server) == 1
        assert found_by_root(server[0], *secrets) == []


CONSTANTS = "def f(*args): return 0.5\nentropy = kl = elbo = posterior = quickscore = f"


def test_memory_between_the_calls(task, monkeypatch):
    """Are a state after each part of the notebook, and a process that has answered all calls of an exercise, as ignorant?

    The code computes nothing, so a right answer in its memory would have been sent to it. What it was sent is there to be found.
    """
    cells = [cell for cell in task.submission.cells if cell.grade_id not in FUNCTIONS]
    cells.insert(0, SubmittedCell("code", CONSTANTS, None))
    blank = dataclasses.replace(task, submission=Submission(tuple(cells)))
    texts = [text.encode() for text in TEXTS]
    evaluate, states = checks.evaluate, []

    def watched(exercise, ask, seed, max_points):
        if not states:
            states.extend(descendants(sandbox._server.pid)[3:])
            for pid in states:
                assert found(pid, texts, secret_numbers()) == []
        sent, answers = instances_and_answers(exercise)
        result = evaluate(exercise, ask, seed, max_points)
        (worker,) = (pid for pid in descendants(sandbox._server.pid)[3:] if inner(pid) == ask._worker.pid)
        assert found(worker, texts, answers) == []
        assert found(worker, [], sent) != []
        return result

    monkeypatch.setattr(checks, "evaluate", watched)
    with Sandbox() as sandbox:
        assert grade_submission(blank, sandbox).report.points == 0
    assert len(states) == len(FUNCTIONS)


def inner(pid: int) -> int:
    """A process's id as its own namespace counts."""
    (line,) = (x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("NSpid:"))
    return int(line.split()[-1])


def instances_and_answers(exercise: Exercise) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of the last instance, and of all right answers, but for those that were sent too."""
    sent, answers = [], []
    for item in exercise.properties:
        for instance in checks.instances_of(exercise, item, SEED):
            values = [
                x for arg in instance.args if np.asarray(arg).dtype == float for x in np.ravel(arg).tolist()
            ]
            sent += [x for x in values if len(repr(x)) > 15]
            answers += [
                x for x in np.ravel(exercise.reference(*instance.args)).tolist() if len(repr(x)) > 15
            ][:2]
    return np.array(sent[-5:]), np.array(sorted(set(answers) - set(sent)))[:20]


LEAVE = """
import os
if os.path.exists({place!r}):
    print("TOLD", open({place!r}).read())
    os._exit(7) if {how!r} == "exit" else None
    raise type("TOLD", (Exception,), {{}})
calls = []
def f(*args):
    if calls:  # the first is a visible example
        open({place!r}, "a").write(repr(args))
        os.kill(os.getpid(), 9)
    calls.append(args)
    return 0.0
entropy = kl = elbo = posterior = quickscore = f
"""


@pytest.mark.parametrize("how", ["exception", "exit"])
def test_nothing_is_shown_of_an_attempt_that_may_know_instances(task, tmp_path, how):
    """Code ends its processes while it is asked, so that it is run once more; without a sandbox it finds what it had left."""
    place = tmp_path / "left"
    cell = SubmittedCell("code", LEAVE.format(place=str(place), how=how), "entropy")
    cells = tuple(
        cell if c.grade_id == "entropy" else c
        for c in task.submission.cells
        if c.grade_id not in FUNCTIONS[1:]
    )
    with pytest.warns(RuntimeWarning, match="NO SANDBOX"):
        sandbox = Sandbox(Limits(processes=5000), isolation="none")
    with sandbox:
        report = grade_submission(dataclasses.replace(task, submission=Submission(cells)), sandbox).report
    assert "array" in place.read_text()
    text = to_json(report)
    for private in ("TOLD", "exit status 7"):
        assert private not in text
    assert report.points == 0


LOOK = """
import os
def answer():
    return [sorted(os.environ.items()), tuple(os.uname()), os.getcwd(), __import__("sys").path, __import__("sys").orig_argv,
            os.listdir("/"), os.listdir("/proc"), [os.readlink(f"/{n}") for n in os.listdir("/") if os.path.islink(f"/{n}")]]
"""


def test_what_a_submission_can_ask(task):
    """Does what the system tells of itself name neither a path of this machine, nor its name, nor a user?"""
    with Sandbox() as sandbox, sandbox.submission() as root:
        session = root.fork()
        assert session.run(LOOK, "<look>", 10).error == ""
        text = repr(session.call("answer", (), 10))
    assert "sandbox" in text
    for private in (str(ROOT), str(Path.home()), os.uname().nodename, "site-packages/../", "/tmp/0"):
        assert private not in text, private
