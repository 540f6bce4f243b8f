"""The health of gradients and updates, and reports during training."""

from __future__ import annotations

import dataclasses
import math
import warnings

import numpy as np
import pytest

import swiftbackprop as sb
from health_cases import DIGITS, X, Y, kinds, network
from helpers import refused


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


def test_integers_are_scaled_as_the_network_scales_them() -> None:
    pixels = sb.datasets.load_digits(scale=False)
    check = sb.HealthCheck(pixels.X_train, pixels.y_train, rows=100)
    net = network([32], input_scale=1 / 16)
    net.fit(pixels.X_train, pixels.y_train, epochs=2, callbacks=[check], progress=False)
    assert all(report.ok for report in check.reports)
    rows = np.sort(np.random.default_rng(0).permutation(len(pixels.X_train))[:100])
    assert check.reports[-1].loss == net.health(pixels.X_train[rows], pixels.y_train[rows]).loss


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
