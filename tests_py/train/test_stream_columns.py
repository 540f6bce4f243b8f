"""Which columns of a table a stream takes, and what types they have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from test_stream_files import csv, dataset, feather, pa, pq, trained
from test_streams import ROWS, data, network, table


def _write_feather(part: Any, path: Path) -> None:
    feather.write_feather(part, str(path))


WRITERS: dict[str, Callable[[Any, Path], None]] = {
    "parquet": pq.write_table,
    "feather": _write_feather,
    "csv": csv.write_csv,
}


def write_files(kind: str, folder: Path, *parts: Any) -> Path:
    for k, part in enumerate(parts):
        WRITERS[kind](part, folder / f"{k}.{kind}")
    return folder


def test_the_index_of_a_frame_is_no_feature(tmp_path: Path) -> None:
    """Rows that were shuffled or chosen keep their numbers, and pandas writes these as well."""
    pandas = pytest.importorskip("pandas")
    X, y = data()
    wanted = trained(X, y)
    frame = table(X, y=y).to_pandas()
    numbered = frame.set_index(np.random.default_rng(0).permutation(ROWS))
    named = numbered.rename_axis("number")
    for k, each in enumerate((numbered, named)):
        each.to_parquet(tmp_path / f"{k}.parquet")
        each.to_csv(tmp_path / f"{k}.csv")
    pandas.read_csv(tmp_path / "0.csv").to_parquet(tmp_path / "2.parquet")  # as "Unnamed: 0"
    for name in ("0.parquet", "1.parquet", "2.parquet", "0.csv"):
        stream = sb.data.stream(tmp_path / name, target="y")
        assert stream.inputs == 4, name
        assert np.array_equal(trained(stream), wanted), name
    assert sb.data.stream(tmp_path / "1.csv", target="y").inputs == 5  # a column as any other

    # Files with and without such a column go together, and it is there for who asks for it.
    (tmp_path / "both").mkdir()
    frame.to_parquet(tmp_path / "both" / "0.parquet")
    numbered.to_parquet(tmp_path / "both" / "1.parquet")
    both = sb.data.stream(tmp_path / "both", target="y")
    assert np.array_equal(trained(both), trained(np.vstack([X, X]), np.r_[y, y]))
    seen: set[Any] = set()

    def keep(part: Any) -> Any:
        seen.update(part["number"])
        return part[["x0"]]

    asked = sb.data.stream(tmp_path / "1.parquet", features=["number", "x0"])
    assert np.array_equal(next(iter(asked))[:, 0], named.index)
    texts = named.assign(town="Oslo")
    texts.to_parquet(tmp_path / "texts.parquet")
    features = ["number", "x0", "town"]
    for _ in sb.data.stream(tmp_path / "texts.parquet", features=features, transform=keep):
        pass
    assert seen == set(named.index)


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
def test_a_type_that_the_first_file_does_not_show(kind: str, tmp_path: Path) -> None:
    """A file with a header alone has no types, nor has a column without a value."""
    X, y = data()
    whole = table(X, y=y)
    # Parquet has types without rows; other writers of it call a column without values null.
    empty = whole.slice(0, 0) if kind == "csv" else pa.table(
        {name: pa.nulls(0) for name in whole.column_names})  # fmt: skip
    place = write_files(kind, tmp_path, empty, whole)
    assert np.array_equal(trained(sb.data.stream(place, target="y")), trained(X, y))
    labels = pa.array(np.array(["no", "so", "yes"])[y])
    place = write_files(kind, tmp_path, empty, whole.set_column(4, "y", labels))
    stream, net = sb.data.stream(place, target="y"), network()
    net.fit(stream, epochs=1, progress=False)
    assert net.classes_.tolist() == ["no", "so", "yes"]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("kind", ["parquet", "feather", "csv"])
def test_text_that_is_missing_in_a_whole_file(
    kind: str, order: tuple[int, int], tmp_path: Path
) -> None:
    pytest.importorskip("pandas")
    X, y = data(20)
    parts = [
        table(X, town=pa.array(["Rome"] * 20), y=y),
        table(X, town=pa.nulls(20), y=y),
    ]
    place = write_files(kind, tmp_path, *(parts[k] for k in order))
    seen: set[Any] = set()

    def first(part: Any) -> Any:
        seen.update(town or None for town in part["town"])
        return part[["x0"]]

    stream = sb.data.stream(place, target="y", features=["x0", "town"], transform=first)
    assert sum(len(X) for X, _ in stream) == 40
    assert seen == {"Rome", None}


def test_numbers_far_behind_the_first_rows_of_text(tmp_path: Path) -> None:
    """Weights may show their first fraction there, and a column its first number."""
    kind = dataset.CsvFileFormat(read_options=csv.ReadOptions(block_size=100))
    lines = [f"{k},,1,{k % 2}" for k in range(100)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["a,b,w,y", *lines, "1,2.5,0.5,1"]) + "\n")
    stream = sb.data.stream(path, target="y", sample_weight="w", format=kind)
    X, y, w = (np.concatenate(parts) for parts in zip(*stream, strict=True))
    assert np.array_equal(X[:, 1], [*[np.nan] * 100, 2.5], equal_nan=True)
    assert (X[-1, 0], y[-1], w[-1], w[0]) == (1, 1, 0.5, 1)


def test_text_that_is_compressed(tmp_path: Path) -> None:
    X, y = data()
    for end in ("gz", "bz2", "lz4", "zst"):
        path = str(tmp_path / f"a.csv.{end}")
        with pa.CompressedOutputStream(path, pa.Codec.detect(path).name) as file:
            csv.write_csv(table(X, y=y), file)
        if end != "zst":
            assert np.array_equal(trained(sb.data.stream(path, target="y")), trained(X, y))
            continue
        (tmp_path / "folder").mkdir()
        (tmp_path / "second").mkdir()
        csv.write_csv(table(X, y=y), tmp_path / "second" / "0.csv")
        packed = [shutil.copy(path, tmp_path / folder) for folder in ("folder", "second")]
        for form in (None, "csv"):  # pyarrow's data sets would take the bytes for text
            for place in (path, tmp_path / "folder", tmp_path / "second", packed):
                refused(
                    lambda p=place, f=form: sb.data.stream(p, target="y", format=f),  # type: ignore[misc]
                    ValueError, r"a\.csv\.zst is compressed, .*\.gz, \.bz2, \.lz4 alone",
                )  # fmt: skip


def test_lines_of_json_have_two_endings(tmp_path: Path) -> None:
    for end in ("jsonl", "ndjson"):
        path = tmp_path / f"a.{end}"
        path.write_text('{"a": 1, "y": 0}\n{"a": 2.5, "y": 1}\n')
        ((X, _),) = sb.data.stream(path, target="y")
        assert X.tolist() == [[1], [2.5]]


def test_what_is_wrong_with_a_column_is_said_in_its_words(tmp_path: Path) -> None:
    X, y = data(8)
    lists = [[1.0, 2.0], [3.0, None], *[[0.0, 0.0]] * 6]
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"image": pa.array(lists)}, ValueError, "column 'image' has nan in row 1 .*missing"),
        ({"far": [0.0, 1e300] * 4}, ValueError, "column 'far' has inf .*beyond float32"),
        ({"w": ["a"] * 8}, TypeError, "column 'w' .*string; expected real numbers: weights are"),
    ]
    for column, kind, pattern in wrong:
        pq.write_table(table(X, **column, y=y), tmp_path / "a.parquet")
        name = "w" if "w" in column else None

        def fits(name: str | None = name) -> None:
            stream = sb.data.stream(tmp_path / "a.parquet", target="y", sample_weight=name)
            net = sb.Network([stream.inputs, 3], loss="cross_entropy")
            net.fit(stream, epochs=1, progress=False)

        refused(fits, kind, pattern)
    (tmp_path / "part=1").mkdir()
    pq.write_table(table(X, part=y), tmp_path / "part=1" / "a.parquet")
    (tmp_path / "a.parquet").unlink()
    refused(lambda: sb.data.stream(tmp_path), ValueError, f"{tmp_path.name} cannot be read", "part")


def test_a_dataset_of_pyarrow_with_a_schema_of_its_own(tmp_path: Path) -> None:
    """The file that has other columns is not said to differ from itself."""
    X, y = data()
    path = tmp_path / "a.parquet"
    pq.write_table(table(X, y=y), path)
    chosen = dataset.dataset(path).schema.remove(0)
    fewer = dataset.dataset(path, schema=chosen)
    words = r"a\.parquet has the column 'x0', which the data set has not: .*features="
    refused(lambda: trained(sb.data.stream(fewer, target="y")), ValueError, words)
    features = ["x1", "x2", "x3"]
    stream = sb.data.stream(fewer, target="y", features=features)
    assert np.array_equal(next(iter(stream))[0], X[:, 1:])
    named = dataset.dataset(path, schema=chosen.set(3, pa.field("y", pa.string())))
    words = r"column 'y' of \S+a\.parquet holds int64, and string in the data set"
    stream = sb.data.stream(named, target="y", features=features)
    refused(lambda: trained(stream), ValueError, words)
