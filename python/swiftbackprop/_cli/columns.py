"""What a column of a table is: numbers, texts, dates, or nothing to learn from.

A cell that is not a number, in a column of numbers, is an error that names its line: taken as
texts, the column would be ninety categories that mean nothing, without a warning.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas

from swiftbackprop._cli.table import Table, plain

NUMBER, TEXT, DATE = "number", "text", "date"
_NUMBERS = "holds numbers"  # why a cell has to be one, in training
_FEW = 20  # different cells that may be numbers and texts at once: grades, sizes
_MOSTLY = 0.8  # of the cells that are numbers where one that is not is a slip
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|infinity)"
# A number and something about it: a unit, a currency, a per cent sign, digits in groups.
_NEARLY = (
    r"(?!.*\d\.\d{1,2}\.\d)"  # dates, versions and addresses
    r"(?:[^\w\d]|usd|eur|gbp|chf|rs\.?)*\s*[-+\u2212]?[^\w\d]*"
    r"\d[\d.,'\u2019\u00a0\u202f ]*\s*[^\d]{0,12}"
)
_DATES = (
    "ISO8601 | %Y/%m/%d | %Y%m%d | %d.%m.%Y | %d/%m/%Y | %m/%d/%Y | %d-%m-%Y | %m-%d-%Y"
    " | %d/%m/%y | %m/%d/%y | %d.%m.%y | %Y.%m.%d | %b %Y | %B %Y | %b-%Y | %b-%d-%Y | %d %b %Y"
    " | %d-%b-%Y | %d-%b-%y | %b %d %Y | %b %d, %Y | %d %B %Y | %B %d, %Y | %Y/%m/%d %H:%M"
    " | %Y/%m/%d %H:%M:%S | %d.%m.%Y %H:%M | %d/%m/%Y %H:%M | %m/%d/%Y %H:%M | %d/%m/%Y %I:%M %p"
    " | %m/%d/%Y %I:%M %p | %d/%m/%Y %I:%M:%S %p | %m/%d/%Y %I:%M:%S %p | %m/%d/%y %H:%M"
    " | %d.%m.%Y %H:%M:%S | %d/%m/%Y %H:%M:%S | %m/%d/%Y %H:%M:%S | %a %b %d %H:%M:%S %Y"
)
_ID = re.compile(r"(?i:^(?:id|uuid|guid|index|rownames?|row)$|[\W_](?:id|uuid|guid)$)|[a-z]I[Dd]$")


def _parsed(table: Table, name: str) -> tuple[pandas.Series, npt.NDArray[np.bool_]]:
    """Return the numbers in a column of texts, and which cells are present and none."""
    if name not in table.parsed:
        table.parsed[name] = _parse(table, table.frame[name])
    found: tuple[pandas.Series, npt.NDArray[np.bool_]] = table.parsed[name]
    return found


def _parse(table: Table, column: pandas.Series) -> tuple[pandas.Series, npt.NDArray[np.bool_]]:
    if "." in table.decimals and not table.thousands:  # most columns, and much faster
        try:
            numbers = column.astype(float)
            if not any("_" in cell for cell in column.dropna()):  # Python's own way to group
                return numbers, np.zeros(len(column), bool)
        except ValueError:
            pass
    best: tuple[pandas.Series, npt.NDArray[np.bool_]] | None = None
    for mark in table.decimals:
        texts = column
        if table.thousands:
            group = re.escape(table.thousands)
            grouped = rf"[+-]?\d{{1,3}}(?:{group}\d{{3}})+(?:{re.escape(mark)}\d*)?"
            fits = texts.str.fullmatch(grouped).eq(True)
            texts = texts.where(~fits, texts.str.replace(table.thousands, "", regex=False))
        if mark != ".":
            texts = texts.str.replace(".", "?", regex=False).str.replace(mark, ".", regex=False)
        fits = texts.str.fullmatch(_NUMBER, flags=re.IGNORECASE | re.ASCII).eq(True)
        odd = (column.notna() & ~fits).to_numpy(bool)
        if best is None or odd.sum() < best[1].sum():
            best = texts.where(fits, np.nan).astype(float), odd
    assert best is not None
    return best


def as_numbers(table: Table, name: str, why: str = _NUMBERS) -> pandas.Series:
    """Return a column as numbers, NaN where one is missing; an error names the first odd cell."""
    column = table.column(name)
    if column.dtype.kind == "M":
        raise ValueError(f"column {name!r} {why}, and in {table.path} it holds dates")
    if column.dtype != object:
        numbers, odd = column.astype(float), np.zeros(0, bool)
    else:
        numbers, odd = _parsed(table, name)
    if odd.any():
        raise ValueError(_odd(table, name, odd, why))
    infinite = np.isinf(numbers.to_numpy())
    if infinite.any():
        place = table.place(int(np.argmax(infinite)))
        raise ValueError(
            f"column {name!r} contains infinity: {table.path}, {place}; leave the cell empty if "
            "the number is missing"
        )
    return numbers


def _odd(table: Table, name: str, odd: npt.NDArray[np.bool_], why: str) -> str:
    """Return the message for cells that are not numbers."""
    row, count = int(np.argmax(odd)), int(odd.sum())
    cell = table.column(name)[row]
    others = f", and {count - 1} more such cells" if count > 1 else ""
    unit = row == 0 and count == 1 and table.named and not re.search(r"\d", cell)
    if unit:
        do = "if that is a line of units, take it out"
    elif re.fullmatch(_NEARLY, cell, re.IGNORECASE) is None:
        do = f"if that stands for a missing number, give --missing={cell}"
    elif re.fullmatch(r"[^\d]*\d{1,3}(,\d{3})+(\.\d*)?[^\d]*", cell):
        do = "write it without the marks between its digits, or give --thousands , or --decimal ,"
    elif "," in cell:
        do = "write it with a decimal point, or give --decimal ,"
    else:
        do = "write the number alone, with - as its sign, and the unit in the column's name"
    sentence = f"{table.path}, {table.place(row)}: column {name!r} {why}, but here {cell!r}{others}"
    if why != _NUMBERS:  # a model knows its columns
        return f"{sentence}; {do}"
    return (
        f"{sentence}; {do} (--text {name}: each text is a category; --drop {name}: leave the "
        "column out)"
    )


def as_texts(table: Table, name: str) -> pandas.Series:
    """Return a column as texts, NaN where one is missing."""
    column = table.column(name)
    if column.dtype == object:
        return column
    return column.astype(object).map(plain, na_action="ignore").where(column.notna(), np.nan)


def as_days(table: Table, name: str, form: str) -> pandas.Series:
    """Return a column of dates as days since 1970, NaN where one is missing."""
    column = table.column(name)
    if column.dtype.kind != "M":
        times = _times(as_texts(table, name), form)
        lost = times.isna() & column.notna()
        if lost.any():
            row = int(np.argmax(lost.to_numpy()))
            raise ValueError(
                f"{table.path}, {table.place(row)}: column {name!r} holds dates such as "
                f"{_example(form)}, but here {column[row]!r}"
            )
    else:
        times = pandas.to_datetime(column, utc=True)
    return (times - pandas.Timestamp(0, tz="UTC")) / pandas.Timedelta(days=1)


def _times(texts: pandas.Series, form: str) -> pandas.Series:
    return pandas.to_datetime(texts, format=form, errors="coerce", utc=True)


def _example(form: str) -> str:
    day = pandas.Timestamp(2024, 12, 31, 23, 59)
    return str(day.strftime("%Y-%m-%d" if form == "ISO8601" else form))


def kind_of(table: Table, name: str, texts: bool = False) -> tuple[str, str]:
    """Return what a column is, and of dates their form; `texts`: it is to be no number.

    A column of numbers of which a few cells are none is refused.
    """
    column = table.column(name)
    if texts:
        return TEXT, ""
    if column.dtype.kind == "M":
        return DATE, "ISO8601"
    if column.dtype.kind == "b":
        return TEXT, ""
    if column.dtype != object:
        return NUMBER, ""
    present = column.dropna()
    if present.empty:
        return TEXT, ""
    _, odd = _parsed(table, name)
    if not odd.any():
        compact = re.compile(r"(?:19|20)\d{6}").fullmatch
        if all(map(compact, present)) and _times(present, "%Y%m%d").notna().all():
            return DATE, "%Y%m%d"
        # 01 is no 1, but the name of a month or a place.
        return (TEXT if any(map(re.compile(r"0\d+").fullmatch, present)) else NUMBER), ""
    nearly = column.str.fullmatch(_NEARLY, flags=re.IGNORECASE).eq(True).to_numpy(bool)
    forms = _forms(present)
    if len(forms) == 1:
        return DATE, forms[0]
    if forms:
        table.notes.append(
            f"column {name!r} may hold dates with the day or the month first, such as "
            f"{present.iloc[0]!r}, and is taken as texts: write {_example('ISO8601')}"
        )
    several = present.nunique() > _FEW
    if several and (nearly | ~odd)[column.notna()].mean() >= _MOSTLY:
        raise ValueError(_odd(table, name, odd, _NUMBERS))
    plain_numbers = int((~odd & column.notna()).sum())
    if plain_numbers > len(present) / 2:
        row = int(np.argmax(odd))
        table.notes.append(
            f"column {name!r} is taken as texts, though most of its cells are numbers: "
            f"{table.place(row)} has {column[row]!r}"
        )
    return TEXT, ""


def _forms(present: pandas.Series) -> list[str]:
    """Return the form of all these dates; two if these read them differently; none of others."""
    if not present.iloc[:20].str.contains(r"\d").all():
        return []
    fitting = [
        form
        for form in _DATES.split(" | ")
        if _times(present.iloc[:20], form).notna().all() and _times(present, form).notna().all()
    ]
    same = len(fitting) < 2 or _times(present, fitting[0]).equals(_times(present, fitting[1]))
    return fitting[:1] if same else fitting[:2]


def why_none(name: str, column: pandas.Series, kind: str, train: npt.NDArray[Any]) -> str:
    """Return why there is nothing to learn from a column; nothing if there is."""
    seen = column[train]
    present = seen.dropna()
    if column.isna().all():
        return "has no cells"
    if present.empty:
        return "has no cells in the rows to train on"
    if present.nunique() == 1 and (kind != TEXT or not seen.isna().any()):
        return f"is {plain(present.iloc[0])} in every row"
    values = column.dropna()
    every = len(values) == len(column) and values.is_unique
    if kind == NUMBER:
        steps = np.diff(values) if every and (values % 1 == 0).all() else np.zeros(1)
        counts = len(values) > 2 and bool((steps == 1).all()) and values.iloc[0] in (0, 1)
        if counts or (_ID.search(name) and steps.all() and every and (values % 1 == 0).all()):
            return "identifies rows: each has a number of its own"
    if kind == TEXT and values.nunique() > max(_FEW, len(values) / 2):
        several = f"{values.nunique()} different texts in {len(values)} rows"
        return "identifies rows: each has a text of its own" if every else f"has {several}"
    return ""
