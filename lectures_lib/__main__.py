"""Compiles every kernel into numba's cache, so that first calls are quick: `python -m lectures_lib`."""

from __future__ import annotations

import sys
import time

from lectures_lib.first_calls import first_calls


def main() -> int:
    """Call everything that is compiled, once in each precision, with progress on stderr."""
    start = time.perf_counter()
    calls = first_calls()
    for number, (name, call) in enumerate(calls.items(), 1):
        print(f"\rcompiling kernels {number}/{len(calls)}: {name:<40}", end="", file=sys.stderr, flush=True)
        call()
    print(
        f"\rcompiled {len(calls)} entry points in {time.perf_counter() - start:.0f} s{'':<40}",
        file=sys.stderr,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
