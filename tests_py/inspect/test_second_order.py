"""net.hvp: against differences of gradients, PyTorch and JAX; and what a Hessian is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import (
    DTYPES,
    assert_matches,
    quiet_network,
    refused,
    relative_difference,
    targets,
    usual_output,
)
from reference import ACTIVATIONS, LOSSES, PARTNERS
from test_gradients import SIZES, case

STEP = 5e-4


def drawn(*pair: Any) -> tuple[Any, ...]:
    """What is drawn for the gradients, and a direction."""
    net, X, t, w, rng = case(*pair)
    v = rng.normal(size=net.n_parameters)
    return net, X, t, w, v / np.linalg.norm(v)


def differences(net: Any, X: Any, t: Any, w: Any, v: np.ndarray) -> np.ndarray:
    """How the gradients change along v: central differences of fourth order."""
    start, values = net.parameters.copy(), []
    for factor in (1, -1, 2, -2):
        net.parameters[:] = start + factor * STEP * v
        net.forward(X)
        net.backward(t, sample_weight=w)
        values.append(net.gradients.copy())
    net.parameters[:] = start
    return np.asarray((8 * (values[0] - values[1]) - (values[2] - values[3])) / (12 * STEP))


def check(net: Any, X: Any, t: Any, w: Any, v: np.ndarray) -> None:
    product = net.hvp(X, t, v, sample_weight=w)
    assert product.shape == v.shape
    assert product.dtype == net.dtype
    wanted = differences(net, X, t, w, v)
    pairs = zip(net.unflatten(product), net.unflatten(wanted), strict=True)
    for m, (ours, theirs) in enumerate(pairs, start=1):
        for name, g, n in zip("Wb", ours, theirs, strict=True):
            error = relative_difference(g, n)
            # Where all of it is 0 but for rounding, as for linear networks.
            assert error <= 1e-6 or np.linalg.norm(g - n) <= 1e-11, f"{name}({m}): {error:.1e}"


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_activation(activation: str, loss: str) -> None:
    for outputs, rows in SIZES:
        check(*drawn(activation, usual_output(loss, outputs), loss, outputs, rows))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_output_activation(activation: str, loss: str) -> None:
    for outputs, rows in SIZES:
        if activation == "softmax" and outputs == 1:
            continue  # refused: test_errors.py
        check(*drawn("tanh", activation, loss, outputs, rows))


def deep(loss: str, output: str, dtype: str = "float64", outputs: int = 3) -> Any:
    net = quiet_network(
        [4, 6, 5, 7, outputs], activation=["gelu", "softmax", "tanh"], output=output, loss=loss,
        dtype=dtype, seed=3,
    )  # fmt: skip
    net.parameters[:] = np.random.default_rng(1).normal(size=net.n_parameters) * 0.6
    return net


@pytest.mark.parametrize(("output", "loss"), sorted(PARTNERS))
def test_partners_in_a_deep_network(output: str, loss: str) -> None:
    rng = np.random.default_rng(0)
    net = deep(loss, output)
    X, t = rng.normal(size=(9, 4)), targets(loss, 9, 3, rng)
    check(net, X, t, None, rng.normal(size=net.n_parameters) / 10)
    # Stable where autograd through a is not: a − t has no 1/a in it.
    net.layers[-1].b = net.layers[-1].b + np.array([300.0, 0, -300])
    if output != "exp":
        product = net.hvp(X, t, np.ones(net.n_parameters))
        assert np.all(np.isfinite(product))


# --- What a Hessian is -----------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_it_is_symmetric_and_linear(loss: str) -> None:
    net, X, t, w, _ = drawn("gelu", usual_output(loss, 3), loss, 3, 7)
    rng = np.random.default_rng(0)
    u, v = rng.normal(size=(2, net.n_parameters))
    Hu, Hv = (net.hvp(X, t, d, sample_weight=w) for d in (u, v))
    assert abs(u @ Hv - v @ Hu) <= 1e-12 * (abs(u @ Hv) + np.linalg.norm(Hv))
    both = net.hvp(X, t, 2 * u - 3 * v, sample_weight=w)
    assert_matches(both, 2 * Hu - 3 * Hv, 1e-12)
    assert not net.hvp(X, t, np.zeros_like(v)).any()


def test_of_linear_regression_it_is_known() -> None:
    """C = 1/(2N) Σ (W x + b − t)²: the Hessian is the mean of (x, 1)(x, 1)ᵀ."""
    net = quiet_network([3, 1], dtype="float64", seed=0)
    rng = np.random.default_rng(0)
    X, t = rng.normal(size=(50, 3)), rng.normal(size=50)
    ones = np.column_stack([X, np.ones(50)])
    H = np.column_stack([net.hvp(X, t, e) for e in np.eye(4)])
    assert_matches(H, ones.T @ ones / 50, 1e-13)


def test_at_kinks_the_second_derivative_is_zero() -> None:
    """relu at 0 in every unit: what is left is the Hessian by W(2) and b(2)."""
    net = quiet_network([2, 3, 1], activation="relu", dtype="float64", seed=0)
    net.layers[0].b = np.zeros(3)
    X, t = np.zeros((4, 2)), np.ones(4)
    H = np.column_stack([net.hvp(X, t, e) for e in np.eye(net.n_parameters)])
    wanted = np.zeros_like(H)
    wanted[-1, -1] = 1
    np.testing.assert_array_equal(H, wanted)
    net = quiet_network([1, 1], loss="absolute_error", dtype="float64", seed=0)
    assert not net.hvp(X[:, :1], np.zeros(4), [1.0, 1.0]).any()


def test_penalties_are_not_in_it() -> None:
    plain, penalised = (
        quiet_network([3, 4, 2], activation="tanh", output="softmax", seed=0, dtype="float64", l2=x)
        for x in (0.0, 3.0)
    )
    X, y, v = np.ones((5, 3)), np.arange(5) % 2, np.ones(plain.n_parameters)
    np.testing.assert_array_equal(plain.hvp(X, y, v), penalised.hvp(X, y, v))


# --- Blocks, weights, number types -----------------------------------------------------------


def test_many_rows_and_weights() -> None:
    """Every block adds its share of one Σw."""
    net = deep("cross_entropy", "softmax")
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(2500, 4)), rng.integers(0, 3, 2500), rng.integers(0, 3, 2500)
    v = rng.normal(size=net.n_parameters)
    parts = [slice(0, 1000), slice(1000, 1700), slice(1700, 2500)]
    wanted = sum(net.hvp(X[p], y[p], v, sample_weight=w[p]) * (w[p].sum() / w.sum()) for p in parts)
    assert_matches(net.hvp(X, y, v, sample_weight=w), wanted, 1e-12)
    repeated = net.hvp(np.repeat(X, w, axis=0), np.repeat(y, w), v)
    assert_matches(net.hvp(X, y, v, sample_weight=w), repeated, 1e-12)
    assert not net.hvp(X, y, v, sample_weight=np.zeros(2500)).any()


def test_float32_agrees_with_float64() -> None:
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(100, 4)), rng.integers(0, 3, 100)
    one, two = (deep("cross_entropy", "softmax", dtype) for dtype in DTYPES)
    v = rng.normal(size=one.n_parameters)
    assert_matches(one.hvp(X, y, v), two.hvp(X, y, v), 1e-4)


def test_after_release_and_for_other_sizes() -> None:
    """The memory it keeps is given back, made larger, and used for less."""
    net = deep("squared_error", "identity")
    rng = np.random.default_rng(0)
    v = rng.normal(size=net.n_parameters)
    X, t = rng.normal(size=(70, 4)), rng.normal(size=(70, 3))
    whole = net.hvp(X, t, v)
    few = net.hvp(X[:5], t[:5], v)
    net.release()
    np.testing.assert_array_equal(net.hvp(X[:5], t[:5], v), few)
    np.testing.assert_array_equal(net.hvp(X, t, v), whole)
    np.testing.assert_array_equal(net.copy().hvp(X, t, v), whole)


# --- Wrong arguments -------------------------------------------------------------------------


def test_wrong_arguments() -> None:
    net = quiet_network([3, 4, 2], output="softmax", seed=0)
    X, y, v = np.zeros((5, 3)), np.zeros(5, int), np.zeros(26)
    for wrong in (np.zeros(25), np.zeros((26, 1)), np.zeros((1, 26)), np.zeros(0)):
        refused(
            lambda wrong=wrong: net.hvp(X, y, wrong), ValueError,
            r"v: expected shape \(P,\) = \(26,\), in the order of net\.parameters, got \(",
        )  # fmt: skip
    refused(lambda: net.hvp(X, y, 1.0), ValueError, "v: expected 1 or 2 dimensions")
    refused(lambda: net.hvp(X, y, None), TypeError, "v is None")
    refused(lambda: net.hvp(X, y, ["a"] * 26), TypeError, "v: expected real numbers, got 'a'")
    for bad in (np.nan, np.inf, 1e300):
        refused(lambda bad=bad: net.hvp(X, y, v + bad), ValueError, "v contains NaN or infinity")
        wrong = X.copy()
        wrong[4, 2] = bad
        refused(lambda wrong=wrong: net.hvp(wrong, y, v), ValueError, "X contains NaN .* row 4")
    refused(lambda: net.hvp(X, y[:4], v), ValueError, "y: layer L expected")
    refused(lambda: net.hvp(X, y + 2, v), ValueError, "got 2 in row 0")
    refused(lambda: net.hvp(X, y, v, sample_weight=-np.ones(5)), ValueError, "sample_weight")
    refused(
        lambda: net.hvp(X, y, v, sample_weight=np.ones(4)),
        ValueError,
        "sample_weight: expected shape",
    )
    refused(lambda: net.hvp(X[:0], y[:0], v), ValueError, "at least one row")


def test_an_overflow_is_said() -> None:
    net = quiet_network([2, 2, 2], activation="identity", loss="squared_error", seed=0)
    with pytest.raises(sb.DivergenceError, match="the Hessian and v overflowed"):
        net.hvp(np.full((3, 2), 1e15), np.zeros((3, 2)), np.full(net.n_parameters, 1e30))
    assert np.all(np.isfinite(net.parameters))
