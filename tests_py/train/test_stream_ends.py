"""How training on streams ends: stop, Ctrl-C, errors; and the thread that reads ahead."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from swiftbackprop._train.row_stream import Demand
from swiftbackprop.data._read_ahead import ReadAhead
from test_streams import data, network, reading, write


class Slow:
    """A transform that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def transform(self, X: np.ndarray) -> np.ndarray:
        time.sleep(self.seconds)
        return X


def test_stop_while_rows_are_awaited(tmp_path: Path) -> None:
    place = write(tmp_path)
    net = network()

    class Batches(sb.Callback):
        def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
            pass

    for callbacks in ([], [Batches()]):
        stream = sb.data.stream(place, target="y", transform=Slow(0.2), batch_rows=17, window=17)
        timer = threading.Timer(0.5, net.stop)
        timer.start()
        history = net.fit(stream, epochs=100, batch_size=17, callbacks=callbacks, progress=False)
        timer.join()
        assert history.stop_reason == "stopped"
        assert net.step_count < 100
    assert not reading()
    net.predict(data()[0])


def test_ctrl_c_while_rows_are_awaited(tmp_path: Path) -> None:
    stream = sb.data.stream(write(tmp_path), target="y", transform=Slow(0.2), batch_rows=17)
    net = network()
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        net.fit(stream, epochs=100, batch_size=17, progress=False)
    timer.join()
    assert net.history is not None
    assert net.history.stop_reason == "interrupted"
    assert not reading()
    net.fit(*data(), epochs=1, progress=False)


def test_a_callback_that_fails_ends_the_thread(tmp_path: Path) -> None:
    stream = sb.data.stream(write(tmp_path), target="y", window=17)

    def fails(net: sb.Network, epoch: int, logs: Any) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        network().fit(stream, epochs=3, callbacks=[fails], progress=False)
    assert not reading()


def test_so_much_is_read_ahead() -> None:
    """`depth` items are made before they are asked for, not more."""
    made: list[int] = []
    enough = threading.Event()

    def items() -> Iterator[int]:
        for k in range(1, 10):
            made.append(k)
            if k == 2:
                enough.set()
            yield k

    reader = ReadAhead(items(), 2)
    assert enough.wait(10)
    time.sleep(0.2)
    assert made == [1, 2]
    assert list(reader) == list(range(1, 10))
    for leave in (ReadAhead.close, ReadAhead.__del__):
        left = ReadAhead(items(), 1)
        leave(left)
        assert left._thread is not None
        left._thread.join(10)
        assert not left._thread.is_alive()


def test_a_training_that_is_forgotten_does_not_read_on(tmp_path: Path) -> None:
    """Should Ctrl-C have come before `close` began."""
    stream = sb.data.stream(write(tmp_path), target="y", window=17)
    epochs = stream.epochs(Demand(), 5, 17, None, None)
    pieces = epochs()
    next(pieces)
    assert reading()
    del epochs, pieces
    gc.collect()
    for thread in threading.enumerate():
        if thread.name == "read ahead":
            thread.join(10)
    assert not reading()


def test_iterated_over_it_yields_pieces_in_their_order(tmp_path: Path) -> None:
    X, y = data()
    stream = sb.data.stream(write(tmp_path), target="y", batch_rows=100)
    pieces = list(stream)
    assert [len(part) for part, _ in pieces] == [100, 100, 30]
    assert np.array_equal(np.concatenate([part for part, _ in pieces]), X)
    assert np.array_equal(np.concatenate([part for _, part in pieces]), y)
    assert [y.dtype for y in stream.targets(Demand())] == [np.int64] * 15
    bare = sb.data.stream(X, batch_rows=200)
    assert [part.shape for part in bare] == [(200, 4), (30, 4)]
