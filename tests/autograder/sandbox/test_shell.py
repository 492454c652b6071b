"""The shortcuts by which the sandbox's IPython runs a cell: do they change nothing?"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from autograder.sandbox import Session
from autograder.sandbox.inside.shell import MARKS

PIECES = [
    *(
        "x",
        "f(x)",
        " ",
        "    ",
        "\t",
        "\n",
        "\n\n",
        " = ",
        "#",
        "\\\n",
        "'",
        '"',
        '"""',
        ":",
        ".",
        "...",
        "[0]",
        "(",
        ")",
        "{",
    ),
    *("\u2028", "\f", "%", "%%time", "!", "!=", "!ls", "?", "??", ",", ";", "/", "@", "def f():\n"),
    *(">>> ", "... ", "   ...: ", "In [1]: ", "[ins] In [2]: "),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example("x = 1\n  \n'''\n  \n'''")
@example("\nx = 1\n")
@example("x = 1\n,f x")
@example("if x:\n    /f x")
@example("x = 1\n[nav] In [3]: x")
@example("    x\n    y")
@example("x\u2028x")
@example("x = 1\n!ls")
@example("x = (\n!= y)")
def test_what_has_no_mark_of_ipython_stays_as_it_is(cell: str) -> None:
    """Is a cell of several lines without marks the same after all that IPython does to it?"""
    if len(cell.splitlines()) > 1 and not MARKS.search(cell):
        assert TransformerManager().transform_cell(cell) == cell + "\n" * (not cell.endswith("\n"))


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("x = 2\nx", "2"),
        ("x = 2\n%who_ls", "['x']"),
        ("  x = 2\n  x", "2"),
        (">>> x = 2\n>>> x", "2"),
        ("In [1]: x = 2\nIn [2]: x", "2"),
        ("x = 'a?'\nx", "'a?'"),
        ("x = 3\nx != 3", "False"),
        ("import asyncio\nawait asyncio.sleep(0, 5)", "5"),
        ("async def f():\n    return 6\nawait f()", "6"),
        ("async def f():\n    return 7\nf.__name__", "'f'"),
    ],
)
def test_cells(root: Session, cell: str, shown: str) -> None:
    """Does IPython's part of a cell still do what it says?"""
    (output,) = root.run(cell, "<cell>", 10).outputs
    assert output["data"]["text/plain"] == shown


@pytest.mark.parametrize(
    "transforms",
    ["input_transformers_post", "input_transformers_cleanup", "input_transformer_manager.line_transforms"],
)
def test_a_transform_of_the_students(root: Session, transforms: str) -> None:
    """Is a cell changed by what a student's code has put into IPython for that?"""
    added = f"get_ipython().{transforms}.append(lambda lines: [line.replace('one', '1') for line in lines])"
    assert root.run(added, "<cell>", 10).error == ""
    (output,) = root.run("x = one\nx + one", "<cell>", 10).outputs
    assert output["data"]["text/plain"] == "2"
