"""Damaged archives for `nbgrader zip_collect`: each is unpacked as far as it goes, or refused, and nothing is written outside."""

import contextlib
import io
import logging
import tempfile
import zipfile
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autograder.collect import SafeExtractor

NOTEBOOK = b'{"nbformat": 4, "cells": []}'
NAMES = [
    "a.ipynb",
    "b/c.ipynb",
    "../d.ipynb",
    "/e.ipynb",
    "f\\g.ipynb",
    "h/../../i.ipynb",
    "a.ipynb/j.ipynb",
    "",
    ".",
    "x" * 300 + ".ipynb",
]


def archive(names: list[str], method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for number, name in enumerate(names):
            file.writestr(zipfile.ZipInfo(name), NOTEBOOK * (1 + number * 20), method)
    return buffer.getvalue()


names = st.lists(
    st.sampled_from(NAMES) | st.text(max_size=6).map(lambda text: f"{text}.ipynb"), max_size=5, unique=True
)
changes = st.lists(st.tuples(st.floats(0, 1, width=32), st.integers(0, 255), st.integers(0, 40)), max_size=4)


@settings(
    max_examples=500, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(names=names, changes=changes, method=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
@example(names=["0\x80\x80\U00010000.ipynb"], changes=[(0.25, 0, 0)], method=zipfile.ZIP_STORED)
@example(names=["\x80.ipynb"], changes=[(0.8125, 128, 0)], method=zipfile.ZIP_STORED)
def test_damaged_archives(tmp_path_factory, names, changes, method):
    data = bytearray(archive(names, method))
    for where, value, cut in changes:
        position = int(where * (len(data) - 1))
        if not data:
            break
        data[position] = value
        if value % 16 == 0:
            del data[position : position + cut]
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as place:
        source, target = Path(place, "archive"), Path(place, "extracted")
        source.mkdir()
        target.mkdir()
        (source / "class.zip").write_bytes(data)
        with contextlib.suppress(SystemExit):  # refused as a whole
            SafeExtractor(log=logging.getLogger("quiet")).extract(str(source), str(target))
        assert sorted(path.name for path in Path(place).iterdir()) == ["archive", "extracted"]
        assert [path.name for path in target.iterdir()] in ([], ["class"])
        assert all(path.suffix == ".ipynb" for path in target.rglob("*") if path.is_file())
