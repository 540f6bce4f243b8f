"""Frames and series of pandas, polars and Arrow: what their columns hold, before NumPy sees them.

NumPy makes one array of all columns, and some libraries help it by turning dates into numbers.
So the dtypes that a frame states itself are looked at first.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

# What to do about columns that hold something else than real numbers, by what they hold.
_ADVICE = {
    "text": "encode it as numbers, or leave it out",
    "date": "take the difference to a date and convert it to numbers, or leave it out",
    "duration": "divide by a unit to get numbers, or leave it out",
    "complex": "pass real and imaginary parts as separate columns",
    "object": "convert it to numbers first, or leave it out",
}
_NUMPY_KINDS = {"c": "complex", "M": "date", "m": "duration", "U": "text", "S": "text"}


class _Column(NamedTuple):
    """A column: its name, None of a series; its dtype, in words; what it holds."""

    name: Any
    dtype: str
    holds: str  # "number", or a key of _ADVICE
    values: Any


def check_columns(value: Any, what: str, *, objects: bool = False, texts: bool = False) -> bool:
    """Look at every column of a frame or a series; return whether it is one.

    Parameters
    ----------
    value : object
        Anything; what is neither a frame nor a series is left alone.
    what : str
        The name of the argument in messages.
    objects : bool, default False
        Take columns of Python objects, if these are numbers or missing.
    texts : bool, default False
        Take columns of text, as labels.
    """
    columns = _columns(value, what)
    if columns is None:
        return False
    for column in columns:
        dtype, holds, where = column.dtype, column.holds, ""
        if holds == "object":
            row, found = next(_strangers(column.values), (-1, None))
            if row < 0 and objects:
                continue
            if found is not None and dtype == "object":
                dtype, where = f"{dtype} ({type(found).__name__})", f", {found!r:.40} in row {row}"
            holds = _holds(found)
        if holds == "number" or (texts and holds == "text"):
            continue
        name = what if column.name is None else f"column {column.name!r} of {what}"
        raise TypeError(f"{name} holds {dtype}{where}; expected real numbers: {_ADVICE[holds]}")
    return True


def floats_of(value: Any) -> Any:
    """Return a checked frame or series as float64, NaN where a number is missing."""
    library = _library(value)
    if library == "pandas":
        with np.errstate(all="ignore"):
            return np.asarray(value.to_numpy(dtype=np.float64, na_value=np.nan))
    if library == "polars":
        with np.errstate(all="ignore"):
            return np.asarray(value.to_numpy()).astype(np.float64)
    import pyarrow

    is_table = hasattr(value, "schema")
    columns = value.columns if is_table else [value]
    arrays = [np.asarray(column.cast(pyarrow.float64())) for column in columns]
    return np.column_stack(arrays) if is_table else arrays[0]


def is_nameless(name: str) -> bool:
    """Whether a column has no name, or the one that pandas gives it then."""
    return not name or re.fullmatch(r"Unnamed: \d+", name) is not None


def is_missing(value: Any) -> bool:
    """Whether a value stands for nothing: None, NaN, pandas' NA and NaT."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.floating) and bool(value != value)


def what_it_is(value: Any) -> str:
    """Return what a value is in messages: None, NaN, or its type."""
    return str(value) if is_missing(value) else type(value).__name__


def what_to_do(value: Any) -> str:
    """Return what to do about a value that is no real number."""
    return "drop the row or fill it in" if is_missing(value) else _ADVICE[_holds(value)]


def _strangers(values: Any) -> Iterator[tuple[int, Any]]:
    """Yield the rows, and what is there, of objects that are no real numbers."""
    import decimal  # only with data of this kind

    for row, value in enumerate(values):
        real = isinstance(value, numbers.Real | decimal.Decimal | np.bool_)
        if not real and not is_missing(value):
            yield row, value


def _holds(value: Any) -> str:
    import datetime

    if isinstance(value, str | bytes):
        return "text"
    if isinstance(value, datetime.date | datetime.time):
        return "date"
    if isinstance(value, datetime.timedelta):
        return "duration"
    return "complex" if isinstance(value, complex) else "object"


def _library(value: Any) -> str:
    """Return "pandas", "polars" or "pyarrow" for what is theirs, or derived from theirs."""
    if isinstance(value, np.ndarray | list | tuple):
        return ""
    for base in type(value).__mro__:
        name = base.__module__.partition(".")[0]
        if name in ("pandas", "polars", "pyarrow"):
            return name
    return ""


def _columns(value: Any, what: str) -> list[_Column] | None:
    """Return the columns of a frame, the one of a series, or None for other things."""
    library = _library(value)
    if library == "polars" and hasattr(value, "collect"):
        raise TypeError(f"{what} is a LazyFrame, which holds no data yet: pass {what}.collect()")
    if library == "pyarrow":
        return _of_arrow(value)
    if not library or not hasattr(value, "to_numpy"):
        return None
    of = _of_pandas if library == "pandas" else _of_polars
    if hasattr(value, "columns"):
        # Names need not be unique, so columns are taken by their places.
        at = (lambda k: value.iloc[:, k]) if library == "pandas" else value.to_series
        pairs = enumerate(zip(value.columns, value.dtypes, strict=True))
        return [of(name, dtype, at(k)) for k, (name, dtype) in pairs]
    return [of(None, value.dtype, value)] if hasattr(value, "dtype") else None


def _of_pandas(name: Any, dtype: Any, values: Any) -> _Column:
    words, plain = str(dtype), dtype
    if hasattr(dtype, "categories"):
        plain = dtype.categories.dtype
        words = f"{dtype} of {plain}"
    kind = getattr(plain, "kind", "O")
    holds = _NUMPY_KINDS.get(kind, "object")
    if words.startswith(("period", "interval[datetime")):
        holds = "date"
    elif kind in "biuf":
        holds = "number"
    elif holds == "object":
        from pandas.api import types

        if types.is_numeric_dtype(plain):  # decimals of Arrow
            holds = "number"
        elif not types.is_object_dtype(plain) and types.is_string_dtype(plain):
            holds = "text"
    if holds == "object" and hasattr(dtype, "categories"):
        values = dtype.categories
    return _Column(name, words, holds, values)


def _of_polars(name: Any, dtype: Any, values: Any) -> _Column:
    words = str(dtype)
    root = words.partition("(")[0]
    names = {
        "text": ("String", "Utf8", "Categorical", "Enum"),
        "date": ("Date", "Datetime", "Time"),
    }
    holds = "number" if dtype.is_numeric() or root in ("Boolean", "Null") else "object"
    holds = next((key for key, roots in names.items() if root in roots), holds)
    return _Column(name, words, holds, values)


def _of_arrow(value: Any) -> list[_Column] | None:
    if hasattr(value, "schema") and hasattr(value, "columns"):
        fields = [(field.name, field.type) for field in value.schema]
        parts = zip(fields, value.columns, strict=True)
        return [_Column(name, str(kind), arrow_holds(kind), c) for (name, kind), c in parts]
    if hasattr(value, "type") and hasattr(value, "to_numpy"):
        return [_Column(None, str(value.type), arrow_holds(value.type), value)]
    return None


def arrow_holds(kind: Any) -> str:
    """Return what a type of Arrow holds: "number", "text", "date", "duration" or "object"."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return arrow_holds(kind.value_type)
    names = {
        "number": "integer floating boolean decimal null",
        "text": "string large_string string_view",
        "duration": "duration interval",
        "date": "temporal",
    }
    for holds, some in names.items():
        if any(getattr(types, f"is_{name}")(kind) for name in some.split()):
            return holds
    return "object"
