"""The program `autograder`. For grading, it starts the server that workers are forked from before anything else.

That server imports what workers need while this process imports what it needs itself. This module is imported again in
every worker, since Python's multiprocessing imports the program there: so nothing is imported at its head.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line; returns the exit code."""
    import gc

    from autograder import light  # noqa: F401 - before all others, for what it does

    if sys.argv[1:2] == ["grade"]:
        from autograder.preload import start

        start(sys.argv[2:3])
    from autograder.cli import main as run

    gc.freeze()
    gc.enable()
    return run()
