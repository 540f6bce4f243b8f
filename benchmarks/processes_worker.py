"""One of two processes of `benchmarks.processes`: steps alone and together, and MPI by itself."""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

import swiftbackprop as sb
from benchmarks.processes import BATCH, SIZES, TOGETHER, Together
from swiftbackprop._train.processes import Processes
from swiftbackprop._train.shared_memory import file_of_all

comm = MPI.COMM_WORLD
STEPS = 6


def quietly() -> None:
    """Wait for the other process without taking its core or its memory."""
    request = comm.Ibarrier()
    while not request.Test():
        time.sleep(0.002)


def network() -> sb.Network:
    return sb.Network(SIZES, loss="cross_entropy", optimizer=sb.Adam(1e-4), seed=0)


def steps(session: Any, meet: Callable[[], object] | None = None) -> float:
    """Return the seconds of a step of a session that comes back after every batch; end it."""
    while session.run(0)[5] == 0:  # the data are looked at
        pass
    if meet is not None:
        meet()
    for _ in range(2):
        session.run(0)
    begin, count = time.perf_counter(), STEPS - 2
    for _ in range(count):
        session.run(0)
    seconds = (time.perf_counter() - begin) / count
    session.end()
    return seconds


def rows(count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(comm.rank)
    X = rng.standard_normal((count, SIZES[0]), dtype=np.float32)
    return X, rng.integers(0, SIZES[-1], count)


def alone(net: sb.Network) -> float:
    """Return the seconds of a usual step of 512 rows, while the other process waits."""
    seconds = 0.0
    for rank in range(comm.size):
        if comm.rank == rank == 0:
            X, y = rows(BATCH * (STEPS + 2))
            # Slices of a whole epoch, whose last batch alone keeps its gradients.
            session = net._fit(X, y, None, None, None, None, 1, BATCH, True, 0)
            seconds = steps(session)
        quietly()
    return seconds


def without_others(net: sb.Network, count: int, *, by_messages: bool) -> float:
    """Return the seconds of a step of the shared kind with so many rows here, on both cores.

    Without any sum: with memory in common this process makes its part of a batch of which the
    other part is never made.
    """
    batch = count if by_messages else 2 * count
    X, y = rows(batch * (STEPS + 2))
    with Processes(comm.Split(comm.rank)) as one, file_of_all(one) as file:
        memory = None if by_messages or file is None else (file, 0, 2, False)
        session = net._fit(
            X, y, None, None, None, None, 1, batch, True, 0, len(X), 0, lambda *asked: None, memory
        )
    seconds = steps(session, comm.Barrier)
    quietly()
    return seconds


def together(net: sb.Network, way: Together) -> float:
    """Return the seconds of a step of two processes."""
    X, y = rows(way.batch * (STEPS + 2) // 2)
    with Processes(comm) as processes:
        with file_of_all(processes) as file:
            memory = None
            if file is not None and not way.by_messages:
                memory = file, comm.rank, comm.size, False
            session = net._fit(
                X, y, None, None, None, None, 1, way.batch, 2 if way.even else 1, 0, 2 * len(X),
                comm.rank * len(X), processes.answer, memory,
            )  # fmt: skip
        return steps(session)


def sums(net: sb.Network) -> tuple[float, float, int]:
    """Return the seconds of a small sum, and of that of all gradients, and the pieces of these."""
    pieces: list[np.ndarray] = []

    def note(order: int, piece: int, array: Any) -> None:
        if order == 1:
            pieces.append(array)

    X, y = rows(4)
    session = net._fit(X, y, None, None, None, None, 1, 4, True, 0, 4, 0, note)
    while session.run(0)[4] is False:
        pass
    session.end()
    with Processes(comm) as processes:
        small, large = np.zeros(4), []
        times = []
        for _ in range(50):
            begin = time.perf_counter()
            processes.sum(small)
            times.append(time.perf_counter() - begin)
        for _ in range(5):
            begin = time.perf_counter()
            for number, piece in enumerate(pieces):
                processes.answer(1, number, piece)
            for number in range(len(pieces)):
                processes.answer(2, number, None)
            large.append(time.perf_counter() - begin)
    return float(np.median(times)), min(large), len(pieces)


def main() -> None:
    net = network()
    found: dict[str, list[float]] = {}

    def add(name: str, seconds: float) -> None:
        found.setdefault(name, []).append(max(comm.allgather(seconds)))

    for _ in range(int(sys.argv[1])):
        add("alone", alone(net))
        for name, way in TOGETHER.items():
            add(name, together(net, way))
        for kind in ("", " in memory"):
            add("half" + kind, without_others(net, BATCH // 2, by_messages=not kind))
            add("whole" + kind, without_others(net, BATCH, by_messages=not kind))
        small, large, pieces = sums(net)
        add("small sum", small)
        add("large sum", large)
    least = {name: min(seconds) for name, seconds in found.items()}
    constants = {
        "small sum": least.pop("small sum"),
        "large sum": least.pop("large sum"),
        "bytes": net.parameters.nbytes,
        "pieces": pieces,
    }
    for kind in ("", " in memory"):
        per_row = (least["whole" + kind] - least["half" + kind]) / (BATCH - BATCH // 2)
        constants["per row" + kind] = per_row
        constants["fixed" + kind] = least["whole" + kind] - BATCH * per_row
    if comm.rank == 0:
        print(json.dumps({"seconds": least, "constants": constants, "rounds": found}))


if __name__ == "__main__":
    main()
