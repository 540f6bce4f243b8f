"""Findings of networks that are sick on purpose, and none of healthy ones; the report."""

from __future__ import annotations

import re

import numpy as np
import pytest

import swiftbackprop as sb
from health_cases import DIGITS, X, Y, kinds, network
from helpers import ROOT, refused
from reference import activation as reference_activation
from swiftbackprop._inspect import health
from test_docs import run_example

USUAL = [
    name
    for name in sb.activations()
    if name != "softmax" and not reference_activation(name).is_steep
]


@pytest.mark.parametrize("activation", USUAL)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_new_network_has_no_finding(activation: str, dtype: str) -> None:
    net = network([64, 32], activation=activation, dtype=dtype)
    report = net.health(X, Y)
    assert report.ok, report
    assert [layer.activation for layer in report.layers] == [activation, activation, "softmax"]


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_a_trained_network_has_no_finding(activation: str) -> None:
    net = network([64], activation=activation)
    net.fit(DIGITS.X_train, DIGITS.y_train, epochs=15, progress=False)
    assert net.evaluate(X, Y)["accuracy"] > 0.9
    assert net.health(X, Y).ok, net.health(X, Y)


@pytest.mark.parametrize("optimizer", [sb.SGD(0.1), sb.Momentum(0.05), sb.RMSprop(), sb.Adam(0.01)])
def test_usual_learning_rates_have_no_finding(optimizer: sb.Optimizer) -> None:
    net = network([64], optimizer=optimizer)
    assert net.health(X, Y).ok, net.health(X, Y)
    net.fit(X, Y, epochs=30, progress=False)
    assert net.health(X, Y).ok, net.health(X, Y)


def test_a_perfect_fit_has_no_finding(rng: np.random.Generator) -> None:
    """No gradient at all is not a vanishing one."""
    net = sb.Network([3, 5, 2], seed=0, dtype="float64", optimizer=sb.SGD(0.1))
    inputs = rng.normal(size=(20, 3))
    report = net.health(inputs, net.predict(inputs))
    assert report.ok, report
    assert report.loss == 0
    assert [layer.gradient for layer in report.layers] == [None, None]


def test_a_deep_relu_network_has_no_finding() -> None:
    assert network([32] * 10).health(X, Y).ok


@pytest.mark.parametrize(
    ("activation", "z"),
    [("relu", -1.0), ("elu", -15.0), ("gelu", -8.0), ("silu", -25.0), ("softplus", -15.0)],
)
def test_dead_units(activation: str, z: float) -> None:
    """Every unit that does not depend on z in any row counts, and only these."""
    net = network([20, 30], activation=activation)
    net.layers[0].W[:12] = 0
    net.layers[0].b[:12], net.layers[0].b[12:] = z, 1
    report = net.health(X, Y)
    assert kinds(report) == [("dead", 1)]
    assert report.findings[0].value == report.layers[0].dead == 12 / 20
    assert report.layers[1].dead is not None
    assert report.layers[1].dead < 0.5


def test_dead_units_by_definition() -> None:
    """For relu: those whose output and gradient are zero in every row."""
    net = network([50], optimizer=sb.SGD(0.1))
    net.layers[0].b[::3] = -2
    net.forward(X)
    net.backward(Y)
    (one, _), layer = net.health(X, Y).layers, net.layers[0]
    zero = ~layer.a.any(axis=0) & ~layer.grad_z.any(axis=0)
    assert 0 < zero.mean() < 1
    assert one.dead == zero.mean()


def test_a_dead_layer_is_the_cause_and_not_the_gradients_below_it() -> None:
    net = network([20, 20, 20])
    net.layers[1].b[:] = -1000
    report = net.health(X, Y)
    assert kinds(report) == [("dead", 2)]
    assert report.layers[0].gradient == 0


def test_leaky_relu_does_not_die() -> None:
    net = network([20], activation="leaky_relu")
    net.layers[0].b[:] = -1000
    assert net.health(X, Y).layers[0].dead is None
    net = network([20], activation=sb.activation("leaky_relu", slope=0.0))
    net.layers[0].b[:] = -1000
    assert ("dead", 1) in kinds(net.health(X, Y))


def test_a_dead_output_counts_where_it_is_wrong() -> None:
    net = sb.Network([64, 20, 1], output="relu", seed=0)
    net.layers[1].b[:] = -1000
    assert kinds(net.health(X, Y.astype(float))) == [("dead", 2)]
    assert net.health(X, np.zeros(300)).ok


@pytest.mark.parametrize(("activation", "z"), [("tanh", 3.1), ("sigmoid", 6.1)])
def test_saturated_values(activation: str, z: float) -> None:
    """|σ′| is a hundredth of its maximum at |z| = 2.99 for tanh and 5.99 for sigmoid."""
    net = network([20], activation=activation)
    net.layers[0].W[:] = 0
    net.layers[0].b[:] = [z] * 6 + [-z] * 6 + [z - 0.2] * 8
    report = net.health(X, Y)
    assert kinds(report) == [("saturated", 1)]
    assert report.layers[0].saturated == pytest.approx(12 / 20)
    assert report.layers[0].dead is None


def test_large_weights_saturate() -> None:
    net = network([32, 32], activation="tanh")
    net.layers[0].W *= 100
    assert kinds(net.health(X, Y)) == [("saturated", 1)]


def test_saturated_softmax_in_a_hidden_layer() -> None:
    """Rows count whose largest output is nearly 1; many small outputs are not saturated."""
    net = network([1000], activation="softmax")
    report = net.health(X, Y)
    assert report.layers[0].saturated == 0
    net.layers[0].W *= 1000
    report = net.health(X, Y)
    assert ("saturated", 1) in kinds(report)
    net.forward(X)
    top = net.layers[0].a.max(axis=1)
    assert report.layers[0].saturated == pytest.approx(np.mean(top * (1 - top) <= 0.0025), abs=0.01)


def test_a_saturated_output_counts_where_it_is_wrong() -> None:
    net = network([20], output="sigmoid", loss="squared_error")
    net.layers[1].b[:] = -30
    report = net.health(X, Y)
    assert kinds(report) == [("saturated", 2)]
    assert "binary_cross_entropy" in report.findings[0].advice
    assert net.health(X, np.zeros((300, 10))).ok
    net = network([20], output="sigmoid", loss="binary_cross_entropy")
    net.layers[1].b[:] = -30
    assert net.health(X, Y).layers[1].saturated is None, "grad_z is a - t: nothing is lost"


def test_the_network_is_left_as_it_is() -> None:
    net = network([16], optimizer=sb.Adam(10.0))
    net.fit(X, Y, epochs=1, progress=False)
    a = net.forward(X)
    net.backward(Y)
    arrays = [net.parameters, net.gradients, *net.optimizer.state, a, net.layers[0].grad_z]
    before, steps = [array.copy() for array in arrays], net.step_count
    assert not net.health(X, Y).ok
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)
    assert net.step_count == steps
    assert net.layers[0].a is not None
    net.step()  # still possible: forward and backward were not undone


def test_what_a_report_shows() -> None:
    net = network([20, 20])
    net.layers[0].b[:] = -1000
    report = net.health(X, Y)
    lines = repr(report).splitlines()
    assert lines[0].startswith("Health of [64, 20, 20, 10] on 300 rows, C = ")
    assert lines[0].endswith(": 1 finding")
    assert [line.split()[:3] for line in lines[2:5]] == [
        ["1", "relu", "100%"], ["2", "relu", lines[3].split()[2]], ["3", "softmax", "-"],
    ]  # fmt: skip
    assert lines[5].startswith("- dead: 100% of the units of layer 1 (relu)")
    (finding,) = report.findings
    assert finding.advice in str(finding)
    html = report._repr_html_()
    assert html.count("<tr>") + html.count("<tr class") == 4
    assert finding.advice in html
    assert "no finding" in repr(network([20]).health(X, Y))


def test_what_does_not_fit_is_refused() -> None:
    net = network([20])
    refused(lambda: net.health(X.T, Y), ValueError, "layer 1 expected")
    refused(lambda: net.health(X, Y[:10]), ValueError, "rows")
    refused(lambda: net.health("X", Y), TypeError, "X")


def test_the_limits_are_those_of_the_page() -> None:
    page = ROOT / "docs" / "health.md"
    if not page.exists():
        pytest.skip("the docs are not part of an installation")
    text = page.read_text("utf-8")
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    for kind, wanted in {
        "dead": [f"≤ {health.FLAT:.0e}".replace("e-0", "e-"), "half"],
        "saturated": ["hundredth of its largest", "half"],
        "vanishing": ["below 1e-3"],
        "exploding": ["above 1e3"],
        "large update": [f"above {health.LARGE:g}"],
        "small update": ["below 1e-5", "length 1e-3", "0.1 %"],
        "overflow": ["infinite"],
    }.items():
        assert all(words in rows[kind] for words in wanted), rows[kind]
    assert (health.MOST, health.SATURATED, health.VANISHING) == (0.5, 0.01, 1e-3)
    assert (health.EXPLODING, health.SMALL, health.GOOD, health.GAIN) == (1e3, 1e-5, 1e-3, 1e-3)
    (example,) = re.findall(r"^```pycon\n(.*?)^```$", text, re.M | re.S)
    run_example(example, "docs/health.md")
