"""A kernel on several threads that meet at a gate: threads of a call's own, so that nothing outlives it and a fork finds none.

The gate is one counter. Who waits there spins, since a meeting takes less than a microsecond, and goes to sleep where it takes far
longer: the other may need this very processor, and on a busy machine a thread that sleeps keeps its claim to one, where `sched_yield`
would give it up for milliseconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_sleep = types.ExternalFunction("Sleep" if os.name == "nt" else "usleep", types.int32(types.uint32))
_SLEEP = 0 if os.name == "nt" else 20  # milliseconds there, microseconds here; 0 lets others go first
_SPINS = 50_000
_OPEN = 1 << 62


def num_threads() -> int:
    """As many as Numba's own parallel kernels would run on, asked for without starting these."""
    if numba.config.DISABLE_JIT:
        return 1
    try:
        numba.threading_layer()
    except ValueError:  # none has started, so nobody has set another number either
        return numba.config.NUMBA_NUM_THREADS
    return numba.get_num_threads()


def run(kernel: Callable[..., object], members: Sequence[object], *args: object) -> None:
    """Call kernel(member, number of members, gate, *args) for every member, each on a thread of its own, and wait for all.

    The kernel must release Python's lock, and every member has to meet the others equally often.
    """
    gate = np.zeros(1, np.int64)

    def work(member: object) -> None:
        try:
            kernel(member, len(members), gate, *args)
        finally:
            gate[0] = _OPEN  # who has ended, however, keeps nobody waiting

    if len(members) == 1:
        work(members[0])
        return
    with ThreadPoolExecutor(len(members) - 1) as pool:
        try:
            others = [pool.submit(work, member) for member in members[1:]]
            work(members[0])
        finally:
            # After an interrupt, or where a thread could not be started: those that were must not wait.
            gate[0] = _OPEN
    for other in others:
        other.result()


@intrinsic
def _arrive(typing, gate):
    """Add 1 to the gate's counter: what was written before can be read by whoever sees the sum."""

    def build(context, builder, signature, args):
        counter = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.atomic_rmw("add", counter, ir.Constant(ir.IntType(64), 1), "acq_rel")

    return types.int64(gate), build


@intrinsic
def _arrived(typing, gate):
    """The gate's counter."""

    def build(context, builder, signature, args):
        counter = context.make_array(signature.args[0])(context, builder, args[0]).data
        return builder.load_atomic(counter, "acquire", 8)

    return types.int64(gate), build


@njit
def meet(gate, size, number):
    """Wait until all threads of the team have come here for the number-th time, from 1."""
    if size > 1:
        _arrive(gate)
        spins = 0
        while _arrived(gate) < size * number:
            spins += 1
            if spins > _SPINS:
                _sleep(_SLEEP)
