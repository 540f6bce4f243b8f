"""One process of `mpirun` whose training ends before its time; it says how, and what is left."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from mpi4py import MPI

import swiftbackprop as sb

comm = MPI.COMM_WORLD
WHO = comm.size - 1  # who fails
PROCESSES = comm.allgather(os.getpid())


class Ending(sb.Callback):
    """What happens to one process at the end of its second epoch."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_epoch_end(self, net: Any, epoch: int, logs: Mapping[str, float]) -> bool:
        if epoch != 1 or comm.rank != WHO:
            return False
        if self.how == "callback":
            raise OSError("the disk is full")
        if self.how == "exit":
            sys.exit(7)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        if self.how == "stop":
            net.stop()
        if self.how == "changes":
            net.layers[0].W[0, 0] += 1
        if self.how == "slow":
            print(json.dumps({"ready": PROCESSES}), flush=True)
        return self.how == "returns"


class Stopper(sb.Callback):
    """What happens in the midst of an epoch, between two batches."""

    def __init__(self, how: str) -> None:
        self.how = how

    def on_batch_end(self, net: Any, batch: int, logs: Mapping[str, float]) -> bool:
        if self.how == "batch" and batch == 3 and comm.rank == WHO:
            raise LookupError("in the midst of an epoch")
        return self.how == "batch_returns" and batch == 3 and comm.rank == WHO


class Own:
    """A function of the network's that fails in one process, or gives what is no number."""

    def __init__(self, how: str) -> None:
        self.how, self.calls = how, 0

    def __call__(self, z: np.ndarray) -> np.ndarray:
        self.calls += 1
        if self.calls == 20 and comm.rank == WHO:
            if self.how == "own_fails":
                raise LookupError("no such table")
            return z * np.nan
        return np.tanh(z)


def run(how: str) -> None:
    """Train until it ends, and print how it did."""
    rng = np.random.default_rng(comm.rank)
    X, y = rng.standard_normal((200, 8)), rng.integers(0, 3, 200)
    given: dict[str, Any] = {"epochs": 100_000 if how == "slow" else 30, "batch_size": 20}
    if comm.rank == WHO:
        if how == "data":
            X[7, 3] = np.nan
        if how == "diverges":
            X[:] = 1.7e308
        if how == "shape":
            X = X[:, :5]
        if how == "epochs":
            given["epochs"] = 31
        if how == "shuffle":
            given["shuffle"] = "even"
    if how.startswith("batch"):
        given["callbacks"] = [Stopper(how)]
    else:
        given["callbacks"] = [Ending(how)]
    activation: Any = "relu"
    if how.startswith("own"):
        activation = sb.CustomActivation(Own(how), lambda z: 1 - np.tanh(z) ** 2)
    net = sb.Network(
        [8, 80, 3], activation=activation, loss="cross_entropy", seed=0, dtype="float64"
    )
    begin = time.monotonic()
    said: dict[str, Any] = {"how": how, "rank": comm.rank}
    try:
        history = net.fit(X, y, comm=comm, progress=False, **given)
        said |= {"reason": history.stop_reason, "epochs": history.epochs}
    except BaseException as error:
        said |= {"error": type(error).__name__, "words": str(error)}
        if isinstance(error, SystemExit):
            print(json.dumps(said), flush=True)
            raise
    said["seconds"] = time.monotonic() - begin
    said["bits"] = zlib.crc32(net.parameters.tobytes())
    said["finite"] = bool(np.isfinite(net.predict(rng.standard_normal((3, 8)))).all())
    net.fit(rng.standard_normal((9, 8)), np.arange(9) % 3, epochs=1, progress=False)  # usable
    print(json.dumps(said), flush=True)


def main() -> None:
    for how in sys.argv[1:]:
        run(how)


if __name__ == "__main__":
    main()
