"""Checks that all processes of `mpirun` make together; a line of JSON for each that passed."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

import swiftbackprop as sb

comm = MPI.COMM_WORLD
CHECKS: dict[str, Callable[[], None]] = {}


def check(function: Callable[[], None]) -> Callable[[], None]:
    CHECKS[function.__name__] = function
    return function


def all_equal(values: Any) -> bool:
    return all(other == values for other in comm.allgather(values))


def network(**given: Any) -> sb.Network:
    return sb.Network([5, 8, 3], loss="cross_entropy", seed=2, dtype="float64", **given)


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
