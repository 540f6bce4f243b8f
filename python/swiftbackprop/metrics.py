"""Metrics of a whole data set, for `Network.evaluate` and `Network.fit`.

A metric is a name or a function ``f(y, a)`` or ``f(y, a, sample_weight)`` of targets and
outputs. The names are those of the functions here, and ``"top_3"`` stands for ``top_k(3)``.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._names import unknown

__all__ = ["accuracy", "auc", "mae", "mse", "r2", "rmse", "top_k"]

_Array: TypeAlias = npt.NDArray[Any]
MetricLike: TypeAlias = str | Callable[..., float]


def _classes(y: npt.ArrayLike) -> _Array:
    """Return class numbers, from class numbers or one-hot rows."""
    t = np.asarray(y)
    return t.ravel() if t.ndim == 1 or t.shape[1] == 1 else np.argmax(t, axis=1)


def _mean(values: _Array, sample_weight: npt.ArrayLike | None) -> float:
    """Return the weighted mean over rows; NaN for Σw = 0."""
    if sample_weight is None:
        return float(np.mean(values, dtype=np.float64))
    w = np.asarray(sample_weight, np.float64).ravel()
    total = float(w.sum())
    return float(w @ values / total) if total > 0 else math.nan


def _errors(y: npt.ArrayLike, a: npt.ArrayLike) -> _Array:
    """Return a - t, (N, D(L)); class numbers stand for one-hot rows."""
    outputs = np.asarray(a, np.float64)
    outputs = outputs.reshape(len(outputs), -1)
    return outputs - _rows(y, outputs.shape[1])


def _rows(y: npt.ArrayLike, outputs: int) -> _Array:
    t = np.asarray(y)
    if t.ndim == 1 and outputs > 1:
        return np.eye(outputs, dtype=np.float64)[t]  # type: ignore[no-any-return]
    return t.astype(np.float64).reshape(len(t), -1)


def accuracy(
    y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Return the share of rows classified right.

    Rows of targets stand for one class each, the place of their largest number. For several
    labels a row this is not what a network with binary_cross_entropy reports: there every
    output is a yes or no by itself, and ``net.evaluate(X, y)["accuracy"]`` counts them.

    Parameters
    ----------
    y : array_like, shape (N,) or (N, D(L))
        Class numbers, or one-hot rows; with one output 0 and 1.
    a : array_like, shape (N, D(L))
        The class is the place of the largest output; with one output whether it is at least
        1/2.
    sample_weight : array_like, shape (N,), optional

    Returns
    -------
    float

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.metrics.accuracy([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    0.6666666666666666
    """
    outputs = np.asarray(a)
    single = outputs.ndim == 1 or outputs.shape[1] == 1
    if single:
        hits = (outputs.ravel() >= 0.5) == (np.asarray(y).ravel() >= 0.5)
    else:
        hits = np.argmax(outputs, axis=1) == _classes(y)
    return _mean(hits.astype(np.float64), sample_weight)


def top_k(k: int) -> Callable[..., float]:
    """Return the metric: the share of rows whose class is among the k largest outputs.

    Parameters
    ----------
    k : int

    Returns
    -------
    callable

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.metrics.top_k(2)([2, 0], [[0.5, 0.1, 0.4], [0.2, 0.3, 0.5]])
    0.5
    """
    if not isinstance(k, int) or k < 1:
        raise ValueError(f"k is an int of at least 1; got {k!r}")

    def metric(
        y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
    ) -> float:
        outputs, classes = np.asarray(a), _classes(y).astype(np.int64)
        if outputs.ndim != 2 or outputs.shape[1] <= k:
            raise ValueError(
                f"top_{k} wants more than {k} classes; the outputs are of shape {outputs.shape}"
            )
        own = outputs[np.arange(len(outputs)), classes]
        # Of equal outputs the first counts as the larger, as in argmax.
        earlier = np.arange(outputs.shape[1]) < classes[:, None]
        before = (outputs > own[:, None]) | ((outputs == own[:, None]) & earlier)
        return _mean((before.sum(axis=1) < k).astype(np.float64), sample_weight)

    metric.__name__ = f"top_{k}"
    return metric


def mse(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of (a - t)² over rows and outputs."""
    return _mean(np.mean(_errors(y, a) ** 2, axis=1), sample_weight)


def rmse(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the root of `mse`."""
    return float(np.sqrt(mse(y, a, sample_weight)))


def mae(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of ``|a - t|`` over rows and outputs."""
    return _mean(np.mean(np.abs(_errors(y, a)), axis=1), sample_weight)


def r2(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return R² = 1 - Σ(a - t)²/Σ(t - mean t)², the mean over outputs.

    A constant output counts 1 if it is met exactly, else 0.
    """
    errors = _errors(y, a)
    t = _rows(y, errors.shape[1])
    w = np.ones(len(t)) if sample_weight is None else np.asarray(sample_weight, np.float64).ravel()
    if not w.sum() > 0:
        return math.nan
    residual = w @ errors**2
    total = w @ (t - np.average(t, axis=0, weights=w)) ** 2
    met = np.where(residual == 0, 1.0, 0.0)
    return float(np.mean(np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), met)))


def auc(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the area under the ROC curve, by scikit-learn.

    For more than two classes one against the rest, for several labels a row their mean.

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        If only one class is there.
    """
    try:
        from sklearn.metrics import roc_auc_score
    except ImportError as error:
        raise ImportError("auc wants scikit-learn: pip install scikit-learn") from error
    outputs, t = np.asarray(a, np.float64), np.asarray(y)
    outputs = outputs.reshape(len(outputs), -1)
    if t.ndim == 1 and outputs.shape[1] == 2:
        outputs = outputs[:, 1:]
    # One column for each class or label, which scikit-learn averages.
    rows = _rows(t, outputs.shape[1])
    for k, column in enumerate(rows.T):
        if np.all(column == column[:1]):
            which = f"class {k}" if rows.shape[1] > 1 else "a class"
            raise ValueError(f"auc wants rows with and without each class in y; {which} is alone")
    return float(roc_auc_score(rows, outputs, sample_weight=sample_weight))


_NAMED = {f.__name__: f for f in (accuracy, mse, rmse, mae, r2, auc)}


def as_metrics(given: Iterable[MetricLike]) -> dict[str, Callable[..., float]]:
    """Return metrics by their names, each a function of y, a and sample_weight."""
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise TypeError(f"metrics is a list of names and functions, not {given!r}")
    named: dict[str, Callable[..., float]] = {}
    for metric in given:
        name, function = _as_metric(metric)
        if name in named or name == "loss":
            why = "is the name of C" if name == "loss" else "is the name of two metrics"
            raise ValueError(f"{name!r} {why}: define the function with a name of its own")
        named[name] = function
    return named


def without_accuracy(named: dict[str, Callable[..., float]]) -> dict[str, Callable[..., float]]:
    """Return the metrics without the stock accuracy, for networks that report their own."""
    return {name: f for name, f in named.items() if f is not accuracy}


def _as_metric(metric: MetricLike) -> tuple[str, Callable[..., float]]:
    if isinstance(metric, str):
        if metric in _NAMED:
            return metric, _NAMED[metric]
        number = metric.removeprefix("top_").removesuffix("_accuracy")
        if metric.startswith("top_") and number.isdecimal() and int(number) > 0:
            return metric, top_k(int(number))
        raise ValueError(unknown("metric", metric, [*_NAMED, "top_3"]))
    if metric is accuracy:
        return "accuracy", accuracy
    if not callable(metric):
        raise TypeError(f"a metric is a name or a function f(y, a), not {metric!r}")
    name = getattr(metric, "__name__", type(metric).__name__)
    try:
        weighted = "sample_weight" in inspect.signature(metric).parameters
    except (TypeError, ValueError):
        weighted = False

    def call(y: _Array, a: _Array, sample_weight: _Array | None) -> float:
        value: Any = metric(y, a, sample_weight=sample_weight) if weighted else metric(y, a)
        try:
            return float(value)
        except (TypeError, ValueError):
            raise TypeError(f"the metric {name} returns a number, not {value!r}") from None

    return name, call
