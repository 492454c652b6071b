"""Builds the book to _build/html, warnings as errors: python book/build.py

Jupyter Book executes a chapter again when the chapter's code changed. It cannot see that the library changed,
so the cache of executed chapters is dropped here when it was made with another state of lectures_lib.
"""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / "_build" / ".jupyter_cache"
STAMP = ROOT / "_build" / "library.sha256"  # of the library that the cached outputs were computed with


def library_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted((ROOT / "lectures_lib").rglob("*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def drop_outdated_cache() -> None:
    digest = library_digest()
    if not STAMP.exists() or STAMP.read_text() != digest:
        shutil.rmtree(CACHE, ignore_errors=True)
        shutil.rmtree(ROOT / "_build" / ".doctrees", ignore_errors=True)  # they hold the outputs, too
        STAMP.parent.mkdir(exist_ok=True)
        STAMP.write_text(digest)


def main(arguments: list[str]) -> int:
    drop_outdated_cache()
    command = [Path(sys.executable).with_name("jupyter-book"), "build", ROOT / "book", "--path-output", ROOT]
    command += ["--config", ROOT / "_config.yml", "--toc", ROOT / "_toc.yml", "-W", "-n", "--keep-going"]
    return subprocess.run(command + arguments, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
