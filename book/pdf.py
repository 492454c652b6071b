"""Prints the whole book to one PDF file, _build/variational-methods.pdf: python book/pdf.py

Sphinx writes all chapters into one page, and headless Chromium prints it: with bookmarks, page numbers, links that work and a table of
contents. The browser cannot count pages before it has printed them, so it prints again when it knows where chapters begin.
"""

import shutil
import sys
from pathlib import Path

import build
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

PDF = build.ROOT / "_build" / "variational-methods.pdf"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TIMEOUT = 600_000  # milliseconds for one step of the browser: the page is large, and machines are slow

PREPARE = """() => {
    const all = selector => [...document.querySelectorAll(selector)];
    document.body.replaceChildren(document.querySelector('article'));
    document.body.classList.add('printed');
    // Answers that fold out on the screen are printed open; code that is folded away stays out.
    all('.cell.tag_hide-cell, .cell details.hide, button, .headerlink').forEach(node => node.remove());
    all('.toggle, .dropdown').forEach(node => node.classList.remove('toggle', 'toggle-hidden', 'dropdown'));
    all('details').forEach(node => { node.open = true; });
    // Of a slider's pictures two are printed side by side: the one that the screen shows first, and the end that is farther from it.
    all('figure.slider').forEach(figure => {
        const frames = [...figure.querySelectorAll('img')], last = frames.length - 1;
        const first = frames.findIndex(frame => !frame.hidden), other = first > last / 2 ? 0 : last;
        const pair = document.createElement('div');
        pair.className = 'printed-frames';
        frames.forEach((frame, k) => {
            frame.remove();
            if (k !== first && k !== other) return;
            const half = document.createElement('div');
            frame.hidden = false;
            half.append(frame, frame.dataset.label);
            pair.append(half);
        });
        figure.prepend(pair);
        figure.querySelector('.slider-control').textContent = `Two of ${frames.length} pictures: on the screen a slider shows them all.`;
    });
    // The index is a heading alone in this form of the book.
    all('span[id^="document-"] + section').filter(chapter => chapter.children.length === 1).forEach(chapter => chapter.remove());
    const chapters = all('span[id^="document-"] + section');
    chapters.forEach(chapter => chapter.classList.add('printed-chapter'));
    all('.printed-chapter .printed-chapter').forEach(chapter => chapter.classList.remove('printed-chapter'));

    const headings = all('h1, h2, h3, h4, h5, h6'), list = document.createElement('ol'), listed = [];
    headings.forEach((heading, k) => {
        heading.id = 'printed-' + k;
        const section = heading.parentElement, chapter = section.classList.contains('printed-chapter');
        if (!chapter && !section.parentElement.classList.contains('printed-chapter')) return;
        const entry = document.createElement('li'), link = document.createElement('a'), number = document.createElement('span');
        entry.className = chapter ? 'chapter' : 'section';
        link.href = '#' + heading.id;
        link.append(...[...heading.cloneNode(true).childNodes]);
        number.className = 'number';
        number.textContent = '000';
        entry.append(link, number);
        list.append(entry);
        listed.push(k);
    });
    const contents = document.createElement('nav'), title = document.createElement('p');
    contents.className = 'printed-contents';
    title.textContent = 'Contents';
    contents.append(title, list);
    chapters[0].parentElement.before(contents);
    return {headings: headings.map(heading => heading.textContent.trim().replace(/\\s+/g, ' ')), listed};
}"""
NUMBER = """numbers => document.querySelectorAll('.printed-contents .number').forEach((node, k) => { node.textContent = numbers[k]; })"""
FORMULAS = "() => MathJax.startup.promise"
FOOT = """<div style="width: 100%; font-size: 8px; text-align: center; color: #444"><span class="pageNumber"></span></div>"""


def browser_path() -> str:
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    sys.exit(
        f"make pdf prints with Chromium, and none of {', '.join(BROWSERS)} is on the path. On Debian: apt install chromium"
    )


def printed(page: Page, path: Path) -> list[int]:
    """Print, and return the page of every heading, in their order, as the bookmarks have it."""
    page.pdf(
        path=path,
        format="A4",
        margin={"top": "18mm", "bottom": "20mm", "left": "20mm", "right": "20mm"},
        display_header_footer=True,
        header_template="<span></span>",
        footer_template=FOOT,
        print_background=True,
        outline=True,
        tagged=True,
    )
    reader = PdfReader(path)
    return [reader.get_destination_page_number(mark) + 1 for mark in flat(reader.outline)]


def flat(outline: list) -> list:
    return [found for mark in outline for found in (flat(mark) if isinstance(mark, list) else [mark])]


def name_bookmarks(path: Path, titles: list[str]) -> None:
    """Chromium doubles some words of a title that is broken over lines, so the titles are set anew; the document gets its own, too."""
    writer = PdfWriter(path, incremental=True)
    marks = iter(titles)

    def name(mark) -> None:
        while mark is not None:
            mark = mark.get_object()
            mark[NameObject("/Title")] = TextStringObject(next(marks))
            name(mark.get("/First"))
            mark = mark.get("/Next")

    name(writer.root_object["/Outlines"].get_object()["/First"])
    writer.add_metadata({"/Title": titles[0]})
    writer.write(path)


def opened(browser: Browser, source: Path) -> tuple[Page, dict]:
    """The page made ready for paper, and its headings."""
    page = browser.new_page(color_scheme="light")
    page.set_default_timeout(TIMEOUT)
    page.context.set_offline(True)
    page.goto(source.as_uri(), wait_until="load")
    page.evaluate(FORMULAS)
    found = page.evaluate(PREPARE)
    page.add_style_tag(path=build.ROOT / "book" / "print.css")
    return page, found


def print_book(source: Path, target: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path(), args=["--no-sandbox", "--disable-gpu"]
        )
        pages, before = [], None
        for _ in range(4):  # twice would do, if numbers never changed how the contents are broken into pages
            # A page of its own each time: what has been printed once may be laid out otherwise when it is printed again.
            page, found = opened(browser, source)
            if pages:
                page.evaluate(NUMBER, [pages[k] for k in found["listed"]])
            before, pages = pages, printed(page, target)
            page.close()
            if pages == before:
                break
        browser.close()
    if pages != before or len(pages) != len(found["headings"]):
        sys.exit(
            f"{target}: the numbers in the table of contents are wrong, as chapters moved or a heading has no bookmark"
        )
    name_bookmarks(target, found["headings"])


def main() -> int:
    browser_path()  # before the long part
    if code := build.main(["--builder", "singlehtml"]):
        return code
    print_book(build.ROOT / "_build" / "singlehtml" / "index.html", PDF)
    print(f"{PDF.relative_to(build.ROOT)}: {len(PdfReader(PDF).pages)} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
