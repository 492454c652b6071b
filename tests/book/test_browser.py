"""The built book in a browser with no network: does each page open whole, on both widths and both themes?"""

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent))
import visits  # pytest's importlib mode does not put a test's own folder on the path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(re.findall(r"(?m)^\s*(?:- file|root): (\w+)", (ROOT / "_toc.yml").read_text(encoding="utf8")))
SLIDERS = sorted(
    page for page in PAGES if "Slider(" in (ROOT / "book" / f"{page}.md").read_text(encoding="utf8")
)


@pytest.fixture(scope="session")
def seen(site) -> dict:
    return visits.visit_pages(site, PAGES)


@pytest.fixture(scope="session")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=visits.chromium(), args=visits.ARGUMENTS)
        yield browser
        browser.close()


def open_page(browser, site, name, width=1280, theme="light", touch=False):
    """The page, and a list that collects what goes wrong on it."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    context.set_offline(True)
    page, complaints = context.new_page(), []
    visits.listen(page, complaints)
    page.goto((site / f"{name}.html").as_uri(), wait_until="load")
    page.add_style_tag(content=visits.STILL)
    page.evaluate(visits.FORMULAS)
    return page, complaints


@pytest.mark.parametrize("width", visits.WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_opens_whole_and_offline(name, width, seen):
    visit = seen[name, width]
    assert visit.complaints == []
    assert visit.raw == []
    assert visit.bad_formulas == 0
    assert visit.unset_formulas == 0
    assert visit.wide_formulas == []
    assert visit.small_letters == []
    assert visit.lost_buttons == []
    assert visit.overflow <= 1, f"the page is {visit.overflow} pixels wider than the window"


@pytest.mark.parametrize("theme", visits.THEMES)
@pytest.mark.parametrize("width", visits.WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_has_no_accessibility_violation(name, width, theme, seen):
    assert seen[name, width].violations[theme] == ""


def test_visit_notices_what_is_wrong(tmp_path):
    """The visits themselves: each of their complaints is made about a page that deserves it."""
    page = """<html lang="en" data-theme="light"><script>
        matchMedia('(prefers-color-scheme: dark)').onchange = e => document.documentElement.dataset.theme = e.matches ? 'dark' : 'light';
        console.error('broken')</script>
      <article><img src="https://example.org/a.png">
      <img alt="too wide" width="900" style="width: 350px" src="data:">
      <p>see {ref}`x`, $x^2$</p><span class="math">x</span><mjx-merror>?</mjx-merror>
      <mjx-container display="true" style="display: block; overflow-x: auto"><p style="width: 900px">long</p></mjx-container>
      <div class="admonition" style="height: 9px">answer<button class="toggle-button" style="height: 30px"></button></div>
      <p style="width: 50px"><mjx-container style="display: inline-block; width: 60px">cut</mjx-container></p>
      <div style="width: 3000px">wide</div></article></html>"""
    (tmp_path / "bad.html").write_text(page, encoding="utf8")
    visit = visits.visit_pages(tmp_path, ["bad"])["bad", 390]
    assert any("broken" in complaint for complaint in visit.complaints)
    assert any("network: https://example.org/a.png" in complaint for complaint in visit.complaints)
    assert visit.raw == ["$", "{ref}"]
    assert (visit.bad_formulas, visit.unset_formulas) == (1, 1)
    assert visit.wide_formulas == ["long", "cut"]
    assert "too wide" in visit.small_letters
    assert visit.lost_buttons == ["answer"]
    assert visit.overflow > 1000
    assert all("image-alt" in visit.violations[theme] for theme in visits.THEMES)


def test_slider_is_legible_on_a_dark_page(browser, site):
    page, _ = open_page(browser, site, "two_kls", theme="dark")
    ground = page.evaluate(
        "getComputedStyle(document.querySelector('figure.slider').closest('.text_html')).backgroundColor"
    )
    assert ground == "rgba(0, 0, 0, 0)"  # the pictures are inverted for the page's own dark ground
    page.context.close()


@pytest.mark.parametrize("name", SLIDERS)
def test_every_slider_obeys_the_keyboard(name, browser, site):
    page, complaints = open_page(browser, site, name, width=390)
    for slider in page.locator("figure.slider").all():
        control, shown = slider.locator("input[type=range]"), slider.locator("img:not([hidden])")
        control.focus()
        page.keyboard.press("Home")
        first = (slider.locator("output").text_content(), shown.get_attribute("alt"))
        page.keyboard.press("ArrowRight")
        second = (slider.locator("output").text_content(), shown.get_attribute("alt"))
        page.keyboard.press("End")
        assert shown.count() == 1
        assert control.input_value() == control.get_attribute("max")
        assert first[0] != second[0]
        assert first[1] != second[1]
        assert control.get_attribute("aria-valuetext") == slider.locator("output").text_content()
    assert complaints == []
    page.context.close()


def test_wide_page_has_one_search_box(browser, site):
    page, _ = open_page(browser, site, "index", width=1600)
    visible = [button for button in page.locator(".search-button-field").all() if button.is_visible()]
    assert len(visible) == 1
    page.context.close()


@pytest.mark.parametrize(
    ("word", "page_found"),
    [("Quickscore", "gibbs_principle"), ("greedy", "dbn"), ("coordinate_ascent", "api_approximation")],
)
def test_search_finds_a_word(word, page_found, browser, site):
    page, complaints = open_page(browser, site, "index")
    page.keyboard.press("Control+k")
    page.keyboard.type(word)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"#search-results a[href*='{page_found}']", timeout=20_000)
    assert complaints == []
    page.context.close()


def test_formula_of_an_unfolded_answer_fits_its_line(browser, site):
    page, _ = open_page(browser, site, "em", width=390)
    answer = page.locator(".solution.dropdown", has=page.locator("div.math")).first
    answer.locator("button, summary").first.click()
    page.evaluate(visits.SETTLED)
    line = answer.locator("mjx-container[display=true]").first
    assert line.evaluate("node => node.clientWidth") > 0
    assert line.evaluate("node => node.scrollWidth <= node.clientWidth + 1")
    page.context.close()


def test_definition_of_a_term_shows_by_keyboard(browser, site):
    page, _ = open_page(browser, site, "gibbs_principle", width=390)
    term = page.locator("a.term").first
    page.keyboard.press("Tab")  # so that focus counts as the keyboard's
    term.focus()
    shown = term.evaluate("node => getComputedStyle(node, '::after').content")
    assert shown.strip('"') == term.get_attribute("title")
    assert page.evaluate(visits.OVERFLOW) <= 1
    page.context.close()
