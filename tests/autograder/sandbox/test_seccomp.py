"""Does the filter say what it should on both machines, and does the kernel obey it?"""

import errno
import platform
import struct

import pytest

from autograder.sandbox import Session
from autograder.sandbox.inside import kernel, seccomp

MACHINES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
ALLOW = "allow"
NUMBERS = {  # from the kernel's own tables: (x86_64, aarch64)
    "read": (0, 63),
    "write": (1, 64),
    "mmap": (9, 222),
    "openat": (257, 56),
    "futex": (202, 98),
    "execve": (59, 221),
    "wait4": (61, 260),
    "exit_group": (231, 94),
    "pipe2": (293, 59),
    "getrandom": (318, 278),
    "preadv": (295, 69),
    "flistxattr": (196, 13),
}


def evaluate(program: bytes, architecture: int, number: int, argument: int = 0, second: int = 0) -> int | str:
    """Interpret a filter for one system call: the error number, or what else happens."""
    data = struct.pack("<IIQQQ", number, architecture, 0, argument, second) + bytes(32)
    code = list(struct.iter_unpack("<HBBI", program))
    accumulator = 0
    place = 0
    while True:
        operation, if_true, if_false, value = code[place]
        place += 1
        match operation:
            case 0x20:
                accumulator = struct.unpack_from("<I", data, value)[0]
            case 0x15:
                place += if_true if accumulator == value else if_false
            case 0x35:
                place += if_true if accumulator >= value else if_false
            case 0x45:
                place += if_true if accumulator & value else if_false
            case 0x06:
                return {0x7FFF0000: ALLOW, 0x80000000: "kill"}.get(value) or value & 0xFFFF
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")


@pytest.mark.parametrize("machine", MACHINES)
class TestProgram:
    """The filter, interpreted here."""

    def column(self, machine: str) -> int:
        return list(MACHINES).index(machine)

    def ask(self, machine: str, number: int, *arguments: int) -> int | str:
        return evaluate(seccomp.program(machine), MACHINES[machine], number, *arguments)

    def test_what_is_denied(self, machine: str) -> None:
        """Is every call of the table refused?"""
        for name, numbers in seccomp._DENIED.items():
            number = numbers[self.column(machine)]
            if number is not None:
                assert self.ask(machine, number) == errno.EPERM, name

    def test_what_is_ordinary(self, machine: str) -> None:
        """Are ordinary calls let through?"""
        for name, numbers in NUMBERS.items():
            assert self.ask(machine, numbers[self.column(machine)]) == ALLOW, name

    def test_clone(self, machine: str) -> None:
        """May a process fork and start threads, but make no namespace?"""
        number = (56, 220)[self.column(machine)]
        for flags in (17, 0x3D0F00, 0x01200011):  # fork, pthread_create, posix_spawn's
            assert self.ask(machine, number, flags) == ALLOW
        for namespace in (
            kernel.CLONE_NEWNS,
            kernel.CLONE_NEWUTS,
            kernel.CLONE_NEWIPC,
            kernel.CLONE_NEWUSER,
            kernel.CLONE_NEWPID,
            kernel.CLONE_NEWNET,
            kernel.CLONE_NEWCGROUP,
        ):
            assert self.ask(machine, number, namespace | 17) == errno.EPERM
        assert self.ask(machine, 435) == errno.ENOSYS  # clone3: its flags cannot be read

    def test_sockets(self, machine: str) -> None:
        """Are only Unix sockets let through?"""
        for number in ((41, 198)[self.column(machine)], (53, 199)[self.column(machine)]):
            assert self.ask(machine, number, 1) == ALLOW
            for family in (0, 2, 10, 16, 17, 38, 40):  # inet, inet6, netlink, packet, alg, vsock
                assert self.ask(machine, number, family) == errno.EPERM

    def test_kill(self, machine: str) -> None:
        """May a process send signals to some, but not to all?"""
        number = (62, 129)[self.column(machine)]
        assert self.ask(machine, number, 123) == ALLOW
        assert self.ask(machine, number, 0xFFFFFFFF) == errno.EPERM
        assert self.ask(machine, number, 0xFFFFFFFFFFFFFFFF) == errno.EPERM

    def test_unix_sessions(self, machine: str) -> None:
        """Does a process that makes a session of its own hear that it has one?"""
        assert self.ask(machine, (112, 157)[self.column(machine)]) == 0

    def test_file_locks(self, machine: str) -> None:
        """Does a lock seem to be had, and can nobody ask for another's, while all else about descriptors works?"""
        assert self.ask(machine, (73, 32)[self.column(machine)]) == 0
        number = (72, 25)[self.column(machine)]
        for command in (6, 7, 37, 38):
            assert self.ask(machine, number, 3, command) == 0
        for command in (5, 36, 1024, 1025, 1026):
            assert self.ask(machine, number, 3, command) == errno.EPERM
        for command in (0, 1, 2, 3, 4, 1030, 1031, 1032):  # duplicates, flags, sizes of pipes
            assert self.ask(machine, number, 3, command) == ALLOW

    def test_times(self, machine: str) -> None:
        """Does a file's time seem to be set?"""
        for numbers in ((132, None), (235, None), (261, None), (280, 88)):
            if numbers[self.column(machine)] is not None:
                assert self.ask(machine, numbers[self.column(machine)]) == 0

    def test_unknown_calls(self, machine: str) -> None:
        """Are calls that a later kernel may have taken for not there?"""
        for number in (470, 500, 1000, 0x3FFFFFFF):
            assert self.ask(machine, number) == errno.ENOSYS
        assert self.ask(machine, 469) == ALLOW

    def test_other_architectures(self, machine: str) -> None:
        """Is a call in another architecture's numbering the end of the process?"""
        assert evaluate(seccomp.program(machine), 0x40000003, 1) == "kill"  # i386


def test_x32_calls() -> None:
    """Are calls with x86_64's second set of numbers refused?"""
    program = seccomp.program("x86_64")
    assert evaluate(program, MACHINES["x86_64"], 0x40000000 + 1) == errno.ENOSYS


CALL = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt(number, *arguments):
    ctypes.set_errno(0)
    return libc.syscall(number, *map(ctypes.c_long, arguments)), ctypes.get_errno()
"""


def test_kernel_obeys(root: Session) -> None:
    """Does a session really get these errors, from the C library and by number?"""
    session = root.fork()
    machine = platform.machine()
    column = list(MACHINES).index(machine)
    denied = {
        name: numbers[column] for name, numbers in seccomp._DENIED.items() if numbers[column] is not None
    }
    cell = (
        CALL
        + f"def denied():\n    return {{name: attempt(number, 0, 0, 0) for name, number in {denied}.items()}}\n"
    )
    cell += f"def clone(flags):\n    return attempt({kernel.CLONE[machine]}, flags, 0, 0, 0, 0)\n"
    cell += f"def kept():\n    return [attempt({(39, 172)[column]})[0] == os.getpid(), os.fork() >= 0]\n"  # getpid
    assert session.run(cell, "<calls>", 10).error == ""
    answers = session.fork().call("denied", (), 10).value
    assert set(answers) == set(denied)
    assert {name: answer for name, answer in answers.items() if answer != (-1, errno.EPERM)} == {}
    assert session.fork().call("clone", (kernel.CLONE_NEWUSER | 17,), 10).value == (-1, errno.EPERM)
    assert session.fork().call("kept", (), 10).value == [True, True]
