"""Tables for the command line: read from files, and made into arrays for a network."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._names import nearest

__all__ = ["ENDINGS", "Column", "Table", "read_table"]

_MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})
_DELIMITERS = ",;\t|"
# Of an npz archive: the examples, and the targets beside them.
_X, _Y = "X", "y"

# A column: numbers, NaN where one is missing; or texts, None where one is missing.
Column = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """Columns by name, all of the same length."""

    path: str
    columns: dict[str, Column]
    named: bool  # the columns have names of their own, and not numbers
    raw: dict[str, Column] = field(default_factory=dict)  # numbers as they stand in text

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))

    def column(self, name: str) -> Column:
        """Return a column.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        if name not in self.columns:
            near = nearest(name, self.columns)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(
                f"{self.path} has no column {name!r}{hint} ({self.names()}{self._data()})"
            )
        return self.columns[name]

    def texts(self, name: str) -> Column:
        """Return a column as texts, None where one is missing; numbers as the file has them."""
        column = self.column(name)
        if column.dtype.kind == "O":
            return column
        if name in self.raw:
            return self.raw[name]
        numbers = column.tolist()
        return np.array([None if x != x else _written(x) for x in numbers], object)

    def examples(self) -> dict[str, Column]:
        """Return the columns of the examples: all but the targets of an archive."""
        archive = Path(self.path).suffix.lower() == ".npz"
        return {name: self.columns[name] for name in self.columns if not archive or name != _Y}

    def names(self) -> str:
        """Return the names of the columns, for a sentence."""
        names = list(self.columns)
        shown = ", ".join(names[:20])
        return f"it has {shown}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")

    def _data(self) -> str:
        """Return a half sentence, if the names of the columns may be data."""
        lines = self.named and Path(self.path).suffix.lower() in _TEXT
        if not lines or not any(_is_number(name) for name in self.columns):
            return ""
        return ": if its first line is data and not names, give --no-header"


def _is_number(text: str) -> bool:
    try:
        _as_number(text)
    except ValueError:
        return False
    return True


def _as_number(text: str) -> float:
    if "_" in text:  # Python's own way to group digits
        raise ValueError(f"{text!r} is no number")
    return float(text)


def _written(number: float) -> str:
    return f"{number:.15g}" if isinstance(number, float) else str(number)


def read_table(path: str, *, header: bool = True) -> Table:
    """Read a table by the ending of its name.

    Parameters
    ----------
    path : str
    header : bool, default True
        Whether the first line of text has the names of the columns; else these are 0, 1, ...

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no table.
    ImportError
        If a package that reads it is not installed.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{path} is none of the files that can be read: {', '.join(ENDINGS)}")
    if ending in _TEXT:
        columns, raw = _read_csv(path, header)
        table = Table(path, columns, header, raw)
    else:
        table = Table(path, _READERS[ending](path), ending == ".parquet")
    if not table.columns or not table.rows:
        raise ValueError(f"{path} has no rows")
    return table


# --- Text ---------------------------------------------------------------------------------


def _read_csv(path: str, header: bool) -> tuple[dict[str, Column], dict[str, Column]]:
    """Return the columns, and as texts those that are numbers."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=re.sub('"[^"]*"', "", first).count)
            rows = _records(path, csv.reader(file, delimiter=delimiter, strict=True))
            names = next(rows, [])
            lines = rows if header else chain([names], rows)
            cells = list(zip(*lines, strict=True))
        except UnicodeDecodeError:
            raise ValueError(f"{path} is no text in UTF-8: save it as such") from None
    if not names:
        raise ValueError(f"{path} is empty")
    names = [name.strip() for name in names] if header else [str(j) for j in range(len(names))]
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(
                f"{path} has {'the name ' + repr(name) + ' twice' if name else 'a nameless column'}"
                " in its first line, which holds the names of the columns (--no-header: it is data)"
            )
    if not cells:
        raise ValueError(f"{path} has no rows below the names of its columns")
    # Where semicolons stand between numbers, commas may stand within.
    mark = "," if delimiter == ";" else "."
    texts = {name: _present(column) for name, column in zip(names, cells, strict=True)}
    columns = {name: _from_texts(column, mark) for name, column in texts.items()}
    return columns, {name: texts[name] for name in names if columns[name].dtype.kind != "O"}


def _records(path: str, reader: Any) -> Iterator[list[str]]:
    """Yield the rows that are not empty; all of them have one length."""
    width = None
    try:
        for row in reader:
            if not row:
                continue
            width = width or len(row)
            if len(row) != width:
                raise ValueError(
                    f"{path}, line {reader.line_num}, has {len(row)} fields, and the first has "
                    f"{width}"
                )
            yield row
    except csv.Error as error:
        reason = "a quote is not closed" if "end of data" in str(error) else error
        raise ValueError(
            f"{path}, line {reader.line_num}, is no row of a table: {reason}"
        ) from None


def _present(cells: Sequence[str]) -> Column:
    """Return texts without the spaces around them, None where one is missing."""
    stripped = [cell.strip() for cell in cells]
    return np.array([None if cell.lower() in _MISSING else cell for cell in stripped], object)


def _from_texts(texts: Column, mark: str) -> Column:
    """Return numbers, if all cells that are not missing are numbers, else the texts."""
    for decimal in dict.fromkeys((".", mark)):
        try:
            return np.array(
                [
                    math.nan if cell is None else _as_number(cell.replace(decimal, "."))
                    for cell in texts
                ]
            )
        except ValueError:
            continue
    return texts


# --- Arrays and frames --------------------------------------------------------------------


def _check_readable(path: str) -> None:
    """Say as Python does what hinders it: the readers of formats have words of their own."""
    with open(path, "rb"):
        pass


def _load(path: str) -> Any:
    _check_readable(path)
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:  # an archive
            return {name: loaded[name] if name in (_X, _Y) else None for name in loaded.files}
    except MemoryError:
        raise
    except Exception as error:  # of NumPy, zipfile and zlib
        raise ValueError(f"{path} is no array of numbers: {error}") from None


def _read_npy(path: str) -> dict[str, Column]:
    return _from_matrix(path, _load(path))


def _read_npz(path: str) -> dict[str, Column]:
    archive = _load(path)
    if not isinstance(archive, dict):
        raise ValueError(f"{path} is a single array and no archive: name it .npy")
    if _X not in archive:
        raise ValueError(
            f"{path} has no array {_X}, of rows of numbers; it has {', '.join(archive)}"
        )
    columns = _from_matrix(path, archive[_X])
    if _Y in archive:
        y = archive[_Y]
        if y.shape not in ((len(columns["0"]),), (len(columns["0"]), 1)):
            raise ValueError(f"{path} has {_Y} of shape {y.shape}: wanted is one for each row")
        columns[_Y] = _from_array(f"{_Y} in {path}", y.ravel())
    return columns


def _from_matrix(path: str, matrix: Any) -> dict[str, Column]:
    if isinstance(matrix, dict):
        raise ValueError(f"{path} is an archive of arrays: name it .npz")
    if matrix.ndim != 2 or not matrix.size:
        shape = matrix.shape
        raise ValueError(f"{path} has the shape {shape}: wanted are rows and columns of numbers")
    return {str(j): _from_array(path, matrix[:, j]) for j in range(matrix.shape[1])}


def _from_array(what: str, array: npt.NDArray[Any]) -> Column:
    """Return an array of numbers, in its own dtype, or of texts."""
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind == "U":
        return array.astype(object)
    raise ValueError(f"{what} holds {array.dtype}: wanted are numbers or texts")


def _read_parquet(path: str) -> dict[str, Column]:
    try:
        import pandas
    except ImportError:
        raise ImportError(f"{path} is read by pandas: pip install pandas pyarrow") from None
    _check_readable(path)
    try:
        frame = pandas.read_parquet(path)
    except ImportError:
        raise ImportError(f"{path} is read by pyarrow: pip install pyarrow") from None
    except Exception as error:  # each reader of pandas has its own kinds
        raise ValueError(f"{path} is no parquet file: {error}") from None
    return {str(name): _from_series(frame[name]) for name in frame.columns}


def _from_series(series: Any) -> Column:
    array = series.to_numpy()
    if array.dtype.kind in "biuf":
        return np.asarray(array)
    missing = series.isna().to_numpy()
    if series.dtype.kind in "biuf":  # numbers with holes of pandas' own
        return np.where(missing, math.nan, series.to_numpy(dtype=float, na_value=math.nan))
    texts = [None if hole else str(cell) for cell, hole in zip(array, missing, strict=True)]
    return np.array(texts, object)


_TEXT = (".csv", ".tsv", ".txt")
_READERS = {".npy": _read_npy, ".npz": _read_npz, ".parquet": _read_parquet}
ENDINGS = (*_TEXT, *_READERS)
