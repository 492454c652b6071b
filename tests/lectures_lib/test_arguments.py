"""Every public function, given the same numbers in another form, and given what is no number at all."""

import copy
import inspect

import numpy as np
import pytest

from lectures_lib import (
    conv_dbn,
    conv_rbm,
    datasets,
    dbn,
    em,
    gibbs_principle,
    graphical_models,
    ising,
    mean_field,
    rbm,
    two_kls,
)

rng = np.random.default_rng(0)
J = np.array([[0.0, 0.5, -0.25], [0.5, 0.0, 1.0], [-0.25, 1.0, 0.0]])
h = np.array([0.5, -1.0, 0.25])
X = np.round(4 * rng.normal(size=(6, 2))) / 2
means = np.array([[-1.0, 0.5], [1.0, 0.0], [0.5, 2.0]])
q = np.array([0.5, 0.25, 0.25])
p = np.array([0.25, 0.5, 0.25])
R = np.array([[0.5, 0.25, 0.25]] * 6)
machine = rbm.RBM(
    np.round(4 * rng.normal(size=(3, 2))) / 4, np.array([0.5, -0.25, 1.0]), np.array([0.25, -0.5])
)
net = dbn.DBN((machine, rbm.RBM(np.round(4 * rng.normal(size=(2, 4))) / 4, np.zeros(2), np.ones(4))))
bits = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 1.0]])
above = np.array([[0.0, 1.0], [1.0, 1.0]])
S = np.array([[2.0, 0.5], [0.5, 1.0]])
spins = np.array([1.0, -1.0, 1.0])
lattice = np.array([[0.5, -1.0], [0.25, 0.0]])
crbm = conv_rbm.ConvRBM(
    np.round(4 * rng.normal(size=(2, 1, 2, 2))) / 4, np.array([0.5]), np.array([-0.25, 0.0]), 2, False
)
cnet = conv_dbn.ConvDBN((crbm,))
pictures = np.round(rng.random((3, 1, 5, 5)))
features = (
    np.round(rng.random((3, 2, 4, 4)))
    * np.array([[1.0, 0.0], [0.0, 0.0]])[np.arange(4)[:, None] % 2, np.arange(4) % 2]
)
graph = graphical_models.FactorGraph((2, 3), ((0,), (0, 1)), (np.array([0.5, -1.0]), np.ones((2, 3))))
bayes = graphical_models.BayesNet(
    (2, 2), ((), (0,)), (np.array([0.25, 0.75]), np.array([[0.5, 0.5], [0.25, 0.75]]))
)
noisy = graphical_models.NoisyOr(
    np.array([0.25, 0.5]), np.array([[0.5, 0.25], [0.5, 0.0], [0.25, 0.75]]), np.array([0.125, 0.0, 0.25])
)
log_table = np.log(np.array([[0.125, 0.25], [0.5, 0.125]]))
grid = np.linspace(-8.0, 8.0, 257)
log_normal = -0.5 * grid**2 - 0.5 * np.log(2 * np.pi)


LOGS = {"log_joint", "log_p", "log_q", "log_tables"}
"""Arguments in which -inf marks what is impossible."""


def case(function, *args, **options):
    """The name of a function, for the report, and a call of it with generators that start anew."""
    return pytest.param(
        function, args, options, id=f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
    )


SEED = object()  # stands for a generator with a fixed seed
CASES = [
    case(conv_dbn.fit_greedy, pictures, [{"num_filters": 2, "filter_size": 2}], SEED, num_epochs=1),
    case(conv_dbn.transform, cnet, pictures),
    case(conv_dbn.features, cnet),
    case(conv_dbn.strongest_patches, cnet, pictures, 2),
    case(conv_dbn.class_information, bits, np.array([0, 1])),
    case(conv_dbn.validate, cnet),
    case(conv_rbm.validate, crbm),
    case(conv_rbm.hidden_mean, crbm, pictures),
    case(conv_rbm.sample_hidden, crbm, pictures, SEED),
    case(conv_rbm.visible_mean, crbm, features),
    case(conv_rbm.sample_visible, crbm, features, SEED),
    case(conv_rbm.energy, crbm, pictures, features),
    case(conv_rbm.free_energy, crbm, pictures),
    case(conv_rbm.cd_gradient, crbm, pictures, 1, SEED),
    case(conv_rbm.fit, pictures, 2, 2, SEED, num_epochs=1, initial=crbm),
    case(datasets.whiten, pictures[:, 0] + np.arange(5.0)),
    case(dbn.validate, net),
    case(dbn.tie, machine),
    case(dbn.log_joint, net, bits, [above, np.ones((2, 4))]),
    case(dbn.log_prob, net, bits),
    case(dbn.log_bound, net, bits),
    case(dbn.fit_greedy, bits, (2, 2), SEED, num_epochs=1),
    case(dbn.up_down, net, bits, SEED, num_epochs=1),
    case(dbn.sample, net, 2, SEED, num_steps=2),
    case(dbn.features, net, 2),
    case(em.e_step, X, means),
    case(em.m_step, X, R, means),
    case(em.log_likelihood, X, means),
    case(em.objective, X, means, R),
    case(em.fit, X, means, max_iter=3),
    case(em.hard_em, X, means),
    case(em.initial_means, X, 2, SEED),
    case(em.fit_restarts, X, 2, SEED, num_restarts=2),
    case(gibbs_principle.entropy, q),
    case(gibbs_principle.kl, q, p),
    case(gibbs_principle.elbo, log_joint=log_table, q=np.full((2, 2), 0.25)),
    case(gibbs_principle.free_energy, log_joint=log_table, q=np.full((2, 2), 0.25)),
    case(gibbs_principle.log_evidence, log_joint=log_table),
    case(gibbs_principle.posterior, log_joint=log_table),
    case(gibbs_principle.quickscore, noisy.prior, noisy.activation, noisy.leak, np.array([1, 0, -1])),
    case(graphical_models.validate_factor_graph, graph),
    case(graphical_models.validate_bayes_net, bayes),
    case(graphical_models.log_joint, bayes, np.array([[0, 1], [1, 1]])),
    case(graphical_models.log_unnormalized, graph, np.array([[0, 2], [1, 1]])),
    case(graphical_models.sample, noisy, 3, SEED),
    case(graphical_models.to_factor_graph, noisy),
    case(graphical_models.condition, graph, {0: 1}),
    case(graphical_models.log_partition, graph),
    case(graphical_models.marginals, graph),
    case(ising.log_partition, J, h),
    case(ising.exact_moments, J, h),
    case(ising.log_partition_chain, h[:2], h),
    case(ising.log_partition_strip, np.ones((2, 2)), np.ones((1, 3)), np.ones((2, 3))),
    case(ising.gibbs_sample, J, h, 3, SEED, spins),
    case(ising.gibbs_sample_torus, 2, 0.3, 0.1, 3, SEED, np.ones((2, 2))),
    case(mean_field.energy, J, h, h / 2),
    case(mean_field.entropy, h),
    case(mean_field.log_partition_bound, J, h, h / 2),
    case(mean_field.coordinate_ascent, J, h, h),
    case(
        mean_field.coordinate_update,
        marginals=[np.array([0.5, 0.5]), np.array([0.25, 0.75])],
        log_p=log_table,
        i=0,
    ),
    case(mean_field.coordinate_ascent_torus, lattice, 0.1, lattice),
    case(mean_field.denoise, lattice, 0.1, 1.0),
    case(mean_field.fit_factor_graph, graph),
    case(rbm.validate, machine),
    case(rbm.hidden_mean, machine, bits),
    case(rbm.visible_mean, machine, above),
    case(rbm.free_energy, machine, bits),
    case(rbm.log_partition, machine),
    case(rbm.log_prob, machine, bits),
    case(rbm.exact_gradient, machine, bits),
    case(rbm.cd_gradient, machine, bits, 1, SEED, bits),
    case(rbm.gibbs_sample, machine, 2, 2, SEED, bits),
    case(rbm.pseudo_log_likelihood, machine, bits),
    case(rbm.fit, bits, 2, SEED, num_epochs=2, initial=machine),
    case(
        rbm.annealed_log_partition,
        machine,
        SEED,
        num_chains=3,
        num_temperatures=3,
        base_bias=np.array([0.5, 0.0, -0.5]),
    ),
    case(two_kls.kl_gaussian, X[0], S, X[1], np.eye(2)),
    case(two_kls.moment_match, p, means, np.array([S, S, S])),
    case(two_kls.reverse_kl_factorized, S),
    case(two_kls.forward_kl_factorized, S),
    case(two_kls.kl_grid, log_q=log_normal, log_p=log_normal, dx=grid[1] - grid[0]),
    case(two_kls.log_mixture, weights=p, means=means, covariances=np.array([S, S, S]), x=X),
]


def run(function, args, options):
    """Call with copies of the arrays and a fresh generator; the arrays must stay as they were."""
    args = [np.random.default_rng(7) if arg is SEED else arg for arg in args]
    before = copy.deepcopy([[*args], options])
    result = function(*args, **options)
    after = [[*args], options]
    for (path, old), (_, new) in zip(leaves(before), leaves(after), strict=True):
        assert np.array_equal(old, new, equal_nan=True), f"{path} was changed"
    return result


def leaves(tree, path=()):
    """The arrays in nested tuples, lists and dicts, with their places."""
    if isinstance(tree, np.ndarray):
        yield path, tree
    elif isinstance(tree, dict):
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    elif isinstance(tree, tuple | list):
        for key, value in enumerate(tree):
            yield from leaves(value, (*path, key))


def replaced(tree, path, value):
    """The tree with the array at this place replaced."""
    if not path:
        return value
    key, *rest = path
    if isinstance(tree, dict):
        return {**tree, key: replaced(tree[key], rest, value)}
    parts = [replaced(part, rest, value) if k == key else part for k, part in enumerate(tree)]
    if hasattr(tree, "_fields"):
        return type(tree)(*parts)
    return type(tree)(parts)


def label(tree, path):
    """The innermost name on the way to an array."""
    name = ""
    for key in path:
        if isinstance(key, str):
            name = key
        elif hasattr(tree, "_fields"):
            name = tree._fields[key]
        tree = tree[key]
    return name


def numbers(result):
    """All numbers of a result, in float64."""
    if isinstance(result, tuple | list):
        return np.concatenate([numbers(part) for part in result]) if result else np.empty(0)
    return np.ravel(np.asarray(result, dtype=np.float64))


def spread(array):
    """The same numbers, with gaps between them."""
    wide = np.zeros(tuple(2 * side for side in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


FORMS = {
    "lists": lambda a: a.tolist(),
    "Fortran order": np.asfortranarray,
    "spread out": spread,
    "backwards": lambda a: np.ascontiguousarray(a[::-1])[::-1],
    "read-only": read_only,
    "the other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "long double": lambda a: a.astype(np.longdouble) if a.dtype.kind == "f" else a.astype(np.int32),
    "single precision": lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a.astype(np.int8),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("function", "args", "options"), CASES)
def test_the_same_numbers_in_another_form_give_the_same_answer(function, args, options, form):
    expected = numbers(run(function, args, options))
    assert (
        np.isfinite(expected).all()
        or function is graphical_models.to_factor_graph
        or function is graphical_models.condition
    )
    for path, array in leaves([list(args), options]):
        new_args, new_options = replaced([list(args), options], path, FORMS[form](array))
        result = numbers(run(function, new_args, new_options))
        if form == "single precision" and function in PRECISION_MATTERS:
            assert np.isfinite(result).all()
        else:
            tolerance = 1e-4 if form == "single precision" else 1e-12
            np.testing.assert_allclose(result, expected, rtol=tolerance, atol=tolerance)


PRECISION_MATTERS = {
    conv_dbn.fit_greedy,  # draws other random numbers in single precision
    conv_rbm.fit,
    em.fit_restarts,  # stop after another number of steps
    mean_field.coordinate_ascent_torus,
    mean_field.denoise,
}

BAD = {
    "NaN": lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, np.nan, a),
    "inf": lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, np.inf, a),
    "-inf": lambda a: np.where(np.arange(a.size).reshape(a.shape) == a.size - 1, -np.inf, a),
    "nothing": lambda a: a[:0],
    "a dimension more": lambda a: a[None, None, None, ..., None],
    "a number": lambda a: a.flat[0],
    "complex numbers": lambda a: a + 1j,
    "words": lambda a: np.full(a.shape, "one"),
    "nested lists of unequal length": lambda a: [[1.0, 2.0], [3.0]],
    "None": lambda a: np.full(a.shape, None),
}


TABLES_OF_ANY_SHAPE = {
    gibbs_principle.entropy,
    gibbs_principle.log_evidence,
    gibbs_principle.posterior,
    mean_field.entropy,
}
NONE_IN_NONE_OUT = {
    dbn.log_prob,
    dbn.log_bound,
    graphical_models.log_joint,
    graphical_models.log_unnormalized,
    mean_field.entropy,
    rbm.hidden_mean,
    rbm.visible_mean,
    rbm.free_energy,
    rbm.log_prob,
    two_kls.log_mixture,
}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.parametrize(("function", "args", "options"), CASES)
def test_what_is_no_number_is_refused(function, args, options, kind):
    for path, array in leaves([list(args), options]):
        if kind == "-inf" and label([list(args), options], path) in LOGS:
            continue
        new_args, new_options = replaced([list(args), options], path, BAD[kind](array))
        new_args = [np.random.default_rng(7) if arg is SEED else arg for arg in new_args]
        if kind == "a number" and function is gibbs_principle.entropy:
            assert function(1.0) == 0
        elif kind in ("a dimension more", "a number") and function in TABLES_OF_ANY_SHAPE:
            assert not np.isnan(numbers(function(*new_args, **new_options))).any()
        elif kind == "nothing" and function in NONE_IN_NONE_OUT and path == last_array(args, options):
            assert not np.any(numbers(function(*new_args, **new_options)))
        else:
            with pytest.raises(ValueError, match=r"^[^ ]+: expected "):
                function(*new_args, **new_options)


def last_array(args, options):
    *_, (path, _) = leaves([list(args), options])
    return path


def test_every_public_function_that_takes_arrays_is_here():
    modules = (
        conv_dbn,
        conv_rbm,
        dbn,
        em,
        gibbs_principle,
        graphical_models,
        ising,
        mean_field,
        rbm,
        two_kls,
    )
    tested = {param.values[0] for param in CASES}
    public = {
        getattr(module, name)
        for module in modules
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    }
    assert {function.__name__ for function in public - tested} == WITHOUT_ARRAYS


WITHOUT_ARRAYS = {
    "all_states",  # numbers alone
    "grid_couplings",
    "log_partition_torus",
    "onsager_log_partition_per_site",
    "onsager_magnetization",
    "read_uai",  # files, tested with the format
    "write_uai",
    "sweep_lattice",  # the inner step, which says that it checks nothing
    "wake_gradient",
    "sigmoid",  # elementwise
    "fit_reverse_kl",  # takes a callable, tested with its module
}


COUNTS = {
    "i",
    "max_iter",
    "max_sweeps",
    "num_components",
    "num_epochs",
    "num_patches",
    "num_restarts",
    "num_samples",
    "num_starts",
    "num_steps",
    "num_sweeps",
    "batch_size",
    "num_hidden",
    "num_chains",
    "num_temperatures",
    "num_filters",
    "filter_size",
    "pool",
    "size",
    "rows",
    "columns",
    "num_units",
}


@pytest.mark.parametrize("bad", [2.5, np.nan, np.inf, "2", 2 + 0j], ids=str)
@pytest.mark.parametrize(
    ("function", "args", "options"),
    [
        *CASES,
        case(ising.log_partition_torus, 3, 0.3),
        case(ising.grid_couplings, 2, 2, 0.3),
        case(rbm.all_states, 3),
        case(two_kls.fit_reverse_kl, lambda x: -0.5 * x[:, 0] ** 2, np.zeros((1, 1))),
    ],
)
def test_counts_are_whole_numbers(function, args, options, bad):
    signature = inspect.signature(function)
    for name in COUNTS & set(signature.parameters):
        bound = signature.bind(*[seeded() if arg is SEED else arg for arg in args], **options)
        bound.arguments[name] = bad
        with pytest.raises(ValueError, match=f"^{name}: expected a whole number, got"):
            function(*bound.args, **bound.kwargs)


def seeded():
    return np.random.default_rng(7)


@pytest.mark.parametrize("bad", [0, -1, np.nan, np.inf])
@pytest.mark.parametrize(
    ("function", "args"),
    [
        (rbm.fit, (bits, 2)),
        (conv_rbm.fit, (pictures, 2, 2)),
        (dbn.up_down, (net, bits)),
    ],
)
def test_rates_are_positive_and_finite(function, args, bad):
    with pytest.raises(ValueError, match="learning_rate"):
        function(*args, seeded(), learning_rate=bad)


def test_settings_of_training_are_refused_out_of_their_range():
    for setting in ({"num_steps": 0}, {"weight_decay": np.inf}, {"weight_decay": -1.0}, {"momentum": 1.0}):
        (name,) = setting
        with pytest.raises(ValueError, match=f"{name}.*: expected"):
            rbm.fit(bits, 2, seeded(), **setting)


def test_other_numbers_that_are_none():
    with pytest.raises(ValueError, match="coupling: expected a finite number"):
        ising.grid_couplings(2, 2, np.nan)
    with pytest.raises(ValueError, match="initial: expected shape"):
        rbm.gibbs_sample(machine, 5, 1, seeded(), initial=bits)
    with pytest.raises(ValueError, match="tables"):
        graphical_models.validate_bayes_net(bayes, tolerance=np.nan)
    with pytest.raises(ValueError, match="hidden: expected 2 states to match x"):
        dbn.log_joint(net, bits, [above, np.ones((3, 4))])
