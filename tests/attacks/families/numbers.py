"""Numbers that are none, as answers and as scores: they never become points."""

from tests.attacks.submission import EVERY, alone, changed


def everything_is(expression: str):
    return alone(f"import numpy as np\ndef f(*args): return {expression}\n{EVERY}")


def scores_in_metadata(notebook):
    for cell in notebook["cells"]:
        cell["metadata"].setdefault("nbgrader", {}).update(
            points=float("inf"), score=1e9, manual_score=20, extra_credit=20
        )
        if cell["cell_type"] == "code" and "def " in str(cell["source"]):
            cell["source"] = "pass"


ATTACKS = {
    name: everything_is(expression)
    for name, expression in {
        "nan": "float('nan')",
        "inf": "float('inf')",
        "minus_inf": "-np.inf",
        "complex": "complex(0, np.nan)",
        "text": "'3.0'",
        "true": "True",
        "nothing": "None",
        "nan_array": "np.full(np.shape(args[0]), np.nan)",
        "half": "np.float16(1)",
        "zero_d": "np.array(1.0)",
        "largest": "np.finfo(float).max",
        "ragged": "[[1.0], [1.0, 2.0]]",
        "uint": "np.uint64(2**64 - 1)",
        "mixed": "[2**62, -1.5, np.uint64(2**63)]",
        "empty_list": "[]",
        "inputs": "args[0]",
        "like_inputs": "np.ones_like(args[0], dtype=bool)",
        "dict": "{'score': 100, 'points': 100, 0: 1}",
    }.items()
}
# A divergence is infinite where p has no mass, and what is right there earns that property's share of the points.
ATTACKS["inf"] = ATTACKS["inf"]._replace(points=0.6)
ATTACKS["scores_in_metadata"] = changed(scores_in_metadata, 0)
