"""Forward, gradients and ten optimizer steps against the NumPy reference.

1e-12 in float64 and 1e-5 in float32, relative to the norm of each array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import reference
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_matches,
    assert_same_gradients,
    data,
    quiet_network,
    reference_of,
    usual_output,
)
from reference import ACTIVATIONS, LOSSES

HIDDEN = ["tanh", "leaky_relu"]


def pair(
    sizes: list[int], names: list[str], loss: str, dtype: str, **keywords: Any
) -> tuple[Any, reference.Network]:
    """The engine's network and the reference with the same parameters."""
    net = quiet_network(
        sizes, activation=names[:-1], output=names[-1], loss=loss, dtype=dtype, seed=5, **keywords
    )
    net.parameters[:] = np.random.default_rng(7).normal(size=net.n_parameters) * 0.5
    return net, reference_of(net, names, loss)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_one_pass(loss: str, dtype: str) -> None:
    sizes, names = [5, 7, 6, 3], [*HIDDEN, usual_output(loss)]
    net, truth = pair(sizes, names, loss, dtype)
    for rows in (1, 2, 16, 33):
        X, t = data(sizes, rows, loss, dtype, seed=rows)
        a, wanted = net.forward(X), truth.forward(X)
        assert_matches(a, wanted, TOLERANCE[dtype], "forward")
        assert a.dtype == dtype
        cost, expected = net.backward(t), truth.backward(t)
        assert isinstance(cost, float)
        assert cost == pytest.approx(expected, rel=TOLERANCE[dtype])
        assert_same_gradients(net, truth, TOLERANCE[dtype], f"{rows} rows:")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name: str, dtype: str) -> None:
    sizes, names = [4, 9, 5], [name, name]
    net, truth = pair(sizes, names, "squared_error", dtype)
    for scale in (1.0,) if reference.activation(name).is_steep else (1.0, 4.0):
        X, t = data(sizes, 12, "squared_error", dtype)
        X *= X.dtype.type(scale)
        assert_matches(net.forward(X), truth.forward(X), TOLERANCE[dtype], name)
        net.backward(t)
        truth.backward(t)
        assert_same_gradients(net, truth, TOLERANCE[dtype], name)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_wide_network_and_a_large_batch(dtype: str) -> None:
    """Large enough for the threads and the kernels of large products."""
    sizes, names = [196, 160, 96, 10], ["relu", "silu", "softmax"]
    net, truth = pair(sizes, names, "cross_entropy", dtype)
    net.parameters[:] *= 0.2
    truth = reference_of(net, names, "cross_entropy")
    X, t = data(sizes, 700, "cross_entropy", dtype)
    assert_matches(net.forward(X), truth.forward(X), TOLERANCE[dtype], "forward")
    assert net.backward(t) == pytest.approx(truth.backward(t), rel=TOLERANCE[dtype])
    assert_same_gradients(net, truth, TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", DTYPES)
def test_widths_around_the_vector_lengths(dtype: str) -> None:
    for width in (1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65):
        sizes, names = [width, width + 1, width], ["sigmoid", "tanh"]
        net, truth = pair(sizes, names, "squared_error", dtype)
        X, t = data(sizes, 5, "squared_error", dtype, seed=width)
        assert_matches(net.forward(X), truth.forward(X), TOLERANCE[dtype], f"width {width}")
        net.backward(t)
        truth.backward(t)
        assert_same_gradients(net, truth, TOLERANCE[dtype], f"width {width}:")


# --- Targets, weights, accumulation --------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_class_indices_are_one_hot_rows(loss: str, dtype: str) -> None:
    sizes, names = [4, 5, 3], ["tanh", usual_output(loss)]
    net, truth = pair(sizes, names, loss, dtype)
    X, _ = data(sizes, 8, loss, dtype)
    y = np.array([0, 2, 1, 1, 0, 2, 2, 1])
    t = reference.one_hot(y, 3, dtype)
    truth.forward(X)
    expected = truth.backward(t)
    indices = [y.astype(kind) for kind in ("int64", "int32", "uint8", "int8", ">i4")]
    for labels in (*indices, y.tolist(), np.repeat(y, 2)[::2], t, t.astype(bool)):
        net.forward(X)
        assert net.backward(labels) == pytest.approx(expected, rel=TOLERANCE[dtype])
        assert_same_gradients(net, truth, TOLERANCE[dtype])


@pytest.mark.parametrize("loss", LOSSES)
def test_one_output_takes_vectors_and_columns(loss: str) -> None:
    sizes, names = [4, 5, 1], ["tanh", usual_output(loss, 1)]
    net, truth = pair(sizes, names, loss, "float64")
    X, t = data(sizes, 8, loss, "float64")
    truth.forward(X)
    expected = truth.backward(t)
    for y in (t, t[:, 0], t[:, 0].tolist()):
        net.forward(X)
        assert net.backward(y) == pytest.approx(expected, rel=1e-12)
        assert_same_gradients(net, truth, 1e-12)


def test_binary_labels_of_any_type() -> None:
    sizes, names = [4, 5, 1], ["tanh", "sigmoid"]
    net, truth = pair(sizes, names, "binary_cross_entropy", "float32")
    X, _ = data(sizes, 6, "binary_cross_entropy", "float32")
    y = np.array([0, 1, 1, 0, 1, 0])
    truth.forward(X)
    expected = truth.backward(y.astype(np.float32))
    for kind in ("int64", "uint8", "bool", "float32", "float64"):
        net.forward(X)
        assert net.backward(y.astype(kind)) == pytest.approx(expected, rel=1e-5)
        assert_same_gradients(net, truth, 1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_sample_weights(loss: str, dtype: str, rng: np.random.Generator) -> None:
    sizes, names = [4, 5, 3], ["tanh", usual_output(loss)]
    net, truth = pair(sizes, names, loss, dtype)
    X, t = data(sizes, 9, loss, dtype)
    w = rng.uniform(0, 3, 9).astype(dtype)
    w[4] = 0
    truth.forward(X)
    expected = truth.backward(t, w)
    for weights in (w, w.astype("float64"), w.tolist()):
        net.forward(X)
        cost = net.backward(t, sample_weight=weights)
        assert cost == pytest.approx(expected, rel=TOLERANCE[dtype])
        assert_same_gradients(net, truth, TOLERANCE[dtype])
        assert np.all(net.layers[0].grad_z[4] == 0)


def test_weights_of_zero_change_nothing() -> None:
    sizes, names = [4, 5, 3], ["tanh", "softmax"]
    net, _ = pair(sizes, names, "cross_entropy", "float64")
    X, t = data(sizes, 9, "cross_entropy", "float64")
    net.forward(X)
    net.backward(t)
    net.step()  # Adam has momentum now
    before = net.parameters.copy()
    net.forward(X)
    assert net.backward(t, sample_weight=np.zeros(9)) == 0.0
    assert np.all(net.gradients == 0)
    net.step()
    np.testing.assert_array_equal(net.parameters, before)


@pytest.mark.parametrize("dtype", DTYPES)
def test_accumulate_adds(dtype: str) -> None:
    sizes, names = [4, 5, 3], ["tanh", "softmax"]
    net, truth = pair(sizes, names, "cross_entropy", dtype)
    for turn in range(3):
        X, t = data(sizes, 7, "cross_entropy", dtype, seed=turn)
        for one in (net, truth):
            one.forward(X)
            one.backward(t, accumulate=turn > 0)
        assert_same_gradients(net, truth, TOLERANCE[dtype], f"turn {turn}:")
    net.forward(X)
    truth.forward(X)
    net.backward(t)  # without accumulate it overwrites
    truth.backward(t)
    assert_same_gradients(net, truth, TOLERANCE[dtype])


def test_backward_twice_gives_the_same(rng: np.random.Generator) -> None:
    sizes, names = [4, 5, 3], ["tanh", "softmax"]
    net, truth = pair(sizes, names, "cross_entropy", "float64")
    X, t = data(sizes, 7, "cross_entropy", "float64")
    _, other = data(sizes, 7, "cross_entropy", "float64", seed=9)
    net.forward(X)
    net.backward(other)
    held = net.layers[0].grad_z
    kept = held.copy()
    net.backward(t)
    truth.forward(X)
    truth.backward(t)
    assert_same_gradients(net, truth, 1e-12)
    np.testing.assert_array_equal(held, kept)


# --- What the lectures say -------------------------------------------------------------


def test_grad_W_is_the_outer_product_of_the_slides() -> None:
    sizes, names = [4, 6, 5, 3], ["tanh", "softmax", "softmax"]
    net, _ = pair(sizes, names, "cross_entropy", "float64", l1=0.1, l2=0.3, clip_norm=1e-3)
    X, t = data(sizes, 7, "cross_entropy", "float64")
    net.forward(X)
    net.backward(t)
    for layer in net.layers:
        below = net.layer(layer.m - 1)
        assert_matches(layer.grad_W, layer.grad_z.T @ below.a, 1e-13, "grad_W")
        assert_matches(layer.grad_b, layer.grad_z.sum(axis=0), 1e-13, "grad_b")
        assert_matches(layer.z, below.a @ layer.W.T + layer.b, 1e-13, "z")
        if layer.m > 1:
            assert_matches(below.grad_a, layer.grad_z @ layer.W, 1e-13, "grad_a")


def test_squared_error_is_half_the_squared_distance() -> None:
    net = quiet_network([2, 3], output="identity", loss="squared_error", dtype="float64", seed=0)
    x, t = np.array([[1.0, -2.0]]), np.array([[0.5, 0.25, 3.0]])
    a = net.forward(x)
    cost = net.backward(t)
    assert cost == pytest.approx(0.5 * np.sum((a - t) ** 2), rel=1e-14)
    assert_matches(net.layers[0].grad_a, a - t, 1e-14)


def test_cost_is_the_mean_over_rows_of_the_sum_over_outputs() -> None:
    net = quiet_network([2, 3], output="identity", loss="absolute_error", dtype="float64", seed=0)
    X, t = data([2, 3], 4, "absolute_error", "float64")
    a = net.forward(X)
    assert net.backward(t) == pytest.approx(np.abs(a - t).sum() / 4, rel=1e-14)
