"""Sees what the processes of a submission use together, and ends those that use too much."""

from __future__ import annotations

import os
from typing import NamedTuple

KIBIBYTE = 1024
RESERVE = 0.03
"""Share of the machine's memory below which a submission that could be the cause is stopped."""
CROWD = 32
"""More processes than a submission needs: together they can fill sockets with memory that nobody's count shows."""


class Process(NamedTuple):
    """A process of the submission: ids as seen here and in the submission, and bytes of memory."""

    pid: int
    inner: int
    resident: int  # its own pages, and those that it shares with its parent since the fork
    virtual: int


def processes(isolation: str, keeper: int) -> list[Process]:
    """The submission's processes other than the keeper."""
    found = []
    parents = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in (1, os.getpid(), keeper):
            continue
        try:
            with open(f"/proc/{name}/status") as file:
                fields = dict(line.split(":", 1) for line in file)
        except (OSError, ValueError):
            continue  # it has just ended
        parents[int(name)] = int(fields["PPid"])
        if "VmSize" in fields:  # else a zombie
            sizes = {key: int(fields[key].split()[0]) * KIBIBYTE for key in ("RssAnon", "RssShmem", "VmSize")}
            inner = int(fields["NSpid"].split()[-1])
            found.append(Process(int(name), inner, sizes["RssAnon"] + sizes["RssShmem"], sizes["VmSize"]))
    if isolation == "none":  # the whole machine is in sight: only descendants of the keeper are meant
        found = [process for process in found if _descends(process.pid, keeper, parents)]
    return found


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
        used = {process: _proportional(process) for process in running}
    elif _machine_is_full():
        # Memory that no process's count shows: shared pages that only an ended process had touched, or sockets.
        suspect = len(running) > CROWD or sum(process.virtual - own_size for process in running) > limit
        return running if suspect else []
    else:
        return []
    victims = []
    total = sum(used.values())
    for process in sorted(running, key=lambda p: used[p], reverse=True):
        if total <= limit:
            break
        victims.append(process)
        total -= used[process]
    return victims


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


def send(pid: int, number: int) -> None:
    """Send a signal to a process; one that has ended already is no error."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
