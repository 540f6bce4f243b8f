"""Which columns of a table are X, y and weights, and how its rows become arrays."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import got, listed
from swiftbackprop._net.frames import is_nameless
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._columns import Columns, column_dtype, holds, numbers_of, texts_of
from swiftbackprop.data._find import DECIMAL_COMMAS, NOT_UTF8, delimited
from swiftbackprop.data._source import Block

Types = Mapping[str, Any]  # of the columns: Arrow's


def _types_of(schema: Any) -> Types:
    return dict(zip(schema.names, schema.types, strict=True))


def _row_names(schema: Any) -> set[str]:
    """Return the columns that name rows: the index of a frame, or a first one without a name."""
    stored = (schema.pandas_metadata or {}).get("index_columns", ())
    found = {name for name in stored if isinstance(name, str)}
    found.update(name for name in schema.names[:1] if is_nameless(name))
    found.update(name for name in schema.names if re.fullmatch(r"__index_level_\d+__", name))
    return found


class Table:
    """Columns by their roles.

    Parameters
    ----------
    schema : pyarrow.Schema
        The columns of the first file.
    file : str
        That file, for messages.
    target : str, sequence of str or None
    sample_weight : str or None
    features : sequence of str or None
        The columns of X; None for all others that do not name rows, or those that
        `transform` was fitted with.
    transform : object with ``transform``, callable or None
    """

    def __init__(
        self,
        schema: Any,
        file: str,
        target: str | Sequence[str] | None,
        sample_weight: str | None,
        features: Sequence[str] | None,
        transform: Any,
    ) -> None:
        types, rows = _types_of(schema), _row_names(schema)
        self.first_file, self.types, self.transform = file, types, transform
        self.targets = _names(target, "target")
        self.is_single = len(self.targets) == 1
        self.weight = sample_weight
        if sample_weight is not None and not isinstance(sample_weight, str):
            raise TypeError(f"sample_weight must be the name of a column, got {got(sample_weight)}")
        roles = [*self.targets, *filter(None, [self.weight])]
        names = getattr(transform, "feature_names_in_", None)
        self.as_frame = names is not None
        self.is_closed = features is None and names is None
        if features is not None:
            self.features = _names(features, "features")
        elif names is not None:
            self.features = tuple(map(str, names))
        else:
            self.features = tuple(name for name in types if name not in (*roles, *rows))
        #: Whether to read an index that is asked for as a column, which pandas would not.
        self.has_index = not rows.isdisjoint(self.features)
        twice = set(roles) & set(self.features)
        if twice:
            raise ValueError(f"column {min(twice)!r} is among the features and a target or weight")
        self.wanted = [*self.features, *roles]
        missing = [name for name in self.wanted if name not in self.types]
        if missing:
            raise absent(missing, list(self.types), file)
        if not self.features:
            raise ValueError(f"{file} has no column left for X; it has {listed(self.types, 20)}")
        for name in self.features:
            if transform is None:
                self._need_number(name, "give transform=, or leave it out of features=[...]")
            self.as_frame = self.as_frame or holds(self.types[name]) != "number"
        self.common = np.result_type(*[column_dtype(types[name]) for name in self.features])
        self.target_is_text = self.is_single and holds(self.types[self.targets[0]]) == "text"
        if not self.target_is_text:
            for name in self.targets:
                self._need_number(name, "a target is numbers, or one column of labels of text")
        if self.weight is not None:
            self._need_number(self.weight, "weights are numbers")

    def _need_number(self, name: str, advice: str) -> None:
        if holds(self.types[name]) != "number":
            is_csv = ".csv" in self.first_file.lower() or ".tsv" in self.first_file.lower()
            if str(self.types[name]) == "binary" and is_csv:
                advice = f"its text {NOT_UTF8}"
            elif is_csv and holds(self.types[name]) == "text":
                advice += DECIMAL_COMMAS
            raise TypeError(
                f"column {name!r} of {self.first_file} holds {self.types[name]}; expected real "
                f"numbers: {advice}"
            )

    def check(self, schema: Any, constants: Types, file: str) -> None:
        """Compare the columns of another file, and those in its path, with those of the first."""
        types = {**_types_of(schema), **constants}
        missing = [name for name in self.wanted if name not in types]
        if missing:
            error = absent(missing, list(types), file)
            raise ValueError(f"{error}: the columns changed after {self.first_file}")
        if self.is_closed:
            known = (*self.types, *_row_names(schema))
            more = [name for name in types if name not in known]
            if more:
                raise ValueError(
                    f"{file} has the column {more[0]!r}, which {self.first_file} has not: name the "
                    "columns of X by features=[...]"
                )
        for name in self.wanted:
            one, other = self.types[name], types[name]
            if holds(one) != holds(other) and "null" not in (str(one), str(other)):
                raise ValueError(
                    f"column {name!r} of {file} holds {other}, and {one} in {self.first_file}: "
                    "every file needs the same columns"
                )

    def dtype(self, demand: Demand) -> np.dtype[Any]:
        """Return the dtype of X."""
        common = self.common
        if demand.keeps_integers and common.kind in "biu":
            return common
        return demand.dtype or np.result_type(common, np.float32)

    def block(self, batch: Any, file: str, first: int, demand: Demand) -> Block:
        """Return rows of a table, all of whose columns are there, as arrays."""
        y, weights = self.target_of(batch, file, first, demand), None
        if self.weight is not None:
            with _in_column(file, self.weight, first):
                weights = numbers_of(batch.column(self.weight))
        target = ", ".join(self.targets)
        X: Columns | FloatArray
        if self.transform is None:
            names, X = self.features, self._features(batch, file, first, self.dtype(demand))
        else:  # its columns have other meanings
            given = self._given(batch, file, first)
            names, X = (), transformed(self.transform, given, batch.num_rows, file, first)
        return Block(X, y, weights, file, first, names, target, self.weight or "")

    def target_of(self, batch: Any, file: str, first: int, demand: Demand) -> FloatArray | None:
        """Return the targets in rows of a table."""
        if not self.targets:
            return None
        columns = []
        for name in self.targets:
            with _in_column(file, name, first):
                column = batch.column(name)
                if self.target_is_text:
                    return texts_of(column, demand.classes)
                columns.append(numbers_of(column))
        if self.is_single:
            return columns[0]
        return Columns(columns, np.result_type(*columns)).array()

    def _features(self, batch: Any, file: str, first: int, dtype: np.dtype[Any]) -> Columns:
        columns = []
        for name in self.features:
            with _in_column(file, name, first):
                columns.append(numbers_of(batch.column(name)))
        if dtype.kind != "f" and any(column.dtype.kind == "f" for column in columns):
            dtype = np.dtype(np.float64)  # a number is missing, which `check_finite` will say
        return Columns(columns, dtype)

    def _given(self, batch: Any, file: str, first: int) -> Any:
        """Return what a transform gets: a frame, or numbers alone."""
        if not self.as_frame:
            return self._features(batch, file, first, self.dtype(Demand())).array()
        part = batch.select(list(self.features))
        return part.to_pandas(ignore_metadata=self.has_index)


def transformed(transform: Any, given: Any, rows: int, file: str, first: int) -> FloatArray:
    """Return what a transform makes of some rows, as an array [rows, columns]."""
    try:
        made = transform.transform(given) if hasattr(transform, "transform") else transform(given)
        made = made.toarray() if hasattr(made, "toarray") else made
        X = as_data(made, "what the transform returned")
    except Exception as error:
        if type(error) in (ValueError, TypeError) and len(error.args) == 1:
            error.args = (f"{file}, rows {first} to {first + rows - 1}: {error}",)
        else:
            error.add_note(f"in rows {first} to {first + rows - 1} of {file}")
        raise
    if X.ndim != 2 or len(X) != rows:
        raise ValueError(
            f"the transform made an array of shape {X.shape} of {rows} rows; expected ({rows}, "
            "number of columns)"
        )
    return X


def absent(missing: Sequence[str], known: Sequence[str], file: str) -> ValueError:
    """Return the error for columns that a file has not."""
    many = "columns" if len(missing) > 1 else "column"
    return ValueError(
        f"{file} has no {many} {listed(map(repr, missing), 5)}; it has "
        f"{listed(map(repr, known), 20)}{delimited(known)}"
    )


def _names(given: Any, what: str) -> tuple[str, ...]:
    if given is not None and not isinstance(given, Iterable):
        raise TypeError(f"{what} must be names of columns, got {got(given)}")
    names = () if given is None else (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{what} must be names of columns, got {got(name)}")
    if len(set(names)) < len(names):
        raise ValueError(f"{what} names a column twice: {listed(map(repr, names), 20)}")
    return names


@contextmanager
def _in_column(file: str, name: str, first: int) -> Iterator[None]:
    """Say in errors about the values of a column where they are."""
    try:
        yield
    except (ValueError, TypeError, NotImplementedError) as error:
        where = f"{file}: column {name!r} "
        more = f" (rows counted from row {first} of the file)" if first else ""
        raise ValueError(f"{where}{error}{more}") from error
