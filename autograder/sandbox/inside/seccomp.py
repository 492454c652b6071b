"""The system calls that a submission may not make, as a seccomp filter.

A list of what is denied, not of what is allowed: NumPy, numba and Matplotlib are free to use anything
ordinary that was there when this was written. Denied is what widens the kernel's attack surface (bpf,
io_uring, keyrings, performance counters, ...), what leaves the sandbox (namespaces, mounts, tracing), what
makes memory that the watchdog can't see (memfd, System V shared memory), what two submissions that are graded at
the same time or one after the other could tell each other by (locks, watches and times on files of the machine), and
sockets other than Unix ones.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from . import kernel

# x86_64 number, aarch64 number (None: no such call there). From 424 on the two agree.
_DENIED = {
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "statmount": (457, 457),
    "listmount": (458, 458),
    "open_tree_attr": (467, 467),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # memory that belongs to no process
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # what shows, through a file that all sandboxes of the machine see, what another one does with it
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "fadvise64": (221, 223),
    "readahead": (187, 213),
    "mincore": (27, 232),
    "preadv2": (327, 286),
    "cachestat": (451, 451),
    # kernel interfaces that no exercise needs
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "perf_event_open": (298, 241),
    "fanotify_init": (300, 262),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "acct": (163, 89),
    "syslog": (103, 116),
    "personality": (135, 92),
    "vmsplice": (278, 75),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    "lookup_dcookie": (212, 18),
    "nfsservctl": (180, 42),
    "vhangup": (153, 58),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
}
_CLONE3 = (435, 435)
_SOCKET = (41, 198)
_SOCKETPAIR = (53, 199)
_KILL = (62, 129)
_SETSID = (112, 157)
_UTIME = ((132, None), (235, None), (261, None), (280, 88))  # utime, utimes, futimesat, utimensat
_FLOCK = (73, 32)
_FCNTL = (72, 25)
_FCNTL_LOCKS = (6, 7, 37, 38)  # F_SETLK, F_SETLKW and their kin for open files
_FCNTL_LOOKS = (5, 36, 1024, 1025, 1026)  # F_GETLK, its kin, leases, notices of changes
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column above, AUDIT_ARCH_*

_NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
    | kernel.CLONE_NEWTIME
)
_AF_UNIX = 1
_FIRST_UNKNOWN = 470
"""Calls from this number on are younger than this table: the C library takes them for not there. x32's are above it too."""

_ALLOW = 0x7FFF0000
_KILL_PROCESS = 0x80000000
_ERRNO = 0x00050000

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT, _SECOND_ARGUMENT = (
    0,
    4,
    16,
    24,
)  # in struct seccomp_data; an argument's low half


def program(machine: str) -> bytes:
    """The filter for a machine ("x86_64" or "aarch64"), as BPF instructions."""
    column, architecture = _MACHINES[machine]

    def refuse(number: int) -> tuple[int, int, int, int]:
        return (_RETURN, 0, 0, _ERRNO | number)

    allow = (_RETURN, 0, 0, _ALLOW)
    code = [
        (_LOAD, 0, 0, _ARCH),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),  # another architecture has other numbers
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _FIRST_UNKNOWN),
        refuse(errno.ENOSYS),
    ]
    for numbers in _DENIED.values():
        if numbers[column] is not None:
            code += [(_JUMP_EQUAL, 0, 1, numbers[column]), refuse(errno.EPERM)]
    # The flags of clone3 are in memory, where a filter can't read them: the C library falls back to clone.
    code += [(_JUMP_EQUAL, 0, 1, _CLONE3[column]), refuse(errno.ENOSYS)]
    code += [
        (_JUMP_EQUAL, 0, 4, kernel.CLONE[machine]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_ANY_BIT, 0, 1, _NAMESPACES),
        refuse(errno.EPERM),
        allow,
    ]
    for call in (_SOCKET, _SOCKETPAIR):
        code += [
            (_JUMP_EQUAL, 0, 4, call[column]),
            (_LOAD, 0, 0, _FIRST_ARGUMENT),
            (_JUMP_EQUAL, 1, 0, _AF_UNIX),
            refuse(errno.EPERM),
            allow,
        ]
    # kill(-1) would take the kept states of the same submission with it.
    code += [
        (_JUMP_EQUAL, 0, 4, _KILL[column]),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_JUMP_EQUAL, 0, 1, 0xFFFFFFFF),
        refuse(errno.EPERM),
        allow,
    ]
    # Where the kernel shares the processors among Unix sessions, one of a submission's own would be a share more.
    code += [(_JUMP_EQUAL, 0, 1, _SETSID[column]), refuse(0)]  # no error: it seems to have worked
    # /dev/null is the machine's own: a time that is set there would stay, for later submissions to read.
    for numbers in _UTIME:
        if numbers[column] is not None:
            code += [(_JUMP_EQUAL, 0, 1, numbers[column]), refuse(0)]
    # A lock on a file that other sandboxes see would tell them something. One's own files are one's own: it seems to work.
    code += [(_JUMP_EQUAL, 0, 1, _FLOCK[column]), refuse(0)]
    code += [(_JUMP_EQUAL, 0, 2 + 2 * len(_FCNTL_LOCKS + _FCNTL_LOOKS), _FCNTL[column])]
    code += [(_LOAD, 0, 0, _SECOND_ARGUMENT)]
    for command in _FCNTL_LOCKS + _FCNTL_LOOKS:
        code += [(_JUMP_EQUAL, 0, 1, command), refuse(0 if command in _FCNTL_LOCKS else errno.EPERM)]
    code += [allow, allow]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def is_available() -> bool:
    """Tell whether this kernel has seccomp, and this machine a table here."""
    with open("/proc/self/status") as file:
        return os.uname().machine in _MACHINES and any(line.startswith("Seccomp:") for line in file)


def install() -> None:
    """Put this process and all that it starts under the filter, for good.

    Raises
    ------
    OSError
        If the kernel has no seccomp, or the machine no table here.
    """
    machine = os.uname().machine
    if machine not in _MACHINES:
        raise OSError(errno.ENOSYS, f"no seccomp table for {machine}")
    instructions = program(machine)
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    head = struct.pack(
        "@HxxxxxxP" if struct.calcsize("P") == 8 else "@HxxP",
        len(instructions) // 8,
        ctypes.addressof(buffer),
    )
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(
        kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, ctypes.create_string_buffer(head, len(head))
    )
