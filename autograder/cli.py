"""The command `autograder`: reads the command line, shows progress, prints tables. What it does is elsewhere."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from autograder import (
    demonstration,
    doctor,
    feedback,
    grade_class,
    gradebook,
    gradescope,
    progress,
    summary,
    validate,
)
from autograder.cluster import NoWorkers, OtherVersion
from autograder.course import Course, CourseError
from autograder.gradebook import GradebookError, load_report
from autograder.report import Report
from autograder.sandbox import SandboxUnavailable

EXIT_DONE = 0
EXIT_INCOMPLETE = 1  # some submission has no result, or needs a person
EXIT_USAGE = 2  # the command could not start: bad arguments, no such assignment, no sandbox

LONGEST_TABLE = 60
"""Rows of a grade table that is printed after grading; a longer one has a command of its own."""

GRADE_HELP = """\
Grade an assignment's submissions: submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb of the course directory.

What is graded already and has not changed is left alone. A run that was interrupted goes on where it stopped.

example:
  autograder grade mean_field --jobs 2
"""

VALIDATE_HELP = """\
Try how good an assignment's checks are: right solutions must pass in full, misconceptions must fail and be named,
the demonstration class must earn the same points with every seed, and mutants of the instructor's solution must fail.
Prints a table and writes a page with every mutant that survived.

example:
  autograder validate mean_field --seeds 50
"""

SIMILARITY_HELP = """\
Compare every two submissions of an assignment, and each with the reference implementations, and write a page with the
pairs that are suspiciously alike. Names, comments and the order of the code don't count; the released stub is discounted.

example:
  autograder similarity mean_field
"""

GRADESCOPE_HELP = """\
Write the archive to upload as an assignment's autograder on Gradescope: _build/gradescope/ASSIGNMENT.zip. It holds the
references and the seed of the hidden instances: give it to nobody else.

Student code runs in a sandbox there, too. Where Gradescope's containers refuse one, each submission says so and gets no
points; --no-sandbox makes an archive that runs the code with the rights of the container, where the references can be read.

example:
  autograder gradescope mean_field
"""

DOCTOR_HELP = """\
Tell what this machine can do for the course (sandbox, limits, memory, gradebook), and what to install or to mend.
The exit code is 0 if grading can go on, 1 if something has to be mended first, and 2 if there is no course here.

example:
  autograder doctor
"""

EPILOG = """\
exit codes:
  0  every submission has a result
  1  some submission has none since the run had to stop, or the grader failed on it and a person must look
  2  the command could not start: the message says why and what to do
"""


class CommandError(Exception):
    """Ends a command with exit code 2; its text is one sentence for the person at the keyboard."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except BrokenPipeError:  # of `autograder table em | head`, say: whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_INCOMPLETE
    except (
        CommandError,
        GradebookError,
        SandboxUnavailable,
        grade_class.NotGradable,
        ConnectionError,
        CourseError,
        NoWorkers,
        OtherVersion,
    ) as error:
        print(f"autograder: {error}", file=sys.stderr)
        return EXIT_USAGE
    except DBAPIError as error:
        print(
            f"autograder: the gradebook can't be used ({error.orig}): run autograder doctor, or put back a copy of it",
            file=sys.stderr,
        )
        return EXIT_USAGE
    except OSError as error:
        print(
            f"autograder: {error.filename or arguments.course}: {error.strerror or error}: see that it is there, "
            "that you may write to it, and that the disk isn't full",
            file=sys.stderr,
        )
        return EXIT_USAGE
    except grade_class.Stopped as error:
        print(f"autograder: {error}", file=sys.stderr)
        return EXIT_INCOMPLETE
    except KeyboardInterrupt:
        print(
            "autograder: interrupted; what was graded is kept, and the next run goes on from there",
            file=sys.stderr,
        )
        return EXIT_INCOMPLETE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="autograder",
        description="Grades the course's notebooks: their code runs in a sandbox, the checks run outside it.",
        epilog=EPILOG + "\nexample:\n  autograder grade gibbs_principle",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    grade = _command(commands, "grade", _grade, "grade an assignment", GRADE_HELP)
    grade.add_argument("assignment", metavar="ASSIGNMENT", help="its name, such as mean_field")
    grade.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N",
                       help="submissions graded at once on this machine (default: one a core)")  # fmt: skip
    grade.add_argument(
        "--scheduler", type=_address, metavar="URL", help="a running Dask scheduler, such as tcp://host:8786"
    )
    grade.add_argument("--student", metavar="ID", help="grade this student alone")
    grade.add_argument("--force", action="store_true", help="grade again what is up to date")
    grade.add_argument("--no-sandbox", action="store_true",
                       help="run students' code with your own rights: only for code that you have read")  # fmt: skip
    grade.add_argument("--quiet", action="store_true", help="print no table at the end")

    table = _command(commands, "table", _table, "print an assignment's grade table",
                     "Print an assignment's grade table.\n\nexample:\n  autograder table mean_field")  # fmt: skip
    table.add_argument("assignment", metavar="ASSIGNMENT")

    feedback = _command(
        commands, "feedback", _feedback, "write the feedback pages again",
        "Write an assignment's feedback pages again, with the marks and comments given by hand since.\n\n"
        "example:\n  autograder feedback mean_field",
    )  # fmt: skip
    feedback.add_argument("assignment", metavar="ASSIGNMENT")

    validation = _command(
        commands, "validate", _validate, "try how good an assignment's checks are", VALIDATE_HELP
    )
    validation.add_argument("assignment", metavar="ASSIGNMENT")
    validation.add_argument("--seeds", type=_positive, default=5, metavar="N",
                          help="seeds that all but the mutants are tried with (default: 5)")  # fmt: skip
    validation.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N",
                          help="mutants tried at once (default: one a core)")  # fmt: skip
    validation.add_argument("--alternatives", type=Path, metavar="DIR",
                          help="folder of further right solutions (default: tests/alternatives of the course)")  # fmt: skip

    alike = _command(
        commands, "similarity", _similarity, "find suspiciously alike submissions", SIMILARITY_HELP
    )
    alike.add_argument("assignment", metavar="ASSIGNMENT")

    archive = _command(
        commands, "gradescope", _gradescope, "write an autograder archive for Gradescope", GRADESCOPE_HELP
    )
    archive.add_argument("assignment", metavar="ASSIGNMENT")
    archive.add_argument("--no-sandbox", action="store_true",
                            help="for containers that refuse a sandbox: students' code can read the references")  # fmt: skip

    _command(commands, "demonstrate", _demonstrate, "write the demonstration class to submitted/",
             "Write the demonstration class to submitted/: every kind of submission that occurs.\n\n"
             "example:\n  autograder demonstrate")  # fmt: skip
    _command(commands, "overview", _overview, "print all grade tables, and where everything is",
             "Print all grade tables, and where the book, the feedback and the gradebook are.\n\n"
             "example:\n  autograder overview")  # fmt: skip
    _command(commands, "doctor", _doctor, "tell what this machine can do, and what to install", DOCTOR_HELP)
    return parser


def _command(commands, name: str, run, summary: str, description: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--course", type=Path, default=Path(), metavar="DIR", help="the course directory (default: .)"
    )
    parser.set_defaults(run=run)
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1, got {text}")
    return value


def _address(text: str) -> str:
    if not re.fullmatch(r"(tcp|tls|ws|wss)://(\[[0-9a-fA-F:]+\]|[\w.-]+):\d+", text):
        raise argparse.ArgumentTypeError(f"expected an address such as tcp://host:8786, got {text}")
    return text


def _course(arguments: argparse.Namespace) -> Course:
    try:
        return Course(arguments.course)
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None


def _grade(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    grade_class.check_assignment(course, arguments.assignment)
    if not course.students(arguments.assignment):
        wanted = course.submission_folder("STUDENT", arguments.assignment) / f"{arguments.assignment}.ipynb"
        raise CommandError(
            f"there is no submission for {arguments.assignment}: put each student's notebook at {wanted}"
        )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if arguments.no_sandbox:
        console.print("[bold red]--no-sandbox: students' code runs with all your rights.[/]")
    with progress.shown(arguments.assignment, console) as show:
        graded = grade_class.grade(
            course,
            arguments.assignment,
            students=[arguments.student] if arguments.student else None,
            jobs=arguments.jobs,
            scheduler=arguments.scheduler,
            force=arguments.force,
            isolation="none" if arguments.no_sandbox else "auto",
            progress=show,
            announce=lambda text: console.print(f"sandbox: {text}", markup=False),
        )
    total = len(course.students(arguments.assignment))
    print(f"{arguments.assignment}: {len(graded)} graded now, {total} submissions in all")
    if not arguments.quiet:
        if total <= LONGEST_TABLE:
            _print_table(course, arguments.assignment)
        else:
            print(f"for the table of all: autograder table {arguments.assignment}")
        for line in summary.lines(course, arguments.assignment, graded):
            print(f"- {line}")
    failed = [report for report in graded if report.status == "failed"]
    for report in failed:
        print(f"autograder: {report.student}: {report.reason}\n{report.notes[0]}", file=sys.stderr)
    missing = total - sum(1 for _ in grade_class.reports(course, arguments.assignment))
    return EXIT_INCOMPLETE if failed or (missing and not arguments.student) else EXIT_DONE


def _table(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    _check_graded(course, arguments.assignment)
    _print_table(course, arguments.assignment)
    return EXIT_DONE


def _check_graded(course: Course, assignment: str) -> None:
    grade_class.check_assignment(course, assignment)
    if not any(load_report(course, student, assignment) for student in course.students(assignment)):
        raise CommandError(f"nothing of {assignment} is graded yet: run autograder grade {assignment}")


def _print_table(course: Course, assignment: str) -> None:
    table = Table(
        "student", "assignment", "points", "what went wrong", title=f"{assignment}: checked by the grader"
    )
    table.columns[2].justify = "right"
    for report in grade_class.reports(course, assignment):
        points = f"{report.points:g} / {report.max_points:g}"
        table.add_row(report.student, report.assignment, points, _phrase(report))
    # Rich takes 80 columns where there is no terminal; a log can be wider.
    Console(width=None if sys.stdout.isatty() else 140, markup=False, highlight=False).print(table)


def _phrase(report: Report) -> str:
    """What went wrong, short enough for a line or two of a table."""
    text = report.summary
    return text if len(text) <= 150 else text[:147] + "..."


def _feedback(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    _check_graded(course, arguments.assignment)
    count = 0
    for report in grade_class.reports(course, arguments.assignment):
        gradebook.update_late_penalty(course, report)
        notebook = gradebook.load_notebook(course, report.student, report.assignment)
        feedback.write(course, report, notebook)
        count += 1
    print(f"{arguments.assignment}: {count} feedback pages in {course.feedback_folder}")
    return EXIT_DONE


def _validate(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    grade_class.check_assignment(course, arguments.assignment)
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    # Drawn from here and by no thread of its own: processes are forked meanwhile.
    with Progress(*columns, console=console, auto_refresh=False) as bar:
        rows: dict[str, TaskID] = {}

        def show(function: str, done: int, total: int) -> None:
            if function not in rows:
                rows[function] = bar.add_task(function, total=total)
            bar.update(rows[function], completed=done)
            bar.refresh()

        result = validate.validate(
            course,
            arguments.assignment,
            seeds=arguments.seeds,
            jobs=arguments.jobs,
            alternatives=arguments.alternatives or course.directory / "tests" / "alternatives",
            progress=show,
        )
    table = Table(
        "exercise", "right solutions", "misconceptions named", "steady points", "mutants killed", "checking"
    )
    for exercise in result.exercises:
        passed = sum(not trial.problem for trial in exercise.right)
        named = sum(not trial.problem for trial in exercise.misconceptions)
        steady = sum(not trial.problem for trial in exercise.submissions)
        table.add_row(
            exercise.function,
            f"{passed} of {len(exercise.right)}",
            f"{named} of {len(exercise.misconceptions)}",
            f"{steady} of {len(exercise.submissions)}",
            f"{exercise.killed} of {exercise.num_mutants}",
            f"{1000 * exercise.seconds:.1f} ms",
        )
    Console(width=None if sys.stdout.isatty() else 140, markup=False, highlight=False).print(table)
    print(
        f"{100 * result.killed_share:.2f} % of all mutants were killed, {100 * result.score:.2f} % of those not equivalent;\n"
        f"checking a whole submission takes {1000 * result.seconds:.0f} ms of processor time"
    )
    for exercise in result.exercises:
        for survivor in exercise.survivors:
            reason = survivor.reason or "NO REASON DECLARED: the checks have a gap"
            print(f"\n{exercise.function}, {survivor.mutant.kind}: {reason}\n{survivor.mutant.diff}")
    page = course.directory / "_build" / "validation" / f"{arguments.assignment}.html"
    validate.write_page(result, page)
    print(f"\npage: {page}")
    for problem in result.problems:
        print(f"to mend: {problem}", file=sys.stderr)
    return EXIT_INCOMPLETE if result.problems else EXIT_DONE


def _similarity(arguments: argparse.Namespace) -> int:
    from autograder import similarity  # copydetect takes a second to import

    course = _course(arguments)
    grade_class.check_assignment(course, arguments.assignment)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task(f"comparing {arguments.assignment}", total=None)

        def show(done: int, total: int) -> None:
            bar.update(row, completed=done, total=total)

        found = similarity.compare(course, arguments.assignment, show)
    page = course.directory / "_build" / "similarity" / f"{arguments.assignment}.html"
    similarity.write_page(found, page)
    for student, reason in found.left_out:
        print(f"not compared: {student}: {reason}")
    print(
        f"{arguments.assignment}: {len(found.pairs)} suspicious pairs among {found.compared} submissions\npage: {page}"
    )
    return EXIT_DONE


def _gradescope(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    grade_class.check_assignment(course, arguments.assignment)
    path = course.directory / "_build" / "gradescope" / f"{arguments.assignment}.zip"
    gradescope.write_archive(course, arguments.assignment, path, sandbox=not arguments.no_sandbox)
    print(f"upload this as the autograder of {arguments.assignment}: {path}")
    return EXIT_DONE


def _demonstrate(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    for assignment in course.assignments():
        count = demonstration.write(assignment, course.source_path(assignment), course.submitted_folder)
        print(f"{assignment}: {count} demonstration submissions in {course.submitted_folder}")
    return EXIT_DONE


def _overview(arguments: argparse.Namespace) -> int:
    course = _course(arguments)
    for assignment in course.assignments():
        _print_table(course, assignment)
    pages = course.feedback_folder
    print(f"""
book:      {course.directory / "_build" / "html" / "index.html"}
release:   {course.release_folder} (a folder an assignment, to hand out)
feedback:  {pages} (a page a student and assignment)
gradebook: {doctor.without_secrets(course.db_url)}
formgrader and manual marks: make lab""")
    return EXIT_DONE


def _doctor(arguments: argparse.Namespace) -> int:
    marks = {"good": "[green]✓[/]", "note": "[yellow]![/]", "bad": "[red]✗[/]"}
    course = _course(arguments)
    console = Console(highlight=False, soft_wrap=True)
    code = EXIT_DONE
    for finding in doctor.examine(course):
        console.print(f"{marks[finding.state]} {escape(f'{finding.about}: {finding.text}')}")
        if finding.advice:
            console.print(f"    {escape(finding.advice)}")
        if finding.state == "bad":
            code = EXIT_INCOMPLETE
    print("something has to be mended before you can grade" if code else "this machine can grade")
    return code
