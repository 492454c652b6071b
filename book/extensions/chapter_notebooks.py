"""Sphinx extension: each chapter as a notebook that runs, and reads well, anywhere: _sources/<chapter>.ipynb.

Jupyter knows nothing of the book's directives and roles, so the text cells are written from the resolved document, in which references,
citations and computed numbers are plain text, as Markdown that every notebook program shows. Outputs are left to the reader.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
from docutils import nodes
from launch import NOTEBOOKS, repository, requirement
from sphinx import addnodes
from sphinx.application import Sphinx

GLUE = "from myst_nb import glue"
PRINTING_GLUE = """def glue(name, value, display=True):  # the book puts the number into its text
    print(f"{name} = {value}")"""

INTRODUCTION = """This notebook is a chapter of the book *{title}*. It computes with the package `lectures_lib` of the course.{how}"""
INSTALL = '''try:
    import lectures_lib
except ImportError:  # on a machine without the course
    %pip install --quiet "{requirement}"'''

LEFT_OUT = (nodes.target, nodes.comment, nodes.raw, nodes.image, addnodes.index, nodes.system_message)


class Markdown:
    """Writes parts of a document as Markdown."""

    def __init__(self, macros: dict[str, str], numbers: dict, base: str):
        self.macros, self.numbers, self.base = macros, numbers, base

    def tex(self, text: str) -> str:
        for name, meaning in self.macros.items():
            text = re.sub(rf"\\{name}(?![A-Za-z])", lambda _, meaning=meaning: meaning, text)
        return text.strip()

    def inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return re.sub(r"([*_`$<\\])", r"\\\1", node.astext()).replace("\n", " ")
        if isinstance(node, nodes.math):
            return f"${self.tex(node.astext())}$"
        if isinstance(node, nodes.literal):
            return f"`{node.astext()}`"
        if isinstance(node, nodes.math_block):  # a formula may stand within a paragraph
            return f"\n\n{self.block(node)}\n\n"
        if isinstance(node, LEFT_OUT):
            return ""
        text = "".join(map(self.inline, node.children))
        if isinstance(node, nodes.emphasis | nodes.strong) and text.strip():
            mark = "*" if isinstance(node, nodes.emphasis) else "**"
            return f"{mark}{text.strip()}{mark}"
        if isinstance(node, nodes.reference) and (address := self.address(node)):
            return f"[{text}]({address})"
        return text

    def address(self, node: nodes.reference) -> str:
        """Where a link leads from outside the book; empty for places in this notebook, or if the book has no address yet."""
        address = node.get("refuri", "")
        if "://" in address:
            return address
        return self.base + address if self.base and address and "term" not in node["classes"] else ""

    def blocks(self, parent: nodes.Element) -> str:
        return "\n\n".join(filter(None, map(self.block, parent.children)))

    def block(self, node: nodes.Node) -> str:
        if isinstance(node, LEFT_OUT):
            return ""
        if isinstance(node, nodes.math_block):
            number = f" \\tag{{{node['number']}}}" if node.get("number") else ""
            return f"$$\n{self.tex(node.astext())}{number}\n$$"
        if isinstance(node, nodes.literal_block):
            return f"```\n{node.astext()}\n```"
        if isinstance(node, nodes.bullet_list | nodes.enumerated_list):
            return self.list(node)
        if isinstance(node, nodes.table):
            return self.table(node)
        if type(node).__name__ == "solution_node":
            title, *content = node.children
            inside = "\n\n".join(filter(None, map(self.block, content)))
            return f"<details><summary>{title.astext()}</summary>\n\n{inside}\n\n</details>"
        if isinstance(node, nodes.Admonition | nodes.sidebar) and type(node).__name__ != "proof_node":
            return self.box(node)
        if any(isinstance(child, nodes.Inline | nodes.Text) for child in node.children):
            text = "".join(map(self.inline, node.children)).strip()
            return f"**{text}**" if "sd-card-title" in node.get("classes", []) else text
        return self.blocks(node)

    def list(self, node: nodes.Element) -> str:
        numbered, lines = isinstance(node, nodes.enumerated_list), []
        for k, item in enumerate(node.children):
            mark = f"{node.get('start', 1) + k}. " if numbered else "- "
            content = self.blocks(item).replace("\n", "\n" + " " * len(mark))
            lines.append(mark + content)
        return "\n".join(lines)

    def table(self, node: nodes.table) -> str:
        rows = [
            [self.blocks(entry).replace("\n", " ") or " " for entry in row.children]
            for row in node.findall(nodes.row)
        ]
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join("| " + " | ".join(row) + " |" for row in rows)

    def box(self, node: nodes.Element) -> str:
        """A theorem, a note or a margin note: a quotation under a bold title."""
        title = next((child for child in node.children if isinstance(child, nodes.title)), None)
        text = "".join(map(self.inline, title.children)) if title else ""
        if kind := node.get("realtype"):
            places = self.numbers.get(node.get("countertype"), {})
            number = next((".".join(map(str, places[i])) for i in node["ids"] if i in places), "")
            text = f"{kind.title()} {number} {re.sub('^' + re.escape('(%s)'), '', text)}"
            text = " ".join(text.replace("%s", "").split())
        elif not text and type(node) is nodes.note:
            text = "Note"
        content = "\n\n".join(
            filter(None, (self.block(child) for child in node.children if child is not title))
        )
        content = f"**{text}**\n\n{content}" if text else content
        return "\n".join(f"> {line}".rstrip() for line in content.split("\n"))


def parts(markdown: Markdown, node: nodes.Element, depth: int = 1) -> Iterator[tuple[str, str]]:
    """("code", source) and ("text", Markdown) in the order of the page; a section begins with a text of its own."""
    for child in node.children:
        if isinstance(child, nodes.section):
            title = child.next_node(nodes.title)
            yield "section", f"{'#' * depth} {''.join(map(markdown.inline, title.children))}"
            yield from parts(markdown, child, depth + 1)
        elif isinstance(child, nodes.container) and child.get("nb_element") == "cell_code":
            yield "code", child.next_node(nodes.literal_block).astext().replace(GLUE, PRINTING_GLUE)
            for caption in child.findall(nodes.caption):
                yield "text", f"*{''.join(map(markdown.inline, caption.children)).strip()}*"
        elif not isinstance(child, nodes.title) and (text := markdown.block(child)):
            yield "text", text


def notebook(pieces, kernel: dict) -> nbformat.NotebookNode:
    cells, kind_before = [], ""
    for kind, text in pieces:
        if kind == "code":
            cells.append(nbformat.v4.new_code_cell(text))
        elif kind == "text" and kind_before in ("text", "section"):
            cells[-1].source += "\n\n" + text
        else:
            cells.append(nbformat.v4.new_markdown_cell(text))
        kind_before = kind
    for k, cell in enumerate(cells):
        cell.id = f"cell-{k}"  # the same in every build
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def pages_address(address: str) -> str:
    """Where GitHub shows the published branch of a repository; other hosts have no rule."""
    found = re.fullmatch(r"https://github\.com/([^/]+)/([^/]+)", address)
    return f"https://{found[1].lower()}.github.io/{found[2]}/" if found else ""


def is_chapter(app: Sphinx, page: str) -> bool:
    """Whether a page is executed; the front page is, for a picture, but is none."""
    return page != app.config.root_doc and "kernelspec" in app.env.metadata.get(page, {})


def write_notebook(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if app.builder.name != "html" or not is_chapter(app, page):
        return
    address = repository(app.config)
    macros = app.config.mathjax3_config["tex"]["macros"]
    markdown = Markdown(macros, app.env.toc_fignumbers.get(page, {}), pages_address(address))
    how = "" if address else " Install it with `pip install '.[notebooks]'` in the course's folder."
    pieces = list(parts(markdown, doctree))
    introduction = [("text", INTRODUCTION.format(title=app.config.html_title, how=how))]
    if address:
        introduction.append(("code", INSTALL.format(requirement=requirement(address))))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = notebook([pieces[0], *introduction, *pieces[1:]], kernel)
    path = Path(app.outdir) / NOTEBOOKS / f"{page}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(made, path)


def offer_notebook(app: Sphinx, page: str, template: str, context: dict, doctree) -> None:
    if (Path(app.outdir) / NOTEBOOKS / f"{page}.ipynb").is_file():
        context["ipynb_source"] = f"{page}.ipynb"  # the theme's download menu shows it


def setup(app: Sphinx) -> dict:
    app.connect("doctree-resolved", write_notebook, priority=900)  # when all references have been resolved
    app.connect("html-page-context", offer_notebook, priority=450)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
