"""Does once, in the server that workers are forked from, what every worker would else do; imported after all others there."""

import gc

gc.enable()  # autograder.light switched it off

from numba.core.registry import cpu_target  # noqa: E402

# What Numba does at the first call of a compiled function, whichever it is; it starts no threads.
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()

gc.freeze()  # a collection in a worker would else copy every page that the workers share
