"""Training on data that come in pieces: generators, lists of shards, data loaders."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.labels import encode
from swiftbackprop._train.data import ChunkedData, Data
from swiftbackprop._train.row_stream import PENDING
from swiftbackprop._train.session import BATCH_DONE, SLICE_NS, Progress, Record

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase

__all__ = ["ChunkedSession", "as_pieces"]

_CHECK_ROWS = 1024


def as_pieces(given: Any, epochs: int, steps_per_epoch: int | None) -> Callable[[], Iterator[Any]]:
    """Return a function that begins to go through the pieces.

    Raises
    ------
    TypeError
        If it is nothing to go through.
    ValueError
        If it can be gone through once, and more is asked.
    """
    if not isinstance(given, Iterable) and callable(given):
        return lambda: _iterator_of(given())
    is_data = hasattr(given, "dtype") or hasattr(given, "columns")
    is_data = is_data or isinstance(given, str | bytes | Mapping)
    if is_data or not isinstance(given, Iterable):
        raise TypeError(
            "without y, X must be an iterable of pairs (X, y), such as a list of shards or a "
            "generator, or a function that returns one, got "
            f"{type(given).__name__}: did you forget y?"
        )
    if not isinstance(given, Iterator):
        return lambda: iter(given)
    if epochs > 1 and steps_per_epoch is None:
        raise ValueError(
            f"a {type(given).__name__} can be iterated only once, but epochs is {epochs}: give a "
            "list, a function that makes a new one, or steps_per_epoch"
        )
    return lambda: given


def _iterator_of(returned: Any) -> Iterator[Any]:
    if not isinstance(returned, Iterable):
        raise TypeError(
            "a function as X must return an iterable of pairs (X, y), got "
            f"{type(returned).__name__}"
        )
    return iter(returned)


def _read(net: NetworkBase, item: Any) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise TypeError(
            f"expected a pair (X, y) or (X, y, sample_weight), got a {type(item).__name__}{size}"
        )
    weights = item[2] if len(item) == 3 else None
    return (
        as_data(item[0], "X"),
        encode(net, item[1], "y"),
        None if weights is None else as_data(weights, "sample_weight"),
    )


class ChunkedSession:
    """A `TrainingSession` over one short session of the engine's per piece.

    Parameters
    ----------
    net : Network
    data : ChunkedData
    epochs : int
    batch_size : int or None
        Rows of a minibatch; None for a piece as a whole.
    shuffle : bool
        Whether the rows of each piece are.
    pause : int
        When to come back: 0 after a time, 1 at every epoch's end, 2 at every batch's.
    """

    def __init__(
        self,
        net: NetworkBase,
        data: ChunkedData,
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        pause: int,
    ) -> None:
        self.begin = as_pieces(data.source, epochs, data.steps)
        self.batch_size = None if batch_size is None else as_int(batch_size, "batch_size", min_=1)
        if net._busy:
            raise RuntimeError("this network is in fit: wait for its end or call stop() first")
        X, y, weights = data.valid.valid_X, data.valid.valid_y, data.valid.valid_weights
        self.validation = None if X is None or y is None else Data(X, y, weights)
        if self.validation is not None and data.evaluate is None:
            with _prefixed("validation data: "):
                _check(net, self.validation)
        self.net, self.data, self.epochs = net, data, epochs
        self.shuffle, self.pause = shuffle, pause
        self.batch = 0  # how many of this epoch are done
        self.waits = False  # for rows that are being read
        self.seconds = 0.0
        self.records: list[Record] = []
        self.rates: FloatArray | tuple[()] = ()
        self.outputs: FloatArray | None = None
        self.pieces: Iterator[Any] | None = None
        self.session: core.FitSession | None = None
        self.piece_rows = self.piece_size = self.piece_batches = self.piece_done = 0
        self.piece_weight = 0.0
        self._start()

    def _start(self) -> None:
        self.taken = self.rows = 0
        self.loss = self.hits = self.weight = self.penalty = 0.0
        self.open_rows, self.open_loss = 0, 0.0  # of the piece at hand, so far

    def run(self, max_ns: int, /) -> Progress:
        """Work for about that long; as `core.FitSession.run`.

        With pause 2 it ends after a batch, with phase `BATCH_DONE`, or with an epoch.
        """
        now = time.monotonic_ns()
        end, phase = now + max_ns, 0
        while len(self.records) < self.epochs:
            ended, batch = len(self.records), self.batch
            record = self._advance(max(0, end - now))
            before, now = now, time.monotonic_ns()
            self.seconds += (now - before) * 1e-9
            if record is not None:
                self._end_epoch(record)
            elif self.pause == 2 and self.batch > batch:
                phase = BATCH_DONE
                break
            if self.pause and len(self.records) > ended:
                break
            if (self.pause != 2 or self.waits) and now >= end:
                break
        done = len(self.records) == self.epochs
        return len(self.records), self.batch, self.data.batches, self._loss(), done, phase

    def _end_epoch(self, record: tuple[float, float, float]) -> None:
        start = time.monotonic_ns()
        valid: Record = (math.nan,) * 5
        if self.validation is not None:
            held, evaluate = self.validation, self.data.evaluate or self._evaluate
            valid = evaluate(held.X, held.y, held.weights)
        seconds = self.seconds + (time.monotonic_ns() - start) * 1e-9
        self.records.append((*record, seconds, *valid))
        self.batch, self.seconds = 0, 0.0

    def _evaluate(self, X: Any, y: Any, weights: Any) -> Record:
        return self.net._evaluate(X, y, weights, self.outputs)

    def _loss(self) -> float:
        """Return the mean loss of the epoch so far; NaN before its first batch."""
        rows = self.rows + self.open_rows
        return (self.loss + self.open_loss) / rows if rows else math.nan

    @property
    def _where(self) -> str:
        return f"epoch {len(self.records) + 1}, piece {self.taken}"

    def _advance(self, max_ns: int) -> tuple[float, float, float] | None:
        """Work on the piece at hand, or take the next one, or end the epoch.

        Then it returns loss, accuracy and penalty.
        """
        if self.session is None:
            if self.taken != self.data.steps and self._take():
                return None
            hits = self.hits / self.weight if self.weight else math.nan
            # Then every batch has a penalty of its own.
            shares = self.net._option(core.OPTION_PENALTY_PER_SAMPLE)
            record = self.loss / self.rows, hits, self.penalty / (self.rows if shares else 1)
            self._start()
            return record
        # Of the piece's own session this is the first epoch.
        with _prefixed(f"{self._where}: ", "epoch 1, "):
            _, batch, _, loss, done, _ = self.session.run(min(max_ns, SLICE_NS))
        if done:
            batch = self.piece_batches
        elif batch:
            self.open_rows = min(batch * self.piece_size, self.piece_rows)
            self.open_loss = loss * self.open_rows
        self.batch += batch - self.piece_done
        self.piece_done = batch
        if done:
            self._close()
        return None

    def _take(self) -> bool:
        """Open a session on the next piece; return whether there is one in this epoch."""
        is_new = self.pieces is None
        if self.pieces is None:
            self.pieces = self.begin()
        for item in self.pieces:
            if item is PENDING:
                self.waits = True
                return True
            self.taken += 1
            self.waits = False
            with _prefixed(f"{self._where}: "):
                self._open(*_read(self.net, item))
            return True
        self.pieces = None
        number, steps = len(self.records) + 1, self.data.steps
        if steps is None and not self.taken:
            raise ValueError(f"epoch {number}: there was no piece of data")
        if steps is not None and is_new:
            raise ValueError(
                f"epoch {number}: expected {steps} pieces, got {self.taken}: the data ended"
            )
        return steps is not None and self._take()

    def _open(self, X: FloatArray, y: FloatArray, weights: FloatArray | None) -> None:
        if self.data.classes is not None:
            weights = self.data.classes.weigh(y, weights)
        size = self.batch_size or max(1, len(X))
        self.session = Data(X, y, weights).begin(self.net, 1, size, self.shuffle, self.pause)
        self.piece_rows, self.piece_done = len(X), 0
        self.piece_weight = float(len(X) if weights is None else np.sum(weights, dtype=float))
        self.piece_batches, self.piece_size = -(-len(X) // size), size
        if len(self.rates):
            rates = self.rates[self.batch : self.batch + self.piece_batches]
            self.session.set_rates(np.ascontiguousarray(rates))

    def _close(self) -> None:
        if self.session is None:
            return
        loss, accuracy, penalty = self.session.epoch(0)[:3]
        self.end()
        if self.net._option(core.OPTION_PENALTY_PER_SAMPLE):
            self.penalty += penalty * self.piece_rows
        else:
            self.penalty = penalty
        self.open_rows, self.open_loss = 0, 0.0
        self.rows += self.piece_rows
        self.loss += loss * self.piece_rows
        if self.piece_weight > 0:
            self.hits += accuracy * self.piece_weight
            self.weight += self.piece_weight

    def epoch(self, index: int, /) -> Record:
        """Return the record of an epoch that has ended."""
        if index >= len(self.records):
            raise ValueError(f"there is no epoch {index}")
        return self.records[index]

    def set_rates(self, rates: FloatArray, /) -> None:
        """Take lr for the batches of every epoch from now on."""
        self.rates = rates.copy()

    def set_outputs(self, outputs: FloatArray, /) -> None:
        """Write a(L) of the validation rows there too, at every epoch's end."""
        self.outputs = outputs

    def end(self) -> None:
        """Give the network back."""
        if self.session is not None:
            self.session.end()
            self.session = None


def _check(net: NetworkBase, data: Data) -> None:
    """Let the engine look at data as it does before it trains on them."""
    session = data.begin(net, 0, _CHECK_ROWS, False, 0)
    try:
        while not session.run(SLICE_NS)[4]:
            pass
    finally:
        session.end()


@contextmanager
def _prefixed(words: str, instead_of: str = "") -> Iterator[None]:
    """Say in errors of the engine where they come from."""
    try:
        yield
    except (ValueError, TypeError, core.DivergenceError) as error:
        if type(error) in (ValueError, TypeError, core.DivergenceError) and len(error.args) == 1:
            error.args = (words + str(error).removeprefix(instead_of),)
        raise
