"""Training on data that come in pieces: generators, lists of shards, data loaders."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int
from swiftbackprop._train.data import ChunkedData, Data
from swiftbackprop._train.pieces import as_pieces, read_piece
from swiftbackprop._train.row_stream import PENDING
from swiftbackprop._train.session import BATCH_DONE, SLICE_NS, Progress, Record

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_CHECK_ROWS = 1024
_SUMMING = 2  # the phase behind the last batch of a piece that several processes share


class ChunkedSession:
    """A `TrainingSession` over one short session of the engine's per piece.

    Without a batch size a piece is a minibatch as a whole; `shuffle` is of the rows of each piece.
    `pause` says when to come back: 0 after a time, 1 at every epoch's end, 2 at every batch's.
    """

    def __init__(
        self,
        net: NetworkBase,
        data: ChunkedData,
        epochs: int,
        batch_size: int | None,
        shuffle: int,
        pause: int,
    ) -> None:
        self.begin = as_pieces(data.source, epochs, data.steps)
        self.batch_size = None if batch_size is None else as_int(batch_size, "batch_size", min_=1)
        if net._busy:
            raise RuntimeError("this network is in fit: wait for its end or call stop() first")
        X, y, weights = data.valid.valid_X, data.valid.valid_y, data.valid.valid_weights
        self.validation = None if X is None or y is None else Data(X, y, weights)
        if self.validation is not None and data.holds_validation():
            with prefixed("validation data: "):
                _check(net, self.validation)
        self.net, self.data, self.epochs = net, data, epochs
        self.shuffle, self.pause = shuffle, pause
        self.batch = 0  # how many of this epoch are done
        self.waits = False  # for rows that are being read
        #: Whether several processes have agreed to stop here.
        self.is_stopped = False
        self.seconds = 0.0
        self.ended: list[Record] = []
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
        while len(self.ended) < self.epochs and not self.is_stopped:
            count, batch = len(self.ended), self.batch
            record = self._advance(max(0, end - now))
            before, now = now, time.monotonic_ns()
            self.seconds += (now - before) * 1e-9
            if record is not None:
                self._end_epoch(record)
            elif self.pause == 2 and self.batch > batch:
                phase = BATCH_DONE
                break
            if self.pause and len(self.ended) > count:
                break
            if (self.pause != 2 or self.waits) and now >= end:
                break
        done = len(self.ended) == self.epochs
        return len(self.ended), self.batch, self.data.batches, self._loss(), done, phase

    def _end_epoch(self, record: tuple[float, float, float]) -> None:
        start = time.monotonic_ns()
        valid: Record = (math.nan,) * 5
        if self.validation is not None:
            held, evaluate = self.validation, self.data.evaluate or self._evaluate
            valid = evaluate(held.X, held.y, held.weights)
        seconds = self.seconds + (time.monotonic_ns() - start) * 1e-9
        self.ended.append((*record, seconds, *valid))
        self.batch, self.seconds = 0, 0.0

    def _evaluate(self, X: Any, y: Any, weights: Any) -> Record:
        return self.net._evaluate(X, y, weights, self.outputs)

    def _loss(self) -> float:
        """Return the mean loss of the epoch so far; NaN before its first batch."""
        rows = self.rows + self.open_rows
        return (self.loss + self.open_loss) / rows if rows else math.nan

    @property
    def _where(self) -> str:
        return f"epoch {len(self.ended) + 1}, piece {self.taken}"

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
        with prefixed(f"{self._where}: ", "epoch 1, "):
            _, batch, _, loss, done, phase = self.session.run(min(max_ns, SLICE_NS))
        if done or phase == _SUMMING:
            batch = self.piece_batches
        if batch and not done:
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
            with prefixed(f"{self._where}: "):
                self._open(*read_piece(self.net, item))
            return True
        self.pieces = None
        number, steps = len(self.ended) + 1, self.data.steps
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
        self._work_on(Data(X, y, weights), len(X))

    def _work_on(self, piece: Data, rows: int, *shared: Any) -> None:
        """Begin with a piece of so many rows; `shared` is said of those of other processes."""
        size, weights = self.batch_size or max(1, rows), piece.weights
        self.session = piece.begin(self.net, 1, size, self.shuffle, self.pause, *shared)
        self.piece_rows, self.piece_done = rows, 0
        self.piece_weight = float(rows if weights is None else np.sum(weights, dtype=float))
        self.piece_batches, self.piece_size = -(-rows // size), size
        if len(self.rates):
            rates = self.rates[self.batch : self.batch + self.piece_batches]
            self.session.set_rates(np.ascontiguousarray(rates))

    def _close(self) -> None:
        if self.session is None:
            return
        ((loss, accuracy, penalty, *_),) = self.session.records(0)
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

    def records(self, first: int, /) -> list[Record]:
        """Return those of the epochs that have ended, from that one on."""
        return self.ended[first:]

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
def prefixed(words: str, instead_of: str = "") -> Iterator[None]:
    """Say in errors of the engine where they come from."""
    try:
        yield
    except (ValueError, TypeError, core.DivergenceError) as error:
        if type(error) in (ValueError, TypeError, core.DivergenceError) and len(error.args) == 1:
            error.args = (words + str(error).removeprefix(instead_of),)
        raise
