"""Makes this process start sooner; imported before anything else, here and in the server that workers are forked from."""

import gc
import sys

# Imports make many objects and next to no garbage. Whoever imports this module calls `done` after them.
gc.disable()

# jsonschema, which nbformat needs, imports it where it is installed: it builds a grammar of addresses, which takes a quarter
# of a second, for a check of JSON that no notebook's schema asks for.
sys.modules.setdefault("rfc3987_syntax", None)


def done() -> None:
    """Collect garbage again: all is imported, and lasts, so no collection need look at it, or copy pages that processes share."""
    gc.freeze()
    gc.enable()
