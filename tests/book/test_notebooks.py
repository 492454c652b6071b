"""The chapters' notebooks: do they hold the page's code, read as plain Markdown, and run in an empty folder?"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import nbformat
import pytest
from nbclient import NotebookClient
from sphinx.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT / "book" / "extensions"))
import chapter_notebooks  # noqa: E402  (their folders are not on pytest's path)
import launch  # noqa: E402
import site_checks  # noqa: E402

SOURCES = {
    path.stem: path.read_text(encoding="utf8")
    for path in sorted((ROOT / "book").glob("*.md"))
    if "{code-cell}" in path.read_text(encoding="utf8") and path.stem != "index"
}
SERVICES = {"binderhub_url": "https://mybinder.org", "colab_url": "https://colab.research.google.com"}
RAW = re.compile(
    r"\{(?:prf:)?[a-z]+(?::[a-z]+)?\}`|\\(?:E|KL|ELBO|argmax|argmin)(?![A-Za-z])|^\([\w-]+\)=$|%s",
    re.MULTILINE,
)


def notebook(site, chapter: str) -> nbformat.NotebookNode:
    return nbformat.read(site / "_sources" / f"{chapter}.ipynb", as_version=4)


@pytest.mark.parametrize("chapter", SOURCES)
def test_notebook_holds_the_code_of_the_page(chapter, site, pages):
    made = notebook(site, chapter)
    nbformat.validate(made)
    assert made.metadata.kernelspec.name == "python3"
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    expected = [code.strip() for _, code in site_checks.cells(SOURCES[chapter])]
    assert [
        text.replace(chapter_notebooks.PRINTING_GLUE, chapter_notebooks.GLUE).strip() for text in code
    ] == expected
    assert pages[f"{chapter}.html"].select(f"a[href$='_sources/{chapter}.ipynb']")


@pytest.mark.parametrize("chapter", SOURCES)
def test_text_of_the_notebook_is_plain_markdown(chapter, site):
    text = "\n\n".join(cell.source for cell in notebook(site, chapter).cells if cell.cell_type == "markdown")
    assert RAW.findall(text) == []
    assert text.count("$$") % 2 == 0
    headings = re.findall(r"(?m)^#+ (.+)$", re.sub(r"(?ms)^(`{3,}).*?^\1", "", SOURCES[chapter]))
    shown = re.findall(r"(?m)^#+ (.+)$", text)
    assert len(shown) == len(headings)


def test_check_finds_what_is_not_plain():
    for text in ("see {ref}`x`", "{prf:ref}`thm`", "{glue:text}`x:.2f`", r"$\KL(q)$", "(anchor)=", "(%s)"):
        assert RAW.search(text)
    assert not RAW.search(r"$\operatorname{KL}(q)$ and `code` in {braces}")


def test_notebook_runs_in_an_empty_folder(site, tmp_path):
    made = notebook(site, "gibbs_principle")
    NotebookClient(made, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        out.get("text", "") for cell in made.cells if cell.cell_type == "code" for out in cell.outputs
    )
    assert "log-evidence = -0.916" in printed  # what the book glues into its text
    kinds = {
        kind
        for cell in made.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        for kind in out.get("data", {})
    }
    assert {"image/png", "text/html"} <= kinds  # figures and a slider


# --- links to the repository ---------------------------------------------------------------------------------------------


def test_addresses_on_github():
    found = launch.launch_addresses("https://github.com/ada/course", SERVICES, "mean_field")
    assert (
        found["Colab"]
        == "https://colab.research.google.com/github/ada/course/blob/gh-pages/_sources/mean_field.ipynb"
    )
    binder = urlsplit(found["Binder"])
    assert (binder.netloc, binder.path) == ("mybinder.org", "/v2/gh/ada/course/gh-pages")
    assert parse_qs(binder.query) == {"urlpath": ["lab/tree/_sources/mean_field.ipynb"]}


def test_addresses_elsewhere():
    gitlab = launch.launch_addresses("https://gitlab.com/group/sub/course", SERVICES, "em")
    assert set(gitlab) == {"Binder"}  # Colab opens notebooks from GitHub alone
    assert "/v2/gl/group%2Fsub%2Fcourse/gh-pages" in gitlab["Binder"]
    own = launch.launch_addresses(
        "https://git.example.edu/ada/course", {**SERVICES, "jupyterhub_url": "https://hub.example.edu"}, "em"
    )
    assert unquote(urlsplit(own["Binder"]).path) == "/v2/git/https://git.example.edu/ada/course/gh-pages"
    hub = urlsplit(own["JupyterHub"])
    assert (hub.netloc, hub.path) == ("hub.example.edu", "/hub/user-redirect/git-pull")
    assert parse_qs(hub.query) == {
        "repo": ["https://git.example.edu/ada/course"],
        "branch": ["gh-pages"],
        "urlpath": ["lab/tree/course/_sources/em.ipynb"],
    }


@pytest.mark.parametrize(
    "address", ["github.com/ada/course", "http://github.com/ada/course", "https://github.com/ada"]
)
def test_malformed_address_stops_the_build(address, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY", address)
    with pytest.raises(ConfigError, match="expected an address like"):
        launch.repository(None)


def test_without_an_address_there_are_no_links(pages):
    if os.environ.get("BOOK_REPOSITORY"):
        pytest.skip("this build has an address")
    assert not pages["mean_field.html"].select(".dropdown-launch-buttons, .btn-source-repository-button")


SMALL_BOOK = "format: jb-book\nroot: front\nchapters:\n  - file: small\n"
SMALL_CHAPTER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# Small

A chapter of one line.

```{code-cell}
1 + 1
```
"""


def test_a_build_with_an_address_links_to_it(tmp_path):
    """A book of one chapter, built with the course's own configuration."""
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "small.md").write_text(SMALL_CHAPTER, encoding="utf8")
    (tmp_path / "book" / "references.bib").write_text("", encoding="utf8")
    (tmp_path / "book" / "front.md").write_text("# Front page\n", encoding="utf8")
    (tmp_path / "_toc.yml").write_text(SMALL_BOOK, encoding="utf8")
    command = [
        Path(sys.executable).with_name("jupyter-book"),
        "build",
        tmp_path / "book",
        "--path-output",
        tmp_path,
    ]
    command += ["--config", ROOT / "_config.yml", "--toc", tmp_path / "_toc.yml"]
    environment = {**os.environ, "BOOK_REPOSITORY": "https://github.com/Ada/course.git"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    built = tmp_path / "_build" / "html"
    page = (built / "small.html").read_text(encoding="utf8")
    for address in (
        "https://mybinder.org/v2/gh/Ada/course/gh-pages?urlpath=lab%2Ftree%2F_sources%2Fsmall.ipynb",
        "https://colab.research.google.com/github/Ada/course/blob/gh-pages/_sources/small.ipynb",
        "https://github.com/Ada/course/issues/new",
        'href="https://github.com/Ada/course"',
    ):
        assert address in page
    requirement = "variational-methods-course[notebooks] @ git+https://github.com/Ada/course"
    assert (built / "binder" / "requirements.txt").read_text(encoding="utf8").strip() == requirement
    cells = json.loads((built / "_sources" / "small.ipynb").read_text(encoding="utf8"))["cells"]
    install = next("".join(cell["source"]) for cell in cells if "pip" in "".join(cell["source"]))
    assert requirement in install
    assert install.startswith("try:\n    import lectures_lib\nexcept ImportError:")
