"""Ctrl-C at any moment of everything that takes a while."""

from __future__ import annotations

import itertools
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from trust.child import forked
from trust.faults.writers import left_over, network

_ROWS = 6000
_IN_A_CHILD = 25


def _data() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(_ROWS, 4)), rng.integers(0, 3, _ROWS)


def _fit_estimator(net: Any, X: Any, y: Any, path: Path) -> None:
    from swiftbackprop.sklearn import MLPClassifier

    MLPClassifier((20,), max_iter=3, tol=0.0).fit(X[:1500], y[:1500])


CALLS: dict[str, Callable[[Any, Any, Any, Path], object]] = {
    "fit": lambda net, X, y, path: net.fit(X, y, epochs=2, progress=False),
    "fit and validate": lambda net, X, y, path: net.fit(
        X, y, epochs=1, validation_split=0.3, metrics=["auc"], progress=False
    ),
    "fit pieces": lambda net, X, y, path: net.fit(
        [(X[:3000], y[:3000]), (X[3000:], y[3000:])], epochs=1, progress=False
    ),
    "fit with callbacks": lambda net, X, y, path: net.fit(
        X, y, epochs=2, progress=False, callbacks=[sb.Checkpoint(path), sb.CSVLogger(f"{path}.csv")]
    ),
    "forward": lambda net, X, y, path: (net.forward(X), net.backward(y), net.step()),
    "loops": lambda net, X, y, path: net.forward(X[:100], method="loops"),
    "predict": lambda net, X, y, path: net.predict(X),
    "evaluate": lambda net, X, y, path: net.evaluate(X, y, metrics=["auc"]),
    "gradcheck": lambda net, X, y, path: net.gradcheck(X[:20], y[:20], per_array=5),
    "jacobian": lambda net, X, y, path: net.jacobian(X[:500], layer=1),
    "hvp": lambda net, X, y, path: net.hvp(X, y, np.ones(net.n_parameters)),
    "health": lambda net, X, y, path: net.health(X[:200], y[:200]),
    "save": lambda net, X, y, path: net.save(path),
    "load": lambda net, X, y, path: (net.save(path), sb.load(path)),
    "copy": lambda net, X, y, path: net.copy(),
    "estimator": _fit_estimator,
}  # fmt: skip


def run(rng: random.Random, count: int) -> Iterator[str]:
    """Interrupt calls; the network can be used afterwards, and nothing is left open."""
    names = itertools.cycle(CALLS)
    for _ in range(-(-count // _IN_A_CHILD)):
        name = next(names)
        ending = forked(partial(_interrupted, name, random.Random(rng.getrandbits(32))))
        for _ in range(_IN_A_CHILD - 1):
            yield ""
        yield f"{name}: {ending.how}\n{ending.output[-2000:]}" if ending.how else ""


def _interrupted(name: str, rng: random.Random) -> None:
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    net, (X, y) = network(), _data()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net")
        begin = time.monotonic()
        CALLS[name](net, X, y, path)
        lasts = time.monotonic() - begin
        for _ in range(_IN_A_CHILD):
            before = len(os.listdir("/proc/self/fd"))
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(1e-6, lasts))
                CALLS[name](net, X, y, path)
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                pass
            assert not net._busy, "the network stays busy"
            assert np.isfinite(net.parameters).all()
            assert len(os.listdir("/proc/self/fd")) == before, "a file stays open"
            found = left_over(path.parent)
            assert not found, found
        net.fit(X[:100], y[:100], epochs=1, progress=False)
        net.save(path)
        np.testing.assert_array_equal(sb.load(path).parameters, net.parameters)
