"""Starts a submission: a process in namespaces of its own, with fresh file systems, limits and no privileges.

Two processes, one after the other. The *keeper* is the first process of the new process namespace: when the
server kills it, the kernel kills everything that the submission has started, and the mounts with all files
vanish. Its child is the root session.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any

from . import kernel, seccomp

HOME = "/student"
"""Inside the sandbox, in a file system of its own."""
PLACES = ("/tmp", HOME, "/dev/shm")
"""What can be written."""
FILES_PER_SYSTEM = 4096
_exit = os._exit
_NAMESPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWIPC
_ALL_NAMESPACES = _NAMESPACES | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP


def start(
    serve: Callable[[], None], keep: list[int], limits: dict[str, Any], isolation: str, size: int
) -> tuple[int, int]:
    """Start a submission that runs `serve`, and return two process ids.

    They are the keeper's, as seen from here, and the root session's, as seen from inside.

    Parameters
    ----------
    keep
        File descriptors that the submission keeps; all others are closed.
    isolation
        "nested" (namespaces of its own), "bubblewrap" (those of a bubblewrap that serves this submission
        alone) or "none".
    size
        Address space that the server itself takes, which a session may have on top of its limit.

    Raises
    ------
    OSError
        If a namespace, mount or limit is refused.
    """
    reading, writing = os.pipe()
    user, group = os.getuid(), os.getgid()
    keeper = kernel.fork_into(_NAMESPACES) if isolation == "nested" else os.fork()
    if keeper == 0:
        os.close(reading)
        try:
            _show_proc()
            if isolation == "nested":
                _keep_user(user, group)
            _keep(serve, [*keep, writing], writing, limits, isolation, size)
        finally:  # whatever happened, this fork does not go on into the server's code: the pipe tells the server
            if error := sys.exception():
                os.write(writing, f"error {error!r}\n".encode())
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        lines = pipe.read().splitlines()
    said = dict(line.split(" ", 1) for line in lines)
    if "root" not in said:
        os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        raise OSError(said.get("error", "the submission's first process ended"))
    return keeper, int(said["root"])


def _keep(
    serve: Callable[[], None], keep: list[int], status: int, limits: dict[str, Any], isolation: str, size: int
) -> None:
    """In the keeper: give up what a submission may not have, fork the root session, wait for whatever ends."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.setsid()
    _write("/proc/self/oom_score_adj", "1000")  # should memory run out all the same, this goes first
    if isolation == "nested":
        _write("/proc/sys/user/max_user_namespaces", "0")
        _mount(limits["disk"])
    else:
        kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)
    if isolation != "none":
        kernel.drop_capabilities()
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    _limit(limits, size)
    root = os.fork()
    if root == 0:
        _close_except(keep)
        if isolation != "none":
            seccomp.install()
        os.chdir(os.environ["HOME"])
        random.seed(0)  # Python gives every forked process another state; NumPy's is the server's
        os.write(status, f"root {os.getpid()}\n".encode())
        os.close(status)
        try:
            serve()
        finally:
            _exit(1)  # whatever the student's code may raise, this process never becomes a server
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)  # the student's processes may not look into this one
    _close_except([])
    while True:
        try:
            os.wait()
        except ChildProcessError:
            signal.pause()


def start_server(serve: Callable[[], None]) -> None:
    """Start a copy of this server that runs `serve`, in all the namespaces that bubblewrap makes, and file systems of its own.

    A copy that fails ends, and whoever waits for it sees its connection closed.
    """
    user, group = os.getuid(), os.getgid()
    if kernel.fork_into(_ALL_NAMESPACES):
        return
    try:
        _show_proc()
        _keep_user(user, group)
        os.setsid()
        for place in PLACES:
            kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=0755")
        kernel.mount("proc", "/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        kernel.drop_capabilities()
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        serve()
    finally:
        _exit(1)


def _show_proc() -> None:
    """Else /proc/self would belong to root, and the watchdog could not look into the submission's processes."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def _keep_user(user: int, group: int) -> None:
    """In a new user namespace: stay the user that its parent is."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{user} {user} 1")
    _write("/proc/self/gid_map", f"{group} {group} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _mount(size: int) -> None:
    """Fresh file systems in memory over every place that can be written, and nothing where /proc was.

    Without /proc no process of the submission can list others, read their memory, or see what is mounted
    from where.
    """
    options = f"size={size},nr_inodes={FILES_PER_SYSTEM},mode=0700"
    for place in PLACES:
        kernel.mount("tmpfs", place, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, options)
    # Terminals that no submission needs; the device that makes them keeps the time of its last use.
    kernel.mount(
        "tmpfs", "/dev/pts", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=4k,nr_inodes=1,mode=0555"
    )
    with open("/proc/cpuinfo", "rb") as file:
        cpuinfo = file.read()  # LLVM asks it for the kind of processor on ARM
    kernel.mount(
        "tmpfs", "/proc", "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,nr_inodes=8,mode=0555"
    )
    with open("/proc/cpuinfo", "wb") as file:
        file.write(cpuinfo)
    read_only = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount("", "/proc", None, read_only)


def _limit(limits: dict[str, Any], size: int) -> None:
    """Kernel limits of every process; the hard ones, so that they can't be raised again."""
    # Below the watchdog's limit for all together, so that one process that takes too much gets a MemoryError.
    memory = size + limits["memory"] * 7 // 8
    for what, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, int(limits["cpu_seconds"])),
        (resource.RLIMIT_NPROC, limits["processes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
        (resource.RLIMIT_FSIZE, limits["disk"]),
        (resource.RLIMIT_STACK, 8 * 2**20),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_SIGPENDING, 256),
    ):
        _, hard = resource.getrlimit(what)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        # One second of processor time between the signals that tell and that kill.
        soft = max(1, value - 1) if what == resource.RLIMIT_CPU else value
        resource.setrlimit(what, (soft, value))


def _close_except(keep: list[int]) -> None:
    """Close every file descriptor but the standard ones, which lead to /dev/null, and `keep`."""
    first = 3
    for descriptor in sorted(d for d in keep if d >= first):
        os.closerange(first, descriptor)
        first = descriptor + 1
    os.closerange(first, resource.getrlimit(resource.RLIMIT_NOFILE)[0] + 1024)
