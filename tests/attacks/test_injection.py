"""Feedback pages in a real browser, on the class of attacks: nothing that students put there runs or is fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, sync_playwright

from tests.attacks.submission import NAME

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
        context.route("**/*", self._route)
        self.page: Page = context.new_page()
        context.on("page", lambda page: self.events.append(f"window {page.url}"))
        self.page.on("dialog", lambda dialog: (self.events.append("dialog"), dialog.dismiss()))
        self.page.on("download", lambda _: self.events.append("download"))

    def _route(self, route: Route) -> None:
        if route.request.url.startswith(self.own):
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
