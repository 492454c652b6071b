"""Sphinx extension: numbers that a cell has put into the text are set as the text would set them.

−3.1 for -3.1, 392 000 for 392000, 2 × 10⁻¹² for 2e-12.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

POWER = re.compile(r"(-?[\d.]+)e([+-]\d+)")
LONG = re.compile(r"(-?\d{5,})((?:\.\d+)?)")  # four digits are read at a glance


def typeset(text: str) -> nodes.Node:
    if not (found := POWER.fullmatch(text)):
        if long := LONG.fullmatch(text):
            text = f"{int(long[1]):,}".replace(",", "\N{NARROW NO-BREAK SPACE}") + long[2]
        return nodes.Text(re.sub(r"^-(?=\d)", "−", text))
    if float(found[1]) == 0:
        return nodes.Text("0")
    formula = rf"{found[1]} \times 10^{{{int(found[2])}}}"
    return nodes.math(formula, formula)


def typeset_numbers(app: Sphinx, doctree: nodes.document) -> None:
    for number in doctree.findall(
        lambda node: "pasted-text" in getattr(node, "attributes", {}).get("classes", [])
    ):
        number.children = []
        number += typeset(number.rawsource)


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", typeset_numbers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
