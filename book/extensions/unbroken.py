"""Sphinx extension: a formula or a piece of code in a line keeps its punctuation, its ending and the number that it is equal to.

Each is set as a box of its own, and a browser may break a line on both sides of a box: a full stop would open the next line.
"""

import re

from docutils import nodes
from sphinx.application import Sphinx

BEFORE = re.compile(r"[(\[“‘]+$")
AFTER = re.compile(r"^(?:’s|-th|[-.,:;?!)\]”’])+")
SHORT = 24  # characters of code that fit on one line of a phone, in a list as well


def is_number(node: nodes.Node) -> bool:
    return "pasted-text" in getattr(node, "attributes", {}).get("classes", [])


def bind(box: nodes.Element) -> None:
    parent, place = box.parent, box.parent.index(box)
    held: list[nodes.Node] = [box]
    following = parent[place + 1 : place + 3]
    if box.astext().endswith("=") and len(following) == 2 and is_number(following[1]):
        held += [nodes.Text("\N{NO-BREAK SPACE}"), following[1]]
        del parent[place + 1 : place + 3]
    if (
        parent[place + 1 :]
        and isinstance(text := parent[place + 1], nodes.Text)
        and (found := AFTER.match(text))
    ):
        held.append(nodes.Text(found[0]))
        parent[place + 1] = nodes.Text(text[found.end() :])
    if place and isinstance(text := parent[place - 1], nodes.Text) and (found := BEFORE.search(text)):
        held.insert(0, nodes.Text(found[0]))
        parent[place - 1] = nodes.Text(text[: found.start()])
    if len(held) > 1:
        parent[place] = nodes.inline("", "", *held, classes=["unbroken"])


def bind_boxes(app: Sphinx, doctree: nodes.document, name: str) -> None:
    for box in list(doctree.findall(lambda node: isinstance(node, nodes.math | nodes.literal))):
        if isinstance(box, nodes.literal) and len(box.astext()) <= SHORT:
            box["classes"].append("short")
        if not is_number(box.parent):
            bind(box.parent if isinstance(box.parent, nodes.reference) else box)


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", bind_boxes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
