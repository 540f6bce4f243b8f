"""What `fit`, `evaluate` and `predict` ask of rows that are read while they work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray

# X, targets and weights of some rows; None for what the stream has not.
Piece: TypeAlias = tuple[FloatArray, FloatArray | None, FloatArray | None]

#: What an iterator over pieces gives while the next one is not read yet.
PENDING = object()


@dataclass(frozen=True)
class Demand:
    """How rows are wanted.

    Attributes
    ----------
    dtype : numpy.dtype, optional
        Of the network, which fractions are converted to; None leaves them as they are read.
    keeps_integers : bool
        Whether integers must stay integers, as `input_scale` counts for them alone.
    classes : ndarray of str, optional
        The labels of the classes; those in the target become their places.
    measures : bool
        Whether targets are quantities, of which text may show fractions later.
    checks : bool
        Whether missing and infinite numbers are refused.
    """

    dtype: np.dtype[Any] | None = None
    keeps_integers: bool = False
    classes: FloatArray | None = None
    measures: bool = False
    checks: bool = False


class Epochs(ABC):
    """The pieces of one epoch after the other, read ahead; called once for each epoch.

    Attributes
    ----------
    piece_rows : int
        Rows of a piece, but for the last of an epoch.
    """

    piece_rows: int

    @abstractmethod
    def share(self, rank: int, size: int, batches: int) -> None:
        """Give but the share of one of several processes, before the first call.

        Parameters
        ----------
        rank, size : int
            Which process this is, and of how many.
        batches : int
            Minibatches of all processes that a piece has its share of.
        """

    @abstractmethod
    def __call__(self) -> Iterator[Any]:
        """Return an iterator over the pieces of the next epoch, and `PENDING` in between."""

    @abstractmethod
    def close(self) -> None:
        """Stop reading."""


class RowStream(ABC):
    """Rows that are read while a network works on those before."""

    @property
    @abstractmethod
    def rows(self) -> int | None:
        """How many rows there are; None if only reading them all would tell."""

    @property
    @abstractmethod
    def has_target(self) -> bool:
        """Whether the pieces have targets."""

    @property
    @abstractmethod
    def target_is_text(self) -> bool:
        """Whether these are labels of text."""

    @property
    @abstractmethod
    def inputs(self) -> int:
        """The number of columns of X."""

    @abstractmethod
    def labels(self) -> list[str]:
        """Return the labels of text in the target, sorted: a pass over that column."""

    @abstractmethod
    def targets(self, demand: Demand) -> Iterator[FloatArray]:
        """Go through the target alone."""

    @abstractmethod
    def pieces(self, demand: Demand) -> Iterator[Piece]:
        """Go through all rows in their order."""

    @abstractmethod
    def epochs(
        self,
        demand: Demand,
        count: int,
        batch_size: int,
        steps: int | None,
        order: Callable[[int, int], FloatArray] | None,
    ) -> Epochs:
        """Return the epochs of a training.

        Parameters
        ----------
        demand : Demand
        count : int
            How many epochs.
        batch_size : int
            Pieces hold a multiple of so many rows, but for the last of an epoch.
        steps : int or None
            Minibatches of an epoch, from the start again where the rows end; None for one pass
            over all rows.
        order : callable, optional
            ``order(steps, n)``: the order of n parts, when so many minibatches were trained on;
            None for their own order.
        """
