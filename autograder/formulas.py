"""Formulas that students write, as MathML: browsers and screen readers show it without a script.

What the converter makes of a stranger's TeX is built anew from a short list of elements and attributes, so that nothing
else of it comes onto a page.
"""

from __future__ import annotations

import functools
import html
import re
from xml.etree import ElementTree

from latex2mathml.converter import convert_to_element

from autograder.sanitise import source_text

MAX_TEX = 1_000
"""Characters of a formula that is shown as one."""

_SPACING = {"lspace", "rspace", "stretchy", "fence", "form", "largeop", "movablelimits", "minsize", "maxsize"}
ELEMENTS: dict[str, set[str]] = {
    "math": {"display"},
    "mi": {"mathvariant"},
    "mn": set(),
    "mo": _SPACING,
    "mtext": set(),
    "mspace": {"width", "height", "depth"},
    "mrow": set(),
    "mfrac": {"linethickness"},
    "msqrt": set(),
    "mroot": set(),
    "mstyle": {"displaystyle", "scriptlevel"},
    "mpadded": {"width", "lspace"},
    "mphantom": set(),
    "msub": set(),
    "msup": set(),
    "msubsup": set(),
    "munder": {"accentunder"},
    "mover": {"accent"},
    "munderover": {"accent", "accentunder"},
    "mtable": {"columnalign", "displaystyle"},
    "mtr": set(),
    "mtd": {"columnalign"},
}
"""What a formula is made of, and the attributes that are kept: those that hold lengths, kinds and yes or no, but no address or style."""

_VALUE = re.compile(r"[a-z0-9.%+ -]*", re.ASCII)


@functools.lru_cache(maxsize=1024)  # a class writes many formulas alike
def mathml(tex: str, display: bool) -> str | None:
    """Convert a formula.

    Parameters
    ----------
    tex : str
        Without the dollars around it.
    display : bool
        Whether it stands in lines of its own.

    Returns
    -------
    str or None
        An element `math`; None if the formula is too long or isn't understood, and should be shown as it was written.
    """
    if len(tex) > MAX_TEX:
        return None
    try:
        formula = convert_to_element(tex, display="block" if display else "inline")
    except Exception:  # noqa: BLE001 - a stranger's formula may fail anywhere in the converter, whose errors have no common base
        return None
    return ElementTree.tostring(_anew(formula), encoding="unicode")


def _anew(element: ElementTree.Element) -> ElementTree.Element:
    """Copy what is on the list; an element that isn't becomes a row of what is in it."""
    kept = ELEMENTS.get(element.tag, set())
    copy = ElementTree.Element(
        element.tag if element.tag in ELEMENTS else "mrow",
        {name: value for name, value in element.items() if name in kept and _VALUE.fullmatch(value)},
    )
    copy.text = source_text(html.unescape(element.text or ""))  # the converter writes symbols as entities
    before = None
    for child in element:
        # TeX sets log apart from what it is the logarithm of; in MathML two names stand side by side as factors do.
        if (
            before is not None
            and (_is_function(before) or _is_function(child))
            and "mo" not in (before.tag, child.tag)
        ):
            ElementTree.SubElement(copy, "mspace", width="0.167em")
        copy.append(_anew(child))
        before = child
    return copy


def _is_function(element: ElementTree.Element) -> bool:
    return element.tag == "mi" and len(element.text or "") > 1 and (element.text or "").isalpha()
