"""The cost and metrics of a data set."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data, as_row_weights
from swiftbackprop._net.checks import got
from swiftbackprop._net.labels import encode
from swiftbackprop._net.names import translated, unknown
from swiftbackprop.metrics import NAMED, MetricLike, accuracy, top_k

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


def as_metrics(given: Iterable[MetricLike]) -> dict[str, Callable[..., float]]:
    """Return metrics by their names, each a function of y, a and sample_weight."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"metrics must be a list of names and functions, got {got(given)}")
    named: dict[str, Callable[..., float]] = {}
    for metric in given:
        name, function = _as_metric(metric)
        if name in named or name == "loss":
            why = "is the name of C" if name == "loss" else "is the name of two metrics"
            raise ValueError(f"{name!r} {why}: define the function with a name of its own")
        named[name] = function
    return named


def _as_metric(metric: MetricLike) -> tuple[str, Callable[..., float]]:
    if isinstance(metric, str):
        if metric in NAMED:
            return metric, NAMED[metric]
        number = metric.removeprefix("top_").removesuffix("_accuracy")
        if metric.startswith("top_") and number.isdecimal() and int(number) > 0:
            return metric, top_k(int(number))
        if metric == "confusion" or translated("metric", metric) == "confusion":
            raise ValueError(
                "confusion is a matrix and no number: call sb.metrics.confusion(y, net.predict(X))"
            )
        raise ValueError(unknown("metric", metric, [*NAMED, "top_3"]))
    if metric in NAMED.values():
        return metric.__name__, metric
    if not callable(metric):
        raise TypeError(f"a metric must be a name or a function f(y, a), got {got(metric)}")
    name = getattr(metric, "__name__", type(metric).__name__)
    try:
        weighted = "sample_weight" in inspect.signature(metric).parameters
    except (TypeError, ValueError):
        weighted = False

    def call(y: FloatArray, a: FloatArray, sample_weight: FloatArray | None) -> float:
        value: Any = metric(y, a, sample_weight=sample_weight) if weighted else metric(y, a)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"the metric {name} must return a number, got {got(value)}") from None

    return name, call


def asked_metrics(net: NetworkBase, given: Iterable[MetricLike]) -> dict[str, Callable[..., float]]:
    """Return metrics by their names, without those that the network has anyway."""
    has_own = net.loss.flags & core.RULE_CLASSES
    found = as_metrics(given).items()
    return {name: f for name, f in found if not (has_own and f is accuracy)}


def named(net: NetworkBase, numbers: tuple[float, ...]) -> dict[str, float]:
    """Return loss, accuracy, mse, mae and r2 by name, as far as they say something."""
    loss, accuracy, mse, mae, r2 = numbers
    if net.loss.flags & core.RULE_CLASSES:
        return {"loss": loss, "accuracy": accuracy}
    return {"loss": loss, "mse": mse, "mae": mae, "r2": r2}


def evaluate_arrays(
    net: NetworkBase, X: Any, y: Any, sample_weight: Any, metrics: Iterable[MetricLike]
) -> dict[str, float]:
    """Return the cost and the metrics over arrays; `Network.evaluate` documents it."""
    weights = as_row_weights(sample_weight)
    asked, X, y = asked_metrics(net, metrics), as_data(X, "X"), encode(net, y, "y")
    # The metrics are of what the engine has evaluated: X goes through it once.
    a = np.empty((len(X), net.sizes[-1]), net.dtype) if asked and X.ndim else None
    result = named(net, net._evaluate(X, y, weights, a))
    if a is not None:
        result |= {name: metric(y, a, weights) for name, metric in asked.items()}
    return result
