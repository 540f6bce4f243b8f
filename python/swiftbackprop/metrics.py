"""Metrics of a whole data set, for `Network.evaluate` and `Network.fit`.

A metric is a name or a function ``f(y, a)`` or ``f(y, a, sample_weight)`` of targets and
outputs. The names are those of the functions here, and ``"top_3"`` stands for ``top_k(3)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.case import Case, case_of
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.names import no_attribute
from swiftbackprop._net.optional import optional

__all__ = [
    "accuracy",
    "auc",
    "balanced_accuracy",
    "confusion",
    "f1",
    "log_loss",
    "mae",
    "mse",
    "precision",
    "r2",
    "recall",
    "rmse",
    "top_k",
]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        raise no_attribute(__name__, "metric", name, __all__)


MetricLike: TypeAlias = str | Callable[..., float]


def _sklearn(who: str) -> Any:
    return optional("sklearn.metrics", f"{who} needs scikit-learn: pip install scikit-learn")


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
        Class numbers, or one-hot rows or probabilities; with one output 0 and 1.
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
    case = case_of(y, a, sample_weight)
    return case.mean(case.classes("accuracy") == case.found())


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
    metric = partial(_top, as_int(k, "k", min_=1))
    metric.__name__ = f"top_{k}"  # type: ignore[attr-defined]
    return metric


def _top(
    k: int, y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    case = case_of(y, a, sample_weight)
    outputs, classes = case.a, case.classes(f"top_{k}")
    if case.outputs <= k:
        raise ValueError(
            f"top_{k} expects more than {k} classes; the outputs have shape {outputs.shape}"
        )
    own = outputs[np.arange(len(outputs)), classes]
    # Of equal outputs the first counts as the larger, as in argmax.
    earlier = np.arange(case.outputs) < classes[:, None]
    before = (outputs > own[:, None]) | ((outputs == own[:, None]) & earlier)
    return case.mean(before.sum(axis=1) < k)


def mse(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of (a - t)² over rows and outputs."""
    case = case_of(y, a, sample_weight)
    return case.mean(np.mean((case.a - case.rows()) ** 2, axis=1))


def rmse(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the root of `mse`."""
    return float(np.sqrt(mse(y, a, sample_weight)))


def mae(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the mean of ``|a - t|`` over rows and outputs."""
    case = case_of(y, a, sample_weight)
    return case.mean(np.mean(np.abs(case.a - case.rows()), axis=1))


def r2(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return R² = 1 - Σ(a - t)²/Σ(t - mean t)², the mean over outputs.

    A constant output counts 1 if it is met exactly, else 0.
    """
    case = case_of(y, a, sample_weight)
    t = case.rows()
    w = np.ones(len(t)) if case.w is None else case.w
    residual = w @ (case.a - t) ** 2
    total = w @ (t - np.average(t, axis=0, weights=w)) ** 2
    used = t[w > 0]
    total[(used == used[0]).all(axis=0)] = 0  # whatever the mean is rounded to
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
    sk = _sklearn("auc")
    case = case_of(y, a, sample_weight)
    case.classes("auc")
    if case.t.ndim == 1 and case.outputs == 2:
        case = case._replace(a=case.a[:, 1:])
    # One column for each class or label, which scikit-learn averages.
    rows = case.rows()
    used = rows if case.w is None else rows[case.w > 0]
    for k, column in enumerate(used.T):
        if np.all(column == column[:1]):
            which = f"class {k}" if rows.shape[1] > 1 else "a class"
            raise ValueError(f"auc expects rows with and without each class in y; {which} is alone")
    return float(sk.roc_auc_score(rows, case.a, sample_weight=case.w))


def _score(who: str, y: Any, a: Any, sample_weight: Any) -> float:
    """Return a score of scikit-learn: of class 1 for two classes, else the mean over them."""
    function = getattr(_sklearn(who), f"{who}_score")
    case = case_of(y, a, sample_weight)
    if case.has_several:
        known, found = case.t.astype(np.int64), (case.a >= 0.5).astype(np.int64)
        average = "macro"
    else:
        known, found = case.classes(who), case.found()
        average = "binary" if case.outputs <= 2 else "macro"
    options = {"average": average, "zero_division": 0.0}
    return float(function(known, found, sample_weight=case.w, **options))


def precision(
    y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Return the share of rows that are right among those classified as class 1.

    Of more than two classes, or several labels a row, the mean over them; by scikit-learn. 0 if
    no row is classified so.

    Parameters
    ----------
    y, a, sample_weight
        As for `accuracy`; rows of 0 and 1 that are not one-hot are several labels a row, each
        found where its output is at least 1/2.

    Returns
    -------
    float

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        If y holds no classes.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.metrics.precision([0, 1, 1, 0], [[0.2], [0.8], [0.9], [0.7]])
    0.6666666666666666
    """
    return _score("precision", y, a, sample_weight)


def recall(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the share of the rows of class 1 that are found; as `precision`."""
    return _score("recall", y, a, sample_weight)


def f1(y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None) -> float:
    """Return the harmonic mean of `precision` and `recall`; of several classes their mean."""
    return _score("f1", y, a, sample_weight)


def balanced_accuracy(
    y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Return the mean, over the classes that are in y, of the share of their rows found.

    The parameters are those of `accuracy`; one class a row.
    """
    case, classes = _one_class(y, a, sample_weight, "balanced_accuracy")
    sk = _sklearn("balanced_accuracy")
    # What balanced_accuracy_score is, without its warning of classes that y lacks.
    weighted = classes if case.w is None else classes[case.w > 0]
    mean_over = {"labels": np.unique(weighted), "average": "macro", "zero_division": 0.0}
    return float(sk.recall_score(classes, case.found(), sample_weight=case.w, **mean_over))


def log_loss(
    y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> float:
    """Return the mean of -ln of the probability of the right class, by scikit-learn.

    Parameters
    ----------
    y : array_like, shape (N,) or (N, D(L))
        Class numbers, or one-hot rows.
    a : array_like, shape (N, D(L))
        Probabilities; with one output that of class 1.
    sample_weight : array_like, shape (N,), optional

    Raises
    ------
    ImportError
        Without scikit-learn.
    ValueError
        If y holds no classes, or a no probabilities.
    """
    case, classes = _one_class(y, a, sample_weight, "log_loss")
    sk = _sklearn("log_loss")
    p = np.column_stack([1 - case.a[:, 0], case.a[:, 0]]) if case.outputs == 1 else case.a
    total = p.sum(axis=1, keepdims=True)
    if (p < 0).any() or (abs(total - 1) > 1e-4).any():
        raise ValueError(
            "log_loss expects probabilities as outputs: in [0, 1], with rows that sum to 1, as "
            "softmax gives them"
        )
    labels = np.arange(p.shape[1])
    return float(sk.log_loss(classes, p / total, sample_weight=case.w, labels=labels))


def confusion(
    y: npt.ArrayLike, a: npt.ArrayLike, sample_weight: npt.ArrayLike | None = None
) -> FloatArray:
    """Return the confusion matrix, (K, K): row i counts the rows of class i, by what was found.

    A matrix and no number, so it is called by itself: ``confusion(y, net.predict(X))``.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.metrics.confusion([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    array([[1, 0],
           [1, 1]])
    """
    case, classes = _one_class(y, a, sample_weight, "confusion")
    sk = _sklearn("confusion")
    labels = np.arange(max(case.outputs, 2))
    matrix: FloatArray = sk.confusion_matrix(
        classes, case.found(), labels=labels, sample_weight=case.w
    )
    return matrix


def _one_class(y: Any, a: Any, sample_weight: Any, who: str) -> tuple[Case, FloatArray]:
    """Return the arguments, and the class of every row, where each has one."""
    case = case_of(y, a, sample_weight)
    if case.has_several:
        raise ValueError(
            f"{who} expects one class a row, and y has rows with several labels or none: take "
            "each column by itself"
        )
    return case, case.classes(who)


OF_CLASSES = (accuracy, balanced_accuracy, precision, recall, f1, log_loss, auc)
OF_NUMBERS = (mse, rmse, mae, r2)
NAMED = {f.__name__: f for f in (*OF_CLASSES, *OF_NUMBERS)}
