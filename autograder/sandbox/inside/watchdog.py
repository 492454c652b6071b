"""Sees what the processes of a submission use together, and ends those that use too much."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import NamedTuple

KIBIBYTE = 1024
RESERVE = 0.03
"""Share of the machine's memory below which a submission that could be the cause is stopped."""
MANY_THREADS = 16
"""More threads than an ordinary submission has: together they would take the processors from the other submissions."""
LOWEST = 19
CROWD = 32
"""More processes than a submission needs: together they can fill sockets with memory that nobody's count shows."""


COUNTS = 3
"""How often memory is counted while processes end: a submission must not keep the watchdog busy by ending some all the time."""


class Process(NamedTuple):
    """A process of the submission: ids as seen here and in the submission, and bytes of memory."""

    pid: int
    inner: int
    resident: int  # its own pages, and those that it shares with its parent since the fork
    virtual: int
    threads: int = 1


class ProcessorTime:
    """Processor time of all processes of a submission together, in seconds, as far as it was seen.

    Two sums, of which the larger counts. A process that nobody waits for is missing from its parent's account, and one
    that lives shortly is seen by no sample.
    """

    def __init__(self) -> None:
        self._own: dict[tuple[int, int], int] = {}  # (process id, time of its start) -> clock ticks

    def sample(self) -> float:
        """Look at the processes that run, the keeper included, and return the time used up to now."""
        accounts = 0
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) in (1, os.getpid()):
                continue
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = (
                        file.read().rpartition(b")")[2].split()
                    )  # after the name, which may hold anything
            except (FileNotFoundError, ProcessLookupError):
                continue
            user, system, of_children, system_of_children = map(int, fields[11:15])
            accounts += user + system + of_children + system_of_children
            self._own[int(name), int(fields[19])] = user + system
        return max(accounts, sum(self._own.values())) / os.sysconf("SC_CLK_TCK")


def processes(isolation: str, keeper: int) -> list[Process]:
    """The submission's processes other than the keeper."""
    found = []
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in (1, os.getpid(), keeper):
            continue
        fields = _status_of_process(name)
        if fields is None:
            continue
        parents[int(name)] = int(fields[b"PPid"])
        if b"VmSize" in fields:  # else a zombie
            sizes = {
                key: int(fields[key].split()[0]) * KIBIBYTE for key in (b"RssAnon", b"RssShmem", b"VmSize")
            }
            inner = int(fields[b"NSpid"].split()[-1])
            resident = sizes[b"RssAnon"] + sizes[b"RssShmem"]
            found.append(Process(int(name), inner, resident, sizes[b"VmSize"], int(fields[b"Threads"])))
    if isolation == "none":  # the whole machine is in sight: only descendants of the keeper are meant
        found = [process for process in found if _descends(process.pid, keeper, parents)]
    return found


def _status_of_process(name: str) -> dict[bytes, bytes] | None:
    """The fields of a process's status, None if it has ended; without sizes if it is a zombie."""
    fields = _status(f"/proc/{name}")
    if fields is not None and b"VmSize" not in fields and int(fields[b"Threads"]) > 1:
        return _status_of_a_thread(name, fields)  # the first thread has ended, and others run on
    return fields


def _status(folder: str) -> dict[bytes, bytes] | None:
    """The fields of a status file, None if the process has just ended.

    In bytes: a process chooses its name, which stands there too, and which may be no text.
    """
    try:
        with open(f"{folder}/status", "rb") as file:
            return dict(line.split(b":", 1) for line in file.read().split(b"\n") if line)
    except (FileNotFoundError, ProcessLookupError):
        return None


def _status_of_a_thread(name: str, fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """The fields of a process from one of its threads that still has memory, `fields` if none has."""
    try:
        threads = os.listdir(f"/proc/{name}/task")
    except (FileNotFoundError, ProcessLookupError):
        return fields
    for thread in threads:
        own = _status(f"/proc/{name}/task/{thread}")
        if own is not None and b"VmSize" in own:
            return {**own, b"NSpid": fields[b"NSpid"]}
    return fields


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid == ancestor:
            return True
    return False


def greedy(running: list[Process], limit: int, own_size: int) -> list[Process]:
    """The processes to end so that the rest stays within the limit: the largest first.

    Pages that processes share count in equal parts for each. That count walks the page tables, so it is
    made only when the cheap bound, which counts them for each in full, is above the limit.
    """
    if sum(process.resident for process in running) > limit:
        used = _count(running)
    elif _machine_is_full():
        # Memory that no process's count shows: shared pages that only an ended process had touched, or sockets.
        suspect = len(running) > CROWD or sum(process.virtual - own_size for process in running) > limit
        return running if suspect else []
    else:
        return []
    victims = []
    total = sum(used.values())
    for process in sorted(used, key=lambda p: used[p], reverse=True):
        if total <= limit:
            break
        victims.append(process)
        total -= used[process]
    return victims


def give_way(running: list[Process]) -> None:
    """Lower the priority of a submission of many threads, so that it gets no more of the processors than another."""
    if sum(process.threads for process in running) <= MANY_THREADS:
        return
    for process in running:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has ended
            for thread in os.listdir(f"/proc/{process.pid}/task"):
                os.setpriority(os.PRIO_PROCESS, int(thread), LOWEST)


def files(places: Iterable[str]) -> int:
    """Number of files and folders in file systems, their roots left out."""
    return sum(status.f_files - status.f_ffree - 1 for status in map(os.statvfs, places))


def _count(running: list[Process]) -> dict[Process, int]:
    """Bytes that each process takes, shared pages in equal parts.

    One that ends meanwhile leaves its parts to the others, and what it had would count twice: then the rest is counted anew.
    """
    for _ in range(COUNTS):
        used = {process: _proportional(process) for process in running}
        left = [process for process in running if not _has_ended(process)]
        if len(left) == len(running):
            break
        running = left
    return {process: used[process] for process in left}


def _has_ended(process: Process) -> bool:
    fields = _status_of_process(str(process.pid))
    return fields is None or b"VmSize" not in fields


def _proportional(process: Process) -> int:
    try:
        with open(f"/proc/{process.pid}/smaps_rollup") as file:
            next(file)  # the address range
            fields = dict(line.split(":", 1) for line in file)
        return sum(int(fields[key].split()[0]) for key in ("Pss_Anon", "Pss_Shmem")) * KIBIBYTE
    except (OSError, KeyError, StopIteration, ValueError):
        return process.resident  # it has ended, or hides its pages


def _machine_is_full() -> bool:
    with open("/proc/meminfo") as file:
        fields = dict(line.split(":", 1) for line in file)
    available, total = (int(fields[key].split()[0]) for key in ("MemAvailable", "MemTotal"))
    return available < RESERVE * total


def waited(pid: int) -> float:
    """Seconds that a process's first thread was ready to run while others had the processor; 0 where the kernel keeps no account."""
    try:
        with open(f"/proc/{pid}/schedstat", "rb") as file:
            return int(file.read().split()[1]) / 1e9
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def send(pid: int, number: int) -> None:
    """Send a signal to a process; one that has ended already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
