"""What of an archive is unpacked for `nbgrader zip_collect`."""

import gzip
import io
import logging
import os
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder import archives
from autograder.archives import BoundedExtractor

NOTEBOOK = b'{"nbformat": 4, "cells": []}'


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*members, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


@pytest.fixture
def unpack(tmp_path, caplog):
    """Unpack one file; gives the files there are then, and the log."""

    def run(name, content):
        source, target = tmp_path / "archive", tmp_path / "extracted"
        source.mkdir()
        target.mkdir()
        (source / name).write_bytes(content)
        with caplog.at_level(logging.WARNING):
            BoundedExtractor(log=logging.getLogger("collect")).extract(str(source), str(target))
        assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "extracted"]
        found = {
            str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()
        }
        return found, caplog.text

    return run


def test_notebooks_come_out(unpack):
    inner = tarred(("x/em.ipynb", NOTEBOOK), ("x/data.csv", b"1"))
    found, log = unpack(
        "class.zip", zipped(("ada_em.ipynb", NOTEBOOK), ("ben.tar.gz", inner), ("read.me", b"x"))
    )
    assert found == {"class/ada_em.ipynb": NOTEBOOK, "class/ben/x/em.ipynb": NOTEBOOK}
    assert "'read.me', since it is no notebook" in log
    assert "'x/data.csv', since it is no notebook" in log


@pytest.mark.parametrize(
    "name", ["../x.ipynb", "/x.ipynb", "a/../../x.ipynb", "..\\x.ipynb", "C:\\x.ipynb", "a\x1b/x.ipynb"]
)
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_names_that_lead_elsewhere(unpack, pack, name):
    found, log = unpack(
        "class.zip" if pack is zipped else "class.tgz", pack((name, NOTEBOOK), ("good.ipynb", NOTEBOOK))
    )
    assert found == {"class/good.ipynb": NOTEBOOK}
    assert "its name leads elsewhere" in log


def test_bombs(unpack, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 10**7)
    bomb = zipped(
        ("a.ipynb", NOTEBOOK), *[(f"{k}.dat", bytes(10**6)) for k in range(20)], ("z.ipynb", NOTEBOOK)
    )
    found, log = unpack("class.zip", zipped(("bomb.zip", bomb), ("good.ipynb", NOTEBOOK)))
    assert found == {"class/bomb/a.ipynb": NOTEBOOK, "class/good.ipynb": NOTEBOOK}
    assert "it holds too much" in log


def test_a_stream_that_unfolds_for_ever(unpack, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 10**7)
    found, log = unpack("class.tar.gz", tarred(("x.dat", bytes(3 * 10**7)), ("a.ipynb", NOTEBOOK)))
    assert (found, "it holds too much" in log) == ({}, True)


def test_a_notebook_that_is_too_large(unpack):
    found, log = unpack("class.zip", zipped(("large.ipynb", bytes(11 * 2**20))))
    assert (found, "more than 10 MB" in log) == ({}, True)


def test_links_devices_and_nests(unpack):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo(f"{kind.decode()}.ipynb")
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    nest = zipped(("a.ipynb", NOTEBOOK))
    for _ in range(5):
        nest = zipped(("in.zip", nest))
    link = zipfile.ZipInfo("link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    found, log = unpack(
        "class.zip", zipped(("links.tar", buffer.getvalue()), ("nest.zip", nest), (link, "/etc/passwd"))
    )
    assert (found, "inside 3 others" in log) == ({}, True)


def test_links_among_the_downloads(tmp_path, caplog):
    source, target = tmp_path / "archive", tmp_path / "extracted"
    source.mkdir()
    target.mkdir()
    (source / "a.ipynb").symlink_to("/etc/passwd")
    os.mkfifo(source / "b.ipynb")
    BoundedExtractor(log=logging.getLogger("collect")).extract(str(source), str(target))
    assert list(target.iterdir()) == []
    assert caplog.text.count("no regular file") == 2


def test_the_same_name_twice(unpack):
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = zipped(("a.ipynb", NOTEBOOK), ("a.ipynb", b"other"))
    found, log = unpack("class.zip", content)
    assert (found, "already" in log) == ({"class/a.ipynb": NOTEBOOK}, True)


SEEDS = [
    (
        "zip",
        zipped(("a.ipynb", NOTEBOOK), ("b/c.ipynb", NOTEBOOK * 50), ("d.zip", zipped(("e.ipynb", NOTEBOOK)))),
    ),
    ("tar", tarred(("a.ipynb", NOTEBOOK), ("b/c.ipynb", NOTEBOOK * 50), mode="w")),
    ("tar.gz", tarred(("a.ipynb", NOTEBOOK), ("b/c.ipynb", NOTEBOOK * 50))),
    ("tgz", gzip.compress(b"no tar file" * 99)),
]


@settings(
    max_examples=500, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(st.floats(0, 1, width=32), st.integers(0, 255), st.integers(0, 40)), max_size=5
    ),
)
def test_damaged_archives(tmp_path_factory, seed, changes):
    kind, content = seed
    data = bytearray(content)
    for where, value, cut in changes:
        position = int(where * (len(data) - 1))
        data[position] = value
        if value % 16 == 0:
            del data[position : position + cut]
    with tempfile.TemporaryDirectory(dir=tmp_path_factory.getbasetemp()) as place:
        unpacker = BoundedExtractor(log=logging.getLogger("quiet"))
        unpacker._take(io.BytesIO(bytes(data)), f"x.{kind}", len(data), Path(place), 0)
        assert all(path.suffix == ".ipynb" or path.is_dir() for path in Path(place).rglob("*"))
