"""Normalised layers: both passes beside NumPy and differences; their statistics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_gradients,
    assert_matches,
    assert_same_gradients,
    data,
    reference_of,
    refused,
)
from normalised import NORMS, SIZES, both_modes, each_norm, made, running


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


def check_differences(net: Any, X: np.ndarray, y: np.ndarray, training: bool) -> None:
    normed = [layer for layer in net.layers if layer.norm and layer.norm.name == "batch"]
    kept, state = running(net), net.generator_state

    def cost() -> float:
        """C of a pass that leaves the running statistics and the generator as they were."""
        net.forward(X, training=training)
        C = float(net.backward(y))
        if training:
            for layer, (mean, var) in zip(normed, kept, strict=True):
                layer.running_mean, layer.running_var = mean, var
            net.generator_state = state
        return C

    assert_gradients(net, X, cost)


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
