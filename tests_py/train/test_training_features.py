"""What training offers beside descending: limits, frozen layers, scaled integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import OPTIMIZERS, assert_matches, data, refused


def steps(net: Any, X: np.ndarray, y: np.ndarray, count: int = 5) -> Any:
    for _ in range(count):
        net.forward(X)
        net.backward(y)
        net.step()
    return net


# --- max_norm ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_max_norm_holds_and_is_the_last_thing_a_step_does(name: str, dtype: str) -> None:
    limit = 0.8
    keywords: dict[str, Any] = {"activation": "tanh", "dtype": dtype, "seed": 0, "l2": 0.01}
    recipe = getattr(sb, name)(**OPTIMIZERS[name])
    net = sb.Network([5, 70, 3], optimizer=recipe, max_norm=limit, **keywords)
    free = sb.Network([5, 70, 3], optimizer=recipe, **keywords)
    X, y = data([5, 70, 3], 30, "squared_error", dtype)
    for _ in range(4):
        for layer, other in zip(net.layers, free.layers, strict=True):
            other.W, other.b = layer.W, layer.b
        for each in (net, free):
            steps(each, X, y, 1)
        for layer, other in zip(net.layers, free.layers, strict=True):
            norms = np.linalg.norm(other.W.astype(float), axis=1, keepdims=True)
            wanted = other.W * np.minimum(1, limit / norms)
            assert_matches(layer.W, wanted, 1e-6 if dtype == "float32" else 1e-14)
            assert_matches(layer.b, other.b, 1e-6 if dtype == "float32" else 1e-14)
    rows = [np.linalg.norm(layer.W.astype(float), axis=1) for layer in net.layers]
    assert max(map(np.max, rows)) <= limit * (1 + 1e-6)
    assert any(np.any(row > limit * (1 - 1e-6)) for row in rows), "the limit was reached"
    assert any(np.any(row < limit * 0.99) for row in rows), "and short rows were left alone"


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_max_norm_in_fit_is_that_of_step(name: str) -> None:
    X, y = data([6, 33, 2], 40, "squared_error", "float64")
    nets = [
        sb.Network([6, 33, 2], optimizer=getattr(sb, name)(0.05), max_norm=0.7, seed=2,
                   dtype="float64")
        for _ in range(2)
    ]  # fmt: skip
    nets[0].fit(X, y, epochs=6, batch_size=40, shuffle=False, progress=False)
    steps(nets[1], X, y, 6)
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)
    assert np.linalg.norm(nets[0].layers[0].W, axis=1).max() <= 0.7 + 1e-12


def test_max_norm_of_enormous_weights() -> None:
    net = sb.Network([2, 1], dtype="float64", max_norm=1.0, optimizer=sb.SGD(1e-3), seed=0)
    net.layers[0].W = [[3e200, 4e200]]
    net.gradients[:] = [0.0, 0.0, 1.0]
    net.step()
    assert_matches(net.layers[0].W, [[0.6, 0.8]], 1e-12)


def test_max_norm_can_be_set_and_is_checked() -> None:
    net = sb.Network([2, 3, 1], max_norm=2.0)
    assert net.max_norm == 2
    assert net.copy().max_norm == 2
    net.max_norm = None
    assert net.max_norm is None
    assert sb.Network([1, 1]).max_norm is None
    for bad in (0, -1.0, float("inf")):
        refused(
            lambda bad=bad: sb.Network([1, 1], max_norm=bad),
            ValueError,
            "max_norm must be a finite number > 0 or None",
        )


# --- frozen layers ------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [[1], [2], [3], [1, 2], [1, 3], [1, 2, 3]])
@pytest.mark.parametrize("name", ["SGD", "Momentum", "Adam"])
def test_frozen_layers_stay_and_the_others_learn_as_before(name: str, frozen: list[int]) -> None:
    X, y = data([4, 20, 18, 2], 48, "squared_error", "float64")
    nets = [
        sb.Network([4, 20, 18, 2], optimizer=getattr(sb, name)(0.02), seed=1, dtype="float64")
        for _ in range(2)
    ]
    for net in nets:
        for m in frozen:
            net.layer(m).trainable = False
    start = nets[0].parameters.copy()
    before = nets[0].unflatten(start)
    nets[0].fit(X, y, epochs=4, batch_size=16, shuffle=False, progress=False)
    for _ in range(4):
        for first in range(0, 48, 16):
            steps(nets[1], X[first : first + 16], y[first : first + 16], 1)
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)
    for layer, (W, b) in zip(nets[0].layers, before, strict=True):
        same = np.array_equal(layer.W, W) and np.array_equal(layer.b, b)
        assert same == (layer.m in frozen)
        made = np.any(layer.grad_W != 0)
        assert made == (layer.m not in frozen), "fit makes no gradients of a frozen layer"
    for state in nets[0].optimizer.state:
        for m in frozen:
            assert not np.any(nets[0].unflatten(state)[m - 1][0])
    assert np.all([np.any(layer.grad_W) for layer in nets[1].layers]), "backward makes all"


def test_the_norm_that_clips_is_of_the_layers_that_learn() -> None:
    net = sb.Network([3, 4, 2], clip_norm=1.0, optimizer=sb.SGD(1.0), dtype="float64", seed=0)
    net.layers[0].trainable = False
    net.layers[0].grad_W = np.full((4, 3), 1e6)
    net.layers[1].grad_W = np.full((2, 4), 3.0)
    before = net.layers[1].W.copy()
    net.step()
    assert_matches(before - net.layers[1].W, np.full((2, 4), 1 / np.sqrt(8)), 1e-12)


def test_freezing_and_thawing_between_epochs() -> None:
    X, y = data([4, 8, 2], 32, "squared_error", "float64")
    net = sb.Network([4, 8, 2], dtype="float64", seed=0)
    first = net.layers[0]
    first.trainable = False
    kept = first.W.copy()
    seen = []

    def thaw(net: sb.Network, epoch: int, logs: object) -> None:
        seen.append(np.array_equal(first.W, kept))
        first.trainable = epoch >= 1

    net.fit(X, y, epochs=4, callbacks=[thaw], progress=False)
    assert seen == [True, True, False, False]
    assert net.copy().layers[0].trainable
    assert first.trainable
    refused(lambda: setattr(net.layer(0), "trainable", False), AttributeError, "layer 0")


def test_gradients_after_a_stop_in_the_middle_are_those_of_the_last_batch() -> None:
    X, y = data([4, 8, 2], 30, "squared_error", "float64")
    for recipe in (sb.SGD(0.01), sb.Adam(0.01)):
        net = sb.Network([4, 8, 2], dtype="float64", seed=0, optimizer=recipe)
        twin = net.copy()
        session = net._fit(X, y, None, None, None, None, 1, 10, False, 0)
        while session.run(0)[1] < 2:  # batches of this epoch
            pass
        session.end()
        for first in (0, 10):
            steps(twin, X[first : first + 10], y[first : first + 10], 1)
        assert_matches(net.parameters, twin.parameters, 1e-12)
        assert_matches(net.gradients, twin.gradients, 1e-11)


# --- integers scaled on the way in ----------------------------------------------------------


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.bool_])
def test_integers_are_scaled_wherever_x_is_read(kind: Any) -> None:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2 if kind is np.bool_ else 200, (40, 6)).astype(kind)
    scaled = X.astype(np.float32) * np.float32(1 / 255)
    y = np.arange(40) % 3
    keywords: dict[str, Any] = {"loss": "cross_entropy", "seed": 0}
    net = sb.Network([6, 8, 3], input_scale=1 / 255, **keywords)
    plain = sb.Network([6, 8, 3], **keywords)
    assert np.array_equal(net.forward(X), plain.forward(scaled))
    assert np.array_equal(net.layer(0).a, scaled)
    assert np.array_equal(net.predict(X), plain.predict(scaled))
    assert net.evaluate(X, y) == plain.evaluate(scaled, y)
    for each, values in ((net, X), (plain, scaled)):
        each.fit(values, y, epochs=3, validation_data=(values, y), progress=False)
    assert np.array_equal(net.parameters, plain.parameters)
    assert net.history is not None
    assert plain.history is not None
    assert net.history["val_loss"] == plain.history["val_loss"]
    assert np.array_equal(net.predict(scaled), plain.predict(scaled)), "floats are left alone"
    assert net.copy().input_scale == 1 / 255


def test_derivatives_to_study_know_frozen_layers_dropout_and_scales() -> None:
    X = np.random.default_rng(0).integers(0, 200, (7, 4)).astype(np.uint8)
    scaled, y = X * np.float64(1 / 255), np.arange(7) % 3
    options: dict[str, Any] = {"loss": "cross_entropy", "seed": 0, "dtype": "float64"}
    net = sb.Network([4, 6, 5, 3], input_scale=1 / 255, dropout=0.5, **options)
    plain = sb.Network([4, 6, 5, 3], **options)
    for m in (1, 2):
        net.layer(m).trainable = False
    v = np.ones(net.n_parameters)
    for ours, theirs in (
        (net.input_gradient(X, y), plain.input_gradient(scaled, y)),
        (net.gradient_norms(X, y), plain.gradient_norms(scaled, y)),
        (net.hvp(X, y, v), plain.hvp(scaled, y, v)),
        (net.jacobian(X, layer=1), plain.jacobian(scaled, layer=1)),
    ):
        assert_matches(ours, theirs, 1e-12)


def test_input_scale_is_checked() -> None:
    for bad in (0, -1.0, float("nan")):
        refused(lambda bad=bad: sb.Network([1, 1], input_scale=bad), ValueError, "input_scale")
    refused(lambda: sb.Network([1, 1], input_scale="x"), TypeError, "input_scale")
