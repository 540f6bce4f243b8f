"""predict, predict_classes, evaluate, and how a network shows itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_matches,
    quiet_network,
    reference_of,
    refused,
    targets,
    usual_output,
)
from reference import LOSSES
from swiftbackprop._engine.loader import core


def network(outputs: int = 3, dtype: str = "float64", loss: str = "cross_entropy") -> Any:
    output = usual_output(loss, outputs)
    return quiet_network(
        [5, 7, outputs], activation="tanh", output=output, loss=loss, dtype=dtype, seed=3
    )


def inputs(rows: int = 40, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(rows).normal(size=(rows, 5)).astype(dtype)


# --- predict ---------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 2, 40, 5000])
def test_predict_is_forward(rows: int, dtype: str) -> None:
    net = network(dtype=dtype)
    X = inputs(rows, dtype)
    truth = reference_of(net, ["tanh", "softmax"], "cross_entropy").forward(X)
    for a in (net.predict(X), net(X)):
        assert a.shape == (rows, 3)
        assert a.dtype == dtype
        assert type(a) is np.ndarray
        assert a.flags.writeable
        assert a.flags.c_contiguous
        assert_matches(a, truth, TOLERANCE[dtype])
    assert_matches(net.forward(X), truth, TOLERANCE[dtype])


def test_predict_of_one_output_keeps_its_column() -> None:
    assert network(1).predict(inputs(6)).shape == (6, 1)


def test_predict_leaves_training_alone() -> None:
    nets = [network(), network()]
    X, y = inputs(), np.arange(40) % 3
    for turn, net in enumerate(nets):
        net.forward(X)
        if turn == 0:
            net.predict(inputs(7))
            net.evaluate(X, y)
            net.predict_classes(X)
        net.backward(y)
        net.step()
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_predict_of_no_rows() -> None:
    assert network().predict(np.zeros((0, 5))).shape == (0, 3)
    assert network().predict_classes(np.zeros((0, 5))).shape == (0,)


def test_classes() -> None:
    X = inputs(200)
    net = network(3)
    labels = net.predict_classes(X)
    assert labels.shape == (200,)
    assert np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, net.predict(X).argmax(axis=1))
    binary = network(1, loss="binary_cross_entropy")
    labels = binary.predict_classes(X)
    assert labels.shape == (200,)
    assert np.issubdtype(labels.dtype, np.integer)
    np.testing.assert_array_equal(labels, binary.predict(X)[:, 0] > 0.5)
    assert set(labels.tolist()) == {0, 1}


# --- evaluate --------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_loss_is_the_cost(loss: str, dtype: str, weighted: bool) -> None:
    rng = np.random.default_rng(2)
    X = inputs(3000, dtype)
    for outputs in (1, 3):
        net = network(outputs, dtype, loss)
        t = targets(loss, 3000, outputs, rng).astype(dtype)
        w = rng.uniform(0, 2, 3000) if weighted else None
        net.forward(X)
        wanted = net.backward(t, sample_weight=w)
        score = net.evaluate(X, t, sample_weight=w)
        assert isinstance(score, dict)
        assert all(isinstance(value, float) for value in score.values())
        assert score["loss"] == pytest.approx(wanted, rel=TOLERANCE[dtype])
        a, truth = net.predict(X).astype("float64"), t.astype("float64")
        share = np.full(3000, 1 / 3000) if w is None else w / w.sum()
        if sb.loss(loss).flags & core.RULE_CLASSES:
            assert "mse" not in score
        else:
            assert "accuracy" not in score
            each = (a - truth) ** 2
            assert score["mse"] == pytest.approx(share @ each.mean(axis=1), rel=1e-5)
            assert score["mae"] == pytest.approx(share @ np.abs(a - truth).mean(axis=1), rel=1e-5)
            mean = share @ truth
            r2 = np.mean(1 - (share @ each) / (share @ (truth - mean) ** 2))
            assert score["r2"] == pytest.approx(r2, rel=1e-4)


def test_evaluate_has_no_penalty() -> None:
    X, y = inputs(), np.arange(40) % 3
    plain = network()
    other = quiet_network(
        [5, 7, 3], activation="tanh", output="softmax", dtype="float64", seed=3, l1=5.0, l2=5.0
    )
    assert plain.evaluate(X, y) == other.evaluate(X, y)


def test_accuracy() -> None:
    X = inputs(300)
    net = network(3)
    labels = net.predict_classes(X)
    y = labels.copy()
    y[:60] = (y[:60] + 1) % 3
    assert net.evaluate(X, y)["accuracy"] == pytest.approx(0.8)
    assert net.evaluate(X, np.eye(3)[y])["accuracy"] == pytest.approx(0.8)
    w = np.ones(300)
    w[:60] = 0
    assert net.evaluate(X, y, sample_weight=w)["accuracy"] == pytest.approx(1.0)
    binary = network(1, loss="binary_cross_entropy")
    y = binary.predict_classes(X)
    y[:30] = 1 - y[:30]
    for form in (y, y[:, None], y.astype(bool), y.astype("float32")):
        assert binary.evaluate(X, form)["accuracy"] == pytest.approx(0.9)


@pytest.mark.parametrize("layout", ["float16", "backwards", "list", "int8"])
def test_evaluate_and_predict_convert(layout: str) -> None:
    net = network()
    X, y = (inputs(2000) * 3).astype("int8").astype("float64"), np.arange(2000) % 3
    other = {
        "float16": X.astype("float16"),
        "backwards": X[::-1].copy()[::-1],
        "list": X.tolist(),
        "int8": X.astype("int8"),
    }[layout]
    np.testing.assert_array_equal(net.predict(other), net.predict(X))
    assert net.evaluate(other, y) == net.evaluate(X, y)


# --- input_gradient --------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_input_gradient(dtype: str) -> None:
    """grad_a(0) of C, or of every example's own cost, without a trace in the network."""
    net = network(dtype=dtype)
    X, y = inputs(dtype=dtype), np.arange(40) % 3
    w = np.random.default_rng(0).uniform(0.5, 2, 40).astype(dtype)
    truth = reference_of(net, ["tanh", "softmax"], "cross_entropy")
    t = np.eye(3, dtype=dtype)[y]
    truth.forward(X)
    truth.backward(t)
    own, plain = truth.grad_X * 40, truth.grad_X.copy()
    truth.backward(t, w)
    assert_matches(net.input_gradient(X, y), plain, TOLERANCE[dtype])
    assert_matches(net.input_gradient(X, y, sample_weight=w), truth.grad_X, TOLERANCE[dtype])
    each = net.input_gradient(X, y, per_example=True)
    assert_matches(each, own, TOLERANCE[dtype])
    assert each.shape == X.shape
    assert each.dtype == dtype
    np.testing.assert_allclose(net.input_gradient(X[7:8], y[7:8])[0], each[7], rtol=1e-4, atol=1e-6)
    with pytest.raises(RuntimeError, match="forward"):
        _ = net.layers[0].z
    with pytest.raises(ValueError, match="per_example"):
        net.input_gradient(X, y, sample_weight=w, per_example=True)


# --- How a network shows itself --------------------------------------------------------


def test_repr_is_short_and_true() -> None:
    net = network()
    text = repr(net)
    assert len(text) < 200
    assert "\n" not in text
    for part in ("Network", "5", "7", "3", "softmax", "cross_entropy", "float64"):
        assert part in text, part
    layer = repr(net.layers[0])
    assert "1" in layer
    assert len(layer) < 200
    assert len(repr(net.layers)) < 400
    for thing in (net.optimizer, sb.SGD(0.1), sb.activation("tanh"), sb.loss("huber", delta=2)):
        assert len(repr(thing)) < 120
    assert "0.1" in repr(sb.SGD(0.1))


def test_repr_html_is_a_table_and_a_picture() -> None:
    html = network()._repr_html_()
    assert "<table" in html
    assert "<svg" in html
    assert "softmax" in html
    assert "<script" not in html


def test_summary_counts_parameters() -> None:
    net = network()
    text = str(net.summary())
    assert net.n_parameters == 5 * 7 + 7 + 7 * 3 + 3
    assert str(net.n_parameters) in text
    assert "softmax" in text


def test_version_and_public_names() -> None:
    assert isinstance(sb.__version__, str)
    for name in sb.__all__:
        assert hasattr(sb, name), name
        thing = getattr(sb, name)
        if callable(thing):
            assert (thing.__doc__ or "").strip(), f"{name} has no docstring"


@pytest.mark.parametrize("inputs", [20, 700])
@pytest.mark.parametrize("row", [0, 1, 373, 748, 749, 1023, 1024, 2345, 2999])
def test_the_row_of_a_nan_is_named_whichever_thread_sees_it(row: int, inputs: int) -> None:
    net = sb.Network([inputs, 64, 3], seed=0)
    X = np.ones((3000, inputs), np.float32)
    X[row, 7] = np.nan
    for call in (net.predict, net.forward, lambda X: net.evaluate(X, np.zeros(3000, int))):
        refused(lambda call=call: call(X), ValueError, rf"NaN or infinity.*row {row}, column 7$")
