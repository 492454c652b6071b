"""Directed and undirected models against sums over all states; the UAI format against hand-written files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lectures_lib import graphical_models as models
from lectures_lib import uai
from lectures_lib.graphical_models import BayesNet, FactorGraph, NoisyOr, SigmoidBeliefNet
from tests.lectures_lib.oracles import log_sum_exp, states_of


def random_graph(rng, num_variables, num_factors, zeros=0.0):
    cardinalities = tuple(int(k) for k in rng.integers(1, 4, num_variables))
    scopes, tables = [], []
    for _ in range(num_factors):
        scope = tuple(
            int(v) for v in rng.permutation(num_variables)[: rng.integers(0, min(4, num_variables + 1))]
        )
        table = rng.normal(size=[cardinalities[v] for v in scope])
        scopes.append(scope)
        tables.append(np.where(rng.random(table.shape) < zeros, -np.inf, table))
    return FactorGraph(cardinalities, tuple(scopes), tuple(tables))


def random_net(rng, num_variables, max_parents=3, window=None):
    """A random directed acyclic network; parents are among the `window` variables before."""
    cardinalities = tuple(int(k) for k in rng.integers(2, 4, num_variables))
    parents, tables = [], []
    for i in range(num_variables):
        first = 0 if window is None else max(0, i - window)
        count = int(rng.integers(0, min(max_parents, i - first) + 1))
        own = tuple(int(v) for v in sorted(first + rng.permutation(i - first)[:count]))
        shape = [cardinalities[v] for v in own]
        parents.append(own)
        tables.append(rng.dirichlet(np.ones(cardinalities[i]), size=shape or None))
    return BayesNet(cardinalities, tuple(parents), tuple(tables))


def brute_log_weights(graph, states):
    total = np.zeros(len(states))
    for k, state in enumerate(states):
        for scope, table in zip(graph.scopes, graph.log_tables, strict=True):
            total[k] += table[tuple(state[v] for v in scope)]
    return total


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), num_variables=st.integers(1, 6), num_factors=st.integers(0, 7))
def test_elimination_is_the_sum_over_all_states(seed, num_variables, num_factors):
    graph = random_graph(np.random.default_rng(seed), num_variables, num_factors)
    states = states_of(graph.cardinalities)
    weights = brute_log_weights(graph, states)
    np.testing.assert_allclose(models.log_unnormalized(graph, states), weights, atol=1e-12)
    log_z = log_sum_exp(weights)
    assert models.log_partition(graph) == pytest.approx(log_z, rel=1e-11, abs=1e-11)
    p = np.exp(weights - log_z)
    for v, marginal in enumerate(models.marginals(graph)):
        expected = [p[states[:, v] == k].sum() for k in range(graph.cardinalities[v])]
        np.testing.assert_allclose(marginal, expected, atol=1e-11)


def test_impossible_states_are_counted_as_such():
    graph = FactorGraph((2, 2), ((0, 1), (1,)), (np.log([[1.0, 2.0], [3.0, 4.0]]), np.array([-np.inf, 0.0])))
    assert models.log_partition(graph) == pytest.approx(np.log(6.0))
    impossible = FactorGraph((2,), ((0,),), (np.array([-np.inf, -np.inf]),))
    assert models.log_partition(impossible) == -np.inf
    with pytest.raises(ValueError, match="zero everywhere"):
        models.marginals(impossible)


def test_huge_logarithms():
    scopes = ((0,), (0, 1), (1,))
    for huge in (1e30, 1e300):
        tables = (np.array([huge, -np.inf]), np.full((2, 2), -huge), np.array([3 * huge, -huge]))
        graph = FactorGraph((2, 2), scopes, tables)
        assert models.log_partition(graph) == pytest.approx(3 * huge)
        np.testing.assert_array_equal(models.marginals(graph), [[1, 0], [1, 0]])
    with pytest.raises(ValueError, match="log_tables: expected logarithms whose sums stay finite"):
        models.log_partition(FactorGraph((2, 2), scopes, tuple(1e307 / huge * table for table in tables)))
    equal = FactorGraph((3,), ((0,),), (np.full(3, 1e30),))
    np.testing.assert_array_equal(models.marginals(equal)[0], np.full(3, 1 / 3))
    impossible = FactorGraph((2, 2), scopes, (np.full(2, -np.inf), *tables[1:]))
    assert models.log_partition(impossible) == -np.inf


def test_a_grid_too_large_for_enumeration_agrees_with_the_transfer_matrix():
    from lectures_lib import ising

    rng = np.random.default_rng(0)
    rows, columns = 10, 10
    across, down = 0.5 * rng.normal(size=(rows, columns - 1)), 0.5 * rng.normal(size=(rows - 1, columns))
    fields = rng.normal(size=(rows, columns))
    graph = grid_graph(across, down, fields)
    assert models.log_partition(graph) == pytest.approx(
        ising.log_partition_strip(across, down, fields), rel=1e-11
    )


def grid_graph(across, down, fields):
    rows, columns = fields.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    agree = np.array([[1.0, -1.0], [-1.0, 1.0]])
    scopes = [(int(i),) for i in index.ravel()]
    tables = [np.array([-f, f]) for f in fields.ravel()]
    for couplings, a, b in ((across, index[:, :-1], index[:, 1:]), (down, index[:-1], index[1:])):
        scopes += [(int(i), int(j)) for i, j in zip(a.ravel(), b.ravel(), strict=True)]
        tables += [K * agree for K in couplings.ravel()]
    return FactorGraph((2,) * fields.size, tuple(scopes), tuple(tables))


def test_the_leaves_of_a_star_are_summed_out_before_its_centre():
    """In the order of their numbers the centre would come first, with a table over all of the others."""
    leaves = np.random.default_rng(0).normal(size=(40, 2, 3))
    graph = FactorGraph((2,) + (3,) * 40, tuple((0, k) for k in range(1, 41)), tuple(leaves))
    expected = log_sum_exp(np.log(np.exp(leaves).sum(axis=2)).sum(axis=0))
    assert models.log_partition(graph) == pytest.approx(expected, rel=1e-12)


def test_a_dense_graph_is_refused_before_it_fills_the_memory():
    n = 40
    scopes = tuple((i, j) for i in range(n) for j in range(i))
    graph = FactorGraph((2,) * n, scopes, tuple(np.zeros((2, 2)) for _ in scopes))
    with pytest.raises(ValueError, match=r"at most 67108864 entries, got 1\.1e\+12; use mean_field"):
        models.log_partition(graph)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), num_variables=st.integers(1, 6))
def test_a_bayes_net_sums_to_one(seed, num_variables):
    net = random_net(np.random.default_rng(seed), num_variables)
    states = states_of(net.cardinalities)
    assert log_sum_exp(models.log_joint(net, states)) == pytest.approx(0.0, abs=1e-10)
    assert models.log_partition(models.to_factor_graph(net)) == pytest.approx(0.0, abs=1e-10)


MODELS = {
    "bayes net": random_net(np.random.default_rng(11), 4),
    "bayes net with a child before its parents": BayesNet(
        (2, 3, 2),
        ((2, 1), (2,), ()),
        (
            np.random.default_rng(0).dirichlet(np.ones(2), size=(2, 3)),
            np.array([[0.2, 0.3, 0.5], [0.7, 0.3, 0.0]]),
            np.array([0.4, 0.6]),
        ),
    ),
    "noisy or": NoisyOr(
        np.array([0.3, 0.6]), np.array([[0.9, 0.2], [0.0, 0.7], [0.4, 0.0]]), np.array([0.1, 0.0, 0.2])
    ),
    "belief net": SigmoidBeliefNet(
        np.array([[2.0, -1.0], [1.0, 3.0], [0.5, 0.0]]), np.array([-1.0, 0, 1]), np.array([0.5, -0.5])
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_ancestral_samples_have_the_enumerated_frequencies(name):
    model = MODELS[name]
    cardinalities = model.cardinalities if isinstance(model, BayesNet) else (2,) * 5
    states = states_of(cardinalities)
    with np.errstate(divide="ignore"):
        p = np.exp(models.log_joint(model, states))
    assert p.sum() == pytest.approx(1.0, abs=1e-10)
    samples = models.sample(model, 50_000, np.random.default_rng(0))
    code = np.ravel_multi_index(samples.T, cardinalities)
    frequency = np.bincount(code, minlength=len(p)) / len(samples)
    assert 0.5 * np.abs(frequency - p).sum() < 0.02


class Constant:
    """A generator whose every number is the same."""

    def __init__(self, number):
        self.number = number

    def random(self, size):
        return np.full(size, self.number)


def test_no_number_draws_an_impossible_state():
    """Neither 0 a first state without probability, nor a number near 1 one beyond a table whose sum was rounded down."""
    for table in ([0.0, 0.5, 0.5, 0.0], [0.0, 0.5, 0.5 - 5e-7, 0.0]):
        net = BayesNet((4,), ((),), (np.array(table),))
        assert models.sample(net, 2, Constant(0.0)).tolist() == [[1], [1]]
        assert models.sample(net, 2, Constant(1 - 2**-53)).tolist() == [[2], [2]]


@pytest.mark.parametrize("name", MODELS)
def test_log_joint_of_one_state_is_a_number(name):
    model = MODELS[name]
    states = states_of(model.cardinalities if isinstance(model, BayesNet) else (2,) * 5)
    one = models.log_joint(model, states[3])
    assert np.ndim(one) == 0
    assert one == models.log_joint(model, states)[3]


def test_a_noisy_or_network_as_a_factor_graph():
    model = MODELS["noisy or"]
    graph = models.to_factor_graph(model)
    assert graph.scopes == ((0,), (1,), (0, 1, 2), (1, 3), (0, 4))  # a symptom with what may cause it alone
    states = states_of(graph.cardinalities)
    np.testing.assert_allclose(
        np.exp(models.log_unnormalized(graph, states)), np.exp(models.log_joint(model, states)), atol=1e-14
    )


def test_tiny_probabilities_of_a_noisy_or_network():
    model = NoisyOr(np.array([1e-300]), np.array([[1e-30], [0.25], [1.0]]), np.array([1e-200, 1e-20, 0.0]))
    states = np.array([[0, 1, 1, 0], [1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    expected = [
        np.log(1e-200) + np.log(1e-20),
        np.log(1e-300) + np.log(1e-30) + np.log(0.25),
        -np.inf,
        -1e-20,
    ]
    np.testing.assert_allclose(models.log_joint(model, states), expected, rtol=1e-14)
    np.testing.assert_allclose(models.log_unnormalized(models.to_factor_graph(model), states), expected)


def test_numbers_too_large_for_a_file_are_refused(tmp_path):
    graph = FactorGraph((2,), ((0,),), (np.array([709.0, -np.inf]),))
    models.write_uai(graph, tmp_path / "a.uai")
    np.testing.assert_allclose(models.read_uai(tmp_path / "a.uai").log_tables[0], graph.log_tables[0])
    with pytest.raises(
        ValueError, match=r"log_tables\[0\]: expected logarithms of at most 709.78, .* got 710"
    ):
        models.write_uai(graph._replace(log_tables=(np.array([710.0, 0.0]),)), tmp_path / "b.uai")
    assert not (tmp_path / "b.uai").exists()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: models.log_partition(g._replace(cardinalities=(2.5,))), "cardinalities"),
        (lambda g: models.log_partition(g._replace(scopes=((0.5,),))), r"scopes\[0\]"),
        (lambda g: models.condition(g, {0.5: 0}), "evidence"),
        (lambda g: models.condition(g, {0: 0.5}), r"evidence\[0\]"),
    ],
)
def test_variables_and_states_are_whole_numbers(call, message):
    with pytest.raises(ValueError, match=f"^{message}: expected (a )?whole number"):
        call(FactorGraph((2,), ((0,),), (np.zeros(2),)))


def test_explaining_away_couples_hidden_units_after_seeing_a_common_effect():
    model = SigmoidBeliefNet(np.array([[6.0, 6.0]]), np.array([-3.0]), np.array([-1.0, -1.0]))
    states = states_of((2, 2, 2))
    p = np.exp(models.log_joint(model, states))

    def covariance(weights):
        weights = weights / weights.sum()
        h = states[:, :2]
        mean = weights @ h
        return weights @ (h[:, 0] * h[:, 1]) - mean[0] * mean[1]

    assert covariance(p) == pytest.approx(0.0, abs=1e-12)
    assert covariance(p * (states[:, 2] == 1)) < -0.1


def test_conditioning_keeps_every_variable():
    graph = random_graph(np.random.default_rng(5), 5, 6)
    evidence = {1: 0, 3: graph.cardinalities[3] - 1}
    observed = models.condition(graph, evidence)
    states = states_of(graph.cardinalities)
    fits = (states[:, 1] == evidence[1]) & (states[:, 3] == evidence[3])
    expected = log_sum_exp(brute_log_weights(graph, states)[fits])
    assert models.log_partition(observed) == pytest.approx(expected, rel=1e-11)
    assert len(models.marginals(observed)) == 5
    assert models.marginals(observed)[3][evidence[3]] == pytest.approx(1.0)


# --- the UAI format ----------------------------------------------------------------------------------------------------

MARKOV = """MARKOV
3
2 2 3
2
2 0 1
3 0 1 2

4
 4.000 2.400
 1.000 0.000

12
 2.2500 3.2500 3.7500
 0.0000 0.0000 10.0000
 1.8750 4.0000 3.3330
 2.0000 2.0000 3.4000
"""

BAYES = """BAYES
2
2 3
2
2 1 0
1 1
6
 0.2 0.8  0.5 0.5  1.0 0.0
3
 0.5 0.25 0.25
"""


@pytest.fixture
def file(tmp_path):
    def write(text, name="model.uai"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_markov_file(file):
    graph = models.read_uai(file(MARKOV))
    assert graph.cardinalities == (2, 2, 3)
    assert graph.scopes == ((0, 1), (0, 1, 2))
    assert np.exp(graph.log_tables[1][0, 1, 2]) == pytest.approx(10.0)
    # By hand: 4 * 9.25 + 2.4 * 10 + 1 * 9.208 + 0.
    assert np.exp(models.log_partition(graph)) == pytest.approx(4 * 9.25 + 2.4 * 10 + 9.208)


def test_a_markov_file_without_tables_or_with_a_constant_one(file):
    assert models.log_partition(models.read_uai(file("MARKOV\n2\n2 3\n0\n"))) == pytest.approx(np.log(6))
    graph = models.read_uai(file("MARKOV\n2\n2 3\n1\n0\n\n1\n 0.5\n"))
    assert models.log_partition(graph) == pytest.approx(np.log(3))


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path):
    (tmp_path / "model.uai").write_bytes(b"MARKOV\n\xff\n")
    with pytest.raises(ValueError, match="line 2: expected the number of variables, at least 1, got"):
        uai.read_tables(tmp_path / "model.uai")


def test_a_bayes_file_has_the_child_last(file):
    path = file(BAYES)
    assert models.log_partition(models.read_uai(path)) == pytest.approx(0.0, abs=1e-12)
    # p(x0 = 0) = 0.5 * 0.2 + 0.25 * 0.5 + 0.25 * 1
    assert np.exp(models.log_partition(models.read_uai(path, {0: 0}))) == pytest.approx(0.475)


def test_tables_of_a_bayes_file_come_in_any_order_and_with_rounded_numbers(file):
    text = "BAYES\n2\n2 3\n2\n1 1\n2 1 0\n3\n 0.333 0.333 0.333\n6\n 0.2 0.8  0.5 0.5  1.0 0.0\n"
    graph = models.read_uai(file(text))
    assert np.exp(models.log_partition(models.condition(graph, {0: 0}))) == pytest.approx(0.333 * 1.7)


@pytest.mark.parametrize("text", ["1 0 0", "1\n1 0 0\n", "1 0 0\n\n"])
def test_evidence_files_of_both_forms(file, text):
    graph = models.read_uai(file(BAYES), file(text, "model.evid"))
    assert np.exp(models.log_partition(graph)) == pytest.approx(0.475)


def test_what_is_observed_twice_alike_is_observed_once(file):
    assert uai.read_evidence(file("2 0 1 0 1", "model.evid"), (2, 3)) == {0: 1}


@pytest.mark.parametrize("text", ["0", "1\n0\n", "", "1 0", "1"])
def test_empty_evidence(file, text):
    graph = models.read_uai(file(BAYES), file(text, "model.evid"))
    assert models.log_partition(graph) == pytest.approx(0.0, abs=1e-12)


def test_a_network_of_37_nodes_survives_the_round_trip(tmp_path):
    net = random_net(np.random.default_rng(37), 37, max_parents=3, window=6)
    graph = models.to_factor_graph(net)
    models.write_uai(graph, tmp_path / "net.uai")
    for written, table in zip(uai.read_tables(tmp_path / "net.uai").tables, graph.log_tables, strict=True):
        np.testing.assert_array_equal(written, np.exp(table))
    again = models.read_uai(tmp_path / "net.uai")
    assert models.log_partition(again) == pytest.approx(0.0, abs=1e-9)
    evidence = {5: 1, 20: 0, 36: 1}
    observed = models.log_partition(models.condition(again, evidence))
    samples = models.sample(net, 200_000, np.random.default_rng(0))
    hits = np.all([samples[:, v] == k for v, k in evidence.items()], axis=0).mean()
    assert np.exp(observed) == pytest.approx(hits, abs=5 * np.sqrt(hits / 200_000))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected the preamble MARKOV or BAYES, got the end of the file"),
        ("GRAPH\n2", "line 1: expected the preamble MARKOV or BAYES, got 'GRAPH'"),
        ("MARKOV\n0\n\n0\n", "line 2: expected the number of variables, at least 1, got 0"),
        (
            "MARKOV\n64\n" + "2 " * 64 + "\n1\n64 " + " ".join(map(str, range(64))) + "\n0\n",
            f"line 6: expected the number of entries of table 0, {2**64}, got 0",
        ),
        (
            MARKOV.replace("2 2 3", "2 0 3"),
            "line 3: expected the number of states of variable 1, at least 1, got 0",
        ),
        (MARKOV.replace("2 0 1", "2 0 7"), "line 5: expected a variable of table 0, from 0 to 2, got 7"),
        (MARKOV.replace("2 0 1", "2 1 1"), "line 5: expected distinct variables in table 0"),
        (MARKOV.replace("\n4\n", "\n5\n"), "line 8: expected the number of entries of table 0, 4, got 5"),
        (MARKOV.replace("2.400", "-2.4"), "line 9: expected a number of at least 0 in table 0, got -2.4"),
        (MARKOV.replace("2.400", "nan"), "line 9: expected a number of at least 0 in table 0, got nan"),
        (MARKOV.replace("2.400", "inf"), "line 9: expected a number of at least 0 in table 0, got inf"),
        (MARKOV.replace("2.400", "x"), "line 9: expected a number of at least 0 in table 0, got 'x'"),
        (MARKOV[:-20], "line 1[56]: expected a number of at least 0 in table 1, got the end of the file"),
        (MARKOV + "7\n", "line 17: expected the end of the file, got '7'"),
        (
            BAYES.replace("0.2 0.8", "0.2 0.7"),
            r"tables\[0\]: expected conditional probabilities that sum to 1",
        ),
        (BAYES.replace("1 1\n6", "0\n6"), "line 6: expected at least one variable in table 1, got none"),
        (BAYES.replace("2 1 0", "2 0 1"), "one conditional table a variable"),
    ],
)
def test_malformed_files_are_refused_with_their_line(file, text, message):
    with pytest.raises(ValueError, match=message):
        models.read_uai(file(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x 0 0", "line 1: expected one sample of evidence, got 'x'"),
        ("1 0 2", "line 1: expected a state of variable 0, from 0 to 1, got 2"),
        ("1 5 0", "line 1: expected a variable from 0 to 1, got 5"),
        ("2 0 1 0 0", "expected one state of variable 0, got 1 and 0"),
        ("2 0 1", "line 1: expected one sample of evidence, got 2"),
        ("1 0 0 7", "line 1: expected the end of the file, got '0'"),
        ("1\n1 0 0 7", "line 2: expected the end of the file, got '7'"),
        ("3\n1 0 0", "one sample of evidence"),
    ],
)
def test_malformed_evidence_is_refused(file, text, message):
    with pytest.raises(ValueError, match=message):
        models.read_uai(file(BAYES), file(text, "model.evid"))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: models.log_partition(FactorGraph((2,), ((0,),), (np.zeros(3),))),
            r"log_tables\[0\]: expected shape \(2,\)",
        ),
        (
            lambda: models.log_partition(FactorGraph((2,), ((1,),), (np.zeros(2),))),
            r"scopes\[0\]: expected variables from 0 to 0",
        ),
        (lambda: models.log_partition(FactorGraph((2,), ((0,),), (np.array([np.nan, 0]),))), "got NaN"),
        (lambda: models.log_partition(FactorGraph((), (), ())), "at least one variable"),
        (lambda: models.log_partition(FactorGraph((2,), ((0,),), ())), "expected 1 to match scopes, got 0"),
        (
            lambda: models.sample(BayesNet((2,), ((),), (np.array([0.5, 0.6]),)), 1, None),
            "sum to 1, got a sum of 1.1",
        ),
        (
            lambda: models.sample(BayesNet((2,), ((),), (np.array([1.5, -0.5]),)), 1, None),
            "probabilities of at least 0",
        ),
        (
            lambda: models.to_factor_graph(BayesNet((2, 2), ((1,), (0,)), (np.full((2, 2), 0.5),) * 2)),
            "no directed cycle",
        ),
        (lambda: models.log_joint(MODELS["noisy or"], [0, 1, 2, 0, 0]), "expected integers from 0"),
        (
            lambda: models.log_joint(
                SigmoidBeliefNet([[1e308, 1e308, -1e308, -1e308]], [0], [0] * 4), [1, 1, 1, 1, 0]
            ),
            "W, b, c: expected numbers whose sums stay finite",
        ),
        (lambda: models.log_joint(MODELS["noisy or"], [0, 1]), "expected 5 variables in the last dimension"),
        (
            lambda: models.sample(NoisyOr([0.5], [[1.5]], [0.1]), 1, None),
            r"activation: expected probabilities in \[0, 1\]",
        ),
        (
            lambda: models.sample(NoisyOr([0.5], [0.5], [0.1]), 1, None),
            r"expected prior \(D,\), activation \(S, D\)",
        ),
        (lambda: models.sample(SigmoidBeliefNet([[1.0]], [0.0], [np.nan]), 1, None), "finite parameters"),
        (
            lambda: models.condition(random_graph(np.random.default_rng(0), 2, 1), {4: 0}),
            "variables from 0 to 1, got 4",
        ),
        (lambda: models.sample(MODELS["noisy or"], 0, None), "num_samples: expected at least 1, got 0"),
    ],
)
def test_bad_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
