"""Processes that train one network together, by MPI: their sums, and how one's failure ends all."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._train.exchange import Exchange, copy_of

_FAILED = 1  # the tag of a message that says why a process left
# Errors that are the same kind on every process; others become a RuntimeError.
_KINDS: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (KeyboardInterrupt, MemoryError, TypeError, ValueError, core.DivergenceError)
}
# So many processes send each other their shares of a sum; of more every one would have to send
# too many messages, and MPI knows better.
_FEW = 8
# Seconds in which sums that all processes have begun come to their end.
_DRAIN = 1.0
# Seconds in which one comes to its end that the process had its share in which leaves.
_GRACE = 0.3
# What MPI may still write to after one process has left: kept for good.
_abandoned: list[Any] = []


class Processes:
    """The processes of one `fit`: a context, inside of which all make the same calls in order.

    A process that leaves it by an exception tells the others, which then raise one that names it.
    Every wait looks for such news, so that nobody waits for a process that is not there.

    Parameters
    ----------
    comm : mpi4py.MPI.Intracomm
        What happens here goes over copies of it.
    """

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._mpi = MPI
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self._comm, self._news = copy_of(comm), copy_of(comm)
        self._pieces: dict[int, tuple[Any, FloatArray]] = {}  # sums on their way
        self._free: list[FloatArray] = []  # memory of exchanges that have ended
        #: Whether all know that one leaves: this process, or another that has said so.
        self.is_told = False
        self._has_left = False
        self._handlers: list[tuple[int, Any]] = []
        #: What this process wishes: "" to go on, "stop" or "interrupt"
        self.wish = ""
        #: Whether some process wished something in the last check
        self.has_wishes = False

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and shows."""
        return bool(self.rank == 0)

    def Get_rank(self) -> int:
        """Return the number of this process; as mpi4py names it."""
        return int(self.rank)

    def Get_size(self) -> int:
        """Return how many they are."""
        return int(self.size)

    # --- From the first call to the last ------------------------------------------------------

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._listen()
        return self

    def _listen(self) -> None:
        """Keep Ctrl-C, and the end that is asked for, until all processes can stop together.

        mpirun passes SIGUSR1 on and leaves the processes alone; Slurm sends it before time is up.
        """
        for name in ("SIGINT", "SIGTERM", "SIGUSR1"):
            number = getattr(signal, name, None)  # Windows has not all of them
            if number is None:
                continue
            old = signal.getsignal(number)
            if old in (signal.default_int_handler, signal.SIG_DFL):
                self._handlers.append((number, signal.signal(number, self._interrupt)))

    def _interrupt(self, number: int, frame: object) -> None:
        if self.wish == "interrupt":
            raise KeyboardInterrupt
        self.wish = "interrupt"

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        try:
            if error is not None:
                self.leave(error)
            if self.is_told:  # what they had begun together does not come to its end
                return
            try:
                self._wait(self._comm.Ibarrier())
            except BaseException as last:
                self.leave(last)
                raise
            self._comm.Free()
            self._news.Free()
        finally:
            for number, old in self._handlers:
                signal.signal(number, old)

    def leave(self, error: BaseException) -> None:
        """Tell the others why this process leaves, unless one of them was the first to."""
        if self._has_left:
            return
        self._has_left = True
        requests: list[Any] = []
        if not self.is_told:
            self.is_told = True
            words = str(error)[:2000], type(error).__name__
            requests = [
                self._news.isend((self.rank, *words), dest=other, tag=_FAILED)
                for other in range(self.size)
                if other != self.rank
            ]
            _abandoned.append((self._comm, self._news, requests))
        # What is on its way needs this process to get there: the news, and sums that others await.
        requests += [request for request, _ in self._pieces.values()]
        end = time.monotonic() + _DRAIN
        while requests and time.monotonic() < end:
            requests = [request for request in requests if not request.Test()]
            os.sched_yield()
        _abandoned.append(self._pieces)

    def look(self) -> None:
        """Raise what ended another process, if one has ended."""
        if not self._news.Iprobe(tag=_FAILED):
            return
        rank, words, name = self._news.recv(tag=_FAILED)
        self.is_told = True
        kind = _KINDS.get(name, RuntimeError)
        prefix = "" if name in _KINDS else f"{name}: "
        detail = f": {prefix}{words}" if words or prefix else ""
        verb = "was interrupted" if kind is KeyboardInterrupt else "failed"
        raise kind(f"process {rank} of {self.size} {verb}{detail}")

    def _wait(self, request: Any, *, patience: float = 0.0) -> None:
        """Wait for the end of a request; look for news of failures after `patience` seconds."""
        if request.Test():
            return
        begin = time.monotonic()
        while not request.Test():
            waited = time.monotonic() - begin
            if waited >= patience and self._news.Iprobe(tag=_FAILED):
                # What the other had its share in comes to its end, so that all stop alike.
                if self._ends_soon(request):
                    return
                _abandoned.append(request)
                self.look()
            if waited > 1e-3:
                # Others may need this core.
                if waited > 0.05:
                    time.sleep(2e-4)
                else:
                    os.sched_yield()

    def _ends_soon(self, request: Any) -> bool:
        end = time.monotonic() + _GRACE
        while not request.Test():
            if time.monotonic() > end:
                return False
            os.sched_yield()
        return True

    # --- Sums of arrays, in place ---------------------------------------------------------------

    def answer(self, order: int, piece: int, array: FloatArray | None) -> None:
        """Answer a question of the engine's: a sum over the processes, now or later."""
        if order == core.REDUCE_END:
            request, _ = self._pieces.pop(piece)
            # All processes have begun this sum: one that has left since has its share in it.
            self._wait(request, patience=5.0)
            return
        if array is None:
            raise RuntimeError("the engine asked for the sum of nothing")
        if order == core.REDUCE_BEGIN:
            self._pieces[piece] = self._begin(piece, array), array
            for request, _ in self._pieces.values():
                request.Test()  # lets MPI go on
            return
        if order == core.REDUCE_CHECK and self.wish:
            array[0] = 1
        failed = order == core.REDUCE_CHECK and bool(array[1])
        self.sum(array)
        if order == core.REDUCE_CHECK:
            self.has_wishes = bool(array[0])
            if array[1] and not failed:
                self._await_news()

    def _begin(self, piece: int, array: FloatArray) -> Any:
        """Begin the sum of a piece of the gradients, which is large."""
        if self.size > _FEW:
            return self._comm.Iallreduce(self._mpi.IN_PLACE, array)
        return Exchange(self._comm, array, piece, self._free)

    def _await_news(self) -> None:
        """Raise why another process fails, which it is about to say."""
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.look()
            os.sched_yield()

    def sum(self, array: FloatArray) -> FloatArray:
        """Sum an array over the processes, in place; the same bits on each."""
        self._wait(self._comm.Iallreduce(self._mpi.IN_PLACE, array))
        return array

    # --- Objects --------------------------------------------------------------------------------

    def gather(self, given: Any) -> list[Any]:
        """Return what every process gave, in their order."""
        data = np.frombuffer(pickle.dumps(given), np.uint8)
        sizes = np.zeros(self.size, np.int64)
        self._wait(self._comm.Iallgather(np.array([len(data)], np.int64), sizes))
        ends = np.cumsum(sizes)
        all_data = np.empty(int(ends[-1]), np.uint8)
        parts = [all_data, sizes, ends - sizes, self._mpi.BYTE]
        self._wait(self._comm.Iallgatherv([data, self._mpi.BYTE], parts))
        return [
            pickle.loads(all_data[end - size : end].tobytes())
            for size, end in zip(sizes.tolist(), ends.tolist(), strict=True)
        ]

    def gather_to_first(self, given: FloatArray) -> list[FloatArray]:
        """Return on process 0 the rows of every process, on the others nothing."""
        sizes = np.array(self.gather(given.nbytes))
        whole = np.empty(int(sizes.sum()) if self.is_first else 0, np.uint8)
        parts = [whole, sizes, np.cumsum(sizes) - sizes, self._mpi.BYTE] if self.is_first else None
        own = [np.ascontiguousarray(given), self._mpi.BYTE]
        self._wait(self._comm.Igatherv(own, parts))
        return [whole.view(given.dtype).reshape(-1, given.shape[1])] if self.is_first else []

    def from_first(self, given: Any) -> Any:
        """Return what process 0 gave."""
        data = np.frombuffer(pickle.dumps(given if self.is_first else None), np.uint8)
        size = np.array([len(data)], np.int64)
        self._wait(self._comm.Ibcast(size))
        buffer = data.copy() if self.is_first else np.empty(int(size[0]), np.uint8)
        self._wait(self._comm.Ibcast([buffer, self._mpi.BYTE]))
        return given if self.is_first else pickle.loads(buffer.tobytes())

    def any(self, given: bool) -> bool:
        """Return whether one process at least says so."""
        return bool(self.sum(np.array([float(given)]))[0])

    def agree(self, values: Sequence[tuple[str, Any]]) -> None:
        """Refuse, on all processes, what is to be the same on each and is not."""
        first, *others = self.gather(list(values))
        for rank, given in enumerate(others, start=1):
            for (name, wanted), (_, found) in zip(first, given, strict=True):
                if wanted != found:
                    raise ValueError(
                        f"process {rank} of {self.size} has {name} {found}, but process 0 has "
                        f"{wanted}: all processes that train together need the same"
                    )
