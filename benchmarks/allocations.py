"""Counts what steps of training ask of malloc; run with native/count.c preloaded."""

import ctypes
import json
from collections.abc import Callable

from benchmarks.cases import Case
from benchmarks.contenders.ours import Explicit, Fit

CASE = Case((784, 128, 10), 128, "adam")
WARM, FEW, MANY = 10, 10, 110  # epochs


def counted(run: Callable[[int], None]) -> dict[str, float]:
    """Return calls and bytes of malloc for each step, once everything is warm.

    Training for longer must cost no more than training for less: what differs is what the
    additional steps asked for.
    """
    counters = ctypes.CDLL(None)
    functions = {"calls": counters.allocation_calls, "bytes": counters.allocated_bytes}
    for function in functions.values():
        function.restype = ctypes.c_long
    run(WARM * CASE.batches)
    readings = []
    for epochs in (FEW, MANY):
        before = {name: function() for name, function in functions.items()}
        run(epochs * CASE.batches)
        readings.append({name: function() - before[name] for name, function in functions.items()})
    few, many = readings
    steps = (MANY - FEW) * CASE.batches
    return {name: (many[name] - few[name]) / steps for name in functions}


if __name__ == "__main__":
    found = {
        "fit": counted(Fit(1).step(CASE)),
        "forward, backward, step": counted(Explicit(1).step(CASE)),
    }
    print(json.dumps(found))
