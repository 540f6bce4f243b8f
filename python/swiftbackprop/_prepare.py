"""From the columns of a table to the numbers of a network, and back to what was asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray
from swiftbackprop._json import check, entries, parse, take
from swiftbackprop._table import Column, Table

__all__ = ["Feature", "Preparation", "Target"]

_VERSION = 1
_MOST_CATEGORIES = 100
_MOST_CLASSES = 1000
_FEW = 20  # whole numbers with at most so many values are classes, unless told


@dataclass(frozen=True)
class Feature:
    """A column: numbers, standardised, or texts, one input for each that occurs."""

    name: str
    mean: float
    scale: float
    categories: tuple[str, ...]  # empty: numbers

    @classmethod
    def learn(cls, name: str, column: Column, rows: npt.NDArray[np.int64]) -> Feature:
        """Look at all texts, and at the numbers in the rows to train on."""
        if column.dtype.kind != "O":
            mean, scale = _spread(column[rows], f"column {name!r}")
            return cls(name, mean, scale, ())
        categories = tuple(sorted({text for text in column if text is not None}))
        if len(categories) > _MOST_CATEGORIES:
            raise ValueError(
                f"column {name!r} has {len(categories)} different texts: leave it out with "
                f"--drop {name}"
            )
        return cls(name, 0.0, 1.0, categories)

    @property
    def width(self) -> int:
        """How many inputs it makes."""
        return len(self.categories) or 1

    def write(self, column: Column, out: FloatArray) -> None:
        """Fill the inputs of this column; what is missing is the mean, or no category.

        Where there are categories, the column is of texts.
        """
        if self.categories:
            for place, text in enumerate(self.categories):
                out[:, place] = column == text
            return
        if column.dtype.kind == "O":
            raise ValueError(f"column {self.name!r} holds texts, and the model wants numbers")
        numbers = (column.astype(np.float64) - self.mean) / self.scale
        out[:, 0] = np.where(np.isnan(numbers), 0.0, numbers)


@dataclass(frozen=True)
class Target:
    """What is predicted: one of some classes, or a number, standardised for training."""

    name: str
    mean: float
    scale: float
    classes: tuple[str | float, ...]  # empty: a number

    @classmethod
    def learn(cls, name: str, column: Column, task: str) -> Target:
        """Look at all rows; `task` is "auto", "classification" or "regression"."""
        texts = column.dtype.kind == "O"
        holes = [n for n, cell in enumerate(column) if cell is None or cell != cell]
        if holes:
            raise ValueError(
                f"the target {name!r} is missing in {len(holes)} of {len(column)} rows, the first "
                f"is row {holes[0] + 1} of the data: take them out"
            )
        if texts and task == "regression":
            raise ValueError(f"the target {name!r} holds texts, and regression wants numbers")
        values = sorted(set(column.tolist()))
        if len(values) == 1:
            raise ValueError(
                f"the target {name!r} is {values[0]!r} in every row: there is nothing to learn"
            )
        few = texts or (len(values) <= _FEW and all(float(value).is_integer() for value in values))
        if not texts and (task == "regression" or (task == "auto" and not few)):
            mean, scale = _spread(column, f"the target {name!r}")
            return cls(name, mean, scale, ())
        if len(values) > _MOST_CLASSES:
            raise ValueError(
                f"the target {name!r} has {len(values)} different values, and there are at most "
                f"{_MOST_CLASSES} classes{'' if texts else ': numbers want --task regression'}"
            )
        return cls(name, 0.0, 1.0, tuple(v if texts else float(v) for v in values))

    def encode(self, column: Column) -> npt.NDArray[Any]:
        """Return class numbers, or standardised numbers."""
        if not self.classes:
            return (column.astype(np.float64) - self.mean) / self.scale
        places = {value: place for place, value in enumerate(self.classes)}
        return np.array([places[value] for value in column.tolist()], np.int64)

    def decode(self, a: FloatArray) -> list[str]:
        """Return predictions as they are to be written."""
        if self.classes:
            return [self.label(place) for place in np.argmax(a, axis=1)]
        return [f"{value:.7g}" for value in a[:, 0] * self.scale + self.mean]

    def label(self, place: int) -> str:
        """Return the name of a class."""
        value = self.classes[place]
        return value if isinstance(value, str) else f"{value:.15g}"


def _spread(column: Column, what: str) -> tuple[float, float]:
    """Return mean and standard deviation, 1 if that is 0, of the numbers that are there."""
    numbers = column[~np.isnan(column)].astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError(f"{what} contains infinity")
    if not len(numbers):
        return 0.0, 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        mean, scale = float(numbers.mean()), float(numbers.std())
    if not (math.isfinite(mean) and math.isfinite(scale)):
        raise ValueError(f"{what} holds numbers that are too large to be squared")
    return mean, scale if scale > abs(mean) * 1e-12 else 1.0


@dataclass(frozen=True)
class Preparation:
    """What is done with every column; it goes into the model's file."""

    features: tuple[Feature, ...]
    target: Target

    @classmethod
    def learn(
        cls, table: Table, names: Sequence[str], target: Target, rows: npt.NDArray[np.int64]
    ) -> Preparation:
        """Look at the columns `names`; `rows` are those to train on."""
        features = [Feature.learn(name, table.column(name), rows) for name in names]
        return cls(tuple(features), target)

    @property
    def inputs(self) -> int:
        """D(0) of the network."""
        return sum(feature.width for feature in self.features)

    @property
    def outputs(self) -> int:
        """D(L) of the network."""
        return len(self.target.classes) or 1

    def matrix(self, table: Table, dtype: npt.DTypeLike) -> FloatArray:
        """Return X of shape (N, D(0))."""
        X = np.empty((table.rows, self.inputs), dtype)
        start = 0
        for feature in self.features:
            name = feature.name
            column = table.texts(name) if feature.categories else table.column(name)
            feature.write(column, X[:, start : start + feature.width])
            start += feature.width
        return X

    def to_json(self) -> str:
        """Return it as text."""
        target = self.target
        return json.dumps(
            {
                "version": _VERSION,
                "features": [
                    {
                        "name": feature.name,
                        "mean": feature.mean,
                        "scale": feature.scale,
                        "categories": list(feature.categories),
                    }
                    for feature in self.features
                ],
                "target": {
                    "name": target.name,
                    "mean": target.mean,
                    "scale": target.scale,
                    "classes": list(target.classes),
                },
            },
            allow_nan=False,
        )

    @classmethod
    def from_json(cls, text: str) -> Preparation:
        """Read what `to_json` returned, or anything else.

        Raises
        ------
        ValueError
            If it is something else.
        """
        data = parse(text)
        if data.pop("version", None) != _VERSION:
            raise ValueError("another version of swiftbackprop wrote it")
        features = [
            Feature(*_standard(each), tuple(entries(each, "categories", "a str")))
            for each in entries(data, "features", "a dict")
        ]
        target = take(data, "target", "a dict")
        classes = take(target, "classes", "a list")
        for value in classes:
            check(value, "classes", "a str" if isinstance(value, str) else "a number")
        return cls(tuple(features), Target(*_standard(target), tuple(classes)))


def _standard(data: dict[str, Any]) -> tuple[str, float, float]:
    name: str = take(data, "name", "a str")
    mean, scale = take(data, "mean", "a number"), take(data, "scale", "a number")
    if not scale > 0:
        raise ValueError(f"scale is {scale}")
    return name, mean, scale
