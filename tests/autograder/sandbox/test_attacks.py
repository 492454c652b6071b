"""Does hostile code end at its own limits, at the cost of its own cell or call?"""

import time

import numpy as np
import pytest

from autograder.sandbox import Session, SessionLost

SECONDS = 8
"""Above what any of these needs on a busy machine; what has to time out gets less."""


def lose(session: Session, source: str, seconds: float = SECONDS) -> str:
    """Run a cell that must cost its process, and return the reason."""
    with pytest.raises(SessionLost) as lost:
        session.run(source, "<attack>", seconds)
    return lost.value.reason


def errors(session: Session, source: str, seconds: float = SECONDS) -> str:
    return session.run(source, "<attack>", seconds).error


def state(root: Session) -> Session:
    session = root.fork()
    assert session.run(
        "import os, sys, time, signal\ndef double(x):\n    return 2 * x", "<state>", SECONDS
    ) == ([], "")
    return session


def still_works(session: Session) -> bool:
    return session.fork().call("double", (21,), SECONDS).value == 42


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True: pass", "stopped after 0.5 s"),
        (
            "signal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass",
            "stopped after",
        ),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "stopped after"),
        ("os._exit(0)", "its process ended (exit status 0)"),
        ("os._exit(7)", "its process ended (exit status 7)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process ended (killed)"),
        ("os.abort()", "its process ended (abort)"),
        ("import ctypes; ctypes.string_at(0)", "its process ended (segmentation fault)"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", "stopped after"),
        ("os.closerange(0, 1000)", "its process ended"),
        ("sys.setrecursionlimit(10**9)\nimport re\nre.compile('(' * 10**6)", ""),
        ("signal.setitimer(signal.ITIMER_REAL, 0.1)\ntime.sleep(5)", "its process ended"),
        (
            "import threading\nthreading.Thread(target=lambda: [None for _ in iter(int, 1)]).start()\ntime.sleep(9)",
            "stopped",
        ),
        ("os.execv('/opt/python/bin/python', ['python', '-c', 'import time; time.sleep(99)'])", ""),
    ],
)
def test_is_only_the_cell_lost(root: Session, source: str, reason: str) -> None:
    """Does a loop, an exit or a crash cost that cell alone?"""
    session = state(root)
    assert lose(session.fork(), source, 0.5).startswith(reason)
    assert still_works(session)


def test_exec_fork_bomb(root: Session) -> None:
    """Is a fork bomb bounded, and gone when its time is up?"""
    session = state(root)
    lose(session.fork(), "while True:\n    try:\n        os.fork()\n    except OSError:\n        pass", 1)
    assert still_works(session)
