"""Which processes does the watchdog end when memory runs short?"""

import os
import subprocess
import sys

import pytest

from autograder.sandbox.inside import watchdog
from autograder.sandbox.inside.watchdog import Process, greedy

MEBIBYTE = 2**20
SIZE = 200 * MEBIBYTE


def process(pid: int, mebibytes: int, virtual: int = 0) -> Process:
    return Process(pid, pid, mebibytes * MEBIBYTE, SIZE + (virtual or mebibytes) * MEBIBYTE)


@pytest.fixture(autouse=True)
def counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exact count agrees with the bound, and the machine has memory left."""
    monkeypatch.setattr(watchdog, "_proportional", lambda process: process.resident)
    monkeypatch.setattr(watchdog, "_has_ended", lambda process: False)
    monkeypatch.setattr(watchdog, "_machine_is_full", lambda: False)


def victims(running: list[Process], limit: int) -> list[int]:
    return [process.pid for process in greedy(running, limit * MEBIBYTE, SIZE)]


def test_within_the_limit() -> None:
    """Is nobody ended while the sum is within the limit?"""
    assert victims([process(1, 50), process(2, 50)], 100) == []
    assert victims([], 100) == []


def test_largest_first() -> None:
    """Are the largest ended, and only as many as it takes?"""
    assert victims([process(1, 10), process(2, 80), process(3, 30)], 100) == [2]
    assert victims([process(1, 60), process(2, 80), process(3, 70)], 100) == [2, 3]


def test_shared_pages_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is a sum above the limit forgiven when the exact count says that the pages are shared?"""
    monkeypatch.setattr(watchdog, "_proportional", lambda process: process.resident // 10)
    assert victims([process(pid, 50) for pid in range(1, 11)], 100) == []


def test_what_ends_meanwhile_is_not_counted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three share 90: each part grows as the ones before end, so that the parts as they were read make more than there is."""
    parts = {1: iter([30]), 2: iter([45]), 3: iter([90, 90])}
    monkeypatch.setattr(watchdog, "_proportional", lambda process: next(parts[process.pid]) * MEBIBYTE)
    monkeypatch.setattr(watchdog, "_has_ended", lambda process: process.pid < 3)
    assert victims([process(1, 90), process(2, 90), process(3, 90)], 100) == []


def test_ending_all_the_time_helps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Does the count come to an end, and to a result, while processes keep ending?"""
    asked: list[int] = []
    monkeypatch.setattr(
        watchdog,
        "_has_ended",
        lambda process: bool(asked.append(process.pid)) or process.pid == asked.count(9) + 9,
    )
    running = [process(pid, 60) for pid in range(9, 20)]
    assert victims(running, 100)
    assert asked.count(19) == watchdog.COUNTS


def test_full_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the machine's memory is gone, do submissions end that could be the cause, and only those?"""
    monkeypatch.setattr(watchdog, "_machine_is_full", lambda: True)
    assert victims([process(1, 10), process(2, 10)], 100) == []
    assert victims([process(1, 10, virtual=60), process(2, 10, virtual=60)], 100) == [1, 2]
    crowd = [process(pid, 1) for pid in range(1, watchdog.CROWD + 2)]
    assert victims(crowd, 100) == [process.pid for process in crowd]


def test_counts_of_a_real_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do the counts see what a process really takes, and stand one that has ended?"""
    monkeypatch.undo()
    here = Process(os.getpid(), os.getpid(), 0, 0)
    before = watchdog._proportional(here)
    kept = bytearray(50 * MEBIBYTE)
    assert 45 * MEBIBYTE < watchdog._proportional(here) - before < 60 * MEBIBYTE
    assert len(kept) > 0
    assert watchdog._proportional(Process(2**22 + 1, 1, 7, 7)) == 7
    assert watchdog._has_ended(Process(2**22 + 1, 1, 7, 7))
    assert not watchdog._has_ended(here)
    watchdog.send(2**22 + 1, 9)
    assert not watchdog._machine_is_full()
    monkeypatch.setattr(watchdog, "RESERVE", 1.0)
    assert watchdog._machine_is_full()


def test_processor_time_of_a_real_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is time seen of what runs, and of what has ended?"""
    child = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
    with monkeypatch.context() as alone:  # what else runs on this machine comes and goes
        alone.setattr(os, "listdir", lambda path: [str(child.pid)])
        counted = watchdog.ProcessorTime()
        before = counted.sample()
        while counted.sample() < before + 0.2:
            pass
        child.kill()
        child.wait()
        assert counted.sample() >= before + 0.2
