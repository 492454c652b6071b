"""The archive for Gradescope: unpacked and run as Gradescope does, in a folder that stands for /autograder."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder import gradescope
from autograder.course import Course

ROOT = Path(__file__).parents[2]
NAME = "mean_field"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What stands for /autograder, with the archive unpacked."""
    folder = tmp_path_factory.mktemp("course")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    shutil.copytree(ROOT / "solutions" / NAME, folder / "solutions" / NAME)
    path = folder / "archive.zip"
    gradescope.write_archive(Course(folder), NAME, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    home = tmp_path_factory.mktemp("autograder")
    with zipfile.ZipFile(path) as archive:
        for item in archive.infolist():
            archive.extract(item, home / "source")
            (home / "source" / item.filename).chmod(item.external_attr >> 16)
    return home


def graded(home, content, name="hw.ipynb"):
    """Hand in a file, run the program, and return results.json and what was printed."""
    shutil.rmtree(home / "submission", ignore_errors=True)
    (home / "submission").mkdir()
    (home / "submission" / name).write_text(content)
    run = subprocess.run(
        [home / "source" / "run_autograder"],
        env={**os.environ, "AUTOGRADER_HOME": str(home), "AUTOGRADER_PYTHON": sys.executable},
        cwd=home,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads((home / "results" / "results.json").read_text()), run.stdout


def test_a_submission_that_looks_around(home):
    """The answers are right but for one, the file has a name of its own, and an added cell looks for the seed."""
    notebook = nbformat.read(home / "source" / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    seed = (home / "source" / ".hidden_seed").read_text().strip()
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade_id") == "mean_field_energy":
            cell.source = "def mean_field_energy(J, h, m):\n    return float(SECRET.count('x'))"
    look = f"import pathlib, os\nSECRET = str(os.environ)\nprint(pathlib.Path({str(home / 'source')!r}).exists())"
    notebook.cells.insert(1, new_code_cell(look))
    results, printed = graded(home, nbformat.writes(notebook))
    assert results["score"] == 17
    scores = {test["name"]: test["score"] for test in results["tests"]}
    assert sum(scores.values()) == pytest.approx(17)
    assert {test["status"] for test in results["tests"] if "mean_field_energy" in test["name"]} == {"failed"}
    assert seed not in json.dumps(results)
    autolab = json.loads(printed.strip().splitlines()[-1])
    assert autolab["scores"]["mean_field_energy"] == 0
    assert sum(autolab["scores"].values()) == 17


def test_a_file_that_is_no_notebook(home):
    results, _ = graded(home, "%PDF-1.7", "essay.ipynb")
    assert results["score"] == 0
    assert "not a notebook" in results["output"]
    assert {test["visibility"] for test in results["tests"]} == {"visible"}


def test_a_grader_that_fails_leaves_results(home, monkeypatch):
    """Where no sandbox can be had the student gets a page that asks for a person, and the instructor the reason."""
    monkeypatch.setattr("autograder.sandbox.bubblewrap.candidates", list)
    folder = home / "submission"
    folder.mkdir(exist_ok=True)
    report = gradescope.grade_folder(Course(home / "source"), NAME, folder, "auto")
    assert report.status == "failed"
    assert "a person must look" in report.reason


def test_the_scripts(home, tmp_path):
    """Both can be executed and name no address; setup.sh makes the environment that run_autograder uses."""
    for name in ("setup.sh", "run_autograder"):
        script = home / "source" / name
        assert os.access(script, os.X_OK)
        assert "://" not in script.read_text()
    programs = tmp_path / "bin"
    programs.mkdir()
    log = tmp_path / "log"
    fake = """#!/bin/bash
echo "$(basename "$0") $*" >> "{log}"
if [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/pip"; cp "$0" "$3/bin/python"; fi
"""
    (programs / "python3").write_text(fake.format(log=log))
    (programs / "python3").chmod(0o755)
    subprocess.run(
        [home / "source" / "setup.sh"],
        env={"PATH": f"{programs}:/usr/bin:/bin", "AUTOGRADER_HOME": str(home)},
        check=True,
    )
    said = log.read_text()
    assert f"python3 -m venv {home}/venv" in said
    assert f"pip install --quiet --no-deps --require-hashes -r {home}/source/requirements.lock" in said
    assert f"--editable {home}/source" in said
    assert "python -m lectures_lib" in said
    assert all(Path(name).exists() for name in re.findall(rf"{home}/source\S*", said))
    shutil.rmtree(home / "venv")


def test_setup_without_a_python(home, tmp_path):
    (tmp_path / "bash").symlink_to("/bin/bash")
    run = subprocess.run(
        ["/bin/bash", home / "source" / "setup.sh"],
        env={"PATH": str(tmp_path), "AUTOGRADER_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert "choose a base image" in run.stderr
