"""The built book in a browser with no network: does each page open whole, on both widths and both themes?"""

import os
import re
import shutil
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(re.findall(r"(?m)^\s*(?:- file|root): (\w+)", (ROOT / "_toc.yml").read_text(encoding="utf8")))
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", "--no-first-run"]
VIEWS = [(width, theme) for width in (1280, 390) for theme in ("light", "dark")]

# Text that a reader sees as text: code is meant to be raw, and MathJax hides its assistive copies.
VISIBLE_TEXT = """() => {
    const copy = document.querySelector('article').cloneNode(true);
    copy.querySelectorAll('pre, code, script, mjx-container').forEach(node => node.remove());
    return copy.textContent;
}"""


@pytest.fixture(scope="session")
def browser():
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if executable is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium on this machine, and CI is set: the browser tests must run here")
        pytest.skip("no Chromium on this machine")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def context(request, browser):
    width, theme = request.param
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.set_offline(True)
    yield context
    context.close()


def open_page(context, site, name):
    """The page, and a list that collects what went wrong while it loads."""
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:200]}"))
    page.on("request", lambda r: complaints.append(f"network: {r.url}") if r.url.startswith("http") else None)
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    # The theme fades colours in: halfway through, axe would measure a contrast that no reader sees for long.
    page.add_style_tag(
        content="*, *::before, *::after { transition: none !important; animation: none !important }"
    )
    page.evaluate("() => window.MathJax && MathJax.startup ? MathJax.startup.promise : null")
    return page, complaints


@pytest.mark.parametrize("name", PAGES)
def test_page_opens_whole_and_offline(name, context, site):
    page, complaints = open_page(context, site, name)
    assert complaints == []
    text = page.evaluate(VISIBLE_TEXT)
    raw = [
        mark
        for mark in ("$", "\\(", "\\[", "\\frac", "\\KL", "\\ELBO", "{eq}", "{prf:", "{glue")
        if mark in text
    ]
    assert raw == []
    assert page.locator("mjx-merror, .math mjx-container [data-mjx-error]").count() == 0
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 1, f"the page is {overflow} pixels wider than the window"


@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_accessibility_violation(name, context, site):
    page, _ = open_page(context, site, name)
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()[:4000]


def test_slider_is_legible_on_a_dark_page(browser, site):
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="dark")
    page, _ = open_page(context, site, "two_kls")
    ground = page.evaluate(
        "getComputedStyle(document.querySelector('figure.slider').closest('.text_html')).backgroundColor"
    )
    assert ground == "rgba(0, 0, 0, 0)"  # the pictures are inverted for the page's own dark ground
    context.close()


@pytest.mark.parametrize(
    "name", ["graphical_models", "gibbs_principle", "mean_field", "two_kls", "em", "rbm", "dbn", "features"]
)
def test_slider_obeys_the_keyboard(name, context, site):
    page, _ = open_page(context, site, name)
    slider = page.locator("figure.slider").first
    control, shown = slider.locator("input[type=range]"), slider.locator("img:not([hidden])")
    control.focus()
    page.keyboard.press("Home")
    first = (slider.locator("output").text_content(), shown.get_attribute("alt"))
    page.keyboard.press("ArrowRight")
    second = (slider.locator("output").text_content(), shown.get_attribute("alt"))
    assert shown.count() == 1
    assert first[0] != second[0]
    assert first[1] != second[1]
    assert control.get_attribute("aria-valuetext") == second[0]


def test_wide_page_has_one_search_box(browser, site):
    context = browser.new_context(viewport={"width": 1600, "height": 900})
    page, _ = open_page(context, site, "index")
    visible = [button for button in page.locator(".search-button-field").all() if button.is_visible()]
    assert len(visible) == 1
    context.close()


def test_search_finds_a_word(browser, site):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, _ = open_page(context, site, "index")
    page.goto((site / "search.html").as_uri() + "?q=Quickscore")
    page.wait_for_selector("#search-results a[href*='gibbs_principle']", timeout=20_000)
    context.close()
