"""Files of tables, through pyarrow.dataset: Parquet, Arrow, CSV and what else it reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._find import NOT_UTF8, open_dataset, pyarrow_module, type_of
from swiftbackprop.data._source import Block, Source, Unit
from swiftbackprop.data._table import Table

# Columns of a row group are read side by side, each by such parts: together these bytes.
_PARTS, _SMALLEST_PART, _LARGEST_PART = 1 << 25, 1 << 14, 1 << 18


class TableFiles(Source):
    """The files of a pyarrow Dataset; ``table(schema, file)`` gives their columns their roles."""

    def __init__(self, source: Any, format: Any, table: Callable[[Any, str], Table]) -> None:
        pyarrow_module()
        self.dataset = open_dataset(source, format)
        # A data set that was given may have a schema of its own.
        files = ["the data set"] if self.dataset is source else self.dataset.files
        try:
            self.schema = _schema_of(self.dataset)
            self.table = table(self.schema, files[0])
        except UnicodeDecodeError:  # arises when names are looked at, not when they are read
            raise _not_utf8(files[0]) from None
        self.has_target = bool(self.table.targets)
        self.target_is_text = self.table.target_is_text

    # --- What there is ---------------------------------------------------------------------

    @cached_property
    def units(self) -> Sequence[Unit]:
        """Row groups of Parquet, record batches of Arrow, other files as wholes."""
        found: list[Unit] = []
        for fragment in self.dataset.get_fragments():
            found += self._units_of(fragment)
        return found

    def _units_of(self, fragment: Any) -> list[Unit]:
        import pyarrow
        import pyarrow.dataset as ds

        file = getattr(fragment, "path", None) or self.table.first_file
        if isinstance(fragment, ds.ParquetFileFragment):
            units, first = [], 0
            try:
                with _parquet(fragment) as opened:
                    metadata, schema = opened.metadata, opened.schema_arrow
            except (pyarrow.ArrowException, OSError) as error:
                raise _unreadable(file, error) from error
            self._check(schema, fragment, file)
            for group in range(metadata.num_row_groups):
                rows = metadata.row_group(group).num_rows
                units.append(Unit(file, (fragment, group), rows, first))
                first += rows
            return units
        if isinstance(fragment, ds.FileFragment) and fragment.format.default_extname == "arrow":
            try:
                with fragment.open() as opened:
                    reader = pyarrow.ipc.open_file(opened)
                    self._check(reader.schema, fragment, file)
                    count = reader.num_record_batches
                return [Unit(file, (fragment, number), None) for number in range(count)]
            except (pyarrow.ArrowException, OSError) as error:
                raise _unreadable(file, error) from error
        return [Unit(file, (fragment, None), None)]

    @cached_property
    def rows(self) -> int | None:
        """How many rows there are, if that is known."""
        known, kind = super().rows, getattr(self.dataset, "format", None)
        if known is None and kind is not None and kind.default_extname == "arrow":
            return int(self.dataset.count_rows())  # which such files tell without being read
        return known

    def _check(self, schema: Any, fragment: Any, file: str) -> None:
        constants = {name: self.table.types.get(name) for name in _constants(fragment)}
        try:
            self.table.check(schema, constants, file)
        except UnicodeDecodeError:
            raise _not_utf8(file) from None

    # --- Reading ----------------------------------------------------------------------------

    def blocks(self, unit: Unit, rows: int, demand: Demand) -> Iterator[Block]:
        """Read a unit, at most so many rows at a time."""
        first = unit.first
        for batch in self._batches(unit, self.table.wanted, rows, demand):
            yield self.table.block(batch, unit.file, first, demand)
            first += batch.num_rows

    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Read the target alone, in the order of the rows."""
        for unit in self.units:
            first = unit.first
            for batch in self._batches(unit, self.table.targets, 1 << 16, demand):
                y = self.table.target_of(batch, unit.file, first, demand)
                first += batch.num_rows
                if y is not None:
                    yield y

    def _batches(
        self, unit: Unit, names: Sequence[str], rows: int, demand: Demand
    ) -> Iterator[Any]:
        import pyarrow

        fragment, _ = unit.part
        constants = _constants(fragment)
        stored = [name for name in names if name not in constants]
        try:
            for batch in self._read(unit, stored, rows, demand):
                yield _with_constants(batch, names, constants, self.table.types)
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, MemoryError):
                raise
            raise self._broken(unit, stored, error) from error

    def _read(self, unit: Unit, names: Sequence[str], rows: int, demand: Demand) -> Iterator[Any]:
        import pyarrow
        import pyarrow.dataset as ds

        fragment, part = unit.part
        if isinstance(fragment, ds.ParquetFileFragment):
            with _parquet(fragment, len(names)) as opened:
                yield from opened.iter_batches(rows, [part], list(names), use_threads=False)
            return
        if part is not None:
            with fragment.open() as opened:
                schema = pyarrow.ipc.open_file(opened).schema
                wanted = [schema.get_field_index(name) for name in names]
                options = pyarrow.ipc.IpcReadOptions(included_fields=wanted, use_threads=False)
                batch = pyarrow.ipc.open_file(opened, options=options).get_batch(part)
            for first in range(0, batch.num_rows, rows):
                yield batch.slice(first, rows)
            return
        self._check(fragment.physical_schema, fragment, unit.file)
        # It reads ahead itself, by threads of its own.
        ahead = {"batch_readahead": 2, "fragment_readahead": 1}
        types = self._numbers(fragment, demand)
        yield from fragment.to_batches(schema=types, columns=list(names), batch_size=rows, **ahead)

    def _numbers(self, fragment: Any, demand: Demand) -> Any:
        """Return the types to read text as: its first rows may have no fraction by chance."""
        import pyarrow

        schema, table = self.schema, self.table
        if getattr(getattr(fragment, "format", None), "default_extname", "") != "csv":
            return schema
        targets = table.targets if demand.measures else ()
        columns = [*table.features, *targets, *filter(None, [table.weight])]
        whole = [name for name in columns if pyarrow.types.is_integer(table.types[name])]
        if demand.keeps_integers and set(table.features) <= set(whole):
            whole = [name for name in whole if name not in table.features]
        whole += [name for name in columns if pyarrow.types.is_null(table.types[name])]
        for name in whole:
            place = schema.get_field_index(name)
            schema = schema.set(place, schema.field(place).with_type(pyarrow.float64()))
        return schema

    def _broken(self, unit: Unit, names: Sequence[str], error: Exception) -> Exception:
        """Return an error that names the file, and the column in which it is broken."""
        import pyarrow

        fragment, part = unit.part
        words = " ".join(str(error).split())
        found = re.search(r"CSV column #(\d+)", words)
        where = ""
        if found:
            known = fragment.physical_schema.names
            place = int(found[1])
            where = f", column {known[place]!r}" if place < len(known) else ""
        elif part is not None:
            for name in names:
                try:
                    for _ in self._read(unit, [name], 1 << 16, Demand()):
                        pass
                except (pyarrow.ArrowException, OSError) as alone:
                    words = " ".join(str(alone).split())
                    where = f", column {name!r}"
                    break
        return type_of(error)(f"{unit.file}{where} cannot be read: {words}")


def _schema_of(dataset: Any) -> Any:
    """Return the schema of the first file, with the types of later ones where it has no value."""
    import pyarrow

    schema = dataset.schema
    for fragment in dataset.get_fragments():
        untyped = [k for k, kind in enumerate(schema.types) if pyarrow.types.is_null(kind)]
        if not untyped:
            break
        with suppress(pyarrow.ArrowException, OSError):  # which is said when its turn comes
            found = fragment.physical_schema
            for k in untyped:
                if (place := found.get_field_index(schema.names[k])) >= 0:
                    schema = schema.set(k, found.field(place))
    return schema


def _not_utf8(file: str) -> ValueError:
    return ValueError(f"{file} cannot be read: its first line {NOT_UTF8}")


def _unreadable(file: str, error: Exception) -> Exception:
    return type_of(error)(f"{file} cannot be read: {' '.join(str(error).split())}")


def _parquet(fragment: Any, columns: int = 1) -> Any:
    """Open a Parquet file, of which so many columns will be read at the same time."""
    import pyarrow.parquet

    part = min(_LARGEST_PART, max(_SMALLEST_PART, _PARTS // max(1, columns)))
    return pyarrow.parquet.ParquetFile(fragment.open(), buffer_size=part)


def _constants(fragment: Any) -> Mapping[str, Any]:
    """Return the columns that stand in the path of a file, as in year=2024/part.parquet."""
    import pyarrow.dataset as ds

    keys: Mapping[str, Any] = ds.get_partition_keys(fragment.partition_expression)
    return keys


def _with_constants(
    batch: Any, names: Sequence[str], constants: Mapping[str, Any], types: Mapping[str, Any]
) -> Any:
    """Return the columns of these names, in this order."""
    import pyarrow

    if not constants:
        return batch
    columns = [
        pyarrow.repeat(pyarrow.scalar(constants[name], types[name]), batch.num_rows)
        if name in constants
        else batch.column(name)
        for name in names
    ]
    return pyarrow.RecordBatch.from_arrays(columns, names=list(names))
