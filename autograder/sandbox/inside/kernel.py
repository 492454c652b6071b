"""System calls that Python has no function for: namespaces, mounts, capabilities, process options."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import struct

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWTIME = 0x00000080

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = (
    1,
    2,
    4,
    8,
    32,
    4096,
    1 << 14,
    1 << 18,
)

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
MADV_COLLAPSE = 25
HUGE_PAGE = 2 * 2**20
_LINUX_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_holding = ctypes.PyDLL(None, use_errno=True)
"""The same, called without letting go of the interpreter's lock."""
CLONE = {"x86_64": 56, "aarch64": 220}
"""The system call's number on each kind of machine."""


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def fork_into(namespaces: int) -> int:
    """As `os.fork`, with the child in new namespaces. For a process with a single thread.

    By `unshare` it would take a process more: the one that calls it does not enter the new process namespace, its children do.
    """
    number = CLONE.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, "clone on this kind of machine")
    # Not by the C library's `clone`, which wants a stack. The call itself takes the flags first, and zeros for the rest.
    arguments = [number, namespaces | signal.SIGCHLD, 0, 0, 0, 0]
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _holding.syscall(*map(ctypes.c_long, arguments))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    _check(min(pid, 0), "clone")
    return pid


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    """mount(2)."""
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            options.encode() if options else None,
        ),
        f"mount on {target}",
    )


def prctl(option: int, first: int = 0, second: object = 0) -> None:
    """prctl(2)."""
    second = ctypes.c_ulong(second) if isinstance(second, int) else second
    _check(_libc.prctl(option, ctypes.c_ulong(first), second, ctypes.c_ulong(0), ctypes.c_ulong(0)), "prctl")


def drop_capabilities() -> None:
    """Give up every capability, so that the process can do nothing in its user namespace that root could."""
    header = struct.pack("<Ii", _LINUX_CAPABILITY_VERSION_3, 0)
    _check(_libc.capset(header, struct.pack("<6I", *[0] * 6)), "capset")


def use_huge_pages() -> None:
    """Put this process's own memory on huge pages where the kernel can (Linux 6.1): a fork then copies few page tables."""
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file]
    for addresses, permissions, _, _, _, *name in lines:
        if permissions != "rw-p" or name not in ([], ["[heap]"]):
            continue
        first, last = (int(address, 16) for address in addresses.split("-"))
        start, end = -(-first // HUGE_PAGE) * HUGE_PAGE, last // HUGE_PAGE * HUGE_PAGE
        if start < end:
            with contextlib.suppress(OSError):  # it's only slower without
                _check(
                    _libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE),
                    "madvise",
                )
