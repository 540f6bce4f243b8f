"""Blocks of rows put together to pieces for training."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import Any, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.row_stream import PENDING, Demand, Epochs, Piece
from swiftbackprop.data._columns import Columns
from swiftbackprop.data._read_ahead import ReadAhead
from swiftbackprop.data._source import Block, Source, Unit, check_finite


def rows_of_units(
    source: Source, units: Iterable[Unit], rows: int, demand: Demand
) -> Iterator[Block]:
    """Read one unit after the other."""
    for unit in units:
        yield from source.blocks(unit, rows, demand)


Free: TypeAlias = deque[FloatArray]


def give_back(piece: Any, free: Free) -> None:
    """Let the memory of X be used again."""
    if piece is not PENDING and not free:
        X = piece[0]
        free.append(X if X.base is None else X.base)


class _Piece:
    """Arrays that blocks are copied into; X in memory that is free again, if it fits."""

    def __init__(self, rows: int, block: Block, demand: Demand, free: Free) -> None:
        self.size, self.rows, self.checks = rows, 0, demand.checks
        kind = block.X.dtype
        if demand.dtype is not None and kind.kind == "f":
            kind = demand.dtype
        X = free.pop() if free else None
        if X is None or len(X) < rows or X.shape[1:] != block.X.shape[1:] or X.dtype != kind:
            X = np.empty((rows, *block.X.shape[1:]), kind)
        self.arrays = [X[:rows], *(_like(array, rows) for array in (block.y, block.weights))]

    def add(self, block: Block, first: int) -> int:
        """Copy the rows of a block from the first one on, as many as fit; return how many."""
        count = min(len(block.X) - first, self.size - self.rows)
        names = ("X", block.target, block.weight)
        parts = (block.X, block.y, block.weights)
        for own, array, name in zip(self.arrays, parts, names, strict=True):
            if own is None or array is None:
                continue
            if array.shape[1:] != own.shape[1:]:
                raise ValueError(
                    f"{block.file}: {name} has {_columns(array)} columns, and {_columns(own)} in "
                    "the rows before"
                )
            if array.dtype.kind == "f" and own.dtype.kind != "f":
                if self.checks:  # among integers a missing one makes fractions of all
                    check_finite(block)
                raise ValueError(
                    f"{block.file}: {name} has fractions ({array.dtype}), and integers "
                    f"({own.dtype}) in the rows before: write fractions in all files"
                )
            with np.errstate(over="ignore"):  # infinity, which is refused below
                to = own[self.rows : self.rows + count]
                if isinstance(array, Columns):
                    array.write(to, first)
                else:
                    to[...] = array[first : first + count]
        if self.checks:
            rows = slice(self.rows, self.rows + count)
            parts_now = [None if own is None else own[rows] for own in self.arrays]
            check_finite(block, parts_now, first)
        self.rows += count
        return count

    def done(self) -> Piece:
        X, y, weights = (None if own is None else own[: self.rows] for own in self.arrays)
        assert X is not None
        return X, y, weights


def _like(array: FloatArray | None, rows: int) -> FloatArray | None:
    return None if array is None else np.empty((rows, *array.shape[1:]), array.dtype)


def _columns(array: FloatArray | Columns) -> int:
    return array.shape[1] if array.ndim == 2 else 1


def cut(
    blocks: Iterable[Block], sizes: Iterator[int], demand: Demand, free: Free | None = None
) -> Iterator[Piece]:
    """Put blocks together to pieces of these sizes; the last one may be shorter.

    `free` has arrays of earlier pieces that nobody needs any more: fresh memory would have to be
    cleared by the system first.
    """
    free = deque() if free is None else free
    piece: _Piece | None = None
    for block in blocks:
        first = 0
        while first < len(block.X):
            if piece is None:
                piece = _Piece(next(sizes), block, demand, free)
            first += piece.add(block, first)
            if piece.rows == piece.size:
                yield piece.done()
                piece = None
    if piece is not None:
        yield piece.done()


class ReadEpochs(Epochs):
    """The epochs of a training, so many pieces read ahead."""

    def __init__(self, rows: TrainingRows, ahead: int) -> None:
        self.rows, self.ahead = rows, ahead
        self.piece_rows = rows.window
        self.reader: ReadAhead | None = None

    def share(self, rank: int, size: int, batches: int) -> None:
        """Give but the share of one of several processes, before the first call."""
        self.rows.part, self.rows.piece_batches = (rank, size), batches

    def __call__(self) -> Iterator[Any]:
        """Return an iterator over the pieces of the next epoch, and `PENDING` in between."""
        if self.reader is None:
            self.reader = ReadAhead(iter(self.rows), self.ahead)
        return self._epoch(self.reader, self.rows.free)

    @staticmethod
    def _epoch(reader: ReadAhead, free: Free) -> Iterator[Any]:
        while (item := reader.get()) is not _END and item is not None:
            yield item
            give_back(item, free)

    def close(self) -> None:
        """Stop reading."""
        if self.reader is not None:
            self.reader.close()


class TrainingRows:
    """The pieces of all epochs of a training; a thread that reads ahead goes through them.

    The arguments are those of `RowStream.epochs`, and the rows of a block and of a piece.
    """

    def __init__(
        self,
        source: Source,
        demand: Demand,
        count: int,
        batch_size: int,
        steps: int | None,
        order: Callable[[int, int], FloatArray] | None,
        batch_rows: int,
        window: int,
    ) -> None:
        self.free: Free = deque()  # where X of a piece goes when the next one is asked for
        self.source, self.demand, self.order = source, demand, order
        self.count, self.batch_size, self.batch_rows = count, batch_size, batch_rows
        if source.rows is not None:
            window = min(window, source.rows + batch_size)
        self.piece_batches = max(1, window // batch_size)
        self.window = self.piece_batches * batch_size
        self.batches = steps
        self.part = 0, 1  # which process of how many has a share of every minibatch
        self.steps = 0  # minibatches so far

    def __iter__(self) -> Iterator[Any]:
        """Yield the pieces of all epochs, with a mark behind each epoch."""
        if self.batches is not None:
            yield from self._of_steps(self.batches)
            return
        for _ in range(self.count):
            rows = 0
            for piece in cut(self._pass(), repeat(self.window), self.demand, self.free):
                rows += len(piece[0])
                yield piece
            self.steps += math.ceil(rows / self.batch_size)
            yield _END

    def _of_steps(self, batches: int) -> Iterator[Any]:
        pieces = cut(self._passes(), self._sizes(batches), self.demand, self.free)
        for _ in range(self.count):
            for start in range(0, batches, self.piece_batches):
                piece = next(pieces)
                self.steps += min(self.piece_batches, batches - start)
                yield piece
            yield _END

    def _sizes(self, batches: int) -> Iterator[int]:
        """Yield the rows of pieces of which epochs of so many minibatches can be made."""
        rank, size = self.part
        while True:
            for start in range(0, batches, self.piece_batches):
                rows = min(self.piece_batches, batches - start) * self.batch_size
                yield rows * (rank + 1) // size - rows * rank // size

    def _passes(self) -> Iterator[Block]:
        while True:
            empty = True
            for block in self._pass():
                empty = empty and not len(block.X)
                yield block
            if empty:
                raise ValueError("there are no rows in this stream")

    def _pass(self) -> Iterator[Block]:
        units: Sequence[Unit] = self.source.units
        if self.order is not None:
            units = [units[k] for k in self.order(self.steps, len(units))]
        return rows_of_units(self.source, units, self.batch_rows, self.demand)


_END = object()
