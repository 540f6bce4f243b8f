"""The gradient check: how much is looked at, and what rounding hides."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import quiet_network, refused
from swiftbackprop._inspect.cost import Cost
from swiftbackprop.datasets import load_digits
from swiftbackprop.lab import GradientCheck
from test_gradcheck import Array, Wrong, problem


def test_some_or_all_are_looked_at() -> None:
    X, y = problem([30, 20, 3])
    net = sb.Network([30, 20, 3], activation="tanh", loss="cross_entropy", seed=0)
    sizes = {c.name: (c.checked, c.size) for c in net.gradcheck(X, y, per_array=7).checks}
    assert sizes == {
        "grad_W(2)": (7, 60), "grad_b(2)": (3, 3), "grad_W(1)": (7, 600), "grad_b(1)": (7, 20),
        "grad_a(0)": (7, 180),
    }  # fmt: skip
    one, two = (net.gradcheck(X, y, per_array=7, seed=seed) for seed in (1, 2))
    assert repr(one) == repr(net.gradcheck(X, y, per_array=7, seed=1))
    assert one["grad_W(1)"].worst != two["grad_W(1)"].worst
    assert net.gradcheck(X, y)["grad_W(1)"].checked == 40


@pytest.mark.parametrize("seed", range(8))
def test_a_vanishing_gradient_is_right_to_rounding(seed: int) -> None:
    """grad(1) is next to nothing beside C, and its differences lose digits: no failure."""
    sizes = [3] + [4] * 9 + [2]
    X, y = problem(sizes)
    options: dict[str, Any] = {"activation": "sigmoid", "loss": "cross_entropy", "seed": seed}

    def shrunk(kind: type[sb.Network]) -> sb.Network:
        net = kind(sizes, dtype="float64", **options)
        for layer in net.layers[:-1]:
            layer.W = layer.W * 0.6
        return net

    report = shrunk(sb.Network).gradcheck(X, y, per_array=None)
    report.raise_if_failed()
    first = report["grad_W(1)"]
    assert first.error < first.limit
    assert first.verdict in ("right to rounding", "too small to tell")
    assert abs(first.n) < 1e-8
    report = shrunk(Wrong).gradcheck(X, y, per_array=None)
    assert not report["grad_W(2)"].ok  # a wrong one of usual size is not hidden


def test_what_is_too_small_to_tell_is_no_failure() -> None:
    first = GradientCheck("grad_W", 1, 9, 9, 0, 0.5, 0.9, (0, 0), 1.0, 2.0)
    assert (first.ok, first.verdict) == (True, "too small to tell")


def trained(activation: str, seed: int, **options: Any) -> tuple[sb.Network, Array, Array]:
    """A network that has learnt 300 digits by heart, and six of them."""
    digits = load_digits()
    X, y = digits.X_train[:300], digits.y_train[:300]
    options = {"loss": "cross_entropy", "optimizer": sb.Adam(2e-3)} | options
    net = quiet_network([64, 32, 10], activation=activation, seed=seed, **options)
    t = y if net.loss.name == "cross_entropy" else np.eye(10)[y]
    net.fit(X, t, epochs=300, progress=False)
    return net, X[:6], t[:6]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid", "gelu"])
def test_a_trained_network_is_right(activation: str, seed: int) -> None:
    """C is small beside z, from which it comes: its own rounding is not that of z."""
    net, X, y = trained(activation, seed)
    report = net.gradcheck(X, y)
    report.raise_if_failed()
    assert {check.verdict for check in report.checks} == {"right"}
    if activation in ("tanh", "sigmoid", "gelu"):
        assert [check.kinks for check in report.checks] == [0] * 5  # none of them has a kink


@pytest.mark.parametrize(
    ("output", "loss"),
    [("sigmoid", "binary_cross_entropy"), ("sigmoid", "cross_entropy"),
     ("identity", "squared_error"), ("softmax", "squared_error"), ("identity", "huber")],
)  # fmt: skip
def test_a_trained_network_of_every_kind_is_right(output: str, loss: str) -> None:
    net, X, y = trained("tanh", 1, output=output, loss=loss, optimizer=sb.Adam(5e-3))
    report = net.gradcheck(X, y)
    report.raise_if_failed()
    assert sum(check.kinks for check in report.checks) == 0
    assert not WrongInAll.like(net).gradcheck(X, y).ok


class WrongInAll(sb.Network):
    """A network whose gradients are all too large by a thousandth."""

    @classmethod
    def like(cls, net: sb.Network) -> WrongInAll:
        twin = quiet_copy(cls, net)
        twin.parameters[:] = net.parameters
        return twin

    def backward(self, *arguments: Any, **keywords: Any) -> float:
        cost = super().backward(*arguments, **keywords)
        self.gradients[:] *= 1.001
        return cost


def quiet_copy(kind: type[WrongInAll], net: sb.Network) -> WrongInAll:
    rules = [layer.activation for layer in net.layers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(net.sizes, activation=rules[:-1], output=rules[-1], loss=net.loss, seed=0)


@pytest.mark.parametrize(
    ("output", "loss", "y"),
    [("softmax", "cross_entropy", [0, 1, 2, 0]), ("exp", "poisson", np.ones((4, 3))),
     ("sigmoid", "binary_cross_entropy", np.full((4, 3), 0.25)),
     ("identity", "squared_error", np.ones((4, 3)))],
)  # fmt: skip
def test_the_cost_is_that_of_the_engine(output: str, loss: str, y: Any) -> None:
    X, weights = np.random.default_rng(0).normal(size=(4, 5)), np.arange(1.0, 5)
    net = quiet_network([5, 4, 3], output=output, loss=loss, dtype="float64", seed=0)
    net.forward(X)
    C = net.backward(y, sample_weight=weights)
    cost = Cost(net, X, y, weights)
    assert cost.now() == pytest.approx(C, rel=1e-14)
    W = net.layers[1].W
    cost.begin()
    assert cost.of(2, W, (0, 1), float(W[0, 1]) + 0.1)[0] != pytest.approx(C, rel=1e-6)
    assert cost.of(2, W, (0, 1), float(W[0, 1]))[0] == pytest.approx(C, rel=1e-14)


def test_weights_too_large_for_differences() -> None:
    X, _ = problem([3, 4, 2])
    net = sb.Network([3, 4, 2], loss="squared_error", seed=0, dtype="float64")
    net.layers[1].W[0, 1] = 1e30
    words = (r"differences .* W\[0, 1\] of layer 2 = 1e\+30", "lost in the rounding")
    refused(lambda: net.gradcheck(X, np.ones((6, 2)), per_array=None), ValueError, *words)
    net.layers[1].W[0, 1], net.layers[0].W[:] = 1.0, 1e30
    refused(lambda: net.gradcheck(X, np.ones((6, 2))), ValueError, "no differences can be taken")


def test_integers_are_scaled_as_the_network_scales_them() -> None:
    X = np.arange(12, dtype=np.uint8).reshape(4, 3) * 20
    net = sb.Network([3, 4, 2], activation="tanh", seed=0, input_scale=1 / 255, dtype="float64")
    net.forward(X)
    net.backward(np.ones((4, 2)))
    found = net.gradcheck(X, np.ones((4, 2)), per_array=None)["grad_W(1)"]
    assert found.ok
    assert found.g == pytest.approx(float(net.layers[0].grad_W[found.worst]), rel=1e-12)


def test_work_in_python_does_not_grow_with_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked of the engine for a difference is a forward pass, and no view of a layer."""

    def asked(layers: int) -> float:
        calls = []
        view = sb.Network._view
        net = sb.Network([4] * layers + [2], loss="cross_entropy", seed=0)
        X, y = problem([4, 2])
        with monkeypatch.context() as patch:
            patch.setattr(sb.Network, "_view", lambda *a: calls.append(0) or view(*a))
            report = net.gradcheck(X, y)
        return len(calls) / sum(check.checked for check in report.checks)

    assert asked(20) < 3
    assert asked(20) == pytest.approx(asked(5), rel=0.5)
