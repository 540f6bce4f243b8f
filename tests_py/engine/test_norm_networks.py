"""Normalised networks: what belongs to them, recipes, errors, training."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import data
from normalised import NORMS, SIZES, each_norm, made, running


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
