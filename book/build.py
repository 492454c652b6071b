"""Builds the book to _build/html, warnings as errors: python book/build.py

Jupyter Book executes a chapter again when the chapter's code changed. It cannot see that the library changed,
so the cache of executed chapters is dropped here when it was made with other code of lectures_lib (comments and docstrings aside).
"""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from handouts import pack_all
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / ".jupyter_cache"
STAMP = ROOT / "_build" / "library.sha256"  # of the library that the cached outputs were computed with


class WithoutTexts(ast.NodeTransformer):
    """Removes docstrings: what they say changes no chapter's output."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | ast.Pass:
        alone = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return ast.Pass() if alone else node


def library_digest(library: Path = ROOT / "lectures_lib") -> str:
    digest = hashlib.sha256()
    for path in sorted(library.rglob("*.py")):
        code = ast.dump(WithoutTexts().visit(ast.parse(path.read_text(encoding="utf8"))))
        digest.update(f"{path.relative_to(library).as_posix()}\0{code}\0".encode())
    return digest.hexdigest()


def drop_outdated_cache() -> None:
    digest = library_digest()
    if not STAMP.exists() or STAMP.read_text() != digest:
        shutil.rmtree(CACHE, ignore_errors=True)
        shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)  # they hold the outputs, too
        STAMP.parent.mkdir(exist_ok=True)
        STAMP.write_text(digest)


MENDED = (
    # Citations are marked up with roles that ARIA has withdrawn, in a list without items.
    (r' role="doc-biblioentry"', ""),
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    # What folds a part of the table of contents has no name.
    (r'<summary>(?=<span class="toctree-toggle")', '<summary aria-label="Pages of this part">'),
    # The space before the name of an exercise belongs to its link.
    (r"(Solution to)(<a [^>]*>) ", r"\1 \2"),
    # A reference keeps its number on the line.
    (
        r'(?<!class="unbroken")>((?:Algorithm|Corollary|Definition|Example|Exercise|Fig\.|Lemma|Proposition|Theorem) \d+)<',
        r'><span class="unbroken">\1</span><',
    ),
    # The book's name in the sidebar belongs to no landmark.
    (
        r'<div class="sidebar-primary-item">(?=\s*<a class="navbar-brand logo")',
        '<div class="sidebar-primary-item" role="navigation" aria-label="Book">',
    ),
)
"""What a reader or a screen reader stumbles over in the theme's pages, and what stands there instead."""

FIGURE = re.compile(r'<img (?![^>]* width=)(?=[^>]*src="(_images/[^"]*\.png)")')
PIXELS_PER_INCH = 100  # as in lectures_lib.plots, which an unchanged build need not import


def size(path: Path) -> str:
    """Attributes for a figure: files have more pixels than pages, and a page that knows the size does not jump when the file is there."""
    with Image.open(path) as image:
        scale = PIXELS_PER_INCH / image.info["dpi"][0]
        return f'width="{image.width * scale:.0f}" height="{image.height * scale:.0f}"'


def mend_pages(site: Path) -> None:
    for path in site.glob("*.html"):
        page = text = path.read_text(encoding="utf-8")
        for pattern, replacement in MENDED:
            text = re.sub(pattern, replacement, text)
        text = FIGURE.sub(lambda found: f"<img {size(site / found[1])} ", text)
        if text != page:
            path.write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    drop_outdated_cache()
    pack_all()
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT / "book", "--path-output", ROOT]
    command += ["--config", ROOT / "_config.yml", "--toc", ROOT / "_toc.yml", "-W", "-n", "--keep-going"]
    code = subprocess.run(command + arguments, cwd=ROOT, check=False).returncode
    if code == 0:
        for site in (ROOT / "_build").glob("*html"):  # pages, and the single page that is printed
            # Sphinx does not look at style sheets as long as no page has changed.
            shutil.copytree(ROOT / "book" / "_static", site / "_static", dirs_exist_ok=True)
            mend_pages(site)
    else:  # else the next build would find these pages up to date, and not complain again
        shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
