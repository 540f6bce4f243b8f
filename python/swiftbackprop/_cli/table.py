"""Tables for the command line: files of several kinds, read by pandas into one form.

Text is read as text: `columns` decides column by column what is a number, while the line of
each cell is still known.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from swiftbackprop._cli.parser import TEXT, ending_of
from swiftbackprop._net.checks import listed
from swiftbackprop._net.frames import is_nameless
from swiftbackprop._net.names import nearest

# What people and programs write where a number is missing, in lower case: pandas' own list,
# and those of spreadsheets, SAS, Eurostat and R.
_MARKS = """
#n/a #na -1.#ind -1.#qnan -nan 1.#ind 1.#qnan <na> n/a na null nan none nat nil nd
- -- --- – — . .. ... : ? n.a. n.a n.d. n/d missing (null)
#div/0! #value! #ref! #name? #num! #null!
"""
_MISSING = frozenset(_MARKS.split()) | {"", "#n/a n/a"}
Y = "y"  # the targets of an npz archive


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
        """Return a column, or say which there are."""
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
        return [name for name in self.frame if not archive or name != Y]

    def names(self) -> str:
        """Return the names of the columns, for a sentence."""
        return f"it has {listed(self.frame, 20)}"

    def _data(self) -> str:
        """Return a half sentence, if the names of the columns may be data."""
        numbers = [name for name in self.frame if re.fullmatch(r"[-+]?\d*\.?\d+", name)]
        if not numbers or not self.named or ending_of(self.path) not in TEXT:
            return ""
        return ": if its first line is data and not names, give --no-header"


def plain(value: object) -> str:
    """Return a value as the text that stands for it in a table: 3 for 3.0."""
    return f"{value:.15g}" if isinstance(value, float | np.floating) else str(value)


def without_marks(column: pandas.Series, missing: frozenset[str]) -> pandas.Series:
    """Return texts without the spaces around them, NaN where one is missing."""
    texts = [cell.strip() if isinstance(cell, str) else "" for cell in column.tolist()]
    cells = [np.nan if text.lower() in missing else text for text in texts]
    return pandas.Series(cells, dtype=object)


def marks_of(reading: Reading) -> frozenset[str]:
    return _MISSING | {mark.strip().lower() for mark in reading.missing}


def named_columns(
    path: str, frame: pandas.DataFrame, names: list[str]
) -> tuple[pandas.DataFrame, dict[str, str]]:
    """Give columns their names; leave out those without: names of rows, and empty ones."""
    left_out: dict[str, str] = {}
    keep = []
    for j, name in enumerate(names):
        nameless = is_nameless(name)
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
