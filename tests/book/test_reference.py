"""The pages to look things up in: errata, API, glossary, notation, index."""

import importlib
import inspect
import math
import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import site_checks  # pytest's importlib mode does not put a test's own folder on the path

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
MODULES = re.findall(
    r"automodule:: lectures_lib\.(\w+)",
    "".join(path.read_text(encoding="utf8") for path in sorted(BOOK.glob("api_*.md"))),
)
# Modules whose public names are repeated by another one, where they are documented, and those that serve the package itself.
BEHIND = {"rbm_model", "conv_rbm_model", "drawn_objects", "uai", "first_calls"}
TYPOGRAPHY = {6, 11, 23, 25}  # of these a literal implementation does not exist, or proves nothing


# --- errata --------------------------------------------------------------------------------------------------------------


def errata(page) -> dict[int, object]:
    """The section of each erratum by its number."""
    sections = {}
    for number in range(1, 26):
        place = page.find(id=f"erratum-{number}")
        assert place is not None, number
        sections[number] = place if place.name == "section" else place.find_parent("section")
    return sections


def test_every_erratum_is_told_in_full(pages):
    page = pages["errata.html"]
    sections = errata(page)
    assert len({id(section) for section in sections.values()}) == 25
    for number, section in sections.items():
        assert section.find("h3").text.startswith(f"{number}. ")
        assert [title.text.strip() for title in section.select(".sd-card-title")] == ["The slide", "Correct"]
        assert all(card.text.strip() for card in section.select(".sd-card-body"))
        bold = [strong.text for strong in section.find_all("strong")]
        assert "Why." in bold
        assert "Taken literally." in bold
        assert section.select(".pasted-text"), f"erratum {number} has no computed number"
        links = [link["href"] for link in section.select("a.reference")]
        assert "#errata-table" in links
        assert any(
            re.match(r"(graphical_models|gibbs_principle|mean_field|em|rbm|dbn)\.html#", link)
            for link in links
        ), number
        assert section.find("img") or number in {3, 5, 7, 12, 16, 19} | TYPOGRAPHY


def test_chapters_link_to_every_erratum(pages):
    chapters = ("graphical_models", "gibbs_principle", "mean_field", "em", "rbm", "dbn")
    links = {link["href"] for chapter in chapters for link in pages[f"{chapter}.html"].select(".seealso a")}
    assert {f"errata.html#erratum-{number}" for number in range(1, 26)} <= links


def test_table_of_errata_lists_each_once(pages):
    rows = pages["errata.html"].select("section#all-of-them-at-a-glance tbody tr, #errata-table ~ * tbody tr")
    assert [row.find("a")["href"] for row in rows] == [f"#erratum-{number}" for number in range(1, 26)]


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (1, -math.log(0.05)),  # the least probable state has joint probability 0.05
        (3, math.log(0.4)),
        (7, -math.log(0.4)),
        (
            5,
            0.625 * math.log(0.625)
            + 0.25 * math.log(0.25)
            + 0.125 * math.log(0.125)
            - 0.625**2
            - 0.25**2
            - 0.125**2,
        ),
        (6, math.log(0.4) / math.log(0.3)),
        (8, 0.8**4 / (0.8**4 + 0.2**4)),
        (18, 150 * (math.log(3) + math.log(2 * math.pi))),
        (18, 150 * math.log(2)),
        (25, 784 * 500),
        (25, len(str(2**500))),
    ],
)
def test_number_of_an_erratum_is_right(number, value, pages):
    section = errata(pages["errata.html"])[number]
    shown = [float(site_checks.shown_number(node)) for node in section.select(".pasted-text")]
    assert any(math.isclose(value, x, rel_tol=2e-3) for x in shown), (value, shown)


# --- API -----------------------------------------------------------------------------------------------------------------


def public_names(module) -> set[str]:
    if hasattr(module, "__all__"):
        return set(module.__all__)
    return {
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module.__name__
    }


def test_every_module_is_documented():
    files = {path.stem for path in (ROOT / "lectures_lib").glob("[!_]*.py")}
    assert set(MODULES) == files - BEHIND


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module, pages):
    described = {
        term["id"]
        for name, page in pages.items()
        if name.startswith("api_")
        for term in page.select("dt.sig[id]")
    }
    names = public_names(importlib.import_module(f"lectures_lib.{module}"))
    elsewhere = {"conv_rbm": {"Gradient"}, "conv_dbn": {"ConvRBM"}}.get(
        module, set()
    )  # beside the module they come from
    assert {f"lectures_lib.{module}.{name}" for name in names - elsewhere} <= described
    assert not [name for name in described if re.search(r"\._", name)]


def test_named_tuples_are_described_by_their_docstrings(pages):
    assert "Alias for field number" not in "".join(page.text for page in pages.values())


# --- glossary, notation, index -------------------------------------------------------------------------------------------


def test_first_mentions_of_terms_link_to_the_glossary(pages):
    definitions = {term["id"] for term in pages["glossary.html"].select("dl.glossary dt[id]")}
    linked = set()
    for name, page in pages.items():
        links = [link["href"].split("#")[1] for link in page.select("a.term")]
        assert len(links) == len(set(links)), name  # the first mention only
        assert all(len(link["title"]) > 20 for link in page.select("a.term"))
        linked.update(links)
    assert linked <= definitions
    assert len(linked) > 0.8 * len(definitions)  # a glossary of words that the book does not use helps nobody
    assert not pages["glossary.html"].select("a.term")


def test_index_has_entries(pages):
    entries = [item.text for item in pages["genindex.html"].select("table.indextable li")]
    assert len(entries) > 200
    for word in (
        "entropy",
        "Quickscore",
        "tied weights",
        "coordinate_ascent() (in module lectures_lib.mean_field)",
    ):
        assert any(entry.strip().startswith(word) for entry in entries), word


def test_notation_explains_the_symbols_of_the_chapters():
    """Greek and calligraphic letters; Latin ones are too many and too local to be looked for by a program."""
    notation = (BOOK / "notation.md").read_text(encoding="utf8")
    letter = re.compile(
        r"\\(mathcal ?\{?[A-Z]|lambda|pi|sigma|theta|mu|Sigma|Lambda|beta|gamma|delta|varepsilon|eta|rho|tau|E|KL|ELBO)(?![A-Za-z])"
    )
    used = {}
    for path in BOOK.glob("*.md"):
        for found in letter.findall(path.read_text(encoding="utf8")):
            used.setdefault(re.sub(r"[ {]", "", found), set()).add(path.stem)
    explained = {re.sub(r"[ {]", "", found) for found in letter.findall(notation)}
    widely = {symbol for symbol, chapters in used.items() if len(chapters - {"notation", "errata"}) > 1}
    assert widely - explained == set()
