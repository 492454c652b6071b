"""Sphinx extension: on each page the first mention of a glossary term links to its definition and carries it as its title."""

import re

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

GLOSSARY = "glossary"
LEFT_OUT = {
    GLOSSARY,
    "index",
    "notation",
    "bibliography",
    "genindex",
}  # the cards of the front page are links already
# Text in here is a link, a name or a formula already.
CLOSED = (nodes.reference, addnodes.pending_xref, nodes.literal, nodes.math, nodes.caption, nodes.raw)


def definitions(app: Sphinx) -> dict[str, tuple[str, str]]:
    """For every term, in lower case, its anchor and the text of its definition."""
    if GLOSSARY not in app.env.all_docs:
        return {}
    found = {}
    for item in app.env.get_doctree(GLOSSARY).findall(nodes.definition_list_item):
        text = " ".join(item.next_node(nodes.definition).astext().split())
        for term in item.findall(nodes.term):
            found[term.astext().lower()] = (term["ids"][0], text)
    return found


def pattern(terms) -> re.Pattern:
    longest_first = sorted(terms, key=len, reverse=True)  # "variational EM" before "EM"
    return re.compile(rf"\b({'|'.join(map(re.escape, longest_first))})s?\b", re.IGNORECASE)


def link_terms(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    if docname in LEFT_OUT or docname.startswith("api"):
        return
    terms = definitions(app)
    if not terms:
        return
    words, seen = pattern(terms), set()
    for paragraph in list(doctree.findall(nodes.paragraph)):
        for text in list(paragraph.findall(nodes.Text)):
            if not is_closed(text):
                text.parent.replace(text, linked(app, docname, text.astext(), words, terms, seen))


def is_closed(node: nodes.Node) -> bool:
    while not isinstance(node, nodes.paragraph):
        if isinstance(node, CLOSED):
            return True
        node = node.parent
    return False


def linked(
    app: Sphinx, docname: str, text: str, words: re.Pattern, terms: dict, seen: set
) -> list[nodes.Node]:
    result, end = [], 0
    for match in words.finditer(text):
        anchor, definition = terms[match[1].lower()]
        if anchor in seen:
            continue
        seen.add(anchor)
        address = f"{app.builder.get_relative_uri(docname, GLOSSARY)}#{anchor}"
        result += [nodes.Text(text[end : match.start()])]
        result += [
            nodes.reference(
                "", match.group(), refuri=address, reftitle=definition, internal=True, classes=["term"]
            )
        ]
        end = match.end()
    return [*result, nodes.Text(text[end:])]


def depend_on_glossary(app: Sphinx, doctree: nodes.document) -> None:
    if app.env.docname not in LEFT_OUT:
        app.env.note_dependency(f"{GLOSSARY}.md")


def setup(app: Sphinx) -> dict:
    app.connect("doctree-read", depend_on_glossary)
    app.connect("doctree-resolved", link_terms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
