"""Training on data that come in pieces: generators, lists of shards, data loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.labels import encode
from swiftbackprop._train.row_stream import PENDING
from swiftbackprop._train.session import SLICE_NS, Record, Session, check

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._train.class_weight import ClassWeights

__all__ = ["ChunkedSession", "as_pieces"]

_Piece = tuple[FloatArray, FloatArray, FloatArray | None]


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


def _read(net: NetworkBase, item: Any) -> _Piece:
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


class ChunkedSession(Session):
    """A training session like the engine's, over one short session per piece.

    Parameters
    ----------
    net : Network
    begin : callable
        Returns an iterator over the pieces.
    epochs, shuffle, pause
        As for the engine's.
    batch_size : int or None
        Rows of a minibatch; None for a piece as a whole.
    steps : int or None
        ChunkedData of an epoch; None for as many as there are.
    batches : int
        Minibatches of an epoch; 0 if that is not known.
    validation : tuple of X, y and weights, or None
    evaluate : callable, optional
        What evaluates the validation data, if the engine cannot read them.
    classes : ClassWeights or None
    """

    def __init__(
        self,
        net: NetworkBase,
        begin: Callable[[], Iterator[Any]],
        epochs: int,
        batch_size: int | None,
        steps: int | None,
        batches: int,
        shuffle: bool,
        pause: int,
        validation: tuple[Any, Any, Any] | None,
        evaluate: Callable[[Any, Any, Any], Record] | None,
        classes: ClassWeights | None,
    ) -> None:
        super().__init__(net, epochs, pause, validation, batches)
        if net._busy:
            raise RuntimeError("this network is in fit: wait for its end or call stop() first")
        if validation is not None and evaluate is None:
            with _prefixed("validation data: "):
                check(net, *validation, (None, None, None))
        self.begin, self.batch_size, self.steps = begin, batch_size, steps
        self.shuffle, self.evaluate, self.classes = shuffle, evaluate, classes
        self.pieces: Iterator[Any] | None = None
        self.session: core.FitSession | None = None
        self.piece_rows = self.piece_size = self.piece_batches = self.piece_done = 0
        self.piece_weight = 0.0
        self._start()

    def _start(self) -> None:
        self.taken = self.rows = 0
        self.loss = self.hits = self.weight = self.penalty = 0.0
        self.open_rows, self.open_loss = 0, 0.0  # of the piece at hand, so far

    def _evaluate(self, X: Any, y: Any, weights: Any) -> Record:
        if self.evaluate is not None:
            return self.evaluate(X, y, weights)
        return super()._evaluate(X, y, weights)

    def _loss(self) -> float:
        rows = self.rows + self.open_rows
        return (self.loss + self.open_loss) / rows if rows else float("nan")

    @property
    def _where(self) -> str:
        return f"epoch {len(self.records) + 1}, piece {self.taken}"

    def _advance(self, max_ns: int) -> tuple[float, float, float] | None:
        """Work on the piece at hand, or take the next one, or end the epoch."""
        if self.session is None:
            if self.taken != self.steps and self._take():
                return None
            hits = self.hits / self.weight if self.weight else float("nan")
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
        number = len(self.records) + 1
        if self.steps is None and not self.taken:
            raise ValueError(f"epoch {number}: there was no piece of data")
        if self.steps is not None and is_new:
            raise ValueError(
                f"epoch {number}: expected {self.steps} pieces, got {self.taken}: the data ended"
            )
        return self.steps is not None and self._take()

    def _open(self, X: FloatArray, y: FloatArray, weights: FloatArray | None) -> None:
        if self.classes is not None:
            weights = self.classes.weigh(y, weights)
        size = self.batch_size or max(1, len(X))
        self.session = self.net._fit(
            X, y, weights, None, None, None, 1, size, self.shuffle, self.pause
        )
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

    def end(self) -> None:
        """Give the network back."""
        if self.session is not None:
            self.session.end()
            self.session = None


@contextmanager
def _prefixed(words: str, instead_of: str = "") -> Iterator[None]:
    """Say in errors of the engine where they come from."""
    try:
        yield
    except (ValueError, TypeError, core.DivergenceError) as error:
        if type(error) in (ValueError, TypeError, core.DivergenceError) and len(error.args) == 1:
            error.args = (words + str(error).removeprefix(instead_of),)
        raise
