"""Threads that meet: what one wrote before, the others read after; and none waits for one that has ended."""

import os
import subprocess
import sys

import numba
import numpy as np
import pytest
from numba import njit

from lectures_lib import _team


@njit(nogil=True)
def pass_on(rank, size, gate, num_rounds, slots, wrong):
    """Write the number of the round, meet, and count the neighbours that have written another; slots of two rounds take turns."""
    for number in range(1, num_rounds + 1):
        slots[number % 2, rank] = number
        _team.meet(gate, size, number)
        for other in range(size):
            if slots[number % 2, other] != number:
                wrong[rank] += 1


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_what_was_written_before_a_meeting_is_read_after_it(size):
    slots, wrong = np.zeros((2, size), np.int64), np.zeros(size, np.int64)
    _team.run(pass_on, range(size), 300, slots, wrong)
    assert (slots == [[300], [299]]).all()
    assert not wrong.any()


@pytest.mark.parametrize("rank", [0, 2])
def test_a_member_that_fails_keeps_nobody_waiting(rank):
    def kernel(me, size, gate, slots, wrong):
        if me == rank:
            raise KeyError("no such unit")
        pass_on(me, size, gate, 5, slots, wrong)

    with pytest.raises(KeyError, match="no such unit"):
        _team.run(kernel, range(3), np.zeros((2, 3), np.int64), np.zeros(3, np.int64))


def test_a_thread_that_cannot_be_started_keeps_nobody_waiting(monkeypatch):
    pool, started = _team.ThreadPoolExecutor, []

    class Scarce(pool):
        def submit(self, *args):
            if started:
                raise RuntimeError("can't start new thread")
            started.append(args)
            return super().submit(*args)

    monkeypatch.setattr(_team, "ThreadPoolExecutor", Scarce)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        _team.run(pass_on, range(3), 5, np.zeros((2, 3), np.int64), np.zeros(3, np.int64))


def test_the_number_of_threads_is_that_of_numba():
    assert _team.num_threads() == numba.get_num_threads()
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        assert _team.num_threads() == 1
    finally:
        numba.set_num_threads(before)


def test_without_numba_there_is_one_thread(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    assert _team.num_threads() == 1


FORK = """
import os, sys
import numba
import numpy as np
from lectures_lib import rbm
rbm.ENOUGH = 1  # so that the work is shared among threads
X = (np.random.default_rng(0).random((100, 20)) < 0.5).astype(float)
W = [rbm.fit(X, 200, np.random.default_rng(0), num_epochs=1).rbm.W]
try:
    sys.exit(f"Numba's own threads were started: {numba.threading_layer()}")
except ValueError:
    pass
child = os.fork()
if child == 0:
    same = np.array_equal(W[0], rbm.fit(X, 200, np.random.default_rng(0), num_epochs=1).rbm.W)
    os._exit(0 if same else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_trains_as_its_parent_did():
    """No thread outlives a call, so a copy of the process lacks none."""
    environment = os.environ | {"NUMBA_NUM_THREADS": "2"}
    subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK],
        check=True,
        timeout=60,
        env=environment,
    )
