import copy

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell
from nbgrader.preprocessors import ClearSolutions

from autograder.intake import Submission, SubmittedCell
from autograder.rebuild import CODE_STUB, TEXT_STUB, rebuild, stub


def changed(submission, position, cell):
    """The submission with one cell replaced, or without it."""
    cells = list(submission.cells)
    cells[position : position + 1] = [] if cell is None else [cell]
    return Submission(tuple(cells))


def ids(rebuilt):
    return [cell.id for cell in rebuilt.notebook.cells]


def by_id(rebuilt, name):
    return next(cell for cell in rebuilt.notebook.cells if cell.id == name)


def test_an_ordinary_submission(source, submission):
    before = copy.deepcopy(source)
    rebuilt = rebuild(source, submission)
    nbformat.validate(rebuilt.notebook)
    assert source == before
    assert rebuilt.notes == ()
    assert ids(rebuilt) == [
        "intro",
        "setup",
        "entropy",
        "added-1",
        "check-entropy",
        "figure",
        "free-response",
    ]
    assert by_id(rebuilt, "entropy").source == "def entropy(p):\n    return p @ np.log(p)"
    assert by_id(rebuilt, "free-response").source == submission.cells[-1].source
    assert by_id(rebuilt, "added-1").metadata == {}
    for cell in source.cells:
        assert by_id(rebuilt, cell.id).metadata == cell.metadata
    assert all(cell.get("outputs", []) == [] for cell in rebuilt.notebook.cells)


def test_nothing_of_the_solution_is_left(source):
    for submission in (None, Submission(())):
        text = nbformat.writes(rebuild(source, submission).notebook)
        assert "return 1" not in text
        assert "concave" not in text
        assert "instructor's output" not in text
        assert "raise NotImplementedError" in text


@pytest.mark.parametrize(
    "cell",
    [
        new_code_cell("a\n    ### BEGIN SOLUTION\n    b\n    ### END SOLUTION\nc"),
        new_code_cell("### BEGIN SOLUTION\nb\n### END SOLUTION\n### BEGIN SOLUTION\nb\n### END SOLUTION"),
        new_code_cell("no region"),
        new_markdown_cell("a\n<!-- BEGIN SOLUTION -->\nb\n<!-- END SOLUTION -->"),
        new_markdown_cell("no region"),
    ],
)
def test_stubs_are_those_that_nbgrader_gives_out(cell):
    cell.metadata.nbgrader = {"solution": True, "grade": False, "task": False, "grade_id": "x"}
    ours = stub(cell)
    clear = ClearSolutions(code_stub={"python": CODE_STUB}, text_stub=TEXT_STUB)
    theirs, _ = clear.preprocess_cell(cell, {"language": "python"}, 0)
    assert ours == theirs.source


@pytest.mark.parametrize(
    "text", ["### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "### BEGIN SOLUTION"]
)
def test_a_broken_region_of_the_instructor_is_an_error(text):
    with pytest.raises(ValueError, match="solution region"):
        stub(new_code_cell(text))


def test_the_release_handed_in_unchanged_gives_no_notes(source):
    stubs = rebuild(source, None).notebook
    cells = [
        SubmittedCell(c.cell_type, c.source, c.metadata.get("nbgrader", {}).get("grade_id"))
        for c in stubs.cells
    ]
    rebuilt = rebuild(source, Submission(tuple(cells)))
    assert rebuilt.notes == ()
    assert rebuilt.notebook == stubs


def test_a_changed_check_is_put_back(source, submission):
    rebuilt = rebuild(source, changed(submission, 4, SubmittedCell("code", "pass", "check_entropy")))
    assert by_id(rebuilt, "check-entropy").source == 'check("small.entropy", entropy)'
    assert "check_entropy was changed" in rebuilt.notes[0]


@pytest.mark.parametrize(
    ("position", "grade_id"), [(2, "entropy"), (4, "check_entropy"), (6, "free_response")]
)
def test_a_deleted_cell_is_put_back_with_a_note(source, submission, position, grade_id):
    rebuilt = rebuild(source, changed(submission, position, None))
    assert grade_id in [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in rebuilt.notebook.cells]
    assert f"{grade_id} was deleted" in rebuilt.notes[0]


def test_a_code_cell_turned_into_text_counts_as_not_answered(source, submission):
    rebuilt = rebuild(source, changed(submission, 2, SubmittedCell("markdown", "my text", "entropy")))
    assert by_id(rebuilt, "entropy").source == "def entropy(p):\n    raise NotImplementedError"
    assert "turned into a markdown cell" in rebuilt.notes[0]
    assert [cell.source for cell in rebuilt.notebook.cells if cell.cell_type == "markdown"][1] == "my text"


def test_words_in_a_code_cell_still_are_the_answer(source, submission):
    rebuilt = rebuild(source, changed(submission, 6, SubmittedCell("code", "my words", "free_response")))
    assert by_id(rebuilt, "free-response").cell_type == "markdown"
    assert by_id(rebuilt, "free-response").source == "my words"


def test_the_first_of_two_copies_counts_and_the_other_stays(source, submission):
    copied = Submission((*submission.cells, SubmittedCell("code", "entropy = 5", "entropy")))
    rebuilt = rebuild(source, copied)
    assert by_id(rebuilt, "entropy").source.endswith("np.log(p)")
    assert rebuilt.notebook.cells[-1].source == "entropy = 5"
    assert rebuilt.notebook.cells[-1].metadata == {}
    assert "copy of the cell entropy" in rebuilt.notes[0]


def test_a_copy_of_the_right_type_is_preferred(source, submission):
    retyped = SubmittedCell("markdown", "notes", "entropy")
    rebuilt = rebuild(source, Submission((retyped, *submission.cells)))
    assert by_id(rebuilt, "entropy").source.endswith("np.log(p)")


def test_equal_copies_are_told_apart(source, submission):
    twice = submission.cells[2]
    rebuilt = rebuild(source, Submission((twice, twice)))
    assert ids(rebuilt)[2:4] == ["entropy", "added-1"]


def test_added_cells_stand_where_the_student_put_them(source, submission):
    cells = [SubmittedCell("code", f"extra_{n}", "unknown" if n else None) for n in range(3)]
    mixed = Submission((cells[0], *submission.cells[:3], cells[1], cells[2], *submission.cells[4:]))
    rebuilt = rebuild(source, mixed)
    sources = [cell.source for cell in rebuilt.notebook.cells]
    assert sources.index("extra_0") == 0
    assert sources[sources.index("import numpy as np") + 1 :][:3] == [
        submission.cells[2].source,
        "extra_1",
        "extra_2",
    ]
    assert len({cell.id for cell in rebuilt.notebook.cells}) == len(sources)


def test_ids_of_added_cells_do_not_collide(source, submission):
    source.cells[0].id = "added-1"
    assert "added-2" in ids(rebuild(source, submission))


def test_region_marks_of_students_are_defused(source, submission):
    smuggled = "### BEGIN SOLUTION\nx\n### END SOLUTION\n### BEGIN HIDDEN TESTS"
    cells = (SubmittedCell("code", smuggled, "entropy"), SubmittedCell("code", smuggled, None))
    text = nbformat.writes(rebuild(source, Submission(cells)).notebook)
    assert "BEGIN SOLUTION" not in text
    assert "END SOLUTION" not in text
    assert "HIDDEN TESTS" not in text.replace("BEGIN-HIDDEN TESTS", "")


def test_notes_of_the_intake_come_first(source, submission):
    rebuilt = rebuild(source, Submission(submission.cells[:3], ("from the intake",)))
    assert rebuilt.notes[0] == "from the intake"
    assert len(rebuilt.notes) > 1


CELLS = st.lists(
    st.builds(
        SubmittedCell,
        st.sampled_from(["code", "markdown", "raw"]),
        st.text(max_size=8) | st.sampled_from(["### BEGIN SOLUTION", "# Entropy\n\nWrite it."]),
        st.sampled_from(["setup", "entropy", "check_entropy", "figure", "free_response", "other", None]),
    ),
    max_size=12,
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(cells=CELLS)
def test_the_instructors_cells_always_stand_in_order(cells):
    source = SOURCE
    rebuilt = rebuild(source, Submission(tuple(cells)))
    nbformat.validate(rebuilt.notebook)
    own = [cell for cell in rebuilt.notebook.cells if not cell.id.startswith("added-")]
    assert [cell.id for cell in own] == [cell.id for cell in source.cells]
    for cell, original in zip(own, source.cells, strict=True):
        assert (cell.metadata, cell.cell_type) == (original.metadata, original.cell_type)
        if not original.metadata.get("nbgrader", {}).get("solution"):
            assert cell.source == original.source
    assert all(cell.metadata == {} for cell in rebuilt.notebook.cells if cell.id.startswith("added-"))


SOURCE = nbformat.v4.new_notebook(
    cells=[new_markdown_cell("# Entropy\n\nWrite it.", id="intro")]
    + [
        new_code_cell(name, id=name, metadata={"nbgrader": {"grade_id": name, "solution": name == "entropy"}})
        for name in ("setup", "entropy", "check_entropy")
    ]
)
