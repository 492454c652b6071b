"""Checks the outputs that a session reports, and rebuilds them in nbformat's form from known fields alone."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from autograder.sandbox.inside.channel import IMAGE_TYPES, MAX_OUTPUTS, TEXT_TYPES, ChannelError
from autograder.sandbox.limits import Limits

MAX_ERRORS = 10
ERROR_BYTES = 2**20
"""For tracebacks and notes, which no limit of their own bounds."""


def rebuild(items: Any, limits: Limits) -> list[dict[str, Any]]:
    """The outputs of a cell in nbformat's form.

    Raises
    ------
    ChannelError
        If they are not what the session's own code would have sent.
    """
    if type(items) is not list or len(items) > MAX_OUTPUTS + MAX_ERRORS + 1:
        raise ChannelError("outputs that are no list")
    shown = [_rebuild(item) for item in items]
    if sum(map(size, shown)) > 2 * limits.stream_bytes + limits.display_bytes + ERROR_BYTES:
        raise ChannelError("outputs that are too large")
    return shown


def _rebuild(item: Any) -> dict[str, Any]:
    if type(item) is not dict:
        raise ChannelError("an output that is no dict")
    kind = item.get("output_type")
    if kind == "stream" and item.get("name") in ("stdout", "stderr"):
        return {"output_type": kind, "name": item["name"], "text": _text(item.get("text"))}
    if kind == "error":
        lines = item.get("traceback")
        if type(lines) is not list:
            raise ChannelError("a traceback that is no list")
        return {
            "output_type": kind,
            "ename": _text(item.get("ename")),
            "evalue": _text(item.get("evalue")),
            "traceback": [_text(line) for line in lines],
        }
    if kind in ("display_data", "execute_result"):
        data = item.get("data")
        if type(data) is not dict:
            raise ChannelError("a display without data")
        output = {
            "output_type": kind,
            "data": {m: _mime(m, value) for m, value in data.items()},
            "metadata": {},
        }
        if kind == "execute_result":
            count = item.get("execution_count")
            output["execution_count"] = count if type(count) is int and 0 < count < 2**31 else None
        return output
    raise ChannelError("an output of an unknown type")


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ChannelError("text that is no str")
    return value


def _mime(mime: Any, value: Any) -> str:
    if mime in TEXT_TYPES:
        return _text(value)
    if mime in IMAGE_TYPES:
        try:
            base64.b64decode(_text(value), validate=True)
        except (binascii.Error, ValueError):
            raise ChannelError("an image that is not in base64") from None
        return value
    raise ChannelError("an unknown kind of data")


def size(output: dict[str, Any]) -> int:
    """Characters of text in an output."""
    text = len(output.get("text", "")) + sum(map(len, output.get("data", {}).values()))
    return text + len(output.get("evalue", "")) + sum(map(len, output.get("traceback", [])))


def within(outputs: list[dict[str, Any]], room: int) -> list[dict[str, Any]]:
    """The outputs that fit into what is left of the submission's limit, and a note if some don't."""
    kept = []
    for output in outputs:
        if size(output) > room:
            note = "[not kept: what the submission puts out is too much in all]\n"
            return [*kept, {"output_type": "stream", "name": "stderr", "text": note}]
        kept.append(output)
        room -= size(output)
    return kept
