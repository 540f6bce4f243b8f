"""Checks by three processes that have the memory of a training in common."""

from __future__ import annotations

import os
import resource
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import swiftbackprop as sb
from checks import all_equal, check, comm, data, network, share
from swiftbackprop._engine.loader import core
from swiftbackprop._train.processes import Processes
from swiftbackprop._train.shared_memory import _open

HIDDEN = 100  # more than a page


@contextmanager
def questions() -> Iterator[list[int]]:
    """Note what kinds of sums are asked for."""
    orders: list[int] = []
    answer = Processes.answer

    def note(self: Processes, order: int, piece: int, array: Any) -> None:
        orders.append(order)
        answer(self, order, piece, array)

    with patch.object(Processes, "answer", note):
        yield orders


def trained(*callbacks: Any, net: sb.Network | None = None, **given: Any) -> sb.Network:
    X, y = data()
    rows = share(len(X))
    net = network(HIDDEN) if net is None else net
    net.fit(
        X[rows], y[rows], epochs=3, callbacks=list(callbacks), comm=comm, progress=False, **given
    )
    assert all_equal(net.parameters.tobytes())
    return net


def alone(*callbacks: Any) -> sb.Network:
    X, y = data()
    net = network(HIDDEN)
    net.fit(X, y, epochs=3, callbacks=list(callbacks), progress=False)
    return net


class EachEpoch(sb.Callback):
    def __init__(self, work: Callable[[Any], object]) -> None:
        self.work = work

    def on_epoch_end(self, net: Any, epoch: int, logs: object) -> None:
        self.work(net)


def halve(net: Any) -> None:
    net.parameters[...] *= 0.5
    net.optimizer.state[0][...] *= 0.5


@check
def a_callback_changes_the_network_of_its_process() -> None:
    found = trained(EachEpoch(halve))
    wanted = alone(EachEpoch(halve))
    np.testing.assert_allclose(found.parameters, wanted.parameters, rtol=1e-12, atol=1e-12)


class Begin(EachEpoch):
    def on_train_begin(self, net: Any) -> None:
        self.work(net)

    def on_epoch_end(self, net: Any, epoch: int, logs: object) -> None:
        pass


@check
def one_that_changes_it_on_one_process_alone_is_found() -> None:
    def change(name: str, net: Any) -> None:
        if name == "trainable":
            net.layers[0].trainable = False
        elif name == "state":
            net.optimizer.state[0][0] = 100
        elif name == "lr":
            net.optimizer.lr *= 0.5
        elif name == "parameters":
            net.parameters[...] *= 0.5
        else:
            setattr(net, name, 0.5)

    for name in ("parameters", "state", "lr", "clip_norm", "max_norm", "l2", "trainable"):
        for kind in (Begin, EachEpoch):
            own = kind(partial(change, name) if comm.rank == 1 else lambda net: None)
            words = "the weights of process 1 are not those of process 0"
            with pytest.raises(RuntimeError, match=words):
                trained(own)


@check
def layers_that_are_frozen_stay_as_they_are() -> None:
    for m in (0, 1):
        net, one = network(HIDDEN), network(HIDDEN)
        net.layers[m].trainable = one.layers[m].trainable = False
        X, y = data()
        one.fit(X, y, epochs=3, progress=False)
        trained(net=net)
        np.testing.assert_allclose(net.parameters, one.parameters, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(net.gradients, one.gradients, rtol=1e-12, atol=1e-12)
        assert np.array_equal(net.layers[m].W, network(HIDDEN).layers[m].W)


@check
def a_child_of_fork_has_a_network_of_its_own() -> None:
    """Forked in the midst of a batch, by what answers the engine."""
    answer = Processes.answer
    children: list[int] = []

    def fork(self: Processes, order: int, piece: int, array: Any) -> None:
        answer(self, order, piece, array)
        if order == core.REDUCE_CHECK and len(children) < 2:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of other threads
                child = os.fork()
            if child == 0:
                net.parameters[...] = 1e30
                maps = Path("/proc/self/maps").read_text()
                os._exit("memfd:swiftbackprop" in maps)
            children.append(os.waitpid(child, 0)[1])

    net = network(HIDDEN)
    with patch.object(Processes, "answer", fork):
        trained(net=net)
    assert children == [0, 0]
    np.testing.assert_allclose(net.parameters, alone().parameters, rtol=1e-12, atol=1e-12)


@check
def without_memory_for_it_the_network_stays_whole() -> None:
    net = network(HIDDEN)
    before, limits = net.parameters.copy(), resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])

    def limit(net: Any) -> None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(), limits[1]))

    X, y = np.zeros((40_000, 5)), np.zeros(40_000, int)
    callbacks = [Begin(limit if comm.rank == 1 else lambda net: None)]
    try:
        with pytest.raises((MemoryError, RuntimeError)):
            net.fit(
                X, y, epochs=1, batch_size=60_000, callbacks=callbacks, comm=comm, progress=False
            )
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert np.array_equal(net.parameters, before)
    assert not any(slot.any() for slot in net.optimizer.state)


@check
def what_another_process_has_open_may_be_anything() -> None:
    reading, writing = os.pipe()
    other = os.memfd_create("swiftbackprop")
    before = len(os.listdir("/proc/self/fd"))
    for file in (reading, writing, other, 10_000):
        assert _open(os.getpid(), file, b"a mark") is None
    assert len(os.listdir("/proc/self/fd")) == before
    for file in (reading, writing, other):
        os.close(file)


@check
def arrays_that_are_held_stay_those_of_the_network() -> None:
    net = network(HIDDEN)
    held, slot, gradient = net.layers[0].W, net.optimizer.state[0], net.gradients
    before = held.copy()
    seen: list[bool] = []

    def look(net: Any) -> None:
        seen.append(np.array_equal(held, net.layers[0].W) and not np.array_equal(held, before))

    trained(EachEpoch(look), net=net)
    assert seen == [True] * 3
    wanted = alone()
    np.testing.assert_allclose(slot, wanted.optimizer.state[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(gradient, wanted.gradients, rtol=1e-12, atol=1e-12)
    held[...] = comm.rank  # and of this process alone
    comm.Barrier()
    assert (held == comm.rank).all()
    assert np.array_equal(held, net.layers[0].W)


@check
def it_is_left_behind() -> None:
    with questions() as orders:
        net = trained()
    assert core.REDUCE_BEGIN not in orders
    maps = Path("/proc/self/maps").read_text()
    assert "memfd:swiftbackprop" not in maps
    assert not any("memfd:swiftbackprop" in _link(name) for name in os.listdir("/proc/self/fd"))
    net.fit(*data(), epochs=1, progress=False)
    again = trained(net=net.copy())
    assert np.isfinite(again.parameters).all()


def _link(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{name}")
    except FileNotFoundError:  # the folder's own
        return ""


@check
def where_one_process_cannot_open_it_messages_are_sent() -> None:
    for name in ("os.memfd_create", "os.open", "os.readlink", "os.pread"):
        broken = comm.rank == (0 if name == "os.memfd_create" else 2)
        with questions() as orders:
            if broken and name == "os.pread":
                with patch(name, return_value=b"another file"):
                    net = trained()
            elif broken:
                with patch(name, side_effect=PermissionError):
                    net = trained()
            else:
                net = trained()
        assert core.REDUCE_BEGIN in orders
        np.testing.assert_allclose(net.parameters, alone().parameters, rtol=1e-12, atol=1e-12)


@check
def small_networks_and_callbacks_of_batches_send_messages() -> None:
    class Each(sb.Callback):
        def on_batch_end(self, net: Any, batch: int, logs: object) -> None:
            net.parameters[0] *= 0.5

    for net, callbacks in ((network(8), []), (network(HIDDEN), [Each()])):
        with questions() as orders:
            trained(*callbacks, net=net)
        assert core.REDUCE_BEGIN in orders


@check
def most_rows_may_be_with_one_process() -> None:
    X, y = data()
    rows = slice(0, 88) if comm.rank == 1 else slice(88, 90) if comm.rank == 2 else slice(0, 0)
    for shuffle in (True, False, "even"):
        net, one = network(HIDDEN), network(HIDDEN)
        given: dict[str, Any] = {"epochs": 2, "shuffle": shuffle, "progress": False}
        net.fit(X[rows], y[rows], comm=comm, **given)
        one.fit(X, y, **given)
        np.testing.assert_allclose(net.parameters, one.parameters, rtol=1e-12, atol=1e-12)


@check
def rows_without_weight_at_the_end_leave_the_gradients() -> None:
    X, y = data()
    weights = np.ones(len(X))
    weights[64:] = 0
    rows = share(len(X))
    net, one = network(HIDDEN), network(HIDDEN)
    given: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "progress": False}
    net.fit(X[rows], y[rows], sample_weight=weights[rows], comm=comm, **given)
    one.fit(X, y, sample_weight=weights, **given)
    np.testing.assert_allclose(net.gradients, one.gradients, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(net.parameters, one.parameters, rtol=1e-12, atol=1e-12)


@check
def an_update_that_overflows_is_made_by_none() -> None:
    X, y = data()
    rows = share(len(X))
    net = network(HIDDEN, optimizer=sb.SGD(1e300), l2=1e300)
    before = net.parameters.copy()
    with pytest.raises(sb.DivergenceError, match="the step would make a weight"):
        net.fit(X[rows], y[rows], batch_size=90, comm=comm, progress=False)
    assert all_equal(net.parameters.tobytes())
    if comm.rank == 0:
        assert (net.parameters == before).all()
    assert net.step_count == 0
    net.optimizer.lr, net.l2 = 0.1, 0.0
    trained(net=net)
