"""The notebooks run where nothing is installed but NumPy, Matplotlib and a kernel, with what these three need themselves."""

import importlib.metadata
import json
import shutil
import sys
import venv
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from packaging.requirements import Requirement

from tests.solutions.conftest import ASSIGNMENTS, ROOT

PACKAGES = ("numpy", "matplotlib", "ipykernel")
ABSENT = ("scipy", "numba", "pandas", "nbgrader", "autograder", "lectures_lib")


def _needed():
    """The packages with all that they require on this machine."""
    found, pending = set(), list(PACKAGES)
    while pending:
        name = pending.pop()
        if name in found:
            continue
        found.add(name)
        requirements = map(Requirement, importlib.metadata.requires(name) or [])
        pending += [r.name for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})]
    return found


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A virtual environment with links to the installed packages, and a folder that names its kernel "clean"."""
    folder = tmp_path_factory.mktemp("clean")
    venv.create(folder, symlinks=True, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    for name in _needed():
        package = importlib.metadata.distribution(name)
        tops = {file.parts[0] for file in package.files if file.parts[0] not in ("..", "__pycache__")}
        for top in tops:
            if not (site / top).exists():  # mpl_toolkits, say, may belong to two
                (site / top).symlink_to(package.locate_file(top))
    spec = folder / "share" / "jupyter" / "kernels" / "clean"
    spec.mkdir(parents=True)
    command = [str(folder / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    about = {"argv": command, "display_name": "clean", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(about), encoding="utf-8")
    return folder / "share" / "jupyter"


@pytest.fixture
def run(kernel, monkeypatch):
    """Run a notebook in that environment, in a folder; errors are left in it."""
    monkeypatch.setenv("JUPYTER_PATH", str(kernel))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.delenv("MPLBACKEND", raising=False)  # as a kernel sets it: figures go into the page

    def run(notebook, folder):
        client = NotebookClient(
            notebook,
            kernel_name="clean",
            timeout=120,
            allow_errors=True,
            resources={"metadata": {"path": str(folder)}},
        )
        client.execute()
        return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]

    return run


def _errors(outputs):
    return [output["ename"] for output in outputs if output["output_type"] == "error"]


def test_nothing_else_can_be_imported(run, tmp_path):
    tried = "\n".join(
        f"try:\n    import {name}\nexcept ImportError:\n    pass\nelse:\n    print('{name}')"
        for name in ABSENT
    )
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(f"import numpy, matplotlib.pyplot, sys\n{tried}\nprint(sys.prefix)")]
    )
    (said,) = run(notebook, tmp_path)
    assert said["text"].strip() not in ("", sys.prefix)
    assert len(said["text"].splitlines()) == 1


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_solution_and_release_run(assignment, run, release, tmp_path):
    """Are the solutions right by check.py and draw their figures, and do the stubs stop nothing but themselves?"""
    folder = shutil.copytree(
        release / assignment, tmp_path / assignment
    )  # Python leaves its compiled check.py there
    solved = run(nbformat.read(ROOT / "solutions" / assignment / f"{assignment}.ipynb", 4), folder)
    assert _errors(solved) == []
    printed = "".join(output.get("text", "") for output in solved)
    checks = [c for c in _code(folder, assignment) if c.startswith("check(")]
    assert printed.count("✓") == len(checks) > 0
    assert any("image/png" in output.get("data", {}) for output in solved)
    given = run(nbformat.read(folder / f"{assignment}.ipynb", 4), folder)
    assert set(_errors(given)) == {"CheckFailed", "NotImplementedError"}
    assert _errors(given).count("CheckFailed") == len(checks)


def _code(folder: Path, assignment):
    cells = nbformat.read(folder / f"{assignment}.ipynb", 4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]
