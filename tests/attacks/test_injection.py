"""Feedback and formgrader in a real browser, on the class of attacks: nothing that students put there runs or is fetched."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tests.attacks.conftest import attacks
from tests.attacks.submission import NAME
from tests.autograder.jupyter import TOKEN, jupyter_server

pytestmark = pytest.mark.timeout(3000)  # the class is graded in the first test's time
MATHJAX = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
INJECTIONS = [student for student in attacks() if student.startswith("injection.")]
MILLISECONDS = 120_000
CONFIGURATION = """
window.MathJax = {tex: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]]}, loader: {load: ["[tex]/html", "[tex]/require", "[tex]/bbox"]},
  startup: {ready() { MathJax.startup.defaultReady(); MathJax.startup.promise.then(() => window.typeset = true); }}};
"""
"""MathJax with all that its macros can do; a real page has an older one in its safe mode."""

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
        context.route("**/*", self._route)
        context.add_init_script(CONFIGURATION)
        self.page: Page = context.new_page()
        context.on("page", lambda page: self.events.append(f"window {page.url}"))
        self.page.on("dialog", lambda dialog: (self.events.append("dialog"), dialog.dismiss()))
        self.page.on("download", lambda _: self.events.append("download"))

    def _route(self, route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.netloc == "cdnjs.cloudflare.com" and "mathjax" in address.path:
            name = (
                "tex-chtml-full.js" if "latest.js" in address.path else address.path.partition("/2.7.7/")[2]
            )
            route.fulfill(path=MATHJAX / name)
        elif route.request.url.startswith(self.own):
            route.continue_()
        else:
            self.events.append(route.request.url)
            route.abort()

    def click_all(self, root: str) -> None:
        """Click what can be clicked, but for links that lead to a page on purpose."""
        self.page.evaluate(
            """root => { for (const e of document.querySelectorAll(root + " a, " + root + " summary"))
                 if (!/^https?:|^[.#\\w]/.test(e.getAttribute("href") || "#") || /script|data:/i.test(e.href)) e.click(); }""",
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


@pytest.fixture(scope="module")
def server(graded) -> Iterator[str]:
    folder = graded.course.directory
    with jupyter_server(folder) as address:
        yield address
    (folder / "server.log").unlink()
    for name in ("config", ".jupyter", ".ipynb_checkpoints", ".local"):
        shutil.rmtree(folder / name, ignore_errors=True)


def test_formgrader_pages(browser, graded, server):
    """Does nothing run or get fetched where an instructor reads the submissions, with MathJax at work?"""
    context = browser.new_context()
    watched = Watched(context, server)
    page = watched.page
    page.goto(f"{server}/formgrader/manage_submissions/{NAME}?token={TOKEN}")
    page.get_by_text("injection.html", exact=True).wait_for(timeout=MILLISECONDS)
    with Gradebook(graded.course.db_url) as book:
        ids = {student: book.find_submission_notebook(NAME, NAME, student).id for student in INJECTIONS}
    for student, number in ids.items():
        page.goto(f"{server}/formgrader/submissions/{number}", wait_until="domcontentloaded")
        page.wait_for_function("window.typeset === true", timeout=MILLISECONDS)
        watched.click_all("#notebook-container")
        assert watched.danger("#notebook-container", styles=True) == [None, False, []], student
        assert watched.events == [], student
    assert page.locator("mjx-container").count() > 0  # the instructor's formulas, so MathJax was there
    context.close()
