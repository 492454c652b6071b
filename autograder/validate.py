"""How good the checks of an assignment are: for whoever writes exercises.

Right solutions must pass in full, whatever their style. Each declared misconception must fail and be named. Mutants of the instructor's
solution must fail, unless they compute the same; such equivalent ones are declared, with the reason, in `equivalent_mutants/`.
Instructors' code alone runs here, so the processes are for endless loops and memory, not for strangers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import multiprocessing
import re
import resource
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import nbformat
from markupsafe import Markup
from nbformat import NotebookNode

from autograder import check, checks, demonstration, exercises
from autograder.check import Outcome
from autograder.course import Course
from autograder.demonstration import REGION
from autograder.exercise import Exercise
from autograder.mutants import Mutant, mutants
from autograder.report import ExerciseResult

SECONDS = 5.0
"""A mutant that takes longer is killed, and counts as failing."""

MEMORY = 2 << 30
"""Bytes that a mutant may ask for beyond what the process has."""

CHECKING = 2.0
"""Seconds of processor time that the checks of one whole submission may take, references computed."""

NEEDED = 0.98
"""Mutation score that checks worth their name reach: the share of killed among the mutants that aren't equivalent (Jia & Harman 2011,
An analysis and survey of the development of mutation testing, §2)."""

EQUIVALENT = Path(__file__).with_name("equivalent_mutants")


class Trial(NamedTuple):
    """What became of a solution that must pass, or of a misconception that must be named: `problem` is empty when all is well."""

    name: str
    problem: str


class Survivor(NamedTuple):
    """A mutant that passed in full, and why it computes the same; no reason means that the checks have a gap."""

    mutant: Mutant
    reason: str


@dataclass
class ExerciseValidation:
    """The trials of one exercise."""

    function: str
    right: list[Trial] = field(default_factory=list)
    misconceptions: list[Trial] = field(default_factory=list)
    partly_right: list[Trial] = field(default_factory=list)  # the demonstration class's
    submissions: list[Trial] = field(
        default_factory=list
    )  # of the demonstration class: the same points whatever the seed
    num_mutants: int = 0
    survivors: list[Survivor] = field(default_factory=list)
    seconds: float = 0.0  # of processor time for all properties of one submission, references computed

    @property
    def trials(self) -> list[Trial]:
        """All trials of whole functions."""
        return self.right + self.misconceptions + self.partly_right + self.submissions

    @property
    def killed(self) -> int:
        """Mutants that failed."""
        return self.num_mutants - len(self.survivors)


@dataclass
class Validation:
    """The trials of an assignment, exercise by exercise."""

    assignment: str
    seeds: int
    exercises: list[ExerciseValidation]
    stale: list[str]  # declared equivalent mutants that no longer occur

    @property
    def problems(self) -> list[str]:
        """What must be mended, a line each."""
        lines = [f"declared equivalent, but no such mutant survives: {text}" for text in self.stale]
        for exercise in self.exercises:
            lines += [
                f"{exercise.function}: {trial.name}: {trial.problem}"
                for trial in exercise.trials
                if trial.problem
            ]
            lines += [
                f"{exercise.function}: a mutant survives: {s.mutant.before} -> {s.mutant.after}"
                for s in exercise.survivors
                if not s.reason
            ]
        if self.score < NEEDED:
            lines.append(f"the mutation score is {100 * self.score:.1f} %, and {100 * NEEDED:g} % are needed")
        if self.seconds > CHECKING:
            lines.append(f"checking a submission takes {self.seconds:.1f} s, and {CHECKING:g} s are allowed")
        return lines

    @property
    def seconds(self) -> float:
        """Processor time for checking one whole submission, the instructor's solution."""
        return sum(exercise.seconds for exercise in self.exercises)

    @property
    def killed_share(self) -> float:
        """Share of all mutants that failed, equivalent ones counted as survivors."""
        total = sum(exercise.num_mutants for exercise in self.exercises)
        return sum(exercise.killed for exercise in self.exercises) / total if total else 1.0

    @property
    def score(self) -> float:
        """Share of mutants that failed among those not declared equivalent."""
        gaps = sum(not survivor.reason for exercise in self.exercises for survivor in exercise.survivors)
        killed = sum(exercise.killed for exercise in self.exercises)
        return killed / (killed + gaps) if killed + gaps else 1.0


def validate(
    course: Course,
    assignment: str,
    *,
    seeds: int = 5,
    jobs: int = 1,
    alternatives: Path | None = None,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> Validation:
    """Try the checks of an assignment.

    Parameters
    ----------
    course : Course
    assignment : str
    seeds : int
        Right solutions, misconceptions and the demonstration class are tried with seeds 0 to seeds - 1; mutants with seed 0.
    jobs : int
        Mutants tried at once.
    alternatives : Path, optional
        A folder of modules whose names begin with the assignment's, and whose SOLUTIONS map functions to right solutions.
    progress : callable
        Called with the exercise's function, and the mutants done and in all.

    Raises
    ------
    LookupError
        If no exercises of that name are declared.
    """
    declared = exercises.load(assignment)
    source = nbformat.read(course.source_path(assignment), as_version=4)
    cells = _solution_cells(source, declared)
    others = _alternatives(alternatives, assignment)
    own = demonstration.particulars(assignment)
    equivalent = _equivalent(assignment)
    other_route, partly_right = (_namespace(cells | code) for code in (own.OTHER_ROUTE, own.PARTLY_RIGHT))
    submissions = {
        student.name: _namespace(
            _solution_cells(nbformat.reads(student.notebook.decode(), as_version=4), declared)
        )
        for student in demonstration.students(assignment, source)
        if student.name.startswith(demonstration.HARMLESS)
    }
    whole = _namespace(cells)
    found, results = set(), []
    for function, exercise in declared.items():
        result = ExerciseValidation(function)
        right = {"the instructor's solution": whole[function], "the reference": exercise.reference}
        if function in own.OTHER_ROUTE:
            right["another route"] = other_route[function]
        right |= {f.__name__: f for f in others.get(function, ())}
        wrong = {
            (m.name, number): version
            for m in exercise.misconceptions
            for number, version in enumerate(m.versions, 1)
        }
        half = {"half right": partly_right[function]} if function in own.PARTLY_RIGHT else {}
        handed_in = {name: scope[function] for name, scope in submissions.items()}
        judged = [_judge_all(exercise, functions, seeds) for functions in (right, wrong, half, handed_in)]
        result.right = [_must_pass(name, r) for name, r in judged[0].items()]
        result.misconceptions = [_must_be_named(*key, r) for key, r in judged[1].items()]
        result.partly_right = [_must_earn_a_share(name, r) for name, r in judged[2].items()]
        result.submissions = [Trial(name, _points_vary(r)) for name, r in judged[3].items()]
        start = time.process_time()
        _judge(exercise, whole[function], 0)
        result.seconds = time.process_time() - start
        made = list(mutants(cells[function]))
        result.num_mutants = len(made)
        for done, (mutant, passes) in enumerate(_try_mutants(exercise, cells, made, jobs), 1):
            if passes:
                key = (function, mutant.before, mutant.after)
                found.add(key)
                result.survivors.append(Survivor(mutant, equivalent.get(key, "")))
            progress(function, done, len(made))
        results.append(result)
    stale = [f"{key[0]}: {key[1]} -> {key[2]}" for key in equivalent if key not in found]
    return Validation(assignment, seeds, results, stale)


def write_page(validation: Validation, path: Path) -> None:
    """Write the report as a page of HTML."""
    templates = Path(__file__).with_name("templates")
    loader = jinja2.FileSystemLoader(templates)
    environment = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined)
    path.parent.mkdir(parents=True, exist_ok=True)
    page = environment.get_template("validation.html.j2").render(
        validation=validation,
        needed=NEEDED,
        style=Markup((templates / "feedback.css").read_text(encoding="utf-8")),
    )
    path.write_text(page, encoding="utf-8")


def _solution_cells(notebook: NotebookNode, declared: dict[str, Exercise]) -> dict[str, str]:
    """The code of each solution cell by its function, and of the setup cell under "setup"."""
    cells = {}
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id")
        if cell.cell_type == "code" and (name in declared or name == "setup"):
            cells[name] = REGION.sub("", cell.source)
    # The notebook's own checks are not run here, and its pictures are not drawn.
    cells["setup"] = re.sub(
        r"(?m)^(from check import .*|import matplotlib.*|%.*)$", "", cells.get("setup", "")
    )
    return cells


def _namespace(cells: dict[str, str]) -> dict[str, Any]:
    """Run the setup and all solution cells, in the notebook's order."""
    scope: dict[str, Any] = {}
    for name, code in cells.items():
        exec(compile(code, name, "exec"), scope)
    return scope


def _judge(exercise: Exercise, function: Callable, seed: int) -> ExerciseResult:
    def ask(_: str, args: tuple) -> Outcome:
        with contextlib.redirect_stdout(io.StringIO()):
            return check.call(function, args)

    return checks.evaluate(exercise, ask, seed, 1.0)


def _judge_all(
    exercise: Exercise, functions: dict[Any, Callable], seeds: int
) -> dict[Any, list[ExerciseResult]]:
    """Each function's results, one a seed; seed by seed, so that the right answers are computed once."""
    results: dict[Any, list[ExerciseResult]] = {name: [] for name in functions}
    for seed in range(seeds):
        for name, function in functions.items():
            results[name].append(_judge(exercise, function, seed))
    return results


def _must_pass(name: str, results: list[ExerciseResult]) -> Trial:
    for seed, result in enumerate(results):
        if result.points < 1.0:
            wrong = next(p for p in result.properties if p.observation)
            return Trial(name, f"is right, but with seed {seed} fails {wrong.name!r}: {wrong.observation}")
    return Trial(name, "")


def _must_be_named(name: str, version: int, results: list[ExerciseResult]) -> Trial:
    title = name if version == 1 else f"{name} (version {version})"
    for seed, result in enumerate(results):
        if result.points == 1.0:
            return Trial(title, f"passes with seed {seed}")
        if result.misconception != name:
            return Trial(
                title, f"with seed {seed} is taken for {result.misconception or 'no known misconception'}"
            )
    return Trial(title, _points_vary(results))


def _must_earn_a_share(name: str, results: list[ExerciseResult]) -> Trial:
    points = results[0].points
    meant = "" if 0 < points < 1 else f"earns {points:g} of 1, neither nothing nor all was meant"
    return Trial(name, _points_vary(results) or meant)


def _points_vary(results: list[ExerciseResult]) -> str:
    points = sorted({result.points for result in results})
    return "" if len(points) == 1 else f"earns points that depend on the seed: {points}"


def _alternatives(folder: Path | None, assignment: str) -> dict[str, list[Callable]]:
    """The right solutions of all modules in a folder whose names begin with the assignment's."""
    solutions: dict[str, list[Callable]] = {}
    for path in sorted(folder.glob(f"{assignment}*.py")) if folder else []:
        spec = importlib.util.spec_from_file_location(f"alternatives_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for function, more in module.SOLUTIONS.items():
            solutions.setdefault(function, []).extend(more)
    return solutions


def _equivalent(assignment: str) -> dict[tuple[str, str, str], str]:
    path = EQUIVALENT / f"{assignment}.toml"
    if not path.exists():
        return {}
    declared = tomllib.loads(path.read_text(encoding="utf-8")).get("mutants", [])
    return {(m["function"], m["before"], after): m["reason"] for m in declared for after in m["after"]}


def _try_mutants(
    exercise: Exercise, cells: dict[str, str], made: list[Mutant], jobs: int
) -> Iterator[tuple[Mutant, bool]]:
    """Judge each mutant in a process of its own; yields it with whether it passes in full, in the order of the mutants."""
    context = multiprocessing.get_context("fork")  # the references are computed, and need not be again
    waiting = list(enumerate(made))[::-1]
    running: dict[Any, tuple[int, multiprocessing.process.BaseProcess, float]] = {}
    done: dict[int, bool] = {}
    shown = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            number, mutant = waiting.pop()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_try_one, args=(exercise, cells, mutant, sender), daemon=True)
            process.start()
            sender.close()
            running[receiver] = (number, process, time.monotonic())
        ready = set(wait(list(running), timeout=0.1))
        for receiver, (number, process, started) in list(running.items()):
            late = time.monotonic() - started > SECONDS
            if receiver not in ready and not late:
                continue
            try:
                done[number] = receiver in ready and receiver.recv()
            except EOFError:  # the process died: of memory, or of the mutant
                done[number] = False
            process.kill()
            process.join()
            receiver.close()
            del running[receiver]
        while shown in done:
            yield made[shown], done[shown]
            shown += 1


def _try_one(exercise: Exercise, cells: dict[str, str], mutant: Mutant, sender) -> None:
    with open("/proc/self/statm", encoding="ascii") as status:
        in_use = int(status.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, in_use + MEMORY))
    try:
        scope = _namespace(cells | {exercise.function: mutant.code})
    except Exception:  # noqa: BLE001 - a mutant is wrong code that may raise anything when it is run, and then does not pass
        sender.send(False)
        return
    sender.send(_judge(exercise, scope[exercise.function], 0).points == 1.0)
