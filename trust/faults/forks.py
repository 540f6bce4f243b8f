"""Forks amid training by other threads: the child has what it needs and waits for nobody."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

import swiftbackprop as sb
from trust.child import forked, waited

_IN_A_CHILD = 20


def run(rng: random.Random, count: int) -> Iterator[str]:
    """Fork while two threads train; each child trains a network and reads its parent's."""
    for _ in range(-(-count // _IN_A_CHILD)):
        ending = forked(partial(_forking, random.Random(rng.getrandbits(32))), seconds=180)
        for _ in range(_IN_A_CHILD - 1):
            yield ""
        yield f"{ending.how}\n{ending.output[-2000:]}" if ending.how else ""


def _data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(1500, 60)).astype(np.float32), rng.integers(0, 5, 1500)


def _trained(X: Any, y: Any) -> Any:
    net = sb.Network([60, 120, 5], output="softmax", seed=0)
    net.fit(X, y, epochs=1, batch_size=300, progress=False)
    return net.parameters.copy()


def _forking(rng: random.Random) -> None:
    sb.set_num_threads(3)
    X, y = _data()
    wanted, stop = _trained(X, y), threading.Event()
    shared = [sb.Network([60, 120, 5], output="softmax", seed=k) for k in range(2)]

    def train(net: Any) -> None:
        while not stop.is_set():
            net.fit(X, y, epochs=1, batch_size=300, progress=False)
            net.forward(X)
            net.backward(y)

    threads = [threading.Thread(target=train, args=(net,)) for net in shared]
    for thread in threads:
        thread.start()
    try:
        for _ in range(_IN_A_CHILD):
            time.sleep(rng.uniform(0, 0.01))
            process = os.fork()
            if process == 0:
                _child(X, y, wanted, shared)
            how = waited(process, 30)
            assert not how, f"the child: {how}"
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _child(X: Any, y: Any, wanted: Any, shared: list[Any]) -> None:
    code = 1
    try:
        np.testing.assert_array_equal(_trained(X, y), wanted)
        for net in shared:
            assert not net._busy
            assert net.predict(X).shape == (1500, 5)
            net.fit(X, y, epochs=1, progress=False)
        code = 0
    finally:
        os._exit(code)
