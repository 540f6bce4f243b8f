"""Functions of one's own with norms, dropout, optimizers, schedules and all else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from custom_functions import (
    CURVED,
    QUARTIC,
    SINE,
    TANH,
    d_square,
    d_tanh,
    examples,
    square,
    tanh,
    twins,
)
from helpers import assert_matches, data, quiet_network

NORMS: dict[str, Any] = {
    "none": None,
    "batch": "batch",
    "layer": "layer",
    "batch behind": sb.BatchNorm(after=True),
    "layer behind": sb.LayerNorm(after=True),
    "some": [None, "batch", sb.LayerNorm(after=True)],
}
each_norm = pytest.mark.parametrize("norm", NORMS)


def in_step(nets: tuple[Any, Any], tolerance: float = 1e-12) -> None:
    assert_matches(nets[0].parameters, nets[1].parameters, tolerance)
    for layer, other in zip(nets[0].layers, nets[1].layers, strict=True):
        if layer.norm and layer.norm.name == "batch":
            assert_matches(layer.running_mean, other.running_mean, tolerance)
            assert_matches(layer.running_var, other.running_var, tolerance)
    assert nets[0].generator_state == nets[1].generator_state


@pytest.mark.parametrize("optimizer", sorted(sb.optimizers()))
@each_norm
def test_every_optimizer_with_norms_dropout_and_limits(norm: str, optimizer: str) -> None:
    options = {
        "norm": NORMS[norm], "dropout": [0.2, 0.3, 0.1], "clip_norm": 0.8, "l1": 1e-4, "l2": 1e-3,
        "optimizer": optimizer,
    }  # fmt: skip
    nets = twins("all", [5, 8, 7, 3], **options)
    X, y = examples("all")
    w = np.random.default_rng(2).uniform(0, 2, 60)
    keywords: dict[str, Any] = {
        "epochs": 3, "batch_size": 16, "progress": False, "sample_weight": w,
        "validation_data": (X[:9], y[:9]),
    }  # fmt: skip
    for net in nets:
        net.optimizer.lr = 0.01
    histories = [net.fit(X, y, **keywords) for net in nets]
    # b of a layer that batch norm follows has no gradient but rounding, which Adam makes large.
    if norm in ("batch", "some"):
        assert_matches(histories[0]["loss"], histories[1]["loss"], 1e-9)
        for layer, other in zip(*(net.layers for net in nets), strict=True):
            assert_matches(layer.W, other.W, 1e-9)
        return
    in_step(nets)
    for column in ("loss", "penalty", "val_loss", "val_r2"):
        assert_matches(histories[0][column], histories[1][column], 1e-11, column)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dropout", [0.0, 0.4])
@each_norm
def test_passes_in_training(norm: str, dropout: float, dtype: str) -> None:
    nets = twins(
        "all", [5, 8, 7, 3], norm=NORMS[norm], dropout=[dropout, dropout, dropout / 2], dtype=dtype
    )
    X, y = examples("all", 20)
    tolerance = 1e-4 if dtype == "float32" else 1e-12
    for net in nets:
        for accumulate in (False, True):
            net.forward(X, training=True)
            net.backward(y, accumulate=accumulate)
    for layer, other in zip(nets[0].layers, nets[1].layers, strict=True):
        for what in ("z", "a", "grad_z", "grad_a", "grad_W"):
            assert_matches(getattr(layer, what), getattr(other, what), tolerance, what)
        if layer.norm:
            assert_matches(layer.u, other.u, tolerance)
            assert_matches(layer.grad_gamma, other.grad_gamma, tolerance)
            assert_matches(layer.grad_beta, other.grad_beta, tolerance)
        if dropout:
            assert np.array_equal(layer.mask, other.mask)
    assert_matches(nets[0].layer(0).grad_a, nets[1].layer(0).grad_a, tolerance)
    assert_matches(nets[0].predict(X), nets[1].predict(X), tolerance)


@each_norm
def test_derivatives_to_study(norm: str) -> None:
    options: dict[str, Any] = {"dtype": "float64", "seed": 3, "initializer": "glorot_uniform"}
    options |= {"norm": NORMS[norm], "loss": "squared_error"}
    own = quiet_network([5, 8, 7, 3], activation=["silu", CURVED], output=CURVED, **options)
    twin = quiet_network([5, 8, 7, 3], activation=["silu", "tanh"], output="tanh", **options)
    # More rows than a block has.
    X, y = examples("all", 1100)
    for net in (own, twin):
        net.fit(X[:64], y[:64], epochs=2, progress=False)
    twin.parameters[...] = own.parameters
    for layer, other in zip(own.layers, twin.layers, strict=True):
        if layer.norm and layer.norm.name == "batch":
            other.running_mean, other.running_var = layer.running_mean, layer.running_var
    for wrt in ("a", "z"):
        for m in (1, 2, 3) if wrt == "z" else (0, 1, 2):
            found, wanted = (n.jacobian(X, layer=m, wrt=wrt) for n in (own, twin))
            assert_matches(found, wanted, 1e-11)
    assert_matches(own.gradient_norms(X, y), twin.gradient_norms(X, y), 1e-11)
    assert_matches(
        own.gradient_norms(X, y, per_layer=True), twin.gradient_norms(X, y, per_layer=True), 1e-11
    )
    v = np.random.default_rng(0).normal(size=own.n_parameters)
    assert_matches(own.hvp(X, y, v), twin.hvp(X, y, v), 1e-11)
    assert_matches(own.input_gradient(X, y), twin.input_gradient(X, y), 1e-11)
    found, wanted = (n.evaluate(X, y, metrics=["rmse"]) for n in (own, twin))
    assert list(found.values()) == pytest.approx(list(wanted.values()), rel=1e-11)
    assert_matches(own.predict(X), twin.predict(X), 1e-12)


@each_norm
def test_gradcheck_and_trace_with_norms(norm: str) -> None:
    net = quiet_network(
        [4, 6, 5, 3], activation=SINE, loss=QUARTIC, norm=NORMS[norm], seed=0, dtype="float64"
    )
    X, y = data([4, 3], 12, "squared_error", "float64")
    assert net.gradcheck(X, y).ok
    assert "quartic" in str(net.trace(X, y))
    assert net.health(X, y).layers


def test_x_much_wider_than_the_batch_is_long() -> None:
    """There the engine shares the first product by columns, and a network that asks does not."""
    nets = tuple(
        quiet_network([400, 300, 3], activation=activation, dtype="float64", seed=0)
        for activation in (TANH, "tanh")
    )
    X, y = data([400, 3], 70, "squared_error", "float64")
    for net in nets:
        net.fit(X, y, epochs=2, batch_size=70, progress=False)
    in_step(nets)  # type: ignore[arg-type]


def test_rows_without_weight_and_frozen_layers() -> None:
    nets = twins("all", [5, 8, 7, 3], optimizer=sb.Adam(0.02))
    X, y = examples("all")
    w = np.r_[np.zeros(32), np.ones(28)]  # whole minibatches have none
    for net in nets:
        net.layers[0].trainable = net.layers[1].trainable = False
        net.fit(X, y, sample_weight=w, epochs=2, batch_size=16, shuffle=False, progress=False)
    in_step(nets)


def test_only_what_is_needed_is_asked_for() -> None:
    calls: list[str] = []

    def counting(name: str, function: Any) -> Any:
        def counted(*arguments: np.ndarray) -> np.ndarray:
            calls.append(name)
            return np.asarray(function(*arguments))

        return counted

    rule = sb.CustomActivation(counting("f", tanh), counting("df", d_tanh), name="t")
    loss = sb.CustomLoss(counting("C", square), counting("dC", d_square), name="s")
    net = quiet_network([5, 8, 7, 3], activation=rule, loss=loss, seed=0)
    X, y = data([5, 3], 10, "squared_error", "float32")

    def asked(call: Any) -> str:
        calls.clear()
        call()
        return " ".join(calls)

    assert asked(lambda: net.predict(X)) == "f f"
    assert asked(lambda: net.evaluate(X, y)) == "f f C"
    assert asked(lambda: net.forward(X)) == "f f"
    assert asked(lambda: net.backward(y)) == "C dC df df"
    assert asked(net.step) == ""
    assert asked(lambda: net.fit(X, y, epochs=1, progress=False)) == "f f C dC df df"
    net.layers[0].trainable = False
    assert asked(lambda: net.fit(X, y, epochs=1, progress=False)) == "f f C dC df"
    assert asked(lambda: net.jacobian(X, layer=2, wrt="a")) == "f f"
    assert asked(lambda: net.jacobian(X, layer=1, wrt="a")) == "f f df"


def test_metrics_schedules_and_early_stopping() -> None:
    nets = twins("classes", [5, 8, 7, 3], optimizer=sb.SGD(0.1))
    X, y = examples("classes")
    for net in nets:
        net.fit(
            X, y, epochs=30, batch_size=25, validation_split=0.3, progress=False,
            class_weight="balanced", metrics=["top_2"],
            callbacks=[
                sb.EarlyStopping("val_loss", patience=2, restore_best_weights=True),
                sb.LearningRateScheduler(sb.schedules.ReduceOnPlateau("val_loss", patience=1)),
            ],
        )  # fmt: skip
    in_step(nets)
    assert nets[0].history.stop_reason == nets[1].history.stop_reason
    for column in ("lr", "val_top_2", "val_accuracy"):
        assert_matches(nets[0].history[column], nets[1].history[column], 1e-12)
