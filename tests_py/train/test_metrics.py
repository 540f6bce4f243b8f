"""Metrics beside scikit-learn's, and what they are given that they cannot use."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from swiftbackprop.metrics import OF_CLASSES, OF_NUMBERS
from swiftbackprop.schedules import BestValue

RNG = np.random.default_rng(0)
CLASSES = RNG.integers(0, 4, 80)
PROBABILITIES = RNG.dirichlet(np.ones(4), 80)
WEIGHTS = RNG.uniform(0, 2, 80)
NAMES = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "log_loss")


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("one_hot", [False, True])
def test_scores_of_several_classes(weighted: bool, one_hot: bool) -> None:
    sk = pytest.importorskip("sklearn.metrics")
    w = WEIGHTS if weighted else None
    y = np.eye(4)[CLASSES] if one_hot else CLASSES
    found = PROBABILITIES.argmax(axis=1)
    wanted = {
        "balanced_accuracy": sk.balanced_accuracy_score(CLASSES, found, sample_weight=w),
        "log_loss": sk.log_loss(CLASSES, PROBABILITIES, sample_weight=w),
    }
    for name in ("precision", "recall", "f1"):
        function = getattr(sk, f"{name}_score")
        wanted[name] = function(CLASSES, found, average="macro", sample_weight=w)
    for name, value in wanted.items():
        assert getattr(sb.metrics, name)(y, PROBABILITIES, w) == pytest.approx(value), name
    np.testing.assert_array_equal(
        sb.metrics.confusion(y, PROBABILITIES, w),
        sk.confusion_matrix(CLASSES, found, sample_weight=w),
    )


def test_scores_of_two_classes_and_of_several_labels() -> None:
    sk = pytest.importorskip("sklearn.metrics")
    y, a = CLASSES % 2, PROBABILITIES[:, 0]
    labels, outputs = np.stack([CLASSES > 1, CLASSES % 2], axis=1).astype(int), PROBABILITIES[:, :2]
    for name in ("precision", "recall", "f1"):
        ours, theirs = getattr(sb.metrics, name), getattr(sk, f"{name}_score")
        for form in (a, a[:, None], np.stack([1 - a, a], axis=1)):
            assert ours(y, form) == pytest.approx(theirs(y, (a >= 0.5).astype(int)))
        wanted = theirs(labels, (outputs >= 0.5).astype(int), average="macro", zero_division=0.0)
        assert ours(labels, outputs) == pytest.approx(wanted)
    assert sb.metrics.log_loss(y, a) == pytest.approx(sk.log_loss(y, a))
    for name in ("balanced_accuracy", "log_loss", "confusion"):
        function = getattr(sb.metrics, name)
        refused(lambda f=function: f(labels, outputs), ValueError, "one class a row")


def test_networks_report_them_by_name() -> None:
    pytest.importorskip("sklearn")
    X = RNG.normal(size=(80, 3))
    net = sb.Network([3, 4], loss="cross_entropy", seed=0)
    asked = [name for name in NAMES if name != "accuracy"]
    history = net.fit(
        X, CLASSES, epochs=2, validation_data=(X, CLASSES), metrics=asked, progress=False
    )
    found = net.evaluate(X, CLASSES, metrics=[*asked, sb.metrics.f1][:-1])
    for name in asked:
        assert history[f"val_{name}"][-1] == pytest.approx(found[name])
    assert found["log_loss"] == pytest.approx(found["loss"], rel=1e-5)
    refused(
        lambda: net.evaluate(X, CLASSES, metrics=["confusion_matrix"]), ValueError,
        r"sb\.metrics\.confusion",
    )  # fmt: skip


def test_without_scikit_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    for name in (*NAMES[1:], "confusion", "auc"):
        function = getattr(sb.metrics, name)
        refused(
            lambda f=function: f([0, 1], [[0.1, 0.9], [0.8, 0.2]]), ImportError,
            "pip install scikit-learn",
        )  # fmt: skip


TWO = [[0.0, 1.0], [1.0, 0.0]]
WRONG: dict[str, tuple[Any, Any, Any, type[Exception], list[str]]] = {
    "a label below 0": ([-1, 0], TWO, None, ValueError, ["0..1", "-1 in row 0"]),
    "a label too large": ([0, 2], TWO, None, ValueError, ["0..1", "2 in row 1"]),
    "half a class": ([0, 0.5], TWO, None, ValueError, ["classes", "0.5 in row 1"]),
    "text": (["a", "b"], TWO, None, TypeError, ["y", "encode it as numbers"]),
    "one number": (0, 0.5, None, (TypeError, ValueError), ["y"]),  # type: ignore[dict-item]
    "no dimension": (
        np.array(0),
        np.array(0.5),
        None,
        ValueError,
        ["y: expected 1 or 2 dimensions"],
    ),
    "too few rows": ([0], TWO, None, ValueError, [r"\(1,\)", r"\(2, 2\)"]),
    "too many columns": (np.eye(3)[:2], TWO, None, ValueError, [r"\(2, 3\)"]),
    "no rows": (np.zeros(0, int), np.zeros((0, 2)), None, ValueError, ["at least one"]),
    "NaN": ([0, 1], [[np.nan, 1.0], [1.0, 0.0]], None, ValueError, ["a has NaN"]),
    "too few weights": ([0, 1], TWO, [1.0], ValueError, ["sample_weight", r"\(1,\)"]),
    "a weight below 0": ([0, 1], TWO, [1.0, -1.0], ValueError, ["sample_weight"]),
    "no network": (sb.Network([2, 2], seed=0), TWO, None, TypeError, ["y"]),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("name", ["accuracy", "mse", "rmse", "mae", "r2", "top_1"])
def test_what_metrics_refuse(case: str, name: str) -> None:
    y, a, w, kind, patterns = WRONG[case]
    function: Callable[..., Any] = (
        sb.metrics.top_k(1) if name == "top_1" else getattr(sb.metrics, name)
    )
    refused(lambda: function(y, a, w), kind, *patterns)


def test_accuracy_of_numbers_that_are_no_classes() -> None:
    X = RNG.normal(size=(40, 4))
    for outputs in (1, 2):
        net = sb.Network([4, outputs], seed=0)
        for name in ("accuracy", "auc", "f1", "balanced_accuracy"):
            refused(
                lambda net=net, name=name: net.evaluate(X, X[:, : net.sizes[-1]], metrics=[name]),
                ValueError, f"{name} expects",
            )  # fmt: skip
    with pytest.raises(ValueError, match="log_loss expects probabilities"):
        sb.metrics.log_loss([0, 1], [[3.0, 1.0], [0.0, 1.0]])


@pytest.mark.parametrize("metric", [*OF_CLASSES, *OF_NUMBERS, sb.metrics.top_k(1)])
def test_what_watches_a_metric_knows_which_side_is_better(metric: Callable[..., float]) -> None:
    """An epoch that gets worse is not taken for the best, whatever the metric."""
    y, a = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.8, 0.9, 0.2, 0.7])
    poor = np.array([0.6, 0.8, 0.1, 0.9, 0.3])
    rows = [np.column_stack([1 - each, each]) for each in (poor, a)]
    column = f"val_{metric.__name__}"
    watch = BestValue(column, 0.0, None)
    values = [metric(y, each[:, 1] if metric in OF_NUMBERS else each) for each in rows]
    assert values[0] != values[1]
    for value, improves in ((values[0], True), (values[1], True), (values[0], False)):
        assert watch.see({column: value}) is improves


@pytest.mark.parametrize("name", ["val_error2", "buffer2", "stop_time", "val_loss_of_recall"])
def test_names_that_only_look_like_scores(name: str) -> None:
    watch = BestValue(name, 0.0, None)
    assert [watch.see({name: value}) for value in (2.0, 1.0, 3.0)] == [True, True, False]


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0, 0.0]])
def test_r2_of_a_constant_is_not_divided_by_rounding(weights: list[float] | None) -> None:
    """The mean of three times 0.1 is not 0.1."""
    y = [0.1, 0.1, 0.1] if weights is None else [0.1, 0.1, 0.1, 7.0]
    assert sb.metrics.r2(y, [0.2] * len(y), weights) == 0
    assert sb.metrics.r2(y, y, weights) == 1


def test_auc_of_a_class_without_weight() -> None:
    pytest.importorskip("sklearn")
    refused(
        lambda: sb.metrics.auc([0, 1, 1], [0.1, 0.2, 0.3], [0.0, 1.0, 1.0]), ValueError,
        "auc expects rows with and without each class",
    )  # fmt: skip


def test_k_of_numpy() -> None:
    assert sb.metrics.top_k(np.int64(2))([2, 0], [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]]) == 0.5  # type: ignore[arg-type]
    refused(lambda: sb.metrics.top_k(1.5), TypeError, "k must be an int")  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_chunks", [False, True])
def test_rows_go_through_the_network_once(in_chunks: bool, dtype: str) -> None:
    """For loss and metrics together; what a metric gets are the outputs at that epoch's end."""
    rows: list[int] = []

    def counting(z: np.ndarray) -> np.ndarray:
        rows.append(len(z))
        return np.tanh(z)

    activation = sb.CustomActivation(counting, lambda z: 1 - np.tanh(z) ** 2)
    net = sb.Network([3, 5, 2], activation=activation, dtype=dtype, seed=0)
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2500, 3)), rng.normal(size=(2500, 2))
    train, valid = (X[:64], y[:64]), (X[64:], y[64:])
    seen: list[np.ndarray] = []
    wanted: list[np.ndarray] = []

    def metric(t: np.ndarray, a: np.ndarray) -> float:
        seen.append(a)
        assert t.shape == a.shape
        assert a.dtype == dtype
        return 0.5

    def after(net: sb.Network, epoch: int, logs: Any) -> None:
        count = len(rows)
        wanted.append(net.predict(valid[0]))
        del rows[count:]

    net.fit(
        *(([train],) if in_chunks else train), epochs=3, batch_size=32, validation_data=valid,
        metrics=[metric, "rmse"], callbacks=[after], progress=False,
    )  # fmt: skip
    assert sum(rows) == 3 * (64 + len(valid[0]))
    assert len(seen) == 3
    for a, b in zip(seen, wanted, strict=True):
        assert np.array_equal(a, b)
    assert net.history is not None
    assert net.history["val_rmse"][-1] == pytest.approx(
        np.sqrt(net.history["val_mse"][-1]), rel=1e-5
    )
    rows.clear()
    found = net.evaluate(X, y, metrics=["rmse"])
    assert sum(rows) == len(X)
    assert found["rmse"] == pytest.approx(np.sqrt(found["mse"]), rel=1e-5)


def test_outputs_of_another_shape_are_refused() -> None:
    net = sb.Network([3, 2], seed=0)
    X, y = np.zeros((5, 3), "f4"), np.zeros((5, 2), "f4")
    session = net._fit(X, y, None, X, y, None, 1, 5, False, 0)
    for wrong in (np.zeros((4, 2), "f4"), np.zeros((5, 2)), np.zeros((2, 5), "f4").T):
        refused(lambda wrong=wrong: session.set_outputs(wrong), (ValueError, TypeError))
        refused(lambda wrong=wrong: net._evaluate(X, y, None, wrong), (ValueError, TypeError))
    session.end()
    refused(lambda: session.set_outputs(np.zeros((5, 2), "f4")), RuntimeError)


@pytest.mark.parametrize("metric", OF_CLASSES)
def test_class_numbers_are_no_outputs(metric: Callable[..., float]) -> None:
    """Read as an output, a class of 2 would be at least ½, and so class 1."""
    for y in ([0, 1, 0], [0, 2, 1]):
        refused(lambda y=y: metric(y, np.array([0, 2, 0])), ValueError, "predict_classes")  # type: ignore[misc]
    assert sb.metrics.accuracy([0, 1, 1], np.array([0, 1, 0])) == 2 / 3  # of two classes they are
    assert sb.metrics.mse([0, 1], np.array([0, 3])) == 2


def test_top_k_can_be_pickled() -> None:
    """As for a search in processes of one's own."""
    metric = pickle.loads(pickle.dumps(sb.metrics.top_k(2)))
    assert metric.__name__ == "top_2"
    assert metric([2, 0], [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]]) == 0.5
