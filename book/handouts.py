"""Packs what students receive, one zip an assignment, for the chapters to link to: _build/handouts/em.zip

A release that is missing is generated; `make` sees to it that one that is there is up to date.
"""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HANDOUTS = ROOT / "_build" / "handouts"
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date that a zip can hold: the same release gives the same bytes


def pack_all() -> None:
    HANDOUTS.mkdir(parents=True, exist_ok=True)
    for name in sorted(path.name for path in (ROOT / "solutions").iterdir() if path.is_dir()):
        if not (ROOT / "release" / name).is_dir():
            generate(name)
        target, packed = HANDOUTS / f"{name}.zip", pack(ROOT / "release" / name)
        if not target.exists() or target.read_bytes() != packed:  # Sphinx goes by the time of the change
            target.write_bytes(packed)


def generate(name: str) -> None:
    nbgrader = Path(sys.executable).with_name("nbgrader")
    subprocess.run([nbgrader, "generate_assignment", name, "--log-level=WARN"], cwd=ROOT, check=True)


def pack(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            inner = path.relative_to(folder.parent)
            if path.is_file() and not any(part.startswith((".", "__")) for part in inner.parts):
                archive.writestr(
                    zipfile.ZipInfo(inner.as_posix(), EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED
                )
    return buffer.getvalue()
