"""Makes what students wrote, and what their code put out, safe to show in a browser.

Two pages show it: our feedback and nbgrader's formgrader, which runs MathJax and shows HTML as it is. So outputs are
built anew from a short list of kinds, and markdown is changed in its characters, before any parser sees it: a rule that
doesn't depend on where a parser thinks that code or mathematics begins can't be led astray by it.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import nh3
from nbformat import NotebookNode

from autograder.report import ExerciseResult, Report

MAX_TEXT = 50_000
"""Characters of one output that are shown: some thousand lines, more than anyone reads."""

MAX_MARKDOWN = 20_000
"""Characters of a markdown cell that are shown. Parsers need time that grows with the square of what is nested in it."""

MAX_STUDENTS_TEXT = 200_000
"""Characters of the student's code and markdown that are shown in all: colouring them takes seconds for a megabyte."""

SHORT = 100
"""A cell of so few characters is always shown."""

MAX_OUTPUTS = 100
MAX_IMAGE_BYTES = 4 * 2**20
MAX_PIXELS = 40_000_000
"""A small PNG file may unfold to gigabytes in the browser; no figure needs more than this."""

# Images would be fetched from elsewhere; the pages' own outline has the two upper levels of headings.
_HTML_TAGS = nh3.ALLOWED_TAGS - {"img", "map", "area", "h1", "h2"}
_CELL = {"colspan", "rowspan"}
_HTML_ATTRIBUTES = {"th": _CELL | {"scope"}, "td": _CELL, "a": {"href"}}

_PLAIN = re.compile(r"[\t\n -~]*")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")

_TAG_START = re.compile(r"<(?=[A-Za-z/!?])")
_ENTITY = re.compile(r"&(?=#|\w+;)")
_IMAGE = re.compile(r"!(?=\[)")
_GAP = r"[\s\\]*"  # browsers skip white space inside a scheme, and markdown a backslash before the colon
_SCHEME = re.compile(
    "(" + "|".join(_GAP.join(word) for word in ("javascript", "vbscript")) + f"){_GAP}:"
    rf"|(\b{_GAP.join('data')}){_GAP}:(?=[\s\w.+\-\\]*[/;,])",
    re.IGNORECASE,
)
_MATHJAX = re.compile(
    r"\\(?:href|require|style|class|cssId|html\w*|data|mmlToken|includegraphics|unicode|bbox)(?![A-Za-z])"
)


def plain_text(text: Any) -> str:
    """Return text that can be shown: a string or list of strings without terminal codes and control characters."""
    if isinstance(text, list | tuple):
        text = "".join(line for line in text if isinstance(line, str))
    if not isinstance(text, str):
        return ""
    if _PLAIN.fullmatch(text):  # most are; an image's would be gone through many times below
        return text
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    # A terminal goes back to the line's start at a carriage return: what a progress bar wrote last is what stays.
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", text))


def source_text(source: str) -> str:
    """Return a cell's source without control characters; every line of it stays visible."""
    return _SURROGATE.sub("\ufffd", _CONTROL.sub("", source.replace("\r\n", "\n").replace("\r", "\n")))


def _shortened(text: str) -> str:
    if len(text) <= MAX_TEXT:
        return text
    return text[:MAX_TEXT] + f"\n[{len(text) - MAX_TEXT} more characters are not shown]\n"


def sanitise_markdown(source: str) -> str:
    """Neutralise raw HTML, entities, images and links that run code; mathematics looks the same as before.

    Applying it twice changes nothing more.
    """
    text = _ENTITY.sub("& ", source_text(source))  # "&amp;" would not do: parsers decode twice in links
    text = _MATHJAX.sub(r"\\text", text)
    text = _SCHEME.sub(lambda match: f"{match[1] or match[2]} :", text)
    text = _IMAGE.sub("! ", text)  # a remote image tells its server who looks at the page
    return _TAG_START.sub("< ", text)


def sanitise_html(html: str) -> str:
    """Keep tables and text of an HTML output; scripts, styles, images and links that run code go."""
    clean = nh3.clean(
        html,
        tags=_HTML_TAGS,
        clean_content_tags={"script", "style"},
        attributes=_HTML_ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )
    return _MATHJAX.sub(r"\\text", clean)


def sanitise_outputs(outputs: Iterable[Any]) -> list[NotebookNode]:
    """Build a cell's outputs anew; what is left out is named in an output of its own."""
    result = []
    dropped: list[str] = []
    for count, output in enumerate(outputs):
        if count == MAX_OUTPUTS:
            dropped.append(f"all outputs after the first {MAX_OUTPUTS}")
            break
        result += _sanitise_output(output, dropped)
    if dropped:
        result.append(_message(f"Not shown: {', '.join(dict.fromkeys(dropped))}."))
    return result


def _new_output(kind: str, **fields: Any) -> NotebookNode:
    """An output in nbformat's form; nbformat's own function validates each against the whole schema, which takes longer."""
    if kind in ("display_data", "execute_result"):
        fields = {"metadata": NotebookNode(), **fields, "data": NotebookNode(fields["data"])}
    if kind == "execute_result":
        fields["execution_count"] = None
    return NotebookNode(output_type=kind, **fields)


def _message(text: str) -> NotebookNode:
    return _new_output("stream", name="stderr", text=f"{text}\n")


def _sanitise_output(output: Any, dropped: list[str]) -> Iterator[NotebookNode]:
    kind = output.get("output_type") if isinstance(output, dict) else None
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        yield _new_output("stream", name=name, text=_shortened(plain_text(output.get("text"))))
    elif kind == "error":
        trace = output.get("traceback")
        lines = [plain_text(line) for line in trace] if isinstance(trace, list | tuple) else []
        yield _new_output(
            "error",
            ename=_shortened(plain_text(output.get("ename"))),
            evalue=_shortened(plain_text(output.get("evalue"))),
            traceback=_shortened("\n".join(lines)).split("\n"),
        )
    elif kind in ("display_data", "execute_result"):
        bundle = output.get("data")
        data = _sanitise_data(bundle, dropped) if isinstance(bundle, dict) else {}
        if data:
            yield _new_output("display_data", data=data)
    else:
        dropped.append("an output of an unknown kind")


def _sanitise_data(bundle: dict, dropped: list[str]) -> dict[str, str]:
    data = {}
    for mime, content in bundle.items():
        if mime == "text/plain":
            data[mime] = _shortened(plain_text(content))
        elif mime == "text/html":
            html = plain_text(content)
            if len(html) > MAX_TEXT:  # HTML can't be cut anywhere
                dropped.append("HTML that is too long")
            else:
                data[mime] = sanitise_html(html)
        elif mime in _IMAGE_CHECKS:
            image = _image(content, _IMAGE_CHECKS[mime])
            if image is None:
                dropped.append(f"an {mime} that is damaged or too large")
            else:
                data[mime] = image
        else:
            dropped.append(f"output of the type {plain_text(mime)[:50] or 'unknown'}")
    return data


def _is_png(image: bytes) -> bool:
    if len(image) < 33 or not image.startswith(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"):
        return False
    width, height = struct.unpack(">II", image[16:24])
    return 0 < width * height <= MAX_PIXELS


def _is_jpeg(image: bytes) -> bool:
    return image.startswith(b"\xff\xd8\xff")


_IMAGE_CHECKS = {"image/png": _is_png, "image/jpeg": _is_jpeg}


def _image(content: Any, check) -> str | None:
    text = "".join(plain_text(content).split())
    if not text or len(text) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        return None
    try:
        image = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return base64.b64encode(image).decode() if check(image) else None


def is_students(cell: NotebookNode) -> bool:
    """Tell whether a cell of a rebuilt notebook holds text of the student's: a solution cell, or an added one."""
    return bool(cell.metadata.get("nbgrader", {}).get("solution")) or cell.id.startswith("added-")


def sanitise_notebook(notebook: NotebookNode, report: Report) -> NotebookNode:
    """Return the notebook as graders and students see it: the rebuilt cells, safe outputs, the verdicts.

    The given one stays as it is; metadata are shared with it, since copying them takes longer than all the rest.

    Parameters
    ----------
    notebook : NotebookNode
        The rebuilt notebook, or what this function made of it.
    report : Report
        What grading it found out.
    """
    room = MAX_STUDENTS_TEXT
    runs = {run.index: run for run in report.cells}
    verdicts = {result.grade_id: result for result in report.exercises}
    result = NotebookNode({**notebook, "cells": []})
    for index, original in enumerate(notebook.cells):
        cell = _safe_cell(original, room)
        if is_students(cell):
            room -= len(cell.source)
        if cell.cell_type == "code":
            run = runs.get(index)
            cell.execution_count = None
            cell.outputs = sanitise_outputs(run.outputs) if run else []
            if run and run.reason:
                cell.outputs.append(_message(f"This cell did not finish: {plain_text(run.reason)}"))
            verdict = verdicts.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
            if verdict:
                cell.outputs = _verdict(verdict)
        result.cells.append(cell)
    return result


def _safe_cell(original: NotebookNode, room: int) -> NotebookNode:
    if not is_students(original):
        return NotebookNode({**original})
    cell = NotebookNode(id=original.id, metadata=original.metadata)
    if original.cell_type == "code":
        return NotebookNode(cell, cell_type="code", source=_cut(source_text(original.source), room, "# "))
    source = _cut(sanitise_markdown(original.source), min(room, MAX_MARKDOWN), "")
    # A raw cell would be put into formgrader's page as it is.
    return NotebookNode(cell, cell_type="markdown", source=source)


def _cut(source: str, room: int, comment: str) -> str:
    """Return a cell's text, or as much of it as there is room for. Cutting the result again changes nothing."""
    if len(source) <= max(room, SHORT):
        return source
    note = f"{comment}[The cell has {len(source)} characters, which is too long to be shown.]\n"
    return note + source[: max(room - SHORT, 0)]


def _verdict(result: ExerciseResult) -> list[NotebookNode]:
    """Outputs of a grade cell. The first one is what nbgrader itself would read the points from."""
    if not math.isfinite(result.points):
        raise ValueError(f"expected finite points for {result.exercise}, got {result.points}")
    lines = [f"{result.points:g} of {result.max_points:g} points"]
    if result.reason:
        lines.append(result.reason)
    for item in result.properties:
        mark = "\N{CHECK MARK}" if item.points >= item.max_points else "\N{MULTIPLICATION X}"
        lines.append(f"{mark} {item.text}" + (f": {item.observation}" if item.observation else ""))
    lines += [result.hint] if result.hint else []
    lines += result.remarks
    return [
        _new_output("execute_result", data={"text/plain": repr(float(result.points))}),
        _new_output("stream", name="stdout", text=_shortened(plain_text("\n".join(lines))) + "\n"),
    ]
