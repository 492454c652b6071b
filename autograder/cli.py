"""The command `autograder`: reads the command line, shows progress, prints tables. What it does is elsewhere."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

EXIT_DONE = 0
EXIT_INCOMPLETE = 1  # some submission has no result, or needs a person
EXIT_USAGE = 2  # the command could not start: bad arguments, no such assignment, no sandbox

GRADE_HELP = """\
Grade an assignment's submissions: submitted/STUDENT/ASSIGNMENT/ASSIGNMENT.ipynb of the course directory.

What is graded already and has not changed is left alone. A run that was interrupted goes on where it stopped.

example:
  autograder grade mean_field --jobs 2
"""

EPILOG = """\
exit codes:
  0  every submission has a result
  1  some submission has none, or the grader failed on it and a person must look
  2  the command could not start: the message says why and what to do
"""


class CommandError(Exception):
    """Ends a command with exit code 2; its text is one sentence for the person at the keyboard."""


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except CommandError as error:
        print(f"autograder: {error}", file=sys.stderr)
        return EXIT_USAGE
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
    grade.add_argument("--scheduler", metavar="URL", help="a running Dask scheduler, such as tcp://host:8786")
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

    _command(commands, "demonstrate", _demonstrate, "write the demonstration class to submitted/",
             "Write the demonstration class to submitted/: every kind of submission that occurs.\n\n"
             "example:\n  autograder demonstrate")  # fmt: skip
    _command(commands, "overview", _overview, "print all grade tables, and where everything is",
             "Print all grade tables, and where the book, the feedback and the gradebook are.\n\n"
             "example:\n  autograder overview")  # fmt: skip
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
