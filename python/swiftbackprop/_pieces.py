"""Training on data that come in pieces: generators, lists of shards, data loaders."""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from swiftbackprop._arrays import FloatArray, as_data
from swiftbackprop._engine import core

if TYPE_CHECKING:
    from swiftbackprop._class_weight import ClassWeights
    from swiftbackprop.network import Network

__all__ = ["BATCH_DONE", "PieceSession", "as_pieces"]

_Piece = tuple[FloatArray, FloatArray, FloatArray | None]
_SLICE_NS = 50_000_000
BATCH_DONE = 3


def as_pieces(given: Any, epochs: int, steps_per_epoch: int | None) -> Callable[[], Iterator[Any]]:
    """Return a function that begins an epoch's pieces.

    Raises
    ------
    TypeError
        If it is nothing to go through.
    ValueError
        If it can be gone through once, and more is asked.
    """
    if not isinstance(given, Iterable) and callable(given):
        return lambda: iter(given())
    if hasattr(given, "dtype") or isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(
            "without y, X is an iterable of pairs (X, y), such as a list of shards or a "
            f"generator, or a function that returns one, not a {type(given).__name__}: "
            "does y miss?"
        )
    if not isinstance(given, Iterator):
        return lambda: iter(given)
    if epochs > 1 and steps_per_epoch is None:
        raise ValueError(
            f"a {type(given).__name__} can be gone through once, and epochs is {epochs}: give a "
            "list, a function that makes a new one, or steps_per_epoch"
        )
    return lambda: given


def _read(item: Any) -> _Piece:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        raise TypeError(
            "the pieces of X are pairs (X, y) or (X, y, sample_weight), not a "
            f"{type(item).__name__}"
        )
    X, y = as_data(item[0], "X of a piece"), as_data(item[1], "y of a piece")
    weights = item[2] if len(item) == 3 else None
    return X, y, None if weights is None else as_data(weights, "sample_weight of a piece")


class PieceSession:
    """A training session like the engine's, over one short session of the engine per piece.

    Parameters
    ----------
    net : Network
    begin : callable
        Returns the iterator over an epoch's pieces.
    epochs, shuffle, pause
        As for the engine's.
    batch_size : int or None
        Rows of a minibatch; None for a piece as a whole.
    steps : int or None
        Pieces of an epoch; None for as many as there are.
    validation : tuple of X, y and weights, or None
    classes : ClassWeights or None
    """

    def __init__(
        self,
        net: "Network",
        begin: Callable[[], Iterator[Any]],
        epochs: int,
        batch_size: int | None,
        steps: int | None,
        shuffle: bool,
        pause: int,
        validation: _Piece | None,
        classes: "ClassWeights | None",
    ) -> None:
        if net._busy:
            raise RuntimeError("this network is in fit: wait for its end or call stop() first")
        self.net = net
        self.begin = begin
        self.epochs = epochs
        self.batch_size = batch_size
        self.steps = steps
        self.shuffle = shuffle
        self.pause = pause
        self.validation = validation
        self.classes = classes
        self.records: list[tuple[float, ...]] = []
        self.pieces: Iterator[Any] | None = None
        self.session: core.Fit | None = None
        self.piece_rows = self.piece_size = self.piece_batches = self.piece_done = 0
        self._start_epoch()

    def _start_epoch(self) -> None:
        self.taken = self.batches = self.rows = 0
        self.loss = self.hits = self.seconds = self.penalty = 0.0
        self.open_rows, self.open_loss = 0, 0.0  # of the piece at hand, so far
        self.pieces = None

    def run(self, max_ns: int) -> tuple[int, int, int, float, bool, int]:
        """Work for about that long; as `core.Fit.run`.

        With pause 2 it ends after a batch, with phase `BATCH_DONE`, or with an epoch.
        """
        end = time.monotonic_ns() + max_ns
        phase = 0
        while len(self.records) < self.epochs:
            ended, batches = len(self.records), self.batches
            self._advance(max(0, end - time.monotonic_ns()))
            if self.pause == 2 and self.batches > batches:
                phase = BATCH_DONE
                break
            if self.pause and len(self.records) > ended:
                break
            if self.pause != 2 and time.monotonic_ns() >= end:
                break
        done = len(self.records) == self.epochs
        rows = self.rows + self.open_rows
        loss = (self.loss + self.open_loss) / rows if rows else float("nan")
        return len(self.records), self.batches, 0, loss, done, phase

    def _advance(self, max_ns: int) -> None:
        """Work on the piece at hand, or take the next one, or end the epoch."""
        if self.session is None:
            piece = self._next()
            if piece is None:
                return self._end_epoch()
            self._open(piece)
            return None
        slice_ns = 0 if self.pause == 2 else min(max_ns, _SLICE_NS)
        _, batch, _, loss, done, _ = self.session.run(slice_ns)
        if done:
            batch = self.piece_batches
        elif batch:
            self.open_rows = batch * self.piece_size
            self.open_loss = loss * self.open_rows
        self.batches += batch - self.piece_done
        self.piece_done = batch
        if done:
            self._close()
        return None

    def _next(self) -> _Piece | None:
        if self.pieces is None:
            self.pieces = self.begin()
        if self.taken == self.steps:
            return None
        for item in self.pieces:
            self.taken += 1
            return _read(item)
        if not self.taken:
            raise ValueError(f"epoch {len(self.records) + 1}: there was no piece of data")
        return None

    def _open(self, piece: _Piece) -> None:
        X, y, weights = piece
        if self.classes is not None:
            weights = self.classes.weigh(y, weights)
        size = self.batch_size or max(1, len(X))
        self.session = self.net._fit(
            X, y, weights, None, None, None, 1, size, self.shuffle, self.pause
        )
        self.piece_rows, self.piece_done = len(X), 0
        self.piece_batches, self.piece_size = -(-len(X) // size), size

    def _close(self) -> None:
        if self.session is None:
            return
        record = self.session.epoch(0)
        self.session.end()
        self.session = None
        self.open_rows, self.open_loss = 0, 0.0
        self.rows += self.piece_rows
        self.loss += record[0] * self.piece_rows
        self.hits += record[1] * self.piece_rows
        self.penalty = record[2]
        self.seconds += record[3]

    def _end_epoch(self) -> None:
        valid = (float("nan"),) * 5
        if self.validation is not None:
            valid = self.net._evaluate(*self.validation)
        loss, hits = self.loss / self.rows, self.hits / self.rows
        self.records.append((loss, hits, self.penalty, self.seconds, *valid))
        self._start_epoch()

    def epoch(self, index: int) -> Any:
        """Return the record of an epoch that has ended."""
        if index >= len(self.records):
            raise ValueError(f"there is no epoch {index}")
        return self.records[index]

    def set_rates(self, rates: FloatArray) -> None:
        """Refuse rates for every batch, of which the number is not known."""
        raise ValueError("a schedule that follows every batch wants X and y as arrays")

    def end(self) -> None:
        """Give the network back."""
        if self.session is not None:
            self.session.end()
            self.session = None
