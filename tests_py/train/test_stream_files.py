"""Streams of every kind of file, and transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import assert_matches, refused, run_python_ok
from test_streams import ROWS, data, network, table, write

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
csv = pytest.importorskip("pyarrow.csv")
dataset = pytest.importorskip("pyarrow.dataset")
feather = pytest.importorskip("pyarrow.feather")

OPTIONS: dict[str, Any] = {"epochs": 2, "batch_size": 16, "shuffle": False, "progress": False}


def trained(*given: Any, **keywords: Any) -> Any:
    net = network()
    net.fit(*given, **(OPTIONS | keywords))
    return net.parameters.copy()


def write_kind(kind: str, folder: Path) -> Any:
    """Write the data as files of a kind; return what names them."""
    X, y = data()
    whole = table(X, y=y)
    for k, rows in enumerate(np.array_split(np.arange(ROWS), 3)):
        part, path = whole.take(rows), folder / f"part-{k}"
        match kind:
            case "parquet":
                pq.write_table(part, path.with_suffix(".parquet"), row_group_size=20)
            case "feather":
                feather.write_feather(part, str(path.with_suffix(".feather")), chunksize=20)
            case "csv":
                csv.write_csv(part, path.with_suffix(".csv"))
            case "tsv":
                options = csv.WriteOptions(delimiter="\t")
                csv.write_csv(part, path.with_suffix(".tsv"), options)
            case "csv.gz":
                with pa.output_stream(path.with_suffix(".csv.gz")) as file:
                    csv.write_csv(part, file)
            case "orc":
                pa.orc.write_table(part, path.with_suffix(".orc"))
            case "jsonl":
                path.with_suffix(".jsonl").write_text(part.to_pandas().to_json(
                    orient="records", lines=True, double_precision=15))  # fmt: skip
    return str(folder / f"part-*.{kind}")


@pytest.mark.parametrize("kind", ["parquet", "feather", "csv", "tsv", "csv.gz", "orc", "jsonl"])
def test_every_kind_of_file(kind: str, tmp_path: Path) -> None:
    if kind == "orc":
        pytest.importorskip("pyarrow.orc")
    place = write_kind(kind, tmp_path)
    wanted = trained(*data())
    tolerance = 1e-9 if kind == "jsonl" else 0.0
    for given in (place, tmp_path, sorted(tmp_path.iterdir())):
        stream = sb.data.stream(given, target="y", batch_rows=17, window=40)
        assert_matches(trained(stream), wanted, tolerance)
    assert stream.rows == (ROWS if kind in ("parquet", "feather") else None)
    shuffled = network()
    history = shuffled.fit(stream, epochs=2, batch_size=16, progress=False)
    assert (history.epochs, shuffled.step_count) == (2, 30)


def test_a_dataset_of_pyarrow_and_columns_in_the_path(tmp_path: Path) -> None:
    X, y = data()
    whole = table(X[:, :3], year=np.where(np.arange(ROWS) < 100, 2023, 2024), y=y)
    dataset.write_dataset(whole, tmp_path, format="parquet", partitioning=["year"],
                     partitioning_flavor="hive")  # fmt: skip
    features = ["x0", "x1", "x2", "year"]
    wanted = trained(np.column_stack([X[:, :3], whole["year"]]), y)
    for given in (tmp_path, dataset.dataset(tmp_path, partitioning="hive")):
        stream = sb.data.stream(given, target="y", features=features)
        assert np.array_equal(trained(stream), wanted)
    memory = sb.data.stream(dataset.dataset(table(X, y=y)), target="y", window=32)
    assert np.array_equal(trained(memory), trained(X, y))


def test_npy_files_and_arrays(tmp_path: Path) -> None:
    X, y = data()
    for k, rows in enumerate(np.array_split(np.arange(ROWS), 2)):
        np.save(tmp_path / f"X-{k}.npy", X[rows])
        np.save(tmp_path / f"y-{k}.npy", y[rows])
    np.save(tmp_path / "X.npy", X)
    wanted = trained(X, y)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    pattern = str(tmp_path / "X-*.npy"), str(tmp_path / "y-*.npy")
    for source, target in (pattern, (tmp_path / "X.npy", y), (mapped, y), (X, y)):
        stream = sb.data.stream(source, target=target, batch_rows=17, window=40)
        assert stream.rows == ROWS
        assert np.array_equal(trained(stream), wanted)
    names = np.array(["a", "b", "c"])[y]
    assert np.array_equal(trained(sb.data.stream(X, target=names, window=40)), wanted)
    w = np.linspace(0, 1, ROWS)
    weighted = sb.data.stream(X, target=y, sample_weight=w, window=48)
    assert np.array_equal(trained(weighted), trained(X, y, sample_weight=w))
    refused(lambda: sb.data.stream(X, target=y[:5]), ValueError, "230 rows", "5")
    (tmp_path / "broken.npy").write_bytes(b"\x93NUMPY\x01")
    refused(lambda: sb.data.stream(tmp_path / "broken.npy"), ValueError, r"broken\.npy")
    bad = X.copy()
    bad[70, 2] = np.nan
    refused(lambda: trained(sb.data.stream(bad, target=y)), ValueError, "column 2 .* row 70")


def test_lists_and_integers_in_columns(tmp_path: Path) -> None:
    """Images of uint8 stay integers where input_scale counts for them."""
    y = data()[1]
    images = np.random.default_rng(1).integers(0, 256, (ROWS, 4), np.uint8)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(images.ravel()), 4)
    loose = pa.array(images.tolist(), pa.list_(pa.uint8()))
    for k, column in enumerate((fixed, loose)):
        pq.write_table(pa.table({"image": column, "y": y}), tmp_path / f"{k}.parquet",
                       row_group_size=50)  # fmt: skip
        stream = sb.data.stream(tmp_path / f"{k}.parquet", target="y", window=64)
        assert stream.inputs == 4
        for scale in (1.0, 1 / 255):
            net, twin = network(input_scale=scale), network(input_scale=scale)
            net.fit(stream, **OPTIONS)
            twin.fit(images, y, **OPTIONS)
            assert np.array_equal(net.parameters, twin.parameters)
    uneven = pa.array([[1, 2, 3, 4]] * 3 + [[1, 2]], pa.list_(pa.uint8()))
    pq.write_table(pa.table({"image": uneven, "y": y[:4]}), tmp_path / "uneven.parquet")
    stream = sb.data.stream(tmp_path / "uneven.parquet", target="y")
    refused(lambda: trained(stream), ValueError, "uneven.parquet: column 'image' .*row 3, of 2")


# --- Transforms ------------------------------------------------------------------------------


def test_transforms_of_scikit_learn(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    X, y = data()
    place = write(tmp_path)
    scaler = StandardScaler().fit(X)
    stream = sb.data.stream(place, target="y", transform=scaler, window=64)
    assert np.array_equal(trained(stream), trained(scaler.transform(X), y))
    partial = StandardScaler()
    for part, _ in sb.data.stream(place, target="y", batch_rows=50):
        partial.partial_fit(part)
    assert_matches(partial.mean_, scaler.mean_, 1e-12)

    town = np.array(["Rome", "Oslo"])[y % 2]
    frame = pandas.DataFrame({"x0": X[:, 0], "x1": np.where(y == 1, np.nan, X[:, 1]), "town": town})
    both = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), ["x0", "x1"]),
        (OneHotEncoder(), ["town"]),
    ).fit(frame)
    (tmp_path / "mixed").mkdir()
    for k in range(2):
        part = pa.Table.from_pandas(frame[k::2].assign(y=y[k::2]), preserve_index=False)
        pq.write_table(part, tmp_path / "mixed" / f"{k}.parquet", row_group_size=30)
    order = np.r_[0:ROWS:2, 1:ROWS:2]
    stream = sb.data.stream(tmp_path / "mixed", target="y", transform=both, window=64)
    wanted = trained(both.transform(frame.iloc[order]), y[order])
    assert np.array_equal(trained(stream), wanted)
    refused(
        lambda: sb.data.stream(tmp_path / "mixed", target="y"),
        TypeError, "column 'town' of .*0.parquet holds .*string", "transform=", "features=",
    )  # fmt: skip
    functions = sb.data.stream(place, target="y", transform=lambda part: 2 * part)
    assert np.array_equal(trained(functions), trained(2 * X, y))
    refused(
        lambda: sb.data.stream(place, target="y", transform=StandardScaler()), ValueError, "fitted"
    )
    refused(lambda: sb.data.stream(place, transform=3), TypeError, "transform must")


def test_errors_of_a_transform_say_where(tmp_path: Path) -> None:
    def fails(X: np.ndarray) -> np.ndarray:
        if len(X) > 16:
            raise ValueError("no good")
        return X

    place = write(tmp_path)
    stream = sb.data.stream(place, target="y", transform=fails, batch_rows=17)
    refused(lambda: trained(stream), ValueError, r"part-0\.parquet, rows 0 to 16: no good")
    short = sb.data.stream(place, target="y", transform=lambda X: X[:3])
    refused(lambda: trained(short), ValueError, r"shape \(3, 4\) of 16 rows")


def test_wrong_arguments(tmp_path: Path) -> None:
    place = write(tmp_path)
    stream = sb.data.stream
    (tmp_path / "notes.txt").write_text("x\n")
    (tmp_path / "empty").mkdir()
    wrong: list[tuple[Any, type[Exception], str]] = [
        (lambda: stream(tmp_path / "no.parquet"), FileNotFoundError, r"no\.parquet"),
        (lambda: stream(tmp_path / "no-*.parquet"), FileNotFoundError, "no-"),
        (lambda: stream([]), FileNotFoundError, "empty"),
        (lambda: stream(tmp_path / "empty"), FileNotFoundError, r"no file in \S+empty"),
        (lambda: stream(tmp_path / "empty", format="csv"), FileNotFoundError, "no file in"),
        (lambda: stream(3), TypeError, "a path"),
        (lambda: stream(tmp_path / "notes.txt"), ValueError, "format="),
        (lambda: stream(place, target="z"), ValueError, "no column 'z'; it has 'x0'"),
        (lambda: stream(place, target=3), TypeError, "target"),
        (lambda: stream(place, target="y", features=["y"]), ValueError, "'y' is among"),
        (lambda: stream(place, features=["x0", "x0"]), ValueError, "twice"),
        (lambda: stream(place, target="y", sample_weight=3), TypeError, "sample_weight"),
        (lambda: stream(place, batch_rows=0), ValueError, "batch_rows"),
        (lambda: stream(place, window=0.5), TypeError, "window"),
        (lambda: stream(place, read_ahead=-1), ValueError, "read_ahead"),
        (lambda: stream(np.ones((3, 2)), features=["a"]), ValueError, "features"),
    ]
    for call, kind, pattern in wrong:
        refused(call, kind, pattern)


def test_folders_are_looked_through_as_pyarrow_does(tmp_path: Path) -> None:
    hidden, linked = tmp_path / "all" / ".checkpoints", tmp_path / "all" / "k=1"
    hidden.mkdir(parents=True)
    pq.write_table(pa.table({"a": [1.0], "y": [0]}), hidden / "a.parquet")
    stream = sb.data.stream
    for form in (None, "parquet"):
        refused(lambda form=form: stream(hidden.parent, format=form), FileNotFoundError, "no file")
    (tmp_path / "elsewhere").mkdir()
    pq.write_table(pa.table({"a": [2.0], "y": [1]}), tmp_path / "elsewhere" / "b.parquet")
    linked.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (hidden / "a.parquet").rename(hidden / "a.csv")
    ((X, _),) = stream(hidden.parent, target="y", features=["a"])
    np.testing.assert_array_equal(X, [[2.0]])


@pytest.mark.parametrize("line", ["1.5,,0", "1.5,1,0"])
def test_a_header_that_is_not_utf8(line: str, tmp_path: Path) -> None:
    place = tmp_path / "a.csv"
    place.write_text(f"größe,b,y\n{line}\n", "latin-1")
    refused(lambda: sb.data.stream(place, target="y"), ValueError, r"a\.csv.* first line is not")
    (tmp_path / "0.csv").write_text("a,b,y\n1,1,0\n")
    stream = sb.data.stream(tmp_path, target="y")
    refused(lambda: list(stream), ValueError, r"a\.csv cannot be read: its first line is not UTF-8")


def test_text_with_decimal_commas_says_how_to_read_it(tmp_path: Path) -> None:
    from pyarrow import csv

    place = tmp_path / "a.tsv"
    place.write_text("a\ty\n1,5\t0\n2,5\t1\n")
    words = refused(lambda: sb.data.stream(place, target="y"), TypeError, "column 'a'.*string")
    assert "ConvertOptions(decimal_point=',')" in words
    options = csv.ParseOptions(delimiter="\t"), csv.ConvertOptions(decimal_point=",")
    form = dataset.CsvFileFormat(parse_options=options[0], convert_options=options[1])
    ((X, _),) = sb.data.stream(place, target="y", format=form)
    np.testing.assert_array_equal(X, [[1.5], [2.5]])


def test_without_pyarrow_the_error_says_what_to_install() -> None:
    said = run_python_ok(
        """
        import sys
        sys.modules["pyarrow"] = None
        import numpy as np
        import swiftbackprop as sb
        assert len(sb.data.stream(np.ones((4, 2)), target=np.ones(4))) == 1
        try:
            sb.data.stream("a.parquet")
        except ImportError as error:
            print(error)
        """
    )
    assert "pip install pyarrow" in said
