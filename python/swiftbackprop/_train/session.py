"""Training sessions: what the loop of `fit` asks of each, and what those in Python share."""

from __future__ import annotations

import time
from typing import Any, Protocol

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray

__all__ = ["BATCH_DONE", "Progress", "Record", "Session", "TrainingSession", "check"]

# loss, accuracy, penalty, seconds, then those of the validation data: as core.FitSession.epoch.
Record = tuple[float, ...]

#: The phase in which `Session.run` comes back when a batch is done.
BATCH_DONE = 3

_NAN = float("nan")
_CHECK_ROWS = 1024
# The engine returns after this time at the latest, at the end of a batch; then signals are
# handled, so that Ctrl-C acts within a tenth of a second.
SLICE_NS = 50_000_000


# Epochs ended, batches of the next one done and their number, its running loss, whether all is
# done, and the phase.
Progress = tuple[int, int, int, float, bool, int]


class TrainingSession(Protocol):
    """A training in slices: the engine's, `core.FitSession`, or one in Python."""

    def run(self, max_ns: int, /) -> Progress:
        """Work for about that long."""

    def epoch(self, index: int, /) -> Record:
        """Return the record of an epoch that has ended; ValueError if there is none."""

    def set_rates(self, rates: FloatArray, /) -> None:
        """Take lr for the batches of every epoch from now on."""

    def set_outputs(self, outputs: FloatArray, /) -> None:
        """Write a(L) of the validation rows there too, at every epoch's end."""

    def end(self) -> None:
        """Give the network back."""


class Session:
    """A `TrainingSession` in Python, whose epochs are made of units of work.

    Parameters
    ----------
    net : Network
    epochs : int
    pause : int
        When to come back: 0 after a time, 1 at every epoch's end, 2 at every batch's.
    validation : tuple of X, y and weights, or None
    batches : int
        Of an epoch; 0 if that is not known.
    """

    def __init__(
        self,
        net: Any,
        epochs: int,
        pause: int,
        validation: tuple[Any, Any, Any] | None,
        batches: int,
    ) -> None:
        self.net, self.epochs, self.pause, self.validation = net, epochs, pause, validation
        self.batches = batches
        self.batch = 0  # how many of this epoch are done
        self.waits = False  # for rows that are being read
        self.seconds = 0.0
        self.records: list[Record] = []
        self.rates: FloatArray | tuple[()] = ()
        self.outputs: FloatArray | None = None

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
        return len(self.records), self.batch, self.batches, self._loss(), done, phase

    def _advance(self, max_ns: int) -> tuple[float, float, float] | None:
        """Do a unit of work; at the end of an epoch return loss, accuracy and penalty."""
        raise NotImplementedError

    def _loss(self) -> float:
        """Return the mean loss of the epoch so far; NaN before its first batch."""
        raise NotImplementedError

    def _end_epoch(self, record: tuple[float, float, float]) -> None:
        start = time.monotonic_ns()
        valid: Record = (_NAN,) * 5
        if self.validation is not None:
            valid = self._evaluate(*self.validation)
        seconds = self.seconds + (time.monotonic_ns() - start) * 1e-9
        self.records.append((*record, seconds, *valid))
        self.batch, self.seconds = 0, 0.0

    def _evaluate(self, X: Any, y: Any, weights: Any) -> Record:
        found: Record = self.net._evaluate(X, y, weights, self.outputs)
        return found

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


def check(net: Any, X: Any, y: Any, weights: Any, valid: tuple[Any, Any, Any]) -> None:
    """Let the engine look at data as it does before it trains on them.

    Raises
    ------
    ValueError, TypeError
        If they do not fit.
    """
    door = core.Net._fit(net, X, y, weights, *valid, 0, _CHECK_ROWS, False, 0)
    try:
        while not door.run(SLICE_NS)[4]:
            pass
    finally:
        door.end()
