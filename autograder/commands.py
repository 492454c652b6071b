"""What each command of `autograder` does: asks the engine, shows progress, prints tables, and returns the exit code."""

from __future__ import annotations

import argparse
import sys

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

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
from autograder.course import Course, load_report
from autograder.report import Report

EXIT_DONE = 0
EXIT_INCOMPLETE = 1  # some submission has no result, or needs a person
EXIT_USAGE = 2  # the command could not start: bad arguments, no such assignment, no sandbox

LONGEST_TABLE = 60
"""Rows of a grade table that is printed after grading; a longer one has a command of its own."""


class CommandError(Exception):
    """Ends a command with exit code 2; its text is one sentence for the person at the keyboard."""


def _course(arguments: argparse.Namespace) -> Course:
    try:
        return Course(arguments.course)
    except FileNotFoundError as error:
        raise CommandError(str(error)) from None


def grade(arguments: argparse.Namespace) -> int:
    """Grade an assignment, show how far it is, and print what came out."""
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


def show_table(arguments: argparse.Namespace) -> int:
    """Print an assignment's grade table."""
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


def write_feedback(arguments: argparse.Namespace) -> int:
    """Write an assignment's feedback pages again."""
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


def validate_checks(arguments: argparse.Namespace) -> int:
    """Try an assignment's checks, print a table, and write the page."""
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


def find_similar(arguments: argparse.Namespace) -> int:
    """Write the page with the pairs that are suspiciously alike."""
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


def write_gradescope(arguments: argparse.Namespace) -> int:
    """Write the archive for Gradescope."""
    course = _course(arguments)
    grade_class.check_assignment(course, arguments.assignment)
    path = course.directory / "_build" / "gradescope" / f"{arguments.assignment}.zip"
    gradescope.write_archive(course, arguments.assignment, path, sandbox=not arguments.no_sandbox)
    print(f"upload this as the autograder of {arguments.assignment}: {path}")
    return EXIT_DONE


def demonstrate(arguments: argparse.Namespace) -> int:
    """Write the demonstration class."""
    course = _course(arguments)
    for assignment in course.assignments():
        count = demonstration.write(assignment, course.source_path(assignment), course.submitted_folder)
        print(f"{assignment}: {count} demonstration submissions in {course.submitted_folder}")
    return EXIT_DONE


def show_overview(arguments: argparse.Namespace) -> int:
    """Print all tables, and where everything is."""
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


def examine(arguments: argparse.Namespace) -> int:
    """Print what the doctor finds."""
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
