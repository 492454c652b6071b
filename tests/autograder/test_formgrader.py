"""nbgrader's formgrader in a real browser, as an instructor uses it: grade, mark by hand, grade again, export."""

import csv
import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from autograder.course import Course
from autograder.gradebook import manual_marks
from tests.autograder.jupyter import PROGRAMS, TOKEN, jupyter_server

ROOT = Path(__file__).parents[2]
NAME = "gibbs_principle"
MILLISECONDS = 120_000


@pytest.fixture
def course(tmp_path):
    """One of the real assignments, with a right submission and one that is no notebook."""
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / NAME, tmp_path / "solutions" / NAME)
    course = Course(tmp_path)
    for student in ("ada", "eve"):
        course.submission_folder(student, NAME).mkdir(parents=True)
    shutil.copy(course.source_path(NAME), course.submission_folder("ada", NAME))
    (course.submission_folder("eve", NAME) / f"{NAME}.ipynb").write_text("no notebook")
    return course


@pytest.fixture
def server(course):
    """Address of a Jupyter server, started as `make lab` does."""
    with jupyter_server(course.directory) as address:
        yield address


def autograde(page, student):
    """Press formgrader's button, and close the box that tells of success."""
    page.locator("tr", has_text=student).locator(".autograde a").click()
    box = page.locator(".modal.in")
    expect(box).to_contain_text(
        f"Successfully autograded '{NAME}' for student '{student}'", timeout=MILLISECONDS
    )
    box.locator("button.close").first.click()
    expect(box).to_have_count(0)


def test_from_the_assignment_list_to_the_export(course, server):
    chromium = shutil.which("chromium")
    assert chromium, "this test needs the program chromium"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{server}/formgrader?token={TOKEN}")
        page.get_by_role("row", name=NAME).get_by_role("link", name="2", exact=True).click()
        autograde(page, "ada")
        autograde(page, "eve")
        expect(page.locator("tr", has_text="ada").locator(".score")).to_have_text("20 / 25")
        expect(page.locator("tr", has_text="eve").locator(".score")).to_have_text("0 / 25")
        page.get_by_role("link", name="Manual Grading").click()
        page.get_by_role("link", name=NAME).click()
        page.locator("tbody").get_by_role("link", name=NAME).click()
        page.locator("tbody tr", has_text="20 / 25").get_by_role("link").click()
        mark(page)
        page.goto(f"{server}/formgrader/manage_submissions/{NAME}")
        expect(page.locator("tr", has_text="ada").locator(".status")).to_have_text("graded")
        (course.submission_folder("ada", NAME) / "timestamp.txt").write_text("2026-11-25 10:00:00 UTC")
        autograde(page, "ada")
        expect(page.locator("tr", has_text="ada").locator(".score")).to_have_text("23.5 / 25")
        page.get_by_role("link", name="Manage Assignments").click()
        page.get_by_role("row", name=NAME).locator(".generate-feedback a").click()
        expect(page.locator(".modal.in")).to_contain_text(
            "Successfully generated feedback", timeout=MILLISECONDS
        )
        browser.close()
    assert manual_marks(course, "ada", NAME) == {"free_response": (3.5, "Clear & short.\n<b>Well done</b>")}
    assert "Clear &amp; short.\n&lt;b&gt;Well done" in course.feedback_path("ada", NAME).read_text()
    assert exported_scores(course) == {"ada": "23.5", "eve": "0"}


def mark(page):
    """Mark the free response: a score and a comment, each saved when the field is left; the figure is there to see."""
    figure = page.locator(".output_png img, img[src^='data:image/png']").first
    expect(figure).to_be_visible(timeout=MILLISECONDS)
    assert figure.evaluate("image => image.naturalWidth") > 100
    score = page.locator("input.score.needs_manual_grade")
    expect(score).to_have_count(1)
    with page.expect_response(
        lambda answer: "/api/grade/" in answer.url and answer.request.method == "PUT"
    ) as saved:
        score.fill("3.5")
        score.press("Tab")
    assert saved.value.ok
    comment = page.locator("textarea.comment").last
    with page.expect_response(
        lambda answer: "/api/comment/" in answer.url and answer.request.method == "PUT"
    ) as saved:
        comment.fill("Clear & short.\n<b>Well done</b>")
        comment.blur()
    assert saved.value.ok


def exported_scores(course):
    """Run `nbgrader export`, and return each student's score."""
    subprocess.run(
        [PROGRAMS / "nbgrader", "export", "--exporter=autograder.exporters.Moodle", "--to=grades.csv"],
        cwd=course.directory,
        check=True,
        capture_output=True,
    )
    with (course.directory / "grades.csv").open(newline="") as file:
        return {row["ID number"]: row[NAME] for row in csv.DictReader(file)}
