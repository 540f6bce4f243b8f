"""One process of `mpirun -n 3`: what surrounds the training of arrays; a line for each check."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from mpi4py import MPI
from scipy import sparse

import swiftbackprop as sb
from checks import all_equal, check, comm, network, run
from swiftbackprop._train.exchange import Exchange
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor


def data(rows: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    X = rng.standard_normal((rows, 5))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 1)


def share(rows: int) -> slice:
    return slice(rows * comm.rank // comm.size, rows * (comm.rank + 1) // comm.size)


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
def classifiers() -> None:
    X, y = data(150)
    for given in ({}, {"early_stopping": True}, {"class_weight": "balanced", "solver": "sgd"}):
        made = [
            MLPClassifier((8,), random_state=1, max_iter=6, tol=0.0, n_iter_no_change=99, **given)
            for _ in range(2)
        ]
        labels = np.array(["a", "b", "c"])[y]
        made[0].fit(X, labels, comm=comm)
        made[1].fit(X, labels)
        for one, other in zip(*(m.coefs_ for m in made), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(made[0].loss_curve_, made[1].loss_curve_, rtol=1e-11)


@check
def regressors() -> None:
    X, _ = data(150)
    y = X[:, 0] * X[:, 1]
    # By process 0's draw.
    made = MLPRegressor(
        hidden_layer_sizes=(8,), random_state=None, max_iter=4, tol=0.0, n_iter_no_change=99
    )
    made.fit(X, y, X_val=X[:20], y_val=y[:20], comm=comm)
    assert all_equal([w.tobytes() for w in made.coefs_])
    assert len(made.validation_scores_) == 4


@check
def refusals() -> None:
    X, y = data(30)

    def refused(words: str, work: Callable[[], object], kind: type[Exception] = ValueError) -> None:
        with pytest.raises(kind, match=re.escape(words)):
            work()

    net = network()
    refused("comm takes X and y", lambda: net.fit([(X, y)], comm=comm))
    refused("communicator of mpi4py", lambda: net.fit(X, y, comm="world"), TypeError)
    own = network(activation=sb.CustomActivation(np.tanh, lambda z: 1 - np.tanh(z) ** 2))
    refused("functions, and this network has", lambda: own.fit(X, y, comm=comm, progress=False))
    refused("solver='lbfgs'", lambda: MLPClassifier(solver="lbfgs").fit(X, y, comm=comm))
    refused("dense rows", lambda: MLPClassifier().fit(sparse.csr_matrix(X), y, comm=comm))
    none = X[:0], y[:0]
    refused("expected at least one row", lambda: net.fit(*none, comm=comm, progress=False))


@check
def one_process_is_as_none() -> None:
    X, y = data()
    nets = network(), network()
    with patch("swiftbackprop._train.processes.Processes", side_effect=AssertionError):
        nets[0].fit(X, y, epochs=2, comm=MPI.COMM_SELF, progress=False)
    nets[1].fit(X, y, epochs=2, progress=False)
    assert nets[0].parameters.tobytes() == nets[1].parameters.tobytes()


if __name__ == "__main__":
    run()
