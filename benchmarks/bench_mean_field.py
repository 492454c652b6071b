"""Mean field on lattices and factor graphs: against NumPy, against libDAI's rate, and with growing size."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import numpy as np

from benchmarks import machine
from benchmarks.timing import Row, duration, medians, medians_per_step, one_thread
from lectures_lib import mean_field
from lectures_lib.graphical_models import FactorGraph

LIBDAI_SECONDS = 5e-6
"""A variable update of libDAI's mean field on this graph, measured once where the course was written."""


def rows() -> Iterator[Row]:
    """Compare and grow."""
    yield from _torus()
    yield _growth()
    yield _factor_graph()


def _lattice(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    fields = np.random.default_rng(0).normal(size=(rows, columns))
    return fields, np.tanh(fields)


def _numpy_sweep(mean, fields, coupling, red):
    """Red-black, with whole-array operations and a mask, as one writes it in NumPy."""
    for colour in (red, ~red):
        total = np.roll(mean, 1, 0) + np.roll(mean, -1, 0) + np.roll(mean, 1, 1) + np.roll(mean, -1, 1)
        mean[colour] = np.tanh(fields[colour] + coupling * total[colour])


def _numpy_sweep_sliced(mean, fields, coupling):
    """Red-black on four strided views, which touches each spin once."""
    for colour in (0, 1):
        for r in (0, 1):
            c = (colour + r) & 1
            above = np.roll(mean[1 - r :: 2, c::2], 1 - r, axis=0)
            below = np.roll(mean[1 - r :: 2, c::2], -r, axis=0)
            left = np.roll(mean[r::2, 1 - c :: 2], 1 - c, axis=1)
            right = np.roll(mean[r::2, 1 - c :: 2], -c, axis=1)
            mean[r::2, c::2] = np.tanh(fields[r::2, c::2] + coupling * (above + below + left + right))


def _torus() -> Iterator[Row]:
    size, coupling = 1000, 0.2
    fields, start = _lattice(size, size)
    ours, masked, sliced = start.copy(), start.copy(), start.copy()
    red = np.add.outer(np.arange(size), np.arange(size)) % 2 == 0
    for lattice, sweep in (
        (ours, lambda m: mean_field.sweep_lattice(m, fields, coupling, periodic=True)),
        (masked, lambda m: _numpy_sweep(m, fields, coupling, red)),
        (sliced, lambda m: _numpy_sweep_sliced(m, fields, coupling)),
    ):
        sweep(lattice)
        assert np.allclose(lattice, ours, atol=1e-14), "the sweeps differ"
    out = np.empty_like(fields)
    time, time_masked, time_sliced, time_tanh = medians(
        [
            lambda: mean_field.sweep_lattice(ours, fields, coupling, periodic=True),
            lambda: _numpy_sweep(masked, fields, coupling, red),
            lambda: _numpy_sweep_sliced(sliced, fields, coupling),
            lambda: np.tanh(fields, out=out),
        ],
        15,
    )
    work = "mean-field sweep, 1000 x 1000 torus"
    moved = 3 * fields.nbytes / time / 1e9
    yield Row(
        work,
        "NumPy, red-black with a mask",
        time_masked / time,
        10,
        f"{duration(time)} against {duration(time_masked)}",
        f"The arithmetic of tanh: {time / fields.size * 1e9:.2f} ns a spin on two threads, where np.tanh takes "
        f"{time_tanh / fields.size * 1e9:.2f} on one. "
        f"Means read and written and fields read make {moved:.0f} GB/s, the rows between staying in "
        f"cache; a copy runs at {machine.copy_rate() / 1e9:.0f}.",
    )
    yield Row(
        work,
        "NumPy, red-black on strided views",
        time_sliced / time,
        None,
        f"{duration(time)} against {duration(time_sliced)}",
    )
    yield Row(
        work,
        "three times np.tanh of the array",
        3 * time_tanh / time,
        1,
        f"np.tanh {duration(time_tanh)}",
    )


def _growth() -> Row:
    lattices = [_lattice(rows, 1000) for rows in (10, 100, 1000, 10_000)]
    works = [
        lambda fields=fields, mean=mean: mean_field.sweep_lattice(mean, fields, 0.2, periodic=True)
        for fields, mean in lattices
    ]
    with one_thread():  # the sizes take turns, so that none has the machine's bad minute for itself
        times = medians(works, 9)
    per_spin = [time / fields.size for time, (fields, _) in zip(times, lattices, strict=True)]
    memory = []
    for fields, _ in lattices:
        tracemalloc.start()
        mean_field.coordinate_ascent_torus(fields, 0.2, max_sweeps=1)
        memory.append(tracemalloc.get_traced_memory()[1] / fields.size)
        tracemalloc.stop()
    times = ", ".join(f"{time * 1e9:.2f}" for time in per_spin)
    return Row(
        "mean-field sweep from 10^4 to 10^7 spins in rows of 1000, one thread",
        "the same time a spin (least over largest)",
        min(per_spin) / max(per_spin),
        1 / 1.3,
        f"{times} ns a spin; a fit holds {', '.join(f'{m:.0f}' for m in memory)} bytes a spin beside the fields",
        "Three rows are in use at a time, so the first caches serve every size; beyond them memory "
        "streams, 24 bytes a spin. Memory is "
        "linear: the means, 8 bytes a spin, and arrays of the bound while it is computed.",
    )


def random_field_grid(size: int, rng: np.random.Generator) -> FactorGraph:
    """A grid of binary variables with random fields and couplings, as a factor graph."""
    scopes = [(v,) for v in range(size**2)]
    for r in range(size):
        for c in range(size):
            v = r * size + c
            scopes += [(v, v + 1)] if c + 1 < size else []
            scopes += [(v, v + size)] if r + 1 < size else []
    tables = tuple((0.3 if len(scope) > 1 else 1.0) * rng.normal(size=(2,) * len(scope)) for scope in scopes)
    return FactorGraph((2,) * size**2, tuple(scopes), tables)


def _factor_graph() -> Row:
    size = 100
    graph = random_field_grid(size, np.random.default_rng(0))
    (time,) = medians_per_step(
        [lambda num: mean_field.fit_factor_graph(graph, max_sweeps=num, tol=0)], 5, 505, 3
    )
    update = time / size**2
    return Row(
        "mean field of a 100 x 100 random-field grid as factor graph",
        "libDAI at 5 µs a variable update",
        LIBDAI_SECONDS / update,
        20,
        f"{duration(update)} an update, the bound of each sweep included",
        "Latency: updates are sequential, and each waits for its neighbours' marginals through an "
        "index, an exp, a division, and for the bound two "
        "logarithms. A variable's four tables are 128 bytes, which stay in cache.",
    )
