"""Reading ahead on a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from swiftbackprop._train.row_stream import PENDING

_LOOK = 0.05  # seconds after which a thread that waits looks whether it is still wanted
_JOIN = 5.0  # a read that hangs, as on a network, is left behind after so long


class ReadAhead:
    """What an iterator gives, made on a thread while others work.

    So many items as `depth` says are made before they are asked for; with 0 there is no thread.
    """

    def __init__(self, items: Iterator[Any], depth: int) -> None:
        self._items = items
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None
        if depth:
            # An item is begun when there is room for it: `depth` of them are held at most.
            self._room = threading.Semaphore(depth)
            self._made: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
            given = items, self._room, self._made, self._closed
            self._thread = threading.Thread(
                target=_work, args=given, name="read ahead", daemon=True
            )
            self._thread.start()

    def get(self, timeout: float = _LOOK) -> Any:
        """Return the next item, or raise its error; PENDING if it takes longer; None at the end."""
        if self._thread is None:
            return next(self._items, None)
        try:
            item, error = self._made.get(timeout=timeout)
        except queue.Empty:
            return PENDING
        if error is not None:
            self._closed.set()
            raise error
        self._room.release()
        return item

    def close(self) -> None:
        """Stop, and wait for the read at work."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join(_JOIN)
            self._made = queue.SimpleQueue()
        if self._thread is None or not self._thread.is_alive():
            getattr(self._items, "close", lambda: None)()

    def __del__(self) -> None:
        self._closed.set()  # should Ctrl-C have come as close began

    def __iter__(self) -> Iterator[Any]:
        """Go through all items, and stop the thread at the end."""
        try:
            while (item := self.get()) is not None:
                if item is not PENDING:
                    yield item
        finally:
            self.close()


def _work(
    items: Iterator[Any],
    room: threading.Semaphore,
    made: queue.SimpleQueue[tuple[Any, BaseException | None]],
    closed: threading.Event,
) -> None:
    """Make items where there is room; it holds nothing that would keep a `ReadAhead` alive."""
    while not closed.is_set():
        if not room.acquire(timeout=_LOOK):
            continue
        try:
            item = next(items, None)
        except BaseException as error:  # for whoever waits for the item
            made.put((None, error))
            return
        made.put((item, None))
        if item is None:
            return
