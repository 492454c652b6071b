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

# Numba's own start: it comes with the first call of anything compiled, whoever's, and imports SciPy's linear algebra on the way.
START = """
import time
from numba.core.registry import cpu_target
start = time.perf_counter()
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
print(time.perf_counter() - start)
"""

FIRST_CALLS = """
import sys, time
from numba.core.registry import cpu_target
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()
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
    own = statistics.median(_run(START) for _ in range(3))
    slowest = max(times, key=times.__getitem__)
    yield Row(
        "first call of any kernel from a filled cache, after Numba's own start",
        "50 ms",
        0.05 / times[slowest],
        1,
        f"slowest of {len(names)}: {slowest}, {duration(times[slowest])}; median "
        f"{duration(statistics.median(times.values()))}; Numba's own start, once a process before that: {duration(own)}",
        "Machine code is read from the cache and linked; a call that reaches several kernels links "
        "each, and the first parallel one starts the threads.",
    )


def _names() -> list[str]:
    code = "from lectures_lib.first_calls import first_calls; print(*first_calls(), sep='\\n')"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return result.stdout.splitlines()
