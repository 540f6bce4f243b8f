"""Too little memory, at many sizes: a MemoryError, or the work is done."""

from __future__ import annotations

import errno
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

import swiftbackprop as sb
from trust.child import ROOT, forked, limit_memory, named

_SMALLEST, _LARGEST = 1 << 14, 1 << 28
_IMPORT = (1 << 27, 3 << 30)


def run(rng: random.Random, count: int) -> Iterator[str]:
    """Work with so many bytes more than there are: from 16 KB to 256 MB."""
    for k in range(count):
        more = int(_SMALLEST * (_LARGEST / _SMALLEST) ** (k / max(count - 1, 1)))
        ending = forked(partial(_work, more))
        yield f"{more} bytes: {ending.how}\n{ending.output[-2000:]}" if ending.how else ""


def _work(more: int) -> None:
    X = np.random.default_rng(0).normal(size=(4000, 100)).astype(np.float32)
    y = np.arange(4000) % 10
    small = sb.Network([100, 30, 10], output="softmax", seed=0)
    wanted = small.predict(X[:10]).copy()
    folder = tempfile.mkdtemp()
    small.save(Path(folder, "net"))
    limit_memory(more)

    def train() -> None:
        net = sb.Network([100, 400, 200, 10], output="softmax", optimizer="adam", seed=0)
        net.forward(X)
        net.backward(y)
        net.step()
        net.fit(X, y, epochs=1, batch_size=2000, validation_split=0.2, progress=False)
        net.predict(X.astype(np.float64))
        net.jacobian(X[:200], layer=1)
        net.save(Path(folder, "large"))

    def read() -> None:
        sb.load(Path(folder, "net"))

    def beside() -> None:
        copy = small.copy()
        copy.fit(X, y, epochs=1, progress=False)
        copy.hvp(X, y, np.ones(copy.n_parameters))

    for work in (train, read, beside):
        try:
            work()
        except MemoryError:
            pass
        except OSError as error:  # of the file system, which has its own word for it
            if error.errno != errno.ENOMEM:
                raise
    if more > 1 << 20:
        assert np.array_equal(small.predict(X[:10]), wanted)


def run_import(rng: random.Random, count: int) -> Iterator[str]:
    """Import and train in a new interpreter that may have so much in all.

    Where NumPy alone dies, or hangs in its OpenBLAS, nothing is looked at.
    """
    first, last = _IMPORT
    for k in range(count):
        limit = int(first + (last - first) * k / max(count - 1, 1))
        found = _fresh(limit, _FRESH)
        # Which it may do once in ten times.
        if found and any(_fresh(limit, "import numpy") for _ in range(30)):
            found = ""
        yield found


_FRESH = """
import sys
try:
    import swiftbackprop as sb
    import numpy as np
    net = sb.Network([8, 64, 3], output="softmax", seed=0)
    net.fit(np.ones((500, 8)), np.zeros(500, int), epochs=1, progress=False)
except (MemoryError, ImportError, OSError):
    pass
"""


def _fresh(limit: int, code: str) -> str:
    """Run code in a new interpreter with so much memory, and say how it ended."""
    begin = f"import resource\nresource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))\n"
    command = [sys.executable, "-c", begin + code]
    try:
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=60)
    except subprocess.TimeoutExpired:
        return f"{limit >> 20} MB: it hung"
    how = named(done.returncode)
    return f"{limit >> 20} MB: {how}\n{done.stderr[-2000:]}" if how else ""
