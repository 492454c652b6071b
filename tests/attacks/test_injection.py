"""Feedback pages and formgrader in a real browser, on the class of attacks: nothing that students put there runs."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import nbformat
import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from autograder import grade_class
from autograder.course import Course
from tests.attacks.conftest import LIMITS, hand_in, make_course
from tests.attacks.submission import NAME
from tests.attacks.test_attacks import ATTACKS
from tests.autograder.jupyter import TOKEN, jupyter_server

pytestmark = pytest.mark.timeout(3000)  # the class is graded in the first test's time
DANGER = """() => {
  const found = [];
  for (const element of document.querySelectorAll("ROOT *")) {
    for (const {name, value} of element.attributes) {
      if (name.startsWith("on")) found.push(name + "=" + value);
      if (["href", "src", "srcset", "action", "formaction", "xlink:href", "data", "background", "poster", "ping"].includes(name)
          && !/^(https?:|mailto:|#|data:image[/](png|jpeg);|[\\w./-]+$)/.test(value.trim())) found.push(name + "=" + value.slice(0, 80));
      if (name === "style" && /url|expression|import|fixed/i.test(value)) found.push(value);
    }
    if (["SCRIPT", "IFRAME", "OBJECT", "EMBED", "BASE", "META", "LINK", "FORM"].includes(element.tagName)
        || (element.tagName === "STYLE" && ALLOWED_STYLES)) found.push(element.outerHTML.slice(0, 80));
  }
  return [window.ran, document.title === "ran", found];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    assert chromium, "this test needs the program chromium"
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


class Watched:
    """A page that counts what would be a success of an attack: requests to elsewhere, boxes, windows, downloads."""

    def __init__(self, context: BrowserContext, own: str) -> None:
        self.events: list[str] = []
        self.own = own
        self.typesetter = ""  # a script that stands in for MathJax, which formgrader loads from elsewhere
        context.route("**/*", self._route)
        self.page: Page = context.new_page()
        context.on("page", lambda page: self.events.append(f"window {page.url}"))
        self.page.on("dialog", lambda dialog: (self.events.append("dialog"), dialog.dismiss()))
        self.page.on("download", lambda _: self.events.append("download"))

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(self.own):
            route.continue_()
        elif self.typesetter and "/mathjax/" in route.request.url:
            route.fulfill(body=self.typesetter, content_type="text/javascript")
        else:
            self.events.append(route.request.url)
            route.abort()

    def click_all(self, root: str) -> None:
        """Click what can be clicked, but for links that lead to a page on purpose."""
        self.page.evaluate(
            """root => { for (const e of document.querySelectorAll(root + " a, " + root + " summary"))
                 if (!/^https?:|^[./#\\w]/.test(e.getAttribute("href") || "#") || /script|data:/i.test(e.href)) e.click(); }""",
            root,
        )

    def danger(self, root: str, *, styles: bool) -> list:
        """What there is in the page that could run; [None, False, []] if nothing."""
        script = DANGER.replace("ROOT", root).replace("ALLOWED_STYLES", "false" if styles else "true")
        return self.page.evaluate(script)


@pytest.fixture
def watched(browser, graded) -> Iterator[Watched]:
    context = browser.new_context()
    yield Watched(context, f"file://{graded.course.feedback_folder}")
    context.close()


def test_feedback_pages_of_the_whole_class(watched, graded):
    """Does no attack's page run or fetch anything?"""
    for student in graded.reports:
        watched.page.goto(graded.course.feedback_path(student, NAME).as_uri())
        watched.click_all("body")
        assert watched.danger("body", styles=False) == [None, False, []], student
        assert watched.events == [], student
    assert watched.page.locator("h1").count() == 1


def test_the_watch_sees_what_runs(watched, graded):
    """Would this test notice a script, a request, a box and a dangerous attribute?"""
    evil = (
        "<img src='http://leak.test/x'><p onclick='x()'>p</p><a href='javascript:window.ran=2'>click</a>"
        "<iframe></iframe><script>window.ran = 1; alert(1)</script>"
    )
    path = graded.course.feedback_folder / "evil.html"
    path.write_text(evil)
    watched.page.goto(path.as_uri())
    path.unlink()
    assert sorted(watched.events) == ["dialog", "http://leak.test/x"]
    ran, _, found = watched.danger("body", styles=False)
    assert (ran, len(found)) == (1, 4)
    watched.click_all("body")
    assert watched.danger("body", styles=False)[0] == 2


MATHJAX = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent
MARKS = '<img src=x onerror="window.ran = 1"></textarea><script>window.ran = 1</script>'
INJECTIONS = [student for student in ATTACKS if student.startswith("injection.")]
PAGES = {
    "manage_assignments": NAME,
    f"manage_submissions/{NAME}": "injection.html",
    "gradebook": NAME,
    f"gradebook/{NAME}": NAME,
    f"gradebook/{NAME}/{NAME}": "Submission #1",
    "manage_students": "onerror",
    "manage_students/injection.html": NAME,
    f"manage_students/injection.html/{NAME}": NAME,
}
"""Formgrader's pages, with what stands there once a page is complete."""


@pytest.fixture(scope="module")
def small_class(tmp_path_factory) -> Course:
    """A course of those who inject something, and the bystander: formgrader's lists take long for the whole class."""
    course, notebook = make_course(tmp_path_factory.mktemp("injected"))
    hand_in(course, notebook, {student: ATTACKS[student] for student in INJECTIONS})
    grade_class.grade(course, NAME, jobs=2, limits=LIMITS)
    return course


@pytest.fixture(scope="module")
def marked(small_class) -> dict[str, str]:
    """Names and comments are evil, too: the ids of the submissions in the gradebook, by student."""
    ids = {}
    with Gradebook(small_class.db_url) as book:
        for student in (*INJECTIONS, "bystander"):
            book.update_or_create_student(student, first_name=MARKS, last_name=MARKS, email=MARKS)
            ids[student] = book.find_submission_notebook(NAME, NAME, student).id
        comment = book.find_comment("entropy", NAME, NAME, "injection.html")
        comment.manual_comment = MARKS
        book.db.commit()
    return ids


@pytest.fixture(scope="module")
def server(small_class, marked) -> Iterator[str]:
    with jupyter_server(small_class.directory) as address:
        yield address


@pytest.fixture(scope="module")
def instructor(browser, server) -> Iterator[Watched]:
    """A page in formgrader, with a typesetter that knows every macro and understands dollars."""
    context = browser.new_context()
    context.add_init_script("window.MathJax = {tex: {inlineMath: [['$', '$'], ['\\\\(', '\\\\)']]}}")
    watched = Watched(context, server)
    watched.typesetter = (MATHJAX / "static" / "mathjax" / "tex-chtml-full.js").read_text()
    watched.page.goto(f"{server}/formgrader?token={TOKEN}")
    yield watched
    context.close()


@pytest.fixture
def formgrader(instructor) -> Watched:
    """That page, with nothing counted yet."""
    instructor.page.goto("about:blank")
    instructor.events.clear()
    return instructor


def ran(watched: Watched) -> list:
    """What has run or was fetched on a complete page; formgrader's own fonts and so on do not count."""
    watched.page.wait_for_load_state("networkidle")
    state = watched.page.evaluate("[window.ran || 0, document.title === 'ran']")
    return [
        *state,
        *(event for event in watched.events if "leak.test" in event or not event.startswith("http")),
    ]


@pytest.mark.parametrize("path", PAGES)
def test_formgraders_lists(formgrader, server, path):
    """Does no list of formgrader run what stands in names, reasons and scores?"""
    formgrader.page.goto(f"{server}/formgrader/{path}")
    expect(formgrader.page.locator("tbody").first).to_contain_text(PAGES[path], timeout=60_000)
    assert ran(formgrader) == [0, False]


@pytest.mark.parametrize(
    "path", ["gradebook/{0}", "gradebook/{0}/{0}", "manage_students/{0}", "manage_students/{0}/{0}"]
)
def test_formgraders_addresses(formgrader, server, path):
    """Does no page run what stands in its address? A link of a student's may lead there."""
    script = f'";window.ran = 1;//{MARKS}'
    formgrader.page.goto(f"{server}/formgrader/{path.format(quote(script, safe=''))}")
    assert ran(formgrader) == [0, False]


@pytest.mark.parametrize("student", INJECTIONS)
def test_formgraders_page_of_a_submission(formgrader, server, marked, student):
    """Does the page on which a submission is marked run and fetch nothing, formulas typeset?"""
    formgrader.page.goto(f"{server}/formgrader/submissions/{marked[student]}")
    expect(formgrader.page.locator("textarea.comment").first).to_be_visible(timeout=60_000)
    formgrader.page.evaluate("MathJax.startup.promise")
    assert formgrader.page.locator("mjx-container").count() > 0
    formgrader.click_all("#notebook-container")
    assert ran(formgrader) == [0, False]


def test_formgrader_would_run_what_is_not_sanitised(formgrader, server, marked, small_class):
    """Does the watch see it, where a notebook was not sanitised?"""
    path = small_class.autograded_path("bystander", NAME) / f"{NAME}.ipynb"
    before = path.read_text()
    notebook = nbformat.reads(before, as_version=4)
    code = next(cell for cell in notebook.cells if cell.cell_type == "code")
    html = "<img src='http://leak.test/x' onerror='window.ran = 3'>"
    code.outputs = [nbformat.v4.new_output("display_data", data={"text/html": html})]
    nbformat.write(notebook, path)
    formgrader.page.goto(f"{server}/formgrader/submissions/{marked['bystander']}")
    expect(formgrader.page.locator("textarea.comment").first).to_be_visible(timeout=60_000)
    path.write_text(before)
    assert ran(formgrader) == [3, False, "http://leak.test/x"]
