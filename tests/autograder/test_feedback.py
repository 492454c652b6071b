import base64
import dataclasses
import hashlib
import itertools
import re
import shutil
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from nbgrader.api import Gradebook
from playwright.sync_api import sync_playwright
from pygments.lexers import PythonLexer

from autograder import feedback
from autograder.gradebook import save
from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import rebuild
from autograder.report import CellRun

ROOT = Path(__file__).parents[2]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>\x1b[31m"


class Page(HTMLParser):
    """What a test asks of a page: its elements, and its visible text."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.text, self._hidden = [], "", False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._hidden = tag == "style"

    def handle_endtag(self, tag):
        self._hidden = False

    def handle_data(self, data):
        if not self._hidden:
            self.text += data

    def all(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def figure(width=600, height=300):
    pixels = zlib.compress(b"".join(b"\0" + b"\xff" * width for _ in range(height)))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    image = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return {
        "output_type": "display_data",
        "data": {"image/png": base64.b64encode(image).decode()},
        "metadata": {},
    }


@pytest.fixture
def full(report):
    """A report with every kind of output."""
    table = {
        "output_type": "display_data",
        "data": {"text/html": "<table><tr><th>a</th><td>1</td></tr></table>"},
    }
    error = {
        "output_type": "error",
        "ename": "E",
        "evalue": "v",
        "traceback": ["Traceback", "E: " + "v" * 200],
    }
    return dataclasses.replace(
        report, cells=(*report.cells[:3], CellRun(5, (figure(), table, error), "ran out of time"))
    )


def written(course, report, notebook):
    path = feedback.write(course, report, notebook)
    assert path == course.feedback_path("ada", "small")
    return path.read_text(encoding="utf-8")


def test_code_has_the_colours_that_pygments_gives_it():
    """Also where a line starts, and within strings."""
    programs = [
        *(path.read_text(encoding="utf-8") for path in (ROOT / "autograder").rglob("*.py")),
        '''def f(x: int) -> int:\n  """A ( b."""\n\t  \'\'\'c = [1]\'\'\'\n  return x@x**2 if x != .5 else ...''',
        "  #!shebang\n#!no = shebang\nmatch = x\nmatch (x):\n  case [a, *_]: f'{x = !r:>{w}} {{}}'\n",
        "from . import (a,\n b)\nx = lambda *a: a ; \\\n y\u00a0= x.  y := ~x # ( = )\n\r\n'open ( = \n",
    ]
    for program in programs:
        assert list(feedback._LEXER.get_tokens(program)) == list(PythonLexer().get_tokens(program))


def test_the_page_says_what_was_found(course, full, rebuilt):
    page = Page(written(course, full, rebuilt))
    text = " ".join(page.text.split())
    for part in (
        "Feedback for ada",
        "Entropy",
        "1 of 6 points so far",
        "Entropy of ordinary distributions",
        "Seen: the sign is opposite",
        "0 / 3",
        "Sign. Every value seen was negative",
        "A list is taken as an array.",
        "A person has yet to mark this",
        "return p @ np.log(p)",
        "-0.69",
        "This cell did not finish: ran out of time",
        "a note",
    ):
        assert part in text, part
    assert page.all("img")[0]["alt"] == "figure drawn by the cell Figure"
    assert "return 1" not in text


def test_the_page_is_self_contained(course, full, rebuilt):
    html = written(course, full, rebuilt)
    page = Page(html)
    assert page.all("script") == page.all("link") == page.all("iframe") == []
    assert not [
        name
        for _, attributes in page.elements
        for name in attributes
        if name.startswith("on") or name == "style"
    ]
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    assert "url(" not in html
    assert "@import" not in html
    policy = next(
        meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"
    )
    style = re.search("<style>(.*)</style>", html, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none';")


def test_the_page_can_be_read_by_machines(course, full, rebuilt):
    page = Page(written(course, full, rebuilt))
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    headers = page.all("th")
    assert (
        sum(th.get("scope") in ("col", "row") for th in headers) == len(headers) - 1
    )  # the last is the student's
    anchors = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(anchors) == len(set(anchors))
    assert {a["href"][1:] for a in page.all("a") if a["href"].startswith("#")} <= set(anchors)


def test_nothing_that_a_student_writes_runs(course, report, source):
    cells = (
        SubmittedCell("code", EVIL, "entropy"),
        SubmittedCell(
            "markdown",
            f"{EVIL}\n\n# Head\n\n[x](javascript:alert(1)) ![y](http://spy/z.png)",
            "free_response",
        ),
        SubmittedCell("raw", EVIL, None),
    )
    rebuilt = rebuild(source, Submission(cells)).notebook
    outputs = (
        {"output_type": "stream", "name": "stdout", "text": EVIL},
        {"output_type": "error", "ename": EVIL, "evalue": EVIL, "traceback": [EVIL]},
        {"output_type": "display_data", "data": {"text/html": EVIL, "image/svg+xml": EVIL}},
        {"output_type": "display_data", "data": {"image/png": '" onerror=alert(1)'}},
    )
    result = dataclasses.replace(
        report.exercises[0], reason=EVIL, hint=EVIL, link="javascript:alert(1)", remarks=(EVIL,)
    )
    hostile = dataclasses.replace(
        report, exercises=(result,), cells=(CellRun(2, outputs, EVIL),), notes=(EVIL,), reason=EVIL
    )
    page = Page(written(course, hostile, rebuilt))
    assert page.all("script") == page.all("img") == []
    assert not [
        attributes for _, attributes in page.elements if any(name.startswith("on") for name in attributes)
    ]
    assert all(a["href"].startswith(("#", "http://spy")) for a in page.all("a"))
    assert "\x1b" not in page.text
    assert "alert(1)" in page.text


def test_formulas_in_words_are_shown_as_such(course, report, source):
    words = r"By Jensen, $\log p(x) \ge F(q)$ $\left($:" + "\n\n$$\nF(q) = \\text{<b>} - H(q)\n$$\n\n" + EVIL
    rebuilt = rebuild(source, Submission((SubmittedCell("markdown", words, "free_response"),))).notebook
    page = Page(written(course, report, rebuilt))
    assert [formula["display"] for formula in page.all("math")] == ["inline", "block"]
    assert "F(q)=<\xa0b>−H(q)" in page.text
    assert r"\left(" in page.text
    assert page.all("script") == page.all("img") == page.all("b") == []


def test_marks_by_hand(course, report, rebuilt):
    save(course, report, rebuilt)
    with Gradebook(course.db_url, course.course_id) as book:
        book.find_grade("check_entropy", "small", "small", "ada").manual_score = 3.5
        book.find_grade("free_response", "small", "small", "ada").manual_score = 1.25
        book.find_comment("free_response", "small", "small", "ada").manual_comment = "Clear.\n<b>Go on.</b>"
        book.db.commit()
    text = " ".join(Page(written(course, report, rebuilt)).text.split())
    assert "4.75 of 6 points" in text
    assert "so far" not in text
    assert "A person set these points to 3.5; the checks gave 1." in text
    assert "1.25 / 2" in text
    assert "Clear. <b>Go on.</b>" in text


def test_a_symbol_at_the_start_of_a_line_keeps_its_case(course, report, rebuilt):
    """K is another thing than k."""
    exercise = report.exercises[0]
    properties = (dataclasses.replace(exercise.properties[0], text="k = 1"), *exercise.properties[1:])
    exercises = (dataclasses.replace(exercise, properties=properties), *report.exercises[1:])
    assert ">k = 1<" in written(course, dataclasses.replace(report, exercises=exercises), rebuilt)


def test_a_refused_submission_says_why(course, report, source):
    refused = dataclasses.replace(
        report, status="refused", reason="the file is empty", cells=(), exercises=()
    )
    text = Page(written(course, refused, rebuild(source, None).notebook)).text
    assert "This submission could not be graded:" in text
    assert "the file is empty" in text
    assert "Your cells" not in text


def test_a_failures_traceback_is_not_for_students(course, report, source):
    failed = dataclasses.replace(
        report, status="failed", reason="a person must look", notes=("Traceback: /path",)
    )
    html = written(course, failed, rebuild(source, None).notebook)
    assert "a person must look" in html
    assert "Traceback" not in html


def test_links_lead_into_the_built_book(course, report, rebuilt):
    assert not [a for a in Page(written(course, report, rebuilt)).all("a") if "small.html" in a["href"]]
    feedback._find_page.cache_clear()
    page = course.directory / "_build" / "html" / "book" / "small.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    (link,) = [
        a["href"] for a in Page(written(course, report, rebuilt)).all("a") if "small.html" in a["href"]
    ]
    assert link.endswith("#entropy")
    assert (course.feedback_path("ada", "small").parent / link.partition("#")[0]).resolve() == page.resolve()
    course.config.Autograder.book_url = "https://example.org/book/"
    assert 'href="https://example.org/book/small.html#entropy"' in written(course, report, rebuilt)


def test_the_shown_notebook_gives_the_same_page(course, full, rebuilt):
    shown = save(course, full, rebuilt)
    assert written(course, full, shown) == written(course, full, rebuilt)


def kinds_of_pages(course, full, source, rebuilt):
    """One page of each kind: the paths of pages as students get them."""
    (course.directory / "_build" / "html").mkdir(parents=True)
    (wrong,) = full.exercises
    right = dataclasses.replace(
        wrong,
        points=4.0,
        properties=tuple(
            dataclasses.replace(p, points=p.max_points, observation="") for p in wrong.properties
        ),
        **dict.fromkeys(("reason", "misconception", "hint"), ""),
    )
    blank = dataclasses.replace(
        wrong,
        points=0.0,
        properties=tuple(
            dataclasses.replace(p, points=0.0, observation="x: not attempted") for p in wrong.properties
        ),
        reason="not attempted",
        misconception="",
        hint="",
    )
    example = "the number is wrong\n  arguments: " + "[1., 2.], " * 60 + "\n  returned: 1"
    long = ({"output_type": "stream", "name": "stdout", "text": "1234567890" * 400 + "\nline" * 300},)
    reports = {
        "misconception": full,
        "right": dataclasses.replace(full, exercises=(right,), cells=()),
        "blank": dataclasses.replace(full, exercises=(blank,), cells=(), notes=()),
        "long": dataclasses.replace(
            full,
            exercises=(dataclasses.replace(wrong, example=example),),
            cells=(CellRun(2, long, "stopped"),),
        ),
        "stopped": dataclasses.replace(full, reason="stopped: its memory was used up", exercises=(blank,)),
        "refused": dataclasses.replace(full, status="refused", reason="the file is empty", cells=()),
    }
    return [
        feedback.write(
            course,
            dataclasses.replace(report, student=kind),
            rebuild(source, None).notebook if kind == "refused" else rebuilt,
        )
        for kind, report in reports.items()
    ]


def test_what_is_said_of_the_exercise_is_not_said_again(course, full, source, rebuilt):
    pages = {path.parents[1].name: path.read_text() for path in kinds_of_pages(course, full, source, rebuilt)}
    assert pages["blank"].count("ot attempted") == 2  # in the summary and on the exercise's card
    assert "Seen: the sign is opposite" in pages["misconception"]
    assert "<details><summary>What was checked" in pages["right"]
    assert "<details><summary>What was checked" not in pages["blank"]
    assert 'href="#cell-entropy"' in pages["misconception"]


# On a ground with shadows, such as that of code, axe measures no contrast.
PLAIN_GROUND = "document.styleSheets[0].insertRule('pre, .table, .html, .formula { background: var(--ground) !important }')"


def test_in_a_browser(course, full, source, rebuilt, subtests):
    """Every kind of page on a wide and a narrow screen, light and dark: nothing overflows, and axe finds no fault."""
    axe, chromium = Axe(), shutil.which("chromium")
    assert chromium, "this test needs the program chromium"
    paths = kinds_of_pages(course, full, source, rebuilt)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in itertools.product((1280, 390), ("light", "dark")):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
            page = context.new_page()
            messages, requests = [], []
            page.on("console", lambda message, to=messages: to.append(message.text))
            page.on("request", lambda request, to=requests: to.append(request.url))
            for path in paths:
                with subtests.test(kind=path.parents[1].name, width=width, scheme=scheme):
                    page.goto(path.as_uri())
                    assert page.evaluate("document.scrollingElement.scrollWidth") <= width
                    assert (
                        page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
                    )
                    page.evaluate(PLAIN_GROUND)
                    found = axe.run(page)
                    assert found.response["violations"] == [], found.generate_report()
            assert messages == []
            assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
            context.close()
        browser.close()
