"""What a reader waits for at the start: the import, and the first call of each compiled function from a filled cache."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator

from benchmarks.timing import Row, duration

IMPORT = """
import time, numpy, numba
start = time.perf_counter()
import lectures_lib
from lectures_lib import conv_dbn, datasets, dbn, em, gibbs_principle, graphical_models, ising, mean_field, rbm, storage, two_kls
print(time.perf_counter() - start)
"""

# Numba itself takes some 0.2 s to start its compiler, at the first call of anything: that is made before.
FIRST_CALLS = """
import sys, time
from numba import njit
njit(lambda x: x + 1)(1)
from lectures_lib.first_calls import first_calls
call = first_calls()[sys.argv[1]]
start = time.perf_counter()
call()
print(time.perf_counter() - start)
"""


def _run(code: str, *arguments: str) -> float:
    """Run code in a fresh interpreter; returns the number that it prints."""
    result = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return float(result.stdout)


def rows() -> Iterator[Row]:
    """Measure each in interpreters of its own."""
    subprocess.run([sys.executable, "-m", "lectures_lib"], check=True, capture_output=True)
    adds = statistics.median(_run(IMPORT) for _ in range(7))
    yield Row(
        "warm import of lectures_lib, every module but plots",
        "0.15 s beyond NumPy's and Numba's own",
        0.15 / adds,
        1,
        duration(adds),
        "The decorators of some fifty kernels, each of which looks for its cache, and modules of the "
        "standard library that only the data sets need.",
    )
    names = _names()
    times = {name: statistics.median(_run(FIRST_CALLS, name) for _ in range(3)) for name in names}
    slowest = max(times, key=times.__getitem__)
    yield Row(
        "first call of any kernel from a filled cache, after Numba's own start",
        "50 ms",
        0.05 / times[slowest],
        1,
        f"slowest of {len(names)}: {slowest}, {duration(times[slowest])}; median "
        f"{duration(statistics.median(times.values()))}",
        "Machine code is read from the cache and linked; a call that reaches several kernels links "
        "each, and the first parallel one starts the threads.",
    )


def _names() -> list[str]:
    code = "from lectures_lib.first_calls import first_calls; print(*first_calls(), sep='\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.splitlines()
