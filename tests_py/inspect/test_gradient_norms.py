"""net.gradient_norms: against one backward pass a row, PyTorch and JAX."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import DTYPES, TOLERANCE, assert_matches, quiet_network, refused, targets, usual_output
from reference import ACTIVATIONS, LOSSES
from test_second_order import drawn


def one_by_one(net: Any, X: np.ndarray, t: np.ndarray) -> np.ndarray:
    """‖∇Cₙ‖ by layer from a backward pass for every row, (N, L)."""
    norms = []
    for n in range(len(X)):
        net.forward(X[n : n + 1])
        net.backward(t[n : n + 1])
        pairs = net.unflatten(net.gradients)
        norms.append([np.sqrt(np.sum(W**2) + np.sum(b**2)) for W, b in pairs])
    return np.array(norms)


def check(net: Any, X: np.ndarray, t: np.ndarray, tolerance: float) -> None:
    wanted = one_by_one(net, X, t)
    per_layer = net.gradient_norms(X, t, per_layer=True)
    assert per_layer.dtype == net.dtype
    assert_matches(per_layer, wanted, tolerance)
    assert_matches(net.gradient_norms(X, t), np.linalg.norm(wanted, axis=1), tolerance)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_against_a_pass_for_every_row(activation: str, loss: str) -> None:
    for outputs in (1, 3):
        net, X, t, _, _ = drawn(activation, usual_output(loss, outputs), loss, outputs, 7)
        check(net, X, t, 1e-12)
    net, X, t, _, _ = drawn("softmax", activation, loss, 3, 1)
    check(net, X, t, 1e-12)


@pytest.mark.parametrize("dtype", DTYPES)
def test_many_rows(dtype: str) -> None:
    net = quiet_network(
        [5, 40, 30, 4], activation=["tanh", "softmax"], output="softmax", dtype=dtype, seed=0
    )
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2600, 5)).astype(dtype), rng.integers(0, 4, 2600)
    norms, layers = net.gradient_norms(X, y), net.gradient_norms(X, y, per_layer=True)
    assert norms.shape == (2600,)
    assert layers.shape == (2600, 3)
    rows = [0, 1023, 1024, 2047, 2599]
    check(net, X[rows], y[rows], TOLERANCE[dtype])
    assert_matches(norms[rows], net.gradient_norms(X[rows], y[rows]), TOLERANCE[dtype])
    assert_matches(np.linalg.norm(layers, axis=1), norms, TOLERANCE[dtype])


def test_it_holds_no_gradient_for_every_row() -> None:
    """N × P would be 5e9 numbers here, 20 GB."""
    net = quiet_network([300, 600, 300, 10], output="softmax", seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(14_000, 300)).astype("float32"), rng.integers(0, 10, 14_000)
    assert len(X) * net.n_parameters > 5e9
    assert np.all(net.gradient_norms(X[:1000], y[:1000]) > 0)
    norms = net.gradient_norms(X, y)
    assert norms.shape == (14_000,)
    assert_matches(norms[-3:], net.gradient_norms(X[-3:], y[-3:]), 1e-5)


def test_a_norm_bounds_the_whole_gradient() -> None:
    """‖∇C‖ ≤ the mean of ‖∇Cₙ‖, with equality for equal rows."""
    net = quiet_network([4, 6, 2], activation="tanh", output="softmax", dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(30, 4)), targets("cross_entropy", 30, 2, rng)
    net.forward(X)
    net.backward(t)
    assert np.linalg.norm(net.gradients) < np.mean(net.gradient_norms(X, t))
    same, target = np.tile(X[:1], (30, 1)), np.tile(t[:1], (30, 1))
    net.forward(same)
    net.backward(target)
    norms = net.gradient_norms(same, target)
    np.testing.assert_allclose(np.linalg.norm(net.gradients), norms, rtol=1e-12)


def test_wrong_arguments() -> None:
    net = quiet_network([3, 4, 2], output="softmax", seed=0)
    X, y = np.zeros((5, 3)), np.zeros(5, int)
    refused(lambda: net.gradient_norms(X.T, y), ValueError, r"X: layer 1 expected .* got \(3, 5\)")
    refused(lambda: net.gradient_norms(X, y[:4]), ValueError, "y: layer L expected")
    refused(lambda: net.gradient_norms(X, y - 1), ValueError, "got -1 in row 0")
    refused(lambda: net.gradient_norms(X, y.astype(float)), TypeError, "astype")
    wrong = X.copy()
    wrong[2, 0] = np.nan
    refused(lambda: net.gradient_norms(wrong, y), ValueError, "X contains NaN .* row 2")
    net.parameters[:] = 1e30
    with pytest.raises(sb.DivergenceError, match="z of layer 2"):
        net.gradient_norms(X + 1e5, y)
