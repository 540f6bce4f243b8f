"""What `train` says of a model: how good it is on rows that had no part in it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics

from swiftbackprop._arrays import FloatArray
from swiftbackprop._preprocessing import Target

__all__ = ["METRICS", "result"]

_SHOWN = 12  # classes of a confusion matrix; more are a list of confusions


def balanced_accuracy(y: npt.NDArray[Any], a: FloatArray) -> float:
    """Return the mean of the classes' recalls, of the classes that are there."""
    return float(metrics.recall_score(y, _chosen(a), labels=np.unique(y), average="macro"))


def f1(y: npt.NDArray[Any], a: FloatArray) -> float:
    """Return the mean of the classes' F1."""
    labels = np.unique(y)
    return float(metrics.f1_score(y, _chosen(a), labels=labels, average="macro", zero_division=0.0))


def auc(y: npt.NDArray[Any], a: FloatArray) -> float:
    """Return the area under the ROC curve: of two classes, or the mean of one to the rest."""
    present = np.unique(y)
    if len(present) < 2:
        raise ValueError("AUC is of two classes at least, and the rows have one: hold more out")
    if a.shape[1] == 2:
        return float(metrics.roc_auc_score(y, a[:, 1]))
    return float(np.mean([metrics.roc_auc_score(y == k, a[:, k]) for k in present]))


def _chosen(a: FloatArray) -> npt.NDArray[Any]:
    return np.asarray(np.argmax(a, axis=1))


#: What may choose the epoch: the function or the network's own name of it, and its better side.
METRICS: dict[str, tuple[str | Callable[..., float], str]] = {
    "loss": ("loss", "min"),
    "accuracy": ("accuracy", "max"),
    "balanced_accuracy": (balanced_accuracy, "max"),
    "auc": (auc, "max"),
    "f1": (f1, "max"),
    "r2": ("r2", "max"),
    "mae": ("mae", "min"),
}


def result(target: Target, y: npt.NDArray[Any], a: FloatArray, rows: str) -> list[str]:
    """Return the lines of the result on some rows."""
    if not target.classes:
        usual = float(np.abs(y).mean()) * target.scale
        error = metrics.mean_absolute_error(y, a[:, 0]) * target.scale
        fit = f"r2 {metrics.r2_score(y, a[:, 0]):.3f}, " if len(y) > 1 else ""
        return [
            f"result    {fit}mean absolute error {error:.4g} on {rows} (always the mean: "
            f"{usual:.4g})"
        ]
    chosen = _chosen(a)
    usual = np.bincount(y).max() / len(y)
    lines = [
        f"result    accuracy {np.mean(chosen == y):.3f} on {rows} (always the most frequent "
        f"class: {usual:.3f})"
    ]
    if len(np.unique(y)) > 1:
        lines.append(
            f"          AUC {auc(y, a):.3f}, balanced accuracy {balanced_accuracy(y, a):.3f}, "
            f"F1 {f1(y, a):.3f} (the classes' mean)"
        )
    counts = metrics.confusion_matrix(y, chosen, labels=range(len(target.classes)))
    if len(target.classes) <= _SHOWN:
        return lines + _matrix(target.classes, counts)
    return lines + _confusions(target.classes, counts)


def _matrix(classes: tuple[str, ...], counts: npt.NDArray[np.int64]) -> list[str]:
    """Return recall and the confusion matrix: true classes down, predicted ones across."""
    names = [name if len(name) <= 16 else f"{name[:15]}…" for name in classes]
    cells = [["true \\ predicted", *names, "recall"]]
    for name, row in zip(names, counts, strict=True):
        found = f"{row[names.index(name)] / row.sum():.3f}" if row.sum() else "none"
        cells.append([name, *map(str, row), found])
    widths = [max(len(row[j]) for row in cells) for j in range(len(cells[0]))]
    lines = []
    for row in cells:
        first, *others = (
            cell.rjust(width) if j else cell.ljust(width)
            for j, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([f"          {first}", *others]))
    return lines


def _confusions(classes: tuple[str, ...], counts: npt.NDArray[np.int64]) -> list[str]:
    """Return the classes that are found least, and the most frequent confusions."""
    total = counts.sum(axis=1)
    there = np.flatnonzero(total)
    recall = counts.diagonal()[there] / total[there]
    least = [f"{classes[there[k]]} {recall[k]:.3f}" for k in np.argsort(recall, kind="stable")[:5]]
    wrong = counts - np.diag(counts.diagonal())
    pairs = np.argsort(-wrong, axis=None, kind="stable")[:5]
    most = [
        f"{classes[i]} as {classes[j]} {wrong[i, j]} times"
        for i, j in zip(*np.unravel_index(pairs, wrong.shape), strict=True)
        if wrong[i, j]
    ]
    return [
        f"          least recall: {', '.join(least)}",
        f"          most confused: {', '.join(most) or 'none'}",
    ]
