import datetime
import json
import os
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import intake
from autograder.intake import (
    Refused,
    Submission,
    SubmittedCell,
    read_submission,
    read_timestamp,
    student_folders,
    unsafe_folders,
)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "submitted" / "ada" / "small"
    path.mkdir(parents=True)
    return path


def notebook(*cells, **fields):
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells), **fields}
    ).encode()


def code(source, **metadata):
    return {"cell_type": "code", "source": source, "metadata": metadata, "outputs": [{"any": "thing"}]}


def read(folder, content):
    (folder / "small.ipynb").write_bytes(content)
    return read_submission(folder, "small")[0]


def test_only_types_sources_and_grade_ids_are_kept(folder):
    cells = [
        code(["a = 1\n", "b"], nbgrader={"grade_id": "entropy", "points": 1000}, tags=["skip-execution"]),
        {"cell_type": "markdown", "source": "text", "attachments": {"x": {}}},
    ]
    assert read(folder, notebook(*cells)) == Submission(
        (SubmittedCell("code", "a = 1\nb", "entropy"), SubmittedCell("markdown", "text", None))
    )


@pytest.mark.parametrize(
    "metadata",
    [None, [], "text", 3, {"nbgrader": []}, {"nbgrader": {"grade_id": 5}}, {"nbgrader": {"grade_id": None}}],
)
def test_wrong_metadata_is_no_grade_id(folder, metadata):
    cell = {"cell_type": "code", "source": "x", "metadata": metadata}
    assert read(folder, notebook(cell)).cells == (SubmittedCell("code", "x", None),)


def test_byte_order_mark(folder):
    assert read(folder, b"\xef\xbb\xbf" + notebook(code("x"))).cells[0].source == "x"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe{", "UTF-8"),
        (b'{"nbformat": 4, "cells": [', "cut off"),
        (b"[1, 2]", "nbformat"),
        (b'{"nbformat": "4", "cells": []}', "no nbformat version"),
        (b'{"nbformat": true, "cells": []}', "no nbformat version"),
        (b'{"nbformat": 3, "worksheets": []}', "save it in the current format"),
        (b'{"nbformat": 5, "cells": []}', "newer"),
        (b'{"nbformat": 4, "cells": {}}', "list of cells"),
        (b'{"nbformat": ' + b"9" * 5000 + b"}", "JSON"),
        (b"[" * 101 + b"]" * 101, "nested"),
        (b'{"a":' * 100_000, "nested"),
        (b"[" + b"[]," * 600_000 + b"[]]", "more lists"),
        (notebook(*[code("x")] * 2001), "2001 cells"),
        (b'{"x": "' + b"a" * intake.MAX_BYTES + b'"}', "10 MB"),
        (b'"' + rb"\"" * 1_000_000, "JSON"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_reason(folder, content, reason):
    result = read(folder, content)
    assert isinstance(result, Refused)
    assert reason in result.reason


def test_brackets_inside_strings_are_no_nesting(folder):
    assert read(folder, notebook(code("[" * 500 + '\\"[' * 500))).cells[0].source.startswith("[[")


def test_damaged_cells_are_left_out_with_a_note(folder):
    damaged = [
        5,
        {"cell_type": "code"},
        {"cell_type": "code", "source": [1]},
        {"cell_type": ["code"], "source": ""},
    ]
    result = read(folder, notebook(*damaged, {"cell_type": "heading", "source": "x"}, code("good")))
    assert [cell.source for cell in result.cells] == ["good"]
    assert len(result.notes) == 5


def test_characters_that_are_no_text_are_replaced(folder):
    result = read(folder, notebook(code("a\x00b\ud800c")))
    assert result.cells[0].source == "a\ufffdb\ufffdc"
    assert "cell 1" in result.notes[0]


def test_missing_and_other_notebooks(folder):
    assert "missing" in read_submission(folder, "small")[0].reason
    (folder / "other.ipynb").write_bytes(notebook())
    assert "other.ipynb" in read_submission(folder, "small")[0].reason
    result = read(folder, notebook(code("x")))
    assert "only small.ipynb is graded" in result.notes[0]


def test_nothing_handed_in(tmp_path):
    assert read_submission(tmp_path / "ada" / "small", "small")[0] == Refused("nothing was handed in")


def test_links_pipes_and_folders_are_refused(folder, tmp_path):
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(notebook(code("secret")))
    path = folder / "small.ipynb"
    path.symlink_to(secret)
    assert "regular file" in read_submission(folder, "small")[0].reason
    path.unlink()
    os.mkfifo(path)
    assert "regular file" in read_submission(folder, "small")[0].reason
    path.unlink()
    path.mkdir()
    assert "regular file" in read_submission(folder, "small")[0].reason


@pytest.mark.parametrize("level", ["student", "assignment"])
def test_linked_folders_are_refused(tmp_path, level):
    real = tmp_path / "elsewhere" / "small"
    real.mkdir(parents=True)
    (real / "small.ipynb").write_bytes(notebook(code("x")))
    assert isinstance(read_submission(real, "small")[0], Submission)
    linked = tmp_path / "submitted" / "ada"
    if level == "student":
        linked.parent.mkdir()
        linked.symlink_to(real.parent)
    else:
        linked.mkdir(parents=True)
        (linked / "small").symlink_to(real)
    assert "ordinary folder" in read_submission(linked / "small", "small")[0].reason


def test_the_digest_tells_submissions_apart(folder):
    digests = [read_submission(folder, "small")[1]]
    for content in (b"", notebook(), notebook(code("x"))):
        (folder / "small.ipynb").write_bytes(content)
        digests.append(read_submission(folder, "small")[1])
    assert len(set(digests)) == 4
    assert read_submission(folder, "small")[1] == digests[-1]


def test_a_refusal_can_be_sent_to_a_worker():
    assert pickle.loads(pickle.dumps(Refused("why"))) == Refused("why")


def test_unsafe_folder_names_are_skipped_and_named(tmp_path):
    for name in ("ada", "b.c@d-e_f+1", "=cmd", "two words", ".hidden", "x" * 101, "naïve", "line\nbreak"):
        (tmp_path / name).mkdir()
    (tmp_path / "linked").symlink_to(tmp_path / "ada")
    (tmp_path / "file").write_text("")
    assert student_folders(tmp_path) == ["ada", "b.c@d-e_f+1", "linked"]
    assert unsafe_folders(tmp_path) == sorted(
        map(ascii, ("=cmd", "line\nbreak", "naïve", "two words", "x" * 101)), key=lambda text: text.encode()
    )
    assert student_folders(tmp_path / "nowhere") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw"]) | JSON,
        "source": st.text(st.characters(), max_size=9) | st.lists(st.text(max_size=3), max_size=3) | JSON,
        "metadata": st.fixed_dictionaries({"nbgrader": st.fixed_dictionaries({"grade_id": JSON}) | JSON})
        | JSON,
    },
)
quiet = settings(
    max_examples=150,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@quiet
@given(cells=st.lists(CELL | JSON, max_size=5))
def test_any_cells_give_a_submission_that_can_be_written(folder, cells):
    result = read(folder, notebook(*cells))
    assert isinstance(result, Submission)
    for cell in result.cells:
        cell.source.encode()
        assert cell.cell_type in intake.CELL_TYPES
        assert cell.grade_id is None or isinstance(cell.grade_id, str)


@quiet
@given(content=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_value(folder, content):
    assert isinstance(read(folder, content), Submission | Refused)


@quiet
@given(data=st.data())
def test_any_damage_to_a_notebook_gives_a_value(folder, data):
    content = bytearray(notebook(code("x = [1]", nbgrader={"grade_id": "entropy"})))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(read(folder, bytes(content)), Submission | Refused)


@pytest.mark.parametrize("content", [b"", b"tomorrow-ish", b"\xff\xfe", b"9" * 5000, b"99999999-99-99"])
def test_a_timestamp_that_is_none_is_ignored(tmp_path, content):
    (tmp_path / "timestamp.txt").write_bytes(content)
    assert read_timestamp(tmp_path) is None


def test_a_timestamp_that_is_no_file_is_ignored(tmp_path):
    os.mkfifo(tmp_path / "timestamp.txt")
    assert read_timestamp(tmp_path) is None


def test_a_timestamp(tmp_path):
    (tmp_path / "timestamp.txt").write_text("2026-01-10 13:00:00 UTC\n")
    assert read_timestamp(tmp_path) == datetime.datetime(2026, 1, 10, 13)
