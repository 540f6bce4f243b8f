"""Arrays in .npy files, mapped or in memory, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray, as_data, as_labels
from swiftbackprop._net.labels import find_places
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._find import find_files, type_of
from swiftbackprop.data._source import Block, Source, Unit
from swiftbackprop.data._table import transformed


def is_arrays(source: Any) -> bool:
    """Whether a source is an array, or names .npy files."""
    if isinstance(source, np.ndarray):
        return True
    names = [source] if not isinstance(source, list | tuple) else source
    return bool(names) and all(str(name).lower().endswith(".npy") for name in names)


class _Rows:
    """Arrays one behind the other, as if they were one."""

    def __init__(self, given: Any, what: str) -> None:
        self.arrays: list[tuple[str, FloatArray]] = []
        if given is None:
            return
        if is_arrays(given) and not isinstance(given, np.ndarray):
            for file in find_files(given):
                self.arrays.append((file, _mapped(file)))
        else:
            if isinstance(given, str):
                raise TypeError(
                    f"{given!r} names a column, and arrays have none: give y, or the weights, as "
                    "an array or as .npy files"
                )
            self.arrays.append((what, as_labels(given, what) if what == "y" else given))
        first_file, first = self.arrays[0]
        for file, array in self.arrays:
            if array.ndim not in (1, 2):
                raise ValueError(f"{file}: expected 1 or 2 dimensions, got shape {array.shape}")
            if array.shape[1:] != first.shape[1:] or array.dtype != first.dtype:
                raise ValueError(
                    f"{file} holds {array.dtype} in rows of shape {array.shape[1:]}, and "
                    f"{first_file} {first.dtype} in rows of shape {first.shape[1:]}: every file "
                    "needs the same"
                )

    def __len__(self) -> int:
        return sum(len(array) for _, array in self.arrays)

    def take(self, first: int, last: int) -> FloatArray:
        """Return some rows."""
        parts, start = [], 0
        for _, array in self.arrays:
            one, other = max(first - start, 0), min(last - start, len(array))
            if one < other:
                parts.append(array[one:other])
            start += len(array)
        return np.asarray(parts[0] if len(parts) == 1 else np.concatenate(parts))


def _mapped(file: str) -> FloatArray:
    try:
        array: FloatArray = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise type_of(error)(f"{file} cannot be read as .npy: {error}") from error
    return array


class ArrayFiles(Source):
    """Rows of arrays, or of the .npy files that X, y and weights name; `rows` are a unit."""

    def __init__(self, X: Any, y: Any, weights: Any, rows: int | None, transform: Any) -> None:
        self.X, self.y, self.weights = _Rows(X, "X"), _Rows(y, "y"), _Rows(weights, "sample_weight")
        self.transform = transform
        for name, other in (("target", self.y), ("sample_weight", self.weights)):
            if other.arrays and len(other) != len(self.X):
                raise ValueError(
                    f"X has {len(self.X)} rows and {name} has {len(other)}: expected as many"
                )
        first = self.X.arrays[0][1]
        as_data(first[:1], self.X.arrays[0][0])
        width = max(1, int(np.prod(first.shape[1:])) * first.dtype.itemsize)
        self.unit_rows = rows or min(1 << 16, max(1, (1 << 23) // width))
        self.has_target = bool(self.y.arrays)
        self.target_is_text = self.has_target and self.y.arrays[0][1].dtype.kind == "U"

    @cached_property
    def units(self) -> Sequence[Unit]:
        """Runs of rows within the files."""
        found, start = [], 0
        for file, array in self.X.arrays:
            for first in range(0, len(array), self.unit_rows):
                rows = min(self.unit_rows, len(array) - first)
                found.append(Unit(file, start + first, rows, first))
            start += len(array)
        return found

    def blocks(self, unit: Unit, rows: int, demand: Demand) -> Iterator[Block]:
        """Read a unit, at most so many rows at a time."""
        for first in range(0, unit.rows or 0, rows):
            count = min(rows, (unit.rows or 0) - first)
            one = unit.part + first
            X = self.X.take(one, one + count)
            X = X[:, None] if X.ndim == 1 else X
            place = unit.first + first
            if self.transform is not None:
                X = transformed(self.transform, X, count, unit.file, place)
            elif X.dtype.kind != "f" and not demand.keeps_integers:
                X = X.astype(demand.dtype or np.result_type(X.dtype, np.float32))
            y = self._targets(one, one + count, demand) if self.has_target else None
            weights = self.weights.take(one, one + count) if self.weights.arrays else None
            yield Block(X, y, weights, unit.file, place)

    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Read the target alone, in the order of the rows."""
        for unit in self.units:
            yield self._targets(unit.part, unit.part + (unit.rows or 0), demand)

    def _targets(self, first: int, last: int, demand: Demand) -> FloatArray:
        y = self.y.take(first, last)
        if not self.target_is_text or demand.classes is None:
            return y
        places, row = find_places(demand.classes, y)
        if row is not None:
            raise ValueError(
                f"the target has the label {str(y[row])!r} in row {first + row}, which is not in "
                "net.classes_"
            )
        return places
