import base64
import dataclasses
import struct
from html.parser import HTMLParser

import nbformat
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nbconvert.filters import markdown2html
from nbformat.v4 import new_raw_cell
from nbgrader.utils import determine_grade

from autograder import sanitise
from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import rebuild
from autograder.report import CellRun
from autograder.sanitise import (
    plain_text,
    sanitise_html,
    sanitise_markdown,
    sanitise_notebook,
    sanitise_outputs,
)

SAFE_TAGS = frozenset(
    {
        "p",
        "em",
        "strong",
        "a",
        "ul",
        "ol",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "blockquote",
        "pre",
        "code",
        "hr",
    }
    | {"br", "span", "div", "table", "thead", "tbody", "tr", "th", "td", "del", "section", "sup", "mark"}
)
SAFE_ATTRIBUTES = {"href", "id", "class", "style", "title", "start", "align"}


class _Danger(HTMLParser):
    """Collects what could run code or fetch something."""

    def __init__(self, html, tags=SAFE_TAGS, attributes=SAFE_ATTRIBUTES):
        super().__init__(convert_charrefs=True)
        self.found, self._tags, self._attributes = [], tags, attributes
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        if tag not in self._tags:
            self.found.append(tag)
        for name, value in attrs:
            squeezed = "".join(c for c in value or "" if c > " ").lower()
            if name not in self._attributes or squeezed.startswith(("javascript:", "vbscript:", "data:")):
                self.found.append((tag, name, value))

    def handle_data(self, data):
        self.text += data


def png(width=2, height=2):
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + struct.pack(">II", width, height)
    return base64.b64encode(header + bytes(30)).decode()


def shown(data):
    """The MIME types that are left of a display."""
    outputs = sanitise_outputs([{"output_type": "display_data", "data": data, "metadata": {"x": 1}}])
    return {mime: value for output in outputs for mime, value in output.get("data", {}).items()}


def test_terminal_codes_and_control_characters_go():
    assert (
        plain_text("\x1b[31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07\x00\x08\u202e\ud800")
        == "red link\ufffd"
    )
    assert plain_text(["10%\r50%\r100%\n", "next\r\n"]) == "100%\nnext\n"
    assert plain_text(5) == ""


def test_code_keeps_every_line():
    assert sanitise.source_text("hidden()\rshown()\x1b") == "hidden()\nshown()"


def test_allowed_kinds_are_built_anew():
    outputs = sanitise_outputs(
        [
            {"output_type": "stream", "name": "stdout", "text": ["a", "b"], "evil": 1},
            {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mline\x1b[0m"]},
            {
                "output_type": "execute_result",
                "execution_count": 7,
                "data": {"text/plain": "1"},
                "metadata": {"m": 1},
            },
        ]
    )
    assert outputs == [
        {"output_type": "stream", "name": "stdout", "text": "ab"},
        {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["line"]},
        {"output_type": "display_data", "data": {"text/plain": "1"}, "metadata": {}},
    ]


@pytest.mark.parametrize(
    "mime",
    [
        "image/svg+xml",
        "text/latex",
        "application/javascript",
        "application/vnd.jupyter.widget-view+json",
        "TEXT/HTML",
    ],
)
def test_other_kinds_are_left_out_and_named(mime):
    outputs = sanitise_outputs([{"output_type": "display_data", "data": {mime: "<script>alert(1)</script>"}}])
    assert mime in outputs[-1].text
    assert "<script>" not in str(outputs)


@pytest.mark.parametrize(
    "output", [None, 5, [], {}, {"output_type": []}, {"output_type": "update_display_data"}]
)
def test_what_is_no_output_is_named(output):
    assert "unknown kind" in sanitise_outputs([output])[0].text


def test_good_images_stay():
    image = png()
    assert shown({"image/png": image[:8] + "\n" + image[8:]}) == {"image/png": image}
    jpeg = base64.b64encode(b"\xff\xd8\xff\xe0" + bytes(20)).decode()
    assert shown({"image/jpeg": jpeg}) == {"image/jpeg": jpeg}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no base64!",
        base64.b64encode(b"<svg onload=alert(1)>" * 5).decode(),
        png(100_000, 100_000),
        png(0, 5),
        "A" * (sanitise.MAX_IMAGE_BYTES * 4 // 3 + 8),
        5,
        {},
    ],
)
def test_bad_images_go(content):
    assert shown({"image/png": content}) == {}


def test_tables_stay_and_code_in_html_goes():
    html = (
        "<style>td {}</style><script>alert(1)</script><table onclick=x style='color:red'><tr><th scope=col>a</th></tr>"
        "</table><img src=http://spy/x><svg><a xlink:href='javascript:1'></a></svg><a href='java&#9;script:1'>k</a>"
        "<iframe srcdoc=x></iframe><math><mtext><style><img onerror=1></style></mtext></math> $\\href{javascript:1}{x}$"
    )
    clean = sanitise_html(html)
    danger = _Danger(clean, SAFE_TAGS, {"scope", "href", "rel", "colspan", "rowspan"})
    assert danger.found == []
    assert "<table><" in clean
    assert 'scope="col">a' in clean
    assert "\\href" not in danger.text
    assert "alert" not in clean


def test_long_outputs_are_cut():
    (output,) = sanitise_outputs([{"output_type": "stream", "text": "x" * (sanitise.MAX_TEXT + 7)}])
    assert "7 more characters" in output.text
    many = sanitise_outputs([{"output_type": "stream", "text": "x"}] * 150)
    assert len(many) == sanitise.MAX_OUTPUTS + 1
    assert "after the first 100" in many[-1].text


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "a <!-- x --> <a href='javascript:alert(1)'>x</a>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt\\:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](&amp;#106;avascript:alert(1))",
        "[x](javascript&amp;colon;alert(1))",
        "[x](&#x26;#106;avascript:alert(1))",
        "[x](<javascript:alert(1)>)",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x]: vbscript:alert(1)\n\n[x]",
        "![x](http://spy/pixel.png)",
        "![x][spy]\n\n[spy]: http://spy/pixel.png",
        "![x](attachment:a.png)",
        "$<img src=x onerror=alert(1)>$",
        "`<script>`\n\n    <script>alert(1)</script>\n",
        "\\begin{x}<script>alert(1)</script>\\end{x}",
        "<javascript:alert(1)>",
    ],
)
def test_markdown_in_formgrader_runs_and_fetches_nothing(source):
    danger = _Danger(markdown2html(sanitise_markdown(source)))
    assert danger.found == []


def test_the_test_above_sees_danger():
    assert _Danger(markdown2html("<script>x</script> <a href='javascript:x'>y</a>")).found
    assert _Danger(markdown2html("![x](http://spy/pixel.png)")).found


@pytest.mark.parametrize(
    "text", ["$\\href{javascript:alert(1)}{x}$", "$&#92;href{x}{y}$", "$&bsol;require{html}$"]
)
def test_mathematics_holds_no_links(text):
    shown_text = _Danger(markdown2html(sanitise_markdown(text))).text
    assert "\\href" not in shown_text
    assert "\\require" not in shown_text


@pytest.mark.parametrize(
    "source",
    [
        "$a < b$ and $F[q] \\ge -\\log Z$",
        "$$\\begin{aligned} a &= b \\\\ c & d\\end{aligned}$$",
        "**Given** data: 3 points & `x = 1`\n\n- a\n- b",
        "See [the book](https://example.org/page.html).",
    ],
)
def test_ordinary_answers_stay_as_they_are(source):
    assert sanitise_markdown(source) == source


@settings(max_examples=300, derandomize=True, deadline=None)
@example("&#38;#60;script>")
@example("<\x00script>")
@example("java\x00script:x")
@given(
    st.lists(
        st.sampled_from(
            [
                "<",
                "script",
                ">",
                "a",
                " href=",
                "'",
                "javascript",
                ":",
                "\\",
                "&",
                "#",
                "lt;",
                "![",
                "](",
                ")",
                "$",
                "`",
                "\n",
            ]
        )
        | st.text(max_size=2),
        max_size=14,
    ).map("".join)
)
def test_any_markdown_is_safe_and_stays_so(source):
    once = sanitise_markdown(source)
    assert sanitise_markdown(once) == once
    assert _Danger(markdown2html(once)).found == []


def test_the_notebook_for_graders(source, submission, report):
    submission = Submission((*submission.cells, SubmittedCell("raw", "<script>alert(1)</script>", None)))
    notebook = rebuild(source, submission).notebook
    safe = sanitise_notebook(notebook, report)
    nbformat.validate(safe)
    assert [cell.id for cell in safe.cells] == [cell.id for cell in notebook.cells]
    cells = {cell.id: cell for cell in safe.cells}
    assert cells["added-1"].outputs[0].data == {"text/plain": "-0.69"}
    assert "did not finish: ran out of time" in cells["figure"].outputs[-1].text
    verdict = cells["check-entropy"].outputs[1].text
    assert verdict.startswith("1 of 4 points\nthe sign is opposite\n")
    assert "Every value seen was negative" in verdict
    assert cells["added-2"].cell_type == "markdown"
    assert "<script" not in cells["added-2"].source
    assert "### BEGIN" not in nbformat.writes(safe)
    assert sanitise_notebook(safe, report) == safe


def test_instructors_cells_keep_their_html(source, submission, report):
    source.cells[0].source = "<b>Instructor's</b>"
    safe = sanitise_notebook(rebuild(source, submission).notebook, report)
    assert "<b>Instructor's</b>" in [cell.source for cell in safe.cells]


def test_nbgrader_reads_the_same_points_from_the_verdict(rebuilt, report):
    for points in (0.0, 1.25, 4.0):
        result = dataclasses.replace(report.exercises[0], points=points)
        safe = sanitise_notebook(rebuilt, dataclasses.replace(report, exercises=(result,)))
        (cell,) = [cell for cell in safe.cells if cell.id == "check-entropy"]
        assert determine_grade(cell) == (points, 4.0)


def test_attachments_go(rebuilt, report):
    answer = rebuilt.cells[-1]
    answer.attachments = {"x.png": {"image/svg+xml": "<svg onload=alert(1)>"}}
    rebuilt.cells.append(new_raw_cell("x", id="added-9"))
    safe = sanitise_notebook(rebuilt, dataclasses.replace(report, cells=(CellRun(0),)))
    assert "attachments" not in nbformat.writes(safe)


def test_text_that_takes_a_pattern_for_ever():
    text = "data:" + "\\" * 200_000  # with a pattern that can split this in two ways, a matter of minutes
    assert sanitise_markdown(text) == text


def test_long_cells_are_cut_once(source, report):
    texts = ["x" * 150_000, "y" * 150_000, "z" * 150_000, "w" * 50]
    cells = [SubmittedCell("code", text, None) for text in texts]
    cells.insert(0, SubmittedCell("markdown", "m" * 30_001, None))
    notebook = rebuild(source, Submission(tuple(cells))).notebook
    shown = sanitise_notebook(notebook, report)
    added = [cell.source for cell in shown.cells if cell.id.startswith("added-")]
    assert sum(map(len, added)) <= sanitise.MAX_STUDENTS_TEXT + 2 * sanitise.SHORT
    assert added[0].startswith("[The cell has 30001 characters, which is too long to be shown.]\nmmm")
    assert added[1] == texts[0]
    assert added[2].startswith("# [The cell has 150000 characters, which is too long to be shown.]\nyyy")
    assert added[3:] == ["# [The cell has 150000 characters, which is too long to be shown.]\n", texts[3]]
    assert sanitise_notebook(shown, report) == shown
