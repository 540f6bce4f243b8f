"""The cost and metrics of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import as_data, as_row_weights
from swiftbackprop._net.labels import encode
from swiftbackprop.metrics import MetricLike, accuracy, as_metrics

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase

__all__ = ["asked_metrics", "evaluate_arrays", "named"]


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
