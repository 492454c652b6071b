"""Files that stop other graders: each gets a result with a reason, or its answers count all the same."""

import copy
import json
import os

from tests.attacks.submission import FULL, NAME, changed, files, raw, solution_cell

FILE = f"{NAME}.ipynb"


def twice(notebook):
    notebook["cells"].append(copy.deepcopy(solution_cell(notebook, "entropy")))


def wrong_copy_first(notebook):
    wrong = copy.deepcopy(solution_cell(notebook, "entropy"))
    wrong["source"] = "def entropy(q): return 0.0"
    notebook["cells"].insert(0, wrong)


def metadata(value):
    def change(notebook):
        for cell in notebook["cells"]:
            cell["metadata"] = value if not cell["metadata"] else {**cell["metadata"], "tags": value}
        notebook["metadata"] = value

    return change


def marks(**fields):
    def change(notebook):
        for cell in notebook["cells"]:
            if "nbgrader" in cell["metadata"]:
                cell["metadata"]["nbgrader"].update(fields)

    return change


def every_cell_deleted(notebook):
    notebook["cells"] = []


def retyped(notebook):
    solution_cell(notebook, "entropy")["cell_type"] = "markdown"
    solution_cell(notebook, "kl")["cell_type"] = "raw"


def ids(value):
    def change(notebook):
        for cell in notebook["cells"]:
            cell["id"] = value

    return change


def as_json(notebook, **how):
    return json.dumps(notebook, **how).encode("utf-8", "surrogatepass")


def several(folder, notebook):
    for name in (FILE, "other.ipynb", f"{NAME} (1).ipynb", "[red]x.ipynb"):
        (folder / name).write_bytes(as_json(notebook))


def misnamed(folder, notebook):
    (folder / f"{NAME}(1).ipynb").write_bytes(as_json(notebook))
    (folder / "\x1b[31m[bold]x.ipynb").write_bytes(as_json(notebook))


def unreadable(folder, notebook):
    (folder / FILE).mkdir()
    (folder / FILE / FILE).write_bytes(as_json(notebook))


ATTACKS = {
    "duplicate_id": changed(twice),
    "wrong_copy_first": changed(wrong_copy_first, FULL - 3 - 4),  # the first one counts; elbo uses it
    "schema_version": changed(marks(schema_version=99, points=1e308, grade="yes", locked=None)),
    "points": changed(marks(points=-5, grade=True, solution=True, task=True)),
    "grade_id_type": changed(marks(grade_id=["entropy"]), 0),
    "metadata_list": changed(metadata([1, 2])),
    "metadata_text": changed(metadata("x" * 1000)),
    "metadata_null": changed(metadata(None)),
    "no_cells": changed(every_cell_deleted, 0),
    "retyped": changed(retyped, FULL - 3 - 4 - 4),
    "ids": changed(ids("same")),
    "id_types": changed(ids({"not": "an id"})),
    "attachments": changed(
        lambda notebook: [
            c.update(attachments={"../../x": {"image/png": "A" * 1000}}) for c in notebook["cells"]
        ]
    ),
    "outputs": changed(
        lambda notebook: [
            c.update(outputs=[{"output_type": "execute_result", "data": {"text/plain": "20"}}])
            for c in notebook["cells"]
        ]
    ),
    "surrogates": changed(lambda notebook: notebook["cells"][0].update(source="\ud800\udfff\x00")),
    "nan": raw(lambda notebook: as_json({**notebook, "x": float("nan"), "y": -float("inf")}), FULL),
    "bom": raw(lambda notebook: b"\xef\xbb\xbf" + as_json(notebook), FULL),
    "utf16": raw(lambda notebook: json.dumps(notebook).encode("utf-16"), reason="not UTF-8"),
    "latin1": raw(
        lambda notebook: json.dumps(notebook, ensure_ascii=False).encode("utf-8")[:-1] + b"\xe9}",
        reason="not UTF-8",
    ),
    "cut_off": raw(lambda notebook: as_json(notebook)[:-300], reason="cut off"),
    "empty": raw(lambda notebook: b"", reason="empty"),
    "huge_number": raw(
        lambda notebook: as_json(notebook).replace(b'"nbformat": 4', b'"nbformat": ' + b"4" * 9999),
        reason="JSON",
    ),
    "format_5": raw(lambda notebook: as_json({**notebook, "nbformat": 5}), reason="newer"),
    "format_3": raw(lambda notebook: as_json({"nbformat": 3, "worksheets": []}), reason="old format"),
    "list": raw(lambda notebook: b"[1, 2, 3]", reason="nbformat"),
    "deep": raw(lambda notebook: b'{"a":' * 100_000 + b"1" + b"}" * 100_000, reason="nested"),
    "wide": raw(lambda notebook: b"[" + b"[]," * 900_000 + b"1]", reason="lists"),
    "cells_1e5": raw(
        lambda notebook: as_json(
            {**notebook, "cells": [{"cell_type": "code", "source": "1", "metadata": {}}] * 50_000}
        ),
        reason="cells",
    ),
    "large": raw(lambda notebook: as_json({**notebook, "x": "y" * 11_000_000}), reason="MB"),
    "sparse_100_MB": files(
        lambda folder, notebook: (folder / FILE).touch() or os.truncate(folder / FILE, 100 * 2**20),
        reason="MB",
    ),
    "several": files(several, FULL),
    "misnamed": files(misnamed, reason="missing"),
    "nothing": files(lambda folder, notebook: None, reason="missing"),
    "folder": files(unreadable, reason="not a regular file"),
    "pipe": files(lambda folder, notebook: os.mkfifo(folder / FILE), reason="not a regular file"),
    "timestamp": files(
        lambda folder, notebook: (
            (folder / FILE).write_bytes(as_json(notebook)) and os.mkfifo(folder / "timestamp.txt")
        ),
        FULL,
    ),
}
