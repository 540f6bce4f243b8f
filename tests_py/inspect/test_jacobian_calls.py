"""Jacobians: what they leave as it is, and arguments that are refused."""

from __future__ import annotations

import gc
import sys
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, quiet_network, refused
from test_threads import Running

# --- What stays as it is -------------------------------------------------------------------


def test_nothing_is_kept_and_nothing_changes() -> None:
    net = quiet_network([4, 5, 3], output="softmax", seed=0)
    rng = np.random.default_rng(0)
    X, other = rng.normal(size=(2, 8, 4)).astype("float32")
    y, v = np.arange(8) % 3, rng.normal(size=net.n_parameters)

    def study() -> None:
        net.jacobian(other, layer=1)
        net.input_gradient(other, y)
        net.gradient_norms(other, y)
        net.hvp(other, y, v)

    study()
    with pytest.raises(RuntimeError, match="forward"):
        _ = net.layers[0].z
    net.forward(X)
    net.backward(y)
    names = ("W", "b", "z", "a", "grad_W", "grad_b", "grad_z", "grad_a")
    before = [np.array(getattr(layer, name)) for layer in net.layers for name in names]
    references = sys.getrefcount(other)
    study()
    gc.collect()
    assert sys.getrefcount(other) == references
    after = [getattr(layer, name) for layer in net.layers for name in names]
    for one, two in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, two)
    assert net.layer(0).a is not None
    np.testing.assert_array_equal(net.layer(0).a, X)
    gradients = net.gradients.copy()
    net.backward(y, accumulate=True)  # the pass is still that of X
    assert_matches(net.gradients, 2 * gradients, 1e-6)
    twin = net.copy()
    net.step()
    net.release()
    study()
    twin.step()
    np.testing.assert_array_equal(net.parameters, twin.parameters)


def test_a_result_is_its_own() -> None:
    net = quiet_network([4, 5, 3], output="softmax", seed=0)
    X = np.random.default_rng(0).normal(size=(8, 4))
    J = net.jacobian(X, layer=1)
    kept = J.copy()
    net.jacobian(2 * X, layer=1)
    np.testing.assert_array_equal(J, kept)
    J[:] = 0
    np.testing.assert_array_equal(net.jacobian(X, layer=1), kept)
    net.close()
    assert not J.any()


def test_in_a_callback_of_fit() -> None:
    """On fit's own thread, without a trace in the training."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), rng.integers(0, 3, 60)
    plain, studied = (quiet_network([8, 16, 3], output="softmax", seed=0) for _ in range(2))
    norms = []

    def study(net: Any, epoch: int, logs: dict[str, float]) -> None:
        net.jacobian(X, layer=1), net.input_gradient(X, y)
        net.hvp(X, y, np.ones(net.n_parameters))
        norms.append(net.gradient_norms(X, y))

    plain.fit(X, y, epochs=5, progress=False)
    studied.fit(X, y, epochs=5, progress=False, callbacks=[study])
    np.testing.assert_array_equal(plain.parameters, studied.parameters)
    np.testing.assert_array_equal(plain.gradients, studied.gradients)
    assert len(norms) == 5
    assert not np.array_equal(norms[0], norms[-1])


def test_during_fit_in_another_thread() -> None:
    """As predict: between two slices, with the weights of that moment."""
    net = quiet_network([8, 16, 3], output="softmax", seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 8)), rng.integers(0, 3, 60)
    with Running(net) as running:
        for _ in range(3):
            assert np.all(np.isfinite(net.predict(X)))
            assert np.all(np.isfinite(net.jacobian(X, of="a", wrt="a", layer=0)))
            assert np.all(np.isfinite(net.input_gradient(X, y)))
            assert np.all(np.isfinite(net.gradient_norms(X, y)))
            assert np.all(np.isfinite(net.hvp(X, y, np.ones(net.n_parameters))))
    assert running.error is None


# --- Wrong arguments -----------------------------------------------------------------------


def small() -> tuple[Any, np.ndarray]:
    return quiet_network([3, 4, 2], output="softmax", seed=0), np.zeros((5, 3))


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"of": "b", "layer": 1}, ValueError, r"of must be \"z\" or \"a\", got 'b'"),
        ({"wrt": "W", "layer": 1}, ValueError, r"wrt must be \"z\" or \"a\", got 'W'"),
        ({"of": 3, "layer": 1}, TypeError, r"of must be \"z\" or \"a\", got 3 \(int\)"),
        ({"layer": 0}, ValueError, r"layer must be an int in 1..L = 1..2 .* z, got 0: layer 0, t"),
        ({"layer": 3}, ValueError, r"layer must be an int in 0..2, got 3$"),
        ({"layer": -1}, ValueError, r"layer must be an int in 0..2, got -1$"),
        ({"wrt": "a", "layer": 3}, ValueError, r"layer must be an int in 0..2, got 3$"),
        ({"wrt": "a", "layer": -1}, ValueError, r"layer must be an int in 0..2, got -1$"),
        ({"wrt": "a", "layer": 2}, ValueError, r"z of layer L = 2 does not depend on a of the sa"),
        ({"layer": 10**30}, ValueError, r"layer must be an int in 0..2, got 10{30}$"),
        ({"layer": 1.0}, TypeError, r"layer must be an int.*, got 1.0 \(float\)"),
        ({"layer": "1"}, TypeError, r"layer must be an int.*, got '1' \(str\)"),
        ({"layer": None}, TypeError, r"got None \(NoneType\)"),
        ({}, TypeError, r"layer"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], kind: type[Exception], message: str) -> None:
    net, X = small()
    refused(lambda: net.jacobian(X, **arguments), kind, message)
    refused(lambda: net.jacobian(np.zeros((0, 3)), **arguments), kind, message)


def test_wrong_data() -> None:
    net, X = small()
    refused(lambda: net.jacobian(X.T, layer=1), ValueError, r"got \(3, 5\)", "X.T")
    refused(lambda: net.jacobian(X[0], layer=1), ValueError, r"X\[None, :\]")
    refused(lambda: net.jacobian("no", layer=1), TypeError, "numbers")
    for bad in (np.nan, np.inf):
        wrong = X.copy()
        wrong[3, 1] = bad
        refused(lambda X=wrong: net.jacobian(X, layer=1), ValueError, "X contains NaN .* row 3")
    net.layers[0].W[0, 0] = np.nan
    refused(lambda: net.jacobian(X + 1, layer=2), ValueError, "W of layer 1 contains NaN")


def test_an_overflow_is_said() -> None:
    net = quiet_network([2, 2, 2], activation="identity", seed=0, loss="squared_error")
    net.parameters[:] = 1e30
    net.layers[0].b, net.layers[1].b = np.zeros(2), np.zeros(2)
    with pytest.raises(sb.DivergenceError, match="the Jacobian with respect to layer 0 overflow"):
        net.jacobian(np.zeros((3, 2)), wrt="a", layer=0)
    assert np.isfinite(net.jacobian(np.zeros((3, 2)), layer=1)).all()


def test_a_result_beyond_memory() -> None:
    net = quiet_network([1, 1000, 1000], loss="squared_error", seed=0)
    X = np.broadcast_to(np.float32(0), (10**7, 1))
    with pytest.raises(MemoryError, match="MB"):
        net.jacobian(X, layer=1)
    assert net.jacobian(X[:2], layer=1).shape == (2, 1000, 1000)


def test_a_closed_network() -> None:
    net, X = small()
    net.close()
    y, v = np.zeros(5, int), np.zeros(26)
    for call in (
        lambda: net.jacobian(X, layer=1), lambda: net.input_gradient(X, y),
        lambda: net.gradient_norms(X, y), lambda: net.hvp(X, y, v),
    ):  # fmt: skip
        refused(call, RuntimeError, "closed")
