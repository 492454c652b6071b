"""The UAI file format of models and evidence: whitespace-separated numbers, read with the line in every complaint.

Used through `graphical_models.read_uai` and `graphical_models.write_uai`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

__all__ = [
    "Tables",
    "read_evidence",
    "read_tables",
    "write_tables",
]


class Tables(NamedTuple):
    """The contents of a model file: its preamble's kind, MARKOV or BAYES, and probability tables."""

    kind: str
    cardinalities: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    tables: tuple[np.ndarray, ...]


class _Tokens:
    """Reads a file word by word and knows the line of each."""

    def __init__(self, path) -> None:
        self.path = Path(path)
        text = self.path.read_text(encoding="utf-8", errors="replace")
        self.words = [
            (word, number) for number, line in enumerate(text.splitlines(), 1) for word in line.split()
        ]
        self.place = 0

    def error(self, expected: str, came: str, line: int) -> ValueError:
        return ValueError(f"{self.path}, line {line}: expected {expected}, got {came}")

    def word(self, expected: str) -> tuple[str, int]:
        if self.place == len(self.words):
            last = self.words[-1][1] if self.words else 1
            raise self.error(expected, "the end of the file", last)
        self.place += 1
        return self.words[self.place - 1]

    def integer(self, expected: str, low: int, high: int | None = None) -> int:
        word, line = self.word(expected)
        try:
            value = int(word)
        except ValueError:
            raise self.error(expected, repr(word), line) from None
        if value < low or (high is not None and value > high):
            raise self.error(expected, str(value), line)
        return value

    def probability(self, expected: str) -> float:
        word, line = self.word(expected)
        try:
            value = float(word)
        except ValueError:
            raise self.error(expected, repr(word), line) from None
        if not (np.isfinite(value) and value >= 0):
            raise self.error(expected, word, line)
        return value

    def end(self) -> None:
        if self.place < len(self.words):
            word, line = self.words[self.place]
            raise self.error("the end of the file", repr(word), line)


def read_tables(path) -> Tables:
    """Read a .uai model file.

    Raises
    ------
    ValueError
        If it is malformed; the message says in which line, what was expected and what came.
    """
    tokens = _Tokens(path)
    kind, line = tokens.word("the preamble MARKOV or BAYES")
    if kind not in ("MARKOV", "BAYES"):
        raise tokens.error("the preamble MARKOV or BAYES", repr(kind), line)
    num_variables = tokens.integer("the number of variables, at least 1", 1)
    cardinalities = tuple(
        tokens.integer(f"the number of states of variable {v}, at least 1", 1) for v in range(num_variables)
    )
    num_factors = tokens.integer("the number of tables, at least 0", 0)
    scopes = []
    for f in range(num_factors):
        length = tokens.integer(
            f"the number of variables of table {f}, from 0 to {num_variables}", 0, num_variables
        )
        wanted = f"a variable of table {f}, from 0 to {num_variables - 1}"
        scope = tuple(tokens.integer(wanted, 0, num_variables - 1) for _ in range(length))
        if len(set(scope)) != length:
            raise tokens.error(
                f"distinct variables in table {f}", str(scope), tokens.words[tokens.place - 1][1]
            )
        if kind == "BAYES" and not scope:
            raise tokens.error(
                f"at least one variable in table {f}", "none", tokens.words[tokens.place - 1][1]
            )
        scopes.append(scope)
    tables = []
    for f, scope in enumerate(scopes):
        shape = tuple(cardinalities[v] for v in scope)
        size = int(np.prod(shape, dtype=object)) if shape else 1
        tokens.integer(f"the number of entries of table {f}, {size}", size, size)
        numbers = [tokens.probability(f"a number of at least 0 in table {f}") for _ in range(size)]
        tables.append(np.array(numbers).reshape(shape))
    tokens.end()
    return Tables(kind, cardinalities, tuple(scopes), tuple(tables))


def read_evidence(path, cardinalities: tuple[int, ...]) -> dict[int, int]:
    """Read an evidence file: "count variable state ...", or the same after a leading line with the number of samples, 1.

    Raises
    ------
    ValueError
        If it is malformed, or holds more than one sample.
    """
    tokens = _Tokens(path)
    num_words = len(tokens.words)
    if num_words == 0:
        return {}
    if not (tokens.words[0][0].isdigit() and num_words == 1 + 2 * int(tokens.words[0][0])):
        tokens.integer("one sample of evidence", 1, 1)
        if num_words == 1:
            return {}
    count = tokens.integer(
        f"the number of observed variables, from 0 to {len(cardinalities)}", 0, len(cardinalities)
    )
    evidence: dict[int, int] = {}
    for _ in range(count):
        variable = tokens.integer(f"a variable from 0 to {len(cardinalities) - 1}", 0, len(cardinalities) - 1)
        highest = cardinalities[variable] - 1
        state = tokens.integer(f"a state of variable {variable}, from 0 to {highest}", 0, highest)
        if evidence.get(variable, state) != state:
            line = tokens.words[tokens.place - 1][1]
            raise tokens.error(f"one state of variable {variable}", f"{evidence[variable]} and {state}", line)
        evidence[variable] = state
    tokens.end()
    return evidence


def write_tables(path, kind: str, cardinalities, scopes, tables) -> None:
    """Write a .uai model file; numbers have 17 digits, so they read back the same."""
    lines = [kind, str(len(cardinalities)), " ".join(map(str, cardinalities)), str(len(scopes))]
    lines += [" ".join(map(str, (len(scope), *scope))) for scope in scopes]
    for table in tables:
        lines += ["", str(np.size(table)), " ".join(f"{x:.17g}" for x in np.ravel(table))]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
