"""net.gradcheck: right gradients pass, wrong ones are named, kinks are told apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import quiet_network, refused
from swiftbackprop._inspect import gradcheck
from swiftbackprop.lab import GradientCheck, GradientReport

ROWS = 6
Array = np.ndarray


def problem(sizes: list[int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X ~ normal, [6, D(0)], and classes, as many as there are outputs."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(ROWS, sizes[0])), np.arange(ROWS) % sizes[-1]


@pytest.mark.parametrize("loss", sb.losses())
@pytest.mark.parametrize("activation", sb.activations())
def test_the_engine_is_right(activation: str, loss: str) -> None:
    X, y = problem([3, 4, 3, 3])
    for dtype in ("float32", "float64"):
        net = quiet_network([3, 4, 3, 3], activation=activation, loss=loss, dtype=dtype, seed=2)
        net.parameters[:] *= 0.5  # exp of exp stays small
        for layer in net.layers:
            layer.b = np.linspace(0.05, 0.4, len(layer.b))  # away from the kinks at 0
        report = net.gradcheck(X, y, per_array=None)
        report.raise_if_failed()
        assert [check.verdict for check in report.checks] == ["right"] * 7
        assert sum(check.kinks for check in report.checks) == 0


@pytest.mark.parametrize("output", sb.activations())
def test_outputs_without_their_partner(output: str) -> None:
    X, _ = problem([4, 5, 3])
    t = np.random.default_rng(1).uniform(0.1, 0.9, (ROWS, 3))
    net = quiet_network([4, 5, 3], activation="tanh", output=output, loss="squared_error", seed=2)
    report = net.gradcheck(X, t, sample_weight=np.arange(1.0, 7), per_array=None)
    assert report.ok
    assert all(check.checked == check.size for check in report.checks)


def test_the_network_stays_as_it_is() -> None:
    X, y = problem([4, 5, 3])
    net = sb.Network([4, 5, 3], loss="cross_entropy", seed=0, l2=0.3, l1=0.1, clip_norm=1e-3)
    net.fit(X, y, epochs=2, progress=False)
    a = net.forward(X[:2])
    net.backward(y[:2])
    before = (net.parameters.copy(), net.gradients.copy(), net.layers[0].grad_z.copy())
    X_before = X.copy()
    report = net.gradcheck(X, y)
    assert report.ok  # penalties and clipping are no part of C
    np.testing.assert_array_equal(net.parameters, before[0])
    np.testing.assert_array_equal(net.gradients, before[1])
    np.testing.assert_array_equal(net.layers[0].grad_z, before[2])
    np.testing.assert_array_equal(X, X_before)
    assert net.layers[-1].a is not a
    assert (net.dtype, net.l2, net.step_count) == (np.float32, 0.3, 2)


# --- Wrong gradients ----------------------------------------------------------------------


class Wrong(sb.Network):
    """A network whose grad_W(2) lacks a part, and whose grad_b(1) has the wrong sign."""

    def backward(self, *arguments: Any, **keywords: Any) -> float:
        cost = super().backward(*arguments, **keywords)
        self.layers[1].grad_W[2, 1] += 1e-3
        self.layers[0].grad_b *= -1
        return cost


def test_a_wrong_gradient_is_named() -> None:
    X, y = problem([4, 5, 3])
    net = Wrong([4, 5, 3], activation="tanh", loss="cross_entropy", seed=0)
    report = net.gradcheck(X, y, per_array=None)
    assert not report.ok
    assert [c.name for c in report.checks if not c.ok] == ["grad_W(2)", "grad_b(1)"]
    found = report["grad_W(2)"]
    assert found.worst == (2, 1)
    assert found.g - found.n == pytest.approx(1e-3, rel=1e-6)
    assert (found.verdict, report["grad_b(1)"].error) == ("wrong", pytest.approx(1.0))
    message = refused(report.raise_if_failed, AssertionError)
    first, second = message.split("\n")
    assert first.startswith("grad_W of layer 2 is wrong: relative error ")
    assert f"at grad_W[2, 1] it is {found.g:.6g}, by differences {found.n:.6g}" in first
    assert second.startswith("grad_b of layer 1 is wrong: relative error 1.0e+00, allowed 1.0e-07;")
    assert "WRONG" in repr(report)


def test_a_wrong_gradient_by_X_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = gradcheck._arrays

    def twice(*arguments: Any) -> Iterator[Any]:
        for quantity, m, array, gradient, reach in arrays(*arguments):
            yield quantity, m, array, gradient * (2 if m == 0 else 1), reach

    monkeypatch.setattr(gradcheck, "_arrays", twice)
    X, y = problem([4, 5, 3])
    report = sb.Network([4, 5, 3], loss="cross_entropy", seed=0).gradcheck(X, y)
    refused(report.raise_if_failed, AssertionError, r"^grad_a of layer 0 is wrong")
    assert report["grad_a(0)"].error == pytest.approx(1 / 3)


# --- Kinks --------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "leaky_relu", "elu"])
def test_a_unit_at_its_kink(activation: str) -> None:
    X, y = problem([3, 4, 2])
    X[2] = 0.0  # z(1) of this row is b(1)
    net = sb.Network([3, 4, 2], activation=activation, loss="cross_entropy", seed=1)
    net.layers[0].b = [0.0, 0.5, -0.5, 0.0]
    report = net.gradcheck(X, y, per_array=None)
    assert report.ok
    bias = report["grad_b(1)"]
    assert (bias.checked, bias.kinks, bias.verdict) == (2, 2, "right")
    assert report["grad_W(1)"].kinks == 0  # a(0) is 0 there: W moves nothing
    assert report["grad_a(0)"].kinks == 3  # X[2, :] moves the units 0 and 3
    assert "5 elements lie at a kink" in repr(report)
    net.layers[0].b = [0.0] * 4
    bias = net.gradcheck(X, y, per_array=None)["grad_b(1)"]
    assert (bias.checked, bias.kinks, bias.verdict, bias.ok) == (0, 4, "only kinks", True)


def test_a_step_shrinks_before_a_kink() -> None:
    X, y = problem([3, 4, 2])
    X[2] = 0.0
    net = sb.Network([3, 4, 2], loss="cross_entropy", seed=1, dtype="float64")
    net.layers[0].b = [1e-5, 3e-3, -1e-5, 0.5]
    bias = net.gradcheck(X, y, per_array=None)["grad_b(1)"]
    assert (bias.checked, bias.kinks) == (4, 0)
    assert bias.error <= 1e-7


AT_KINKS = [
    ("absolute_error", "identity", 0.25, 0.25),
    ("huber", "identity", 0.25, 1.25),
    ("binary_cross_entropy", "identity", 1 - np.finfo(float).eps, 0.5),
    ("poisson", "identity", np.finfo(float).eps, 2.0),
]


@pytest.mark.parametrize(("loss", "output", "a", "t"), AT_KINKS)
def test_a_loss_at_its_kink(loss: str, output: str, a: float, t: float) -> None:
    """z(1) of row 0 is b(1), and there a = b(1) meets the kink; W does not move it."""
    net = quiet_network([2, 1], output=output, loss=loss, dtype="float64")
    net.layers[0].W, net.layers[0].b = [[0.0, 0.0]], [a]
    report = net.gradcheck(np.array([[0.0, 0.0]]), [t], per_array=None)
    assert report.ok
    assert (report["grad_b(1)"].checked, report["grad_b(1)"].kinks) == (0, 1)
    assert (report["grad_W(1)"].checked, report["grad_W(1)"].kinks) == (2, 0)
    net.layers[0].b = [0.5]  # away from it
    t = 0.1 if loss == "absolute_error" else t
    assert net.gradcheck(np.array([[0.0, 0.0]]), [t])["grad_b(1)"].verdict == "right"


def test_huber_has_no_kink_at_0() -> None:
    net = quiet_network([2, 1], loss="huber", dtype="float64")
    net.layers[0].W, net.layers[0].b = [[0.0, 0.0]], [0.25]
    assert net.gradcheck(np.array([[0.0, 0.0]]), [0.25])["grad_b(1)"].checked == 1


def test_a_report_shows_itself() -> None:
    checks = (
        GradientCheck("grad_W", 1, 9, 4, 0, 2.5e-11, 1e-12, (0, 1), 1.0, 1.0),
        GradientCheck("grad_b", 1, 3, 2, 1, 0.25, 1e-12, (1,), 0.5, 0.3),
    )
    report = GradientReport("Network([3, 3])", checks)
    assert repr(report) == (
        "Gradients of Network([3, 3]) against differences, in float64: WRONG\n"
        "gradient   compared  at kinks  error    verdict\n"
        "grad_W(1)  4 of 9    0         2.5e-11  right\n"
        "grad_b(1)  2 of 3    1         2.5e-01  wrong\n"
        "1 element lies at a kink of an activation or of the loss: not compared."
    )
    page = report._repr_html_()
    assert "<table>" in page
    assert "grad_W(1)" in page
    assert str(refused(report.raise_if_failed, AssertionError)) == (
        "grad_b of layer 1 is wrong: relative error 2.5e-01, allowed 1.0e-07; at grad_b[1] it "
        "is 0.5, by differences 0.3"
    )
    refused(lambda: report["grad_c(1)"], KeyError, r"grad_W\(1\), grad_b\(1\)")


def test_wrong_calls() -> None:
    X, y = problem([4, 5, 3])
    net = sb.Network([4, 5, 3], loss="cross_entropy", seed=0)
    refused(lambda: net.gradcheck(X, y, per_array=0), ValueError, "per_array must be an int >= 1")
    refused(lambda: net.gradcheck(X, y, per_array="all"), TypeError, "per_array must be an int")
    refused(lambda: net.gradcheck(X.T, y), ValueError, r"\(4, 6\)", r"\.T")
    refused(lambda: net.gradcheck(X, y[:-1]), ValueError, "y: layer L expected")
    net.close()
    refused(lambda: net.gradcheck(X, y), RuntimeError, "closed")


def test_weights_in_a_column_are_weights() -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(20, 2)), np.arange(20) % 2, np.linspace(0.1, 1, 20)
    net = sb.Network([2, 3, 2], loss="cross_entropy", dtype="float64", seed=0)
    assert str(net.gradcheck(X, y, sample_weight=w[:, None])) == str(
        net.gradcheck(X, y, sample_weight=w)
    )
    refused(lambda: net.gradcheck(X, y, sample_weight=0 * w), ValueError, "0 in every row")
