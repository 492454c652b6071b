"""Runs every `bench_*.py` of this folder, or those named, prints each row as it comes, and keeps a "
"whole run in results.md."""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import time
from pathlib import Path

import numba
import numpy as np
import sklearn
from threadpoolctl import threadpool_info

from benchmarks import machine
from benchmarks.timing import Row, verdict

HERE = Path(__file__).parent


def main() -> int:
    """Measure, print and keep; exit 1 when a ratio falls short of what is needed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"some of {', '.join(names)}; all by default")
    only = parser.parse_args().only or names
    if unknown := sorted(set(only) - set(names)):
        parser.error(f"expected some of {', '.join(names)}, got {', '.join(unknown)}")
    start = time.perf_counter()
    rows: list[Row] = []
    for name in only:
        print(f"[{time.perf_counter() - start:4.0f} s] {name}", file=sys.stderr, flush=True)
        for row in importlib.import_module(f"benchmarks.bench_{name}").rows():
            rows.append(row)
            print(f"  {row.work}, against {row.peer}: {row.ratio:.2f} {verdict(row)}", flush=True)
            print(f"    {row.measured}", flush=True)
    if only == names:
        (HERE / "results.md").write_text(_page(rows), encoding="utf-8")
        print(f"kept in {HERE.name}/results.md", file=sys.stderr)
    short = [row for row in rows if row.falls_short]
    for row in short:
        print(f"falls short: {row.work}: {row.ratio:.2f}, needed {row.needed:.2f}", file=sys.stderr)
    return 1 if short else 0


def _page(rows: list[Row]) -> str:
    return "\n".join([*_head(rows), *_table(rows), "", *_limits(rows)]) + "\n"


def _head(rows: list[Row]) -> list[str]:
    aimed = [row for row in rows if row.needed is not None]
    met = sum(not row.falls_short for row in aimed)
    blas = " and ".join(sorted({_blas(pool) for pool in threadpool_info() if pool["user_api"] == "blas"}))
    return [
        "# Speed, as ratios against peers",
        "",
        "Written by `make bench`. Each row is measured side by side with its peer in one run, the two "
        "taking turns; a ratio is the",
        "median of the peer's time over the median of ours, so above 1 means faster. Times of one "
        "machine say little about another.",
        "",
        f"{numba.config.NUMBA_DEFAULT_NUM_THREADS} cores, {platform.machine()}, Python "
        f"{platform.python_version()}, NumPy {np.__version__}, "
        f"Numba {numba.__version__}, scikit-learn {sklearn.__version__}; BLAS: {blas}.",
        f"In this run the machine copied memory at {machine.copy_rate() / 1e9:.0f} GB/s (read and "
        f"written), multiplied matrices at "
        f"{machine.sgemm_rate(1500, 1500, 1500) / 1e9:.0f} GFLOP/s (float32, 1500 x 1500),",
        f"and took {machine.tanh_time() * 1e9:.2f} ns for an `np.tanh` in float64.",
        "",
        f"{met} of {len(aimed)} rows with a target meet it.",
        "",
    ]


def _blas(pool: dict) -> str:
    core = pool.get("architecture", "an unnamed core")
    return f"{pool['internal_api']} {pool['version']}, kernels for {core}, {pool['num_threads']} threads"


def _table(rows: list[Row]) -> list[str]:
    lines = ["| work | peer | ratio | needed | | measured |", "| --- | --- | ---: | ---: | --- | --- |"]
    for row in rows:
        needed = "" if row.needed is None else f"{row.needed:.3g}"
        lines.append(
            f"| {row.work} | {row.peer} | {row.ratio:.2f} | {needed} | {verdict(row)} | {row.measured} |"
        )
    return lines


def _limits(rows: list[Row]) -> list[str]:
    lines = ["## What holds each one back", ""]
    return lines + [f"- **{row.work}.** {row.limit}" for row in rows if row.limit]


if __name__ == "__main__":
    sys.exit(main())
