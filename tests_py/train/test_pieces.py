"""fit on data in pieces: lists of shards, generators, functions that make them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused, run_python_ok


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
    refused(lambda: fit(X), TypeError, "did you forget y")
    refused(lambda: fit(3), TypeError, "did you forget y")
    refused(lambda: fit({"X": X, "y": y}), TypeError, "got dict", "did you forget y")

    class Frame(list[str]):
        columns = ("a", "b")

    refused(lambda: fit(Frame("ab")), TypeError, "got Frame", "did you forget y")
    refused(lambda: fit([X, y], progress=False), TypeError, "piece 1", "a pair")
    refused(lambda: fit([], progress=False), ValueError, "no piece")
    refused(lambda: fit([(X, y)], sample_weight=np.ones(96)), ValueError, "with the pieces")
    refused(lambda: fit([(X, y)], validation_split=0.1), ValueError, "validation_data")
    refused(lambda: fit([(X, y)], class_weight="balanced"), ValueError, "dict")
    refused(lambda: fit(X, y, steps_per_epoch=3), ValueError, "pieces")
    refused(lambda: fit([(X, y[:5])], progress=False), ValueError, "rows")
    cycle = sb.LearningRateScheduler(sb.schedules.OneCycle(1))
    refused(lambda: fit([(X, y)], callbacks=[cycle], progress=False), ValueError, "arrays")


# --- Wrong pieces, and where they are -------------------------------------------------------


def test_messages_name_the_piece() -> None:
    X, y = data()
    good, net = shards(X, y, 48), network()
    bad = X[:48].copy()
    bad[5, 1] = np.inf
    huge = X[:48] * 1e300
    wrong: list[tuple[Any, Any, str]] = [
        ((X[:, :3], y), ValueError, r"epoch 1, piece 2: X: layer 1 expected .* got \(96, 3\)"),
        ((X[:0], y[:0]), ValueError, "epoch 1, piece 2: X: expected at least one row"),
        ((X, y[:7]), ValueError, "epoch 1, piece 2: .*96"),
        ((bad, y[:48]), ValueError, "epoch 1, piece 2: .*row 5"),
        ((X, y + 1), ValueError, "epoch 1, piece 2: .*0..2"),
        ("ab", TypeError, "epoch 1, piece 2: expected a pair .* got str"),
        ({"X": X}, TypeError, "epoch 1, piece 2: .*dict"),
        ((X, y, None, None), TypeError, "piece 2: .*tuple of 4"),
        ((X, y, np.ones(3)), ValueError, "epoch 1, piece 2: .*3"),
        ((X, None), TypeError, "epoch 1, piece 2: y is None"),
        ((np.array(["a"]), y), TypeError, "epoch 1, piece 2: X: expected real numbers, got dtype"),
        ((huge, y[:48]), sb.DivergenceError, "epoch 1, piece 2: batch 1 of 3: "),
    ]
    for item, kind, pattern in wrong:
        net.parameters[...] = network().parameters * 1e10
        refused(
            lambda item=item: net.fit([good[0], item], batch_size=16, epochs=1, progress=False),
            kind, pattern,
        )  # fmt: skip
        assert not net._busy
    refused(lambda: net.fit("X.npy"), TypeError, "got str", "did you forget y")
    refused(
        lambda: net.fit(lambda: 3, epochs=1, progress=False),
        TypeError,
        "must return an iterable of pairs .*, got int",
    )
    refused(lambda: net.fit(good, steps_per_epoch=0), ValueError, "steps_per_epoch")


def test_validation_data_are_looked_at_before_training() -> None:
    X, y = data()
    bad = X.copy()
    bad[5, 1] = np.nan
    net = network()
    for valid, pattern in (((bad, y), "row 5"), ((X[:, :2], y), r"\(96, 2\)"), ((X, y[:3]), "96")):
        refused(
            lambda valid=valid: net.fit([(X, y)], validation_data=valid, progress=False),
            ValueError, "validation data: ", pattern,
        )  # fmt: skip
    assert net.step_count == 0


# --- Data loaders, and maps larger than memory ---------------------------------------------


MAPS = """
import resource, sys
import numpy as np
import swiftbackprop as sb

rows, columns, dtype = 2**18, 784, np.dtype(sys.argv[2])
X = np.memmap(sys.argv[1], dtype, "r", shape=(rows, columns))
y = np.zeros(rows, np.int64)
scale = 1.0 if dtype.kind == "f" else 1 / 255
net = sb.Network([columns, 2], output="softmax", seed=0, input_scale=scale)
net.fit(X[:4096], y[:4096], epochs=1, progress=False)  # what is needed anyway
status = [line for line in open("/proc/self/status") if line.startswith("VmData")]
# What is mapped from a file does not count; what is allocated may not grow by more than this.
limit = int(status[0].split()[1]) * 1024 + 64 * 2**20
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.empty(128 * 2**20, np.uint8)
except MemoryError:
    print("limited")
shards = [(X[i : i + 2**16], y[i : i + 2**16]) for i in range(0, rows, 2**16)]
net.fit(X, y, epochs=1, batch_size=512, progress=False, validation_data=(X[: 2**17], y[: 2**17]))
net.fit(shards, epochs=1, batch_size=512, progress=False, class_weight={1: 2.0})
print(net.step_count, "done")
"""


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_map_may_be_larger_than_memory(dtype: str, tmp_path: Path) -> None:
    """64 MB may be allocated; X is 784 MB of float32, or would be if uint8 were converted."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc/self/status here")
    path = tmp_path / "X"
    with path.open("wb") as file:
        file.truncate(2**18 * 784 * np.dtype(dtype).itemsize)  # sparse: a few KB of disk
    said = run_python_ok(MAPS, str(path), dtype, timeout=300)
    assert said.split() == ["limited", str(128 + 1024), "done"]


def test_rows_and_wholes_in_the_place_of_pieces_say_so() -> None:
    net = sb.Network([2, 1], seed=0)
    X, y = np.ones((4, 2)), np.ones(4)
    for given in ((X, y), [X, y], zip(X, y, strict=True)):
        refused(
            lambda given=given: net.fit(given, epochs=1, progress=False),  # type: ignore[misc]
            (TypeError, ValueError), r"^epoch 1, piece 1: expected .*two arguments, fit\(X, y\)$",
        )  # fmt: skip
