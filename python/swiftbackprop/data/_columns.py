"""Columns of Arrow as arrays of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.frames import arrow_holds

# Rows and columns that are brought beside each other in the cache: a line of it holds as many
# columns, and X itself, whose rows lie far apart, is written by whole lines.
_STRIP, _LINE = 2048, 16


def _inner(kind: Any) -> Any:
    """Return the type of the numbers in a column: of a list its items'."""
    from pyarrow import types

    if hasattr(kind, "storage_type"):
        return _inner(kind.storage_type)
    if types.is_dictionary(kind) or is_list(kind):
        return _inner(kind.value_type)
    return kind


def is_list(kind: Any) -> bool:
    """Whether a column has several numbers in a row."""
    from pyarrow import types

    kind = getattr(kind, "storage_type", kind)
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def holds(kind: Any) -> str:
    """Return what a column holds: "number", "text", "date" or another thing."""
    return arrow_holds(_inner(kind))


def column_dtype(kind: Any) -> np.dtype[Any]:
    """Return the dtype that the numbers of a column have in NumPy."""
    from pyarrow import types

    inner = _inner(kind)
    if types.is_integer(inner) or types.is_floating(inner) or types.is_boolean(inner):
        found: np.dtype[Any] = np.dtype(inner.to_pandas_dtype())
        return found
    return np.dtype(np.float64)  # decimals, and columns without any value


def numbers_of(column: Any) -> FloatArray:
    """Return a column as an array [rows], or of lists [rows, items]; missing numbers as NaN."""
    import pyarrow

    rows = len(column)
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    with suppress(pyarrow.ArrowException):  # what is not there as it is, is looked at below
        return np.asarray(column.to_numpy())
    nested = False
    while True:
        if isinstance(column, pyarrow.ExtensionArray):
            column = column.storage
        elif isinstance(column, pyarrow.DictionaryArray):
            column = column.dictionary_decode()
        elif is_list(column.type):
            column = _items_of(column)
            nested = True
        else:
            break
    if holds(column.type) == "number" and column_dtype(column.type) == np.float64:
        column = column.cast(pyarrow.float64())
    array = np.asarray(column.to_numpy(zero_copy_only=False))
    if array.dtype.kind == "O":  # booleans of which some are missing
        array = array.astype(np.float64)
    if nested:
        array = array.reshape(rows, -1) if rows else array.reshape(0, 0)
    return array


def _items_of(column: Any) -> Any:
    """Return the items of all lists, one after the other."""
    from pyarrow import types

    if column.null_count:
        raise ValueError(f"has no list in row {_first_null(column)}")
    items = column.flatten()
    if not types.is_fixed_size_list(column.type) and len(column):
        lengths = np.asarray(column.value_lengths().to_numpy(zero_copy_only=False))
        if np.any(lengths != lengths[0]):
            row = int(np.argmax(lengths != lengths[0]))
            raise ValueError(
                f"has lists of {lengths[0]} and, in row {row}, of {lengths[row]} items"
            )
    return items


def _first_null(column: Any) -> int:
    return int(np.argmin(np.asarray(column.is_valid().to_numpy(zero_copy_only=False))))


def texts_of(column: Any, classes: FloatArray | None) -> FloatArray:
    """Return labels of text as an array of str, or as the places among the classes."""
    import pyarrow
    from pyarrow import compute

    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks()
    if isinstance(column, pyarrow.DictionaryArray):
        column = column.dictionary_decode()
    if column.null_count:
        raise ValueError(f"has no label in row {_first_null(column)}: every row needs a target")
    column = column.cast(pyarrow.string())
    if classes is None:
        return np.array(column.to_pylist(), np.str_)
    found = compute.index_in(column, value_set=pyarrow.array(classes.tolist(), pyarrow.string()))
    if found.null_count:
        row = _first_null(found)
        known = ", ".join(map(repr, classes.tolist()[:20]))
        raise ValueError(
            f"has the label {column[row].as_py()!r} in row {row}, which is not in net.classes_: "
            f"{known}"
        )
    return np.asarray(found.to_numpy()).astype(np.int64)


class Columns:
    """Columns that will stand beside each other, as [rows, all of their columns].

    Each of them is of one column or, of lists, of several.
    """

    ndim = 2

    def __init__(self, columns: Sequence[FloatArray], dtype: np.dtype[Any]) -> None:
        self.columns, self.dtype = columns, dtype
        self.widths = [column.shape[1] if column.ndim == 2 else 1 for column in columns]
        self.shape = len(columns[0]), sum(self.widths)

    def __len__(self) -> int:
        return self.shape[0]

    def array(self) -> FloatArray:
        """Return all of them as one array."""
        X = np.empty(self.shape, self.dtype)
        self.write(X, 0)
        return X

    def write(self, X: FloatArray, start: int) -> None:
        """Write the rows from `start` on, as many as X has."""
        strip = np.empty((_STRIP, _LINE), X.dtype)
        for first in range(0, len(X), _STRIP):
            to = X[first : first + _STRIP]
            beside = strip[: len(to)]
            rows = slice(start + first, start + first + len(to))
            place = waiting = 0
            for column, width in zip(self.columns, self.widths, strict=True):
                if column.ndim == 1:
                    beside[:, waiting] = column[rows]
                    waiting += 1
                if waiting and (waiting == _LINE or column.ndim == 2):
                    to[:, place : place + waiting] = beside[:, :waiting]
                    place, waiting = place + waiting, 0
                if column.ndim == 2:
                    to[:, place : place + width] = column[rows]
                    place += width
            to[:, place : place + waiting] = beside[:, :waiting]
