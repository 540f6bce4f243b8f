"""The health of networks whose units, outputs or data are no good."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from health_cases import X, Y, kinds, network
from helpers import refused

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
