"""Every optimizer beside the reference: ten steps, defaults, changes in mid-training."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference
import swiftbackprop as sb
from helpers import DTYPES, OPTIMIZERS, TOLERANCE, assert_matches, data
from test_against_reference import pair

OPTIONS: list[dict[str, float]] = [
    {},
    {"l1": 0.01, "l2": 0.02},
    {"clip_norm": 0.05},
    {"l1": 0.02, "l2": 0.01, "clip_norm": 0.1},
]


def train_step(X: Any, t: Any, *nets: Any) -> None:
    for net in nets:
        net.forward(X)
        net.backward(t)
        net.step()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_ten_steps(name: str, dtype: str) -> None:
    sizes, names = [4, 6, 3], ["tanh", "softmax"]
    X, t = data(sizes, 12, "cross_entropy", dtype)
    for options in OPTIONS:
        recipe = getattr(sb, name)(**OPTIMIZERS[name])
        net, truth = pair(sizes, names, "cross_entropy", dtype, optimizer=recipe, **options)
        truth.optimizer = reference.optimizers.make(name, **OPTIMIZERS[name])
        truth.l1, truth.l2 = options.get("l1", 0.0), options.get("l2", 0.0)
        truth.clip_norm = options.get("clip_norm")
        for step in range(10):
            net.forward(X)
            truth.forward(X)
            cost, expected = net.backward(t), truth.backward(t)
            what = f"{name} {options} step {step}"
            assert cost == pytest.approx(expected, rel=TOLERANCE[dtype]), what
            before = net.gradients.copy()
            net.step()
            truth.step()
            np.testing.assert_array_equal(net.gradients, before, "step changed the gradients")
            assert_matches(net.parameters, truth.parameters, TOLERANCE[dtype], what)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_three_thousand_steps_on_a_rough_slope(name: str, rng: np.random.Generator) -> None:
    """Gradients of very different size, and none at times."""
    sizes, names = [2, 2], ["identity"]
    recipe = getattr(sb, name)()
    (net, truth), (narrow, _) = (
        pair(sizes, names, "squared_error", dtype, optimizer=recipe) for dtype in DTYPES[::-1]
    )
    truth.optimizer = reference.optimizers.make(name)
    narrow.parameters[:] = net.parameters
    for each in (net, narrow):  # a step wants a backward pass before it
        each.forward(np.zeros((1, 2)))
        each.backward(np.zeros((1, 2)))
    for t in range(3000):
        g = rng.normal(size=net.n_parameters) * 10 ** rng.uniform(-2, 1) * (t % 7 > 0)
        g = g.astype("float32").astype("float64")
        for each in (net, narrow):
            each.gradients[:] = g
            each.step()
        layer = truth.layers[0]
        layer.grad_W, layer.grad_b = g[:4].reshape(2, 2).T, g[4:]
        truth.step()
    assert_matches(net.parameters, truth.parameters, 1e-11, name)
    assert_matches(narrow.parameters, truth.parameters, 1e-4, name)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_default_hyperparameters(name: str) -> None:
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", "float64")
    net, truth = pair(sizes, names, "squared_error", "float64", optimizer=getattr(sb, name)())
    truth.optimizer = reference.optimizers.make(name)
    for _ in range(3):
        train_step(X, t, net, truth)
    assert_matches(net.parameters, truth.parameters, 1e-12, name)


def test_the_default_optimizer_is_adam() -> None:
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", "float64")
    net, truth = pair(sizes, names, "squared_error", "float64")
    truth.optimizer = reference.optimizers.make("Adam")
    train_step(X, t, net, truth)
    assert_matches(net.parameters, truth.parameters, 1e-12)
    assert net.optimizer.lr == 1e-3


def test_learning_rate_changes_in_mid_training() -> None:
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", "float64")
    recipe = sb.Momentum(0.1)
    net, truth = pair(sizes, names, "squared_error", "float64", optimizer=recipe)
    truth.optimizer = reference.optimizers.make("Momentum", lr=0.1)
    for lr in (0.1, 0.1, 0.02, 0.5):
        net.optimizer.lr = lr
        truth.optimizer.lr = lr
        assert net.optimizer.lr == lr
        train_step(X, t, net, truth)
    assert_matches(net.parameters, truth.parameters, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizers_state_is_laid_out_like_the_parameters(name: str, dtype: str) -> None:
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", dtype)
    recipe = getattr(sb, name)(**OPTIMIZERS[name])
    net, truth = pair(sizes, names, "squared_error", dtype, optimizer=recipe)
    truth.optimizer = reference.optimizers.make(name, **OPTIMIZERS[name])
    state = net.optimizer.state
    for slot in state:
        assert slot.shape == net.parameters.shape
        assert slot.dtype == dtype
        assert np.all(slot == 0)
    for _ in range(3):
        train_step(X, t, net, truth)
    keys = dict.fromkeys(key for _, key in truth.optimizer.state)
    for slot, key in zip(state, keys, strict=True):  # live, like parameters
        wanted = [truth.optimizer.state[(layer.m, part), key].T.ravel()
                  for layer in truth.layers for part in ("W", "b")]  # fmt: skip
        assert_matches(slot, np.concatenate(wanted), TOLERANCE[dtype], f"{name} {key}")
    net.reset(0)
    assert all(np.all(slot == 0) for slot in net.optimizer.state)


@pytest.mark.parametrize("dtype", DTYPES)
def test_penalties_and_clipping_can_be_changed(dtype: str) -> None:
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", dtype)
    net, truth = pair(sizes, names, "squared_error", dtype, optimizer=sb.SGD(0.1))
    truth.optimizer = reference.optimizers.make("SGD", lr=0.1)
    assert (net.l1, net.l2, net.clip_norm) == (0, 0, None)
    for l1, l2, clip_norm in ((0.1, 0.0, None), (0.0, 0.3, 0.01), (0.2, 0.1, None)):
        for one in (net, truth):
            one.l1, one.l2, one.clip_norm = l1, l2, clip_norm
            train_step(X, t, one)
        assert (net.l1, net.l2, net.clip_norm) == (l1, l2, clip_norm)
        assert_matches(net.parameters, truth.parameters, TOLERANCE[dtype])
    for name, bad in (("l1", -1), ("l2", float("nan")), ("clip_norm", 0), ("clip_norm", -1)):
        with pytest.raises(ValueError, match=name):
            setattr(net, name, bad)
    assert net.step_count == 3


def test_an_optimizer_is_a_recipe() -> None:
    """Two networks made from one optimizer object do not share state."""
    recipe = sb.Adam(0.05)
    sizes, names = [3, 4, 2], ["tanh", "identity"]
    X, t = data(sizes, 6, "squared_error", "float64")
    one, _ = pair(sizes, names, "squared_error", "float64", optimizer=recipe)
    for _ in range(3):
        train_step(X, t, one)
    two, truth = pair(sizes, names, "squared_error", "float64", optimizer=recipe)
    truth.optimizer = reference.optimizers.make("Adam", lr=0.05)
    train_step(X, t, two, truth)
    assert_matches(two.parameters, truth.parameters, 1e-12)
