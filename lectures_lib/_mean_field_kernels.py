"""Kernels of `lectures_lib.mean_field` for factor graphs: a graph laid out in flat arrays, and coordinate ascent on it.

Marginals lie one after the other in one array q; variable v has q[offsets[v] : offsets[v + 1]]. Logarithms are natural, and -inf marks
a state that is impossible.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from lectures_lib._fast_math import exp
from lectures_lib.graphical_models import FactorGraph


class Flat(NamedTuple):
    """A factor graph in flat arrays.

    Factors of one and two variables, the bulk of large graphs, are laid out for the kernels: the first kind is added up for each
    variable; each of the second kind is stored from both sides, so that the states of the variable concerned lie side by side.
    """

    offsets: np.ndarray  # (V + 1,) start of each variable's marginal
    constant: float  # log tables of empty scopes
    unary: np.ndarray  # (offsets[-1],)
    edge_start: np.ndarray  # (V + 1,) edges of each variable
    edge_other: np.ndarray  # the variable at the other end
    edge_table: np.ndarray  # start of the edge's table in `edge_tables`
    edge_tables: np.ndarray  # [state of the other, own state]
    tables: np.ndarray  # log tables of all larger factors, last variable fastest
    table_start: np.ndarray  # (F + 1,)
    scope: np.ndarray  # variables of their scopes
    scope_start: np.ndarray  # (F + 1,)
    factors: np.ndarray  # for each variable, the larger factors that hold it
    position: np.ndarray  # and its position in their scopes
    factor_start: np.ndarray  # (V + 1,)


def flatten(graph: FactorGraph) -> Flat:
    num_variables = len(graph.cardinalities)
    offsets = _starts(graph.cardinalities)
    unary = np.zeros(offsets[-1])
    constant = 0.0
    edges: list[list[tuple[int, np.ndarray]]] = [[] for _ in range(num_variables)]
    scopes, tables = [], []
    for scope, table in zip(graph.scopes, graph.log_tables, strict=True):
        if len(scope) == 0:
            constant += float(table)
        elif len(scope) == 1:
            unary[offsets[scope[0]] : offsets[scope[0] + 1]] += table
        elif len(scope) == 2:
            edges[scope[0]].append((scope[1], table.T))
            edges[scope[1]].append((scope[0], table))
        else:
            scopes.append(scope)
            tables.append(table)
    ends = [end for own in edges for end in own]
    lengths = [len(scope) for scope in scopes]
    flat_scopes = np.array([v for scope in scopes for v in scope], dtype=np.int64)
    factor = np.repeat(np.arange(len(lengths)), lengths)
    position = np.array([k for length in lengths for k in range(length)], dtype=np.int64)
    order = np.argsort(flat_scopes, kind="stable")
    return Flat(
        offsets=offsets,
        constant=constant,
        unary=unary,
        edge_start=_starts([len(own) for own in edges]),
        edge_other=np.array([other for other, _ in ends], dtype=np.int64),
        edge_table=_starts([table.size for _, table in ends])[:-1],
        edge_tables=np.concatenate([np.empty(0), *(table.ravel() for _, table in ends)]),
        tables=np.concatenate([np.empty(0), *(table.ravel() for table in tables)]),
        table_start=_starts([table.size for table in tables]),
        scope=flat_scopes,
        scope_start=_starts(lengths),
        factors=factor[order].astype(np.int64),
        position=position[order],
        factor_start=_starts(np.bincount(flat_scopes, minlength=num_variables)),
    )


def softened(flat: Flat, penalty: float) -> Flat:
    """The graph with -inf replaced by `penalty` nats below the largest entry."""
    logs = (flat.unary, flat.edge_tables, flat.tables)
    top = max((array.max() for array in logs if array.size), default=0.0)
    soft = [np.where(np.isneginf(array), top - penalty, array) for array in logs]
    return flat._replace(unary=soft[0], edge_tables=soft[1], tables=soft[2])


def _starts(lengths) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


@njit(cache=True, error_model="numpy")
def ascend_graph(flat, q, max_sweeps, tol, trace):
    num_variables = flat.offsets.size - 1
    offsets, unary = flat.offsets, flat.unary
    edge_start, edge_other = flat.edge_start, flat.edge_other
    edge_table, edge_tables = flat.edge_table, flat.edge_tables
    field = np.empty((offsets[1:] - offsets[:-1]).max())
    trace[0] = _graph_bound(flat, q)
    for sweep in range(1, max_sweeps + 1):
        change = 0.0
        for i in range(num_variables):
            a, states = offsets[i], offsets[i + 1] - offsets[i]
            for x in range(states):
                field[x] = unary[a + x]
            for edge in range(edge_start[i], edge_start[i + 1]):
                entry = edge_table[edge]
                other = edge_other[edge]
                for y in range(offsets[other], offsets[other + 1]):
                    if q[y] > 0:  # 0 times -inf counts nothing
                        for x in range(states):
                            field[x] += q[y] * edge_tables[entry + x]
                    entry += states
            for k in range(flat.factor_start[i], flat.factor_start[i + 1]):
                _add_expectation(flat, q, flat.factors[k], flat.position[k], field)
            top = field[0]
            for x in range(1, states):
                top = max(top, field[x])
            if top == -np.inf:
                continue  # every state meets a forbidden one: this variable must wait for its neighbours
            total = 0.0
            for x in range(states):
                field[x] = exp(field[x] - top)
                total += field[x]
            for x in range(states):
                new = field[x] / total
                change = max(change, abs(new - q[a + x]))
                q[a + x] = new
        trace[sweep] = _graph_bound(flat, q)
        if change <= tol:
            return sweep, True
    return max_sweeps, False


# Inlined: a call would count references to all of the graph's arrays, which costs more than the work itself.
@njit(inline="always")
def _add_expectation(flat, q, f, place, field):
    """Add to field[x] the expectation of table f with the variable at `place` in state x, the others drawn from q."""
    first, length = flat.scope_start[f], flat.scope_start[f + 1] - flat.scope_start[f]
    start, stop = flat.table_start[f], flat.table_start[f + 1]
    stride = 1
    for j in range(length - 1, place, -1):
        v = flat.scope[first + j]
        stride *= flat.offsets[v + 1] - flat.offsets[v]
    own = flat.scope[first + place]
    states = flat.offsets[own + 1] - flat.offsets[own]
    for entry in range(start, stop):
        rest = entry - start
        weight = 1.0
        for j in range(length - 1, -1, -1):
            v = flat.scope[first + j]
            cardinality = flat.offsets[v + 1] - flat.offsets[v]
            if j != place:
                weight *= q[flat.offsets[v] + rest % cardinality]
            rest //= cardinality
        if weight > 0:
            field[(entry - start) // stride % states] += weight * flat.tables[entry]


@njit(inline="always")
def _graph_bound(flat, q):
    bound = flat.constant
    for k in range(q.size):
        if q[k] > 0:
            bound += q[k] * (flat.unary[k] - np.log(q[k]))
    for i in range(flat.offsets.size - 1):
        for edge in range(flat.edge_start[i], flat.edge_start[i + 1]):
            other = flat.edge_other[edge]
            if other < i:  # each edge once
                entry = flat.edge_table[edge]
                for y in range(flat.offsets[other], flat.offsets[other + 1]):
                    for x in range(flat.offsets[i], flat.offsets[i + 1]):
                        weight = q[x] * q[y]
                        if weight > 0:
                            bound += weight * flat.edge_tables[entry]
                        entry += 1
    for f in range(flat.table_start.size - 1):
        first, length = flat.scope_start[f], flat.scope_start[f + 1] - flat.scope_start[f]
        for entry in range(flat.table_start[f], flat.table_start[f + 1]):
            rest = entry - flat.table_start[f]
            weight = 1.0
            for j in range(length - 1, -1, -1):
                v = flat.scope[first + j]
                cardinality = flat.offsets[v + 1] - flat.offsets[v]
                weight *= q[flat.offsets[v] + rest % cardinality]
                rest //= cardinality
            if weight > 0:
                bound += weight * flat.tables[entry]
    return bound
