"""The command `autograder`: reads the command line, and makes one sentence and an exit code of what fails."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path

from autograder import commands, grade_class, gradebook
from autograder.cluster import NoWorkers, OtherVersion
from autograder.commands import EXIT_INCOMPLETE, EXIT_USAGE, CommandError
from autograder.course import CourseError
from autograder.sandbox import SandboxUnavailable

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
        gradebook.GradebookError,
        SandboxUnavailable,
        grade_class.NotGradable,
        ConnectionError,
        CourseError,
        NoWorkers,
        OtherVersion,
    ) as error:
        print(f"autograder: {error}", file=sys.stderr)
        return EXIT_USAGE
    except gradebook.DBAPIError as error:
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
    choices = parser.add_subparsers(required=True, metavar="COMMAND")

    grade = _command(choices, "grade", commands.grade, "grade an assignment", GRADE_HELP)
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

    table = _command(choices, "table", commands.show_table, "print an assignment's grade table",
                     "Print an assignment's grade table.\n\nexample:\n  autograder table mean_field")  # fmt: skip
    table.add_argument("assignment", metavar="ASSIGNMENT")

    feedback = _command(
        choices, "feedback", commands.write_feedback, "write the feedback pages again",
        "Write an assignment's feedback pages again, with the marks and comments given by hand since.\n\n"
        "example:\n  autograder feedback mean_field",
    )  # fmt: skip
    feedback.add_argument("assignment", metavar="ASSIGNMENT")

    validation = _command(
        choices,
        "validate",
        commands.validate_checks,
        "try how good an assignment's checks are",
        VALIDATE_HELP,
    )
    validation.add_argument("assignment", metavar="ASSIGNMENT")
    validation.add_argument("--seeds", type=_positive, default=5, metavar="N",
                          help="seeds that all but the mutants are tried with (default: 5)")  # fmt: skip
    validation.add_argument("--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N",
                          help="mutants tried at once (default: one a core)")  # fmt: skip
    validation.add_argument("--alternatives", type=Path, metavar="DIR",
                          help="folder of further right solutions (default: tests/alternatives of the course)")  # fmt: skip

    alike = _command(
        choices, "similarity", commands.find_similar, "find suspiciously alike submissions", SIMILARITY_HELP
    )
    alike.add_argument("assignment", metavar="ASSIGNMENT")

    archive = _command(
        choices,
        "gradescope",
        commands.write_gradescope,
        "write an autograder archive for Gradescope",
        GRADESCOPE_HELP,
    )
    archive.add_argument("assignment", metavar="ASSIGNMENT")
    archive.add_argument("--no-sandbox", action="store_true",
                            help="for containers that refuse a sandbox: students' code can read the references")  # fmt: skip

    _command(choices, "demonstrate", commands.demonstrate, "write the demonstration class to submitted/",
             "Write the demonstration class to submitted/: every kind of submission that occurs.\n\n"
             "example:\n  autograder demonstrate")  # fmt: skip
    _command(choices, "overview", commands.show_overview, "print all grade tables, and where everything is",
             "Print all grade tables, and where the book, the feedback and the gradebook are.\n\n"
             "example:\n  autograder overview")  # fmt: skip
    _command(
        choices, "doctor", commands.examine, "tell what this machine can do, and what to install", DOCTOR_HELP
    )
    return parser


def _command(choices, name: str, run, summary: str, description: str) -> argparse.ArgumentParser:
    parser = choices.add_parser(
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
