"""What can be wrong with a chapter's source or a built page; each check returns a list of complaints."""

import functools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from bs4 import BeautifulSoup

CELL = re.compile(r"^(`{3,})\{code-cell\}[^\n]*\n(.*?)^\1[ \t]*$", re.DOTALL | re.MULTILINE)
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
MAX_LINES = 15  # what a reader takes in at a glance
MIN_ALT = 30  # characters; anything shorter names a figure but does not say what it shows
LOADS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "embed": "src"}


def cells(source: str) -> list[tuple[dict, str]]:
    """The options and the code of each code cell of a MyST text notebook."""
    found = []
    for match in CELL.finditer(source):
        body = match.group(2)
        options: dict = {}
        if body.startswith("---\n"):
            head, body = body[4:].split("\n---\n", 1)
            options = yaml.safe_load(head)
        else:
            lines = body.splitlines()
            count = next((k for k, line in enumerate(lines) if not line.startswith(":")), len(lines))
            options = yaml.safe_load("\n".join(line[1:] for line in lines[:count])) or {}
            body = "\n".join(lines[count:])
        found.append((options, body.strip("\n")))
    return found


def long_visible_cells(source: str) -> list[str]:
    return [
        f"{len(code.splitlines())} lines: {code.splitlines()[0]}"
        for options, code in cells(source)
        if len(code.splitlines()) > MAX_LINES and not HIDDEN.intersection(options.get("tags", []))
    ]


def figures_without_alt(page: BeautifulSoup) -> list[str]:
    complaints = []
    for image in page.select("article img"):
        alt = image.get("alt", "")
        if len(alt) < MIN_ALT or re.search(r"\.(png|svg|jpe?g)$", alt):
            complaints.append(f"alt {alt!r} of {image.get('src', '')[:60]}")
    return complaints


def loose_formulas(page: BeautifulSoup) -> list[str]:
    """Formulas and code in a line whose punctuation a browser may put at the beginning of the next one."""
    complaints = []
    for formula in page.select("article span.math, article :not(pre, dt) > code"):
        following = (formula.parent if formula.parent.name == "a" else formula).next_sibling
        if (
            isinstance(following, str)
            and re.match(r"[.,;:?!)\]’”]", following)
            and not formula.find_parent(class_="unbroken")
        ):
            complaints.append(formula.text + following[:10])
    return complaints


def small_texts(source: str) -> list[str]:
    """Texts that a cell draws smaller than the book's figures have it: a phone shows these as small as can be read."""
    return [
        line
        for _, code in cells(source)
        for line in code.splitlines()
        if re.search(r"(font|label|title)size=", line)
    ]


def network_loads(page: BeautifulSoup) -> list[str]:
    """What a browser would fetch from elsewhere when it shows the page; links to click are no matter."""
    complaints = []
    for tag, attribute in LOADS.items():
        for element in page.find_all(tag):
            address = element.get(attribute, "")
            if address.startswith(("http:", "https:", "//")) and element.get("rel") != ["license"]:
                complaints.append(f"{tag} {address}")
    for element in page.find_all(["script", "style"]):
        complaints += [
            f"{element.name}: {found}" for found in re.findall(r"https?://[^\s\"')]+", element.text)
        ]
    return complaints


def dead_links(name: str, page: BeautifulSoup, site: Path) -> list[str]:
    complaints = []
    for link in page.select("a[href]"):
        parts = urlsplit(link["href"])
        if parts.scheme or parts.netloc:
            continue
        target = site / unquote(parts.path) if parts.path else site / name
        if not target.is_file():
            complaints.append(f"no file for {link['href']}")
        elif parts.fragment and target.suffix == ".html" and not has_anchor(target, unquote(parts.fragment)):
            complaints.append(f"no anchor for {link['href']}")
    return complaints


def has_anchor(path: Path, anchor: str) -> bool:
    return anchor in anchors(path)


@functools.cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf8")))


POWER = re.compile(r"\\\((-?[\d.]+) \\times 10\^\{(-?\d+)\}\\\)")


def shown_number(element) -> str:
    """A number that a cell has put into a page, as Python would write it."""
    if found := POWER.fullmatch(element.text):
        return f"{found[1]}e{found[2]}"
    return element.text.replace("−", "-").replace("\u202f", "")


# What is no prose: front matter, formulas, roles, code in a line, links, options, labels, headings' numbers.
NO_PROSE = (
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),
    re.compile(r"\$\$.*?\$\$|\$[^$]+\$", re.DOTALL),
    re.compile(r"\{[\w:]+\}`[^`]*`|`[^`]*`"),
    re.compile(r"\]\([^)]*\)"),
    re.compile(r"^(?::\w.*|\([\w-]+\)=|#+ \d+\. .*)$", re.MULTILINE),
)
FENCE = re.compile(r"(`{3,}|:{3,})(?:\{([\w:-]+)\}|(\w*))")
WITH_PROSE = ("prf:", "admonition", "note", "seealso", "margin", "exercise", "solution", "grid")
IN_PROSE = re.compile(r"(?<![\w.])\d+(?:[ \u202f]\d{3})+(?!\w)|(?<![\w.])\d+(?:\.\d+)?(?!\w|\.\d)")
IN_CODE = re.compile(r"(?<![\w.])\d[\d_]*(?:\.\d+)?(?:e-?\d+)?")


def outside_of_code(source: str) -> str:
    """The lines that are text, also those within boxes; code, formulas set apart and entries of the index are left out."""
    kept, open_fences = [], []
    for line in source.splitlines():
        fence = FENCE.match(line)
        if fence and open_fences and line.strip() == open_fences[-1][0]:
            open_fences.pop()
        elif fence:
            open_fences.append((fence[1], (fence[2] or "").startswith(WITH_PROSE)))
        elif all(prose for _, prose in open_fences):
            kept.append(line)
    return "\n".join(kept)


def numbers_from_nowhere(source: str) -> list[str]:
    """Numbers in the text, of two digits or with a decimal point, that neither a cell puts there nor stand in a cell's code."""
    known = {float(found) for _, code in cells(source) for found in IN_CODE.findall(code)}
    source = outside_of_code(source)
    for pattern in NO_PROSE:
        source = pattern.sub(" ", source)
    complaints = []
    for match in IN_PROSE.finditer(source):
        number = re.sub(r"[ \u202f]", "", match.group())
        values = (
            {float(number), float(number) / 100} if source[match.end() :].startswith("%") else {float(number)}
        )
        if not values & known and (len(number) > 1 or "." in number):
            complaints.append(number)
    return complaints
