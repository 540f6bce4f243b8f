"""Checks by three processes: what surrounds the training of arrays."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from mpi4py import MPI

import swiftbackprop as sb
from checks import all_equal, check, comm, data, network, share
from swiftbackprop._train import exchange
from swiftbackprop._train.exchange import Exchange
from swiftbackprop.sklearn import MLPClassifier


@check
def goes_on_with_more_processes() -> None:
    X, y = data()
    path = "two.safetensors"
    two = comm.Split(0 if comm.rank < 2 else 1)
    if comm.rank < 2:
        part = slice(0, 50) if comm.rank == 0 else slice(50, None)
        keep = sb.Checkpoint(path)
        stop = sb.EarlyStopping("loss")
        network().fit(
            X[part], y[part], epochs=2, callbacks=[keep, stop, sb.CSVLogger("log.csv")], comm=two,
            progress=False,
        )  # fmt: skip
        assert (keep.path is None) == (comm.rank == 1)
    comm.Barrier()
    assert len(Path("log.csv").read_text().splitlines()) == 3
    net = sb.load(path)
    rows = share(len(X))
    net.fit(X[rows], y[rows], epochs=1, comm=comm, progress=False)
    alone = network()
    alone.fit(X, y, epochs=3, progress=False)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-12, atol=1e-12)


@check
def labels_of_text_are_of_all() -> None:
    X, y = data()
    order = np.argsort(y, kind="stable")  # so that no process has every label
    X, names = X[order], np.array(["low", "middle", "high"])[y[order]]
    rows = share(len(X))
    net = network()
    net.fit(X[rows], names[rows], epochs=2, comm=comm, progress=False)
    assert net.classes_ is not None
    assert net.classes_.tolist() == ["high", "low", "middle"]
    alone = network()
    alone.fit(X, names, epochs=2, progress=False)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-12, atol=1e-12)


@check
def settings_are_those_of_process_0() -> None:
    X, y = data()
    net = network(dropout=0.1 * comm.rank, l2=0.01 * comm.rank, optimizer=sb.Adam(1 + comm.rank))
    net.optimizer.lr = 0.01 if comm.rank == 0 else 0.5
    net.fit(X, y, epochs=1, comm=comm, progress=False)
    assert net.dropout == (0.0, 0.0)
    assert net.l2 == 0
    assert net.optimizer.lr == 0.01
    assert all_equal(net.parameters.tobytes())


@check
def sums_of_few_and_of_many_processes() -> None:
    X, y = data()
    rows = share(len(X))
    found = []
    for few in (0, 8):  # by Iallreduce, and by messages to each other
        with patch("swiftbackprop._train.processes._FEW", few):
            net = network()
            net.fit(X[rows], y[rows], epochs=2, comm=comm, progress=False)
        assert all_equal(net.parameters.tobytes())
        found.append(net.parameters.copy())
    np.testing.assert_allclose(*found, rtol=1e-12, atol=1e-12)


@check
def a_sum_is_made_in_the_order_of_the_processes() -> None:
    for count in (0, 1, 2, 1000):  # also fewer numbers than processes
        given = [np.random.default_rng(rank).standard_normal(count) for rank in range(comm.size)]
        own = given[comm.rank].copy()
        exchange = Exchange(comm, own, 5, [])
        while not exchange.Test():
            pass
        first = count * comm.rank // comm.size
        last = count * (comm.rank + 1) // comm.size
        wanted = given[comm.rank][first:last].copy()
        for other in (part for rank, part in enumerate(given) if rank != comm.rank):
            wanted += other[first:last]
        assert own[first:last].tobytes() == wanted.tobytes()
        assert all_equal(own.tobytes())


@check
def dtypes_of_rows_and_kinds_of_targets_may_differ() -> None:
    X, y = data()
    X = np.round(4 * X)
    dtype, rows = (np.float64, np.float32, np.int8)[comm.rank], share(len(X))
    target = np.eye(3)[y[rows]] if comm.rank == 1 else y[rows]
    for hidden in (8, 100):  # by messages, and with memory in common
        net, alone = network(hidden), network(hidden)
        history = net.fit(X[rows].astype(dtype), target, epochs=2, comm=comm, progress=False)
        wanted = alone.fit(X, y, epochs=2, progress=False)
        np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(history["accuracy"], wanted["accuracy"], rtol=1e-12)


@check
def splits_are_of_every_process() -> None:
    X, y = data()
    rows = share(len(X))
    history = network().fit(
        X[rows], y[rows], epochs=2, validation_split=0.25, comm=comm, progress=False
    )
    ends = [0, 30, 60]
    held = np.concatenate([np.arange(end + 22, end + 30) for end in ends])
    alone = network().fit(
        np.delete(X, held, 0), np.delete(y, held), epochs=2, progress=False,
        validation_data=(X[held], y[held]),
    )  # fmt: skip
    np.testing.assert_allclose(history["val_loss"], alone["val_loss"], rtol=1e-12)


@check
def callbacks_that_change_the_network_are_of_all() -> None:
    class Halve(sb.Callback):
        def on_train_end(self, net: Any) -> None:
            net.parameters[...] *= 0.5

    X, y = data(30)
    rate = sb.LearningRateScheduler(sb.schedules.OneCycle(2))
    found: list[tuple[list[Any], str]] = [
        ([rate], "process 1 of 3 has the callbacks LearningRateScheduler"),
        ([sb.EarlyStopping("loss")], "process 1 of 3 has the callbacks EarlyStopping"),
        ([Halve()], "the weights of process 1 are not those of process 0 after epoch 2"),
    ]
    for callbacks, words in found:
        own = callbacks if comm.rank == 1 else []
        with pytest.raises((ValueError, RuntimeError), match=re.escape(words)):
            network().fit(X, y, epochs=2, callbacks=own, comm=comm, progress=False)
    net = network()
    net.fit(X, y, epochs=1, callbacks=[Halve(), *found[0][0]], comm=comm, progress=False)
    assert all_equal(net.parameters.tobytes())


@check
def who_waits_for_others_says_so() -> None:
    X, y = data(30)
    said: list[str] = []

    def show(message: Any, *_: Any) -> None:
        said.append(str(message))
        exchange._PATIENCE = 1e9  # a second wait on a busy machine says nothing more
        comm.send(None, dest=2)  # who waits for it

    if comm.rank == 2:
        for other in (0, 1):
            comm.recv(source=other)
    patience = 1e9 if comm.rank == 2 else 0.01
    with (
        warnings.catch_warnings(),
        patch.object(exchange, "_PATIENCE", patience),
        patch("warnings.showwarning", show),
    ):
        warnings.simplefilter("always")
        network().fit(X, y, epochs=1, comm=comm, progress=False)
    assert len(said) == (0 if comm.rank == 2 else 1)
    assert comm.rank == 2 or f"process {comm.rank} of 3 waits in fit" in said[0]


@check
def refusals() -> None:
    X, y = data(30)

    def refused(words: str, work: Callable[[], object], kind: type[Exception] = ValueError) -> None:
        with pytest.raises(kind, match=re.escape(words)):
            work()

    net = network()
    refused("communicator of mpi4py", lambda: net.fit(X, y, comm="world"), TypeError)
    refused("communicator of mpi4py", lambda: MLPClassifier().fit(X, y, comm=3), TypeError)
    refused("communicator of mpi4py", lambda: net.fit(X, y, comm=MPI.Comm), TypeError)
    weights = np.full(len(y), -1.0 if comm.rank == 1 else 1.0)
    given: dict[str, Any] = {"sample_weight": weights, "comm": comm, "progress": False}
    refused("negative number, NaN or infinity in row 0", lambda: net.fit(X, y, **given))
    refused("COMM_NULL", lambda: net.fit(X, y, comm=MPI.COMM_NULL))
    color = MPI.UNDEFINED if comm.rank == 0 else 0
    some = comm.Split(color)
    if some == MPI.COMM_NULL:
        refused("MPI.UNDEFINED was given to Split", lambda: net.fit(X, y, comm=some))
    else:
        net.fit(X, y, epochs=1, comm=some, progress=False)
        some.Free()
    half: Any = comm.Split(int(comm.rank == 0))
    inter = half.Create_intercomm(0, comm, 1 if comm.rank == 0 else 0)
    refused("Merge()", lambda: net.fit(X, y, comm=inter))
    none = X[:0], y[:0]
    refused("expected at least one row", lambda: net.fit(*none, comm=comm, progress=False))


@check
def one_process_is_as_none() -> None:
    X, y = data()
    nets = network(), network()
    with patch("swiftbackprop._train.processes.Processes.__init__", side_effect=AssertionError):
        nets[0].fit(X, y, epochs=2, comm=MPI.COMM_SELF, progress=False)
    nets[1].fit(X, y, epochs=2, progress=False)
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()
