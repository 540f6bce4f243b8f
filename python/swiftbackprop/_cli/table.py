"""Tables for the command line: files of several kinds, read by pandas into one form.

Text is read as text: `_columns` decides column by column what is a number, while the line of
each cell is still known.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from swiftbackprop._cli.parser import ARRAYS, ENDINGS, TEXT
from swiftbackprop._net.checks import listed
from swiftbackprop._net.names import nearest
from swiftbackprop._net.optional import optional

__all__ = ["Reading", "Table", "plain", "read_table"]

# What people and programs write where a number is missing, in lower case: pandas' own list,
# and those of spreadsheets, SAS, Eurostat and R.
_MARKS = """
#n/a #na -1.#ind -1.#qnan -nan 1.#ind 1.#qnan <na> n/a na null nan none nat nil nd
- -- --- – — . .. ... : ? n.a. n.a n.d. n/d missing (null)
#div/0! #value! #ref! #name? #num! #null!
"""
_MISSING = frozenset(_MARKS.split()) | {"", "#n/a n/a"}
_DELIMITERS = "\t;|,"  # in this order: a comma may stand within a number
_SAMPLE = 200  # lines that tell the delimiter
# Of an npz archive: the examples, and the targets beside them.
_X, _Y = "X", "y"


@dataclass(frozen=True)
class Reading:
    """What a user says of a file; None where it is found out."""

    header: bool = True
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Table:
    """A frame whose columns are numbers, booleans, times or str, NaN where a text is missing."""

    path: str
    frame: pandas.DataFrame
    named: bool  # the columns have names of their own, and not numbers
    place: Callable[[int], str]  # where a row stands in the file, for a sentence
    decimals: tuple[str, ...] = (".",)  # marks that may stand in a number
    thousands: str | None = None
    left_out: dict[str, str] = field(default_factory=dict)  # why, by what it is called
    notes: list[str] = field(default_factory=list)
    parsed: dict[str, Any] = field(default_factory=dict)  # by `_columns`, which asks often

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.frame)

    def column(self, name: str) -> pandas.Series:
        """Return a column.

        Raises
        ------
        ValueError
            If there is none of that name.
        """
        if name not in self.frame:
            near = nearest(name, self.frame.columns)
            hint = f"; did you mean {near!r}?" if near else ""
            raise ValueError(
                f"{self.path} has no column {name!r}{hint} ({self.names()}{self._data()})"
            )
        return self.frame[name]

    def examples(self) -> list[str]:
        """Return the columns of the examples: all but the targets of an archive."""
        archive = Path(self.path).suffix.lower() == ".npz"
        return [name for name in self.frame if not archive or name != _Y]

    def names(self) -> str:
        """Return the names of the columns, for a sentence."""
        return f"it has {listed(self.frame, 20)}"

    def _data(self) -> str:
        """Return a half sentence, if the names of the columns may be data."""
        numbers = [name for name in self.frame if re.fullmatch(r"[-+]?\d*\.?\d+", name)]
        if not numbers or not self.named or Path(self.path).suffix.lower() not in TEXT:
            return ""
        return ": if its first line is data and not names, give --no-header"


def read_table(path: str, reading: Reading) -> Table:
    """Read a table by the ending of its name.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not a table.
    ImportError
        If a package that reads it is not installed.
    """
    ending = Path(path).suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"{path} cannot be read: its name must end in one of {', '.join(ENDINGS)}")
    with open(path, "rb"):  # raises Python's own OSError, not a package's
        pass
    table = (_read_text if ending in TEXT else _READERS[ending])(path, reading)
    if not table.rows or not len(table.frame.columns):
        raise ValueError(f"{path} has no rows")
    return table


def _row(row: int) -> str:
    return f"row {row + 1}"


def plain(value: object) -> str:
    """Return a value as the text that stands for it in a table: 3 for 3.0."""
    return f"{value:.15g}" if isinstance(value, float | np.floating) else str(value)


def _without_marks(column: pandas.Series, missing: frozenset[str]) -> pandas.Series:
    """Return texts without the spaces around them, NaN where one is missing."""
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in column.tolist()]
    cells = [np.nan if text.lower() in missing else text for text in texts]
    return pandas.Series(cells, dtype=object)


def _marks(reading: Reading) -> frozenset[str]:
    return _MISSING | {mark.strip().lower() for mark in reading.missing}


# --- Text ---------------------------------------------------------------------------------


def _read_text(path: str, reading: Reading) -> Table:
    text, encoding = _decode(path, Path(path).read_bytes(), reading.encoding)
    if not text.strip():
        raise ValueError(f"{path} is empty")
    text, skipped = _without_comments(text, reading)
    delimiter = reading.delimiter or _delimiter(text)
    if delimiter != "\t":  # as padding: neither csv nor pandas takes it for a space
        text = text.replace("\t", " ")
    if delimiter == " ":
        text = "\n".join(line.strip() for line in text.splitlines())

    def lines() -> Any:
        return csv.reader(io.StringIO(text, ""), delimiter=delimiter, skipinitialspace=True)

    head, width, ends = _shape(path, lines(), skipped)
    names = [name.strip() for name in head] if reading.header else [str(j) for j in range(width)]
    if len(names) < width:
        # R writes the names of rows without a name above them; others end lines with a comma.
        names = [*names, ""] if ends else ["", *names]
    frame = _parse(path, text, delimiter, reading.header, [str(j) for j in range(width)])
    if frame.empty:
        raise ValueError(f"{path} has no rows below the names of its columns")
    marks = _marks(reading)
    frame = frame.apply(_without_marks, missing=marks)
    frame, left_out = _named(path, frame, names)

    def place(row: int) -> str:
        reader = lines()
        records = (reader.line_num for cells in reader if not _is_blank(cells))
        places = [next(records) for _ in range(row + 1 + reading.header)]
        return f"line {places[-1] + skipped}"

    notes = [] if encoding is None else [f"{path} is not UTF-8, and was read as {encoding}"]
    if skipped:
        notes.append(f"{path} begins with comments, up to line {skipped}")
    if delimiter == " " and not reading.delimiter:
        notes.append(f"the columns of {path} are taken as separated by spaces")
    decimals = (reading.decimal,) if reading.decimal else (".", ",") if delimiter == ";" else (".",)
    return Table(path, frame, reading.header, place, decimals, reading.thousands, left_out, notes)


def _decode(path: str, raw: bytes, encoding: str | None) -> tuple[str, str | None]:
    """Return the text of a file, and its encoding where that had to be guessed."""
    utf_16 = raw.startswith((b"\xff\xfe", b"\xfe\xff"))
    wanted = encoding or ("utf-16" if utf_16 else "utf-8-sig")
    guessed = None
    try:
        text = raw.decode(wanted)
    except LookupError:
        raise ValueError(f"--encoding {encoding}: Python knows no encoding of that name") from None
    except UnicodeError as error:
        if encoding or utf_16:
            raise ValueError(f"{path} cannot be read as {wanted}: {error}") from None
        # Every byte has a meaning in Latin-1, which is what is left of Windows' own.
        guessed = "Windows-1252; --encoding says otherwise"
        try:
            text = raw.decode("cp1252")
        except UnicodeError:
            text, guessed = raw.decode("latin-1"), "Latin-1; --encoding says otherwise"
    if "\0" in text:
        raise ValueError(f"{path} is not a text file: it holds zero bytes")
    return text, guessed


def _without_comments(text: str, reading: Reading) -> tuple[str, int]:
    """Take lines with # off the beginning, but the names of the columns; return how many."""
    lines = text.splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if line.strip() and line[0] != "#"), 0)
    if not text.startswith("#") or not first:
        return text, 0
    rest = "".join(lines[first:])
    delimiter = reading.delimiter or _delimiter(rest)
    names = lines[first - 1].lstrip("# ")

    def width(line: str) -> int:
        return len(next(csv.reader([line.strip()], delimiter=delimiter, skipinitialspace=True), []))

    if reading.header and width(names) == width(lines[first]):  # as NumPy's savetxt writes them
        return names + rest, first - 1
    return rest, first


def _is_blank(cells: Sequence[str]) -> bool:
    return not cells or (len(cells) == 1 and not cells[0].strip())


def _delimiter(text: str) -> str:
    """Return what stands between the columns: what cuts all lines into as many cells."""
    lines = text[: 1 << 20].splitlines()[:_SAMPLE]
    lines = [line for line in lines if line.strip()]
    for delimiter in _DELIMITERS:
        others = _DELIMITERS.replace(delimiter, "")
        records = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
        if _is_even(records) and not any(
            cell.strip().strip("\"'")[:1] in set(others) or cell.strip()[-1:] in set(others)
            for cells in records[1:2] + records[:1]
            for cell in cells
            if cell.strip()
        ):
            return delimiter
    spaced = [line.replace("\t", " ").strip() for line in lines]
    first = re.sub('"[^"]*"', "", lines[0])
    if not any(mark in first for mark in _DELIMITERS) and _is_even(
        list(csv.reader(spaced, delimiter=" ", skipinitialspace=True))
    ):
        return " "
    return max(",;\t|", key=first.count)


def _is_even(records: list[list[str]]) -> bool:
    """Return whether all lines have as many cells, more than one; the first may lack one."""
    widths = {len(cells) for cells in records[1:]} or {len(records[0])}
    width = widths.pop()
    return not widths and width > 1 < len(records[0]) and width - len(records[0]) in (0, 1)


def _shape(path: str, reader: Any, skipped: int) -> tuple[list[str], int, bool]:
    """Return the first line, how many cells the others have, and whether all last are empty."""
    head: list[str] = []
    width, ends = 0, True
    try:
        for cells in reader:
            if _is_blank(cells):
                continue
            if not head:
                head = cells
                continue
            width = width or len(cells)
            if len(cells) != width or width - len(head) not in (0, 1):
                wanted = len(head) if width - len(head) not in (0, 1) else width
                line = reader.line_num + skipped
                raise ValueError(
                    f"{path}, line {line}, has {len(cells)} fields, and the first has {wanted}"
                )
            ends = ends and not cells[-1].strip()
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {reader.line_num + skipped}, is not a row of a table: {error}"
        ) from None
    return head, width or len(head), ends


def _parse(
    path: str, text: str, delimiter: str, header: bool, names: list[str]
) -> pandas.DataFrame:
    try:
        return pandas.read_csv(
            io.StringIO(text, ""),
            sep=r"\s+" if delimiter == " " else delimiter,
            header=0 if header else None,
            names=names,
            index_col=False,
            dtype=object,
            na_filter=False,
            skipinitialspace=True,
        )
    except pandas.errors.EmptyDataError:
        raise ValueError(f"{path} is empty") from None
    except pandas.errors.ParserError as error:
        unclosed = "EOF inside string" in str(error)
        reason = "a quote is not closed" if unclosed else error
        raise ValueError(f"{path} is not a table: {reason}") from None


def _named(
    path: str, frame: pandas.DataFrame, names: list[str]
) -> tuple[pandas.DataFrame, dict[str, str]]:
    """Give columns their names; leave out those without: names of rows, and empty ones."""
    left_out: dict[str, str] = {}
    keep = []
    for j, name in enumerate(names):
        nameless = not name or re.fullmatch(r"Unnamed: \d+", name)
        if nameless and frame.iloc[:, j].isna().all():
            left_out[f"column {j + 1}"] = "has no name and no cells"
        elif nameless and j == 0:
            left_out["the first column"] = "has no name: the index, or the names of rows"
        elif nameless or names.count(name) > 1:
            what = "a nameless column" if nameless else f"the name {name!r} twice"
            raise ValueError(
                f"{path} has {what} in its first line, which holds the names of the columns "
                "(--no-header: it is data)"
            )
        else:
            keep.append(j)
    frame = frame.iloc[:, keep]
    frame.columns = pandas.Index([names[j] for j in keep], dtype=object)
    return frame, left_out


# --- Arrays and frames --------------------------------------------------------------------


def _load(path: str) -> Any:
    try:
        with open(path, "rb") as file:  # NumPy leaves it open where it fails
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return loaded
            return {name: loaded[name] if name in (_X, _Y) else None for name in loaded.files}
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
    if _Y in archive:
        y = archive[_Y]
        if y.shape not in ((len(frame),), (len(frame), 1)):
            raise ValueError(
                f"{path} has {_Y} of shape {y.shape}: expected one for each row, ({len(frame)},)"
            )
        frame[_Y] = _from_array(f"{_Y} in {path}", y.ravel(), reading)
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
        return _without_marks(pandas.Series(array.astype(object)), _marks(reading))
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
    frame = frame.apply(_from_series, marks=_marks(reading))
    frame, left_out = _named(path, frame, names)
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
    return _without_marks(texts.where(series.notna(), np.nan), marks)


_READERS = dict(zip(ARRAYS, (_read_npy, _read_npz, _read_parquet, _read_excel), strict=True))
