"""fit, evaluate and predict on streams: the same as on arrays."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

ROWS = 230


def data(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(rows, 4))
    return X, np.argmax(X[:, :3], axis=1)


def table(X: np.ndarray, **columns: Any) -> Any:
    return pa.table({f"x{j}": X[:, j] for j in range(X.shape[1])} | columns)


def write(folder: Path, files: int = 3, group: int = 17, **columns: Any) -> str:
    """Write the data as Parquet files in small row groups; return the pattern of their names."""
    X, y = data()
    columns = columns or {"y": y}
    for k, rows in enumerate(np.array_split(np.arange(len(X)), files)):
        part = table(X[rows], **{name: values[rows] for name, values in columns.items()})
        pq.write_table(part, folder / f"part-{k}.parquet", row_group_size=group)
    return str(folder / "part-*.parquet")


def network(**keywords: Any) -> Any:
    options: dict[str, Any] = {"loss": "cross_entropy", "dtype": "float64", "seed": 0, "l2": 1e-3}
    return sb.Network([4, 8, keywords.pop("outputs", 3)], **(options | keywords))


def reading() -> bool:
    """Whether a thread still reads."""
    return any(thread.name == "read ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("window", [16, 50, 1000])
@pytest.mark.parametrize("read_ahead", [0, 1, 3])
def test_a_stream_is_the_whole(window: int, read_ahead: int, tmp_path: Path) -> None:
    """In order, whatever the sizes of files, row groups and windows are."""
    X, y = data()
    stream = sb.data.stream(
        write(tmp_path), target="y", batch_rows=13, window=window, read_ahead=read_ahead
    )
    net, twin = network(), network()
    options: dict[str, Any] = {
        "epochs": 3, "batch_size": 16, "shuffle": False, "progress": False, "metrics": ["top_2"],
    }  # fmt: skip
    history = net.fit(stream, validation_data=stream, **options)
    wanted = twin.fit(X, y, validation_data=(X, y), **options)
    assert np.array_equal(net.parameters, twin.parameters)
    assert list(history) == list(wanted)
    for name in set(history) - {"seconds"}:
        assert_matches(history[name], wanted[name], 1e-12, name)
    assert history.stop_reason == "completed"
    assert (stream.rows, stream.inputs, len(stream)) == (ROWS, 4, 18)


def test_shuffled_by_row_group_and_within_a_window(tmp_path: Path) -> None:
    """Every row once an epoch; the same for the same seed, another order in each epoch."""
    place = write(tmp_path, y=np.arange(ROWS).astype(np.float64))
    seen: list[list[float]] = []

    def orders(seed: int) -> list[list[float]]:
        stream = sb.data.stream(place, target="y", batch_rows=10, window=64)
        net = sb.Network([4, 1], seed=seed, optimizer=sb.SGD(0.0))
        epochs: list[list[float]] = [[]]

        class Spy(sb.Callback):
            def on_epoch_end(self, net: sb.Network, epoch: int, logs: Any) -> None:
                epochs.append([])

        opened = net._fit

        def spy(X: Any, y: Any, *rest: Any) -> Any:
            epochs[-1] += y.tolist()
            return opened(X, y, *rest)

        net._fit = spy  # type: ignore[method-assign]
        net.fit(stream, epochs=2, batch_size=8, callbacks=[Spy()], progress=False)
        return epochs[:2]

    seen = orders(seed=1)
    assert [sorted(epoch) for epoch in seen] == [list(range(ROWS))] * 2
    assert seen[0] != seen[1]
    assert seen[0] != sorted(seen[0])
    assert orders(seed=1) == seen
    assert orders(seed=2) != seen
    # By row groups: where one follows the other, most neighbours are neighbours in the file.
    assert np.mean(np.diff(seen[0]) == 1) > 0.8


def test_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    """Two fits, and one from a file, draw the orders that one fit draws."""
    stream = sb.data.stream(write(tmp_path), target="y", window=48)
    options: dict[str, Any] = {"batch_size": 16, "progress": False}
    whole, parts = network(), network()
    whole.fit(stream, epochs=4, **options)
    parts.fit(stream, epochs=1, **options)
    parts.fit(stream, epochs=1, **options)
    parts.save(tmp_path / "net.safetensors", optimizer=True, generator=True)
    loaded = sb.load(tmp_path / "net.safetensors")
    loaded.fit(stream, epochs=2, **options)
    assert np.array_equal(whole.parameters, loaded.parameters)
    again = network()
    again.fit(stream, epochs=4, **options)
    assert np.array_equal(whole.parameters, again.parameters)


def test_steps_per_epoch_are_minibatches(tmp_path: Path) -> None:
    """An epoch goes on where the last one ended, and from the start where the rows end."""
    X, y = data()
    stream = sb.data.stream(write(tmp_path), target="y", window=64)
    net, twin = network(), network()
    options: dict[str, Any] = {"shuffle": False, "batch_size": 10, "progress": False}
    history = net.fit(stream, epochs=5, steps_per_epoch=10, **options)
    assert (history.epochs, net.step_count) == (5, 50)
    twice = np.r_[0:ROWS, 0:ROWS, 0:40]
    twin.fit(X[twice], y[twice], epochs=1, **options)
    assert np.array_equal(net.parameters, twin.parameters)
    cycle = sb.LearningRateScheduler(sb.schedules.OneCycle(2))
    assert len(net.fit(stream, epochs=2, callbacks=[cycle], **options)["lr"]) == 2


def test_labels_of_text_are_found_by_a_first_pass(tmp_path: Path) -> None:
    X, y = data()
    names = np.array(["ash", "beech", "cedar"])[y]
    place = write(tmp_path, tree=pa.array(names).dictionary_encode().to_pandas())
    stream = sb.data.stream(place, target="tree", window=64)
    net, twin = network(), network()
    options: dict[str, Any] = {
        "epochs": 2, "batch_size": 16, "shuffle": False, "progress": False,
        "class_weight": "balanced",
    }  # fmt: skip
    history = net.fit(stream, validation_data=stream, **options)
    wanted = twin.fit(X, names, validation_data=(X, names), **options)
    assert net.classes_ is not None
    assert net.classes_.tolist() == ["ash", "beech", "cedar"]
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)
    assert net.score(stream) == twin.score(X, names)
    assert net.predict_classes(stream).tolist() == twin.predict_classes(X).tolist()
    fixed = network()
    fixed.classes_ = ["cedar", "ash", "beech"]
    fixed.fit(stream, epochs=1, progress=False)
    assert fixed.classes_.tolist() == ["cedar", "ash", "beech"]
    other = network()
    other.classes_ = ["ash", "beech", "oak"]
    refused(
        lambda: other.fit(stream, epochs=1, progress=False),
        ValueError, r"part-\d\.parquet: column 'tree' has the label 'cedar' in row \d+", "classes_",
    )  # fmt: skip
    small = network(outputs=2)
    refused(lambda: small.fit(stream, progress=False), ValueError, "3 labels of text")
    assert small.classes_ is None


def test_weights_and_measures_of_a_regression(tmp_path: Path) -> None:
    X, _ = data()
    w = np.random.default_rng(1).uniform(0, 2, ROWS)
    w[:40] = 0  # the first pieces say nothing
    t = X[:, :2] * [1, 3] + 1000
    place = write(tmp_path, one=t[:, 0], two=t[:, 1], w=w)
    stream = sb.data.stream(
        place, target=["one", "two"], sample_weight="w", batch_rows=20, window=64
    )
    net, twin = (network(outputs=2, loss="squared_error") for _ in range(2))
    options: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "progress": False}
    history = net.fit(stream, validation_data=stream, metrics=["rmse"], **options)
    wanted = twin.fit(X, t, sample_weight=w, validation_data=(X, t, w), metrics=["rmse"], **options)
    assert np.array_equal(net.parameters, twin.parameters)
    for name in ("val_loss", "val_mse", "val_mae", "val_r2", "val_rmse"):
        assert_matches(history[name], wanted[name], 1e-12, name)
    found, expected = net.evaluate(stream, metrics=["rmse"]), twin.evaluate(
        X, t, sample_weight=w, metrics=["rmse"]
    )  # fmt: skip
    assert list(found) == list(expected)
    assert_matches(list(found.values()), list(expected.values()), 1e-12)
    assert np.array_equal(net.predict(stream), twin.predict(X))
    assert net.score(stream) == pytest.approx(twin.score(X, t, w), rel=1e-12)


def test_arrays_validated_on_a_stream(tmp_path: Path) -> None:
    X, y = data()
    stream = sb.data.stream(write(tmp_path), target="y")
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 3, "batch_size": 16, "progress": False}
    stop = sb.EarlyStopping("val_loss", patience=5)
    history = net.fit(X, y, validation_data=stream, callbacks=[stop], **options)
    wanted = twin.fit(X, y, validation_data=(X, y), **options)
    assert np.array_equal(net.parameters, twin.parameters)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)
    names = np.array(["a", "b", "c"])[y]
    net, twin = network(), network()
    net.fit(X, names, validation_data=stream, class_weight="balanced", **options)
    twin.fit(X, names, validation_data=(X, y), class_weight="balanced", **options)
    assert np.array_equal(net.parameters, twin.parameters)


def test_progress_counts_batches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network().fit(sb.data.stream(write(tmp_path), target="y"), epochs=2, batch_size=10)
    assert "46/46" in capsys.readouterr().err


def test_what_does_not_fit_is_said_before_training(tmp_path: Path) -> None:
    place = write(tmp_path)
    stream = sb.data.stream(place, target="y")
    net = network()
    bare = sb.data.stream(place, features=["x0", "x1", "x2", "x3"])
    wrong: list[tuple[Any, str]] = [
        (lambda: sb.Network([5, 3]).fit(stream), "got a stream of 4 columns"),
        (lambda: net.fit(bare), "no target"),
        (lambda: net.fit(stream, sample_weight=np.ones(ROWS)), "come with the stream"),
        (lambda: net.fit(stream, np.zeros(ROWS)), "y comes with the stream"),
        (lambda: net.fit(stream, validation_split=0.1), "validation_data"),
        (lambda: net.fit(stream, validation_data=bare), "no target"),
        (lambda: net.fit(stream, stratify=True), "arrays"),
        (lambda: net.evaluate(stream, np.zeros(ROWS)), "come with the stream"),
        (lambda: network(norm="batch").fit(stream, batch_size=229), "batch norm"),
        (lambda: net.fit(stream, batch_size=0), "batch_size"),
        (lambda: net.forward(stream), "stream"),
    ]
    for call, pattern in wrong:
        refused(call, (ValueError, TypeError), pattern)
    assert net.step_count == 0
    assert net.predict(bare).shape == (ROWS, 3)
    assert not reading()


def test_streams_without_rows_and_windows_beyond_all_rows(tmp_path: Path) -> None:
    X, y = data()
    pq.write_table(table(X[:0], y=y[:0]), tmp_path / "empty.parquet")
    empty = sb.data.stream(tmp_path / "empty.parquet", target="y")
    assert (empty.rows, len(empty), repr(empty)) == (0, 0, "Stream(no rows)")
    for call in (network().fit, network().evaluate):
        refused(lambda call=call: call(empty), ValueError, "no rows")  # type: ignore[misc]
    place = write(tmp_path)
    files = [tmp_path / "empty.parquet", place]
    stream = sb.data.stream(files, target="y", window=10**12, batch_rows=10**12)
    assert repr(stream) == "Stream(230 rows of 4 columns, 4 files, window=1000000000000)"
    net, twin = network(), network()
    options: dict[str, Any] = {"epochs": 2, "shuffle": False, "progress": False}
    net.fit(stream, validation_data=stream, **options)
    twin.fit(X, y, **options)
    assert np.array_equal(net.parameters, twin.parameters)


def test_functions_of_ones_own(tmp_path: Path) -> None:
    X, y = data()
    stream = sb.data.stream(write(tmp_path), target="y", window=64)
    own = sb.CustomActivation(lambda z: 2 * z, lambda z: np.full_like(z, 2), name="own")
    net, twin = (network(activation=own) for _ in range(2))
    options: dict[str, Any] = {"epochs": 2, "shuffle": False, "progress": False}
    history = net.fit(stream, validation_data=stream, **options)
    wanted = twin.fit(X, y, validation_data=(X, y), **options)
    assert_matches(net.parameters, twin.parameters, 1e-12)
    assert_matches(history["val_loss"], wanted["val_loss"], 1e-12)
    assert np.array_equal(net.predict(stream), net.predict(X))
