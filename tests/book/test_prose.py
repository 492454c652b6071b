"""No number stands in a chapter's text that nobody computed."""

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_iris

from lectures_lib.datasets import drawn_objects

sys.path.insert(0, str(Path(__file__).parent))
import site_checks

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(
    path.stem for path in (ROOT / "book").glob("*.md") if "{code-cell}" in path.read_text(encoding="utf8")
)

# Numbers that are no results: where something is found in a book, when it was written, how large a data set or a state space is.
STATED = {
    "em": {"150", "50", "1957"},
    "features": {"48", "784"},  # pixels that a drawing is wide; weights of sixteen filters of seven by seven
    "gibbs_principle": {"10"},  # a chapter of a book
    "graphical_models": {"600", "4000"},  # diseases and symptoms of QMR-DT, as Shwe et al. (1991) report them
    "rbm": {"512"},  # 2 to the power of 9 pixels
    "two_kls": {"10.7", "33"},  # a section and a chapter of books
}


@pytest.mark.parametrize("page", CHAPTERS)
def test_numbers_in_the_text_are_computed(page):
    found = site_checks.numbers_from_nowhere((ROOT / "book" / f"{page}.md").read_text(encoding="utf8"))
    assert set(found) - STATED.get(page, set()) == set()


@pytest.mark.parametrize("page", STATED)
def test_no_stated_number_is_out_of_date(page):
    found = site_checks.numbers_from_nowhere((ROOT / "book" / f"{page}.md").read_text(encoding="utf8"))
    assert STATED[page] <= set(found)


def test_stated_sizes_are_right():
    species = load_iris().target
    assert len(species) == 150
    assert [int((species == k).sum()) for k in range(3)] == [50, 50, 50]
    assert (2**9, 16 * 7 * 7) == (512, 784)
    assert drawn_objects(1, np.random.default_rng(0)).images.shape[-1] == 48


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The bound is 0.73 nats.", ["0.73"]),
        ("After 17 iterations", ["17"]),
        ("of 20 000 draws", ["20000"]),
        ("two of 3 means", []),  # small numbers count, and measure nothing
        ("It is {glue:text}`bound:.2f`, and $x = 0.25$ or `0.5`.", []),
        ("```{code-cell}\nx = 0.73\n```\nThe bound is 0.73 nats.", []),
        ("```{code-cell}\nx = 20_000\n```\nof 20 000 draws", []),
        ("```{code-cell}\nrate = 0.015\n```\na target of 1.5% and of 1.6%", ["1.6"]),
        ("```{seealso}\nsee {ref}`a <b-17>`, {ref}`c <d-18>`\n```\nand 19", ["19"]),
        (
            "````{prf:proof}\n```{math}\n0.11\n```\nthat is 0.12\n````\n```\n0.13\n```\nor 0.14",
            ["0.12", "0.14"],
        ),
        ("### 17. An average", []),
    ],
)
def test_check_finds_a_number_from_nowhere(text, found):
    assert site_checks.numbers_from_nowhere(text) == found
