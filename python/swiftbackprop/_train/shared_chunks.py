"""Training by several processes, each of which reads its own data in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.chunked import ChunkedSession, prefixed
from swiftbackprop._train.data import ChunkedData, Data
from swiftbackprop._train.pieces import read_piece
from swiftbackprop._train.processes import Processes
from swiftbackprop._train.row_stream import PENDING
from swiftbackprop._train.shared import Agreement, filled, weights_of_all

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


class SharedChunkedSession(ChunkedSession):
    """A `TrainingSession` of one of several processes: the next pieces of all are as one.

    The network has joined the others. Where the pieces of a process are at their end, it goes on
    without rows of its own until those of the others are. It comes back at the most that a process
    asks for by `pause`, and at least at every epoch's end.
    """

    def __init__(
        self,
        net: NetworkBase,
        data: ChunkedData,
        processes: Processes,
        epochs: int,
        batch_size: int | None,
        shuffle: int,
        pause: int,
    ) -> None:
        self.processes, self.agreement = processes, Agreement(net, processes)
        self.has_pieces = False  # this process has had one
        pause = max(1, *processes.gather(pause))
        super().__init__(net, data, epochs, batch_size, shuffle, pause)

    def _advance(self, max_ns: int) -> tuple[float, float, float] | None:
        self.agreement.wish()
        record = super()._advance(max_ns)
        if self.processes.has_wishes:
            self.is_stopped = self.agreement.follow()
        return record

    def _end_epoch(self, record: tuple[float, float, float]) -> None:
        super()._end_epoch(record)
        found = self.ended[-1]
        seconds, self.is_stopped = self.agreement.compare(found[3], len(self.ended))
        self.ended[-1] = (*found[:3], seconds, *found[4:])

    def _take(self) -> bool:
        """Open a session on the next pieces of all; return whether there is one."""
        if self.pieces is None:
            self.pieces = self.begin()
        piece = self._next()
        X, y, weights = filled(self.net, *(piece or (None, None, None)))
        notes = (len(X), weights is not None, piece is not None, self.processes.wish)
        rows, are_weighed, are_there, wishes = zip(*self.processes.gather(notes), strict=True)
        if any(wishes):
            self.is_stopped = self.agreement.follow(wishes)
            return True
        if not any(are_there):
            self.pieces = None
            if not self.taken or self.data.steps is not None:
                raise ValueError(f"epoch {len(self.ended) + 1}: there was no piece of data")
            return False
        self.taken += 1
        if not sum(rows):
            return True
        with prefixed(f"{self._where}: "):
            if any(are_weighed):
                weights = weights_of_all(self.net, X, weights, self.processes)
            first = sum(rows[: self.processes.rank])
            self._work_on(Data(X, y, weights), sum(rows), sum(rows), first, self.processes.answer)
        return True

    def _next(self) -> tuple[FloatArray, FloatArray, FloatArray | None] | None:
        """Wait for the next piece of this process; return None if there is none."""
        found = self._read()
        if found is not None or self.data.steps is None or self.processes.wish:
            return found
        # Its data end within an epoch, which goes on from their start.
        self.pieces = self.begin()
        found = self._read()
        if found is None and self.has_pieces and not self.processes.wish:
            raise ValueError(
                f"epoch {len(self.ended) + 1}: expected {self.data.steps} pieces, got "
                f"{self.taken}: the data ended"
            )
        return found

    def _read(self) -> tuple[FloatArray, FloatArray, FloatArray | None] | None:
        item: Any
        for item in self.pieces or ():
            if item is not PENDING:
                self.has_pieces = True
                with prefixed(f"epoch {len(self.ended) + 1}, piece {self.taken + 1}: "):
                    X, y, weights = read_piece(self.net, item)
                    if self.data.classes is not None:
                        weights = self.data.classes.weigh(y, weights)
                    return X, y, weights
            self.processes.look()
            self.agreement.wish()
            if self.processes.wish:
                return None
        return None
