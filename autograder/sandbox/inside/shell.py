"""An IPython shell without a kernel: runs cells and keeps what they show, within bounds."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import itertools
import linecache
import re
import site
import sys
import traceback
import warnings
from collections.abc import Iterator
from types import ModuleType, TracebackType
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from traitlets.config import Config

from . import figures
from .channel import IMAGE_TYPES, MAX_OUTPUTS, TEXT_TYPES

NOTHING = {"stream_bytes": 0, "displays": 0, "display_bytes": 0}
"""Limits under which every output is dropped."""
MARKS = re.compile(
    r"[%?\r\v\f\x1c-\x1e\x85\u2028\u2029]|!(?!=)|>>>|\.\.\.:|In \[|\A\s|^[ \t]*[,;/]|^[ \t]+$", re.MULTILINE
)
"""What stands in a cell of several lines wherever IPython makes another one of it: a magic, a prompt, an indent, an odd end of line.
Most have none of it."""
MAX_FRAMES = 20
MAX_LINE = 2_000


class Collector:
    """The outputs of one cell as plain dicts; what exceeds the limits is counted and dropped."""

    def __init__(self, limits: dict[str, Any]) -> None:
        self.items: list[dict[str, Any]] = []
        self._streams = {"stdout": limits["stream_bytes"], "stderr": limits["stream_bytes"]}
        self._displays = limits["displays"]
        self._bytes = limits["display_bytes"]
        self._dropped: dict[str, int] = {}

    def text(self, name: str, text: str) -> None:
        """Text written to a stream."""
        text = str.__str__(text)  # of an exact type, whatever a subclass does
        kept = text[: self._streams[name]]
        self._streams[name] -= len(kept)
        if len(kept) < len(text):
            self._drop(f"characters of {name}", len(text) - len(kept))
        if not kept:
            return
        if self.items and self.items[-1].get("name") == name:
            self.items[-1]["parts"].append(kept)
        elif self._room():
            self.items.append({"output_type": "stream", "name": name, "parts": [kept]})

    def bundle(self, kind: str, data: dict[str, Any], count: int | None = None) -> None:
        """A displayed value in its representations."""
        kept = {}
        for mime in TEXT_TYPES + IMAGE_TYPES:
            value = data.get(mime)
            if isinstance(value, bytes) and mime in IMAGE_TYPES:
                value = base64.b64encode(value).decode()
            if not isinstance(value, str):
                continue
            if len(value) <= self._bytes:
                self._bytes -= len(value)
                kept[mime] = clean(value)
            else:
                self._drop(f"bytes of {mime}", len(value))
        if not kept:
            return
        if self._displays <= 0:
            self._drop("displayed values", 1)
        elif self._room():
            self._displays -= 1
            self.items.append({"output_type": kind, "data": kept, "execution_count": count})

    def error(self, name: str, value: str, lines: list[str]) -> None:
        """An exception that ended the cell."""
        self.items.append({"output_type": "error", "ename": name, "evalue": value, "traceback": lines})

    def finish(self) -> list[dict[str, Any]]:
        """All outputs, with a note on what was dropped at the end."""
        for item in self.items:
            if "parts" in item:
                item["text"] = clean("".join(item.pop("parts")))
        if self._dropped:
            what = ", ".join(f"{count} {name}" for name, count in self._dropped.items())
            self.items.append({"output_type": "stream", "name": "stderr", "text": f"[not kept: {what}]\n"})
        return self.items

    def _room(self) -> bool:
        if len(self.items) < MAX_OUTPUTS:
            return True
        self._drop("outputs", 1)
        return False

    def _drop(self, what: str, count: int) -> None:
        self._dropped[what] = self._dropped.get(what, 0) + count


class Stream(io.TextIOBase):
    """Stands in for stdout or stderr in all cells, so that what holds on to it (a logger, say) stays right."""

    encoding = "utf-8"

    def __init__(self, name: str, shell: Shell) -> None:
        self.name = name
        self._shell = shell

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self._shell.collector.text(self.name, text)
        return len(text)


def clean(text: str) -> str:
    """Text that can be encoded: lone surrogates become question marks."""
    return str.encode(text, "utf-8", "replace").decode()


class _Publisher(DisplayPublisher):
    def publish(self, data: dict, metadata: dict | None = None, **_: Any) -> None:  # display() and friends
        self.shell.collector.bundle("display_data", data)

    def clear_output(self, wait: bool = False) -> None:
        """An output once shown stays: what a page shows must not depend on when it was looked at."""


class _Hook(DisplayHook):
    def write_output_prompt(self) -> None:
        pass

    def write_format_data(self, format_dict: dict, md_dict: dict | None = None) -> None:
        self.shell.collector.bundle("execute_result", format_dict, self.prompt_count)

    def finish_displayhook(self) -> None:
        pass


class Shell(InteractiveShell):
    """IPython with its outputs collected, without history, terminal or event loop of a GUI."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.collector = Collector(NOTHING)
        self.cells = set()
        self._streams = Stream("stdout", self), Stream("stderr", self)
        super().__init__(*args, **kwargs)
        self.loop_runner = run_to_completion
        self._own_transforms = self._transforms()

    def init_display_pub(self) -> None:
        self.display_pub = _Publisher(parent=self, shell=self)

    def init_displayhook(self) -> None:
        self.displayhook_class = _Hook
        super().init_displayhook()

    def enable_gui(self, gui: str | None = None) -> None:
        """Figures are drawn into the page; there is no window to open."""

    def ask_exit(self) -> None:
        """`exit` ends nothing: the grader decides when a session ends."""

    def system(self, cmd: str) -> None:
        """`!command` and `%pip`: there are no programs here; the cell goes on, as after a command that failed."""
        print(f"[not run: {cmd[:MAX_LINE]}]", file=sys.stderr)
        self.user_ns["_exit_code"] = 127

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> list[str] | str:
        """`lines = !command`."""
        self.system(cmd)
        return [] if split else ""

    def showtraceback(self, exc_tuple: Any = None, *_: Any, **__: Any) -> None:
        kind, error, trace = exc_tuple or sys.exc_info()
        self.collector.error(*describe_error(kind, error, trace, self.cells))

    def showsyntaxerror(self, filename: str | None = None, running_compiled_code: bool = False) -> None:
        self.showtraceback()

    def transform_cell(self, raw_cell: str) -> str:
        """Python's part of a cell, and IPython's put into Python. To look for IPython's takes longer than to run most cells."""
        if (
            len(raw_cell.splitlines()) > 1
            and not MARKS.search(raw_cell)
            and self._transforms() == self._own_transforms
        ):
            return raw_cell if raw_cell.endswith("\n") else raw_cell + "\n"
        return super().transform_cell(raw_cell)

    def should_run_async(self, raw_cell: str, **kwargs: Any) -> bool:
        """Whether a cell awaits anything, which IPython finds out by compiling it."""
        return ("await" in raw_cell or "async" in raw_cell) and super().should_run_async(raw_cell, **kwargs)

    def _transforms(self) -> list[Any]:
        """What changes cells before they run; a student's code may add to it."""
        manager = self.input_transformer_manager
        return [
            *manager.cleanup_transforms,
            *manager.line_transforms,
            *manager.token_transformers,
            *self.input_transformers_post,
        ]

    def run(self, source: str, name: str, limits: dict[str, Any]) -> list[dict[str, Any]]:
        """Run a cell and return its outputs."""
        collector = Collector(limits)
        self.compile.student_name = name
        self.cells.add(name)
        with self.collecting(collector):
            try:
                self.run_cell(source, store_history=True)
            except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt are the cell's errors too
                collector.error(*describe_error(type(error), error, error.__traceback__, self.cells))
        return collector.finish()

    @contextlib.contextmanager
    def collecting(self, collector: Collector) -> Iterator[None]:
        """Collect what is printed and shown."""
        before = sys.stdout, sys.stderr
        self.collector = collector
        sys.stdout, sys.stderr = self._streams
        try:
            yield
        finally:
            self.collector = Collector(NOTHING)
            sys.stdout, sys.stderr = before


def _named_compiler(base: type) -> type:
    class Compiler(base):
        """Gives the code of a cell the cell's name, so that tracebacks speak of it."""

        student_name = "<cell>"

        def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
            return self.student_name

    return Compiler


def run_to_completion(coroutine: Any) -> Any:
    """Run a cell with a top-level await, in a loop of its own: a loop does not survive a fork."""
    with asyncio.Runner() as runner:
        return runner.run(_as_coroutine(coroutine))


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


def describe_error(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None, cells: set[str]
) -> tuple[str, str, list[str]]:
    """Name, message and traceback of an error, with the frames of the student's own code alone."""
    name = clean(str(getattr(kind, "__name__", "Error")))[:200]
    message = safe_text(error)
    lines = ["Traceback (most recent call last):"]
    if isinstance(error, SyntaxError):
        lines += _syntax_lines(error)
    frames = [
        (frame.f_code.co_filename, line, frame.f_code.co_name)
        for frame, line in itertools.islice(traceback.walk_tb(trace), 100_000)
        if frame.f_code.co_filename in cells
    ]
    if len(frames) > MAX_FRAMES:
        half = MAX_FRAMES // 2
        skipped = len(frames) - 2 * half
        shown: list[Any] = [*frames[:half], None, *frames[-half:]]
    else:
        skipped, shown = 0, frames
    for item in shown:
        if item is None:
            lines.append(f"  ... {skipped} more frames ...")
            continue
        filename, line, function = item
        lines.append(f"  {filename}, line {line}, in {function}")
        text = linecache.getline(filename, line).strip()
        if text:
            lines.append(f"    {text[:MAX_LINE]}")
    lines.append(f"{name}: {message}" if message else name)
    return name, message, [clean(line) for line in lines]


def _syntax_lines(error: SyntaxError) -> list[str]:
    lines = [f"  {error.filename}, line {error.lineno}"]
    if isinstance(error.text, str):
        lines.append(f"    {error.text.rstrip()[:MAX_LINE]}")
    return lines


def safe_text(error: BaseException) -> str:
    """The message of an exception, bounded, whatever its __str__ does."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a student's __str__ may raise anything, and the message says that it can't be shown
        return "(its message cannot be shown)"
    text = clean(text)
    return text if len(text) <= MAX_LINE else text[:MAX_LINE] + " ..."


def create() -> Shell:
    """The shell, ready to run cells, with figures drawn inline."""
    config = Config()
    config.HistoryManager.enabled = False  # else it opens a database and starts a thread
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.cache_size = 10  # of Out, which keeps the values alive
    config.InteractiveShell.autoindent = False
    shell = Shell.instance(config=config)
    shell.compiler_class = _named_compiler(shell.compiler_class)
    shell.compile = shell.compiler_class()
    shell.user_module.__name__ = "__main__"
    shell.run_line_magic("matplotlib", "inline")
    shell.display_formatter.formatters["image/png"].for_type(Figure, figures.png)
    warnings.filterwarnings("ignore", "To exit: use", UserWarning)  # there is nothing to exit from
    sys.path.insert(0, "")  # modules that a student writes with %%writefile
    site.sethelper()  # `help`, which the interpreter leaves out when it starts without site configuration
    stub = ModuleType(
        "check", "Stands in for the checks of the release: at grading they take place elsewhere."
    )
    stub.check = lambda *args, **kwargs: None
    sys.modules["check"] = stub
    return shell
