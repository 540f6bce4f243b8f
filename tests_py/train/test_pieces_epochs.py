"""Data in pieces: where epochs begin and end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import swiftbackprop as sb
from helpers import assert_matches, refused
from test_pieces import data, network, shards


def test_steps_go_on_where_the_last_epoch_ended() -> None:
    X, y = data()
    pieces = shards(X, y, 16)
    net, twin = network(), network()
    options: dict[str, Any] = {"shuffle": False, "progress": False}
    net.fit(pieces, epochs=3, steps_per_epoch=4, **options)
    twin.fit(pieces + pieces, epochs=1, **options)
    assert net.step_count == twin.step_count == 12
    assert np.array_equal(net.parameters, twin.parameters)


def test_an_iterator_that_ends_too_early_says_when() -> None:
    X, y = data()
    net = network()
    once = iter(shards(X, y, 16))
    refused(
        lambda: net.fit(once, epochs=2, steps_per_epoch=4, progress=False),
        ValueError, "epoch 2: expected 4 pieces", "got 2",
    )  # fmt: skip
    assert net.step_count == 6
    assert net.history is not None
    assert (net.history.epochs, net.history.stop_reason) == (1, "error")
    refused(lambda: net.fit(once, progress=False, epochs=1), ValueError, "no piece")
    refused(lambda: net.fit([], steps_per_epoch=2, progress=False), ValueError, "got 0")


def test_schedules_follow_batches_where_their_number_is_known() -> None:
    X, y = data()
    cycle = sb.schedules.OneCycle(2)
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 2, "shuffle": False, "progress": False}
    pieces = shards(X, y, 16)
    history = net.fit(
        pieces, steps_per_epoch=6, callbacks=[sb.LearningRateScheduler(cycle)], **options
    )
    wanted = twin.fit(X, y, batch_size=16, callbacks=[sb.LearningRateScheduler(cycle)], **options)
    assert np.array_equal(net.parameters, twin.parameters)
    assert_matches(history["lr"], wanted["lr"], 1e-12)
    refused(
        lambda: net.fit(
            pieces, steps_per_epoch=6, batch_size=8, progress=False,
            callbacks=[sb.LearningRateScheduler(cycle)],
        ),
        ValueError, "steps_per_epoch", "arrays",
    )  # fmt: skip


def test_stock_callbacks_on_pieces(tmp_path: Path) -> None:
    X, y = data()
    net = network(optimizer=sb.Adam(0.05))
    stop = sb.EarlyStopping("val_top_2", patience=1)
    plateau = sb.LearningRateScheduler(sb.schedules.ReduceOnPlateau(patience=0, factor=0.5))
    log = sb.CSVLogger(tmp_path / "log.csv")
    history = net.fit(
        shards(X, y, 32), epochs=60, batch_size=8, callbacks=[stop, plateau, log],
        validation_data=(X[:30], (y[:30] + 1) % 3), metrics=["top_2"], progress=False,
    )  # fmt: skip
    assert history.stop_reason == "stopped"
    assert stop.best_epoch == int(np.argmax(history["val_top_2"]))
    assert history["lr"][-1] < history["lr"][0]
    assert len((tmp_path / "log.csv").read_text().splitlines()) == history.epochs + 1


def test_weighted_accuracy_of_pieces_is_that_of_the_whole() -> None:
    X, y = data()
    w = np.random.default_rng(1).uniform(0, 2, len(X))
    w[:32] = 0  # the first piece says nothing
    pieces = [(a, b, c) for (a, b), (c, _) in zip(shards(X, y, 32), shards(w, w, 32), strict=True)]
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 2, "shuffle": False, "batch_size": 32, "progress": False}
    history = net.fit(pieces, **options)
    wanted = twin.fit(X, y, sample_weight=w, **options)
    for name in ("loss", "accuracy"):
        assert_matches(history[name], wanted[name], 1e-12, name)


def test_stop_and_seconds() -> None:
    X, y = data()
    net = network()

    def forever() -> Iterator[Any]:
        while True:
            if net.step_count == 5:
                net.stop()
            yield X, y

    history = net.fit(forever(), epochs=1, progress=False)
    assert history.stop_reason == "stopped"

    def slow() -> Iterator[Any]:
        time.sleep(0.05)
        yield X, y

    assert min(net.fit(slow, epochs=2, progress=False)["seconds"]) >= 0.05
