"""Fonts that are listed in less time and read from memory: is every figure what it would be?"""

import subprocess
import sys
from pathlib import Path

import pytest

import autograder.sandbox
from autograder.sandbox import Session

INSIDE = Path(autograder.sandbox.__file__).parent

LISTS = """
import sys
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "ours":
    from inside import fonts
from matplotlib.font_manager import fontManager
print(sorted(map(repr, fontManager.afmlist)), sorted(map(repr, fontManager.ttflist)))
"""

FIGURE = """
import hashlib, io, sys
sys.path.insert(0, sys.argv[1])
if sys.argv[2] == "ours":
    from inside import fonts
    fonts.keep_in_memory()
import matplotlib
matplotlib.use("agg")
matplotlib.rcParams["svg.hashsalt"] = "fixed"
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.set_title("bold \\u2211 \\u4e2d", weight="bold")
axes.set_xlabel("$\\\\int_0^1 \\\\mathcal{L}(q)\\\\,dq$", family="serif", style="italic")
axes.text(0.2, 0.5, "mono", family="monospace")
for kind in ("png", "svg", "pdf"):
    file = io.BytesIO()
    axes.figure.savefig(file, format=kind, metadata={"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind))
    print(kind, hashlib.sha256(file.getvalue()).hexdigest())
"""


@pytest.mark.parametrize("program", [LISTS, FIGURE], ids=["lists", "figure"])
def test_as_matplotlib_does_it(program: str, tmp_path: Path) -> None:
    """Are the lists of fonts, and figures with many of them in three formats, the same as without us?"""
    printed = []
    for who in ("ours", "matplotlib"):
        home = tmp_path / who
        home.mkdir()
        command = [sys.executable, "-W", "ignore:Glyph", "-c", program, str(INSIDE), who]
        run = subprocess.run(
            command,
            env={"HOME": str(home), "MPLCONFIGDIR": str(home)},
            capture_output=True,
            text=True,
            check=True,
        )
        printed.append(run.stdout)
    assert printed[0] == printed[1] != ""


def test_the_position_in_a_font_is_a_sessions_own(root: Session) -> None:
    """Two copies of a state draw at the same time, with a font that was loaded before they were copied."""
    start = "import io\nimport matplotlib.pyplot as plt\nfigure, axes = plt.subplots()\nfigure.savefig(io.BytesIO())"
    assert root.run(start, "<cell>", 10).error == ""
    draw = (
        "def drawn(turns):\n"
        "    import hashlib\n"
        "    found = set()\n"
        "    for turn in range(turns):\n"
        "        axes.set_title('ABCDEFGHIJKLMNOPQRSTUVWXYZ abcdefghijklmnopqrstuvwxyz')\n"
        "        file = io.BytesIO()\n"
        "        figure.savefig(file, format='raw')\n"
        "        found.add(hashlib.sha256(file.getvalue()).hexdigest())\n"
        "    return sorted(found)"
    )
    assert root.run(draw, "<cell>", 10).error == ""
    right = root.call("drawn", (1,), 30).value
    assert len(right) == 1
    in_background = "import os\nif os.fork() == 0:\n    drawn(100)\n    os._exit(0)"
    state = root.fork()
    assert state.run(in_background, "<cell>", 10).error == ""
    assert state.call("drawn", (10,), 60).value == right


def test_files_are_opened_as_ever(root: Session) -> None:
    """Is the function that opens files Python's own after a font was loaded?"""
    cell = (
        "import io\nimport matplotlib.pyplot as plt\nplt.figure().text(0, 0, 'x', weight='bold')\nplt.show()"
    )
    assert root.run(cell, "<cell>", 10).error == ""
    (output,) = root.run("import builtins\nio.open is builtins.open", "<cell>", 10).outputs
    assert output["data"]["text/plain"] == "True"
