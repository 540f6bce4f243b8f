"""Tables in files of NumPy, Parquet and Excel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from swiftbackprop._cli.parser import ARRAYS
from swiftbackprop._cli.table import (
    Reading,
    Table,
    Y,
    marks_of,
    named_columns,
    plain,
    without_marks,
)
from swiftbackprop._net.optional import optional

_X = "X"  # the examples of an npz archive


def _row(row: int) -> str:
    return f"row {row + 1}"


def _load(path: str) -> Any:
    try:
        with open(path, "rb") as file:  # NumPy leaves it open where it fails
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {name: loaded[name] if name in (_X, Y) else None for name in loaded.files}
    except MemoryError:
        raise
    except Exception as error:  # of NumPy, zipfile and zlib
        raise ValueError(f"{path} is not an array of numbers: {error}") from None


def _read_npy(path: str, reading: Reading) -> Table:
    return Table(path, _from_matrix(path, _load(path), reading), False, _row)


def _read_npz(path: str, reading: Reading) -> Table:
    archive = _load(path)
    if not isinstance(archive, dict):
        raise ValueError(f"{path} is a single array and no archive: name it .npy")
    if _X not in archive:
        raise ValueError(
            f"{path} has no array {_X}, of rows of numbers; it has {', '.join(archive)}"
        )
    frame = _from_matrix(path, archive[_X], reading)
    if Y in archive:
        y = archive[Y]
        if y.shape not in ((len(frame),), (len(frame), 1)):
            raise ValueError(
                f"{path} has {Y} of shape {y.shape}: expected one for each row, ({len(frame)},)"
            )
        frame[Y] = _from_array(f"{Y} in {path}", y.ravel(), reading)
    return Table(path, frame, False, _row)


def _from_matrix(path: str, matrix: Any, reading: Reading) -> pandas.DataFrame:
    if isinstance(matrix, dict):
        raise ValueError(f"{path} is an archive of arrays: name it .npz")
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(
            f"{path} has the shape {matrix.shape}: expected rows and columns of numbers, (N, D)"
        )
    columns = {str(j): _from_array(path, matrix[:, j], reading) for j in range(matrix.shape[1])}
    return pandas.DataFrame(columns)


def _from_array(what: str, array: Any, reading: Reading) -> pandas.Series:
    """Return numbers, in their own dtype, or texts."""
    if array.dtype.kind in "biuf":
        return pandas.Series(array)
    if array.dtype.kind == "U":
        return without_marks(pandas.Series(array.astype(object)), marks_of(reading))
    raise ValueError(f"{what} holds {array.dtype}: expected numbers or texts")


def _by_pandas(path: str, package: str, read: Callable[[str], pandas.DataFrame]) -> Any:
    optional(package, f"{path} is read by {package}: pip install {package}")
    try:
        return read(path)
    except ImportError:  # pandas wants another version
        raise
    except Exception as error:  # each reader of pandas has its own kinds
        raise ValueError(f"{path} is not a {Path(path).suffix} file: {error}") from None


def _read_parquet(path: str, reading: Reading) -> Table:
    frame = _by_pandas(path, "pyarrow", pandas.read_parquet)
    names = [str(name) for name in frame.columns]
    return _from_frame(path, frame, names, _row, True, reading)


def _read_excel(path: str, reading: Reading) -> Table:
    def read(name: str) -> Any:
        return pandas.read_excel(name, header=None, dtype=object, na_filter=False)

    frame = _by_pandas(path, "openpyxl", read)
    names = [str(j) for j in range(frame.shape[1])]
    if reading.header and len(frame):
        names = [plain(name).strip() for name in frame.iloc[0]]
        frame = frame.iloc[1:].reset_index(drop=True)
    frame = frame.infer_objects()
    first = 1 + reading.header
    return _from_frame(
        path, frame, names, lambda row: f"row {row + first}", reading.header, reading
    )


def _from_frame(
    path: str,
    frame: pandas.DataFrame,
    names: list[str],
    place: Callable[[int], str],
    named: bool,
    reading: Reading,
) -> Table:
    frame = frame.reset_index(drop=True)
    frame.columns = pandas.RangeIndex(len(names))
    frame = frame.apply(_from_series, marks=marks_of(reading))
    frame, left_out = named_columns(path, frame, names)
    return Table(path, frame, named, place, left_out=left_out)


def _from_series(series: pandas.Series, marks: frozenset[str]) -> pandas.Series:
    """Return numbers, booleans and times as they are, all else as texts."""
    kind = series.dtype.kind
    if kind in "iuf":  # numbers with holes of pandas' own become NaN
        if series.isna().any() or not isinstance(series.dtype, np.dtype):
            return pandas.Series(series.to_numpy(dtype=float, na_value=np.nan))
        return series
    if kind == "M" or (kind == "b" and not series.isna().any()):
        return series.astype(bool) if kind == "b" else series
    texts = series.astype(object).map(plain, na_action="ignore")
    return without_marks(texts.where(series.notna(), np.nan), marks)


READERS = dict(zip(ARRAYS, (_read_npy, _read_npz, _read_parquet, _read_excel), strict=True))
