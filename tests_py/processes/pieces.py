"""Checks by three processes: training on pieces from lists and generators, each on its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from checks import all_equal, check, comm, data, groups, network, share


def pieces_of(rank: int, size: int) -> list[Any]:
    """Pieces of unequal length, of some processes fewer; of three the second one has none."""
    rng = np.random.default_rng(7 + rank)
    sizes = [] if size > 2 and rank == 1 else [9, 14, 3 + rank, 11][: 4 - rank]
    found = []
    for rows in sizes:
        X = rng.standard_normal((rows, 5))
        found.append((X, (X[:, 0] > 0) + 1 * (X[:, 1] > 0), rng.uniform(0, 2, rows)))
    return found


def joined(parts: list[list[Any]], steps: int | None = None) -> list[Any]:
    """The pieces that one process has for those of all: the first ones, the second ones ..."""
    count = max(map(len, parts)) if steps is None else steps
    rounds = []
    for k in range(count):
        turn = [
            part[k % len(part)] for part in parts if part and (steps is not None or k < len(part))
        ]
        rounds.append(tuple(np.concatenate(each) for each in zip(*turn, strict=True)))
    return rounds


@check
def pieces_of_all_are_one() -> None:
    held = data(20)
    for group in groups():
        parts = [pieces_of(rank, group.size) for rank in range(group.size)]
        own = parts[group.rank]
        valid = tuple(part[share(20, group)] for part in held)
        fits: list[dict[str, Any]] = [
            {"batch_size": 16, "class_weight": {0: 2.0}},
            {"validation_data": (valid, held), "metrics": ["f1"]},
            {"steps_per_epoch": 3},
        ]
        for given in fits:
            of_valid = given.pop("validation_data", (None, None))
            nets, found = [], []
            rounds = 2 * given["steps_per_epoch"] if "steps_per_epoch" in given else None
            for who, X in ((group, own), (None, joined(parts, rounds))):
                net = network(dropout=0.2, norm="batch", optimizer=sb.SGD(0.1))
                nets.append(net)
                found.append(
                    net.fit(
                        X, epochs=2, comm=who, progress=False,
                        validation_data=of_valid[who is None], **given,
                    )
                )  # fmt: skip
            assert all_equal([net.parameters.tobytes() for net in nets[:1]], group)
            np.testing.assert_allclose(*(net.parameters for net in nets), rtol=1e-12, atol=1e-12)
            assert found[0].keys() == found[1].keys()
            for name in set(found[0]) - {"seconds"}:
                np.testing.assert_allclose(found[0][name], found[1][name], rtol=1e-11)


@check
def generators_that_go_on_in_the_next_epoch() -> None:
    def endless(rank: int) -> Iterator[Any]:
        parts = pieces_of(rank, 2)
        while True:
            yield from parts

    net, alone = network(), network()
    net.fit(endless(comm.rank), epochs=4, steps_per_epoch=3, comm=comm, progress=False)
    ways = [endless(rank) for rank in range(comm.size)]
    together = (
        tuple(np.concatenate(part) for part in zip(*turn, strict=True))
        for turn in zip(*ways, strict=False)
    )
    alone.fit(together, epochs=4, steps_per_epoch=3, progress=False)
    np.testing.assert_allclose(net.parameters, alone.parameters, rtol=1e-12, atol=1e-12)


@check
def pieces_that_end_all() -> None:
    def fails() -> Iterator[Any]:
        yield from pieces_of(0, 2)
        if comm.rank == 2:
            raise LookupError("no more shards")

    def ends(words: str, X: Any, **given: Any) -> None:
        net = network()
        before = net.parameters.copy()
        kinds = ValueError, TypeError, LookupError, RuntimeError
        with pytest.raises(kinds, match=re.escape(words)) as info:
            net.fit(X, comm=comm, progress=False, **given)
        assert comm.rank == 2 or "process 2 of 3" in str(info.value)
        assert all_equal(net.parameters.tobytes())
        assert np.isfinite(net.predict(before[:5][None])).all()

    ends("no more shards", fails)
    few = iter(pieces_of(0, 2)[: 4 - comm.rank])
    ends("epoch 1: expected 3 pieces, got 2: the data ended", few, steps_per_epoch=3, epochs=1)
    pieces = pieces_of(0, 2)
    if comm.rank == 2:
        pieces[1] = (pieces[1][0][:, :4], *pieces[1][1:])
    ends("epoch 1, piece 2: ", pieces)
    kind: Any = pieces if comm.rank < 2 else sb.Network
    ends("a function as X must return an iterable of pairs", lambda: kind)


@check
def labels_that_process_0_knows() -> None:
    X, y = data(30)
    names = np.array(["a", "b", "c"])[y]
    net = network()
    if comm.rank == 0:
        net.classes_ = ["a", "b", "c"]
    net.fit([(X, names)] if comm.rank else [], epochs=1, comm=comm, progress=False)
    assert net.classes_ is not None
    assert all_equal(net.parameters.tobytes())
