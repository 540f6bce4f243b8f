"""Dropout: the masks, both passes beside NumPy and differences, fit, evaluation mode."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_gradients, assert_matches, data, quiet_network, refused
from reference import ACTIVATIONS, LOSSES
from swiftbackprop._engine.loader import core


def training_pass(net: Any, X: np.ndarray, y: np.ndarray, state: Any) -> float:
    """C of a pass in training mode with the masks of that state of the generator."""
    net.generator_state = state
    net.forward(X, training=True)
    return float(net.backward(y))


def check_differences(net: Any, X: np.ndarray, y: np.ndarray) -> None:
    """Every gradient against central differences, with the masks held fixed."""
    assert_gradients(net, X, partial(training_pass, net, X, y, net.generator_state))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_by_differences(activation: str) -> None:
    net = quiet_network(
        [3, 6, 5, 2], activation=activation, dropout=[0.3, 0.5], dtype="float64", seed=3
    )
    X, y = data([3, 6, 5, 2], 4, "squared_error", "float64", seed=11)
    check_differences(net, X, y)


@pytest.mark.parametrize("output", ["identity", "softmax", "sigmoid", "gelu"])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_gradients_with_dropout_on_the_output(loss: str, output: str) -> None:
    net = quiet_network(
        [3, 6, 4], output=output, loss=loss, dropout=[0.3, 0.5], dtype="float64", seed=1
    )
    X, y = data([3, 6, 4], 5, loss, "float64", seed=5)
    check_differences(net, X, y)


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_of_every_loss(loss: str) -> None:
    net = quiet_network(
        [3, 8, 3], activation="tanh", loss=loss, dropout=0.4, dtype="float64", seed=2
    )
    if loss == "poisson":
        net.layers[1].b = [1.0, 1.0, 1.0]
    X, y = data([3, 8, 3], 5, loss, "float64", seed=6)
    check_differences(net, X, y)


def test_partners_are_not_fused_behind_a_mask() -> None:
    """With dropout on the output C is of the masked a(L), and so is its gradient."""
    net = quiet_network([2, 3], output="sigmoid", loss="binary_cross_entropy", dropout=[0.5],
                        dtype="float64", seed=0)  # fmt: skip
    X, t = np.ones((6, 2)), np.full((6, 3), 0.25)
    a = net.forward(X, training=True)
    cost = net.backward(t)
    assert {0.0} < set(net.layers[0].mask.ravel()) <= {0.0, 2.0}
    wanted = net.loss(a, t).sum(axis=1).mean()
    assert abs(cost - wanted) < 1e-12
    assert np.all(net.layers[0].grad_z[net.layers[0].mask == 0] == 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softmax"])
def test_both_passes_beside_numpy(activation: str, dtype: str) -> None:
    net = sb.Network([5, 40, 30, 3], activation=activation, dropout=[0.2, 0.6], dtype=dtype, seed=4)
    X, t = data([5, 40, 30, 3], 50, "squared_error", dtype)
    a = net.forward(X, training=True)
    net.backward(t)
    previous = X.astype(np.float64)
    for layer in net.layers:
        z = previous @ layer.W.astype(np.float64).T + layer.b
        previous = layer.activation(z) * layer.mask
        assert_matches(layer.z, z, 1e-5, f"z({layer.m})")
        assert_matches(layer.a, previous, 1e-5, f"a({layer.m})")
    assert_matches(a, previous, 1e-5)
    grad_a = (previous - t) / len(X)
    for layer in reversed(list(net.layers)):
        z = layer.z.astype(np.float64)
        assert_matches(layer.grad_a, grad_a, 1e-4, f"grad_a({layer.m})")
        grad = grad_a * layer.mask
        if layer.activation.name == "softmax":
            own = layer.activation(z)
            grad_z = own * (grad - (own * grad).sum(axis=1, keepdims=True))
        else:
            grad_z = grad * layer.activation.derivative(z)
        before = net.layer(layer.m - 1).a.astype(np.float64)
        assert_matches(layer.grad_z, grad_z, 1e-4, f"grad_z({layer.m})")
        assert_matches(layer.grad_W, grad_z.T @ before, 1e-4, f"grad_W({layer.m})")
        assert_matches(layer.grad_b, grad_z.sum(axis=0), 1e-4, f"grad_b({layer.m})")
        grad_a = grad_z @ layer.W.astype(np.float64)


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.9])
def test_the_masks_are_random(p: float) -> None:
    net = sb.Network([1, 400, 300, 1], dropout=p, seed=8)
    net.forward(np.ones((500, 1), np.float32), training=True)
    masks = [layer.mask for layer in net.layers]
    assert np.all(masks[2] == 1)
    for mask in masks[:2]:
        assert np.allclose(np.unique(mask), [0, 1 / (1 - p)], rtol=1e-6)
        kept = (mask > 0).astype(float)
        n, sigma = kept.size, np.sqrt(p * (1 - p))
        assert abs(kept.mean() - (1 - p)) < 5 * sigma / np.sqrt(n)
        # Rows, columns, neighbours and layers are as independent as they should be.
        for axis in (0, 1):
            means = kept.mean(axis=axis)
            wanted = sigma / np.sqrt(kept.shape[axis])
            assert 0.85 < means.std() / wanted < 1.15
        centred = (kept - (1 - p)) / sigma
        for left, right in (
            (centred[1:], centred[:-1]),
            (centred[:, 1:], centred[:, :-1]),
            (centred[7:], centred[:-7]),
            (centred[:, 16:], centred[:, :-16]),
        ):
            assert abs((left * right).mean()) < 5 / np.sqrt(left.size)
    both = (masks[0][:, :300] > 0) == (masks[1] > 0)
    agree = p * p + (1 - p) * (1 - p)
    assert abs(both.mean() - agree) < 5 * np.sqrt(agree * (1 - agree) / both.size)


def test_every_pass_draws_anew_and_a_state_brings_a_mask_back() -> None:
    net = sb.Network([2, 50, 1], dropout=0.5, seed=0)
    X = np.ones((10, 2), np.float32)
    state = net.generator_state
    net.forward(X, training=True)
    first = net.layers[0].mask
    net.forward(X, training=True)
    assert np.any(net.layers[0].mask != first)
    net.generator_state = state
    net.forward(X, training=True)
    assert np.array_equal(net.layers[0].mask, first)
    other = sb.Network([2, 50, 1], dropout=0.5, seed=0)
    other.forward(X, training=True)
    assert np.array_equal(other.layers[0].mask, first), "the same seed is the same stream"


def test_masks_do_not_depend_on_the_split() -> None:
    X = np.random.default_rng(0).normal(size=(512, 256)).astype(np.float32)
    masks, before = [], sb.get_num_threads()
    try:
        for threads in (1, 2):
            sb.set_num_threads(threads)
            net = sb.Network([256, 512, 300, 10], dropout=[0.2, 0.5], seed=0)
            net.forward(X, training=True)
            masks.append(([layer.mask for layer in net.layers], net.layers[1].a == 0))
    finally:
        sb.set_num_threads(before)
    for one, two in zip(masks[0][0], masks[1][0], strict=True):
        assert np.array_equal(one, two)
    assert np.array_equal(masks[0][1], masks[1][1])


def test_evaluation_mode_is_without_dropout() -> None:
    keywords: dict[str, Any] = {"loss": "cross_entropy", "seed": 5}
    plain = sb.Network([4, 30, 3], **keywords)
    net = sb.Network([4, 30, 3], dropout=0.5, **keywords)
    X = np.random.default_rng(1).normal(size=(60, 4)).astype(np.float32)
    y = np.arange(60) % 3
    assert np.array_equal(net.forward(X), plain.forward(X))
    assert net.backward(y) == plain.backward(y)
    assert np.array_equal(net.gradients, plain.gradients)
    assert np.array_equal(net.predict(X), plain.predict(X))
    assert net.evaluate(X, y) == plain.evaluate(X, y)
    assert net.generator_state == plain.generator_state, "evaluation draws nothing"
    refused(lambda: net.layers[0].mask, RuntimeError, "training=True")
    plain.forward(X, training=True)
    assert net.generator_state == plain.generator_state, "without dropout nothing is drawn"


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("activation", ["relu", "gelu", "softmax"])
def test_fit_is_the_explicit_loop(activation: str, optimizer: str) -> None:
    def make() -> Any:
        return quiet_network(
            [6, 32, 16, 3], activation=activation, loss="cross_entropy", optimizer=optimizer,
            dropout=[0.25, 0.5], dtype="float64", seed=9,
        )  # fmt: skip

    X, _ = data([6, 3], 50, "cross_entropy", "float64")
    y = np.arange(50) % 3
    net, loop = make(), make()
    net.fit(X, y, epochs=3, batch_size=16, shuffle=False, progress=False)
    for _ in range(3):
        for first in range(0, 50, 16):
            loop.forward(X[first : first + 16], training=True)
            loop.backward(y[first : first + 16])
            loop.step()
    assert_matches(net.parameters, loop.parameters, 1e-12)
    assert_matches(net.gradients, loop.gradients, 1e-11)
    assert net.generator_state == loop.generator_state


def test_fit_with_dropout_repeats_bit_for_bit() -> None:
    X = np.random.default_rng(2).normal(size=(400, 20)).astype(np.float32)
    y = (X[:, 0] > 0).astype(int)
    results = []
    for _ in range(2):
        net = sb.Network([20, 64, 2], loss="cross_entropy", dropout=0.5, seed=1)
        net.fit(X, y, epochs=12, validation_data=(X, y), progress=False)
        results.append(net.parameters.tobytes())
    assert results[0] == results[1]
    assert net.evaluate(X, y)["accuracy"] > 0.8


def test_copies_and_changes() -> None:
    net = sb.Network([2, 3, 4, 1], dropout=0.25)
    assert net.dropout == (0.25, 0.25, 0.0)
    net.layers[1].dropout = 0.75
    assert net.copy().dropout == (0.25, 0.75, 0.0)
    net.dropout = [0.0, 0.5, 0.125]
    assert [layer.dropout for layer in net.layers] == [0.0, 0.5, 0.125]
    net.dropout = 0
    assert net.dropout == (0.0, 0.0, 0.0)
    net.reset(3)
    assert sb.Network([2, 1], dropout=0.5).dropout == (0.0,), "no hidden layer"


def test_dropout_switched_on_during_fit() -> None:
    def switch(net: sb.Network, epoch: int, logs: object) -> None:
        net.dropout = [0.5, 0.5]

    net = quiet_network([3, 8, 4], activation="softmax", output="softmax", loss="squared_error",
                        seed=0, dtype="float64")  # fmt: skip
    X, y = data([3, 8, 4], 20, "squared_error", "float64")
    net.fit(X, y, epochs=2, callbacks=[switch], progress=False)
    assert np.all(np.isfinite(net.parameters))


@pytest.mark.parametrize("method", ["vectors", "loops"])
def test_masks_go_by_matrices(method: Any) -> None:
    net = sb.Network([2, 3, 1], dropout=0.5, seed=0)
    X, state = np.ones((4, 2), np.float32), net.generator_state
    refused(lambda: net.forward(X, method=method, training=True), ValueError, "matrices")
    assert net.generator_state == state
    net.forward(X, training=True)
    refused(lambda: net.backward(np.ones(4), method=method), ValueError, "matrices")
    net.forward(X, method=method)
    net.backward(np.ones(4), method=method)


def test_wrong_arguments() -> None:
    for bad in (1.0, -0.1, float("nan"), [0.5, 1.0]):
        refused(lambda bad=bad: sb.Network([2, 3, 1], dropout=bad), ValueError, r"\[0, 1\)")
    refused(lambda: sb.Network([2, 3, 1], dropout="0.5"), TypeError, "number")
    refused(
        lambda: sb.Network([2, 3, 1], dropout=[0.1] * 3),
        ValueError,
        "dropout: expected 2 numbers",
        "got 3",
    )
    net = sb.Network([2, 3, 1])
    refused(lambda: setattr(net.layers[0], "dropout", 2), ValueError, "layer 1", r"\[0, 1\)")
    refused(lambda: net.layer(0).dropout, AttributeError, "layer 0")
    refused(lambda: net._set_option(core.OPTION_DROPOUT + 9, 0.5), ValueError, "option")
