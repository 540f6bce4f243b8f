"""The column that a table's network predicts: classes or numbers, and back from its outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas
from sklearn.preprocessing import StandardScaler

from swiftbackprop._cli.columns import NUMBER, as_numbers, as_texts, kind_of
from swiftbackprop._cli.table import Table, plain
from swiftbackprop._net.arrays import FloatArray

_MOST_CLASSES = 1000
# Whole numbers of at most so many values, with so many rows of each, are classes unless told.
_FEW = 20
_ROWS_OF_EACH = 5


@dataclass(frozen=True)
class Target:
    """What is predicted: one of some classes, or a number, standardised for training."""

    name: str
    mean: float
    scale: float
    classes: tuple[str, ...]  # empty: a number

    @classmethod
    def learn(
        cls, name: str, column: pandas.Series, classes: tuple[str, ...], train: npt.NDArray[Any]
    ) -> Target:
        """Look at what `read_target` returned, at numbers in the rows to train on alone."""
        if classes:
            return cls(name, 0.0, 1.0, classes)
        return cls(name, *spread(column[train], f"the target {name!r}"), ())

    def encode(self, column: pandas.Series) -> npt.NDArray[Any]:
        """Return class numbers, or standardised numbers."""
        if self.classes:
            return pandas.Index(self.classes, dtype=object).get_indexer(column)  # type: ignore[no-any-return]
        return ((column - self.mean) / self.scale).to_numpy()  # type: ignore[no-any-return]

    def decode(self, a: FloatArray) -> list[str]:
        """Return predictions as they are to be written."""
        if self.classes:
            return [self.classes[place] for place in np.argmax(a, axis=1)]
        return [f"{value:.7g}" for value in a[:, 0] * self.scale + self.mean]


def is_few(values: Sequence[float]) -> bool:
    """Return whether these different numbers could be classes."""
    return len(values) <= _FEW and all(value % 1 == 0 for value in values)


def read_target(
    table: Table, name: str, task: str, texts: bool
) -> tuple[pandas.Series, tuple[str, ...]]:
    """Return the target's column, NaN where it is missing, and its classes as texts.

    `task` is "auto", "classification" or "regression"; without classes the column is numbers.
    """
    kind, _ = kind_of(table, name, texts)
    if kind != NUMBER and task == "regression":
        raise ValueError(f"the target {name!r} holds {kind}s, and regression takes numbers")
    column = as_numbers(table, name) if kind == NUMBER else as_texts(table, name)
    present = column.dropna()
    values = sorted(present.drop_duplicates())
    if len(values) < 2:
        all_of_it = f"is {plain(values[0])!r} in every row" if values else "has no cells"
        raise ValueError(f"the target {name!r} {all_of_it}: there is nothing to learn")
    often = len(values) == 2 or len(present) >= _ROWS_OF_EACH * len(values)
    few = often and kind == NUMBER and is_few(values)
    if kind == NUMBER and (task == "regression" or (task == "auto" and not few)):
        return column, ()
    if len(values) > _MOST_CLASSES:
        raise ValueError(
            f"the target {name!r} has {len(values)} different values, and there are at most "
            f"{_MOST_CLASSES} classes"
            + (": for numbers, give --task regression" if kind == NUMBER else "")
        )
    if kind != NUMBER and len(values) > max(_FEW, len(present) / 2):
        raise ValueError(
            f"the target {name!r} has {len(values)} different texts in {len(present)} rows, too "
            "few of each to learn from: is another column meant, or another --delimiter?"
        )
    return column.map(plain, na_action="ignore"), tuple(plain(value) for value in values)


def spread(numbers: pandas.Series, what: str) -> tuple[float, float]:
    """Return mean and standard deviation, 1 if that is 0, of the numbers that are there."""
    with np.errstate(over="ignore", invalid="ignore"):
        scaler = StandardScaler().fit(numbers.to_numpy(float).reshape(-1, 1))
    mean, scale = float(scaler.mean_[0]), float(scaler.scale_[0])
    if not (math.isfinite(mean) and math.isfinite(scaler.var_[0])):
        raise ValueError(f"{what} holds numbers that are too large to be squared")
    return mean, scale
