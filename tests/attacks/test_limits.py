"""Bombs for real, while another job goes on: the limits of a submission are those of all its processes together."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autograder.sandbox import Limits, Sandbox, SessionLost
from tests.attacks.families.exhaust import CELLS

MEBIBYTE = 2**20
LIMITS = Limits(memory=500 * MEBIBYTE, processes=60, disk=8 * MEBIBYTE, cpu_seconds=6)
BOMBS = [
    name
    for name in CELLS
    if "bomb" in name or "memory" in name or name in ("disk", "inodes", "socket_buffers")
]
ONE_OF_EACH = ("fork_bomb", "memory_of_many", "inodes")  # where each submission costs a start of bubblewrap
HONEST = "total = 0\nfor k in range(10**6): total += k\nkept = bytearray(10**8)\nprint(total, len(kept))"
PRINTED = "499999500000 100000000\n"


@pytest.fixture(scope="module", params=["auto", "bubblewrap"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(LIMITS, isolation=request.param) as started:
        yield started


@pytest.fixture(scope="module")
def other() -> Iterator[Sandbox]:
    """Where another job goes on."""
    with Sandbox(LIMITS) as started:
        yield started


def processes(sandbox: Sandbox) -> list[dict[bytes, bytes]]:
    """The status of what runs in a sandbox, apart from bubblewrap and the server, as the kernel tells it."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            lines = Path(f"/proc/{name}/status").read_bytes().split(b"\n")
        except OSError:
            continue
        found[int(name)] = dict(line.split(b":\t", 1) for line in lines if b":\t" in line)
    family = [sandbox._server.pid]
    for member in family:
        family += [pid for pid, fields in found.items() if int(fields[b"PPid"]) == member]
    return [found[pid] for pid in family[2:] if pid in found]


def ending(sandbox: Sandbox, cell: str, seconds: float, look: Callable[[], None] = lambda: None) -> str:
    """Run a cell in a submission of its own, look at it after a while, and return how it ended."""
    looker = threading.Timer(min(0.6 * seconds, 3), look)
    with sandbox.submission() as root:
        looker.start()
        try:
            ended = root.fork().run(cell, "<bomb>", seconds).error
        except SessionLost as lost:
            ended = lost.reason
        looker.join()
    return ended


@pytest.mark.parametrize(
    ("sandbox", "name"),
    [*(("auto", name) for name in BOMBS), *(("bubblewrap", name) for name in ONE_OF_EACH)],
    indirect=["sandbox"],
)
def test_bomb_beside_a_job(sandbox: Sandbox, other: Sandbox, name: str) -> None:
    """Is a bomb bounded in processes and memory, ended, and gone, while an honest job runs through?"""
    results, counts = [], []
    done = threading.Event()

    def job() -> None:
        while not done.is_set():
            with other.submission() as root:
                results.append(root.fork().run(HONEST, "<honest>", 20).outputs)

    def look() -> None:
        running = processes(sandbox)
        memory = sum(int(fields.get(b"RssAnon", b"0 kB").split()[0]) for fields in running) * 1024
        counts.append((len(running), memory))

    worker = threading.Thread(target=job)
    worker.start()
    ending(sandbox, CELLS[name], 2, look)
    done.set()
    worker.join()
    assert len(results) > 0
    assert all([output["text"] for output in outputs] == [PRINTED] for outputs in results)
    ((number, memory),) = counts
    assert number <= LIMITS.processes + 3
    # Pages that processes share count for each here; a process's own share of the server's is some 100 MB.
    assert memory < 2 * LIMITS.memory + number * 120 * MEBIBYTE
    with sandbox.submission() as root:
        assert root.fork().run(HONEST, "<next>", 20).outputs[0]["text"] == PRINTED
        left = len(processes(sandbox))
    assert left <= 3  # the keeper, the first state and its copy


HIDE = {
    "name_that_is_no_text": "ctypes.CDLL(None).prctl(15, b'\\xff\\xfe', 0, 0, 0)\n        kept = bytearray(300_000_000)",
    "name_of_two_lines": "ctypes.CDLL(None).prctl(15, b'a\\rb\\nc', 0, 0, 0)\n        kept = bytearray(300_000_000)",
    "first_thread_ended": (
        "threading.Thread(target=lambda: (time.sleep(0.3), bytearray(300_000_000), time.sleep(60))).start()\n"
        "        ctypes.CDLL(None).syscall(60 if os.uname().machine == 'x86_64' else 93, 0)"
    ),
}


@pytest.mark.parametrize("trick", HIDE)
def test_nobody_hides_from_the_watchdog(sandbox: Sandbox, trick: str) -> None:
    """Is memory counted, and is a process ended, whatever it is called and whichever of its threads lives?"""
    cell = (
        f"import ctypes, os, threading, time\nfor _ in range(2):\n    if os.fork() == 0:\n        {HIDE[trick]}\n        time.sleep(60)\n"
        "print(os.wait()[0] > 0)"
    )
    with sandbox.submission() as root:
        session = root.fork()
        assert session.run(cell, "<hide>", 30).outputs[-1]["text"] == "True\n"
        child = root.fork()
        child.run("import os, time", "<next>", 10)
        with pytest.raises(SessionLost):  # what it has started goes with it, hidden or not
            child.run(
                cell.replace("print(os.wait()[0] > 0)", "os._exit(1)").replace("300_000_000", "1"),
                "<hide>",
                30,
            )
        session.close()
        root.fork().close()
        with pytest.raises(SessionLost):
            root.fork().run("import os\nos._exit(0)", "<prune>", 10)
        deadline = time.monotonic() + 5
        while len(processes(sandbox)) > 3 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(processes(sandbox)) <= 3


@pytest.mark.parametrize(
    "cell",
    [
        "import os\nfor _ in range(3): os.fork()\nwhile True: pass",
        "import os, signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\nwhile True:\n    if os.fork() == 0:\n"
        "        sum(range(10**7)); os._exit(0)\n    try: os.wait()\n    except OSError: pass",
    ],
)
def test_processor_time_of_all_together(sandbox: Sandbox, cell: str) -> None:
    """Is processor time counted that many processes use, and that of short ones which nobody waits for?"""
    assert ending(sandbox, cell, 60) == "used up its processor time"


def test_files_where_the_file_systems_have_no_limit() -> None:
    """Is the number of files bounded in a bubblewrap of its own, too?"""
    cell = "import time\nfor k in range(100_000): open(f'/tmp/{k}', 'w').close()\ntime.sleep(30)"
    with Sandbox(LIMITS, isolation="bubblewrap") as alone:
        assert ending(alone, cell, 60) == "made too many files"


def test_many_threads_give_way(sandbox: Sandbox) -> None:
    """Has a crowd the lowest priority, and no Unix session of its own whose share of the processors it would add?"""
    cell = (
        "import os, threading, time\nfor _ in range(20):\n    if os.fork() == 0:\n        os.setsid()\n"
        "        threading.Thread(target=time.sleep, args=(60,)).start()\n        time.sleep(60)\ntime.sleep(60)"
    )
    seen = []

    def look() -> None:
        members = [int(fields[b"Pid"]) for fields in processes(sandbox)]
        threads = [int(thread) for pid in members for thread in os.listdir(f"/proc/{pid}/task")]
        seen.append(
            (
                len(threads),
                sorted({os.getpriority(os.PRIO_PROCESS, thread) for thread in threads}),
                {os.getsid(p) for p in members},
            )
        )

    ending(sandbox, cell, 5, look)
    ((threads, priorities, sessions),) = seen
    assert threads > 40
    assert priorities in ([19], [0, 19])  # the keeper, which only waits, keeps its own
    assert len(sessions) == 1
