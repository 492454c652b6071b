"""The program `autograder`. For grading, it starts the server that workers are forked from before anything else.

That server is a copy of this process, taken when it has imported what both need; then each goes on with its own. This
module is imported again in every worker, since Python's multiprocessing imports the program there: so nothing is imported
at its head.
"""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line, and end with its exit code."""
    import os

    from autograder import light

    if sys.argv[1:2] == ["grade"]:
        from autograder.preload import start_first

        start_first(sys.argv[2:3])
        for name in ("gradebook", "feedback", "doctor"):  # workers grade while they are imported
            light.later(f"autograder.{name}")
    from autograder.cli import main as run

    light.done()
    code = run()
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written and closed; to take the interpreter down module by module would take longer than to grade a submission.
    os._exit(code)
