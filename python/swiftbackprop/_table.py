"""Tables for the command line: read from files, and made into arrays for a network."""

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
            raise ValueError(f"{self.path} has no column {name!r}{hint} ({self.names()})")
        return self.columns[name]

    def names(self) -> str:
        """Return the names of the columns, for a sentence."""
        names = list(self.columns)
        shown = ", ".join(names[:20])
        return f"it has {shown}" + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def read_table(path: str) -> Table:
    """Read a table by the ending of its name.

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
    if ending not in _READERS:
        raise ValueError(f"{path} is none of the files that can be read: {', '.join(_READERS)}")
    table = Table(path, _READERS[ending](path))
    if not table.columns or not table.rows:
        raise ValueError(f"{path} has no rows")
    return table


# --- Text ---------------------------------------------------------------------------------


def _read_csv(path: str) -> dict[str, Column]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        try:
            first = file.readline()
            file.seek(0)
            delimiter = max(_DELIMITERS, key=first.count)
            rows = _records(path, csv.reader(file, delimiter=delimiter, strict=True))
            names = [name.strip() for name in next(rows, [])]
            cells = list(zip(*rows, strict=True))
        except UnicodeDecodeError:
            raise ValueError(f"{path} is no text in UTF-8") from None
        except csv.Error as error:
            raise ValueError(f"{path} is no table of text: {error}") from None
    for name in names:
        if not name or names.count(name) > 1:
            raise ValueError(
                f"{path} has {'the name ' + repr(name) + ' twice' if name else 'a nameless column'}"
                " in its first line, which holds the names of the columns"
            )
    if not cells:
        raise ValueError(f"{path} has no rows below the names of its columns")
    return {name: _from_texts(column) for name, column in zip(names, cells, strict=True)}


def _records(path: str, reader: Any) -> Iterator[list[str]]:
    """Yield the rows that are not empty; all of them have one length."""
    width = None
    for row in reader:
        if not row:
            continue
        width = width or len(row)
        if len(row) != width:
            raise ValueError(
                f"{path}, line {reader.line_num}, has {len(row)} fields, and the first has {width}"
            )
        yield row


def _from_texts(cells: Sequence[str]) -> Column:
    """Return numbers, if all cells that are not missing are numbers, else texts."""
    stripped = [cell.strip() for cell in cells]
    present = [None if cell.lower() in _MISSING else cell for cell in stripped]
    try:
        numbers = np.array([math.nan if cell is None else float(cell) for cell in present])
    except ValueError:
        return np.array(present, object)
    return numbers


# --- Arrays and frames --------------------------------------------------------------------


def _load(path: str) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path} is no array of numbers: {error}") from None


def _read_npy(path: str) -> dict[str, Column]:
    return _from_matrix(path, _load(path))


def _read_npz(path: str) -> dict[str, Column]:
    with _load(path) as archive:
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
    if getattr(matrix, "ndim", 0) != 2 or not matrix.size:
        shape = getattr(matrix, "shape", "of no array")
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
    with open(path, "rb"):  # says as Python does what hinders it
        pass
    try:
        frame = pandas.read_parquet(path)
    except ImportError:
        raise ImportError(f"{path} is read by pyarrow: pip install pyarrow") from None
    except Exception as error:  # each reader of pandas has its own kinds
        raise ValueError(f"{path} is no parquet file: {error}") from None
    return {str(name): _from_series(str(name), frame[name]) for name in frame.columns}


def _from_series(name: str, series: Any) -> Column:
    array = series.to_numpy()
    if array.dtype.kind in "biuf":
        return np.asarray(array)
    missing = series.isna().to_numpy()
    if series.dtype.kind in "biuf":  # numbers with holes of pandas' own
        return np.where(missing, math.nan, series.to_numpy(dtype=float, na_value=math.nan))
    if series.dtype.kind not in "OU" and not hasattr(series, "cat"):
        raise ValueError(f"column {name!r} holds {series.dtype}: wanted are numbers or texts")
    texts = [None if hole else str(cell) for cell, hole in zip(array, missing, strict=True)]
    return np.array(texts, object)


_READERS = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".txt": _read_csv,
    ".npy": _read_npy,
    ".npz": _read_npz,
    ".parquet": _read_parquet,
}
ENDINGS = tuple(_READERS)
