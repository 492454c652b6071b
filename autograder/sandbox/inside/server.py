"""The fork server: has NumPy, IPython and Matplotlib imported, and starts one submission after another.

Only the trusted side speaks to it, over the socket that it was started with. It never holds anything
secret, since every submission starts as a copy of it. It must stay single-threaded: a fork copies one
thread only.
"""

from __future__ import annotations

import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from typing import Any

import numpy as np

from . import fonts, kernel, namespaces, session, shell, watchdog  # fonts before what imports Matplotlib
from .channel import NO_NONCE, adopt, receive, send

SAMPLE_SECONDS = 0.2
END_SECONDS = 5.0


def main() -> None:
    """Serve until the trusted side closes the connection. Arguments: the socket's number, options as JSON (none: serve copies)."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a handler would let a submission interrupt its keeper
    control = adopt(int(sys.argv[1]))
    options = json.loads(sys.argv[2])
    fonts.keep_in_memory()
    prepared = shell.create()
    _warm_up(prepared)
    for entry in os.scandir(os.environ["HOME"]):  # what the warm-up left there
        shutil.rmtree(entry.path)
    # Where a submission shares our process namespace, it may not look in here.
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    gc.collect()
    gc.freeze()
    gc.enable()
    kernel.use_huge_pages()
    if options:
        _serve(control, prepared, options)
    else:
        _serve_copies(control, prepared)


def _serve(control: socket.socket, prepared: shell.Shell, options: dict[str, Any]) -> None:
    send(control, {"ready": True}, NO_NONCE)
    Server(control, prepared, options["limits"], options["isolation"]).serve()


def _serve_copies(requests: socket.socket, prepared: shell.Shell) -> None:
    """Copy this process for each request: the copy serves over the socket that comes along, in a sandbox of its own."""
    while True:
        options, descriptors, _, _ = socket.recv_fds(requests, 2**16, 1)
        if not options:
            os._exit(0)

        def serve(options: bytes = options, descriptors: list[int] = descriptors) -> None:
            requests.close()
            asked = json.loads(options)
            # The processors of whoever asks: this process was started by another.
            os.sched_setaffinity(0, asked["processors"])
            _serve(adopt(descriptors[0]), prepared, asked)

        namespaces.start_server(serve)
        os.close(descriptors[0])


def _warm_up(prepared: shell.Shell) -> None:
    """Do once what every submission would else do: build the font cache, load what is imported lazily."""
    limits = {"stream_bytes": 1000, "displays": 3, "display_bytes": 2**20}
    figure = (
        "import matplotlib.pyplot as plt\n"
        "plt.figure()\nplt.plot([0, 1], label='$x$')\nplt.legend()\nplt.title('a')"
    )
    np.random.seed(0)  # noqa: NPY002 - students' code may draw from NumPy's global state, which has to be the same for all
    for text in (figure, "[1, 2.5]", "await __import__('asyncio').sleep(0)", "1 / 0"):
        prepared.run(text, "<warm-up>", limits)
    prepared.reset(new_session=True)
    prepared.execution_count = 1
    prepared.cells.clear()


class Server:
    """State of the fork server: at most one submission at a time."""

    def __init__(
        self, control: socket.socket, prepared: shell.Shell, limits: dict[str, Any], isolation: str
    ) -> None:
        self._control = control
        self._shell = prepared
        self._limits = limits
        self._isolation = isolation
        self._keeper = 0
        self._killed: dict[int, str] = {}  # inner process id -> reason
        self._time = watchdog.ProcessorTime()
        self._size, self._resident = _own_memory()

    def serve(self) -> None:
        """Answer requests; between them, watch the submission that runs."""
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        while True:
            if not poll.poll(SAMPLE_SECONDS * 1000 if self._keeper else None):
                self._watch()
                continue
            try:
                (operation, *args), nonce, descriptor = receive(self._control)
            except (EOFError, OSError):
                self._end()
                os._exit(0)
            if operation == "begin":
                answer = self._begin(descriptor)
            else:
                operations = {"end": self._end, "prune": self._prune, "look": self._look}
                answer = operations[operation](*args)
            send(self._control, answer, nonce)

    def _begin(self, descriptor: int) -> dict[str, Any]:
        self._end()
        self._killed.clear()
        self._time = watchdog.ProcessorTime()

        def serve() -> None:
            session.serve(adopt(descriptor), self._shell, self._limits)

        try:
            self._keeper, root = namespaces.start(
                serve, [descriptor], self._limits, self._isolation, self._size
            )
        except OSError as error:
            return {"error": str(error)}
        finally:
            os.close(descriptor)
        return {"pid": root}

    def _end(self) -> dict[str, Any]:
        """Kill the keeper, and with it everything that the submission has started."""
        if not self._keeper:
            return {}
        if self._isolation != "nested" and not self._kill_all_but([]):
            return {"error": "processes of the submission do not end"}
        watchdog.send(self._keeper, signal.SIGKILL)
        deadline = time.monotonic() + END_SECONDS
        while os.waitpid(self._keeper, os.WNOHANG)[0] == 0:
            if time.monotonic() > deadline:
                return {"error": "processes of the submission do not end"}
            time.sleep(0.001)
        self._keeper = 0
        return {}

    def _prune(self, keep: list[int]) -> dict[str, Any]:
        """Kill every process of the submission but those with the given inner ids."""
        if self._keeper and not self._kill_all_but(keep):
            return {"error": "processes of the submission do not end"}
        return {}

    def _kill_all_but(self, keep: list[int]) -> bool:
        """Kill processes until none is left but those with the given inner ids; whether that came true."""
        deadline = time.monotonic() + END_SECONDS
        while time.monotonic() < deadline:
            running = watchdog.processes(self._isolation, self._keeper)
            others = [process.pid for process in running if process.inner not in keep]
            if not others:
                return True
            for number in (signal.SIGSTOP, signal.SIGKILL):  # stopped first: else a fork bomb forks on
                for pid in others:
                    watchdog.send(pid, number)
            time.sleep(0.002)
        return False

    def _look(self, inner: int) -> dict[str, Any]:
        """Whether a process is there, how long it has waited for a processor, and why it was killed, "" if it wasn't."""
        running = watchdog.processes(self._isolation, self._keeper) if self._keeper else []
        found = [process.pid for process in running if process.inner == inner]
        return {
            "running": bool(found),
            "waited": watchdog.waited(found[0]) if found else 0.0,
            "reason": self._killed.get(inner, ""),
        }

    def _watch(self) -> None:
        running = watchdog.processes(self._isolation, self._keeper)
        limit = self._limits["memory"] + self._resident  # what every submission starts with is not counted
        self._stop(watchdog.greedy(running, limit, self._size), "ran out of memory")
        watchdog.give_way(running)
        if self._isolation == "none":
            return  # the whole machine is in sight, and its files
        if self._time.sample() > self._limits["cpu_seconds"]:
            self._stop(running, "used up its processor time")
        # In namespaces of its own the file systems have this limit themselves.
        most = len(namespaces.PLACES) * namespaces.FILES_PER_SYSTEM
        if self._isolation == "bubblewrap" and watchdog.files(namespaces.PLACES) > most:
            self._stop(running, "made too many files")

    def _stop(self, processes: list[watchdog.Process], reason: str) -> None:
        for process in processes:
            watchdog.send(process.pid, signal.SIGKILL)
            self._killed[process.inner] = reason


def _own_memory() -> tuple[int, int]:
    """Bytes of this process's address space, and of its own pages in memory."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    size, resident = (int(fields[key].split()[0]) * watchdog.KIBIBYTE for key in ("VmSize", "RssAnon"))
    return size, resident
