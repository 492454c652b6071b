"""Sphinx extension: leaves out the "Alias for field number 0" of named tuples, whose docstrings describe the fields."""

from collections import namedtuple

from sphinx.application import Sphinx

FIELD = type(namedtuple("Probe", "field").field)


def skip_field(app: Sphinx, what: str, name: str, obj, skip: bool, options) -> bool | None:
    return True if isinstance(obj, FIELD) else None


def setup(app: Sphinx) -> dict:
    app.connect("autodoc-skip-member", skip_field)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
