"""Memory: what is not copied, not kept, and not allocated again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import swiftbackprop as sb
from helpers import TESTS, compiler, plain_malloc, run_python_ok

if not Path("/proc/self/status").exists():
    pytest.skip(
        "no /proc/self/status here: anonymous memory cannot be read", allow_module_level=True
    )

pytestmark = plain_malloc

# --- Large arrays ----------------------------------------------------------------------

BIG = """
import os, sys, tempfile, threading, time
import numpy as np
import swiftbackprop as sb

def anonymous():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("RssAnon"):
                return int(line.split()[1]) / 1024

def peak_of(work):
    start, peak, done = anonymous(), [0.0], threading.Event()
    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], anonymous())
            time.sleep(0.001)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return max(peak[0], anonymous()) - start, result

rows, columns = 2**19, 512
with tempfile.NamedTemporaryFile(dir=sys.argv[1]) as file:
    file.truncate(rows * columns * 4)  # sparse: a gigabyte of zeros, a few KB of disk
    X = np.memmap(file.name, np.float32, "r", shape=(rows, columns))
    y = np.zeros(rows, np.int64)
    net = sb.Network([columns, 2], output="softmax", seed=0, initializer="zeros")
    for name, work in (
        ("fit", lambda: net.fit(X, y, epochs=1, batch_size=1024, progress=False)),
        ("evaluate", lambda: net.evaluate(X, y)),
        ("predict", lambda: net.predict(X)),
    ):
        grown, result = peak_of(work)
        if name == "predict":
            grown -= result.nbytes / 2**20
        print(name, round(grown, 1))
"""


def test_a_gigabyte_is_not_copied(tmp_path: Path) -> None:
    said = run_python_ok(BIG, str(tmp_path), timeout=300)
    grown = {name: float(value) for name, value in map(str.split, said.splitlines())}
    assert set(grown) == {"fit", "evaluate", "predict"}
    assert max(grown.values()) <= 64, grown


CONVERTED_BIG = BIG.replace("np.float32", "np.uint8").replace("* 4)", ")")


def test_a_large_array_is_converted_by_minibatch(tmp_path: Path) -> None:
    """256 MB of uint8 would be a gigabyte of float32 if it were converted at once."""
    said = run_python_ok(CONVERTED_BIG, str(tmp_path), timeout=300)
    grown = {name: float(value) for name, value in map(str.split, said.splitlines())}
    assert max(grown.values()) <= 64, grown


# --- Leaks ------------------------------------------------------------------------------

LEAKS = """
import gc
import numpy as np
import swiftbackprop as sb

def anonymous():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))

X, y = np.ones((256, 64), "f4"), np.zeros(256, int)
held = sb.Network([64, 256, 4], output="softmax", seed=0)

def turn():
    net = sb.Network([64, 256, 4], output="softmax", seed=0)
    for one in (net, held):
        a = one.forward(X); one.backward(y); one.step()
        views = [one.parameters, one.layers[0].W, one.layers[0].z, a]
        one.predict(X.astype("f8")); one.evaluate(X, y)
        one.fit(X, y, epochs=1, progress=False)
        for bad in (X.T, "x", X * np.nan):
            try:
                one.forward(bad)
            except (ValueError, TypeError):
                pass
    twin = net.copy()
    twin.reset(1)
    return views

for _ in range(30):
    turn()
gc.collect()
before = anonymous()
for _ in range(200):
    turn()
gc.collect()
print(anonymous() - before)
"""


def test_nothing_leaks() -> None:
    """One network of this size with its workspaces is about 2 MB; 200 turns keep none."""
    assert int(run_python_ok(LEAKS)) < 8 * 1024


# --- The steady state ------------------------------------------------------------------

STEADY = """
import ctypes, gc, sys
import numpy as np
import swiftbackprop as sb

counter = ctypes.CDLL(None)
counter.counted_calls.restype = counter.counted_bytes.restype = ctypes.c_long
rng = np.random.default_rng(0)
sb.set_num_threads(int(sys.argv[1]))
gc.disable()
buffer = memoryview(np.ones((4, 3)))
for turn in range(15):
    if turn == 5:
        counter.count_from_here()
    np.asarray(buffer)
print(counter.counted_calls() / 10, counter.counted_bytes() / 10)
for dtype in ("float32", "float64"):
    for rows, sizes in ((16, [4, 10, 3]), (128, [784, 128, 10]), (700, [64, 256, 256, 5])):
        for name in sb.optimizers() if rows == 16 else ["sgd", "adam"]:
            net = sb.Network(sizes, output="softmax", dtype=dtype, seed=0, optimizer=name,
                             clip_norm=1.0 if name == "adam" else None)
            X = rng.normal(size=(rows, sizes[0])).astype(dtype)
            y = rng.integers(0, sizes[-1], rows)
            for turn in range(15):
                if turn == 5:
                    counter.count_from_here()
                a = net.forward(X); net.backward(y); net.step()
            print(counter.counted_calls() / 10, counter.counted_bytes() / 10)
"""


@pytest.mark.parametrize("threads", ["1", "2"])
def test_training_does_not_allocate_in_the_steady_state(threads: str, tmp_path: Path) -> None:
    """Forward, backward and step: nothing, but for what handing work to threads takes.

    And what NumPy makes of every array: nothing with a GIL, the shape without.
    """
    library = tmp_path / "count.so"
    source = TESTS / "engine" / "c" / "count.c"
    subprocess.run(
        [compiler("cc", "gcc", "clang"), "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
         str(source), "-o", str(library), "-ldl"],
        check=True,
    )  # fmt: skip
    said = run_python_ok(STEADY, threads, env={"LD_PRELOAD": str(library)}, timeout=300)
    (numpys, _), *each = [tuple(map(float, line.split())) for line in said.splitlines()]
    assert len(each) == 2 * (len(sb.optimizers()) + 2 + 2)
    for calls, size in each:
        assert calls <= numpys + (0 if threads == "1" else 16), each
        assert size <= 1024, each
