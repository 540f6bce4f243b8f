"""What keeps a network from learning, built on purpose: each is named, and nothing else."""

from __future__ import annotations

import dataclasses
import math
import re
import warnings
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import ROOT, refused
from reference import activation as reference_activation
from swiftbackprop._inspect import health
from swiftbackprop.datasets import load_digits
from test_docs import run_example

DIGITS = load_digits()
X, Y = DIGITS.X_train[:300], DIGITS.y_train[:300]


def network(hidden: list[int], **options: Any) -> sb.Network:
    return sb.Network([64, *hidden, 10], **{"loss": "cross_entropy", "seed": 0} | options)


def kinds(report: sb.HealthReport) -> list[tuple[str, int | None]]:
    return [(finding.kind, finding.m) for finding in report.findings]


# --- Healthy ones -------------------------------------------------------------------------


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


# --- Units --------------------------------------------------------------------------------


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


# --- Gradients and updates ----------------------------------------------------------------


def test_vanishing() -> None:
    net = network([32] * 10, activation="sigmoid")
    report = net.health(X, Y)
    assert kinds(report) == [("vanishing", 1)]
    net.forward(X)
    net.backward(Y)
    norms = [float(np.linalg.norm(layer.grad_z.astype(np.float64))) for layer in net.layers]
    measured = [layer.gradient for layer in report.layers]
    assert measured == pytest.approx([norm / norms[-1] for norm in norms], rel=1e-4)


def test_norms_whose_squares_underflow() -> None:
    net = network([16] * 30, activation="sigmoid")
    (finding,) = net.health(X, Y).findings
    assert finding.kind == "vanishing"
    assert 0 < finding.value < 1e-16


def test_no_gradient_at_all_has_vanished() -> None:
    net = network([20], activation="tanh")
    net.layers[1].W[:] = 0
    assert kinds(net.health(X, Y)) == [("vanishing", 1)]


def test_exploding() -> None:
    net = network([32] * 10)
    for layer in net.layers:
        layer.W *= 4
    assert kinds(net.health(X, Y)) == [("exploding", 1)]


def test_overflow() -> None:
    net = network([32] * 10)
    for layer in net.layers:
        layer.W *= 1e4
    report = net.health(X, Y)
    assert kinds(report) == [("overflow", None)]
    assert math.isnan(report.loss)
    assert report.layers == ()
    assert "overflow" in repr(report)
    assert "overflow" in report._repr_html_()


@pytest.mark.parametrize("optimizer", [sb.SGD(10), sb.Adam(0.3), sb.Adagrad(0.3)])
def test_too_large_a_learning_rate(optimizer: sb.Optimizer) -> None:
    net = network([64], optimizer=optimizer)
    (finding,) = net.health(X, Y).findings
    assert finding.kind == "large update"
    assert finding.value > 0.1
    assert f"Lower lr, which is {optimizer.lr:g}: at " in finding.advice
    net.optimizer.lr = float(finding.advice.partition(": at ")[2].split()[0])
    assert net.health(X, Y).ok


def test_a_step_beyond_all_bounds() -> None:
    net = network([64], optimizer=sb.SGD(1e38), activation="identity")
    net.layers[1].W *= 1e4
    finding = net.health(X, Y).findings[-1]
    assert (finding.kind, finding.value) == ("large update", math.inf)
    assert finding.advice == "Lower lr, which is 1e+38."


@pytest.mark.parametrize("optimizer", [sb.SGD(1e-6), sb.SGD(1e-12), sb.Adam(1e-8), sb.SGD(0)])
def test_too_small_a_learning_rate(optimizer: sb.Optimizer) -> None:
    """Also one so small that float32 rounds the update away, or none at all."""
    net = network([64], optimizer=optimizer)
    (finding,) = net.health(X, Y).findings
    assert (finding.kind, finding.m) == ("small update", None)
    assert finding.value < 1e-5
    assert f"Raise lr, which is {optimizer.lr:g}" in finding.advice


def test_a_small_step_at_the_minimum_is_none_too_small(rng: np.random.Generator) -> None:
    net = sb.Network([3, 1], seed=0, dtype="float64", optimizer=sb.SGD(1e-6))
    inputs = rng.normal(size=(50, 3))
    y = inputs @ [1.0, 2.0, 3.0] + rng.normal(size=50)
    solution = np.linalg.lstsq(np.c_[inputs, np.ones(50)], y, rcond=None)[0]
    net.layers[0].W, net.layers[0].b = solution[None, :3], solution[3:]
    report = net.health(inputs, y)
    assert report.layers[0].update is not None
    assert report.layers[0].update < 1e-5
    assert report.ok, report


@pytest.mark.parametrize("name", sb.optimizers())
def test_the_update_is_the_next_step(name: str) -> None:
    net = network([16], optimizer=sb.optimizer(name), dtype="float64", l2=0.1, clip_norm=0.5)
    net.fit(X, Y, epochs=2, progress=False)
    report, before = net.health(X, Y), [layer.W.copy() for layer in net.layers]
    net.forward(X)
    net.backward(Y)
    net.step()
    wanted = [
        np.linalg.norm(layer.W - W) / np.linalg.norm(W)
        for layer, W in zip(net.layers, before, strict=True)
    ]
    assert [layer.update for layer in report.layers] == pytest.approx(wanted, rel=1e-9)


def test_sample_weight_counts() -> None:
    net = network([16], dtype="float64")
    weight = np.r_[np.zeros(150), np.ones(150)]
    report = net.health(X, Y, sample_weight=weight)
    assert report.loss == pytest.approx(net.evaluate(X[150:], Y[150:])["loss"])
    assert report.rows == 300


# --- The report ---------------------------------------------------------------------------


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


# --- During training ----------------------------------------------------------------------


def test_a_report_for_every_epoch() -> None:
    net = network([32])
    check = sb.HealthCheck(DIGITS.X_train, DIGITS.y_train, rows=100, seed=3)
    net.fit(DIGITS.X_train, DIGITS.y_train, epochs=4, callbacks=[check], progress=False)
    assert [report.ok for report in check.reports] == [True] * 4
    assert all(report.rows == 100 for report in check.reports)
    rows = np.sort(np.random.default_rng(3).permutation(len(DIGITS.X_train))[:100])
    wanted = net.health(DIGITS.X_train[rows], DIGITS.y_train[rows])
    assert check.reports[-1].loss == wanted.loss
    for mine, layer in zip(check.reports[-1].layers, wanted.layers, strict=True):
        assert mine == dataclasses.replace(layer, update=None)
    net.fit(X, Y, epochs=1, callbacks=[check], progress=False)
    assert len(check.reports) == 1


def test_updates_are_measured_now_and_then() -> None:
    """At the first epoch, and then 500 steps after the last time at the earliest."""
    nets = {epochs: network([16], dtype="float64") for epochs in (1, 3)}
    for epochs, net in nets.items():
        check = sb.HealthCheck(X, Y, rows=300)
        net.fit(X, Y, epochs=epochs, batch_size=1, callbacks=[check], progress=False)
        assert check.reports[-1] == net.health(X, Y)
    assert [report.layers[0].update is None for report in check.reports] == [False, True, False]


def test_every_so_many_epochs() -> None:
    check = sb.HealthCheck(X, Y, every=3)
    network([8]).fit(X, Y, epochs=7, callbacks=[check], progress=False)
    assert len(check.reports) == 3


def test_training_is_the_same_with_a_check() -> None:
    nets = [network([32]) for _ in range(2)]
    for net, callbacks in zip(nets, [[], [sb.HealthCheck(X, Y)]], strict=True):
        net.fit(X, Y, epochs=3, callbacks=callbacks, progress=False)
    np.testing.assert_array_equal(nets[0].parameters, nets[1].parameters)


def test_a_warning_once_when_something_turns_bad() -> None:
    def kill(net: sb.Network, epoch: int, logs: object) -> None:
        if epoch == 2:
            net.layers[0].b[:] = -1000

    net, check = network([32]), sb.HealthCheck(X, Y)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        net.fit(X, Y, epochs=6, callbacks=[kill, check], progress=False)
    assert [report.ok for report in check.reports] == [True] * 2 + [False] * 4
    (warning,) = caught
    assert str(warning.message) == f"epoch 2: {check.reports[2].findings[0]}"
    assert warning.category is UserWarning
    assert warning.filename == __file__, "it points to the user's line"


def test_a_learning_rate_that_another_callback_sets_is_seen() -> None:
    def faster(net: sb.Network, epoch: int, logs: object) -> None:
        net.optimizer.lr = 1.0

    net, check = network([32]), sb.HealthCheck(X, Y)
    with pytest.warns(UserWarning, match="epoch 0: large update: .* Lower lr, which is 1:"):
        net.fit(X, Y, epochs=1, callbacks=[faster, check], progress=False)


def test_rows_that_do_not_fit_stop_it_before_training() -> None:
    net = network([32])
    before = net.parameters.copy()
    check = sb.HealthCheck(X[:, :5], Y)
    refused(
        lambda: net.fit(X, Y, epochs=1, callbacks=[check], progress=False), ValueError, "layer 1"
    )
    np.testing.assert_array_equal(net.parameters, before)
    refused(lambda: sb.HealthCheck(X, Y[:5]), ValueError, "300 rows and y has 5")
    refused(lambda: sb.HealthCheck(X, Y, rows=0), ValueError, "rows must be an int >= 1")
    refused(lambda: sb.HealthCheck(X, Y).on_epoch_end(net, 0, {}), RuntimeError, "on_train_begin")


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


# --- Units, outputs and data that are no good -------------------------------------------------

XOR = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
XOR_Y = np.array([0.0, 1, 1, 0])


def prices(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rooms and incomes, and prices, as they stand in a table."""
    rooms, income = rng.integers(1, 9, 200), rng.normal(60_000, 15_000, 200)
    return np.column_stack([rooms, income]), 20_000 * rooms + 3 * income


@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "gelu"])
@pytest.mark.parametrize("trained", [False, True])
def test_units_that_are_all_equal(activation: str, trained: bool) -> None:
    net = network([16], activation=activation)
    for layer in net.layers:
        layer.W, layer.b = np.full(layer.W.shape, 0.05), np.full(layer.b.shape, 0.1)
    if trained:
        net.fit(X, Y, epochs=3, progress=False)
    assert ("symmetric", 1) in kinds(net.health(X, Y))
    found = next(f for f in net.health(X, Y).findings if f.kind == "symmetric")
    assert "All 16 units of layer 1 are equal" in found.what
    assert "he_normal" in found.advice


def test_equal_units_that_differ_in_what_goes_out_have_no_finding() -> None:
    net = network([16], activation="tanh")
    net.layers[0].W = np.full(net.layers[0].W.shape, 0.05)
    assert "symmetric" not in [kind for kind, _ in kinds(net.health(X, Y))]


def test_a_linear_network_where_the_targets_are_not() -> None:
    options: dict[str, Any] = {"seed": 0, "loss": "binary_cross_entropy"}
    linear = sb.Network([2, 8, 8, 1], activation="identity", **options)
    report = linear.health(XOR, XOR_Y)
    assert kinds(report) == [("linear", None)]
    assert "explains 0% of the variance" in str(report.findings[0])
    assert "relu or tanh" in report.findings[0].advice
    assert sb.Network([2, 8, 1], activation="tanh", **options).health(XOR, XOR_Y).ok
    assert linear.health(XOR, np.array([0.0, 0, 0, 1])).ok  # AND is nearly linear
    assert sb.Network([2, 1], **options).health(XOR, XOR_Y).ok  # there is nothing to say to it


def test_outputs_that_are_the_same_in_every_row() -> None:
    net = network([16], activation="tanh")
    net.layers[0].W = np.zeros(net.layers[0].W.shape)
    net.layers[0].b = np.linspace(-1, 1, 16)
    report = net.health(X, Y)
    assert kinds(report) == [("constant output", 2)]
    assert "the same in every row" in report.findings[0].what
    net = network([16], activation="tanh")
    net.layers[1].W = np.zeros(net.layers[1].W.shape)
    # a usual start, which learns
    assert "constant output" not in [kind for kind, _ in kinds(net.health(X, Y))]


def test_raw_prices_and_incomes(rng: np.random.Generator) -> None:
    A, t = prices(rng)
    net = sb.Network([2, 16, 1], seed=0)
    report = net.health(A, t)
    found = [kind for kind, _ in kinds(report)]
    assert found[-2:] == ["unscaled X", "unscaled y"]
    assert "Column 1 of X has mean 5.86e+04" in str(report.findings[-2])
    assert "StandardScaler" in report.findings[-2].advice
    assert str(report.findings[-1]).startswith("unscaled y: y has mean 2.65e+05")
    scaled, u = (A - A.mean(axis=0)) / A.std(axis=0), (t - t.mean()) / t.std()
    assert net.health(scaled, u).ok
    assert [kind for kind, _ in kinds(net.health(scaled, t))] == ["unscaled y"]
    assert "unscaled X" in [kind for kind, _ in kinds(net.health(A, u))]
    net.fit(A, t, epochs=100, progress=False)
    assert net.health(A, t).loss > 1e9
    found = [kind for kind, _ in kinds(net.health(A, t))]
    assert found[-2:] == ["unscaled X", "unscaled y"]


def test_numbers_far_from_0(rng: np.random.Generator) -> None:
    """X ~ N(1000, 300): before training, and after it."""
    A = rng.normal(1000, 300, (200, 4))
    t = (A[:, 0] - 1000) / 300
    net = sb.Network([4, 16, 1], seed=0, optimizer=sb.Adam(1e-3))
    assert "unscaled X" in [kind for kind, _ in kinds(net.health(A, t))]
    normed = sb.Network([4, 16, 1], seed=0, norm="layer")
    assert "unscaled X" not in [kind for kind, _ in kinds(normed.health(A, t))]


def test_a_network_that_says_less_than_a_constant(rng: np.random.Generator) -> None:
    A, t = rng.normal(size=(200, 3)), rng.normal(size=200)
    net = sb.Network([3, 64, 1], activation="tanh", seed=0, optimizer=sb.Adam(0.01))
    net.fit(A[:30], t[:30], epochs=600, progress=False)
    assert net.health(A[:30], t[:30]).ok
    report = net.health(A[30:], t[30:])
    assert kinds(report) == [("worse than a constant", None)]
    assert "for outputs that are the same in every row" in report.findings[0].what
    assert report.findings[0].value > 1.1


@pytest.mark.parametrize("seed", range(4))
def test_healthy_networks_of_many_kinds_have_no_finding(seed: int) -> None:
    """New, in the middle, and next to a perfect fit, where C is small."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(200, 5))
    tasks: list[tuple[np.ndarray, dict[str, Any], int]] = [
        (np.sin(A[:, 0]) + A[:, 1] * A[:, 2], {}, 1),
        (A @ rng.normal(size=(5, 2)), {"activation": "identity"}, 2),
        (np.exp(0.3 * A[:, 0]), {"loss": "poisson", "activation": "tanh"}, 1),
        ((A[:, 0] * A[:, 1] > 0).astype(float), {"loss": "binary_cross_entropy"}, 1),
        ((A[:, 0] > 0) + (A[:, 1] > 0) * 1, {"loss": "cross_entropy", "activation": "gelu"}, 3),
        (5 + A[:, 0], {"loss": "huber"}, 1),
        (A[:, 0], {"loss": "absolute_error", "norm": "batch"}, 1),
    ]
    for t, options, outputs in tasks:
        net = sb.Network([5, 24, 24, outputs], seed=seed, optimizer=sb.Adam(3e-3), **options)
        assert net.health(A, t).ok, net.health(A, t)
        for _ in range(3):
            net.fit(A, t, epochs=60, progress=False)
            bad = {kind for kind, _ in kinds(net.health(A, t))}
            assert not bad - {"small update"}, net.health(A, t)


def test_weights_in_a_column_are_weights() -> None:
    rng = np.random.default_rng(0)
    X, y, w = rng.normal(size=(20, 2)), np.arange(20) % 2, np.linspace(0.1, 1, 20)
    net = sb.Network([2, 3, 2], loss="cross_entropy", dtype="float64", seed=0)
    assert net.health(X, y, sample_weight=w[:, None]) == net.health(X, y, sample_weight=w)
    refused(lambda: net.health(X, y, sample_weight=0 * w), ValueError, "0 in every row")
