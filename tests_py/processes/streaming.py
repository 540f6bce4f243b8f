"""Checks by three processes: training on streams, each on files of its own."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from mpi4py import MPI

import swiftbackprop as sb
from checks import all_equal, check, comm, network

ROWS = (70, 33, 55)  # of each process


def data(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, 5))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def shares() -> list[tuple[np.ndarray, np.ndarray]]:
    """X and y of every process."""
    return [data(rows, seed) for seed, rows in enumerate(ROWS[: comm.size])]


def write(folder: str, X: np.ndarray, y: Any, group: int = 8, **columns: Any) -> str:
    import pyarrow as pa
    from pyarrow import parquet

    os.makedirs(folder, exist_ok=True)
    table = pa.table({**{f"x{k}": X[:, k] for k in range(X.shape[1])}, "y": y, **columns})
    parquet.write_table(table, f"{folder}/part.parquet", row_group_size=group)
    return f"{folder}/*.parquet"


def stream(name: str, window: int | None = None, **columns: Any) -> tuple[Any, list[Any]]:
    """The stream of this process, and X and y of all."""
    parts = shares()
    X, y = parts[comm.rank]
    own = {key: values[comm.rank] for key, values in columns.items()}
    path = write(f"{name}-{comm.rank}", X, y, **own)
    weight = "w" if "w" in columns else None
    return sb.data.stream(path, target="y", sample_weight=weight, window=window), parts


def unshuffled(parts: list[Any], window: int) -> np.ndarray:
    """The order in which the rows of all come without shuffling: piece by piece."""
    firsts = np.cumsum([0, *(len(y) for _, y in parts)])
    order: list[int] = []
    for k in range(0, max(ROWS), window):
        for first, (_, y) in zip(firsts, parts, strict=False):
            order += [first + n for n in range(len(y))[k : k + window]]
    return np.array(order)


@check
def pieces_of_all_are_trained_on_together() -> None:
    rows, parts = stream("plain", window=16)
    net = network(optimizer=sb.Adam(0.01))
    history = net.fit(rows, epochs=3, batch_size=16, shuffle=False, comm=comm, progress=False)
    assert all_equal(net.parameters.tobytes())
    assert all_equal([list(history[name]) for name in ("loss", "accuracy")])
    # As one process does with pieces that are the pieces of all.
    X, y = (np.concatenate(each) for each in zip(*parts, strict=True))
    order = unshuffled(parts, 16)
    sizes = [sum(len(range(len(y))[k : k + 16]) for _, y in parts) for k in range(0, 70, 16)]
    ends = np.cumsum(sizes)
    pieces = [(X[order[b - n : b]], y[order[b - n : b]]) for b, n in zip(ends, sizes, strict=True)]
    alone = network(optimizer=sb.Adam(0.01))
    wanted = alone.fit(pieces, epochs=3, batch_size=16, shuffle=False, progress=False)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(history["loss"], wanted["loss"], rtol=1e-12)
    np.testing.assert_allclose(history["accuracy"], wanted["accuracy"], rtol=1e-12)
    assert net.step_count == alone.step_count
    assert comm.size == 1 or history.epochs == 3


@check
def minibatches_of_an_epoch_can_be_counted() -> None:
    for steps, size in ((3, 16), (7, 16), (1, 1), (5, 2)):
        rows, parts = stream(f"counted-{steps}-{size}", window=16)
        net = network(optimizer=sb.Adam(0.01))
        given: dict[str, Any] = {"epochs": 3, "batch_size": size, "shuffle": False}
        history = net.fit(rows, steps_per_epoch=steps, comm=comm, progress=False, **given)
        assert net.step_count == 3 * steps
        assert all_equal(net.parameters.tobytes())
        assert all_equal(list(history["loss"]))
        # Pieces of whole minibatches, equal shares of each, from the start again at the end.
        batches = 16 // size * comm.size
        ends = [0] * comm.size
        pieces = []
        for first in [*range(0, steps, batches)] * 3:
            many = min(batches, steps - first) * size
            taken = []
            for k, (X, y) in enumerate(parts):
                count = many * (k + 1) // comm.size - many * k // comm.size
                places = np.arange(ends[k], ends[k] + count) % len(y)
                ends[k] += count
                taken.append((X[places], y[places]))
            X, y = (np.concatenate(each) for each in zip(*taken, strict=True))
            pieces.append((X, y))
        alone = network(optimizer=sb.Adam(0.01))
        alone.fit(iter(pieces), **{**given, "epochs": 1}, progress=False)
        np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-11, atol=1e-11)


@check
def counted_minibatches_repeat() -> None:
    rows, _ = stream("counted-again", window=16)
    found = []
    for _ in range(2):
        net = network()
        net.fit(rows, epochs=2, batch_size=8, steps_per_epoch=15, comm=comm, progress=False)
        found.append(net.parameters.tobytes())
    assert net.step_count == 30
    assert found[0] == found[1]
    assert all_equal(found)


@check
def a_batch_of_all_rows_is_as_of_arrays() -> None:
    weights = [np.random.default_rng(9 + k).uniform(0, 2, rows) for k, rows in enumerate(ROWS)]
    rows, parts = stream("whole", w=weights)
    held = parts[comm.rank]
    given: dict[str, Any] = {"epochs": 4, "batch_size": 1000, "shuffle": False, "progress": False}
    net, other = network(dropout=0.2), network(dropout=0.2)
    extra = {"metrics": ["f1"], "class_weight": "balanced"}
    history = net.fit(rows, validation_data=held, comm=comm, **extra, **given)
    wanted = other.fit(
        *held, sample_weight=weights[comm.rank], validation_data=held, comm=comm, **extra, **given
    )
    np.testing.assert_allclose(net.parameters, other.parameters, rtol=1e-10, atol=1e-10)
    assert history.keys() == wanted.keys()
    for name in set(wanted) - {"seconds"}:
        np.testing.assert_allclose(history[name], wanted[name], rtol=1e-10)


@check
def streams_to_validate_on_are_of_all() -> None:
    rows, parts = stream("valid")
    X, y = parts[comm.rank]
    for given in (rows, (X[: 20 * comm.rank], y[: 20 * comm.rank])):  # process 0 has none of these
        whole = (
            parts
            if given is rows
            else [(X[: 20 * k], y[: 20 * k]) for k, (X, y) in enumerate(parts)]
        )
        found = []
        for X_own, y_own in ((rows, None), (X, y)):
            if y_own is not None and given is not rows:
                continue
            net = network()
            history = net.fit(
                X_own, y_own, epochs=2, batch_size=1000, validation_data=given, metrics=["f1"],
                comm=comm, progress=False, callbacks=[sb.EarlyStopping(patience=5)],
            )  # fmt: skip
            assert all_equal([list(history[name]) for name in sorted(set(history) - {"seconds"})])
            VX, Vy = (np.concatenate(each) for each in zip(*whole, strict=True))
            wanted = net.evaluate(VX, Vy, metrics=["f1"])
            found.append(history)
            best = int(np.argmin(history["val_loss"]))
            np.testing.assert_allclose(history["val_loss"][best], wanted["loss"], rtol=1e-12)
            np.testing.assert_allclose(history["val_f1"][best], wanted["f1"], rtol=1e-12)


@check
def measures_of_a_regression_are_of_all() -> None:
    X = shares()[comm.rank][0]
    t = X[:, 0] * X[:, 1] + comm.rank
    rows = sb.data.stream(write(f"measures-{comm.rank}", X, t), target="y", window=16)
    net = sb.Network([5, 8, 1], activation="tanh", dtype="float64", seed=1)
    history = net.fit(
        rows, epochs=2, validation_data=rows, batch_size=16, comm=comm, progress=False
    )
    parts = comm.allgather((X, t))
    wanted = net.evaluate(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    for name in ("loss", "mse", "mae", "r2"):
        np.testing.assert_allclose(history[f"val_{name}"][-1], wanted[name], rtol=1e-11)


@check
def labels_of_text_are_of_all_streams() -> None:
    names = np.array(["low", "middle", "high"])
    X, y = shares()[comm.rank]
    y = np.full(len(y), comm.rank)  # each has one of them
    rows = sb.data.stream(write(f"labels-{comm.rank}", X, names[y % 3]), target="y")
    net = sb.Network([5, 8, comm.size], loss="cross_entropy", seed=2)
    net.fit(rows, epochs=1, comm=comm, progress=False)
    assert net.classes_ is not None
    assert net.classes_.tolist() == sorted(names[: comm.size])


@check
def training_goes_on_as_if_it_had_not_stopped() -> None:
    nets = []
    for epochs in ((4,), (1, 3)):
        net = network(optimizer=sb.Adam(0.01))
        for count in epochs:
            rows, _ = stream("on", window=16)
            net.fit(rows, epochs=count, batch_size=16, comm=comm, progress=False)
        nets.append(net)
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


@check
def schedules_by_batch_know_their_number() -> None:
    rows, _ = stream("rates", window=16)
    seen: list[int] = []

    class Count(sb.Callback):
        def on_batch_end(self, net: Any, batch: int, logs: Mapping[str, float]) -> None:
            seen.append(batch)

    net = network()
    rate = sb.LearningRateScheduler(sb.schedules.OneCycle(2))
    net.fit(rows, epochs=2, batch_size=16, callbacks=[rate, Count()], comm=comm, progress=False)
    assert seen == [*range(net.step_count // 2)] * 2


@check
def a_broken_file_ends_all() -> None:
    X, y = shares()[comm.rank]
    if comm.rank == comm.size - 1:
        X = X.copy()
        X[30, 2] = np.nan
    rows = sb.data.stream(write(f"broken-{comm.rank}", X, y), target="y", window=16)
    net = network()
    begin = time.monotonic()
    with pytest.raises(ValueError, match="x2") as caught:
        net.fit(rows, epochs=3, batch_size=16, shuffle=False, comm=comm, progress=False)
    assert time.monotonic() - begin < 10
    if comm.rank != comm.size - 1:
        assert f"process {comm.size - 1} of {comm.size} failed" in str(caught.value)
    assert net.step_count > 0  # what was trained is kept
    assert all_equal(net.parameters.tobytes())


@check
def one_stops_all() -> None:
    rows, _ = stream("stops", window=16)

    class Stopper(sb.Callback):
        def on_batch_end(self, net: Any, batch: int, logs: Mapping[str, float]) -> None:
            if net.step_count == 5 and comm.rank == comm.size - 1:
                net.stop()

    net = network()
    history = net.fit(
        rows, epochs=50, batch_size=16, callbacks=[Stopper()], comm=comm, progress=False
    )
    assert history.stop_reason == "stopped"
    assert all_equal((net.step_count, net.parameters.tobytes()))
    assert net.step_count < 10


@check
def an_interrupt_ends_all_while_one_waits_for_rows() -> None:
    X, y = shares()[comm.rank]
    is_slow = comm.rank == 0

    def transform(given: Any) -> Any:
        time.sleep(0.2 if is_slow else 0)
        return given

    rows = sb.data.stream(X, target=y, batch_rows=16, window=16, transform=transform)
    net = network()

    class Interrupt(sb.Callback):
        def on_batch_end(self, net: Any, batch: int, logs: Mapping[str, float]) -> None:
            if net.step_count == 5 and comm.rank == comm.size - 1:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match=f"process {comm.size - 1} of {comm.size}"):
        net.fit(rows, epochs=50, batch_size=16, callbacks=[Interrupt()], comm=comm, progress=False)
    assert all_equal((net.step_count, net.parameters.tobytes()))
    assert net.step_count < 15


@check
def refusals_of_streams() -> None:
    rows, parts = stream("refused")
    net = network()
    for words, arguments in (
        ("process 1 of", {"epochs": 1 + comm.rank}),
        ("give validation_data", {"validation_split": 0.5}),
    ):
        with pytest.raises(ValueError, match=re.escape(words)):
            net.fit(rows, comm=comm, progress=False, **arguments)
    X, y = parts[comm.rank]
    given = (X, y) if comm.rank == 1 else (rows,)
    with pytest.raises(ValueError, match="has X as arrays, but process 0 has a stream"):
        net.fit(*given, comm=comm, progress=False)
    for one in ({"class_weight": "balanced"}, {"validation_data": rows}, {"steps_per_epoch": 1}):
        own: dict[str, Any] = one if comm.rank == 1 else {}
        with pytest.raises(ValueError, match=next(iter(one))):
            net.fit(X, y, comm=comm, progress=False, **own)
    mixed = ([(X, y)],) if comm.rank == 1 else (X, y)
    with pytest.raises(ValueError, match="has X as pieces, but process 0 has arrays"):
        net.fit(*mixed, comm=comm, progress=False)
    assert net.step_count == 0
    net.fit(rows, epochs=1, steps_per_epoch=2, comm=MPI.COMM_SELF, progress=False)
    assert net.step_count == 2  # one process is as none
