"""Writes a student's feedback page: one HTML file that needs nothing else, runs no script and fetches nothing."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, NamedTuple

import jinja2
import mistune
import nh3
from markupsafe import Markup
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer
from pygments.token import Operator, Punctuation, Text

from autograder import formulas
from autograder.checks import MISSING
from autograder.course import Course
from autograder.gradebook import manual_marks, standing
from autograder.report import ExerciseResult, Report
from autograder.sanitise import is_students, plain_text, sanitise_notebook

_LINK = re.compile(r"[\w.-]+\.html(?:#[\w.-]+)?")
_TEMPLATES = Path(__file__).parent / "templates"


class _Mark(NamedTuple):
    """What a person gave for a cell."""

    score: float | None
    comment: str


class _Output(NamedTuple):
    kind: str  # "text", "trouble", "html" or "image"
    content: str | Markup


class _Cell(NamedTuple):
    title: str
    anchor: str
    names_function: bool  # the title is a function's name, not words
    theirs: bool
    source: Markup  # code with its colours, or rendered markdown
    is_code: bool
    outputs: list[_Output]


class _Exercise(NamedTuple):
    title: str
    anchor: str
    headline: str  # what went wrong, in a phrase; "" when nothing did
    cell: str  # anchor of the student's cell, "" if it isn't shown
    result: ExerciseResult
    points: float  # with the mark by hand, if there is one
    mark: _Mark | None
    link: str


class _Answer(NamedTuple):
    """A cell that a person marks."""

    title: str
    points: float | None  # None as long as it waits
    max_points: float
    comment: str


def write(course: Course, report: Report, notebook: NotebookNode) -> Path:
    """Write a student's feedback page, with the marks and comments that the gradebook holds.

    Parameters
    ----------
    course : Course
    report : Report
    notebook : NotebookNode
        The rebuilt notebook, or the one that `gradebook.save` made of it.

    Returns
    -------
    Path
        The page.
    """
    path = course.feedback_path(report.student, report.assignment)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(_page(course, report, notebook, path.parent), encoding="utf-8")
    os.replace(part, path)
    return path


def _page(course: Course, report: Report, notebook: NotebookNode, folder: Path) -> str:
    notebook = sanitise_notebook(notebook, report)
    marks = {name: _Mark(*m) for name, m in manual_marks(course, report.student, report.assignment).items()}
    cells = list(_cells(notebook, {_function(result) for result in report.exercises}))
    anchors = {cell.anchor for cell in cells}
    exercises = [_exercise(course, result, marks, anchors, folder) for result in report.exercises]
    answers = list(_answers(notebook, marks))
    score = standing(course, report.student, report.assignment)
    points = sum(e.points for e in exercises) + sum(a.points or 0.0 for a in answers)
    style = (_TEMPLATES / "feedback.css").read_text(encoding="utf-8")
    return _template().render(
        title=_title(notebook, report.assignment),
        report=report,
        exercises=exercises,
        answers=answers,
        waiting=[answer for answer in answers if answer.points is None],
        points=score.score - score.late_penalty if score else points,
        late_penalty=score.late_penalty if score else 0.0,
        max_points=report.max_points + sum(answer.max_points for answer in answers),
        cells=cells,
        # A failed grading's notes are for the person who mends it.
        notes=[] if report.status == "failed" else [plain_text(note) for note in report.notes],
        style=Markup(style),  # a file of this package
        style_digest=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["points"] = lambda value: f"{round(value, 2):g}"
    environment.filters["plain"] = plain_text
    environment.globals["unsaid"] = _unsaid
    environment.filters["sentence"] = _capital
    return environment.get_template("feedback.html.j2")


def _title(notebook: NotebookNode, assignment: str) -> str:
    """The instructor's heading, or the assignment's name."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and not is_students(cell):
            heading = re.match(r"#\s+(.+)", cell.source)
            if heading:
                return heading[1].strip()
    return _words(assignment)


def _words(name: str) -> str:
    return _capital(name.replace("_", " ").strip())


def _capital(text: str) -> str:
    """The text as the start of a sentence; a symbol such as k, which is another one than K, stays."""
    return text if re.match(r"[b-z]\b", text) else text[:1].upper() + text[1:]


def _function(result: ExerciseResult) -> str:
    return result.exercise.rpartition(".")[2]


def _unsaid(result: ExerciseResult) -> tuple[str, ...]:
    """What a property's observation needn't say again, since it is said of the whole exercise."""
    return (MISSING, result.reason) if result.reason and not result.misconception else (MISSING,)


def _exercise(
    course: Course, result: ExerciseResult, marks: dict[str, _Mark], anchors: set[str], folder: Path
) -> _Exercise:
    function = _function(result)
    cell = f"cell-{function}"
    score = marks.get(result.grade_id, _Mark(None, "")).score
    comments = [marks[name].comment for name in (function, result.grade_id) if name in marks]
    comment = "\n".join(filter(None, comments))
    return _Exercise(
        title=function,
        anchor=f"exercise-{function}",
        headline=result.misconception or result.reason,
        cell=cell if cell in anchors else "",
        result=result,
        points=result.points if score is None else score,
        mark=None if score is None and not comment else _Mark(score, comment),
        link=_book_link(course, result.link, folder),
    )


def _book_link(course: Course, link: str, folder: Path) -> str:
    """Where a section of the book is, seen from the page; "" if the book isn't there."""
    if not _LINK.fullmatch(link):
        return ""
    if course.book.startswith(("https://", "http://")):
        return f"{course.book.rstrip('/')}/{link}"
    page, _, anchor = link.partition("#")
    found = _find_page(course.book, page)
    if found is None:
        return ""
    return os.path.relpath(found, folder) + (f"#{anchor}" if anchor else "")


@functools.cache
def _find_page(book: str, page: str) -> Path | None:
    return next(iter(sorted(Path(book).rglob(page))), None)


def _answers(notebook: NotebookNode, marks: dict[str, _Mark]) -> Iterator[_Answer]:
    for cell in notebook.cells:
        nbgrader = cell.metadata.get("nbgrader", {})
        if nbgrader.get("grade") and nbgrader.get("solution"):
            mark = marks.get(nbgrader["grade_id"], _Mark(None, ""))
            points = mark.score
            if points is None and not cell.source.strip():
                points = 0.0
            yield _Answer(_words(nbgrader["grade_id"]), points, float(nbgrader["points"]), mark.comment)


def _cells(notebook: NotebookNode, functions: set[str]) -> Iterator[_Cell]:
    """The student's cells, and the others that put something out."""
    for number, cell in enumerate(notebook.cells, start=1):
        nbgrader = cell.metadata.get("nbgrader", {})
        theirs = is_students(cell)
        is_verdict = nbgrader.get("grade") and not nbgrader.get("solution")
        if is_verdict or not (theirs or cell.get("outputs")):
            continue
        is_code = cell.cell_type == "code"
        grade_id = nbgrader.get("grade_id", "")
        yield _Cell(
            title=grade_id if grade_id in functions else _words(grade_id or "a cell that you added"),
            anchor=f"cell-{grade_id or number}",
            names_function=grade_id in functions,
            theirs=theirs,
            source=_code(cell.source) if is_code else _markdown(cell.source),
            is_code=is_code,
            outputs=[_output(output) for output in cell.get("outputs", ())],
        )


class _Lexer(PythonLexer):
    """Finds what Pygments' lexer finds, and the commonest of it first: there, most other rules are tried before."""

    tokens: ClassVar = {
        **PythonLexer.tokens,
        "root": [
            (r"(?<=.)[^\S\n]+", Text),  # a line's start may be a docstring's
            (r"[](){},;[]", Punctuation),
            (r"!=|==|<<|>>|:=|[-~+/*%=<>&^|]", Operator),
            *PythonLexer.tokens["root"],
        ],
    }


_LEXER = _Lexer()
_COLOURS = HtmlFormatter(nowrap=True, classprefix="c-")


@functools.lru_cache(maxsize=256)  # a class has many cells in common: those given out, and those left blank
def _code(source: str) -> Markup:
    return Markup(highlight(source, _LEXER, _COLOURS))  # the formatter escapes the code


class _Renderer(mistune.HTMLRenderer):
    """A student's headings stay out of the page's outline, and formulas are MathML."""

    def heading(self, text: str, level: int, **attrs: object) -> str:
        return f"<p><strong>{text}</strong></p>\n"

    def inline_math(self, text: str) -> str:
        return formulas.mathml(text, display=False) or f"<code>{mistune.escape(text)}</code>"

    def block_math(self, text: str) -> str:
        formula = formulas.mathml(text, display=True)
        return (
            f'<div class="formula" tabindex="0">{formula}</div>\n'
            if formula
            else f"<pre>{mistune.escape(text)}</pre>\n"
        )


_RENDER = mistune.create_markdown(renderer=_Renderer(escape=True), plugins=["math", "table"])


def _markdown(source: str) -> Markup:
    html = _RENDER(source)
    clean = nh3.clean(
        html,
        tags=(nh3.ALLOWED_TAGS - {"img", "map", "area"}) | formulas.ELEMENTS.keys(),
        attributes={"a": {"href"}, "div": {"class", "tabindex"}, **formulas.ELEMENTS},
        url_schemes={"http", "https"},
    )
    return Markup(clean)  # cleaned just above


def _output(output: NotebookNode) -> _Output:
    """Choose what to show of an output that `sanitise_outputs` built."""
    if output.output_type == "stream":
        return _Output("trouble" if output.name == "stderr" else "text", output.text)
    if output.output_type == "error":
        return _Output("trouble", "\n".join(output.traceback) or f"{output.ename}: {output.evalue}")
    for mime in ("image/png", "image/jpeg"):
        if mime in output.data:
            return _Output("image", f"data:{mime};base64,{output.data[mime]}")
    if "text/html" in output.data:
        return _Output("html", Markup(output.data["text/html"]))  # cleaned by sanitise_html
    return _Output("text", output.data.get("text/plain", ""))
