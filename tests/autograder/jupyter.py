"""A Jupyter server with nbgrader's formgrader, as `make lab` starts it, for tests in a browser."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

TOKEN = "formgrader-test"
PROGRAMS = Path(sys.executable).parent


@contextlib.contextmanager
def jupyter_server(folder: Path) -> Iterator[str]:
    """Start a server in a course's folder, and give its address."""
    log = (folder / "server.log").open("w")
    # Settings of the machine's user must not decide what is tested.
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(folder / "config")}
    process = subprocess.Popen(
        [
            *(PROGRAMS / "jupyter", "lab", "--no-browser", "--allow-root", "--port=0", "--ip=127.0.0.1"),
            *(f"--ServerApp.root_dir={folder}", f"--IdentityProvider.token={TOKEN}"),
        ],
        cwd=folder,
        stdout=log,
        stderr=subprocess.STDOUT,
        env=environment,
    )
    try:
        yield _address(process, folder)
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def _address(process: subprocess.Popen, folder: Path) -> str:
    """Wait until the server says where it listens."""
    for line in _lines(process, folder / "server.log"):
        if "http://127.0.0.1:" in line:
            return line[line.index("http://") :].partition("/lab")[0]
    raise AssertionError((folder / "server.log").read_text())


def _lines(process: subprocess.Popen, path: Path) -> Iterator[str]:
    with path.open() as file:
        while process.poll() is None:
            if line := file.readline():
                yield line
            else:
                time.sleep(0.1)
