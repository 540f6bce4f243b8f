"""No threads to be had: the same numbers, by one."""

from __future__ import annotations

import ctypes
import os
import random
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial

import numpy as np

from trust.child import ROOT, forked, named

# The limit binds all processes of a user, and root not at all: a user of nobody else's, who may
# read the files of this one.
_USER = 60_000


def without_threads(user: int, allowed: int) -> None:
    """Let this process, as another user, have so many threads more."""
    resource.setrlimit(resource.RLIMIT_NPROC, (1 + allowed, 1 + allowed))
    if os.geteuid() == 0:
        os.setresuid(user, user, 0)
        ctypes.CDLL(None).setfsuid(0)


def _trained() -> tuple[np.ndarray, np.ndarray]:
    import swiftbackprop as sb

    X = np.random.default_rng(0).normal(size=(2000, 300)).astype(np.float32)
    net = sb.Network([300, 200, 10], output="softmax", seed=0)
    net.fit(X, np.arange(2000) % 10, epochs=1, batch_size=500, progress=False)
    return net.parameters.copy(), net.predict(X)


def run(rng: random.Random, count: int) -> Iterator[str]:
    """Train with fewer threads than were asked for; the plan, and so every bit, is the same."""
    import swiftbackprop as sb

    before = sb.get_num_threads()
    sb.set_num_threads(4)
    try:
        wanted = _trained()
        for k in range(count):
            allowed, user = k % 4, _USER + rng.randrange(5000)
            ending = forked(partial(_same, user, allowed, wanted))
            yield f"{allowed} threads: {ending.how}\n{ending.output[-2000:]}" if ending.how else ""
    finally:
        sb.set_num_threads(before)


def _same(user: int, allowed: int, wanted: tuple[np.ndarray, np.ndarray]) -> None:
    without_threads(user, allowed)
    if allowed == 0:
        try:
            threading.Thread(target=lambda: None).start()
        except RuntimeError:
            pass
        else:
            raise AssertionError("a thread was had: the limit does not bind")
    for found, known in zip(_trained(), wanted, strict=True):
        np.testing.assert_array_equal(found, known)


def run_import(rng: random.Random, count: int) -> Iterator[str]:
    """Import the package, and with it its BLAS, where there are no threads."""
    for _ in range(count):
        yield _imported(_USER + rng.randrange(5000))


def _imported(user: int) -> str:
    command = [sys.executable, "-c", _IMPORT, str(user)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    how = named(done.returncode)
    return f"{how}\n{done.stderr[-2000:]}" if how else ""


# NumPy has its threads before the limit, the package has none.
_IMPORT = """
import sys
import numpy as np
from trust.faults.threads import without_threads
without_threads(int(sys.argv[1]), 0)
import swiftbackprop as sb
net = sb.Network([300, 200, 10], output="softmax", seed=0)
net.fit(np.ones((600, 300)), np.zeros(600, int), epochs=1, progress=False)
"""
