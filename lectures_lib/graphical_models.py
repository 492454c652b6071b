"""Directed and undirected graphical models over discrete variables.

A Bayes net is a product of conditional tables, a factor graph a product of non-negative tables over a partition
function Z. Tables are kept as natural logarithms (-inf for an impossible state); the last variable of a scope changes fastest. A
state is an integer from 0 to cardinality - 1. Exact inference is by variable elimination, with cost exponential in the
induced width.

    >>> import numpy as np
    >>> graph = FactorGraph((2, 2), ((0, 1),), (np.log([[1.0, 2.0], [3.0, 4.0]]),))
    >>> bool(np.isclose(log_partition(graph), np.log(10)))
    True
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from lectures_lib._validation import finite_sums, reals, whole
from lectures_lib.uai import read_evidence, read_tables, write_tables

__all__ = [
    "FILE_SUM_TOLERANCE",
    "LARGEST_LOG",
    "MAX_TABLE_ENTRIES",
    "SUM_TOLERANCE",
    "BayesNet",
    "FactorGraph",
    "NoisyOr",
    "SigmoidBeliefNet",
    "condition",
    "log_joint",
    "log_partition",
    "log_unnormalized",
    "marginals",
    "read_uai",
    "sample",
    "to_factor_graph",
    "validate_bayes_net",
    "validate_factor_graph",
    "write_uai",
]

MAX_TABLE_ENTRIES = 1 << 26
"""Variable elimination stops before it makes a larger table: 2^26 float64 numbers are half a gigabyte."""

SUM_TOLERANCE = 1e-6
"""A conditional table may miss a sum of 1 by this much: room for float32, and far below any real mistake."""

FILE_SUM_TOLERANCE = 0.02
"""As `SUM_TOLERANCE`, for a file with a BAYES preamble, whose tables were often rounded to two digits. They are taken as they are."""


LARGEST_LOG = float(np.log(np.finfo(np.float64).max))
"""Logarithm of the largest number, about 709.78."""


class FactorGraph(NamedTuple):
    """Unnormalised p̃(x) = Π_f exp(log_tables[f][x_scope(f)]).

    Attributes
    ----------
    cardinalities : tuple of int
        Number of states of each variable.
    scopes : tuple of tuple of int
        The variables of each factor.
    log_tables : tuple of ndarray, float64
        One table a factor, with a dimension a variable of its scope.
    """

    cardinalities: tuple[int, ...]
    scopes: tuple[tuple[int, ...], ...]
    log_tables: tuple[np.ndarray, ...]


class BayesNet(NamedTuple):
    """p(x) = Π_i p(x_i | x_parents(i)).

    Attributes
    ----------
    cardinalities : tuple of int
    parents : tuple of tuple of int
        Without directed cycles.
    tables : tuple of ndarray, float64
        tables[i] has a dimension a parent, in their order, and last the variable's own, over which it sums to 1.
    """

    cardinalities: tuple[int, ...]
    parents: tuple[tuple[int, ...], ...]
    tables: tuple[np.ndarray, ...]


class NoisyOr(NamedTuple):
    """Two layers: independent diseases, and symptoms that each present disease may turn on by itself.

    p(s_j = 0 | z) = (1 - leak_j) Π_d (1 - activation_jd)^{z_d}.

    Attributes
    ----------
    prior : ndarray, shape (D,), float64
    activation : ndarray, shape (S, D), float64
    leak : ndarray, shape (S,), float64

    References
    ----------
    Pearl (1988), Probabilistic reasoning in intelligent systems, §4.3.2; Shwe et al. (1991).
    """

    prior: np.ndarray
    activation: np.ndarray
    leak: np.ndarray


class SigmoidBeliefNet(NamedTuple):
    """Two layers of 0/1 units: p(h_k = 1) = σ(c_k), p(v_i = 1 | h) = σ(b_i + W_i h).

    Attributes
    ----------
    W : ndarray, shape (D, H), float64
    b : ndarray, shape (D,), float64
    c : ndarray, shape (H,), float64

    References
    ----------
    Neal (1992), Connectionist learning of belief networks.
    """

    W: np.ndarray
    b: np.ndarray
    c: np.ndarray


def validate_factor_graph(graph: FactorGraph) -> FactorGraph:
    """Check a graph.

    Parameters
    ----------
    graph : FactorGraph

    Returns
    -------
    FactorGraph
        The same with float64 tables.

    Raises
    ------
    ValueError
        If something is malformed: the message says what was expected and what came.
    """
    cardinalities = _cardinalities(graph.cardinalities)
    if len(graph.scopes) != len(graph.log_tables):
        raise ValueError(
            f"log_tables: expected {len(graph.scopes)} to match scopes, got {len(graph.log_tables)}"
        )
    scopes, tables, largest = [], [], 0.0
    for f, (scope, table) in enumerate(zip(graph.scopes, graph.log_tables, strict=True)):
        scope = _scope(f"scopes[{f}]", scope, len(cardinalities))
        table = reals(f"log_tables[{f}]", table, np.float64).copy(order="C")
        shape = tuple(cardinalities[v] for v in scope)
        if table.shape != shape:
            raise ValueError(f"log_tables[{f}]: expected shape {shape} for scope {scope}, got {table.shape}")
        highest, lowest = float(table.max()), float(table.min())
        if not highest < np.inf:
            raise ValueError(f"log_tables[{f}]: expected logarithms below +inf, got NaN or +inf")
        if highest > -np.inf == lowest:
            lowest = float(table[table > -np.inf].min())
        largest += max(highest, -lowest if lowest > -np.inf else 0.0)
        scopes.append(scope)
        tables.append(table)
    if not largest <= np.finfo(np.float64).max / 4:
        raise ValueError("log_tables: expected logarithms whose sums stay finite, got overflow")
    return FactorGraph(cardinalities, tuple(scopes), tuple(tables))


def validate_bayes_net(net: BayesNet, tolerance: float = SUM_TOLERANCE) -> BayesNet:
    """Check a net.

    Parameters
    ----------
    net : BayesNet
    tolerance : float
        By how much a conditional table may miss a sum of 1.

    Returns
    -------
    BayesNet
        The same with float64 tables.

    Raises
    ------
    ValueError
        If something is malformed, or the parents form a cycle.
    """
    cardinalities = _cardinalities(net.cardinalities)
    if not len(net.parents) == len(net.tables) == len(cardinalities):
        raise ValueError(
            f"parents, tables: expected {len(cardinalities)} of each, got {len(net.parents)} and {len(net.tables)}"
        )
    parents, tables = [], []
    for i, (own_parents, table) in enumerate(zip(net.parents, net.tables, strict=True)):
        scope = _scope(f"parents[{i}]", (*own_parents, i), len(cardinalities))
        table = reals(f"tables[{i}]", table, np.float64)
        shape = tuple(cardinalities[v] for v in scope)
        if table.shape != shape:
            raise ValueError(f"tables[{i}]: expected shape {shape}, got {table.shape}")
        if not (table >= 0).all():
            raise ValueError(
                f"tables[{i}]: expected probabilities of at least 0, got {np.nanmin(table)} or NaN"
            )
        sums = table.sum(axis=-1)
        if not np.abs(sums - 1).max() <= tolerance:
            worst = sums.ravel()[np.abs(sums - 1).argmax()]
            raise ValueError(
                f"tables[{i}]: expected conditional probabilities that sum to 1, got a sum of {worst}"
            )
        parents.append(scope[:-1])
        tables.append(table)
    net = BayesNet(cardinalities, tuple(parents), tuple(tables))
    _topological_order(net)
    return net


def log_joint(model: BayesNet | NoisyOr | SigmoidBeliefNet, states) -> np.ndarray:
    """Log probability of complete states.

    Parameters
    ----------
    model : BayesNet, NoisyOr or SigmoidBeliefNet
    states : array_like, shape (n, V) or (V,), int
        For a NoisyOr the diseases, then the symptoms; for a SigmoidBeliefNet the hidden units, then the visible ones.

    Returns
    -------
    ndarray, shape (n,) or a float for a single state, float64

    Raises
    ------
    ValueError
        If the model or the states are malformed.
    """
    if isinstance(model, BayesNet):
        return log_unnormalized(to_factor_graph(model), states)
    if isinstance(model, NoisyOr):
        model = _noisy_or(model)
        num_hidden = model.prior.size
        states, single = _states(states, (2,) * (num_hidden + model.leak.size))
        z, s = states[:, :num_hidden], states[:, num_hidden:]
        with np.errstate(divide="ignore"):
            prior = np.where(z == 1, np.log(model.prior), np.log1p(-model.prior))
            causes = np.where(z[:, None, :] == 1, np.log1p(-model.activation), 0.0)
            off = np.log1p(-model.leak) + causes.sum(axis=2)
            result = prior.sum(axis=1) + np.where(s == 1, _log_complement(off), off).sum(axis=1)
    else:
        model = _sigmoid_belief_net(model)
        num_hidden = model.c.size
        states, single = _states(states, (2,) * (num_hidden + model.b.size))
        h, v = states[:, :num_hidden], states[:, num_hidden:]
        field = model.b + h @ model.W.T
        result = (h * model.c - np.logaddexp(0, model.c)).sum(axis=1) + (
            v * field - np.logaddexp(0, field)
        ).sum(axis=1)
    return result[0] if single else result


def log_unnormalized(graph: FactorGraph, states) -> np.ndarray:
    """log p̃ of complete states, the sum of a graph's log tables.

    Parameters
    ----------
    graph : FactorGraph
    states : array_like, shape (n, V) or (V,), int

    Returns
    -------
    ndarray, shape (n,), or a float for a single state, float64

    Raises
    ------
    ValueError
        If the graph or the states are malformed.
    """
    graph = validate_factor_graph(graph)
    states, single = _states(states, graph.cardinalities)
    result = np.zeros(len(states))
    for scope, table in zip(graph.scopes, graph.log_tables, strict=True):
        result += table[tuple(states[:, v] for v in scope)]
    return result[0] if single else result


def sample(
    model: BayesNet | NoisyOr | SigmoidBeliefNet, num_samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Ancestral sampling: every variable is drawn after its parents.

    Parameters
    ----------
    model : BayesNet, NoisyOr or SigmoidBeliefNet
    num_samples : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (num_samples, V), int64
        In the order of variables of `log_joint`.

    Raises
    ------
    ValueError
        If the model is malformed or num_samples is below 1.
    """
    whole(num_samples=num_samples)
    if num_samples < 1:
        raise ValueError(f"num_samples: expected at least 1, got {num_samples}")
    if isinstance(model, NoisyOr):
        model = _noisy_or(model)
        z = rng.random((num_samples, model.prior.size)) < model.prior
        with np.errstate(divide="ignore"):
            log_off = np.log1p(-model.leak) + np.where(z[:, None, :], np.log1p(-model.activation), 0.0).sum(
                axis=2
            )
        s = rng.random(log_off.shape) >= np.exp(log_off)
        return np.hstack([z, s]).astype(np.int64)
    if isinstance(model, SigmoidBeliefNet):
        model = _sigmoid_belief_net(model)
        h = rng.random((num_samples, model.c.size)) < _sigmoid(model.c)
        field = model.b + h @ model.W.T
        return np.hstack([h, rng.random(field.shape) < _sigmoid(field)]).astype(np.int64)
    net = validate_bayes_net(model)
    states = np.zeros((num_samples, len(net.cardinalities)), dtype=np.int64)
    for i in _topological_order(net):
        conditional = net.tables[i][tuple(states[:, p] for p in net.parents[i])]
        cumulative = np.cumsum(np.broadcast_to(conditional, (num_samples, net.cardinalities[i])), axis=1)
        draw = rng.random(num_samples) * cumulative[:, -1]
        states[:, i] = (cumulative <= draw[:, None]).sum(axis=1)
    return states


def to_factor_graph(model: BayesNet | NoisyOr) -> FactorGraph:
    """Return the factor graph of the same distribution; its log partition function is 0.

    A symptom of a NoisyOr becomes one table over all diseases that can cause it, so its size is exponential in their number.

    Parameters
    ----------
    model : BayesNet or NoisyOr

    Returns
    -------
    FactorGraph

    Raises
    ------
    ValueError
        If the model is malformed.
    """
    with np.errstate(divide="ignore"):
        if isinstance(model, NoisyOr):
            model = _noisy_or(model)
            num_diseases = model.prior.size
            scopes: list[tuple[int, ...]] = [(d,) for d in range(num_diseases)]
            tables = [np.array([np.log1p(-p), np.log(p)]) for p in model.prior]
            for j, (row, leak) in enumerate(zip(model.activation, model.leak, strict=True)):
                causes = np.flatnonzero(row)
                off = np.log1p(-leak)
                for d in causes:
                    off = np.add.outer(off, [0.0, np.log1p(-row[d])])
                scopes.append((*causes.tolist(), num_diseases + j))
                tables.append(np.stack([off, _log_complement(off)], axis=-1))
            return FactorGraph((2,) * (num_diseases + len(model.leak)), tuple(scopes), tuple(tables))
        net = validate_bayes_net(model)
        scopes = [(*parents, i) for i, parents in enumerate(net.parents)]
        return FactorGraph(net.cardinalities, tuple(scopes), tuple(np.log(table) for table in net.tables))


def condition(graph: FactorGraph, evidence: Mapping[int, int]) -> FactorGraph:
    """Restrict a graph to evidence {variable: state}, keeping every variable.

    Each observed variable gets a factor that forbids its other states, so the partition function becomes p̃(evidence).

    Parameters
    ----------
    graph : FactorGraph
    evidence : mapping of int to int
        The observed variables and their states.

    Returns
    -------
    FactorGraph

    Raises
    ------
    ValueError
        If a variable or a state doesn't exist.
    """
    graph = validate_factor_graph(graph)
    scopes, tables = list(graph.scopes), list(graph.log_tables)
    for variable, state in evidence.items():
        whole(**{"evidence": variable, f"evidence[{variable}]": state})
        if not 0 <= variable < len(graph.cardinalities):
            raise ValueError(
                f"evidence: expected variables from 0 to {len(graph.cardinalities) - 1}, got {variable}"
            )
        cardinality = graph.cardinalities[variable]
        if not 0 <= state < cardinality:
            raise ValueError(
                f"evidence: expected a state from 0 to {cardinality - 1} of variable {variable}, got {state}"
            )
        table = np.full(cardinality, -np.inf)
        table[state] = 0.0
        scopes.append((int(variable),))
        tables.append(table)
    return FactorGraph(graph.cardinalities, tuple(scopes), tuple(tables))


def log_partition(graph: FactorGraph) -> float:
    """Exact log Z by variable elimination in a min-fill order; -inf where every state is impossible.

    Parameters
    ----------
    graph : FactorGraph

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If the graph is malformed, or a table of more than MAX_TABLE_ENTRIES entries would be needed.

    References
    ----------
    Koller & Friedman (2009), Probabilistic graphical models, algorithm 9.1 and §9.4.3.
    """
    graph = validate_factor_graph(graph)
    return _eliminate(graph, keep=None)[1]


def marginals(graph: FactorGraph) -> tuple[np.ndarray, ...]:
    """Exact marginal of every variable, by one elimination a variable.

    Parameters
    ----------
    graph : FactorGraph

    Returns
    -------
    tuple of ndarray, shapes (cardinality,), float64

    Raises
    ------
    ValueError
        If the graph is malformed, too large a table would be needed (see `log_partition`), or every state is impossible.
    """
    graph = validate_factor_graph(graph)
    result = []
    for variable in range(len(graph.cardinalities)):
        table, log_z = _eliminate(graph, keep=variable)
        if log_z == -np.inf:
            raise ValueError("graph: expected a possible state, got a distribution that is zero everywhere")
        weights = np.exp(table - table.max())
        result.append(weights / weights.sum())  # log Z is rounded, which means much where it is huge
    return tuple(result)


def read_uai(path, evidence=None) -> FactorGraph:
    """Read a model in the UAI format, with a MARKOV or BAYES preamble.

    Parameters
    ----------
    path : path-like
        The .uai file.
    evidence : dict of {int: int} or path-like, optional
        Observed states, or an evidence file. The graph is then conditioned on it (see `condition`).

    Returns
    -------
    FactorGraph

    Raises
    ------
    ValueError
        If a file is malformed; the message names the file and the line.

    References
    ----------
    File format of the UAI inference competitions (2006 onwards).
    """
    model = read_tables(path)
    with np.errstate(divide="ignore"):
        graph = FactorGraph(model.cardinalities, model.scopes, tuple(np.log(table) for table in model.tables))
    if model.kind == "BAYES":
        by_child = {
            scope[-1]: (scope, table) for scope, table in zip(model.scopes, model.tables, strict=True)
        }
        if len(by_child) != len(model.cardinalities):
            raise ValueError(
                f"{path}: expected one conditional table a variable after BAYES, got {len(model.scopes)} tables"
            )
        ordered = [by_child[i] for i in range(len(model.cardinalities))]
        net = BayesNet(model.cardinalities, tuple(s[:-1] for s, _ in ordered), tuple(t for _, t in ordered))
        try:
            validate_bayes_net(net, FILE_SUM_TOLERANCE)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None
    if evidence is None:
        return graph
    if not isinstance(evidence, Mapping):
        evidence = read_evidence(evidence, model.cardinalities)
    return condition(graph, evidence)


def write_uai(graph: FactorGraph, path) -> None:
    """Write a factor graph as a MARKOV network in the UAI format, with enough digits to read the same numbers back.

    The file holds the numbers themselves, not their logarithms: those below -745 become 0.

    Parameters
    ----------
    graph : FactorGraph
    path : path-like

    Raises
    ------
    ValueError
        If the graph is malformed, or a logarithm is above LARGEST_LOG.
    """
    graph = validate_factor_graph(graph)
    for f, table in enumerate(graph.log_tables):
        if table.max() > LARGEST_LOG:
            raise ValueError(
                f"log_tables[{f}]: expected logarithms of at most {LARGEST_LOG:.2f}, as the file holds the numbers, got {table.max()}"
            )
    write_tables(
        path, "MARKOV", graph.cardinalities, graph.scopes, [np.exp(table) for table in graph.log_tables]
    )


def _eliminate(graph: FactorGraph, keep: int | None) -> tuple[np.ndarray, float]:
    """Sum out every variable but `keep`; returns its log table (unnormalised) and log Z."""
    factors: dict[int, tuple[tuple[int, ...], np.ndarray]] = dict(
        enumerate(zip(graph.scopes, graph.log_tables, strict=True))
    )
    containing: list[set[int]] = [set() for _ in graph.cardinalities]
    neighbours: list[set[int]] = [set() for _ in graph.cardinalities]
    for f, (scope, _) in factors.items():
        for v in scope:
            containing[v].add(f)
            neighbours[v].update(u for u in scope if u != v)
    remaining = set(range(len(graph.cardinalities))) - {keep}
    next_id = len(factors)
    while remaining:
        v = min(remaining, key=lambda u: (_fill(neighbours, u), len(neighbours[u]), u))
        remaining.discard(v)
        scope = (*sorted(neighbours[v]), v)
        size = int(np.prod([graph.cardinalities[u] for u in scope], dtype=np.float64))
        if size > MAX_TABLE_ENTRIES:
            raise ValueError(
                f"graph: expected one that eliminates with tables of at most {MAX_TABLE_ENTRIES} entries, got {size:.1e}; "
                "use mean_field.fit_factor_graph for a lower bound"
            )
        used = sorted(containing[v])
        table = _multiply([factors.pop(f) for f in used], scope, graph.cardinalities)
        for u in scope:
            containing[u].difference_update(used)
            neighbours[u].update(w for w in scope if w not in (u, v))
            neighbours[u].discard(v)
            containing[u].add(next_id)
        factors[next_id] = (scope[:-1], np.logaddexp.reduce(table, axis=-1))
        next_id += 1
    scope = () if keep is None else (keep,)
    table = _multiply(list(factors.values()), scope, graph.cardinalities)
    return table, float(np.logaddexp.reduce(table.ravel()))


def _fill(neighbours: list[set[int]], v: int) -> int:
    """Edges that eliminating v would add."""
    around = list(neighbours[v])
    return sum(b not in neighbours[a] for k, a in enumerate(around) for b in around[k + 1 :])


def _multiply(factors, scope: tuple[int, ...], cardinalities) -> np.ndarray:
    """Sum log tables over a common scope."""
    result = np.zeros([cardinalities[v] for v in scope])
    for own, table in factors:
        order = sorted(range(len(own)), key=lambda k: scope.index(own[k]))
        shape = [cardinalities[v] if v in own else 1 for v in scope]
        result += table.transpose(order).reshape(shape)
    return result


def _topological_order(net: BayesNet) -> list[int]:
    order: list[int] = []
    placed: set[int] = set()
    waiting = list(range(len(net.cardinalities)))
    while waiting:
        ready = [i for i in waiting if placed.issuperset(net.parents[i])]
        if not ready:
            raise ValueError(f"parents: expected no directed cycle, got one through the variables {waiting}")
        order += ready
        placed.update(ready)
        waiting = [i for i in waiting if i not in placed]
    return order


def _whole_numbers(name: str, values) -> tuple[int, ...]:
    try:
        return tuple(operator.index(value) for value in values)
    except TypeError:
        raise ValueError(f"{name}: expected whole numbers, got {values!r}") from None


def _cardinalities(values) -> tuple[int, ...]:
    cardinalities = _whole_numbers("cardinalities", values)
    if not cardinalities or min(cardinalities) < 1:
        raise ValueError(
            f"cardinalities: expected at least one variable with at least one state each, got {cardinalities}"
        )
    return cardinalities


def _scope(name: str, scope, num_variables: int) -> tuple[int, ...]:
    scope = _whole_numbers(name, scope)
    if len(set(scope)) != len(scope):
        raise ValueError(f"{name}: expected distinct variables, got {scope}")
    if any(not 0 <= v < num_variables for v in scope):
        raise ValueError(f"{name}: expected variables from 0 to {num_variables - 1}, got {scope}")
    return scope


def _states(states, cardinalities: tuple[int, ...]) -> tuple[np.ndarray, bool]:
    states = reals("states", states)
    single = states.ndim == 1
    states = np.atleast_2d(states)
    if states.ndim != 2 or states.shape[1] != len(cardinalities):
        raise ValueError(
            f"states: expected {len(cardinalities)} variables in the last dimension, got shape {states.shape}"
        )
    if states.dtype.kind not in "iub" or (states < 0).any() or (states >= np.array(cardinalities)).any():
        raise ValueError("states: expected integers from 0 to each variable's cardinality - 1, got others")
    return states.astype(np.int64), single


def _noisy_or(model: NoisyOr) -> NoisyOr:
    prior, activation, leak = (
        reals(name, a, np.float64) for name, a in zip(model._fields, model, strict=True)
    )
    if prior.ndim != 1 or leak.ndim != 1 or activation.shape != (leak.size, prior.size):
        raise ValueError(
            "model: expected prior (D,), activation (S, D), leak (S,), got shapes "
            f"{prior.shape}, {activation.shape}, {leak.shape}"
        )
    for name, array in zip(NoisyOr._fields, (prior, activation, leak), strict=True):
        if not ((array >= 0) & (array <= 1)).all():
            raise ValueError(f"{name}: expected probabilities in [0, 1], got others")
    return NoisyOr(prior, activation, leak)


def _sigmoid_belief_net(model: SigmoidBeliefNet) -> SigmoidBeliefNet:
    W, b, c = (reals(name, a, np.float64) for name, a in zip(model._fields, model, strict=True))
    if b.ndim != 1 or c.ndim != 1 or W.shape != (b.size, c.size):
        raise ValueError(
            f"model: expected W (D, H), b (D,), c (H,), got shapes {W.shape}, {b.shape}, {c.shape}"
        )
    if not (np.isfinite(W).all() and np.isfinite(b).all() and np.isfinite(c).all()):
        raise ValueError("model: expected finite parameters, got NaN or inf")
    finite_sums(W=W, b=b, c=c)
    return SigmoidBeliefNet(W, b, c)


def _log_complement(log_p: np.ndarray) -> np.ndarray:
    """log(1 - p), also where p differs from 1 by less than rounding."""
    return np.log(-np.expm1(log_p))


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -x))
