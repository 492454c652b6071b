"""Ten thousand malformed files: each becomes a value, with a reason that a person can read, in time."""

import collections
import datetime
import io
import json
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.intake import Refused, Submission, read_submission
from autograder.rebuild import rebuild

EXAMPLES = 2000
FILES_AN_EXAMPLE = 5
seen: collections.Counter[str] = collections.Counter()


def notebook(**changes):
    code = {
        "cell_type": "code",
        "id": "a",
        "source": ["x = 1\n", "y"],
        "metadata": {},
        "outputs": [{"output_type": "stream"}],
    }
    marked = {
        **code,
        "metadata": {"nbgrader": {"grade_id": "entropy", "solution": True, "schema_version": 3}},
    }
    text = {
        "cell_type": "markdown",
        "id": "b",
        "source": "# \\u00fc \U0001f600 $x_1$",
        "metadata": {},
        "attachments": {},
    }
    cells = [text, code, marked, text, marked]
    data = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3"}},
        "cells": cells,
        **changes,
    }
    return json.dumps(data, indent=1).encode()


def archive(kind):
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("../../small.ipynb", notebook())
            file.writestr("bomb", bytes(10**6))
    else:
        with tarfile.open(fileobj=buffer, mode=kind) as file:
            for name, link in (("../x", ""), ("/etc/x", ""), ("x", "/etc/passwd")):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = (tarfile.SYMTYPE, link) if link else (tarfile.REGTYPE, "")
                file.addfile(info)
    return buffer.getvalue()


CORPUS = [
    notebook(),
    notebook(cells=[]),
    notebook(nbformat=3, worksheets=[{"cells": []}]),
    notebook(metadata={"a": [[[[[1, 2], {"b": None}]]]]}),
    json.dumps({"cells": [], "nbformat": 4}).encode("utf-16"),
    b"\xef\xbb\xbf" + notebook(),
    *map(archive, ("zip", "w:gz", "w:bz2", "w:xz", "w:")),
    b"%PDF-1.7\n" + bytes(range(256)),
    b"#!/usr/bin/env python\nprint(1)\n",
    b"<!DOCTYPE html><html></html>",
]
PIECES = [
    b"", b"{", b"}", b"[", b"]", b'"', b"\\", b"\\u", b"\\ud800", b"\x00", b"\xff", b"\xc3", b"NaN", b"-Infinity", b"1e999", b"9" * 5000,
    b"[" * 150, b"{}" * 50, b'{"a":' * 120, b"null", b"true", b'"cells"', b'"nbformat": 4', b'"source"', b'"nbgrader"', b"\xe2\x80\xae",
    b"\r", b",", b":", b"/*", b"4.0", b'"code"', b'"__proto__"', b"\x1b[31m", b"\xef\xbb\xbf",
]  # fmt: skip
edits = st.lists(
    st.tuples(
        st.sampled_from(["insert", "replace", "delete", "repeat", "cut", "swap"]),
        st.floats(0, 1, width=32),
        st.integers(0, 64),
        st.sampled_from(PIECES),
    ),
    max_size=4,
)


def edited(content, changes):
    """A file with some of its bytes changed."""
    for kind, where, length, piece in changes:
        start = int(where * len(content))
        end = start + length
        match kind:
            case "insert":
                content = content[:start] + piece + content[start:]
            case "replace":
                content = content[:start] + piece + content[end:]
            case "delete":
                content = content[:start] + content[end:]
            case "repeat":
                content = content[:start] + content[start:end] * 50 + content[end:]
            case "cut":
                content = content[:start]
            case "swap":
                content = content[end:] + content[:end]
    return content


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CELL = st.fixed_dictionaries(
    {},
    optional={
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading", ""]) | JSON,
        "source": st.text(st.characters(), max_size=9) | st.lists(st.text(max_size=3), max_size=3) | JSON,
        "metadata": st.fixed_dictionaries(
            {}, optional={"nbgrader": st.fixed_dictionaries({}, optional={"grade_id": st.sampled_from(["entropy", "setup"]) | JSON}) | JSON}
        )
        | JSON,
        "attachments": JSON,
        "outputs": JSON,
    },
)  # fmt: skip
structured = st.fixed_dictionaries(
    {"nbformat": st.sampled_from([4, 4, 4, 3, 5, "4", True, None])},
    optional={"cells": st.lists(CELL | JSON, max_size=4) | JSON, "metadata": JSON, "nbformat_minor": JSON},
).map(lambda data: json.dumps(data).encode())
malformed = st.tuples(st.sampled_from(CORPUS) | structured, edits).map(lambda drawn: edited(*drawn))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("submitted") / "ada" / "small"
    folder.mkdir(parents=True)
    return folder


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=datetime.timedelta(seconds=30),
    suppress_health_check=list(HealthCheck),
)
@given(contents=st.lists(malformed, min_size=FILES_AN_EXAMPLE, max_size=FILES_AN_EXAMPLE))
def test_any_file_gives_a_value_with_a_reason(place, source, contents):
    for content in contents:
        (place / "small.ipynb").write_bytes(content)
        result, digest = read_submission(place, "small")
        assert len(digest) == 64
        if isinstance(result, Refused):
            assert result.reason.isprintable()
            assert 10 < len(result.reason) < 300
            seen[result.reason] += 1
        else:
            assert isinstance(result, Submission)
            seen["read"] += 1
            rebuilt = rebuild(source, result)
            assert all(note.isprintable() for note in rebuilt.notes)
        assert [path.name for path in place.iterdir()] == ["small.ipynb"]  # nothing is unpacked


def test_the_files_were_many_and_their_reasons_differ():
    assert seen.total() >= EXAMPLES * FILES_AN_EXAMPLE
    assert seen["read"] < 0.5 * seen.total()
    assert len(seen) >= 10
