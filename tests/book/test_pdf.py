"""The printed book: a small one is printed for the test, as the whole takes minutes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from pypdf import PdfReader

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(ROOT / "book"))
import pdf  # noqa: E402  (their folders are not on pytest's path)
import visits  # noqa: E402

TOC = "format: jb-book\nroot: front\nchapters:\n  - file: first\n  - file: second\n  - file: genindex\n"
FRONT = "# A small book\n\nIts first page.\n"
FIRST = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
# A chapter with a title that is long enough to be broken over two lines of a page of paper

(here)=
## A section

The identity is $a^2 + b^2 = c^2$.

```{code-cell} ipython3
---
tags: [hide-input]
---
from lectures_lib.plots import Slider, new_figure

def draw(k):
    figure, axes = new_figure(figsize=(2, 1))
    axes.plot([0, k])
    return figure

Slider(draw, [1, 2, 3], "height", lambda k: f"height {k}", lambda k: f"A line that rises to {k}.", "The caption.")
```

```{exercise} A question
:label: ex-question

What is folded away?
```

```{solution} ex-question
:class: dropdown

The answer, forty-two.
```
"""
SECOND = "# Another chapter\n\n## The same heading\n\nSee {ref}`here`.\n\n## The same heading\n\nThe end.\n"


@pytest.fixture(scope="module")
def printed(tmp_path_factory) -> PdfReader:
    visits.chromium()  # skips on a developer's machine without one
    folder = tmp_path_factory.mktemp("small")
    (folder / "book").mkdir()
    for name, text in {
        "front.md": FRONT,
        "first.md": FIRST,
        "second.md": SECOND,
        "genindex.md": "# Index\n",
        "references.bib": "",
    }.items():
        (folder / "book" / name).write_text(text, encoding="utf8")
    (folder / "_toc.yml").write_text(TOC, encoding="utf8")
    command = [
        Path(sys.executable).with_name("jupyter-book"),
        "build",
        folder / "book",
        "--path-output",
        folder,
    ]
    command += ["--config", ROOT / "_config.yml", "--toc", folder / "_toc.yml", "--builder", "singlehtml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    # In a process of its own: the browser tests of this session may keep an event loop running here.
    code = "import sys; from pathlib import Path; import pdf; pdf.print_book(*map(Path, sys.argv[1:]))"
    source, target = folder / "_build" / "singlehtml" / "front.html", folder / "small.pdf"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "book")}
    done = subprocess.run(
        [sys.executable, "-c", code, source, target],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return PdfReader(target)


def bookmarks(reader: PdfReader) -> list[tuple[str, int]]:
    return [(mark.title, reader.get_destination_page_number(mark) + 1) for mark in pdf.flat(reader.outline)]


def test_bookmarks_lead_to_the_chapters(printed):
    titles = [title for title, _ in bookmarks(printed)]
    long_title = re.search("# (A chapter.*)", FIRST)[1]
    assert titles == [
        "A small book",
        long_title,
        "A section",
        "Another chapter",
        "The same heading",
        "The same heading",
    ]
    for title, number in bookmarks(printed):
        text = " ".join(printed.pages[number - 1].extract_text().split())
        assert title in text
    assert printed.metadata.title == "A small book"


def test_chapters_begin_on_pages_of_their_own(printed):
    numbers = [number for title, number in bookmarks(printed) if "hapter" in title]
    assert len(numbers) == len(set(numbers)) == 2
    assert len(printed.pages) >= 4  # front page, contents, two chapters


def test_contents_have_the_right_page_numbers(printed):
    contents = printed.pages[1].extract_text()
    assert contents.startswith("Contents")
    expected = [number for title, number in bookmarks(printed) if title != "A small book"]
    assert [int(number) for number in re.findall(r"(?m)(\d+)\s*$", contents)][: len(expected)] == expected


def test_links_lead_within_the_document(printed):
    targets = [
        annotation.get_object()
        for annotation in printed.pages[1].get("/Annots", [])
        if annotation.get_object()["/Subtype"] == "/Link"
    ]
    assert len(targets) >= 5
    assert all("/Dest" in link or "/D" in link.get("/A", {}) for link in targets)


def test_page_shows_what_can_be_read_on_paper(printed):
    text = " ".join(page.extract_text() for page in printed.pages)
    assert "forty-two" in text  # answers are unfolded
    assert "height 1" in text
    assert "height 3" in text
    assert "height 2" not in text  # of a slider's pictures the first and the last
    assert "Two of 3 pictures" in text
    assert "new_figure" not in text  # code that is folded away stays out
    assert "\\(" not in text
    assert "a^2" not in text
    assert sum(len(page.images) for page in printed.pages) == 2


def test_every_page_has_its_number(printed):
    for number, page in enumerate(printed.pages, 1):
        assert re.search(
            rf"(^|\s){number}\s*$", page.extract_text().strip()
        ) or page.extract_text().startswith(f"{number}\n")


def test_without_a_browser_it_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(pdf, "BROWSERS", ("no-such-browser",))
    with pytest.raises(SystemExit, match="prints with Chromium, and none of no-such-browser is on the path"):
        pdf.browser_path()
