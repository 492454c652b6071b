"""Does once, in the server that workers are forked from, what every worker would else do; imported after all others there."""

import warnings

from numba.core.registry import cpu_target

from autograder import light
from autograder.sandbox import original

# Python's server of processes knows its workers alone, and warns of any other child that ends.
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")
original.start()  # unless this process was forked from one that has done so

# What Numba does at the first call of a compiled function, whichever it is; it starts no threads.
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()

light.done()
