"""Links, devices and archives in the place of a notebook are refused with a reason, and nothing is unpacked."""

import io
import json
import os
import tarfile
import zipfile
import zlib

from tests.attacks.submission import FULL, NAME, files, raw

FILE = f"{NAME}.ipynb"


def packed(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(name, kind=tarfile.REGTYPE, link="", content=b""):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def link_to_the_bystander(folder, notebook):
    (folder / FILE).symlink_to(folder.parent.parent / "bystander" / NAME / FILE)


def hard_link_to_the_bystander(folder, notebook):
    (folder / "notebook.bak").symlink_to("/etc/passwd")
    os.link(folder.parent.parent / "bystander" / NAME / FILE, folder / "other.ipynb")


def linked_folder(folder, notebook):
    folder.rmdir()
    folder.symlink_to(folder.parent.parent / "bystander" / NAME)


def with_awkward_neighbours(folder, notebook):
    (folder / FILE).write_text(json.dumps(notebook))
    (folder / "numpy.py").write_text("raise SystemExit")
    (folder / "check.py").write_text("def check(*args): return 100")
    (folder / "nbgrader_config.py").write_text("raise SystemExit")
    (folder / "gradebook.db").symlink_to(folder.parent.parent.parent / "gradebook.db")
    (folder / "conftest.py").write_text("raise SystemExit")
    os.mkfifo(folder / "x.ipynb")


ARCHIVE = "archive"

ATTACKS = {
    "link": files(link_to_the_bystander, reason="not a regular file"),
    "link_to_device": files(
        lambda folder, notebook: (folder / FILE).symlink_to("/dev/zero"), reason="not a regular file"
    ),
    "link_to_itself": files(
        lambda folder, notebook: (folder / FILE).symlink_to(FILE), reason="not a regular file"
    ),
    "other_links": files(hard_link_to_the_bystander, reason="missing"),
    "linked_folder": files(linked_folder, reason="not an ordinary folder"),
    "neighbours": files(with_awkward_neighbours, FULL),
    "zip": raw(lambda notebook: packed((FILE, json.dumps(notebook))), reason=ARCHIVE),
    "zip_bomb": raw(
        lambda notebook: packed(*[(f"{k}.ipynb", bytes(10**7)) for k in range(5)]), reason=ARCHIVE
    ),
    "zip_outside": raw(
        lambda notebook: packed(("../../bystander/x", "x"), ("/etc/x", "x"), ("..\\x", "x")), reason=ARCHIVE
    ),
    "zip_beside": files(
        lambda folder, notebook: (folder / f"{NAME}.zip").write_bytes(packed((FILE, "{}"))), reason=ARCHIVE
    ),
    "tar_outside": raw(lambda notebook: tarred("../../x", content=b"x"), reason=ARCHIVE),
    "tar_link": raw(lambda notebook: tarred("x", tarfile.SYMTYPE, "/etc/passwd"), reason=ARCHIVE),
    "tar_device": raw(lambda notebook: tarred("x", tarfile.CHRTYPE), reason=ARCHIVE),
    "gzip_bomb": raw(lambda notebook: tarred("x", content=bytes(10**8)), reason=ARCHIVE),
    "zlib": raw(lambda notebook: zlib.compress(bytes(10**7)), reason="not UTF-8"),
}
