"""What `nbgrader zip_collect` uses of ours: a safe way to unpack the archive of a learning platform, and its file names.

Such an archive holds strangers' files under names that strangers chose. Of it only notebooks are written, under its own
folder, each of at most the size that can be graded; a file that isn't one is left out with a reason.
"""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from nbgrader.plugins import ExtractorPlugin

from autograder.intake import MAX_BYTES

MAX_FILES = 20_000
MAX_TOTAL = 4 * 2**30
"""Bytes written of one archive: thousands of notebooks with figures stay below."""

LMS_FILE = (
    r".*/(?:[^/]*?_(?=\d+_))?(?P<student_id>[\w@+.-]+?)"
    r"(?:_\d+_|_assignsubmission_file_?/|/)(?P<file_id>[A-Za-z]\w*?)(?:-\d+)?\.ipynb$"
)
"""Canvas: byronada_LATE_4242_77777_em-1.ipynb. Moodle: Ada Byron_4242_assignsubmission_file/em.ipynb. Else: 4242/em.ipynb."""


# What zipfile raises at damaged archives: RuntimeError at a compression or encryption that it can't undo, ValueError at a name
# that is no UTF-8.
UNREADABLE = (zipfile.BadZipFile, RuntimeError, EOFError, ValueError)


class SafeExtractor(ExtractorPlugin):
    """Unpacks the archives of downloaded/<assignment>/archive."""

    def extract(self, archive_path: str, extracted_path: str) -> None:
        """Unpack every zip file, and copy notebooks that lie there as they are; called by `nbgrader zip_collect`."""
        files = sorted(
            path for path in Path(archive_path).rglob("*") if path.is_file() and not path.is_symlink()
        )
        for path in files:
            folder = Path(extracted_path) / path.relative_to(archive_path).parent
            if path.suffix == ".zip":
                self._unpack(path, folder / path.stem)
            elif path.suffix == ".ipynb":
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / path.name)
            else:
                self.log.warning("%s is left out: it is no zip file and no notebook", path.name)

    def _unpack(self, path: Path, folder: Path) -> None:
        try:
            with zipfile.ZipFile(path) as archive:
                members = [member for member in archive.infolist() if member.filename[-1:] not in ("", "/")]
                if len(members) > MAX_FILES:
                    self._refuse(path, f"it holds {len(members)} files, and at most {MAX_FILES} are unpacked")
                left = MAX_TOTAL
                for member in members:
                    if reason := _unusable(member):
                        self.log.warning(
                            "%s in %s is left out: %s", ascii(member.filename), path.name, reason
                        )
                    else:
                        left -= self._write(archive, member, folder)
                    if left < 0:
                        self._refuse(path, f"it unfolds to more than {MAX_TOTAL // 2**30} GB")
        except UNREADABLE as error:
            self._refuse(path, f"it can't be read as a zip file ({error})")

    def _write(self, archive: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> int:
        """Write one file, and return its size. Of what is too large for grading, just so much that grading refuses it."""
        try:
            with archive.open(member) as file:
                content = file.read(MAX_BYTES + 1)
            target = folder / PurePosixPath(member.filename)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (*UNREADABLE, OSError, zlib.error) as error:
            self.log.warning("%s is left out: %s", ascii(member.filename), error)
            return 0
        return len(content)

    def _refuse(self, path: Path, reason: str) -> None:
        self.log.error("%s is refused: %s", path, reason)
        raise SystemExit(1)


def _unusable(member: zipfile.ZipInfo) -> str:
    """Why a file of an archive isn't written; "" if it is."""
    name = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        not name.parts
        or name.is_absolute()
        or ".." in name.parts
        or "\\" in member.filename
        or ":" in name.parts[0]
    ):
        return "its path leads out of the archive"
    if kind not in (0, stat.S_IFREG):
        return "it is no regular file"
    if name.suffix != ".ipynb":
        return "it is no notebook"
    return ""
