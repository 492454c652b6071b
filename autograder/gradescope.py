"""Grading on Gradescope: the archive that it unpacks, and the program that it runs once for each submission.

The archive holds this grader, one assignment and the seed of the hidden instances: it is the instructor's alone.
Gradescope unpacks it to /autograder/source, runs setup.sh once, and run_autograder for each submission.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

from autograder.course import CONFIG_FILE, SEED_FILE, Course
from autograder.exporters import gradescope_results
from autograder.grade import Task, failure, grade_submission
from autograder.intake import read_submission
from autograder.report import Report
from autograder.sandbox import Sandbox

ROOT = Path(__file__).parents[1]
PACKAGES = ("autograder", "lectures_lib")
FILES = ("pyproject.toml", "requirements.lock", "README.md", "LICENSE", "LICENSE-TEXT")

SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the image is built.
set -euo pipefail
home="${AUTOGRADER_HOME:-/autograder}"
python="$(for name in python3 python3.13 python3.12 python3.11; do
  "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { echo "$name"; break; }
done || true)"
if [ -z "$python" ]; then
  echo "The course needs Python 3.11, 3.12 or 3.13: choose a base image that has one (Ubuntu 24.04)." >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv
fi
"$python" -m venv "$home/venv"
"$home/venv/bin/pip" install --quiet --no-deps --require-hashes -r "$home/source/requirements.lock"
"$home/venv/bin/pip" install --quiet --no-deps --no-build-isolation --editable "$home/source"
"$home/venv/bin/python" -m lectures_lib  # fills numba's cache
"""

RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission.
set -euo pipefail
home="${{AUTOGRADER_HOME:-/autograder}}"
python="${{AUTOGRADER_PYTHON:-$home/venv/bin/python}}"
export PYTHONPATH="$home/source"
exec "$python" -m autograder.gradescope {assignment}{options} --course "$home/source" \\
  --submission "$home/submission" --results "$home/results/results.json"
"""


def write_archive(course: Course, assignment: str, path: Path, *, sandbox: bool = True) -> None:
    """Write the archive to upload as an assignment's autograder.

    Parameters
    ----------
    course : Course
    assignment : str
    path : Path
    sandbox : bool
        False for a Gradescope whose containers refuse bubblewrap: students' code then runs with the rights of the
        container, in which the references and the seed can be read.
    """
    course.hidden_seed()  # draws it, if this is the first use
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, file in _files(course, assignment):
            archive.write(file, name)
        options = "" if sandbox else " --no-sandbox"
        for name, text in (
            ("setup.sh", SETUP),
            ("run_autograder", RUN.format(assignment=assignment, options=options)),
        ):
            about = zipfile.ZipInfo(name)
            about.external_attr = 0o100755 << 16
            archive.writestr(about, text)
    os.chmod(part, 0o600)  # it holds the seed
    os.replace(part, path)


def _files(course: Course, assignment: str) -> Iterator[tuple[str, Path]]:
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                yield str(file.relative_to(ROOT)), file
    yield from ((name, ROOT / name) for name in FILES)
    yield from ((name, course.directory / name) for name in (CONFIG_FILE, SEED_FILE))
    source = course.source_path(assignment)
    yield str(source.relative_to(course.directory)), source


def grade_folder(course: Course, assignment: str, folder: Path, isolation: str) -> Report:
    """Grade the one notebook of a folder, whatever its name is."""
    others = sorted(path.stem for path in folder.glob("*.ipynb"))
    name = others[0] if len(others) == 1 else assignment
    submission, digest = read_submission(folder, name)
    task = Task(
        student="student",
        assignment=assignment,
        submission=submission,
        source=course.source_path(assignment).read_text(encoding="utf-8"),
        seed=course.hidden_seed(),
        submission_digest=digest,
        assignment_digest="",
    )
    try:
        with Sandbox(course.limits(), isolation=isolation) as sandbox:
            return grade_submission(task, sandbox).report
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the report says so: without results.json Gradescope shows a student nothing
        print(f"autograder: {error}", file=sys.stderr)  # Gradescope shows it to the instructor
        return failure(task, error).report


def main(argv: list[str] | None = None) -> int:
    """Grade one submission, write results.json, and print what Autolab reads: a last line with the scores."""
    parser = argparse.ArgumentParser(
        prog="python -m autograder.gradescope", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("assignment")
    parser.add_argument("--course", type=Path, required=True)
    parser.add_argument("--submission", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--no-sandbox", action="store_true")
    arguments = parser.parse_args(argv)
    isolation = "none" if arguments.no_sandbox else "auto"
    report = grade_folder(Course(arguments.course), arguments.assignment, arguments.submission, isolation)
    arguments.results.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(gradescope_results(report, report.points), indent=1, allow_nan=False)
    arguments.results.write_text(text, encoding="utf-8")
    print(
        json.dumps(
            {"scores": {result.exercise.rpartition(".")[2]: result.points for result in report.exercises}}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
