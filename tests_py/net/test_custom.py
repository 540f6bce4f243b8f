"""Activations and losses of one's own: the engine's numbers, through Python."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, data, quiet_network, refused, relative_difference


def tanh(z: np.ndarray) -> np.ndarray:
    return np.tanh(z)


def d_tanh(z: np.ndarray) -> np.ndarray:
    return 1 - np.tanh(z) ** 2


def d2_tanh(z: np.ndarray) -> np.ndarray:
    a = np.tanh(z)
    return -2 * a * (1 - a**2)


def sine(z: np.ndarray) -> np.ndarray:
    return np.sin(z)


def d_sine(z: np.ndarray) -> np.ndarray:
    return np.cos(z)


def square(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum((a - t) ** 2, axis=1)


def d_square(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return a - t


def entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -np.sum(t * np.log(np.maximum(a, 1e-300)), axis=1)


def d_entropy(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return -t / np.maximum(a, 1e-300)


def quartic(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return np.sum((a - t) ** 4 + np.sin(a), axis=1)


def d_quartic(a: np.ndarray, t: np.ndarray) -> np.ndarray:
    return 4 * (a - t) ** 3 + np.cos(a)


TANH = sb.CustomActivation(tanh, d_tanh)
CURVED = sb.CustomActivation(tanh, d_tanh, d2_tanh)
SINE = sb.CustomActivation(sine, d_sine)
SQUARE = sb.CustomLoss(square, d_square)
ENTROPY = sb.CustomLoss(entropy, d_entropy, output="softmax", classes=True)
QUARTIC = sb.CustomLoss(quartic, d_quartic)

# What a network gets, and what its twin in the engine gets.
PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "activation": ({"activation": TANH}, {"activation": "tanh"}),
    "one layer of two": ({"activation": ["relu", TANH]}, {"activation": ["relu", "tanh"]}),
    "output": ({"output": TANH}, {"output": "tanh"}),
    "loss": ({"loss": SQUARE}, {"loss": "squared_error"}),
    "all": (
        {"activation": TANH, "output": TANH, "loss": SQUARE},
        {"activation": "tanh", "output": "tanh", "loss": "squared_error"},
    ),
    "classes": ({"loss": ENTROPY}, {"loss": "cross_entropy"}),
    "under the engine's partners": (
        {"activation": TANH, "loss": "cross_entropy"},
        {"activation": "tanh", "loss": "cross_entropy"},
    ),
}
CLASSES = ("classes", "under the engine's partners")


def twins(name: str, sizes: list[int], **keywords: Any) -> tuple[Any, Any]:
    options: dict[str, Any] = {"dtype": "float64", "seed": 5, "initializer": "glorot_uniform"}
    own, engines = PAIRS[name]
    return (
        quiet_network(sizes, **(options | keywords | own)),
        quiet_network(sizes, **(options | keywords | engines)),
    )


def examples(name: str, rows: int = 60) -> tuple[np.ndarray, np.ndarray]:
    X, t = data([5, 3], rows, "squared_error", "float64")
    return X, np.arange(rows) % 3 if name in CLASSES else t / 3


def assert_same_pass(net: Any, twin: Any, tolerance: float) -> None:
    for layer, other in zip(net.layers, twin.layers, strict=True):
        for what in ("z", "a", "grad_z", "grad_a", "grad_W", "grad_b"):
            assert_matches(getattr(layer, what), getattr(other, what), tolerance, what)
    assert_matches(net.layer(0).grad_a, twin.layer(0).grad_a, tolerance, "grad_a(0)")


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


# --- Whatever else a network has -----------------------------------------------------------

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


# --- What a function may do ----------------------------------------------------------------


def test_arguments_are_read_only_and_stay_memory() -> None:
    kept: list[np.ndarray] = []

    def keep(z: np.ndarray) -> np.ndarray:
        kept.append(z)
        return z  # the engine's own memory, as the answer

    def spoil(z: np.ndarray) -> np.ndarray:
        z[...] = 0
        return z

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(keep, np.ones_like), seed=0)
    X, y = data([4, 3], 50, "squared_error", "float32")
    linear = quiet_network([4, 6, 3], activation="identity", seed=0)
    linear.parameters[...] = net.parameters
    assert_matches(net.predict(X), linear.predict(X), 1e-6)
    for each in (net, linear):
        each.fit(X, y, epochs=2, progress=False)
    assert_matches(net.parameters, linear.parameters, 1e-6)
    net.close()
    del net
    assert all(z.sum() == z.sum() or True for z in kept)  # whatever is there can be read
    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(spoil, np.ones_like), seed=0)
    refused(lambda: net.predict(X), ValueError, "read-only")


def test_a_function_that_calls_its_network_is_told() -> None:
    said: list[str] = []
    X, y = data([4, 3], 40, "squared_error", "float32")

    def calls(z: np.ndarray) -> np.ndarray:
        for call in (
            lambda: net.predict(X), lambda: net.forward(X), lambda: net.backward(y), net.step,
            lambda: net.evaluate(X, y), lambda: net.jacobian(X, layer=1), net.close,
            lambda: net.fit(X, y, progress=False), lambda: net.reset(1),
        ):  # fmt: skip
            said.append(refused(call, RuntimeError, "(called the network|in fit)"))
        assert net.layers[0].W.shape == (6, 4)  # to look at it is allowed
        return np.sin(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(calls, d_sine), seed=0)
    twin = quiet_network([4, 6, 3], activation=SINE, seed=0)
    for each in (net, twin):
        each.fit(X, y, epochs=1, progress=False)
        each.forward(X)
        each.backward(y)
        each.step()
    assert np.array_equal(net.parameters, twin.parameters)
    assert np.array_equal(net.predict(X), twin.predict(X))
    assert len(said) == 9 * 4


def test_a_thread_of_a_function_may_predict() -> None:
    """It does not wait for the call that waits for it, and the call goes on."""
    X, y = data([4, 3], 40, "squared_error", "float32")
    depth: list[int] = []

    def calls(z: np.ndarray) -> np.ndarray:
        if not depth:
            depth.append(1)
            with ThreadPoolExecutor(1) as pool:
                results.append(pool.submit(net.predict, X).result())
                pool.submit(net.evaluate, X, y).result()
            depth.clear()
        return np.sin(z)

    results: list[np.ndarray] = []
    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(calls, d_sine), seed=0)
    twin = quiet_network([4, 6, 3], activation=SINE, seed=0)
    wanted = twin.predict(X)
    assert np.array_equal(net.predict(X), wanted)
    for each in (net, twin):
        each.fit(X, y, epochs=1, batch_size=10, progress=False)
        each.forward(X)
        each.backward(y)
        each.step()
    assert np.array_equal(net.parameters, twin.parameters)
    assert len(results) == 1 + 4 + 1
    assert np.array_equal(results[0], wanted)


def test_a_function_that_changes_dropout() -> None:
    """The masks of the batch at hand stay what they are."""
    X, y = data([4, 3], 40, "squared_error", "float32")
    sizes = [0.5, 0.0, 0.3]

    def changes(z: np.ndarray) -> np.ndarray:
        net.dropout = sizes[len(z) % 3]
        return np.sin(z)

    net = quiet_network(
        [4, 600, 3], activation=sb.CustomActivation(changes, d_sine), dropout=0.4, seed=0
    )
    for _ in range(20):
        net.fit(X, y, epochs=1, batch_size=7, progress=False)
        net.forward(X, training=True)
        net.backward(y)
    assert np.isfinite(net.parameters).all()


@pytest.mark.parametrize("name", ["all", "classes"])
def test_threads_on_one_network(name: str) -> None:
    net, twin = twins(name, [5, 8, 7, 3])
    X, y = examples(name)
    wanted = twin.predict(X), twin.evaluate(X, y)["loss"], twin.jacobian(X, layer=1)

    def work(_: int) -> bool:
        same = np.allclose(net.predict(X), wanted[0], rtol=1e-12)
        same &= abs(net.evaluate(X, y)["loss"] - wanted[1]) < 1e-12
        return bool(same and np.allclose(net.jacobian(X, layer=1), wanted[2], rtol=1e-11))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))


def test_a_fork_in_a_function() -> None:
    X, y = data([4, 3], 40, "squared_error", "float32")
    codes: list[int] = []

    def forks(z: np.ndarray) -> np.ndarray:
        if len(codes) < 2 and multiprocessing.parent_process() is None:
            codes.append(-1)
            child = multiprocessing.get_context("fork").Process(target=in_child)
            child.start()
            child.join(60)
            codes[-1] = -2 if child.exitcode is None else child.exitcode
        return np.sin(z)

    def in_child() -> None:
        twin = net.copy()
        twin.fit(X, y, epochs=2, progress=False)
        assert np.isfinite(net.predict(X)).all()

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(forks, d_sine), seed=0)
    net.fit(X, y, epochs=2, progress=False)
    assert codes == [0, 0]


@pytest.mark.parametrize("what", ["predict", "evaluate", "forward", "backward", "jacobian", "fit"])
def test_ctrl_c_in_a_function(what: str) -> None:
    armed: list[int] = []

    def interrupted(z: np.ndarray) -> np.ndarray:
        if armed:
            armed.clear()
            signal.raise_signal(signal.SIGINT)
        return np.sin(z)

    def cosine(z: np.ndarray) -> np.ndarray:
        interrupted(z)
        return np.cos(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(interrupted, cosine), seed=0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    calls: dict[str, Any] = {
        "predict": lambda: net.predict(X), "evaluate": lambda: net.evaluate(X, y),
        "forward": lambda: net.forward(X), "backward": lambda: net.backward(y),
        "jacobian": lambda: net.jacobian(X, layer=1),
        "fit": lambda: net.fit(X, y, epochs=1, progress=False),
    }  # fmt: skip
    net.forward(X)
    before = net.parameters.copy()
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        armed.append(1)
        with pytest.raises(KeyboardInterrupt):
            calls[what]()
    finally:
        signal.signal(signal.SIGINT, handler)
    assert np.array_equal(net.parameters, before)
    if what == "backward":
        net.backward(y)  # of the same forward
    net.fit(X, y, epochs=1, progress=False)
    assert not np.array_equal(net.parameters, before)


def test_the_time_of_functions_counts() -> None:
    def slow(z: np.ndarray) -> np.ndarray:
        time.sleep(0.02)
        return np.sin(z)

    net = quiet_network([4, 6, 3], activation=sb.CustomActivation(slow, d_sine), seed=0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    assert min(net.fit(X, y, epochs=2, progress=False)["seconds"]) > 0.03


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_estimators_with_warm_start_partial_fit_and_validation(kind: str) -> None:
    pytest.importorskip("sklearn")
    from swiftbackprop.sklearn import MLPClassifier, MLPRegressor

    X, y = data([5, 2], 90, "squared_error", "float64")
    labels = np.array(["no", "yes", "perhaps"])[np.arange(90) % 3]
    made: list[Any] = []
    for activation in (TANH, "tanh"):
        options: dict[str, Any] = {
            "hidden_layer_sizes": (6, 5), "activation": activation, "random_state": 0,
            "max_iter": 4, "batch_size": 20, "warm_start": True, "early_stopping": True,
        }  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            if kind == "classifier":
                model = MLPClassifier(**options)
                model.fit(X, labels).fit(X, labels)
                more = MLPClassifier(**(options | {"early_stopping": False}))
                more.partial_fit(X, labels, classes=np.unique(labels)).partial_fit(X, labels)
            else:
                model = MLPRegressor(**options).fit(X, y)
                model.fit(X, y)
                more = MLPRegressor(**(options | {"early_stopping": False}))
                more.partial_fit(X, y).partial_fit(X, y)
        made.append((model, more))
    target = labels if kind == "classifier" else y
    for own, twin in zip(*made, strict=True):
        assert_matches(own.network_.parameters, twin.network_.parameters, 1e-9)
        assert own.score(X, target) == pytest.approx(twin.score(X, target), rel=1e-9)
        again = pickle.loads(pickle.dumps(own))
        assert np.array_equal(again.predict(X), own.predict(X))
    assert_matches(made[0][0].validation_scores_, made[1][0].validation_scores_, 1e-9)


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


# --- Rules by themselves -----------------------------------------------------------------


def test_rules_by_themselves() -> None:
    z = np.linspace(-1, 1, 5)
    assert_matches(TANH(z), np.tanh(z), 1e-15)
    assert_matches(TANH.derivative([0.5]), [1 - np.tanh(0.5) ** 2], 1e-15)
    assert TANH(z.astype(np.float32)).dtype == np.float32
    assert TANH(0.0) == 0
    refused(lambda: TANH.second_derivative(z), ValueError, "second derivative")
    curved = sb.CustomActivation(np.sin, np.cos, lambda z: -np.sin(z), name="wave")
    assert_matches(curved.second_derivative(z), -np.sin(z), 1e-15)
    assert repr(curved) == "CustomActivation('wave')"
    assert SQUARE([[1.0, 3.0]], [[0.0, 0.0]]).tolist() == [5.0]
    assert SQUARE.derivative([1.0, 3.0], [0.0, 0.0]).tolist() == [[1.0, 3.0]]
    refused(lambda: SQUARE.second_derivative([1.0], [0.0]), ValueError, "second derivative")
    assert copy.deepcopy(TANH) == TANH
    assert sb.CustomActivation(tanh, d_tanh) != TANH
    again = pickle.loads(pickle.dumps(ENTROPY))
    assert (again.name, again.partner, again.flags) == ("entropy", "softmax", ENTROPY.flags)
    with pytest.raises(AttributeError, match="does not change"):
        TANH.name = "other"  # type: ignore[misc]


def test_what_follows_from_the_loss() -> None:
    net = sb.Network([2, 4, 3], loss=ENTROPY, seed=0)
    assert net.layers[-1].activation.name == "softmax"
    assert net.layers[0].activation.name == "relu"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sb.Network([2, 3], loss=ENTROPY, output="identity")
    start = sb.CustomActivation(sine, d_sine, partner="lecun_normal")
    assert sb.Network([2, 3, 1], activation=start)._spec.initializers[0].name == "lecun_normal"


def test_wrong_rules() -> None:
    refused(lambda: sb.CustomActivation(3, np.cos), TypeError, "function of a custom activation")
    refused(lambda: sb.CustomActivation(np.sin, None), TypeError, "derivative")
    refused(lambda: sb.CustomActivation(np.sin, np.cos, 3), TypeError, "second")
    refused(lambda: sb.CustomActivation(np.sin, np.cos, partner="he"), ValueError, "he_normal")
    refused(lambda: sb.CustomLoss(square, "d"), TypeError, "derivative of a custom loss")
    refused(lambda: sb.CustomLoss(square, d_square, output="soft"), ValueError, "softmax")
    refused(lambda: sb.Network([2, 1], activation=SQUARE), TypeError)
    refused(lambda: sb.Network([2, 1], loss=SINE), TypeError, "loss")
    refused(lambda: sb.Network([2, 3, 1], activation=np.tanh), TypeError, "sb.CustomActivation")
    refused(lambda: sb.Network([2, 1], loss=square), TypeError, "sb.CustomLoss")
    refused(lambda: sb.CustomLoss(square, d_square, name=3), TypeError, "name")


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (sb.CustomActivation(lambda z: z[:, :1], d_sine, name="thin"), ("thin", r"\(10, 1\)")),
        (sb.CustomActivation(sine, lambda z: 1.0, name="flat"), ("derivative of flat",)),
        (sb.CustomActivation(lambda z: None, d_sine, name="empty"), ("empty", "object")),
        (sb.CustomActivation(lambda z: z + 0j, d_sine, name="c"), ("complex",)),
    ],
)
def test_functions_that_return_the_wrong_thing(rule: Any, words: tuple[str, ...]) -> None:
    net = sb.Network([4, 6, 3], activation=rule, seed=0, dtype="float64")
    X, y = data([4, 3], 10, "squared_error", "float64")
    before = net.parameters.copy()

    def work() -> None:
        net.forward(X)
        net.backward(y)

    refused(work, ValueError, *words)
    refused(lambda: net.fit(X, y, batch_size=10, progress=False), ValueError, *words)
    assert np.array_equal(net.parameters, before)
    refused(lambda: net.layers[0].z, RuntimeError, "forward")


def test_losses_that_return_the_wrong_thing() -> None:
    X, y = data([4, 3], 10, "squared_error", "float64")

    def fit(*functions: Any) -> Any:
        net = sb.Network([4, 3], loss=sb.CustomLoss(*functions, name="own"), seed=0)
        return lambda: net.fit(X, y, progress=False)

    refused(fit(lambda a, t: (a - t) ** 2, d_square), ValueError, r"\(10, 3\)", "every row")
    refused(fit(lambda a, t: 0.0, d_square), ValueError, r"own returned", r"\(10,\)")
    refused(fit(square, lambda a, t: a[:, 0]), ValueError, "derivative of own", r"\(10, 3\)")
    refused(fit(lambda a, t: a[:, 0] * np.nan, d_square), sb.DivergenceError, "epoch 1, batch 1")
    refused(fit(square, lambda a, t: a * np.inf), sb.DivergenceError, "layer 1", "batch 1 of 1")


def test_nan_names_epoch_batch_and_layer() -> None:
    calls = [0]

    def sick(z: np.ndarray) -> np.ndarray:
        calls[0] += 1
        return np.where(calls[0] == 9, np.nan, z)

    net = sb.Network([4, 6, 3], activation=sb.CustomActivation(sick, np.ones_like), seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    seen: list[np.ndarray] = []

    class Keep:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> None:
            seen.append(net.parameters.copy())

    refused(
        lambda: net.fit(X, y, batch_size=10, epochs=3, callbacks=[Keep()], progress=False),
        sb.DivergenceError, "epoch 2, batch 3 of 6", "layer 1", "before this batch",
    )  # fmt: skip
    assert np.array_equal(net.parameters, seen[-1])
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs) == ("diverged", 1)
    net.fit(X, y, epochs=1, progress=False)


# --- Ends before the end -----------------------------------------------------------------


def test_exceptions_pass_through_and_the_network_goes_on() -> None:
    class Mine(Exception):
        pass

    calls = [0]

    def broken(a: np.ndarray, t: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] == 8:
            raise Mine("no luck")
        return a - t

    net = sb.Network([4, 6, 3], loss=sb.CustomLoss(square, broken), seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    with pytest.raises(Mine, match="no luck"):
        net.fit(X, y, batch_size=10, epochs=3, progress=False)
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs, net.step_count) == ("error", 1, 7)
    assert not net._busy
    refused(lambda: net.layers[0].z, RuntimeError, "forward")
    refused(lambda: net.backward(y), RuntimeError, "forward")
    assert net.fit(X, y, epochs=2, progress=False).epochs == 2
    net.forward(X)
    net.backward(y)
    net.step()
    refused(lambda: net.backward(y), RuntimeError, "forward")


def test_ctrl_c_and_stop_in_the_middle() -> None:
    calls = [0]

    def slow(z: np.ndarray) -> np.ndarray:
        calls[0] += 1
        if calls[0] == 10:
            signal.raise_signal(signal.SIGINT)
        if calls[0] == 200:
            threading.Thread(target=net.stop).start()
        return z

    rule = sb.CustomActivation(slow, np.ones_like)
    net = sb.Network([4, 6, 3], activation=rule, seed=0)
    X, y = data([4, 3], 60, "squared_error", "float32")
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            net.fit(X, y, batch_size=10, epochs=30, progress=False)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert net.history is not None
    assert (net.history.stop_reason, net.history.epochs, net.step_count) == ("interrupted", 1, 9)
    assert np.all(np.isfinite(net.parameters))

    def stop(net: sb.Network, epoch: int, logs: Any) -> None:
        net.stop()

    history = net.fit(X, y, epochs=30, callbacks=[stop], progress=False)
    assert (history.stop_reason, history.epochs) == ("stopped", 1)
    assert net.fit(X, y, epochs=10**6, progress=False).stop_reason == "stopped"
    assert calls[0] >= 200


def test_nobody_else_works_on_it_meanwhile() -> None:
    said: list[str] = []

    def meddle(net: Any, epoch: int, logs: Any) -> None:
        net.predict(X)
        net.evaluate(X, y)
        twin = net.copy()
        twin.forward(X)
        twin.backward(y)
        twin.step()
        for call in (
            lambda: net.forward(X), lambda: net.backward(y), net.step, net.reset, net.close,
            lambda: net.fit(X, y, progress=False),
        ):  # fmt: skip
            said.append(refused(call, RuntimeError, "in fit"))

    net = sb.Network([4, 6, 3], activation=SINE, seed=0, dtype="float64")
    X, y = data([4, 3], 20, "squared_error", "float64")
    net.fit(X, y, epochs=2, callbacks=[meddle], progress=False)
    assert len(said) == 12
    net.forward(X)
    net.close()
    assert net.closed


# --- Copies, pickles, files --------------------------------------------------------------


class Named(sb.Network):
    """A network of somebody's own."""

    def shout(self) -> str:
        return "!"


@pytest.mark.parametrize("kind", [sb.Network, Named])
@pytest.mark.parametrize("way", ["copy", "copy.copy", "deepcopy", "pickle"])
def test_copies_go_on_alike(way: str, kind: Any) -> None:
    net = kind([4, 6, 3], activation=SINE, loss=QUARTIC, seed=0, dropout=0.2, max_norm=3.0)
    X, y = data([4, 3], 40, "squared_error", "float32")
    net.fit(X, y, epochs=2, progress=False)
    ways: dict[str, Any] = {
        "copy": lambda: net.copy(),
        "copy.copy": lambda: copy.copy(net),
        "deepcopy": lambda: copy.deepcopy(net),
        "pickle": lambda: pickle.loads(pickle.dumps(net)),
    }
    twin = ways[way]()
    assert isinstance(twin, kind)
    if kind is Named:
        assert twin.shout() == "!"
        assert type(net).__name__ == "Named"
    for each in (net, twin):
        each.fit(X, y, epochs=2, progress=False)
    assert np.array_equal(net.parameters, twin.parameters)
    net.reset(1)
    assert not np.array_equal(net.parameters, twin.parameters)


def test_a_copy_made_during_fit_is_free() -> None:
    kept: list[Any] = []

    def keep(net: Any, epoch: int, logs: Any) -> None:
        kept.extend([copy.deepcopy(net), pickle.loads(pickle.dumps(net))])

    net = sb.Network([4, 6, 3], activation=SINE, seed=0)
    X, y = data([4, 3], 20, "squared_error", "float32")
    net.fit(X, y, epochs=1, callbacks=[keep], progress=False)
    for twin in kept:
        twin.forward(X)
        assert np.array_equal(twin.parameters, net.parameters)


def test_functions_that_cannot_be_pickled_say_so() -> None:
    rule = sb.CustomActivation(lambda z: z, lambda z: np.ones_like(z))
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(sb.Network([2, 3, 1], activation=rule))


def test_what_only_the_engines_rules_can(tmp_path: Path) -> None:
    net = sb.Network([4, 6, 3], activation=SINE, loss=QUARTIC, seed=0)
    X, y = data([4, 3], 20, "squared_error", "float32")
    path, own = tmp_path / "net", r"sine \(layer 1\), quartic \(loss\)"
    for call in (lambda: net.to_torch(), lambda: net.to_onnx(path)):
        refused(call, NotImplementedError, r"of yours: sine \(layer 1\);")
    for call in (
        lambda: net.save(path),
        lambda: net.fit(X, y, callbacks=[sb.Checkpoint(path)], progress=False),
    ):
        refused(call, NotImplementedError, "of yours", own)
    start = net.parameters.copy()
    refused(
        lambda: net.fit(X, y, callbacks=[sb.Checkpoint(path, every=9)], progress=False),
        NotImplementedError, "save.*of yours", own,
    )  # fmt: skip
    assert np.array_equal(net.parameters, start)  # before the first epoch
    own = "activation of layer 1 is one of yours"
    refused(lambda: net.forward(X, method="loops"), ValueError, own)
    net.forward(X)
    refused(lambda: net.backward(y, method="vectors"), ValueError, own)
    refused(lambda: net.hvp(X, y, net.parameters), ValueError, "second derivative of the loss")
    flat = sb.Network([4, 6, 3], activation=SINE, seed=0)
    refused(lambda: flat.hvp(X, y, flat.parameters), ValueError, "sine", "second derivative")
    loss = sb.Network([4, 6, 3], loss=SQUARE, seed=0)
    refused(lambda: loss.forward(X, method="loops"), ValueError, "the loss is one of yours")
    assert not list(tmp_path.iterdir())
    weights = net.get_weights()
    twin = sb.Network([4, 6, 3], activation=SINE, loss=QUARTIC, seed=7)
    twin.set_weights(weights)
    assert np.array_equal(net.predict(X), twin.predict(X))
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]


# --- Wrong data --------------------------------------------------------------------------


def test_wrong_data_say_what_the_engine_says() -> None:
    X, y = examples("classes")
    w = np.ones(60)
    bad = X.copy()
    bad[7, 2] = np.nan
    wrong: list[tuple[Any, ...]] = [
        (bad, y, w), (X[:, :4], y, w), (X.T, y, w), (X, y[:5], w), (X, y * 1.5, w), (X, y + 1, w),
        (X, np.full((60, 3), np.nan), w), (X, y, -w), (X, y, w[:5]), (X, y, w * np.nan),
    ]  # fmt: skip
    for name in ("classes", "under the engine's partners"):
        for arrays in wrong:
            messages = []
            for net in twins(name, [5, 8, 7, 3]):
                before = net.parameters.copy()

                def fit(net: Any = net, arrays: Any = arrays) -> None:
                    net.fit(*arrays[:2], sample_weight=arrays[2], progress=False)

                messages.append(refused(fit, (ValueError, TypeError)))
                assert np.array_equal(net.parameters, before)
                assert not net._busy
            assert messages[0] == messages[1]
    net, _ = twins("classes", [5, 8, 7, 3])
    refused(lambda: net.fit(X, y, validation_data=(bad, y)), ValueError, "validation data", "row 7")
    refused(lambda: net.evaluate(X, y[:5]), ValueError, "60")
    net.forward(X)
    refused(lambda: net.backward(y[:5]), ValueError, "N = 60")
    refused(lambda: net.backward(y * 1.0), TypeError, "astype")
    refused(lambda: net.backward(y + 1), ValueError, r"0\.\.2")
    refused(lambda: net.backward(X), ValueError, r"\(60, 3\)")
    refused(lambda: net.backward(np.full((60, 3), np.inf)), ValueError, "NaN or infinity")
    refused(lambda: net.backward(y, sample_weight=-w), ValueError, ">= 0")
    refused(lambda: net.backward(y, sample_weight=w[:3]), ValueError, r"\(60,\)")
    refused(lambda: net.forward(X.astype("f4"), copy=False), ValueError, "copy=False")
    assert net.backward(y, sample_weight=0 * w) == 0


def test_integers_are_scaled() -> None:
    X = np.random.default_rng(0).integers(0, 255, (40, 5)).astype(np.uint8)
    net, twin = twins("all", [5, 4, 4, 3], input_scale=1 / 255)
    _, y = examples("all", 40)
    for each in (net, twin):
        each.fit(X, y, epochs=2, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(net.predict(X), twin.predict(X), 1e-12)


# --- In estimators -----------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_estimators_take_them(solver: str) -> None:
    pytest.importorskip("sklearn")
    from swiftbackprop.sklearn import MLPRegressor

    X, y = data([5, 2], 60, "squared_error", "float64")
    w = np.random.default_rng(0).uniform(0.5, 2, 60)
    made = []
    for activation, loss in ((TANH, SQUARE), ("tanh", "squared_error")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that it has not converged
            model = MLPRegressor(
                loss, (6,), activation, solver=solver, alpha=0.5, max_iter=5, random_state=0,
                batch_size=25,
            ).fit(X, y, sample_weight=w)  # fmt: skip
        made.append(model)
    assert_matches(made[0].network_.parameters, made[1].network_.parameters, 1e-9)
    assert_matches(made[0].loss_curve_, made[1].loss_curve_, 1e-9)
    again = pickle.loads(pickle.dumps(made[0]))
    assert np.array_equal(again.predict(X), made[0].predict(X))


# --- Accuracy ------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
def test_accuracy_of_several_labels_a_row(weighted: bool) -> None:
    options: dict[str, Any] = {"loss": "binary_cross_entropy", "dtype": "float64", "seed": 3}
    own = quiet_network([5, 7, 3], activation=TANH, **options)
    twin = quiet_network([5, 7, 3], activation="tanh", **options)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5))
    y = (rng.random((50, 3)) < 0.5).astype(float)
    w = rng.random(50) if weighted else None
    found, wanted = (n.evaluate(X, y, sample_weight=w)["accuracy"] for n in (own, twin))
    assert found == pytest.approx(wanted, abs=1e-12)
    if w is None:
        assert found == pytest.approx(np.mean((own.predict(X) >= 0.5) == (y >= 0.5)))
    numbers = np.arange(50) % 3
    assert own.evaluate(X, numbers)["accuracy"] == twin.evaluate(X, numbers)["accuracy"]
    histories = [
        n.fit(X, y, epochs=3, sample_weight=w, validation_split=0.2, progress=False)
        for n in (own, twin)
    ]
    for column in ("accuracy", "val_accuracy"):
        np.testing.assert_allclose(histories[0][column], histories[1][column], atol=1e-12)


@pytest.mark.parametrize("activation", [TANH, "tanh"])
@pytest.mark.parametrize("metric", ["accuracy", sb.metrics.accuracy])
def test_the_metric_leaves_the_networks_own_accuracy(activation: Any, metric: Any) -> None:
    net = quiet_network([5, 3], output="sigmoid", loss="binary_cross_entropy", seed=3)
    if activation is TANH:
        net = quiet_network([5, 4, 3], activation=TANH, loss="binary_cross_entropy", seed=3)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 5))
    y = (rng.random((50, 3)) < 0.5).astype(float)
    wanted = net.evaluate(X, y)
    assert net.evaluate(X, y, metrics=[metric, "mae"]) == wanted | {
        "mae": net.evaluate(X, y, metrics=["mae"])["mae"]
    }
    history = net.fit(
        X, y, epochs=2, validation_data=(X, y), metrics=[metric, "mae"], progress=False
    )
    assert history["val_accuracy"][-1] == net.evaluate(X, y)["accuracy"]
    assert len(history["val_mae"]) == 2


def test_a_metric_of_the_same_name_is_the_users() -> None:
    def accuracy(y: np.ndarray, a: np.ndarray) -> float:
        return 7.0

    net = quiet_network([5, 3], loss="cross_entropy", seed=3)
    assert net.evaluate(np.ones((2, 5)), np.array([0, 1]), metrics=[accuracy])["accuracy"] == 7


# --- What the engine refuses ----------------------------------------------------------------


def test_evaluate_refuses_no_rows() -> None:
    for activation in (TANH, "tanh"):
        net = quiet_network([4, 5, 2], activation=activation, seed=0)
        for y in (np.zeros((0, 2)), np.zeros(0, int)):
            refused(
                lambda net=net, y=y: net.evaluate(np.zeros((0, 4)), y),
                ValueError,
                r"X: expected at least one row, got shape \(0, 4\)",
            )


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("loss", "y"),
    [
        ("cross_entropy", [[0.5, 0.5, 0.0], [0.9, 0.9, 0.0]]),
        ("cross_entropy", [[1.5, -0.5, 0.0], [1.0, 0.0, 0.0]]),
        ("cross_entropy", [0, 3]),
        ("cross_entropy", [0.0, 1.0]),
        ("binary_cross_entropy", [[0.0, 1.0, 0.0], [0.0, 2.0, 0.0]]),
        ("binary_cross_entropy", [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]),
        ("poisson", [[0.0, 1.0, 0.0], [0.0, -0.5, 0.0]]),
        ("squared_error", [[0.0, 1.0, 0.0], [0.0, np.nan, 0.0]]),
        ("squared_error", [[0.0, 1.0], [0.0, 1.0]]),
        ("squared_error", [[0.0, 1.0, 2.0]]),
    ],
)
def test_targets_are_refused_in_the_engines_words(loss: str, y: Any, dtype: str) -> None:
    own = quiet_network([4, 5, 3], activation=TANH, loss=loss, dtype=dtype, seed=0)
    twin = quiet_network([4, 5, 3], activation="tanh", loss=loss, dtype=dtype, seed=0)
    X, targets = np.ones((2, 4), dtype), np.asarray(y)
    said = []
    for net in (own, twin):
        net.forward(X)
        for call in (net.backward, lambda t, net=net: net.evaluate(X, t)):
            with pytest.raises((ValueError, TypeError)) as caught:
                call(targets)
            said.append((caught.type, str(caught.value)))
    assert said[:2] == said[2:]
    own.backward(np.full((2, 3), 1 / 3))  # the pass is still there


def test_the_name_is_the_public_one() -> None:
    class Mine(sb.Network):
        pass

    assert repr(sb.Network([2, 3, 1], activation=TANH, seed=0)).startswith("Network([")
    assert repr(Mine([2, 3, 1], activation=TANH, seed=0)).startswith("Mine([")
    net = sb.Network([2, 3, 1], activation=TANH, seed=0)
    net.close()
    assert repr(net).startswith("Network([")


def test_two_threads_do_not_mix_their_passes() -> None:
    def slow(z: np.ndarray) -> np.ndarray:
        time.sleep(0.001)  # the other thread's turn
        return np.tanh(z)

    net = quiet_network(
        [3, 4, 4, 2], activation=sb.CustomActivation(slow, d_tanh), dtype="float64", seed=0
    )
    inputs = [np.full((rows, 3), 0.3 * rows) for rows in (2, 5)]
    wanted = [net.forward(X).copy() for X in inputs]
    wrong: list[object] = []

    def run(which: int) -> None:
        for _ in range(20):
            try:
                # What forward returns is a view of the layers: its shape is that of the pass.
                a = net.forward(inputs[which])
                if a.shape != wanted[which].shape:
                    wrong.append(a.shape)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
