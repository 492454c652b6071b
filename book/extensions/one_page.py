"""Sphinx extension: lets the builder of a single page, which make pdf prints, write all nodes that the builder of pages can write.

Sphinx asks either the handlers for "singlehtml" or those for "html"; as soon as one extension has some for the former, all others'
are forgotten.
"""

from sphinx.application import Sphinx


def share_handlers(app: Sphinx) -> None:
    handlers = app.registry.translation_handlers
    handlers["singlehtml"] = {**handlers["html"], **handlers.get("singlehtml", {})}


def setup(app: Sphinx) -> dict:
    app.connect("builder-inited", share_handlers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
