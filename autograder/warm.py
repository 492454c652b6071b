"""Does once, in the server that workers are forked from, what every worker would else do; imported after all others there."""

from numba.core.registry import cpu_target

from autograder import light

# What Numba does at the first call of a compiled function, whichever it is; it starts no threads.
cpu_target.typing_context.refresh()
cpu_target.target_context.refresh()

light.done()
