"""The built book and its sources: is everything there, linked, described, and free of the network?"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
LISTED = re.findall(r"(?m)^\s*(?:- file|root): (\w+)", (ROOT / "_toc.yml").read_text(encoding="utf8"))
SOURCES = [ROOT / "book" / f"{page}.md" for page in sorted(LISTED)]
CHAPTERS = ["graphical_models", "gibbs_principle", "mean_field", "two_kls", "em", "rbm", "dbn", "features"]
PAGE_LIMIT = 3_000_000  # bytes; a page should open at once on a slow line
HINT_ANCHORS = {
    "gibbs_principle": ["entropy", "kl-divergence", "elbo", "posterior", "quickscore"],
    "mean_field": ["energy", "coordinate-update", "coordinate-ascent", "bound", "denoising"],
    "two_kls": ["kl-gaussian", "factorized", "moment-matching", "kl-on-a-grid", "reverse-kl-fit"],
    "em": ["e-step", "m-step", "log-likelihood", "objective", "algorithm", "hard-em"],
    "rbm": ["rbm", "free-energy", "rbm-partition-function", "contrastive-divergence"],
    "dbn": ["tied-weights", "sampling"],
}

sys.path.insert(0, str(Path(__file__).parent))
import site_checks  # noqa: E402  (pytest's importlib mode does not put a test's own folder on the path)


def test_build_has_no_warning(build):
    assert build.returncode == 0, build.stdout[-3000:] + build.stderr[-5000:]
    assert "build succeeded." in build.stdout


def test_every_source_is_in_the_table_of_contents():
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    listed = set(re.findall(r"(?:file|root): (\w+)", toc))
    assert listed == {path.stem for path in SOURCES}


def test_every_option_has_a_reason():
    lines = (ROOT / "_config.yml").read_text(encoding="utf8").splitlines()
    plain = {"title", "author"}  # say what they are
    silent = []
    for before, line in zip(["", *lines], lines, strict=False):
        key = re.match(r"\s*([\w]+):\s*\S", line)
        if key and "#" not in line and not before.lstrip().startswith("#") and key.group(1) not in plain:
            silent.append(line)
    macros = ("KL", "ELBO", "argmax", "argmin", "E", "default_mode")
    assert [line for line in silent if not line.strip().startswith(macros)] == []


def test_no_cell_may_take_a_minute():
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    assert config["execute"]["timeout"] <= 60  # nbclient stops a cell at that, and the build fails
    assert config["execute"]["allow_errors"] is False


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_long_cell_is_open(source):
    assert site_checks.long_visible_cells(source.read_text(encoding="utf8")) == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_citations_are_in_the_bibliography(source, pages):
    keys = set(re.findall(r"@\w+\{(\w+),", (ROOT / "book" / "references.bib").read_text(encoding="utf8")))
    cited = {
        key
        for found in re.findall(r"\{cite:\w\}`([^`]+)`", source.read_text(encoding="utf8"))
        for key in found.split(",")
    }
    assert cited <= keys
    assert "[?]" not in pages[source.stem + ".html"].text


def test_every_figure_has_alt_text(pages):
    complaints = {name: site_checks.figures_without_alt(page) for name, page in pages.items()}
    assert {name: found for name, found in complaints.items() if found} == {}
    assert all(pages[f"{chapter}.html"].select("article img") for chapter in CHAPTERS)


def test_no_figure_has_small_text():
    complaints = {path.stem: site_checks.small_texts(path.read_text(encoding="utf8")) for path in SOURCES}
    assert {page: found for page, found in complaints.items() if found} == {}


def test_figures_have_their_size_on_the_page(pages):
    """Text does not jump when a picture arrives, and the size of letters can be told (test_browser)."""
    images = [image for page in pages.values() for image in page.select("article img")]
    assert len(images) > 100
    assert [image["alt"][:80] for image in images if not (image.get("width") and image.get("height"))] == []


def test_formulas_keep_their_punctuation(pages):
    complaints = {name: site_checks.loose_formulas(page) for name, page in pages.items()}
    assert {name: found for name, found in complaints.items() if found} == {}


def test_no_page_shows_a_failed_cell(pages):
    assert [name for name, page in pages.items() if page.select(".output.traceback, .output.stderr")] == []


def test_no_link_is_dead(pages, site):
    complaints = {name: site_checks.dead_links(name, page, site) for name, page in pages.items()}
    assert {name: found for name, found in complaints.items() if found} == {}


def test_nothing_is_fetched_from_the_network(pages):
    complaints = {name: site_checks.network_loads(page) for name, page in pages.items()}
    assert {name: found for name, found in complaints.items() if found} == {}


@pytest.mark.parametrize("assignment", ["gibbs_principle", "mean_field", "two_kls", "em", "dbn"])
def test_exercise_links_to_what_students_receive(assignment, pages, site):
    (link,) = pages[f"{assignment}.html"].select(f"article a[href$='/{assignment}.zip']")
    with zipfile.ZipFile(site / link["href"]) as archive:
        assert {f"{assignment}/{assignment}.ipynb", f"{assignment}/check.py"} <= set(archive.namelist())
        notebook = archive.read(f"{assignment}/{assignment}.ipynb").decode()
    assert "NotImplementedError" in notebook
    assert "BEGIN SOLUTION" not in notebook


def test_style_sheets_are_the_newest(site):
    """Also when no page has changed, in which case Sphinx leaves them as they are."""
    for path in (ROOT / "book" / "_static").iterdir():
        assert (site / "_static" / path.name).read_bytes() == path.read_bytes()


def test_style_sheets_fetch_nothing_from_the_network(site):
    for path in site.rglob("*.css"):
        found = re.findall(
            r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)\s]+", path.read_text(encoding="utf8")
        )
        assert found == [], path.name


def test_pages_are_small(site):
    sizes = {path.name: path.stat().st_size for path in site.glob("*.html")}
    assert {name: size for name, size in sizes.items() if size > PAGE_LIMIT} == {}


def test_anchors_that_feedback_links_to_exist(site):
    sections = {f"{page}.html#{anchor}" for page, anchors in HINT_ANCHORS.items() for anchor in anchors}
    for path in (ROOT / "autograder" / "exercises").glob("*.py"):
        sections.update(re.findall(r"\"(\w+\.html#[\w-]+)\"", path.read_text(encoding="utf8")))
    built = {section for section in sections if (site / section.split("#")[0]).is_file()}
    missing = [
        s for s in sorted(built) if not site_checks.has_anchor(site / s.split("#")[0], s.split("#")[1])
    ]
    assert missing == []
    assert len(built) >= sum(map(len, HINT_ANCHORS.values()))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_chapter_has_a_slider(chapter, pages):
    for slider in pages[f"{chapter}.html"].select("figure.slider"):
        control = slider.select_one("input[type=range]")
        assert control["aria-label"]
        assert len(slider.select("img")) == int(control["max"]) + 1
        assert len(slider.select("img:not([hidden])")) == 1
    assert pages[f"{chapter}.html"].select("figure.slider")


@pytest.mark.parametrize(
    ("chapter", "numbers"),
    [
        # Two humps: variance and KL(p‖q) of the moment match, the reverse minima on a hump and between them, and the separations at
        # which minima on the humps appear and become the least.
        ("two_kls", ["4.49", "0.420505", "0.686", "0.727", "4.83", "5.60"]),
        # The log-likelihoods of the fit and of the true means, the growth at the saddle, the flowers named right in four units.
        ("em", ["-672.19", "-675.78", "3.66", "133", "125", "147"]),
        # Onsager's critical coupling and log Z per spin there; log Z of the 3x3 torus at 0.2 and at the critical coupling.
        ("graphical_models", ["0.4406867935", "0.9296953983", "6.669744604", "9.020213401"]),
        # The critical couplings of mean field and of the lattice, and log Z per spin at the latter.
        ("mean_field", ["0.25", "0.4407", "0.9297"]),
        # The ceiling of bars and stripes, -log 14.
        ("rbm", ["-2.639"]),
        ("dbn", ["-2.639"]),
    ],
)
def test_known_numbers_are_on_the_page(chapter, numbers, pages):
    shown = {
        site_checks.shown_number(node) for node in pages[f"{chapter}.html"].select("article span.pasted-text")
    }
    assert set(numbers) <= shown


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_numbers_are_set_as_in_print(chapter, pages):
    shown = [node.text for node in pages[f"{chapter}.html"].select("article span.pasted-text")]
    assert shown
    assert [text for text in shown if re.search(r"^-\d|e[+-]\d", text)] == []


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_outputs_are_committed(chapter):
    tracked = subprocess.run(
        ["git", "ls-files", "book"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert f"book/{chapter}.md" in tracked
    assert not [name for name in tracked if name.endswith(".ipynb")]


# The checks themselves can fail.


def test_check_finds_a_loose_formula():
    page = '<article><span class="math">\\(x\\)</span>, <span class="unbroken"><span class="math">\\(y\\)</span>.</span></article>'
    assert site_checks.loose_formulas(BeautifulSoup(page, "html.parser")) == ["\\(x\\), "]


def test_check_finds_small_text():
    cell = "```{code-cell} ipython3\naxes.text(0, 0, 'a')\naxes.text(1, 1, 'b', fontsize=8)\n```\n"
    assert site_checks.small_texts(cell) == ["axes.text(1, 1, 'b', fontsize=8)"]


def test_check_finds_a_long_cell():
    code = "\n".join(f"x = {k}" for k in range(16))
    assert site_checks.long_visible_cells(f"```{{code-cell}}\n{code}\n```\n")
    assert not site_checks.long_visible_cells(f"```{{code-cell}}\n:tags: [hide-input]\n{code}\n```\n")
    assert not site_checks.long_visible_cells(f"```{{code-cell}}\n---\ntags: [hide-cell]\n---\n{code}\n```\n")


@pytest.mark.parametrize(
    "image", ['<img src="a.png">', '<img src="a.png" alt="_images/abcdefabcdefabcdefabcdefabc.png">']
)
def test_check_finds_a_figure_without_alt(image):
    assert site_checks.figures_without_alt(BeautifulSoup(f"<article>{image}</article>", "html.parser"))


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://unpkg.com/x.js"></script>',
        '<link rel="stylesheet" href="//fonts.example/x.css">',
        "<script>const u = 'https://unpkg.com/x.js'</script>",
    ],
)
def test_check_finds_a_network_address(text):
    assert site_checks.network_loads(BeautifulSoup(text, "html.parser"))


@pytest.mark.parametrize("href", ["nowhere.html", "here.html#nowhere", "#nowhere"])
def test_check_finds_a_dead_link(href, tmp_path):
    (tmp_path / "here.html").write_text('<p id="somewhere"></p>', encoding="utf8")
    page = BeautifulSoup(f'<a href="{href}">x</a>', "html.parser")
    assert site_checks.dead_links("here.html", page, tmp_path)
