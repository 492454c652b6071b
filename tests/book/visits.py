"""Opens pages in one headless Chromium with no network, a few at a time, and notes what a reader would stumble over."""

import asyncio
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, async_playwright

AT_ONCE = 3  # pages; more than the processors of a small machine, as each waits now and then
WIDTHS, THEMES = (1280, 390), ("light", "dark")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
RAW = (
    "$",
    "\\(",
    "\\[",
    "\\frac",
    "\\KL",
    "\\ELBO",
    "{eq}",
    "{prf:",
    "{ref}",
    "{term}",
    "{doc}",
    "{glue",
    "{cite",
)

# Text that a reader sees as text: code is meant to be raw, and MathJax hides its assistive copies.
VISIBLE_TEXT = """() => {
    const copy = document.querySelector('article').cloneNode(true);
    copy.querySelectorAll('pre, code, script, mjx-container').forEach(node => node.remove());
    return copy.textContent;
}"""
# The theme fades colours in: halfway through, axe would measure a contrast that no reader sees for long. And it measures none on
# a ground with shadows, such as that of code.
STILL = """*, *::before, *::after { transition: none !important; animation: none !important }
    article pre { background: var(--ground) !important }"""
FORMULAS = "() => window.MathJax && MathJax.startup ? MathJax.startup.promise : null"
# What fit_formulas.js does waits for a frame.
SETTLED = (
    "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
)
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BAD_FORMULAS = "document.querySelectorAll('mjx-merror, [data-mjx-error]').length"
WIDE_FORMULAS = """() => [...document.querySelectorAll('article mjx-container[display=true]')]
    .filter(node => node.scrollWidth > node.clientWidth + 1)
    .concat([...document.querySelectorAll('article p mjx-container:not([display=true]), article td mjx-container:not([display=true])')]
    .filter(node => node.getBoundingClientRect().right > node.closest('p, td').getBoundingClientRect().right + 1))
    .map(node => node.textContent.slice(0, 80))"""
# CSS pixels: the book's figures have text of 12 points and 100 pixels an inch (lectures_lib/plots.py).
LETTERS = 12 * 100 / 72
SMALLEST_LETTERS = 10
SMALL_LETTERS = """([letters, smallest]) => [...document.querySelectorAll('article img')]
    .filter(image => image.clientWidth && !(letters * image.clientWidth / image.getAttribute('width') >= smallest))
    .map(image => image.alt.slice(0, 80))"""
LOST_BUTTONS = """() => [...document.querySelectorAll('article .toggle-button')].map(button => button.closest('.admonition'))
    .filter(box => box.querySelector('.toggle-button').getBoundingClientRect().bottom > box.getBoundingClientRect().bottom + 1)
    .map(box => box.textContent.trim().slice(0, 80))"""
UNSET_FORMULAS = "[...document.querySelectorAll('article .math')].filter(node => !node.querySelector('mjx-container')).length"


@dataclass
class Visit:
    """What was seen on one page at one width."""

    complaints: list[str] = field(
        default_factory=list
    )  # failed or outward requests, console errors, exceptions
    raw: list[str] = field(default_factory=list)  # marks of TeX or MyST in the text
    bad_formulas: int = 0
    unset_formulas: int = 0
    wide_formulas: list[str] = field(default_factory=list)  # scroll inside their line, or reach beyond it
    small_letters: list[str] = field(default_factory=list)  # figures whose text cannot be read
    lost_buttons: list[str] = field(default_factory=list)  # boxes whose button to unfold them is not seen
    overflow: int = 0  # pixels beyond the window's width
    violations: dict[str, str] = field(default_factory=dict)  # axe's report, by theme


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if os.environ.get("CI"):
        pytest.fail("no Chromium on this machine, and CI is set: the browser tests must run here")
    pytest.skip("no Chromium on this machine")


def listen(page: Page, complaints: list[str]) -> None:
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:200]}"))
    page.on(
        "request", lambda r: complaints.append(f"network: {r.url}") if re.match("https?:", r.url) else None
    )


async def look(browser, address: str, width: int) -> Visit:
    context = await browser.new_context(viewport={"width": width, "height": 900}, color_scheme=THEMES[0])
    await context.set_offline(True)
    page, visit = await context.new_page(), Visit()
    listen(page, visit.complaints)
    await page.goto(address, wait_until="load")
    await page.add_style_tag(content=STILL)
    await page.evaluate(FORMULAS)
    text = await page.evaluate(VISIBLE_TEXT)
    visit.raw = [mark for mark in RAW if mark in text]
    visit.bad_formulas = await page.evaluate(BAD_FORMULAS)
    visit.unset_formulas = await page.evaluate(UNSET_FORMULAS)
    await page.evaluate(SETTLED)
    visit.wide_formulas = await page.evaluate(WIDE_FORMULAS)
    visit.small_letters = await page.evaluate(SMALL_LETTERS, [LETTERS, SMALLEST_LETTERS])
    visit.lost_buttons = await page.evaluate(LOST_BUTTONS)
    visit.overflow = await page.evaluate(OVERFLOW)
    for theme in THEMES:
        await page.emulate_media(
            color_scheme=theme
        )  # the pages follow the system's theme until the reader chooses
        await page.wait_for_selector(f"html[data-theme={theme}]")
        results = await Axe().run(
            page, options={"resultTypes": ["violations"], "preload": False}
        )  # style sheets cannot be fetched from disk
        visit.violations[theme] = results.generate_report()[:4000] if results.violations_count else ""
    await context.close()
    return visit


async def look_at_all(addresses: dict[str, str]) -> dict[tuple[str, int], Visit]:
    free, visits = asyncio.Semaphore(AT_ONCE), {}

    async def visit(name: str, width: int) -> None:
        async with free:
            visits[name, width] = await look(browser, addresses[name], width)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        await asyncio.gather(*(visit(name, width) for name in addresses for width in WIDTHS))
        await browser.close()
    return visits


def visit_pages(site: Path, names: list[str]) -> dict[tuple[str, int], Visit]:
    """The visits by page and width. In a thread of their own, as the other browser tests keep an event loop running in this one."""
    addresses = {name: (site / f"{name}.html").as_uri() for name in names}
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, look_at_all(addresses)).result()
