"""What a submission may use. Wall time is kept by the trusted side, the rest by the kernel and a watchdog."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of a submission; sizes in bytes, times in seconds of wall time, less those in which a cell or call waited for a processor."""

    submission_seconds: float = 300.0  # for the caller, who adds up the times of cells and calls
    cpu_seconds: float = 300.0  # processor time of all its processes together
    cell_seconds: float = 20.0
    call_seconds: float = 10.0  # generous, because the first call of a numba function compiles it
    memory: int = 2048 * MEBIBYTE  # of all the submission's processes together
    processes: int = 100  # threads included; each kept state is one
    open_files: int = 256  # of a process
    disk: int = 64 * MEBIBYTE  # each of the places that can be written, and the largest file
    stream_bytes: int = 64 * 1024  # of stdout and of stderr, kept per cell
    displays: int = 20  # figures and displayed values per cell
    display_bytes: int = 4 * MEBIBYTE  # of all of them together, per cell
    output_bytes: int = 16 * MEBIBYTE  # of all cells together
    message_bytes: int = 8 * MEBIBYTE  # of one answer, or of the outputs of a cell
