"""Data sets of Hugging Face: as objects, or as folders that `save_to_disk` wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.optional import optional
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._find import type_of
from swiftbackprop.data._source import Block, Source, Unit
from swiftbackprop.data._table import Table


def is_saved(source: Any) -> bool:
    """Whether this is a folder that `save_to_disk` of Hugging Face's datasets wrote."""
    if not isinstance(source, str | os.PathLike) or not os.path.isdir(source):
        return False
    folder = os.fspath(source)
    splits = os.path.join(folder, "dataset_dict.json")
    if os.path.exists(splits):
        with open(splits, encoding="utf-8") as file:
            names = json.load(file).get("splits", [])
        raise ValueError(
            f"{folder} holds the splits {', '.join(names)}: name one of them, as in "
            f"{os.path.join(folder, names[0] if names else 'train')}"
        )
    return all(os.path.exists(os.path.join(folder, f)) for f in ("state.json", "dataset_info.json"))


class HuggingFaceRows(Source):
    """A ``datasets.Dataset``, which maps its Arrow files; `rows` of it are a unit.

    ``table(schema, file)`` gives its columns their roles.
    """

    def __init__(self, source: Any, rows: int | None, table: Callable[[Any, str], Table]) -> None:
        self.file = os.fspath(source) if isinstance(source, str | os.PathLike) else "the data set"
        if isinstance(source, str | os.PathLike):
            datasets = optional(
                "datasets",
                f"{self.file} was written by Hugging Face's datasets, which is not installed: "
                "pip install datasets",
            )
            source = datasets.load_from_disk(self.file)
        schema = source.features.arrow_schema
        self.table = table(schema, self.file)
        self.data = source.with_format("arrow")
        self.unit_rows = rows or 8192
        self.has_target = bool(self.table.targets)
        self.target_is_text = self.table.target_is_text

    @cached_property
    def units(self) -> Sequence[Unit]:
        """Runs of rows."""
        count = len(self.data)
        return [
            Unit(self.file, first, min(self.unit_rows, count - first), first)
            for first in range(0, count, self.unit_rows)
        ]

    def blocks(self, unit: Unit, rows: int, demand: Demand) -> Iterator[Block]:
        """Read a unit, at most so many rows at a time."""
        for first in range(unit.first, unit.first + (unit.rows or 0), rows):
            last = min(first + rows, unit.first + (unit.rows or 0))
            yield self.table.block(self._read(self.data, first, last), self.file, first, demand)

    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Read the target alone, in the order of the rows."""
        alone = self.data.select_columns(list(self.table.targets))
        for unit in self.units:
            batch = self._read(alone, unit.first, unit.first + (unit.rows or 0))
            y = self.table.target_of(batch, self.file, unit.first, demand)
            if y is not None:
                yield y

    def _read(self, data: Any, first: int, last: int) -> Any:
        import pyarrow

        try:
            return data[first:last]
        except (pyarrow.ArrowException, OSError) as error:
            rows = f"{self.file}, rows {first} to {last - 1}"
            raise type_of(error)(f"{rows} cannot be read: {error}") from error
