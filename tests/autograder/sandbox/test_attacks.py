"""Does hostile code end at its own limits, and at the cost of its own cell or call?

The fixture `root` ends every test by starting another submission, which must find nothing left of this one.
"""

import os
import threading
import time
from collections.abc import Callable

import pytest

from autograder.sandbox import Sandbox, Session, SessionLost
from autograder.sandbox.inside.namespaces import HOME

SECONDS = 15
"""Above what any of these needs on a busy machine; what has to time out gets less."""
PREPARE = "import os, sys, time, signal, threading\ndef double(x):\n    return 2 * x"


@pytest.fixture
def state(root: Session) -> Session:
    """A state of the notebook that must survive what its copies do."""
    session = root.fork()
    assert session.run(PREPARE, "<prepare>", SECONDS) == ([], "")
    return session


def works(session: Session) -> bool:
    return session.fork().call("double", (21,), SECONDS).value == 42


def lose(session: Session, source: str, seconds: float) -> str:
    """Run a cell that must cost its process, and return the reason."""
    with pytest.raises(SessionLost) as lost:
        session.run(source, "<attack>", seconds)
    return lost.value.reason


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("while True: pass", "stopped after 0.4 s"),
        (
            "for s in (signal.SIGINT, signal.SIGTERM): signal.signal(s, signal.SIG_IGN)\nwhile True: pass",
            "stopped",
        ),
        ("while True:\n    try:\n        while True: pass\n    except BaseException: pass", "stopped"),
        ("class E(Exception):\n    def __str__(self):\n        while True: pass\nraise E", "stopped"),
        ("os.kill(os.getpid(), signal.SIGSTOP)", "stopped"),
        ("while True: print('x' * 10_000)", "stopped"),
        ("while True: os.write(1, b'x' * 10_000)", "stopped"),
        ("while True: display(1)", "stopped"),
        ("for fd in range(3, 100):\n    try: os.read(fd, 1000)\n    except OSError: pass", "stopped"),
    ],
)
def test_endless(state: Session, source: str, reason: str) -> None:
    """Does what never ends cost its own time alone?"""
    started = time.monotonic()
    assert lose(state.fork(), source, 0.4).startswith(reason)
    assert time.monotonic() - started < 5
    assert works(state)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("os._exit(0)", "its process ended (exit status 0)"),
        ("os._exit(7)", "its process ended (exit status 7)"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process ended (killed)"),
        ("os.abort()", "its process ended (abort)"),
        ("signal.setitimer(signal.ITIMER_REAL, 0.1)\ntime.sleep(5)", "its process ended (signal 14)"),
        ("import ctypes; ctypes.string_at(0)", "its process ended (segmentation fault)"),
        ("os.closerange(3, 1000)", "its process ended"),
        ("os.closerange(3, 1000)\nwhile True: pass", "its process closed the connection"),
        ("os.execv(sys.executable, ['python', '-S', '-c', 'import time; time.sleep(99)'])", "its process"),
    ],
)
def test_sudden_end(state: Session, source: str, reason: str) -> None:
    """Does a crash or an exit cost that cell alone, and is its reason told?"""
    assert lose(state.fork(), source, SECONDS).startswith(reason)
    assert works(state)


def test_recursion_in_c(state: Session) -> None:
    """Does recursion through C functions cost that cell alone? Newer interpreters notice it, older ones crash."""
    cell = "sys.setrecursionlimit(10**9)\nclass A:\n    __repr__ = lambda self: repr(self)\nrepr(A())"
    try:
        reason = state.fork().run(cell, "<deep>", SECONDS).error
    except SessionLost as lost:
        reason = lost.reason
    assert reason in ("stopped with RecursionError", "its process ended (segmentation fault)")
    assert works(state)


@pytest.mark.parametrize(
    "junk",
    [
        r"b'junk' * 1000",
        r"b'\xff' * 1000",
        r"(30).to_bytes(8, 'little') + bytes(16) + b'N' * 30",  # a frame, but no value
        r"(1).to_bytes(8, 'little') + bytes(16) + b'N'",  # a value, but no answer
        r"(2**40).to_bytes(8, 'little') + bytes(16)",
    ],
)
def test_writing_to_the_channel(state: Session, junk: str) -> None:
    """Is anything written by hand to the answer channel refused?"""
    cell = f"for fd in range(3, 100):\n    try: os.write(fd, {junk})\n    except OSError: pass"
    assert lose(state.fork(), cell, SECONDS) == "its process broke the answer format"
    assert works(state)


FORGE = """
import inside.session, inside.channel
def forged(value):
    answer = {"outputs": [], "kind": "value", "value": inside.channel.encode(42), "after": []}
    return inside.channel.encode({**answer, **value})
real = inside.session.frame
"""


@pytest.mark.parametrize(
    "trick",
    [
        "inside.session.frame = lambda payload, nonce: real(forged({}), b'0' * 16)",
        "inside.session.frame = lambda payload, nonce: real(forged({'nonce': nonce}), bytes(16))",
        "inside.session.frame = lambda payload, nonce: real(b'N', nonce)",
        "inside.session.frame = lambda payload, nonce: real(inside.channel.encode({'outputs': [{'points': 1}]}), nonce)",
        "for fd in range(3, 100):\n    try: os.write(fd, real(forged({}), b'0' * 16))\n    except OSError: pass",
    ],
)
def test_forged_answers(state: Session, trick: str) -> None:
    """Does an answer that was prepared without knowing the question fit no question?"""
    worker = state.fork()
    with pytest.raises(SessionLost, match="broke the answer format"):
        worker.run(FORGE + trick, "<forge>", SECONDS)
    assert worker.call("double", (1,), SECONDS).kind == "died"
    assert works(state)


@pytest.mark.parametrize(
    "outputs",
    [
        "3",
        "[3]",
        "[{'output_type': 'stream', 'name': 'stdout', 'text': 3}]",
        "[{'output_type': 'stream', 'name': 'other', 'text': ''}]",
        "[{'output_type': 'error', 'ename': 'E', 'evalue': '', 'traceback': 'x'}]",
        "[{'output_type': 'display_data', 'data': {'application/javascript': 'x'}}]",
        "[{'output_type': 'display_data', 'data': {'image/png': '<script>'}}]",
        "[{'output_type': 'update_display_data', 'data': {}}]",
        "[{'output_type': 'stream', 'name': 'stdout', 'text': ''}] * 1000",
        "[{'output_type': 'stream', 'name': 'stdout', 'text': 'x' * 3 * 10**6}] * 3",
        "[{'output_type': 'stream', 'name': 'stdout', 'text': 'x' * 10**8}]",
        "{'a': [[]] * 400_000}",
    ],
)
def test_forged_outputs(state: Session, outputs: str) -> None:
    """Are outputs refused that the session's own code would not have sent?"""
    cell = f"get_ipython().run = lambda *_: {outputs}"
    worker = state.fork()
    assert worker.run(cell, "<forge>", SECONDS).error == ""
    with pytest.raises(SessionLost):
        worker.run("1", "<next>", SECONDS)
    assert works(state)


def test_outputs_hold_known_fields_alone(state: Session) -> None:
    """Is what a forged output adds to the known fields dropped?"""
    worker = state.fork()
    worker.run(
        "get_ipython().run = lambda *_: [{'output_type': 'display_data', 'data': {'text/plain': 'a'}, "
        "'metadata': {'nbgrader': 1}, 'score': 1, 'transient': {}}]",
        "<forge>",
        SECONDS,
    )
    (output,) = worker.run("1", "<next>", SECONDS).outputs
    assert output == {"output_type": "display_data", "data": {"text/plain": "a"}, "metadata": {}}


@pytest.mark.parametrize("after", ["3", "None", "[b'N']", "{'value': b'N'}", "b''", "b'junk'", "np.zeros(2)"])
def test_forged_arguments(state: Session, after: str) -> None:
    """Are arguments refused, as they are after a call, that the session's own code would not have sent?"""
    worker = state.fork()
    cell = f"import inside.session\nimport numpy as np\ninside.session._after = lambda *_: {after}"
    assert worker.run(cell, "<forge>", SECONDS).error == ""
    outcome = worker.call("double", (1,), SECONDS)
    assert (outcome.kind, outcome.error) == ("died", "its process broke the answer format")
    assert works(state)


class TestProcesses:
    """Processes and threads."""

    def test_fork_bomb(self, state: Session, sandbox: Sandbox, running: Callable[[], list[int]]) -> None:
        """Is a fork bomb bounded while it runs, and gone when its time is up?"""
        seen = []

        def count() -> None:
            time.sleep(0.7)
            seen.append(len(running()))

        counter = threading.Thread(target=count)
        counter.start()
        bomb = "while True:\n    try: os.fork()\n    except OSError: pass"
        assert lose(state.fork(), bomb, 1.2) == "stopped after 1.2 s"
        counter.join()
        assert sandbox.limits.processes / 2 < seen[0] <= sandbox.limits.processes + 3
        assert works(state)

    def test_what_a_cell_leaves_running(self, state: Session) -> None:
        """Do the copies of a cell that forked not answer for it, and can its state still be copied?"""
        session = state.fork()
        result = session.run("while True:\n    try: os.fork()\n    except OSError: break", "<forks>", SECONDS)
        assert result.error == ""
        assert works(session)
        assert works(state)

    def test_lost_session_is_gone(self, state: Session, running: Callable[[], list[int]]) -> None:
        """Does what a lost cell has started end with it, not with the submission?"""
        before = len(running())
        lose(state.fork(), "for i in range(9):\n    if os.fork() == 0: time.sleep(99)\nwhile True: pass", 0.4)
        deadline = time.monotonic() + 2  # the kernel may still be taking them apart
        while len(running()) > before and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(running()) == before

    def test_processes_in_the_background(self, state: Session) -> None:
        """Can a state be copied whose cell left so many processes running that none more can start?"""
        cell = "try:\n    while True:\n        if os.fork() == 0: time.sleep(99)\nexcept OSError: pass"
        assert state.run(cell, "<background>", SECONDS) == ([], "")
        assert works(state)

    def test_zombies(self, state: Session) -> None:
        """Can a state be copied whose cell filled the process table with children that nobody waits for?"""
        cell = "try:\n    while True:\n        if os.fork() == 0: os._exit(0)\nexcept OSError: pass"
        assert state.run(cell, "<zombies>", SECONDS) == ([], "")
        assert works(state)

    def test_daemons(self, state: Session) -> None:
        """Does a process that detaches itself end with the submission?"""
        daemon = (
            "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
            "        while True:\n            open('/tmp/alive', 'a').write('x')\n            time.sleep(0.01)\n"
            "    os._exit(0)"
        )
        assert state.run(daemon, "<daemon>", SECONDS).error == ""
        alive = state.run("time.sleep(0.1)\nprint(os.path.getsize('/tmp/alive') > 0)", "<look>", SECONDS)
        assert alive.outputs[0]["text"] == "True\n"

    def test_threads(self, state: Session) -> None:
        """Are threads bounded, and do they end with the submission?"""
        cell = "while True: threading.Thread(target=time.sleep, args=(100,), daemon=True).start()"
        assert state.run(cell, "<threads>", SECONDS).error == "stopped with RuntimeError"

    def test_kill_all(self, state: Session) -> None:
        """Does killing every process fail, so that kept states live on?"""
        assert (
            state.fork().run("os.kill(-1, signal.SIGKILL)", "<kill>", SECONDS).error
            == "stopped with PermissionError"
        )
        assert works(state)

    def test_kill_the_first_process(self, state: Session) -> None:
        """Is the keeper immune to signals from inside?"""
        cell = (
            "for number in set(signal.Signals) - {signal.SIGCHLD}:\n    os.kill(1, number)\ntime.sleep(0.1)"
        )
        assert state.fork().run(cell, "<kill>", SECONDS).error == ""
        assert works(state)

    def test_kill_each(self, state: Session) -> None:
        """Does a submission that kills its own kept states end, with a reason, and nothing else?"""
        cell = "for pid in range(2, 100):\n    if pid != os.getpid():\n        try: os.kill(pid, 9)\n        except OSError: pass"
        state.fork().run(cell, "<kill>", SECONDS)
        with pytest.raises(SessionLost, match="its process ended"):
            state.fork()

    def test_limits_of_the_first_process(self, state: Session) -> None:
        """Does changing the keeper's limits cost at most the submission?"""
        cell = "import resource\nfor kind in range(16):\n    try: resource.prlimit(1, kind, (0, 0))\n    except Exception: pass"
        state.run(cell, "<limits>", SECONDS)


class TestMemory:
    """Memory and files."""

    @pytest.mark.parametrize(
        "cell", ["x = bytearray(10**10)", "a = []\nwhile True: a.append(bytearray(10**7))"]
    )
    def test_one_process(self, state: Session, cell: str) -> None:
        """Is too much memory in one process an error of that cell?"""
        assert state.fork().run(cell, "<memory>", SECONDS).error == "stopped with MemoryError"
        assert works(state)

    @pytest.mark.parametrize(
        "take",
        ["kept = bytearray(60_000_000)", "kept = mmap.mmap(-1, 60_000_000); kept.write(bytes(60_000_000))"],
    )
    def test_many_processes(self, state: Session, take: str) -> None:
        """Are processes ended that take too much memory together?"""
        cell = (
            "import mmap\nfor i in range(20):\n    if os.fork() == 0:\n"
            f"        {take}\n        time.sleep(100)\n"
            "ended = 0\nfor i in range(10): ended += os.wait()[0] > 0\nprint(ended)"
        )
        result = state.fork().run(cell, "<memory>", SECONDS)
        assert (result.outputs[-1]["text"], result.error) == ("10\n", "")
        assert works(state)

    def test_reason(self, state: Session) -> None:
        """Is the cell told that it ran out of memory, when its own process was the largest?"""
        cell = (
            "if os.fork() == 0:\n    also = bytearray(190_000_000)\n    time.sleep(100)\n"
            "time.sleep(0.5)\nkept = bytearray(340_000_000)\ntime.sleep(5)"
        )
        assert lose(state.fork(), cell, SECONDS) == "ran out of memory"
        assert works(state)

    def test_reason_of_another_submission(self, sandbox: Sandbox) -> None:
        """Is the reason of one submission's end not told to the next one's process of the same number?"""
        reasons = []
        for cell in ("if os.fork() == 0:\n    kept = bytearray(190_000_000)\n    time.sleep(100)\n"
                     "time.sleep(0.5)\nkept = bytearray(340_000_000)\ntime.sleep(5)", "os._exit(3)"):  # fmt: skip
            with sandbox.submission() as root:
                session = root.fork()
                reasons.append(lose(session, "import os, time\n" + cell, SECONDS))
                reasons.append(str(session.pid))
        assert reasons == ["ran out of memory", "3", "its process ended (exit status 3)", "3"]

    def test_recursion_without_a_limit(self, state: Session) -> None:
        """Does endless recursion end?"""
        cell = "sys.setrecursionlimit(10**9)\ndef f(n): return f(n + 1)\nf(0)"
        assert "memory" in lose(state.fork(), cell, SECONDS).lower()
        assert works(state)

    @pytest.mark.parametrize("place", ["/tmp", "/dev/shm", HOME])
    def test_disk(self, state: Session, place: str) -> None:
        """Is every place that can be written bounded in bytes and in files?"""
        for cell in (
            f"open('{place}/large', 'wb').write(bytes(10**8))",
            f"for i in range(100): open(f'{place}/{{i}}', 'wb').write(bytes(10**6))",
            f"for i in range(100_000): open(f'{place}/x{{i}}', 'wb').close()",
        ):
            assert state.fork().run(cell, "<disk>", SECONDS).error == "stopped with OSError"
        assert works(state)

    def test_file_descriptors(self, state: Session) -> None:
        """Does a cell that opens all its files cost itself alone?"""
        worker = state.fork()
        result = worker.run("kept = []\nwhile True: kept.append(open('/dev/null'))", "<files>", SECONDS)
        assert result.error == "stopped with OSError"
        assert worker.run("assert 50 < len(kept) < 100", "<count>", SECONDS) == ([], "")
        with pytest.raises(SessionLost, match="could not be copied"):
            worker.fork()
        assert works(state)


def test_trusted_side_keeps_no_descriptors(sandbox: Sandbox, root: Session) -> None:
    """Are sockets of lost and closed sessions closed here, and descriptors sent by a student never taken?"""
    before = len(os.listdir("/proc/self/fd"))
    send = (
        "import socket, array\n"
        "for fd in range(3, 100):\n    try: s = socket.socket(fileno=os.dup(fd))\n    except OSError: continue\n"
        "    s.sendmsg([b'junk' * 100], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [0, 1, 2]))])"
    )
    for source in (send, "os._exit(0)", send):
        session = root.fork()
        session.run("import os", "<prepare>", SECONDS)
        lose(session, source, SECONDS)
        root.fork().close()
    assert len(os.listdir("/proc/self/fd")) == before
