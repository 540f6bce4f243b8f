"""Weights of classes and metrics in fit and evaluate."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused
from scheduled import data, network, train
from swiftbackprop import metrics, schedules


@pytest.mark.parametrize("form", ["numbers", "one-hot"])
def test_class_weights_multiply_those_of_the_rows(form: str) -> None:
    X, y = data()
    table, w = np.array([1.0, 3.0, 0.5]), np.random.default_rng(1).uniform(0.5, 2, len(X))
    targets = y if form == "numbers" else np.eye(3)[y]
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 3, "progress": False}
    history = net.fit(
        X, targets, sample_weight=w, class_weight={1: 3.0, 2: 0.5},
        validation_data=(X, targets, w), **options,
    )  # fmt: skip
    wanted = twin.fit(
        X, y, sample_weight=w * table[y], validation_data=(X, y, w * table[y]), **options
    )
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)


def test_balanced_is_scikit_learns() -> None:
    sklearn = pytest.importorskip("sklearn.utils.class_weight")
    X, y = data()
    y = np.where(y == 2, 0, y)
    w = sklearn.compute_sample_weight("balanced", y)
    net, twin = network(), network()
    net.fit(X, y, class_weight="balanced", epochs=2, progress=False)
    twin.fit(X, y, sample_weight=w, epochs=2, progress=False)
    assert_matches(net.parameters, twin.parameters, 1e-12)


def test_class_weights_of_two_classes_and_one_output() -> None:
    X, y = data()
    y = (y > 0).astype(float)
    nets = [
        sb.Network([4, 1], loss="binary_cross_entropy", dtype="float64", seed=0) for _ in range(2)
    ]
    nets[0].fit(X, y[:, None], class_weight={0: 2, 1: 0.5}, epochs=2, progress=False)
    nets[1].fit(X, y, sample_weight=np.where(y > 0, 0.5, 2), epochs=2, progress=False)
    assert_matches(nets[0].parameters, nets[1].parameters, 1e-12)


def test_wrong_class_weights() -> None:
    X, y = data()

    def fit(weights: Any, target: Any = y, net: Any = None) -> Any:
        return lambda: (net or network()).fit(X, target, class_weight=weights, progress=False)

    refused(fit({3: 1.0}), ValueError, "class_weight", r"0\.\.2")
    refused(fit({0: 0.0, 1: 0.0, 2: 0.0}), ValueError, "of the training rows is 0 in every row")
    refused(fit({0: -1.0}), ValueError, r"class_weight\[0\]")
    refused(fit({0: "x"}), TypeError, "class_weight")
    refused(fit("even"), ValueError, "balanced")
    refused(fit([1, 2, 3]), TypeError, "dict")
    refused(fit({0: 1.0}, np.full((48, 3), 1 / 3)), ValueError, "sample_weight")
    refused(fit("balanced", net=sb.Network([4, 3])), ValueError, "squared_error")


def test_metrics_beside_scikit_learn() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    y, w = rng.integers(0, 4, 60), rng.uniform(0, 2, 60)
    a = rng.dirichlet(np.ones(4), 60)
    t, values = rng.normal(size=(60, 2)), rng.normal(size=(60, 2))
    for weight in (None, w):
        kw = {"sample_weight": weight}
        pairs = [
            (metrics.accuracy(y, a, weight), sk.accuracy_score(y, a.argmax(1), **kw)),
            (metrics.top_k(2)(y, a, weight), sk.top_k_accuracy_score(y, a, k=2, **kw)),
            (metrics.mse(t, values, weight), sk.mean_squared_error(t, values, **kw)),
            (metrics.mae(t, values, weight), sk.mean_absolute_error(t, values, **kw)),
            (metrics.rmse(t, values, weight), sk.mean_squared_error(t, values, **kw) ** 0.5),
            (metrics.r2(t, values, weight), sk.r2_score(t, values, **kw)),
            (metrics.auc(y, a, weight), sk.roc_auc_score(y, a, multi_class="ovr", **kw)),
            (metrics.auc(y > 1, a[:, 0], weight), sk.roc_auc_score(y > 1, a[:, 0], **kw)),
            (metrics.auc((y > 1).astype(int), a[:, :2], weight),
             sk.roc_auc_score(y > 1, a[:, 1], **kw)),
        ]  # fmt: skip
        for ours, theirs in pairs:
            assert ours == pytest.approx(theirs, rel=1e-12)


def test_evaluate_and_fit_take_metrics() -> None:
    pytest.importorskip("sklearn")
    X, y = data()

    def worst(t: np.ndarray, a: np.ndarray) -> float:
        return float(np.min(a[np.arange(len(t)), t]))

    net = network()
    asked = ["auc", "top_2", "accuracy", worst]
    history = train(net, [], validation_data=(X, y), metrics=asked, epochs=3)
    result = net.evaluate(X, y, metrics=asked)
    assert list(result) == ["loss", "accuracy", "auc", "top_2", "worst"]
    for name in ("auc", "top_2", "worst", "accuracy"):
        assert history[f"val_{name}"][-1] == pytest.approx(result[name])
        assert len(history[f"val_{name}"]) == 3
    stop = sb.EarlyStopping("val_auc", patience=1)
    train(net, [stop], validation_data=(X, y), metrics=["auc"])
    assert 0.5 < stop.best <= 1
    regressor = sb.Network([4, 1], dtype="float64", seed=0)
    result = regressor.evaluate(X, X[:, 0], metrics=["rmse", "mae", "r2", "mse"])
    assert result["rmse"] == pytest.approx(result["mse"] ** 0.5)


def test_the_engines_metrics_are_these() -> None:
    X, _ = data()
    net = sb.Network([4, 2], dtype="float64", seed=0)
    t, w = X[:, :2] * 2, np.random.default_rng(3).uniform(0, 1, len(X))
    ours = net.evaluate(X, t, sample_weight=w)
    a = net.predict(X)
    for name in ("mse", "mae", "r2"):
        assert getattr(metrics, name)(t, a, w) == pytest.approx(ours[name], rel=1e-12)


def test_wrong_metrics() -> None:
    X, y = data()
    refused(lambda: network().evaluate(X, y, metrics=["acuracy"]), ValueError, "accuracy")
    refused(lambda: network().evaluate(X, y, metrics="auc"), TypeError, "list")
    refused(lambda: network().evaluate(X, y, metrics=[3]), TypeError, "function")
    refused(lambda: train(network(), [], metrics=["auc"]), ValueError, "validation_data")
    refused(lambda: metrics.top_k(0), ValueError, "k must be an int >= 1")


def test_names_of_metrics_are_their_own() -> None:
    X, y = data()
    one, two = (lambda t, a: 1.0), (lambda t, a: 2.0)
    net = network()
    refused(lambda: net.evaluate(X, y, metrics=[one, two]), ValueError, "lambda", "two metrics")

    def loss(t: np.ndarray, a: np.ndarray) -> float:
        return 0.0

    refused(lambda: net.evaluate(X, y, metrics=[loss]), ValueError, "'loss'", "name of its own")
    refused(lambda: net.evaluate(X, y, metrics="auc"), TypeError, "list")
    refused(lambda: net.evaluate(X, y, metrics=["acuracy"]), ValueError, "accuracy")
    refused(lambda: net.fit(X, y, metrics=["auc"]), ValueError, "validation_data")


def test_auc_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    refused(lambda: metrics.auc([0, 1], [0.1, 0.9]), ImportError, "pip install scikit-learn")


def test_early_stopping_on_metrics_of_ones_own() -> None:
    X, y = data()

    def margin(t: np.ndarray, a: np.ndarray) -> float:
        return float(np.mean(a[np.arange(len(t)), t]))

    for asked, name, mode in (("top_2", "val_top_2", None), (margin, "val_margin", "max")):
        stop = sb.EarlyStopping(name, patience=2, mode=mode)
        net = network(1.0)
        valid = X[:20], (y[:20] + 1) % 3
        history = train(net, [stop], epochs=80, validation_data=valid, metrics=[asked])
        assert history.stop_reason == "stopped"
        assert stop.best_epoch == int(np.argmax(history[name])) == history.epochs - 4
        short_name = name.removeprefix("val_")
        assert net.evaluate(*valid, metrics=[asked])[short_name] == pytest.approx(stop.best)


def test_mistakes_around_metrics_and_callbacks() -> None:
    X, y = data()
    net = network()
    refused(lambda: net.evaluate(X, y, metrics=["top_3"]), ValueError, "more than 3 classes")
    refused(lambda: net.evaluate(X, 0 * y, metrics=["auc"]), ValueError, "class 0 is alone")
    refused(lambda: metrics.auc([1, 1], [0.1, 0.9]), ValueError, "a class is alone")

    def nothing(t: np.ndarray, a: np.ndarray) -> Any:
        return None

    refused(lambda: net.evaluate(X, y, metrics=[nothing]), TypeError, "nothing", "None")
    refused(lambda: train(net, [sb.EarlyStopping]), TypeError, r"write EarlyStopping\(\.\.\.\)")
    abstract = sb.LearningRateScheduler(schedules.Schedule())
    refused(lambda: train(net, [abstract]), NotImplementedError, "factor")
    refused(lambda: sb.LearningRateScheduler(0.1), TypeError, "schedule")
    assert net.step_count == 0
