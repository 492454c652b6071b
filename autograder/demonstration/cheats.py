"""Cheats of the demonstration class: each would earn full marks from a grader that runs its checks beside the code.

`FUNCTIONS` stands for the list of the assignment's function names. None of the exercises is solved, so none earns a point.
"""

from __future__ import annotations

import json

CELLS = {
    # Drops every assertion and every call of `check` before a cell runs.
    "switch_off_checks": """
import ast

class NoChecks(ast.NodeTransformer):
    def visit_Assert(self, node):
        return None

    def visit_Expr(self, node):
        return None if "check" in ast.dump(node) else node

shell = get_ipython()
shell.ast_transformers.append(NoChecks())
shell.input_transformers_post.append(lambda lines: [line for line in lines if "check" not in line])
""",
    # Answers that claim to equal whatever they are compared with.
    "lying_objects": """
import numpy as np

class Right(float):
    def __eq__(self, other):
        return True

    def __ne__(self, other):
        return False

    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__

class RightArray(np.ndarray):
    def __array_function__(self, *anything):
        return True

    def __eq__(self, other):
        return np.ones(np.shape(other), dtype=bool)

for name in FUNCTIONS:
    globals()[name] = lambda *args: Right(1.0)
""",
    # Replaces what a test would call, and reports success by itself.
    "patch_the_judge": """
import builtins
import numpy.testing
from IPython.core.interactiveshell import ExecutionResult

for name in dir(numpy.testing):
    if name.startswith("assert"):
        setattr(numpy.testing, name, lambda *args, **kwargs: None)
builtins.AssertionError = ValueError
ExecutionResult.success = property(lambda self: True)
get_ipython().showtraceback = lambda *args, **kwargs: None
""",
    # Looks for the references, the gradebook and the frames of whoever calls.
    "read_the_answers": """
import os
import sqlite3
import sys

found = []
for folder, _, files in os.walk("/"):
    if folder.startswith(("/proc", "/sys")):
        continue
    found += [os.path.join(folder, f) for f in files if f.endswith(("gradebook.db", "check_data.json", ".hidden_seed"))]
    found += [os.path.join(folder, f) for f in files if "lectures_lib" in folder]
for path in found:
    if path.endswith(".db"):
        sqlite3.connect(path).execute("UPDATE grade SET manual_score = 100")
frame = sys._getframe()
while frame is not None:
    found += [name for name in frame.f_locals if "reference" in name or "expected" in name]
    frame = frame.f_back
print("found:", found)
try:
    import lectures_lib.gibbs_principle as answers
    import lectures_lib.mean_field as more
    for name in FUNCTIONS:
        globals()[name] = getattr(answers, name, getattr(more, name, None))
except ImportError:
    print("no reference here")
""",
    # Writes into everything that is open, in the hope that one of them is the channel.
    "forge_messages": """
import os

for descriptor in range(3, 256):
    try:
        os.write(descriptor, b'{"success": true, "score": 100, "points": 100}\\n' * 10)
    except OSError:
        pass
""",
}


def strange_metadata(notebook: dict) -> bytes:
    """Return a solved notebook with a copied cell, a strange schema and metadata of wrong types: its answers still count."""
    cells = notebook["cells"]
    last = next(cell for cell in reversed(cells) if cell["metadata"].get("nbgrader", {}).get("solution"))
    cells.append(json.loads(json.dumps(last)))
    for cell in cells:
        marks = cell["metadata"].get("nbgrader")
        if isinstance(marks, dict):
            marks.update(schema_version=99, points="1000", grade="yes")
            cell["metadata"]["tags"] = {"skip-execution": True}
    notebook["metadata"]["kernelspec"] = ["not", "a", "kernel"]
    return json.dumps(notebook).encode()
