"""Checks by three processes that have the memory of a training in common."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

import swiftbackprop as sb
from checks import all_equal, check, comm, data, network, share
from swiftbackprop._engine.loader import core
from swiftbackprop._train.processes import Processes

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


@check
def one_that_changes_it_on_one_process_alone_is_found() -> None:
    def shrink(net: Any) -> None:
        net.parameters[...] *= 0.5

    def slow_down(net: Any) -> None:
        net.optimizer.lr *= 0.5

    for work in (shrink, slow_down):
        own = EachEpoch(work if comm.rank == 1 else lambda net: None)
        with pytest.raises(RuntimeError, match=re.escape("the weights of process 1 are not those")):
            trained(own)


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
    for name in ("os.memfd_create", "os.open", "os.pread"):
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
