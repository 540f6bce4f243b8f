"""Early stopping, ends of batches, and a log as CSV."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused
from scheduled import Replay, data, network, train


def test_early_stopping_and_the_best_weights() -> None:
    stop = sb.EarlyStopping(patience=2, min_delta=0.05)
    values = [1.0, 0.8, 0.78, 0.79, 0.77, 0.1]
    net, seen = network(), []
    keep = lambda net, epoch, logs: seen.append(net.parameters.copy())  # noqa: E731
    history = train(net, [keep, Replay(stop, values)])
    assert history.epochs == 5
    assert history.stop_reason == "stopped"
    assert stop.best_epoch == 1
    assert stop.best == 0.8
    assert np.array_equal(net.parameters, seen[1])
    other = network()
    train(other, [Replay(sb.EarlyStopping(patience=2, min_delta=0.05, restore_best_weights=False),
                         values)])  # fmt: skip
    assert np.array_equal(other.parameters, seen[4])


def test_larger_may_be_better() -> None:
    values = [0.5, 0.6, 0.7, 0.65, 0.6, 0.5]
    for name, mode in (("val_accuracy", None), ("val_r2", None), ("x", "max")):
        stop = sb.EarlyStopping(name, patience=1, mode=mode)
        train(network(), [Replay(stop, values, name)])
        assert stop.best == 0.7
    stop = sb.EarlyStopping("val_accuracy", patience=0, mode="min")
    assert train(network(), [Replay(stop, values, "val_accuracy")]).epochs == 2


def test_early_stopping_on_validation() -> None:
    X, y = data()
    stop = sb.EarlyStopping(patience=3)
    net = network(2.0)
    history = train(net, [stop], epochs=200, validation_data=(X[:20], (y[:20] + 1) % 3))
    assert history.stop_reason == "stopped"
    best = int(np.argmin(history["val_loss"]))
    assert stop.best_epoch == best == history.epochs - 5
    assert net.evaluate(X[:20], (y[:20] + 1) % 3)["loss"] == pytest.approx(
        history["val_loss"][best]
    )


def test_a_quantity_that_is_not_there() -> None:
    refused(lambda: train(network(), [sb.EarlyStopping("val_auc")]), ValueError, "val_auc", "loss")
    refused(lambda: sb.EarlyStopping(patience=-1), ValueError, "patience")
    refused(lambda: sb.EarlyStopping(3), TypeError, "monitor")


def test_early_stopping_of_nan_never_counts_as_best() -> None:
    stop = sb.EarlyStopping(patience=1)
    train(network(), [Replay(stop, [math.nan, 0.5, math.nan, math.nan, 0.1, 0.1])])
    assert stop.best == 0.5


def test_on_batch_end_sees_every_update_and_its_gradients() -> None:
    class BestValue(sb.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_epoch_begin(self, net: sb.Network, epoch: int) -> None:
            self.seen.append(f"epoch {epoch}")

        def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
            self.seen.append((batch, logs["loss"], net.parameters.copy(), net.gradients.copy()))

    X, y = data()
    watch, net, twin = BestValue(), network(), network()
    history = train(net, [watch], epochs=2, shuffle=False, validation_data=(X, y))
    updates = [item for item in watch.seen if not isinstance(item, str)]
    assert [i for i, item in enumerate(watch.seen) if isinstance(item, str)] == [0, 4]
    assert [item[0] for item in updates] == [0, 1, 2, 0, 1, 2]
    total = 0.0
    for k, (_, loss, parameters, gradients) in enumerate(updates):
        rows = slice(16 * (k % 3), 16 * (k % 3) + 16)
        twin.forward(X[rows])
        total = (total if k % 3 else 0.0) + twin.backward(y[rows])
        twin.step()
        assert_matches(parameters, twin.parameters, 1e-12)
        assert_matches(gradients, twin.gradients, 1e-11)
        assert loss == pytest.approx(total / (k % 3 + 1), rel=1e-12)
    assert updates[2][1] == pytest.approx(history["loss"][0])


def test_a_batch_can_end_the_training() -> None:
    class Stop:
        def on_batch_end(self, net: Any, batch: int, logs: Any) -> bool:
            return batch == 1

    net = network()
    history = train(net, [Stop()])
    assert (history.stop_reason, history.epochs, net.step_count) == ("stopped", 0, 2)


def test_csv_logger(tmp_path: Path) -> None:
    path, net = tmp_path / "log.csv", network()
    history = train(net, [sb.CSVLogger(path)], epochs=3)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    for name in history:
        assert [float(row[name]) for row in rows] == history[name]
    train(net, [sb.CSVLogger(path, append=True)], epochs=2)
    assert len(path.read_text().splitlines()) == 6
    X, y = data()
    refused(
        lambda: train(net, [sb.CSVLogger(path, append=True)], validation_data=(X, y)),
        ValueError, "columns",
    )  # fmt: skip
    train(net, [sb.CSVLogger(path)], epochs=1)
    assert len(path.read_text().splitlines()) == 2


def test_csv_logger_goes_on_with_a_file_that_an_editor_saved(tmp_path: Path) -> None:
    """With a mark at its start, and no end of its last line."""
    path = tmp_path / "log.csv"
    train(network(), [sb.CSVLogger(path)], epochs=2)
    path.write_text(path.read_text().rstrip(), encoding="utf-8-sig")
    train(network(), [sb.CSVLogger(path, append=True)], epochs=2)
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "0", "1"]
    assert rows[0]["loss"] == rows[2]["loss"]
