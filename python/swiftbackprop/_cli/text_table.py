"""Tables in text."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas

from swiftbackprop._cli.table import Reading, Table, marks_of, named_columns, without_marks

_DELIMITERS = "\t;|,"  # in this order: a comma may stand within a number
_SAMPLE = 200  # lines that tell the delimiter


def read_text(path: str, reading: Reading) -> Table:
    text, encoding = _decode(path, _bytes_of(path), reading.encoding)
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
    marks = marks_of(reading)
    frame = frame.apply(without_marks, missing=marks)
    frame, left_out = named_columns(path, frame, names)

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


def _bytes_of(path: str) -> bytes:
    raw = Path(path).read_bytes()
    if not path.lower().endswith(".gz"):
        return raw
    import gzip
    import zlib

    try:
        return gzip.decompress(raw)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not read: it is no gzip file, or damaged ({error})") from None


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
                title = ""
                if len(head) == 1 < len(cells):
                    title = "; if a title stands above the names of the columns, take it out"
                raise ValueError(
                    f"{path}, line {line}, has {len(cells)} fields, and the first has "
                    f"{wanted}{title}"
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
