"""Builds the book once for all its tests; executed chapters come from the cache where nothing changed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"


@pytest.fixture(scope="session")
def build() -> subprocess.CompletedProcess:
    """The finished process of a build with warnings as errors, with its output."""
    command = [sys.executable, str(ROOT / "book" / "build.py")]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="session")
def site(build) -> Path:
    """The folder of the built book; every test that reads pages fails when the build did."""
    assert build.returncode == 0, build.stdout[-3000:] + build.stderr[-5000:]
    return SITE


@pytest.fixture(scope="session")
def pages(site) -> dict[str, BeautifulSoup]:
    """Every page of the book that has a source, parsed, by its file name."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    names = sorted(f"{page}.html" for page in re.findall(r"(?m)^\s*(?:- file|root): (\w+)", toc))
    return {name: BeautifulSoup((site / name).read_text(encoding="utf8"), "html.parser") for name in names}
