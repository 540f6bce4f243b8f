"""fit on data in pieces: lists of shards, generators, functions that make them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused


def data(rows: int = 96) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(rows, 4))
    return X, np.argmax(X[:, :3], axis=1)


def network(**keywords: Any) -> Any:
    options: dict[str, Any] = {"loss": "cross_entropy", "dtype": "float64", "seed": 0, "l2": 1e-3}
    return sb.Network([4, 8, 3], **(options | keywords))


def shards(X: np.ndarray, y: np.ndarray, size: int) -> list[tuple[np.ndarray, ...]]:
    return [(X[i : i + size], y[i : i + size]) for i in range(0, len(X), size)]


@pytest.mark.parametrize("size", [16, 32, 48])
def test_shards_are_the_whole(size: int) -> None:
    """Cut at ends of minibatches, they give the same batches in the same order."""
    X, y = data()
    net, twin = network(), network()
    options: dict[str, Any] = {
        "epochs": 3, "shuffle": False, "batch_size": 16, "progress": False,
        "validation_data": (X[:20], y[:20]), "metrics": ["top_2"],
    }  # fmt: skip
    history = net.fit(shards(X, y, size), **options)
    wanted = twin.fit(X, y, **options)
    assert np.array_equal(net.parameters, twin.parameters)
    assert list(history) == list(wanted)
    for name in set(history) - {"seconds"}:
        assert_matches(history[name], wanted[name], 1e-12, name)
    assert history.stop_reason == "completed"
    assert min(history["seconds"]) > 0


def test_a_piece_is_a_batch_unless_told() -> None:
    X, y = data()
    net, twin = network(), network()
    net.fit(shards(X, y, 24), epochs=2, shuffle=False, progress=False)
    twin.fit(X, y, batch_size=24, epochs=2, shuffle=False, progress=False)
    assert net.step_count == 8
    assert np.array_equal(net.parameters, twin.parameters)


def test_generators() -> None:
    X, y = data()
    made = []

    def batches() -> Iterator[tuple[np.ndarray, ...]]:
        made.append(1)
        yield from shards(X, y, 16)

    def forever() -> Iterator[tuple[np.ndarray, ...]]:
        while True:
            yield from shards(X, y, 16)

    options: dict[str, Any] = {"shuffle": False, "progress": False}
    wanted = network()
    wanted.fit(X, y, batch_size=16, epochs=2, **options)
    net = network()
    net.fit(batches, epochs=2, **options)
    assert len(made) == 2
    assert np.array_equal(net.parameters, wanted.parameters)
    net = network()
    net.fit(forever(), epochs=2, steps_per_epoch=6, **options)
    assert np.array_equal(net.parameters, wanted.parameters)
    net = network()
    net.fit(batches(), epochs=1, **options)
    assert net.step_count == 6
    refused(lambda: network().fit(batches(), epochs=2, **options), ValueError, "once", "steps_per")


def test_weights_and_classes_in_pieces() -> None:
    X, y = data()
    w = np.random.default_rng(1).uniform(0, 2, len(X))
    pieces = [(a, b, c) for (a, b), (c, _) in zip(shards(X, y, 32), shards(w, w, 32), strict=True)]
    net, twin = network(), network()
    options: dict[str, Any] = {
        "epochs": 2, "shuffle": False, "batch_size": 32, "progress": False,
        "class_weight": {0: 3.0}, "validation_data": (X, y),
    }  # fmt: skip
    history = net.fit(pieces, **options)
    wanted = twin.fit(X, y, sample_weight=w, **options)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)


def test_callbacks_see_epochs_and_batches() -> None:
    class Watch(sb.Callback):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_batch_end(self, net: sb.Network, batch: int, logs: Any) -> None:
            self.seen.append((batch, logs["loss"]))

        def on_epoch_end(self, net: sb.Network, epoch: int, logs: Any) -> None:
            self.seen.append(f"epoch {epoch}")

    X, y = data()
    watch, other = Watch(), Watch()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "progress": False}
    rates = sb.LearningRateScheduler(sb.schedules.Exponential(0.5))
    network().fit(shards(X, y, 40), callbacks=[watch, rates], **options)
    assert [item if isinstance(item, str) else item[0] for item in watch.seen] == [
        *range(7), "epoch 0", *range(7), "epoch 1",
    ]  # fmt: skip
    network().fit(shards(X, y, 48), callbacks=[watch := Watch()], **options)
    network().fit(X, y, callbacks=[other], **options)
    for one, two in zip(watch.seen, other.seen, strict=True):
        if isinstance(one, str):
            assert one == two
        else:
            assert one[0] == two[0]
            assert one[1] == pytest.approx(two[1], rel=1e-12)


def test_the_end_leaves_a_network_that_can_be_used() -> None:
    X, y = data()

    def broken() -> Iterator[tuple[np.ndarray, ...]]:
        yield X, y
        raise OSError("the disk is gone")

    net = network()
    with pytest.raises(OSError, match="disk"):
        net.fit(broken(), epochs=1, progress=False)
    assert net.history is not None
    assert net.history.stop_reason == "error"
    assert not net._busy
    net.fit(shards(X, y, 32), epochs=2, callbacks=[lambda net, epoch, logs: True], progress=False)
    assert (net.history.epochs, net.history.stop_reason) == (1, "stopped")
    bad = X.copy()
    bad[3, 2] = np.nan
    refused(lambda: net.fit([(bad, y)], epochs=1, progress=False), ValueError, "row 3")
    assert np.all(np.isfinite(net.parameters))
    net.predict(X)


def test_memory_mapped_shards(tmp_path: Path) -> None:
    X, y = data()
    pieces = []
    for i, (X_part, y_part) in enumerate(shards(X.astype(np.float32), y, 48)):
        np.save(tmp_path / f"X{i}.npy", X_part)
        pieces.append((np.load(tmp_path / f"X{i}.npy", mmap_mode="r"), y_part))
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "progress": False}
    net.fit(pieces, **options)
    twin.fit(X.astype(np.float32), y, **options)
    assert np.array_equal(net.parameters, twin.parameters)


def test_progress_without_a_known_length(capsys: pytest.CaptureFixture[str]) -> None:
    X, y = data()
    network().fit(shards(X, y, 32), epochs=2)
    assert "2/2" in capsys.readouterr().err


def test_wrong_pieces() -> None:
    X, y = data()
    fit = network().fit
    refused(lambda: fit(X), TypeError, "does y miss")
    refused(lambda: fit(3), TypeError, "does y miss")
    refused(lambda: fit([X, y], progress=False), TypeError, "pairs")
    refused(lambda: fit([], progress=False), ValueError, "no piece")
    refused(lambda: fit([(X, y)], sample_weight=np.ones(96)), ValueError, "with the pieces")
    refused(lambda: fit([(X, y)], validation_split=0.1), ValueError, "validation_data")
    refused(lambda: fit([(X, y)], class_weight="balanced"), ValueError, "dict")
    refused(lambda: fit(X, y, steps_per_epoch=3), ValueError, "pieces")
    refused(lambda: fit([(X, y[:5])], progress=False), ValueError, "rows")
    cycle = sb.LearningRateScheduler(sb.schedules.OneCycle(1))
    refused(lambda: fit([(X, y)], callbacks=[cycle], progress=False), ValueError, "arrays")
