"""Makes this process start sooner; imported before anything else, here and in the server that workers are forked from."""

import gc
import importlib.util
import sys
from types import ModuleType

# Imports make many objects and next to no garbage. Whoever imports this module calls `done` after them.
gc.disable()

# jsonschema, which nbformat needs, imports it where it is installed: it builds a grammar of addresses, which takes a quarter
# of a second, for a check of JSON that no notebook's schema asks for.
sys.modules.setdefault("rfc3987_syntax", None)

# The same for nbconvert's Beautiful Soup, which imports a language of selectors: nothing here selects from a page.
sys.modules.setdefault("soupsieve", ModuleType("soupsieve"))

# nbgrader imports its pages for Jupyter's server whatever is asked of it, and with them the server.
for _name in ("assignment_list", "course_list", "formgrader", "validate_assignment"):
    _page = ModuleType(f"nbgrader.server_extensions.{_name}")
    _page.load_jupyter_server_extension = None
    sys.modules.setdefault(_page.__name__, _page)


def later(name: str) -> None:
    """Have a module imported when something of it is used for the first time, and not when it is named."""
    package, _, own = name.rpartition(".")
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    setattr(sys.modules[package], own, module)
    spec.loader.exec_module(module)


def done() -> None:
    """Collect garbage again: all is imported, and lasts, so no collection need look at it, or copy pages that processes share."""
    gc.freeze()
    gc.enable()
