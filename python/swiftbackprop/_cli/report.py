"""What `train` says of a model: how good it is on rows that had no part in it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from swiftbackprop import metrics
from swiftbackprop._cli.target import Target
from swiftbackprop._draw.svg import clipped
from swiftbackprop._draw.tables import text_table
from swiftbackprop._net.arrays import FloatArray

_SHOWN = 12  # classes of a confusion matrix; more are a list of confusions


def result(target: Target, y: npt.NDArray[Any], a: FloatArray, rows: str) -> list[str]:
    """Return the lines of the result on some rows."""
    if not target.classes:
        usual = float(np.abs(y).mean()) * target.scale
        error = metrics.mae(y, a[:, 0]) * target.scale
        fit = f"r2 {metrics.r2(y, a[:, 0]):.3f}, " if len(y) > 1 else ""
        return [
            f"result    {fit}mean absolute error {error:.4g} on {rows} (always the mean: "
            f"{usual:.4g})"
        ]
    usual = np.bincount(y).max() / len(y)
    lines = [
        f"result    accuracy {metrics.accuracy(y, a):.3f} on {rows} (always the most frequent "
        f"class: {usual:.3f})"
    ]
    there = len(np.unique(y))
    if there > 1:
        area = f"AUC {metrics.auc(y, a):.3f}, " if there == len(target.classes) else ""
        of = f"of class {target.classes[1]}" if len(target.classes) == 2 else "the classes' mean"
        lines.append(
            f"          {area}balanced accuracy {metrics.balanced_accuracy(y, a):.3f}, precision "
            f"{metrics.precision(y, a):.3f} and F1 {metrics.f1(y, a):.3f} ({of})"
        )
    counts = metrics.confusion(y, a)
    if len(target.classes) <= _SHOWN:
        return lines + _matrix(target.classes, counts)
    return lines + _confusions(target.classes, counts)


def _matrix(classes: tuple[str, ...], counts: npt.NDArray[np.int64]) -> list[str]:
    """Return recall and the confusion matrix: true classes down, predicted ones across."""
    names = [clipped(name, 16) for name in classes]
    rows = []
    for k, (name, row) in enumerate(zip(names, counts, strict=True)):
        found = f"{row[k] / row.sum():.3f}" if row.sum() else "none"
        rows.append([name, *map(str, row), found])
    table = text_table(["true \\ predicted", *names, "recall"], rows)
    return [f"          {line}" for line in table.splitlines()]


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
