"""Normalised layers: both passes beside NumPy, differences and PyTorch; statistics; errors."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_matches,
    assert_same_gradients,
    data,
    quiet_network,
    reference_of,
    refused,
    relative_difference,
)

SIZES = [5, 7, 6, 3]
NORMS: dict[str, Any] = {
    "batch": "batch",
    "layer": "layer",
    "batch-after": sb.BatchNorm(momentum=0.3, eps=1e-3, after=True),
    "layer-after": sb.LayerNorm(eps=1e-3, after=True),
    "everywhere": ["batch", sb.LayerNorm(after=True), "batch"],
    "some": [None, sb.BatchNorm(after=True), "layer"],
}
each_norm = pytest.mark.parametrize("name", NORMS)
both_modes = pytest.mark.parametrize("training", [False, True])


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = sb.get_num_threads()
    yield
    sb.set_num_threads(before)


def shaken(net: Any, seed: int = 3) -> Any:
    """Give gamma, beta and the running statistics numbers that are not 0 or 1."""
    rng = np.random.default_rng(seed)
    for layer in net.layers:
        if layer.norm is None:
            continue
        size = layer.sizes[1]
        layer.gamma, layer.beta = rng.uniform(0.5, 1.5, size), 0.5 * rng.normal(size=size)
        if layer.norm.name == "batch":
            layer.running_mean = 0.3 * rng.normal(size=size)
            layer.running_var = rng.uniform(0.5, 2, size)
    return net


def made(norm: Any, sizes: list[int] = SIZES, **keywords: Any) -> Any:
    keywords = {"activation": "tanh", "dtype": "float64", "seed": 1} | keywords
    return shaken(quiet_network(sizes, norm=norm, **keywords))


def running(net: Any) -> list[Any]:
    return [
        (layer.running_mean.copy(), layer.running_var.copy())
        for layer in net.layers
        if layer.norm and layer.norm.name == "batch"
    ]


# --- Both passes ------------------------------------------------------------------------


@both_modes
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@each_norm
def test_a_pass_beside_numpy(name: str, dtype: str, threads: int, training: bool) -> None:
    sb.set_num_threads(threads)
    for sizes, rows in ((SIZES, 9), ([40, 256, 192, 10], 300)):
        net = made(NORMS[name], sizes, dtype=dtype, loss="squared_error")
        truth = reference_of(net, ["tanh", "tanh", "identity"], "squared_error")
        X, t = data(sizes, rows, "squared_error", dtype, seed=rows)
        a, wanted = net.forward(X, training=training), truth.forward(X, training=training)
        # float32: the reference rounds too, and 1/sqrt(v + eps) amplifies.
        tolerance = 4 * TOLERANCE[dtype]
        assert_matches(a, wanted, tolerance, "forward")
        assert_matches(net.backward(t), truth.backward(t), tolerance, "C")
        # grad_b before batch norm is 0 but for rounding, whatever the other gradients are.
        assert_same_gradients(net, truth, tolerance, least=0.1)
        for layer, expected in zip(net.layers, truth.layers, strict=True):
            if layer.norm is None:
                continue
            for what in ("u", "grad_gamma", "grad_beta"):
                found, right = getattr(layer, what), getattr(expected, what)
                assert_matches(found, right, tolerance, what, least=0.1)
            if layer.norm.name == "batch":
                assert_matches(layer.running_mean, expected.norm.mean, tolerance)
                assert_matches(layer.running_var, expected.norm.var, tolerance)


def cost(net: Any, X: np.ndarray, y: np.ndarray, training: bool) -> float:
    """C of a pass that leaves the running statistics and the generator as they were."""
    kept, state = running(net), net.generator_state
    net.forward(X, training=training)
    C = float(net.backward(y))
    normed = [layer for layer in net.layers if layer.norm and layer.norm.name == "batch"]
    for layer, (mean, var) in zip(normed, kept, strict=True):
        layer.running_mean, layer.running_var = mean, var
    net.generator_state = state
    return C


def check_differences(net: Any, X: np.ndarray, y: np.ndarray, training: bool) -> None:
    cost(net, X, y, training)
    gradient, grad_X = net.gradients.copy(), net.layer(0).grad_a.copy()
    for values, wanted in ((net.parameters, gradient), (X.reshape(-1), grad_X.reshape(-1))):
        numeric = np.empty_like(wanted)
        for i, value in enumerate(values.copy()):
            costs = []
            for step in (1e-5, -1e-5):
                values[i] = value + step
                costs.append(cost(net, X, y, training))
            values[i] = value
            numeric[i] = (costs[0] - costs[1]) / 2e-5
        assert relative_difference(wanted, numeric) < 1e-7


@both_modes
@each_norm
def test_gradients_by_differences(name: str, training: bool) -> None:
    for output, loss in (("identity", "squared_error"), ("sigmoid", "squared_error")):
        net = made(NORMS[name], output=output, loss=loss)
        X, y = data(SIZES, 6, loss, "float64", seed=11)
        check_differences(net, X, y, training)


@both_modes
@pytest.mark.parametrize("activation", ["gelu", "silu", "softplus", "elu", "relu", "softmax"])
@pytest.mark.parametrize("norm", ["batch", "layer-after", "batch-after"])
def test_gradients_of_activations(activation: str, norm: str, training: bool) -> None:
    net = made(NORMS[norm], activation=activation)
    X, y = data(SIZES, 6, "squared_error", "float64", seed=4)
    check_differences(net, X, y, training)


@both_modes
@pytest.mark.parametrize("kind", ["batch", "layer"])
@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "poisson"])
def test_partners_behind_a_normalised_output(loss: str, kind: str, training: bool) -> None:
    """grad_u(L) = a - t, and C comes from u(L), which holds far from the middle too."""
    net = made([None, kind, kind], loss=loss)
    X, y = data(SIZES, 6, loss, "float64", seed=5)
    check_differences(net, X, y, training)
    net.layers[-1].gamma = np.full(3, 900.0)
    if loss != "poisson":
        net.forward(X, training=training)
        assert np.isfinite(net.backward(y))
        assert np.isfinite(net.gradients).all()


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_a_norm_behind_the_output_parts_the_partners(output: str) -> None:
    loss = "cross_entropy" if output == "softmax" else "binary_cross_entropy"
    norm = [None, None, sb.LayerNorm(after=True)]
    net = made(norm, output=output, loss=loss)
    net.layers[-1].gamma = np.full(3, 0.05)
    net.layers[-1].beta = np.full(3, 0.4)
    X, y = data(SIZES, 6, loss, "float64", seed=5)
    check_differences(net, X, y, training=True)


@pytest.mark.parametrize("name", ["batch", "layer", "batch-after", "layer-after"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "softmax"])
def test_gradients_with_dropout(name: str, activation: str) -> None:
    net = made(NORMS[name], activation=activation, dropout=[0.3, 0.4, 0.2], seed=2)
    X, y = data(SIZES, 6, "squared_error", "float64", seed=8)
    check_differences(net, X, y, training=True)


# --- Derivatives to study ---------------------------------------------------------------


@each_norm
def test_jacobians(name: str) -> None:
    for output in ("identity", "softmax"):
        net = made(NORMS[name], output=output, loss="squared_error")
        X, _ = data(SIZES, 4, "squared_error", "float64", seed=2)
        found = net.jacobian(X, of="a", wrt="a", layer=0)
        numeric = np.empty_like(found)
        for j in range(SIZES[0]):
            ahead, behind = X.copy(), X.copy()
            ahead[:, j] += 1e-6
            behind[:, j] -= 1e-6
            numeric[:, :, j] = (net.predict(ahead) - net.predict(behind)) / 2e-6
        assert relative_difference(found, numeric) < 1e-7
        # grad_z(m)[n] = J[n]ᵀ grad_a(L)[n], for every layer.
        net.forward(X)
        net.backward(np.zeros((4, 3)))
        top = net.layers[-1].grad_a
        for layer in net.layers:
            J = net.jacobian(X, of="a", wrt="z", layer=layer.m)
            wanted = np.einsum("nkj,nk->nj", J, top)
            assert relative_difference(layer.grad_z, wanted) < 1e-12


def test_jacobian_of_one_output() -> None:
    net = made(["batch", "layer"], [5, 7, 6, 1])
    X, y = data([5, 7, 6, 1], 9, "squared_error", "float64")
    J = net.jacobian(X, of="z", wrt="a", layer=0)[:, 0]
    net.forward(X)
    net.backward(y)
    assert relative_difference(net.layer(0).grad_a, J * net.layers[-1].grad_z) < 1e-12


@each_norm
def test_norms_of_single_gradients(name: str) -> None:
    net = made(NORMS[name], loss="squared_error")
    X, y = data(SIZES, 5, "squared_error", "float64", seed=6)
    found = net.gradient_norms(X, y, per_layer=True)
    wanted = np.empty_like(found)
    for n in range(5):
        net.forward(X[n : n + 1])
        net.backward(y[n : n + 1])
        for m, arrays in enumerate(net.unflatten(net.gradients)):
            wanted[n, m] = np.sqrt(sum(np.sum(array**2) for array in arrays))
    assert relative_difference(found, wanted) < 1e-12
    assert relative_difference(net.gradient_norms(X, y), np.linalg.norm(wanted, axis=1)) < 1e-12


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("output", ["identity", "softmax"])
@each_norm
def test_hessian_products_by_differences(name: str, output: str, threads: int) -> None:
    sb.set_num_threads(threads)
    for activation in ("tanh", "softmax"):
        loss = "squared_error" if output == "identity" else "cross_entropy"
        net = made(NORMS[name], activation=activation, output=output, loss=loss)
        X, y = data(SIZES, 200, loss, "float64", seed=6)
        rng = np.random.default_rng(0)
        v = rng.normal(size=net.n_parameters)
        found = net.hvp(X, y, v)
        before, gradients = net.parameters.copy(), []
        for step in (1e-5, -1e-5):
            net.parameters[:] = before + step * v
            net.forward(X)
            net.backward(y)
            gradients.append(net.gradients.copy())
        assert relative_difference(found, (gradients[0] - gradients[1]) / 2e-5) < 1e-6


@each_norm
def test_input_gradient(name: str) -> None:
    net = made(NORMS[name])
    X, y = data(SIZES, 5, "squared_error", "float64")
    net.forward(X)
    net.backward(y)
    assert relative_difference(net.input_gradient(X, y), net.layer(0).grad_a) < 1e-12


# --- Statistics -------------------------------------------------------------------------


def test_statistics_of_numbers_far_from_zero() -> None:
    """Mean and variance keep their digits where the mean is much larger than the spread."""
    for dtype, limit in (("float32", 1e-3), ("float64", 1e-9)):
        rng = np.random.default_rng(0)
        X = (1e3 + rng.normal(size=(600, 3))).astype(dtype)
        for kind in ("batch", "layer"):
            net = sb.Network([3, 3], norm=[kind], dtype=dtype, seed=0,
                             initializer=[(np.eye(3), np.zeros(3))])  # fmt: skip
            exact = X.astype(np.float64)
            axis = 0 if kind == "batch" else 1
            var = exact.var(axis=axis, keepdims=True)
            wanted = (exact - exact.mean(axis=axis, keepdims=True)) / np.sqrt(var + 1e-5)
            assert_matches(net.forward(X, training=True), wanted, limit)


def test_running_statistics() -> None:
    net = sb.Network([2, 2, 1], norm=sb.BatchNorm(momentum=0.25), dtype="float64",
                     initializer=[(np.eye(2), [1.0, 0.0]), ([[1.0, 1.0]], [0.0])])  # fmt: skip
    layer = net.layers[0]
    assert list(layer.running_mean) == [0, 0]
    assert list(layer.running_var) == [1, 1]
    X = np.array([[0.0, 2.0], [2.0, 4.0], [4.0, 9.0]])
    net.forward(X)
    net.predict(X)
    net.evaluate(X, [0.0, 1.0, 2.0])
    assert list(layer.running_mean) == [0, 0]
    net.forward(X, training=True)
    z = X + np.array([1.0, 0.0])
    assert np.allclose(layer.running_mean, 0.25 * z.mean(axis=0), rtol=1e-15)
    assert np.allclose(layer.running_var, 0.75 + 0.25 * z.var(axis=0, ddof=1), rtol=1e-15)
    twin = net.copy()
    assert np.array_equal(twin.layers[0].running_var, layer.running_var)
    twin.layers[0].running_mean[...] = 5
    assert layer.running_mean[0] != 5
    net.reset(0)
    assert list(layer.running_mean) == [0, 0]
    assert list(layer.running_var) == [1, 1]
    assert list(layer.gamma) == [1, 1]
    assert list(layer.beta) == [0, 0]


def test_a_pass_that_fails_leaves_the_statistics() -> None:
    net = made("batch", optimizer=sb.SGD(1.0))
    X, y = data(SIZES, 6, "squared_error", "float64")
    before = running(net)
    net.layers[1].W[0, 0] = np.nan
    with pytest.raises(ValueError, match="W of layer 2 contains NaN"):
        net.forward(X, training=True)
    for (mean, var), (old_mean, old_var) in zip(running(net), before, strict=True):
        assert np.array_equal(mean, old_mean)
        assert np.array_equal(var, old_var)
    with pytest.raises(ValueError, match="W of layer 2 contains NaN"):
        net.fit(X, y, epochs=1, progress=False)
    assert np.array_equal(running(net)[0][0], before[0][0])


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_numbers_that_overflow(kind: str) -> None:
    net = sb.Network([2, 4, 1], norm=kind, seed=0)
    with pytest.raises(sb.DivergenceError, match="layer 1 overflowed"):
        net.forward(np.float32([[1e30, 1], [-1e30, 2], [0, 1]]), training=True)
    net.layers[0].gamma[0] = np.inf
    with pytest.raises(ValueError, match="gamma or beta of layer 1"):
        net.forward(np.ones((2, 2), np.float32))
    net.layers[0].gamma[0] = 1
    if kind == "batch":
        net.layers[0].running_var[0] = -1
        with pytest.raises(ValueError, match="running_var of layer 1"):
            net.predict(np.ones((2, 2), np.float32))


@each_norm
def test_threads_change_nothing_but_rounding(name: str) -> None:
    sizes = [64, 256, 192, 10]
    X, y = data(sizes, 512, "squared_error", "float64")
    results = []
    for threads in (1, 2, 2):
        sb.set_num_threads(threads)
        net = made(NORMS[name], sizes, dropout=0.2, seed=4)
        net.fit(X, y, epochs=2, batch_size=256, progress=False)
        results.append((net.parameters.copy(), running(net)))
    assert np.array_equal(results[1][0], results[2][0])
    assert_matches(results[0][0], results[1][0], 1e-9)
    for (mean, var), (other_mean, other_var) in zip(results[0][1], results[1][1], strict=True):
        assert_matches(mean, other_mean, 1e-9)
        assert_matches(var, other_var, 1e-9)


@each_norm
def test_fit_is_forward_backward_step(name: str) -> None:
    X, y = data(SIZES, 24, "squared_error", "float64")
    nets = [made(NORMS[name], dropout=0.3, l2=0.01, l1=0.001, clip_norm=0.5) for _ in range(2)]
    nets[0].fit(X, y, epochs=3, batch_size=8, shuffle=False, progress=False)
    for _ in range(3):
        for first in range(0, 24, 8):
            nets[1].forward(X[first : first + 8], training=True)
            nets[1].backward(y[first : first + 8])
            nets[1].step()
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)
    for mine, other in zip(running(nets[0]), running(nets[1]), strict=True):
        assert_matches(mine[0], other[0], 1e-12)
        assert_matches(mine[1], other[1], 1e-12)
    assert_matches(nets[0].gradients, nets[1].gradients, 1e-10, "gradients of the last batch")


# --- What belongs to the network --------------------------------------------------------


def test_flat_order() -> None:
    net = made(["batch", None, "layer"])
    for layer, (W, b, *more) in zip(net.layers, net.unflatten(net.parameters), strict=True):
        assert np.shares_memory(W, layer.W)
        assert np.array_equal(W, layer.W)
        assert np.array_equal(b, layer.b)
        assert bool(more) == (layer.norm is not None)
        if more:
            assert np.array_equal(more[0], layer.gamma)
            assert np.array_equal(more[1], layer.beta)
    assert net.n_parameters == len(net.parameters) == 5 * 7 + 21 + 7 * 6 + 6 + 6 * 3 + 9
    v = np.arange(float(net.n_parameters))
    assert np.array_equal(net.flatten(net.unflatten(v)), v)
    with pytest.raises(
        ValueError, match=r"flatten needs a pair \(W, b\), or \(W, b, gamma, beta\)"
    ):
        net.flatten([(layer.W, layer.b) for layer in net.layers])
    with pytest.raises(ValueError, match="b, gamma and beta of shape"):
        net.flatten([(W, b, *(np.ones(2) for _ in more)) for W, b, *more in net.unflatten(v)])


def test_penalties_leave_gamma_and_beta_alone() -> None:
    X, y = data(SIZES, 8, "squared_error", "float64")
    nets = [made("batch", optimizer=sb.AdamW(0.01, weight_decay=w), l1=p, l2=p, max_norm=m)
            for w, p, m in ((0.0, 0.0, None), (0.3, 0.2, 0.1))]  # fmt: skip
    for net in nets:
        net.forward(X, training=True)
        net.backward(y)
        net.step()
    for plain, other in zip(nets[0].layers[:2], nets[1].layers[:2], strict=True):
        assert np.array_equal(plain.gamma, other.gamma)
        assert np.array_equal(plain.beta, other.beta)
        assert not np.array_equal(plain.W, other.W)


def test_frozen_layers() -> None:
    X, y = data(SIZES, 16, "squared_error", "float64")
    for frozen in ([1], [2], [1, 2], [3], [1, 2, 3]):
        net = made(["batch", "batch", "layer"], SIZES)
        for m in frozen:
            net.layer(m).trainable = False
        before, statistics = net.copy(), running(net)
        net.fit(X, y, epochs=2, batch_size=8, progress=False)
        for layer, old in zip(net.layers, before.layers, strict=True):
            same = layer.m in frozen
            for name in ("W", "gamma", "beta"):
                assert np.array_equal(getattr(layer, name), getattr(old, name)) == same
            assert np.any(layer.grad_gamma) != same
        # Statistics follow the batches all the same, as in PyTorch.
        assert not np.array_equal(running(net)[0][0], statistics[0][0])


@each_norm
def test_copies(name: str) -> None:
    net = made(NORMS[name])
    X, y = data(SIZES, 8, "squared_error", "float64")
    net.fit(X, y, epochs=2, batch_size=4, progress=False)
    for twin in (net.copy(), copy.deepcopy(net)):
        assert np.array_equal(twin.predict(X), net.predict(X))
        assert twin.norm == net.norm
        twin.fit(X, y, epochs=1, batch_size=4, shuffle=False, progress=False)
    assert net.predict(X).shape == (8, 3)


def test_the_loop_allocates_nothing() -> None:
    """The memory of normalised layers is used again."""
    net = made("batch")
    X, y = data(SIZES, 8, "squared_error", "float64")
    places = set()
    for _ in range(8):
        a = net.forward(X, training=True)
        net.backward(y)
        net.step()
        places.add(a.ctypes.data)
    assert len(places) <= 2
    u = net.layers[0].u
    kept = u.copy()
    net.forward(X + 1, training=True)
    assert np.array_equal(u, kept)
    assert not u.flags.writeable


# --- Recipes and errors -----------------------------------------------------------------


def test_recipes() -> None:
    recipe = sb.BatchNorm(0.2, eps=1e-3)
    assert repr(recipe) == "BatchNorm(momentum=0.2, eps=0.001, after=False)"
    assert recipe == sb.BatchNorm(momentum=0.2, eps=1e-3)
    assert recipe != sb.LayerNorm(eps=1e-3)
    assert {recipe: 1}[sb.BatchNorm(0.2, 1e-3)] == 1
    net = sb.Network([2, 3, 4, 1], norm=[recipe, "layer"], seed=0)
    assert net.norm == (recipe, sb.LayerNorm(), None)
    assert sb.Network([2, 3, 1]).norm == (None, None)
    assert sb.Network([2, 1], norm="batch").norm == (None,)
    with pytest.raises(AttributeError, match="layer 2 has layer norm, which has no running values"):
        _ = net.layers[1].running_mean
    with pytest.raises(AttributeError, match="layer 3 has no normalisation: there is no gamma"):
        _ = net.layers[2].gamma
    with pytest.raises(ValueError, match="a variance"):
        net.layers[0].running_var = [1, 2, -1]


@pytest.mark.parametrize(
    ("norm", "error", "message"),
    [
        ("bach", ValueError, "batch"),
        (3, TypeError, "norm must be 'batch', 'layer', an instance"),
        (sb.BatchNorm, TypeError, "got the class: write BatchNorm"),
        (["batch"], ValueError, "norm: expected 3 entries.* got 1"),
        ([None, None, "layer"], ValueError, "layer norm on layer 3, which has one unit"),
    ],
)
def test_wrong_norms(norm: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        sb.Network([2, 3, 3, 1], norm=norm)


def test_wrong_values() -> None:
    for bad in (0, -1e-5, 2, np.nan):
        with pytest.raises(ValueError, match="eps must be a number in"):
            sb.LayerNorm(eps=bad)
    with pytest.raises(ValueError, match="momentum must be a number in"):
        sb.BatchNorm(1.5)
    with pytest.raises(TypeError, match="momentum must be a number"):
        sb.BatchNorm("0.1")
    with pytest.raises(TypeError, match="after must be True or False"):
        sb.BatchNorm(after=1)


def test_one_row() -> None:
    X, y = data(SIZES, 9, "squared_error", "float64")
    net = made("batch")
    with pytest.raises(ValueError, match="needs at least 2 rows"):
        net.forward(X[:1], training=True)
    assert net.forward(X[:1]).shape == (1, 3)
    with pytest.raises(ValueError, match=r"leave one of a single row.*batch_size=5 leaves none"):
        net.fit(X, y, batch_size=4, epochs=1, progress=False)
    with pytest.raises(ValueError, match="batch_size=2 leaves none"):
        net.fit(X[:8], y[:8], batch_size=1, epochs=1, progress=False)
    with pytest.raises(ValueError, match="batch norm needs at least 2"):
        net.fit(X[:1], y[:1], epochs=1, progress=False)
    net.fit(X, y, batch_size=5, epochs=1, progress=False)
    layer = made("layer")
    layer.fit(X, y, batch_size=4, epochs=1, progress=False)
    assert layer.forward(X[:1], training=True).shape == (1, 3)


@pytest.mark.parametrize("kind", ["batch", "layer"])
def test_it_learns(kind: str) -> None:
    """From inputs that a network without normalisation makes nothing of."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(512, 8)).astype(np.float32)
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    accuracy = {}
    for norm in (None, kind):
        net = sb.Network([8, 32, 32, 2], norm=norm, activation="tanh", loss="cross_entropy",
                         seed=0, optimizer=sb.Adam(0.01))  # fmt: skip
        net.fit(100 * X + 300, y, epochs=60, batch_size=64, progress=False)
        accuracy[norm] = net.evaluate(100 * X + 300, y)["accuracy"]
    assert accuracy[kind] > 0.8 > 0.65 > accuracy[None]


# --- How it is shown, and other ways to compute it ----------------------------------------


@both_modes
@each_norm
def test_loops_and_vectors(name: str, training: bool) -> None:
    X, y = data(SIZES, 7, "cross_entropy", "float64")
    for loss in ("squared_error", "cross_entropy"):
        net = made(NORMS[name], activation=["gelu", "softmax"], loss=loss)
        net.forward(X, training=training)
        C = net.backward(y)
        kept = running(net)
        for method in ("loops", "vectors"):
            twin = made(NORMS[name], activation=["gelu", "softmax"], loss=loss)
            if method == "vectors" and training and kept:
                with pytest.raises(ValueError, match="needs the statistics of the batch"):
                    twin.forward(X, training=True, method=method)
                continue
            a = twin.forward(X, training=training, method=method)
            assert_matches(a, net.layers[-1].a, 1e-12)
            for other in ("matrices", "loops", method):
                assert abs(twin.backward(y, method=other) - C) < 1e-12
                assert_matches(twin.gradients, net.gradients, 1e-11, method)
            first = twin.gradients.copy()
            twin.backward(y, method=method, accumulate=True)
            assert_matches(twin.gradients, 2 * first, 1e-12)
            for mine, wanted in zip(running(twin), kept, strict=True):
                assert_matches(mine[0], wanted[0], 1e-12)
                assert_matches(mine[1], wanted[1], 1e-12)


@each_norm
def test_gradcheck(name: str) -> None:
    net = made(NORMS[name], activation="relu", dtype="float32")
    X, y = data(SIZES, 6, "squared_error", "float32")
    report = net.gradcheck(X, y)
    assert report.ok, str(report)
    names = {check.name for check in report.checks}
    for layer in net.layers:
        assert (f"grad_gamma({layer.m})" in names) == (layer.norm is not None)


def test_own_formulas_are_without_normalisation() -> None:
    X, y = data(SIZES, 6, "squared_error", "float64")
    with pytest.raises(ValueError, match="make the network without norm"):
        sb.lab.check_backward(lambda net, X, y: [], made("layer"), X, y)


def test_health_looks_at_what_the_activation_takes_in() -> None:
    net = made("batch", activation="relu")
    X, y = data(SIZES, 20, "squared_error", "float64")
    net.layers[0].beta = np.full(7, -100.0)
    assert net.health(X, y).layers[0].dead == 1


@each_norm
def test_it_shows_itself(name: str) -> None:
    net = made(NORMS[name])
    X, y = data(SIZES, 6, "squared_error", "float64")
    text = str(net.summary())
    assert f"{net.n_parameters:,}" in text
    assert "norm=[" in repr(net)
    trace = net.trace(X, y)
    for layer in net.layers:
        if layer.norm is None:
            assert trace[f"a({layer.m})"].formula == f"a({layer.m}) = σ(z({layer.m}))"
            continue
        before, after = "zu" if not layer.norm.after else "uz", layer.norm.after
        u, a = trace[f"u({layer.m})"], trace[f"a({layer.m})"]
        assert np.array_equal(u.value, layer.u)
        scaled = f"γ({layer.m}) ⊙ norm({before[0]}({layer.m})) + β({layer.m})"
        assert scaled in (a if after else u).formula
        assert f"σ({before[1]}({layer.m}))" in (u if after else a).formula
        assert "⊙ σ′" not in trace[f"grad_z({layer.m})"].formula
        assert np.array_equal(trace[f"grad_gamma({layer.m})"].value, layer.grad_gamma)
        assert f"{layer.norm.name} norm" in text
    assert "norm" in str(trace)
    assert net._repr_html_()
    assert trace._repr_html_()


def test_the_best_epoch_comes_back_with_its_statistics() -> None:
    X, y = data(SIZES, 48, "squared_error", "float64")
    net = made("batch", optimizer=sb.SGD(0.1))
    stop = sb.EarlyStopping("val_loss", patience=2)
    history = net.fit(X[:32], y[:32], epochs=40, batch_size=8, progress=False, callbacks=[stop],
                      validation_data=(X[32:], y[32:]))  # fmt: skip
    assert stop.best_epoch < len(history["loss"]) - 1
    assert net.evaluate(X[32:], y[32:])["loss"] == stop.best


def test_the_health_of_a_fit_is_that_of_its_statistics() -> None:
    X, y = data(SIZES, 32, "squared_error", "float64")
    net = made("batch")
    check = sb.HealthCheck(X, y, every=1)
    net.fit(X, y, epochs=3, batch_size=8, progress=False, callbacks=[check])
    assert pytest.approx(net.evaluate(X, y)["loss"], rel=1e-12) == check.reports[-1].loss


@pytest.mark.parametrize("method", ["matrices", "loops"])
@pytest.mark.parametrize("norm", ["batch", "layer"])
def test_a_variance_beyond_the_type_is_seen(norm: str, method: str) -> None:
    net = sb.Network([2, 3, 1], norm=norm, seed=0)
    X = (1e20 * np.random.default_rng(0).normal(size=(8, 2))).astype(np.float32)
    with pytest.raises(sb.DivergenceError):
        net.forward(X, method=method, training=True)
    if norm == "batch":
        assert np.isfinite(net.layers[0].running_var).all()


def test_eps_is_a_normal_number_of_the_dtype() -> None:
    norm = sb.BatchNorm(eps=1e-80)
    refused(lambda: sb.Network([2, 3, 1], norm=norm, seed=0), ValueError, "eps.*layer 1.*dtype")
    sb.Network([2, 3, 1], norm=norm, dtype="float64", seed=0)
