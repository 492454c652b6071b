"""First-order mutants of a solution: its code with one small change each, as slips make them.

A check that is any good fails all of them, but for those that compute the same by another way. Conversions of what is an array or a
number already (asarray, float, dtype=, strict=) are left alone, and so is the order
of a difference whose square or absolute value is taken: nothing depends on them.
"""

from __future__ import annotations

import ast
import copy
import difflib
from collections.abc import Iterator
from typing import NamedTuple


class Mutant(NamedTuple):
    """Code with one change; `kind` says what was changed, `before` and `after` are the lines concerned, as Python prints them."""

    kind: str
    code: str
    before: str
    after: str

    @property
    def diff(self) -> str:
        """The change as a diff of one or a few lines."""
        return "\n".join(
            [f"- {line}" for line in self.before.split("\n")]
            + [f"+ {line}" for line in self.after.split("\n")]
        )


COMMUTATIVE = ("max", "min", "maximum", "minimum", "logaddexp", "multiply", "add", "allclose", "array_equal")
SAFEGUARDS = ("dtype", "strict")
CONVERSIONS = ("asarray", "float", "list", "tuple")

OPERATORS = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}  # fmt: skip

COMPARISONS = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,), ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}  # fmt: skip

FUNCTIONS = {
    "log": ("log2",), "exp": ("exp2",), "sum": ("mean",), "mean": ("sum",), "max": ("min",), "min": ("max",), "argmax": ("argmin",),
    "argmin": ("argmax",), "maximum": ("minimum",), "minimum": ("maximum",), "zeros": ("ones",), "ones": ("zeros",),
    "zeros_like": ("ones_like",), "ones_like": ("zeros_like",), "tanh": ("sin",), "any": ("all",), "all": ("any",),
    "logaddexp": ("add",),
}  # fmt: skip


def mutants(code: str) -> Iterator[Mutant]:
    """Generate the first-order mutants of the functions that some code defines, each once.

    Raises
    ------
    SyntaxError
        If the code is no Python.
    """
    tree = ast.parse(code)
    original = ast.unparse(tree)
    seen = {original}
    for parent, field, index, node in list(_sites(tree)):
        for kind, replacement in _alternatives(node):
            _put(parent, field, index, replacement)
            mutated = ast.unparse(ast.fix_missing_locations(tree))
            _put(parent, field, index, node)
            if mutated not in seen:
                seen.add(mutated)
                yield Mutant(kind, mutated, *_changed_lines(original, mutated))


def _sites(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Every node inside functions, with its place; not docstrings, annotations or formatted texts."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if field in ("annotation", "returns", "decorator_list", "args") and not isinstance(
                parent, ast.Call
            ):
                continue
            if isinstance(parent, ast.JoinedStr | ast.FormattedValue | ast.Module):
                continue
            if isinstance(parent, ast.keyword) and parent.arg in SAFEGUARDS:
                continue
            if isinstance(value, ast.AST):
                yield parent, field, None, value
            elif isinstance(value, list):
                for index, node in enumerate(value):
                    if isinstance(node, ast.AST):
                        yield parent, field, index, node


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def _alternatives(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.BinOp):
        yield from _binary(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield "sign" if isinstance(node.op, ast.USub) else "negation", node.operand
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARISONS[type(node.ops[0])]:
            yield "comparison", ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield "operator", ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Attribute) and node.attr == "T":
        yield "transpose", node.value
    elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and isinstance(node.ctx, ast.Load):
        yield "order", ast.Tuple(node.elts[::-1], ast.Load())
    elif isinstance(node, ast.If | ast.IfExp):
        for value in (True, False):
            other = copy.copy(node)
            other.test = ast.Constant(value)
            yield "condition", other
    elif isinstance(node, ast.AugAssign):
        if type(node.op) in OPERATORS:
            yield "operator", ast.AugAssign(node.target, OPERATORS[type(node.op)](), node.value)
        yield "dropped statement", ast.Pass()
    elif isinstance(node, ast.Assign | ast.Expr) and not (
        _is_docstring(node) or "np.asarray(" in ast.unparse(node)
    ):
        yield "dropped statement", ast.Pass()


def _binary(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.op, ast.MatMult):
        yield "swapped operands", ast.BinOp(node.right, node.op, node.left)
        return
    if type(node.op) in OPERATORS:
        yield "operator", ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    squared = isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2"
    if squared and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Sub):
        node.left.even = True
    if isinstance(node.op, ast.Sub | ast.Div | ast.Pow | ast.FloorDiv) and not getattr(node, "even", False):
        yield "swapped operands", ast.BinOp(node.right, node.op, node.left)
    yield "dropped term", node.left
    yield "dropped term", ast.UnaryOp(ast.USub(), node.right) if isinstance(node.op, ast.Sub) else node.right


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node.value, bool):
        yield "constant", ast.Constant(not node.value)
    elif isinstance(node.value, int):
        yield "off by one", ast.Constant(node.value + 1)
        yield "off by one", ast.Constant(node.value - 1)
    elif isinstance(node.value, float):
        yield "constant", ast.Constant(node.value + 1)
        tolerance = 0 < node.value < 1e-3  # a stopping rule: twice of it is as good
        yield "constant", ast.Constant((1e4 if tolerance else 2) * node.value if node.value else -1.0)


def _call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "abs" and len(node.args) == 1 and isinstance(node.args[0], ast.BinOp):
        node.args[0].even = True
    if len(node.args) >= 2 and name not in COMMUTATIVE:
        yield (
            "swapped arguments",
            ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords),
        )
    if (
        len(node.args) == 1
        and not node.keywords
        and name not in (*CONVERSIONS, "len", "range", "enumerate", "zip")
    ):
        yield "dropped call", node.args[0]
    if (
        not node.args
        and isinstance(node.func, ast.Attribute)
        and name in ("copy", "ravel", "sum", "max", "min")
    ):
        yield "dropped call", node.func.value
    for other in FUNCTIONS.get(name, ()):
        func = copy.copy(node.func)
        setattr(func, "attr" if isinstance(func, ast.Attribute) else "id", other)
        yield "function", ast.Call(func, node.args, node.keywords)
    if name == "range" and len(node.args) == 1:
        yield "off by one", ast.Call(node.func, [ast.Constant(1), node.args[0]], [])
        if not isinstance(node.args[0], ast.Constant):  # of a number one less is made anyway
            yield "off by one", ast.Call(node.func, [ast.BinOp(node.args[0], ast.Sub(), ast.Constant(1))], [])
    for index, keyword in enumerate(node.keywords):
        rest = node.keywords[:index] + node.keywords[index + 1 :]
        if keyword.arg is not None and keyword.arg not in SAFEGUARDS:
            yield "dropped argument", ast.Call(node.func, node.args, rest)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _changed_lines(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, without their indentation in common."""
    old, new = [], []
    for line in difflib.ndiff(before.split("\n"), after.split("\n")):
        if line.startswith("- "):
            old.append(line[2:].strip())
        elif line.startswith("+ "):
            new.append(line[2:].strip())
    return "\n".join(old), "\n".join(new)
