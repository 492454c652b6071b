"""Starts the server that sandboxes are copied from, before the server that workers are forked from makes its own imports."""

import warnings

from autograder.sandbox import original

# Python's server of processes knows its workers alone, and warns of any other child that ends.
warnings.filterwarnings("ignore", "forkserver: waitpid returned unexpected pid")

original.start()
