"""One process of `mpirun`: trains with the others, and process 0 also alone on the rows of all."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from itertools import product
from typing import Any
from unittest.mock import patch

import numpy as np
from mpi4py import MPI

import swiftbackprop as sb
from cases import CASES, Case
from swiftbackprop._engine.loader import core
from swiftbackprop._train.processes import Processes

comm = MPI.COMM_WORLD


def shares(rows: int, size: int) -> list[slice]:
    """Unequal shares; of three processes or more the second one has no row."""
    weights = np.array([1.0 + 0.7 * rank for rank in range(size)])
    if size > 2:
        weights[1] = 0
    ends = np.round(np.cumsum(weights) / weights.sum() * rows).astype(int)
    return [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]


def numbers(net: sb.Network) -> np.ndarray:
    """All that a network has learnt, and the state of its optimizer."""
    parts = [net.parameters.copy(), *(slot.copy() for slot in net.optimizer.state)]
    for layer in net.layers:
        if isinstance(layer.norm, sb.BatchNorm):
            parts += [layer.running_mean.copy(), layer.running_var.copy()]
    return np.concatenate(parts).astype(np.float64)


@contextmanager
def by(way: str) -> Iterator[set[int]]:
    """Train with memory in common, or by messages; give the kinds of questions there were."""
    orders: set[int] = set()
    answer = Processes.answer

    def note(self: Processes, order: int, piece: int, array: Any) -> None:
        orders.add(order)
        answer(self, order, piece, array)

    no_file = nullcontext() if way == "memory" else patch("os.memfd_create", side_effect=OSError)
    with patch.object(Processes, "answer", note), no_file:
        yield orders


def run(case: Case, way: str) -> dict[str, Any]:
    """Return by how much the processes differ, and how far they are from one process alone."""
    net, data, fit = case.make()
    share = shares(len(data[0]), comm.size)[comm.rank]
    kwargs = dict(fit)
    if "validation_data" in fit:
        valid = fit["validation_data"]
        of_valid = shares(len(valid[0]), comm.size)[comm.rank]
        kwargs["validation_data"] = tuple(part[of_valid] for part in valid)
    X, y, weights = data
    own = None if weights is None else weights[share]
    net = net if comm.rank == 0 else case.make(seed=99)[0]  # takes the network of process 0
    kept = net.parameters
    with by(way) as orders:
        history = net.fit(
            X[share], y[share], sample_weight=own, comm=comm, progress=False, **kwargs
        )
    assert np.shares_memory(kept, net.parameters)
    found = numbers(net)
    others = comm.allgather(found.tobytes())
    columns = {name: list(column) for name, column in history.items() if name != "seconds"}
    result: dict[str, Any] = {
        "same_bits": all(other == others[0] for other in others),
        "same_history": all(other == columns for other in comm.allgather(columns)),
        "same_gradients": len(set(comm.allgather(net.gradients.tobytes()))) == 1,
        "sent": any(comm.allgather(core.REDUCE_BEGIN in orders)),
    }
    kept[...] = comm.rank  # this process' own again
    comm.Barrier()
    assert (net.parameters == comm.rank).all()
    if comm.rank:
        return result
    alone, _, fit = case.make()
    wanted_history = alone.fit(X, y, sample_weight=weights, progress=False, **fit)
    wanted = numbers(alone)
    result["difference"] = float(np.max(np.abs(found - wanted) / (1 + np.abs(wanted))))
    result["gradients"] = float(np.max(np.abs(net.gradients - alone.gradients)))
    result["moved"] = float(np.max(np.abs(wanted - numbers(case.make()[0]))))
    assert columns.keys() == wanted_history.keys() - {"seconds"}
    result["history"] = max(
        float(np.max(np.abs(np.subtract(columns[name], wanted_history[name])))) for name in columns
    )
    result["generator"] = net.generator_state == alone.generator_state
    return result


def main() -> None:
    for name, way in product(sys.argv[1:] or CASES, ("memory", "messages")):
        try:
            result = run(CASES[name], way)
        except Exception:
            traceback.print_exc()
            comm.Abort(3)
        if comm.rank == 0:
            print(json.dumps({"name": name, "way": way, **result}), flush=True)


if __name__ == "__main__":
    main()
