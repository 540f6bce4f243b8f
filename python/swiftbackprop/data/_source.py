"""What a stream asks of each kind of file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._columns import Columns


class Unit(NamedTuple):
    """Rows that are read in one go, such as a row group: units are shuffled as wholes."""

    file: str  # for messages
    part: Any
    rows: int | None  # None if that is not known before they are read
    first: int = 0  # the first one's place in the file


@dataclass(frozen=True)
class Block:
    """Rows as they come out of a file.

    Attributes
    ----------
    X, y, weights : ndarray
        X is [rows, columns]; y and weights are None where there are none.
    file : str
    first : int
        The place of the first row in the file.
    names : tuple of str
        Of the columns of X, where they have some.
    """

    X: FloatArray | Columns
    y: FloatArray | None
    weights: FloatArray | None
    file: str
    first: int = 0
    names: Sequence[str] = field(default=())
    target: str = "y"
    weight: str = "sample_weight"


class Source(ABC):
    """Files of one kind."""

    has_target: bool
    target_is_text: bool = False

    @property
    @abstractmethod
    def units(self) -> Sequence[Unit]:
        """All units, in the order of the rows."""

    @abstractmethod
    def blocks(self, unit: Unit, rows: int, demand: Demand) -> Iterator[Block]:
        """Read a unit, at most so many rows at a time."""

    @abstractmethod
    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Read the target alone, in the order of the rows."""

    def labels(self) -> list[str]:
        """Return the labels of text in the target, sorted."""
        found: set[str] = set()
        for part in self.targets(Demand()):
            found.update(np.unique(part).tolist())
        return sorted(found)

    @property
    def rows(self) -> int | None:
        """How many rows there are, if that is known."""
        counts = [unit.rows for unit in self.units]
        return None if None in counts else sum(filter(None, counts))


def check_finite(
    block: Block, arrays: Sequence[FloatArray | None] | None = None, first: int = 0
) -> None:
    """Refuse numbers that are missing or infinite, in a block or in arrays made of some rows."""
    if arrays is None:
        X = block.X.array() if isinstance(block.X, Columns) else block.X
        arrays = X, block.y, block.weights
    for numbers, name in zip(arrays, (None, block.target, block.weight), strict=True):
        if numbers is None or numbers.dtype.kind != "f" or _is_finite(numbers):
            continue
        place = np.argwhere(~np.isfinite(numbers))[0].tolist()
        value = float(numbers[tuple(place)])
        if name is None:
            name = _column_of(block, place[1])
        row = block.first + first + place[0]
        why = "that is missing counts as nan"
        if np.isinf(value):
            why = f"beyond {numbers.dtype} counts as infinite"
        raise ValueError(
            f"{block.file}: column {name!r} has {value:g} in row {row} (a value {why}): fill it "
            "in by a transform, or drop the row"
        )


def _column_of(block: Block, place: int) -> Any:
    """Return the name of a column of X, or its place if it has none."""
    if not isinstance(block.X, Columns):
        return place
    return str(np.repeat(block.names, block.X.widths)[place])


def _is_finite(numbers: FloatArray) -> bool:
    with np.errstate(all="ignore"):
        # A sum is the quickest look; of large numbers it may overflow.
        return bool(np.isfinite(numbers.sum()) or np.isfinite(numbers).all())
