"""Does a wait end in time, and is the time that a busy machine takes away from a process given back to it?"""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from autograder.sandbox import Session
from autograder.sandbox.connection import LOOK_SECONDS, MOST_PATIENCE, Closed, Connection, Deadline
from autograder.sandbox.inside import channel
from autograder.sandbox.inside.channel import ChannelError

LIMIT = 4 * LOOK_SECONDS  # a look may come late on a busy machine
SPIN = "import time\nwhile time.process_time() < {}: pass"


def answers_after(seconds: float) -> Callable[[Callable[[], float | None]], object]:
    """Ask a peer that takes so long, with a limit of LIMIT seconds."""

    def ask(waited: Callable[[], float | None]) -> object:
        ours, theirs = socket.socketpair()

        def answer() -> None:
            _, nonce, _ = channel.receive(theirs)
            time.sleep(seconds)
            channel.send(theirs, {"fine": True}, nonce)

        peer = threading.Thread(target=answer)
        peer.start()
        try:
            return Connection(ours, 1000, waited).ask(("any",), LIMIT)
        finally:
            peer.join()
            ours.close()
            theirs.close()

    return ask


def test_time_is_up() -> None:
    """Does a process that had the processor get its limit and no more?"""
    with pytest.raises(TimeoutError):
        answers_after(LIMIT + 0.5)(lambda: 7.0)


def test_waiting_for_a_processor_does_not_count() -> None:
    """Is a process excused that was kept from running?"""
    started = time.monotonic()
    assert answers_after(LIMIT + 0.5)(lambda: 7.0 + time.monotonic() - started) == {"fine": True}


def test_patience_ends() -> None:
    """Does it end however long it was kept waiting?"""
    deadline = Deadline(1.0)
    deadline.excuse(3.0)
    assert deadline.left() <= 1.0  # what it waited before the question is not this question's
    deadline.excuse(4.5)
    assert 2.0 < deadline.left() <= 2.5
    deadline.excuse(3.0 + 1e9)
    assert deadline.left() <= 1.0 + MOST_PATIENCE


def test_gone() -> None:
    """Is it noticed within the wait that the other side is gone?"""
    with pytest.raises(Closed):
        answers_after(LIMIT + 0.5)(lambda: None)


def test_answers_in_pieces_and_ahead() -> None:
    """Is an answer put together from what arrives, and is what follows it no answer to the next question?"""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        _, nonce, _ = channel.receive(theirs)
        message = channel.frame(channel.encode({"text": "x" * 10**5}), nonce)
        for start, end in ((0, 5), (5, channel.HEADER_BYTES + 5), (channel.HEADER_BYTES + 5, None)):
            theirs.sendall(message[start:end])
            time.sleep(0.05)
        _, nonce, _ = channel.receive(theirs)
        theirs.sendall(channel.frame(channel.encode({"number": 2}), nonce) * 2)
        channel.receive(theirs)

    peer = threading.Thread(target=answer)
    peer.start()
    with ours, theirs:
        connection = Connection(ours, 2 * 10**5)
        assert connection.ask(("any",), LIMIT) == {"text": "x" * 10**5}
        assert connection.ask(("any",), LIMIT) == {"number": 2}
        with pytest.raises(ChannelError, match="belong"):
            connection.ask(("any",), LIMIT)
        peer.join()


def test_answers_that_are_none() -> None:
    """Is a message with the right nonce refused that holds no dict?"""
    ours, theirs = socket.socketpair()

    def answer() -> None:
        _, nonce, _ = channel.receive(theirs)
        channel.send(theirs, ["fine"], nonce)

    peer = threading.Thread(target=answer)
    peer.start()
    with ours, theirs:
        with pytest.raises(ChannelError, match="dict"):
            Connection(ours, 1000).ask(("any",), LIMIT)
        peer.join()


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """More processes that compute than this machine has cores."""
    program = [sys.executable, "-c", "print(flush=True)\nwhile True: pass"]
    with contextlib.ExitStack() as running:
        for _ in range(2 * (os.cpu_count() or 1)):
            # Each in a session of its own, as the submission is: where the kernel shares the processors among sessions, all
            # together would have no more than it has.
            hog = running.enter_context(
                subprocess.Popen(program, stdout=subprocess.PIPE, start_new_session=True)
            )
            running.callback(hog.kill)
            hog.stdout.readline()  # it computes from here on
        yield


def test_how_long_a_submission_waited(root: Session, busy_machine: None) -> None:
    """Does the fork server see that a submission's process had to wait?"""
    session = root.fork()
    assert session.run(SPIN.format(0.5), "<spin>", 60).error == ""
    assert session._submission.look(session.pid)["waited"] > 0.05
