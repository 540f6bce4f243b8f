"""The interpreter ends while a network is trained."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator

from trust.child import ROOT, named

_BEGIN = """
import atexit, os, signal, sys, threading, time
import numpy as np
import swiftbackprop as sb

wait, daemon = float(sys.argv[1]), sys.argv[2] == "daemon"
X, y = np.random.default_rng(0).normal(size=(2000, 50)), np.arange(2000) % 4
net = sb.Network([50, 80, 4], output="softmax", seed=0)
begun = threading.Event()

def train(net):
    begun.set()
    net.fit(X, y, epochs=10**9 if daemon else 20, progress=False)

threads = [threading.Thread(target=train, args=(each,), daemon=daemon)
           for each in (net, sb.Network([50, 80, 4], output="softmax", seed=1))]
for thread in threads:
    thread.start()
begun.wait()
time.sleep(wait)
"""
_ENDS = {
    "returns": "",
    "sys.exit": "sys.exit(0)",
    "os._exit": "os._exit(0)",
    "closes": "atexit.register(lambda: net._busy)\nnet.stop()",
    "drops": "del net, threads",
    "predicts": "atexit.register(lambda: sb.Network([2, 1]).predict([[1.0, 2.0]]))",
    "forks": "process = os.fork()\nassert process == 0 or os.waitpid(process, 0)[1] == 0",
}  # fmt: skip


def run(rng: random.Random, count: int) -> Iterator[str]:
    """End interpreters whose threads train, by every way out."""
    for k in range(count):
        name = list(_ENDS)[k % len(_ENDS)]
        kind = rng.choice(["daemon", "daemon", "waited for"])
        command = [sys.executable, "-c", _BEGIN + _ENDS[name], f"{rng.uniform(0, 0.2)}", kind]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=dict(os.environ), text=True, capture_output=True, timeout=60
            )
        except subprocess.TimeoutExpired:
            yield f"{name}, {kind}: hangs"
            continue
        how = named(done.returncode) or ("says what it should not" if done.stderr else "")
        yield f"{name}, {kind}: {how}\n{done.stderr[-2000:]}" if how else ""
