"""The checks are switched off, or their cells are changed: the points come from answers alone."""

from tests.attacks.submission import EVERY, alone, changed, solution_cell


def without_checks(notebook):
    notebook["cells"] = [c for c in notebook["cells"] if "check(" not in str(c["source"])]


def checks_that_pass(notebook):
    for cell in notebook["cells"]:
        if "check(" in str(cell["source"]):
            cell["source"] = "5.0"
        elif cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code":
            cell["source"] = "pass"


def skip_everything(notebook):
    for cell in notebook["cells"]:
        cell["metadata"].setdefault("tags", []).extend(["skip-execution", "raises-exception", "remove-cell"])
        if cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code":
            cell["source"] = "pass"


def checks_as_prose(notebook):
    for cell in notebook["cells"]:
        if "check(" in str(cell["source"]):
            cell["cell_type"] = "markdown"
    solution_cell(notebook, "entropy")["source"] = "pass"
    solution_cell(notebook, "elbo")["source"] = "pass"


TRANSFORM = """
import ast
class Drop(ast.NodeTransformer):
    def visit_Assert(self, node): return None
    def visit_Expr(self, node): return None
shell = get_ipython()
shell.ast_transformers.append(Drop())
shell.input_transformers_post.append(lambda lines: [])
shell.input_transformer_manager.transform_cell = lambda cell: "5.0"
"""

ATTACKS = {
    "transformers": alone(TRANSFORM),
    "run_cell": alone(
        "shell = get_ipython()\nshell.run_cell = lambda *a, **k: None\nshell.run = lambda *a: []"
    ),
    "check_module": alone(
        "import sys, check\ncheck.check = lambda *a: 5.0\nsys.modules['check'] = check\ndel sys.modules['numpy']"
    ),
    "cells_removed": changed(without_checks),
    "cells_changed": changed(checks_that_pass, 0),
    "tags": changed(skip_everything, 0),
    "cells_retyped": changed(checks_as_prose, 13),  # entropy and elbo are not there
    "exit": alone("import atexit, sys\natexit.register(lambda: print('20'))\nsys.exit(0)"),
    "flat_answer": alone("def f(*args): return 1.0\n" + EVERY),
}
