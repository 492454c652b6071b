"""Runs every `bench_*.py` of this folder, prints the table, and keeps it in results.md."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
from pathlib import Path

import numba
import numpy as np

HERE = Path(__file__).parent
COLUMNS = ("work", "peer", "ratio", "needed", "note")


def main() -> int:
    """Measure, print and keep; exit 1 when a ratio falls short of what is needed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    names = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))
    parser.add_argument(
        "only", nargs="*", choices=[*names, []], metavar="NAME", help=f"one of {', '.join(names)}"
    )
    only = parser.parse_args().only or names
    rows = []
    for name in only:
        print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += importlib.import_module(f"benchmarks.bench_{name}").rows()
    table = _markdown(rows)
    print(table)
    if only == names:
        (HERE / "results.md").write_text(f"{_head()}\n{table}\n", encoding="utf-8")
    short = [row["work"] for row in rows if row["needed"] is not None and row["ratio"] < row["needed"]]
    for work in short:
        print(f"falls short: {work}", file=sys.stderr)
    return 1 if short else 0


def _head() -> str:
    return (
        "# Speed, as ratios against peers\n\n"
        "Written by `make bench`. Each row is measured side by side with its peer in one run; a ratio is the median of\n"
        "the peer's time over the median of ours, so above 1 means faster. Times of one machine say little about another.\n\n"
        f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, NumPy {np.__version__}, "
        f"Numba {numba.__version__}.\n"
    )


def _markdown(rows: list[dict]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
    for row in rows:
        needed = "" if row["needed"] is None else f"{row['needed']:g}"
        lines.append(f"| {row['work']} | {row['peer']} | {row['ratio']:.2f} | {needed} | {row['note']} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
