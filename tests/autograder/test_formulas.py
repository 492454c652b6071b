"""Formulas as MathML: what is understood is shown, and nothing else of a stranger's TeX comes onto a page."""

from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.formulas import ELEMENTS, MAX_TEX, mathml


def elements(formula):
    return list(ElementTree.fromstring(formula).iter())


def text(formula):
    return "".join(ElementTree.fromstring(formula).itertext())


@pytest.mark.parametrize(
    ("tex", "shown"),
    [
        (r"F(q, \theta) \ge 0", "F(q,θ)≥0"),
        (r"\frac{a}{b}", "ab"),
        ("a < b & c", "a<b&c"),
        (r"\text{if <b> & so}", "if\u00a0<b>\u00a0&\u00a0so"),
        (r"\mathbb{E}_q[\log p]", "𝔼q[logp]"),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "(1234)"),
    ],
)
def test_what_is_shown(tex, shown):
    assert text(mathml(tex, display=False)) == shown


def test_a_formula_of_its_own_lines():
    assert ElementTree.fromstring(mathml("x", display=True)).get("display") == "block"
    assert ElementTree.fromstring(mathml("x", display=False)).get("display") == "inline"


def test_a_function_stands_apart_from_its_argument():
    kinds = [element.tag for element in elements(mathml(r"2\log p", display=False))]
    assert kinds == ["math", "mrow", "mn", "mspace", "mi", "mspace", "mi"]
    assert "mspace" not in mathml(r"\log(p)", display=False)


@pytest.mark.parametrize(
    "tex",
    ["{" * 400, r"\left(", "x_a_b", r"\sqrt" * 150, r"\begin{matrix}", "a" * (MAX_TEX + 1)],
)
def test_what_is_not_understood(tex):
    assert mathml(tex, display=False) is None


def test_an_attribute_holds_a_plain_value_or_is_left_out():
    for length, kept in (("1em", {"width": "1em"}), ("\x1b", {})):
        (space,) = (e for e in elements(mathml(f"\\hspace{{{length}}}", display=False)) if e.tag == "mspace")
        assert dict(space.items()) == kept


HOSTILE = {
    r"\href{javascript:alert(1)}{x}": "x",
    r"\style{background:url(//e.example)}{x}": "x",
    r"\class{top}{x}": "x",
    r"\text{<script>alert(1)</script>}": "<script>alert(1)</script>",
    r"\mathrm{</math><img src=x onerror=alert(1)>}": "</math><imgsrc=xonerror=alert(1)>",
    r"\color{red;background:url(//e.example)}{x}": "x",
    r"\hspace{1em\" onclick=\"alert(1)}": "",
    r"\begin{array}{l\" onclick=\"alert(1)} 1 \end{array}": r"l\"onclick=\"alert(1)1",
}


def assert_built_from_the_list(formula):
    for element in elements(formula):
        assert element.tag in ELEMENTS
        assert set(element.keys()) <= ELEMENTS[element.tag]


@pytest.mark.parametrize(("tex", "shown"), HOSTILE.items())
def test_hostile_formulas_are_built_anew(tex, shown):
    formula = mathml(tex, display=True)
    assert_built_from_the_list(formula)
    assert text(formula) == shown


PIECES = st.sampled_from(
    ["\\", "{", "}", "^", "_", "&", "<", ">", '"', "'", "$", "x", "1", " ", "\n", "\\frac", "\\left", "\\right", "\\text{", "\\href{",
     "\\begin{matrix}", "\\end{matrix}", "\\\\", "\\sqrt[", "]", "\\limits", "\\hspace{", "\\not", "\\big", "\\color{", "\\above", "%"]
)  # fmt: skip


@settings(max_examples=500, derandomize=True)
@given(
    st.lists(
        PIECES | st.characters(exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"), max_size=40
    ).map("".join)
)
def test_any_text_is_a_formula_from_the_list_or_none(tex):
    formula = mathml(tex, display=False)
    if formula is not None:
        assert_built_from_the_list(formula)
