"""Activations and losses of one's own: the engine's numbers, through Python."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from custom_functions import CLASSES, PAIRS, QUARTIC, SINE, assert_same_pass, examples, twins
from helpers import assert_matches, data, quiet_network, refused, relative_difference

# --- The same numbers as the engine's ----------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PAIRS)
def test_passes_are_the_engines(name: str, dtype: str) -> None:
    net, twin = twins(name, [5, 8, 7, 3], dtype=dtype)
    X, y = examples(name, 20)
    w = np.random.default_rng(1).uniform(0, 2, 20)
    tolerance = 2e-5 if dtype == "float32" else 1e-12
    for weights in (None, w):
        assert_matches(net.forward(X), twin.forward(X), tolerance)
        costs = [each.backward(y, sample_weight=weights) for each in (net, twin)]
        assert costs[0] == pytest.approx(costs[1], rel=tolerance)
        assert_same_pass(net, twin, tolerance)
    for each in (net, twin):
        each.forward(X)
        each.backward(y, accumulate=True)
    assert_matches(net.gradients, twin.gradients, tolerance)
    for each in (net, twin):
        each.step()
    assert_matches(net.parameters, twin.parameters, tolerance)
    assert_matches(net.predict(X), twin.predict(X), tolerance)
    for each in (net, twin):
        assert each.predict(X[:0]).shape == (0, 3)
        refused(lambda each=each: each.predict(X[:0, :2]), ValueError, "layer 1")
    for weights in (None, w):
        ours, wanted = (e.evaluate(X, y, sample_weight=weights) for e in (net, twin))
        assert list(ours) == list(wanted)
        assert list(ours.values()) == pytest.approx(list(wanted.values()), rel=tolerance)
        gradients = [e.input_gradient(X, y, sample_weight=weights) for e in (net, twin)]
        assert_matches(*gradients, tolerance)
    assert_matches(
        net.input_gradient(X, y, per_example=True),
        twin.input_gradient(X, y, per_example=True), tolerance,
    )  # fmt: skip


FITS: dict[str, dict[str, Any]] = {
    "plain": {},
    "penalties": {"l1": 1e-3, "l2": 1e-2, "clip_norm": 0.5},
    "limits": {"max_norm": 0.6, "optimizer": sb.Adam(0.05)},
    "dropout": {"dropout": 0.4, "optimizer": sb.Momentum(0.05)},
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("options", FITS)
@pytest.mark.parametrize("name", PAIRS)
def test_fit_is_the_engines(name: str, options: str, shuffle: bool) -> None:
    """The same seed gives the same order, the same masks, the same history."""
    net, twin = twins(name, [5, 8, 7, 3], **FITS[options])
    X, y = examples(name)
    w = np.random.default_rng(1).integers(0, 3, 60)
    w[:16] = 0
    keywords: dict[str, Any] = {
        "epochs": 3, "batch_size": 16, "progress": False, "sample_weight": w, "shuffle": shuffle,
        "validation_data": (X[:11], y[:11], np.linspace(0, 1, 11)),
        "metrics": ["top_2"] if name in CLASSES else ["rmse"],
    }  # fmt: skip
    history, wanted = net.fit(X, y, **keywords), twin.fit(X, y, **keywords)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert net.generator_state == twin.generator_state
    assert net.step_count == twin.step_count
    assert list(history) == list(wanted)
    for column in set(history) - {"seconds"}:
        assert_matches(history[column], wanted[column], 1e-11, column)
    assert min(history["seconds"]) > 0
    assert history.stop_reason == "completed"
    net.fit(X, y, **keywords)
    twin.fit(X, y, **keywords)
    assert_matches(net.parameters, twin.parameters, 1e-11)


def test_class_weights_and_frozen_layers() -> None:
    net, twin = twins("under the engine's partners", [5, 8, 7, 3], optimizer=sb.Adam(0.02))
    X, y = examples("classes")
    for each in (net, twin):
        each.layers[0].trainable = False
        each.fit(X, y, class_weight={0: 4.0, 2: 0.5}, epochs=3, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    before = net.layers[1].W.copy()
    net.fit(X, y, class_weight="balanced", epochs=1, progress=False)
    assert not np.array_equal(before, net.layers[1].W)


def test_schedules_callbacks_and_early_stopping() -> None:
    class Watch(sb.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_epoch_begin(self, net: sb.Network, epoch: int) -> None:
            self.seen.append((-1.0, epoch))

        def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
            self.seen.append((batch, logs["loss"], net.optimizer.lr, net.gradients.sum()))

    nets = twins("all", [5, 8, 7, 3], optimizer=sb.SGD(0.2))
    X, y = examples("all")
    watches, stops = (
        [Watch(), Watch()],
        [sb.EarlyStopping("loss", patience=1, mode="max") for _ in nets],
    )
    for net, watch, stop in zip(nets, watches, stops, strict=True):
        cycle = sb.LearningRateScheduler(sb.schedules.OneCycle(8))
        net.fit(
            X, y, epochs=8, batch_size=25, callbacks=[watch, stop, cycle], progress=False,
            validation_data=(X[:9], -y[:9]),
        )  # fmt: skip
        assert net.history.stop_reason == "stopped"
    for one, two in zip(watches[0].seen, watches[1].seen, strict=True):
        assert one == pytest.approx(two, rel=1e-9, abs=1e-12)
    assert stops[0].best_epoch == stops[1].best_epoch
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)
    assert_matches(nets[0].history["lr"], nets[1].history["lr"], 1e-12)


def test_the_engines_loss_with_dropout_on_the_output() -> None:
    net, twin = twins("under the engine's partners", [5, 8, 3], dropout=[0.5, 0.5])
    X, y = examples("classes")
    for each in (net, twin):
        each.fit(X, y, epochs=2, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)


def test_pieces_go_through_python_too() -> None:
    net, twin = twins("all", [5, 8, 7, 3])
    X, y = examples("all")
    pieces = [(X[:32], y[:32]), (X[32:], y[32:])]
    history = net.fit(pieces, epochs=2, batch_size=16, shuffle=False, progress=False)
    wanted = twin.fit(X, y, epochs=2, batch_size=16, shuffle=False, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["loss"], wanted["loss"], 1e-12)
    seen: list[Any] = []

    class Watch:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> None:
            seen.append(batch)

    net.fit(pieces, epochs=2, batch_size=16, callbacks=[Watch()], progress=False)
    assert seen == [0, 1, 2, 3] * 2


# --- Gradients against differences -------------------------------------------------------


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", SINE])
def test_every_parameter_against_differences(output: Any, dropout: float) -> None:
    net = quiet_network(
        [4, 6, 5, 3], activation=["gelu", SINE], output=output, loss=QUARTIC, dtype="float64",
        seed=2, dropout=dropout,
    )  # fmt: skip
    X, y = data([4, 3], 7, "squared_error", "float64")
    w = np.linspace(0, 2, 7)
    state = net.generator_state

    def cost() -> float:
        net.generator_state = state  # the same masks
        net.forward(X, training=True)
        return float(net.backward(y, sample_weight=w))

    cost()
    gradient = net.gradients.copy()
    wanted = np.empty_like(gradient)
    for k in range(net.n_parameters):
        kept = net.parameters[k]
        net.parameters[k] = kept + 1e-5
        high = cost()
        net.parameters[k] = kept - 1e-5
        wanted[k] = (high - cost()) / 2e-5
        net.parameters[k] = kept
    for ours, theirs in zip(net.unflatten(gradient), net.unflatten(wanted), strict=True):
        for part in (0, 1):
            assert relative_difference(ours[part], theirs[part]) < 1e-7


def test_what_looks_inside() -> None:
    net = quiet_network([4, 6, 3], activation=SINE, loss=QUARTIC, seed=0)
    X, y = data([4, 3], 12, "squared_error", "float64")
    assert net.gradcheck(X, y).ok
    assert "sine" in str(net.trace(X, y))
    assert "quartic" in str(net.trace(X, y))
    report = net.health(X, y)
    assert report.ok
    assert "<svg" in net.diagram()._repr_svg_()
    assert "sine" in net.summary()
    assert "sine (layer 1), quartic (loss)" in net.plan(X)
    check = sb.HealthCheck(X, y)
    net.fit(X, y, epochs=2, callbacks=[check], progress=False)
    assert len(check.reports) == 2
    dead = sb.CustomActivation(lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0, name="ramp")
    sick = sb.Network([4, 6, 3], activation=dead, seed=0)
    sick.layers[0].b = np.full(6, -1e3)
    assert "dead" in str(sick.health(X, y))
