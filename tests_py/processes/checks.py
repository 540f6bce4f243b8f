"""Checks that all processes of `mpirun` make together; a line of JSON for each that passed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from mpi4py import MPI

import swiftbackprop as sb

comm = MPI.COMM_WORLD
CHECKS: dict[str, Callable[[], None]] = {}


def check(function: Callable[[], None]) -> Callable[[], None]:
    CHECKS[function.__name__] = function
    return function


def all_equal(values: Any, group: MPI.Intracomm = comm) -> bool:
    return all(other == values for other in group.allgather(values))


def network(hidden: int = 8, **given: Any) -> sb.Network:
    return sb.Network([5, hidden, 3], loss="cross_entropy", seed=2, dtype="float64", **given)


def data(rows: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((rows, 5))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def share(rows: int, group: MPI.Intracomm = comm) -> slice:
    return slice(rows * group.rank // group.size, rows * (group.rank + 1) // group.size)


def groups() -> Iterator[MPI.Intracomm]:
    """All processes, and then the first two and the rest."""
    yield comm
    some = comm.Split(int(comm.rank >= 2))
    yield some
    some.Free()


def run() -> None:
    """Make the checks in the folder that is the first argument."""
    os.chdir(sys.argv[1])
    for name, function in CHECKS.items():
        try:
            function()
        except BaseException:
            traceback.print_exc()
            comm.Abort(3)
        comm.Barrier()
        if comm.rank == 0:
            print(json.dumps({"passed": name}), flush=True)
