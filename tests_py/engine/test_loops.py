"""method="loops" and "vectors": the matrices' numbers, states and errors, by other ways."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import (
    DTYPES,
    TOLERANCE,
    assert_matches,
    assert_same_gradients,
    data,
    quiet_network,
    reference_of,
    refused,
    usual_output,
)
from reference import ACTIVATIONS, LOSSES, PARTNERS, Network, activation

OTHERS = ("loops", "vectors")
METHODS = ("matrices", *OTHERS)
QUANTITIES = ("z", "a", "grad_z", "grad_a", "grad_W", "grad_b")


def network(sizes: list[int], names: list[str], loss: str, dtype: str = "float64") -> Any:
    *hidden, output = names
    net = quiet_network(
        sizes, activation=hidden or "relu", output=output, loss=loss, dtype=dtype, seed=1
    )
    rng = np.random.default_rng(2)
    for layer in net.layers:
        layer.b = rng.normal(size=layer.b.shape) / 4
    return net


def assert_same(one: Any, other: Any, tolerance: float, where: str) -> None:
    """Every quantity of two networks."""
    for m in range(1, len(one.sizes)):
        for name in QUANTITIES:
            actual, wanted = getattr(one.layer(m), name), getattr(other.layer(m), name)
            assert_matches(actual, wanted, tolerance, f"{where} {name}({m})")
    assert_matches(one.layer(0).grad_a, other.layer(0).grad_a, tolerance, f"{where} grad_a(0)")


def run(net: Any, X: Any, t: Any, method: str, **options: Any) -> float:
    net.forward(X, method=method)
    return float(net.backward(t, method=method, **options))


# --- The same numbers ------------------------------------------------------------------


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation_under_every_loss(name: str, loss: str, method: str) -> None:
    """On hidden layers and on the output, with weights of the rows, then accumulated."""
    names = ["tanh" if activation(name).is_steep else name, name, name]
    net = network([4, 6, 5, 3], names, loss)
    X, t = data([4, 6, 5, 3], 9, loss, "float64")
    X /= 2
    w = np.random.default_rng(3).uniform(0, 2, 9)
    w[4] = 0
    twin = net.copy()
    for options in ({}, {"sample_weight": w}, {"accumulate": True}):
        cost, wanted = run(net, X, t, method, **options), run(twin, X, t, "matrices", **options)
        assert cost == pytest.approx(wanted, rel=1e-12)
        assert_same(net, twin, 1e-12, f"{name}, {loss}, {options}")


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_against_the_reference(loss: str, dtype: str, method: str) -> None:
    names = ["silu", "softmax", usual_output(loss)]
    sizes = [5, 7, 6, 3]
    net = network(sizes, names, loss, dtype)
    truth = reference_of(net, names, loss)
    for rows in (1, 2, 17):
        X, t = data(sizes, rows, loss, dtype, seed=rows)
        assert_matches(net.forward(X, method=method), truth.forward(X), TOLERANCE[dtype])
        cost = net.backward(t, method=method)
        assert cost == pytest.approx(truth.backward(t), rel=TOLERANCE[dtype])
        assert_same_gradients(net, truth, TOLERANCE[dtype], f"{rows} rows:")


def by_hand(net: Any, X: Any, t: Any) -> Network:
    truth = reference_of(net, ["tanh", "softmax"], "cross_entropy")
    truth.forward(X)
    truth.backward(t)
    return truth


@pytest.mark.parametrize("method", OTHERS)
def test_many_shapes(method: str) -> None:
    for sizes, rows in (([1, 1, 2], 1), ([3, 17, 2], 5), ([70, 33, 65], 40), ([200, 3, 9], 33)):
        net = network(sizes, ["tanh", "softmax"], "cross_entropy")
        X, t = data(sizes, rows, "cross_entropy", "float64")
        run(net, X, t, method)
        assert_same_gradients(net, by_hand(net, X, t), 1e-12, f"{sizes}, {rows} rows:")


@pytest.mark.parametrize("method", OTHERS)
def test_X_is_read_where_it_lies(method: str) -> None:
    wide = data([12, 4, 3], 10, "cross_entropy", "float64")[0]
    net = network([4, 5, 3], ["tanh", "softmax"], "cross_entropy")
    for X in (np.asfortranarray(wide[:, :4]), wide[:, 4:8], wide[:, :4]):
        run(net, X, np.eye(3)[np.arange(10) % 3], method)
        assert np.shares_memory(net.layer(0).a, X)
        truth = by_hand(net, np.ascontiguousarray(X), np.eye(3)[np.arange(10) % 3])
        assert_same_gradients(net, truth, 1e-12)
    net.forward(wide[::-1, :4].astype("float32"), method=method)  # converted
    labels = np.arange(10) % 3
    net.backward(labels, method=method)
    X = wide[::-1, :4].astype("float32").astype("float64")
    assert_same_gradients(net, by_hand(net, X, np.eye(3)[labels]), 1e-12)


@pytest.mark.parametrize("method", OTHERS)
@pytest.mark.parametrize(("output", "loss"), PARTNERS)
def test_partners_are_stable_in_saturation(output: str, loss: str, method: str) -> None:
    scale = 300.0 if activation(output).is_steep else 1000.0
    sizes = [2, 3]
    net = network(sizes, [output], loss)
    net.layers[0].W = scale * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    X, t = np.array([[1.0, 0.0], [-1.0, 0.5]]), np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    twin = net.copy()
    cost, wanted = run(net, X, t, method), run(twin, X, t, "matrices")
    assert np.isfinite(cost)
    assert cost == pytest.approx(wanted, rel=1e-12)
    assert_same(net, twin, 1e-12, loss)


@pytest.mark.parametrize("method", OTHERS)
def test_a_step_after_it_is_the_same(method: str) -> None:
    net = network([4, 6, 3], ["gelu", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    twin = net.copy()
    for _ in range(5):
        run(net, X, t, method)
        net.step()
        run(twin, X, t, "matrices")
        twin.step()
    assert_matches(net.parameters, twin.parameters, 1e-11)


@pytest.mark.parametrize("method", METHODS)
def test_each_method_gives_the_same_bits_again(method: str) -> None:
    net = network([30, 40, 3], ["tanh", "softmax"], "cross_entropy", "float32")
    X, t = data([30, 40, 3], 50, "cross_entropy", "float32")
    run(net, X, t, method)
    once = net.gradients.copy()
    run(net, X, t, method)
    np.testing.assert_array_equal(net.gradients, once)


# --- The same states -------------------------------------------------------------------


@pytest.mark.parametrize("there", METHODS)
@pytest.mark.parametrize("back", METHODS)
def test_forward_by_one_and_backward_by_another(there: str, back: str) -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    net.forward(X, method=there)
    net.backward(t, method=back)
    assert_same_gradients(net, by_hand(net, X, t), 1e-12)


@pytest.mark.parametrize("method", OTHERS)
def test_the_order_of_calls(method: str) -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    refused(lambda: net.backward(t, method=method), RuntimeError, "call forward first")
    net.forward(X, method=method)
    refused(lambda: net.layers[0].grad_z, RuntimeError, "call backward first")
    net.backward(t, method=method)
    net.step()
    refused(lambda: net.backward(t, method=method), RuntimeError, "call forward again")
    net.forward(X, method=method)
    net.release()
    refused(lambda: net.backward(t, method=method), RuntimeError, "released")


@pytest.mark.parametrize("method", OTHERS)
def test_held_snapshots_do_not_change(method: str) -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    a = net.forward(X, method=method)
    net.backward(t, method=method)
    held = [a, net.layers[0].z, net.layers[0].grad_z, net.layers[1].grad_a]
    kept = [array.copy() for array in held]
    for other in METHODS:
        run(net, 2 * X, t[::-1], other)
    for array, before in zip(held, kept, strict=True):
        assert not array.flags.writeable
        np.testing.assert_array_equal(array, before)


@pytest.mark.parametrize("method", OTHERS)
def test_weights_of_zero_change_nothing(method: str) -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    run(net, X, t, method)
    net.step()
    before = net.parameters.copy()
    assert run(net, X, t, method, sample_weight=np.zeros(8)) == 0
    net.step()
    np.testing.assert_array_equal(net.parameters, before)


# --- The same errors -------------------------------------------------------------------


def message(call: Any, *kinds: type[Exception]) -> str:
    with pytest.raises(kinds) as caught:
        call()
    return str(caught.value)


@pytest.mark.parametrize("method", OTHERS)
def test_wrong_data_get_the_same_sentences(method: str) -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    bad = X.copy()
    bad[5, 2] = np.nan
    for value in (X.T, X[:, :3], X[:0], bad, "text", None):
        said = [
            message(lambda v=value, m=m: net.forward(v, method=m), ValueError, TypeError)
            for m in ("matrices", method)
        ]
        assert said[0] == said[1]
    net.forward(X, method=method)
    for y in (t[:5], t.T, np.full(8, 3), np.zeros(8), -t):
        said = [
            message(lambda v=y, m=m: net.backward(v, method=m), ValueError, TypeError)
            for m in ("matrices", method)
        ]
        assert said[0] == said[1]
    said = [
        message(lambda m=m: net.backward(t, sample_weight=-np.ones(8), method=m), ValueError)
        for m in ("matrices", method)
    ]
    assert said[0] == said[1]


@pytest.mark.parametrize("method", OTHERS)
def test_numbers_that_overflow_are_named_alike(method: str) -> None:
    """The first layer that goes wrong is named, whichever example it is in."""
    net = network([2, 3, 3, 2], ["identity", "identity", "identity"], "squared_error", "float32")
    for layer in net.layers:
        layer.W = np.full(layer.W.shape, 1e18)
    X = np.array([[1e-5, 0], [1e4, 0]], "float32")  # row 0 overflows in layer 3, row 1 in 2
    said = [
        message(lambda m=m: net.forward(X, method=m), sb.DivergenceError)
        for m in ("matrices", method)
    ]
    assert said[0] == said[1]
    assert "z of layer 2" in said[1]
    net = network([1, 1, 1], ["identity", "identity"], "squared_error", "float32")
    net.parameters[:] = [1, 0, 1e30, 0]  # grad_a(1) = 1e10 W(2) is too large for float32
    X, said = np.zeros((1, 1), "float32"), []
    for m in ("matrices", method):
        net.forward(X, method=m)
        said.append(message(lambda m=m: net.backward([-1e10], method=m), sb.DivergenceError))
    assert said[0] == said[1]
    assert "grad_z of layer 1" in said[1]
    refused(net.step, RuntimeError, "call backward again")
    net.parameters[0] = np.nan
    refused(lambda: net.forward(X, method=method), ValueError, "W of layer 1")


def test_what_is_no_method_is_not_shown_at_length() -> None:
    net = quiet_network([2, 1])
    for wrong in ("loops" * 1000, np.zeros((200, 200)), list(range(5000))):
        message = refused(lambda wrong=wrong: net.forward(np.ones((1, 2)), method=wrong),
                          (TypeError, ValueError), "method", "loops")  # fmt: skip
        assert len(message) < 250


def test_unknown_methods_are_refused_and_change_nothing() -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    held = net.forward(X)
    for call in (lambda m: net.forward(2 * X, method=m), lambda m: net.backward(t, method=m)):
        for name in ("loop", "", "Loops", "matrix", "λ", "loops\0"):
            refused(lambda c=call, n=name: c(n), ValueError, "matrices.*vectors.*loops")
        for thing in (None, 2, b"loops", ["loops"]):
            refused(lambda c=call, n=thing: c(n), TypeError, "matrices.*vectors.*loops")
    net.backward(t)
    np.testing.assert_array_equal(net.layers[-1].a, held)
    with pytest.raises(TypeError, match="positional"):
        net.forward(X, None, "loops")


def test_a_fit_keeps_the_others_out() -> None:
    net = network([4, 6, 3], ["tanh", "softmax"], "cross_entropy")
    X, t = data([4, 6, 3], 8, "cross_entropy", "float64")
    found: list[str] = []

    def look(net: Any, epoch: int, logs: Any) -> None:
        found.append(message(lambda: net.forward(X, method="loops"), RuntimeError))

    net.fit(X, t, epochs=1, callbacks=[look], progress=False)
    assert "in fit" in found[0]


@pytest.mark.parametrize("method", OTHERS)
def test_other_threads_run_meanwhile(method: str) -> None:
    """A thread that may only have what the call lets go of has its turn before the end."""
    net = network([400, 400, 3], ["tanh", "softmax"], "cross_entropy")
    X, _ = data([400, 400, 3], 600 if method == "loops" else 20000, "cross_entropy", "float64")
    begin, order = threading.Event(), []

    def other() -> None:
        begin.wait()
        order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    try:
        begin.set()
        net.forward(X, method=method)
        order.append("forward")
    finally:
        sys.setswitchinterval(interval)
    thread.join()
    assert order == ["other", "forward"]
