"""Which submissions are found alike: planted copies are, independent right solutions of every assignment aren't."""

import builtins
import importlib.util
import inspect
import io
import itertools
import keyword
import shutil
import tokenize
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import sync_playwright

import lectures_lib.mean_field
from autograder import demonstration, similarity
from autograder.course import Course

ROOT = Path(__file__).parents[2]
NAME = "mean_field"
EVIL = "</pre><script>alert(1)</script>"


def answers_of(assignment):
    """Independent right solutions as students: the first of every exercise, the second of every exercise, and so on."""
    path = ROOT / "tests" / "alternatives" / f"{assignment}.py"
    spec = importlib.util.spec_from_file_location(f"alternatives_of_{assignment}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for style in itertools.zip_longest(*module.SOLUTIONS.values()):
        pairs = zip(module.SOLUTIONS, style, strict=True)
        yield {name: inspect.getsource(code) for name, code in pairs if inspect.isfunction(code)}


def disguised(code):
    """Rename every name that isn't Python's own, and write other comments."""
    tokens = [
        (token.type, f"my_{token.string}")
        if token.type == tokenize.NAME
        and not (keyword.iskeyword(token.string) or hasattr(builtins, token.string))
        else (token.type, token.string)
        for token in tokenize.generate_tokens(io.StringIO(code).readline)
        if token.type != tokenize.COMMENT
    ]
    return f"# all my own work\n{tokenize.untokenize(tokens)}\n# and that was it\n"


@pytest.fixture
def course(tmp_path):
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    return Course(tmp_path)


def hand_in(course, student, answers, assignment=NAME, extra=()):
    """Write a submission: code by grade id, and cells that the student added."""
    source = course.source_path(assignment)
    if not source.exists():
        shutil.copytree(ROOT / "solutions" / assignment, source.parent)
    cells = [new_code_cell(code, metadata={"nbgrader": {"grade_id": name}}) for name, code in answers.items()]
    cells += [new_code_cell(code) for code in extra]
    folder = course.submission_folder(student, assignment)
    folder.mkdir(parents=True)
    nbformat.write(new_notebook(cells=[*cells, new_markdown_cell("words")]), folder / f"{assignment}.ipynb")


def found(course, assignment=NAME):
    return {(pair.first, pair.second): pair for pair in similarity.compare(course, assignment).pairs}


@pytest.mark.parametrize("assignment", sorted(path.name for path in (ROOT / "solutions").iterdir()))
def test_independent_right_solutions_are_not_suspicious(course, assignment):
    others = [dict(demonstration.particulars(assignment).OTHER_ROUTE), *answers_of(assignment)]
    for number, answers in enumerate(others):
        hand_in(course, f"student{number}", answers, assignment)
    result = similarity.compare(course, assignment)
    assert result.compared == len(others) >= 4
    assert [(pair.first, pair.second, pair.share, pair.cells) for pair in result.pairs] == []
    assert result.usual < similarity.SUSPICIOUS / 2


def test_copies_are_found(course):
    own, other, third = itertools.islice(answers_of(NAME), 3)
    hand_in(course, "ada", own)
    hand_in(course, "renamed", {name: disguised(code) for name, code in own.items()})
    # The same code in one cell and backwards, the answers only call it.
    helpers = "\n\n".join(reversed([disguised(code) for code in own.values()]))
    hand_in(course, "moved", dict.fromkeys(own, "my_f = None"), extra=[helpers])
    hand_in(course, "one_answer", other | {"denoise": own["denoise"]})
    hand_in(course, "honest", third)
    pairs = found(course)
    assert {("ada", "renamed"), ("ada", "moved"), ("moved", "renamed"), ("ada", "one_answer")} <= set(pairs)
    assert all("honest" not in pair for pair in pairs)
    assert pairs["ada", "renamed"].share > 0.95
    assert pairs["ada", "moved"].share > 0.9
    assert pairs["ada", "one_answer"].cells == ("denoise",)
    assert pairs["ada", "one_answer"].share < similarity.SUSPICIOUS


def test_the_reference_implementations_are_one_more_submission(course):
    code = inspect.getsource(lectures_lib.mean_field)
    hand_in(course, "reader", {"coordinate_ascent": disguised(code)})
    source = nbformat.read(ROOT / "solutions" / NAME / f"{NAME}.ipynb", as_version=4)
    solved = {c.metadata.nbgrader.grade_id: c.source for c in source.cells if "SOLUTION" in c.source}
    hand_in(course, "solver", {name: code for name, code in solved.items() if name != "free_response"})
    pairs = found(course)
    assert set(pairs) == {("reader", similarity.REFERENCE), ("solver", similarity.REFERENCE)}
    assert min(pair.share for pair in pairs.values()) > 0.9


def test_what_was_given_out_is_discounted(course):
    hand_in(course, "blank", {"denoise": "raise NotImplementedError"})
    source = nbformat.read(course.source_path(NAME), as_version=4)
    given = [c.source for c in source.cells if c.cell_type == "code" and "SOLUTION" not in c.source]
    for student in ("copied_setup", "copied_it_too"):
        hand_in(course, student, {}, extra=given)
    folder = course.submission_folder("refused", NAME)
    folder.mkdir(parents=True)
    (folder / f"{NAME}.ipynb").write_text("no notebook")
    result = similarity.compare(course, NAME)
    assert result.pairs == []
    left_out = dict(result.left_out)
    assert left_out["blank"] == left_out["copied_setup"] == "it has no code of its own"
    assert "not a notebook" in left_out["refused"]


def test_hostile_and_broken_code(course, tmp_path):
    broken = f"def (((:\n  '''{EVIL}\n" + "x = y +* 3 ** foo[}\n" * 8
    for student in ("eve", "mal"):
        hand_in(course, student, {"denoise": broken, EVIL: EVIL}, extra=["z" * 20_000 + "\x1b[31m", broken])
    hand_in(course, "long", {"denoise": "a = b + c * d\n" * 200_000})
    steps = []
    result = similarity.compare(course, NAME, lambda done, total: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert [(pair.first, pair.second) for pair in result.pairs] == [("eve", "mal")]
    page = tmp_path / "page.html"
    similarity.write_page(result, page)
    html = page.read_text()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)" in html
    chromium = shutil.which("chromium")
    assert chromium, "this test needs the program chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width, scheme in ((1280, "light"), (390, "dark")):
            tab = browser.new_context(
                color_scheme=scheme, viewport={"width": width, "height": 900}
            ).new_page()
            tab.goto(page.as_uri())
            tab.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
            assert tab.evaluate("document.scrollingElement.scrollWidth") <= width
            assert tab.locator("mark").count() > 0
            found = Axe().run(tab)
            assert found.response["violations"] == [], found.generate_report()
        browser.close()
