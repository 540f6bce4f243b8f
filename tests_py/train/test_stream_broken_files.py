"""Files of a stream that differ from each other or are broken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from test_stream_files import OPTIONS, csv, dataset, pa, pq, trained
from test_streams import ROWS, data, network, table, write


def test_columns_that_change_are_named_before_training(tmp_path: Path) -> None:
    X, y = data()
    write(tmp_path)
    wrong: list[tuple[Any, str]] = [
        (table(X[:, :3], y=y), r"part-3\.parquet has no column 'x3'.*changed after .*part-0"),
        (table(X, y=y.astype(str)), r"column 'y' of .*part-3\.parquet holds string, and int64"),
        (table(X, z=y, y=y), r"part-3\.parquet has the column 'z'.*features="),
    ]
    for other, pattern in wrong:
        pq.write_table(other, tmp_path / "part-3.parquet")
        net = network()
        stream = sb.data.stream(str(tmp_path / "part-*.parquet"), target="y")
        refused(lambda net=net, s=stream: net.fit(s, progress=False), ValueError, pattern)  # type: ignore[misc]
        assert net.step_count == 0
    # Columns in another order are the same, and so are others where X is named.
    names = ["x2", "y", "x0", "x3", "x1", "z"]
    pq.write_table(table(X, z=y, y=y).select(names), tmp_path / "part-3.parquet")
    features = ["x0", "x1", "x2", "x3"]
    stream = sb.data.stream(str(tmp_path / "part-*.parquet"), target="y", features=features)
    assert np.array_equal(trained(stream), trained(np.vstack([X, X]), np.r_[y, y]))


def test_columns_of_text_files_that_change(tmp_path: Path) -> None:
    X, y = data(64)
    for k in range(2):
        csv.write_csv(table(X, y=y), tmp_path / f"{k}.csv")
    bad = tmp_path / "2.csv"
    lines = (tmp_path / "0.csv").read_text().splitlines()
    wrong = {
        r"2\.csv has no column 'x3'": [line.rsplit(",", 2)[0] + ",1" for line in lines],
        r"column 'x1' of \S+2\.csv holds string, and double in": [
            *lines[:40],
            "1,word,1,1,1",
            *lines[40:],
        ],
        r"2\.csv.* cannot be read: .*columns": [*lines[:40], "1,2,3", *lines[40:]],
        r"2\.csv: column 'x2' has nan in row 39": [*lines[:40], "1,2,,3,1", *lines[40:]],
    }
    for pattern, text in wrong.items():
        head = ["x0,x1,x2,y" if "no column" in pattern else text[0]]
        bad.write_text("\n".join([*head, *text[1:]]) + "\n")
        net = network()
        stream = sb.data.stream(sorted(tmp_path.glob("*.csv")), target="y", window=32)
        options = OPTIONS | {"epochs": 1}
        refused(lambda net=net, s=stream, o=options: net.fit(s, **o), ValueError, pattern)  # type: ignore[misc]
        assert 8 <= net.step_count <= 10  # both files before were trained on
        assert net.history.stop_reason == "error"
        assert np.all(np.isfinite(net.parameters))


def test_text_that_changes_far_behind_its_first_rows(tmp_path: Path) -> None:
    """Types are guessed from the first rows: whole numbers may be followed by fractions."""
    kind = dataset.CsvFileFormat(read_options=csv.ReadOptions(block_size=100))
    path = tmp_path / "a.csv"
    lines = [f"{k},{k % 2}" for k in range(100)]
    path.write_text("\n".join(["a,y", *lines, "0.5,1"]) + "\n")
    stream = sb.data.stream(path, target="y", format=kind)
    net = sb.Network([1, 2], loss="cross_entropy")
    net.fit(stream, epochs=1, progress=False)
    assert net.step_count == 4
    scaled = sb.Network([1, 2], loss="cross_entropy", input_scale=0.1)
    pattern = r"a\.csv, column '%s' cannot be read: .*'%s'"
    refused(
        lambda: scaled.fit(stream, epochs=1, progress=False), ValueError, pattern % ("a", "0.5")
    )
    path.write_text("\n".join(["a,y", *lines, "1,0.5"]) + "\n")
    number = sb.Network([1, 1])
    number.fit(sb.data.stream(path, target="y", format=kind), epochs=1, progress=False)
    assert number.step_count == 4
    again = sb.data.stream(path, target="y", format=kind)
    refused(lambda: net.fit(again, epochs=1, progress=False), ValueError, pattern % ("y", "0.5"))
    path.write_text("\n".join(["a,y", *lines, "word,1"]) + "\n")
    again = sb.data.stream(path, target="y", format=kind)
    refused(lambda: net.fit(again, epochs=1, progress=False), ValueError, pattern % ("a", "word"))


@pytest.mark.parametrize("kind", ["pages", "footer", "gone"])
def test_a_broken_file_costs_nothing_that_was_trained(kind: str, tmp_path: Path) -> None:
    X, y = data()
    place = write(tmp_path)
    pq.write_table(table(X, y=y), tmp_path / "part-3.parquet", compression="none",
                   use_dictionary=False, row_group_size=ROWS)  # fmt: skip
    stream = sb.data.stream(place, target="y", window=32)
    path = tmp_path / "part-3.parquet"
    raw = bytearray(path.read_bytes())
    net = network()
    if kind == "footer":
        path.write_bytes(raw[:-30])
        refused(lambda: net.fit(stream, **OPTIONS), (ValueError, OSError), r"part-3\.parquet")
        assert net.step_count == 0
        return
    assert stream.rows == 2 * ROWS
    if kind == "gone":
        path.unlink()
        pattern = r"part-3\.parquet"
    else:
        place_of = pq.ParquetFile(path).metadata.row_group(0).column(2).data_page_offset
        raw[place_of : place_of + 20] = b"\xff" * 20
        path.write_bytes(raw)
        pattern = r"part-3\.parquet, column 'x2' cannot be read"
    twin = network()
    refused(lambda: net.fit(stream, **OPTIONS), (ValueError, OSError), pattern)
    twin.fit(X[:224], y[:224], **(OPTIONS | {"epochs": 1}))
    assert np.array_equal(net.parameters, twin.parameters)
    assert net.history.stop_reason == "error"
    net.fit(X, y, **OPTIONS)


def test_missing_numbers_are_named(tmp_path: Path) -> None:
    X, y = data(64)
    for k, (column, value) in enumerate((("x2", np.nan), ("y", None), ("x1", np.inf))):
        columns: dict[str, Any] = {f"x{j}": X[:, j].tolist() for j in range(4)} | {"y": y.tolist()}
        columns[column][37] = value
        path = tmp_path / f"{k}.parquet"
        pq.write_table(pa.table(columns), path, row_group_size=10)
        stream = sb.data.stream(path, target="y", batch_rows=7)
        refused(
            lambda s=stream: trained(s), ValueError,  # type: ignore[misc]
            rf"{k}\.parquet: column '{column}' has (nan|inf) in row 37",
        )  # fmt: skip


def test_text_in_another_encoding_or_with_other_marks_between_columns(tmp_path: Path) -> None:
    formats = {
        "names.csv": (
            b"a,b\xfc,y\n" + b"1,2,0\n3,4,1\n" * 8,
            r"names\.csv cannot be read: its first",
        ),
        "labels.csv": (
            b"a,b,y\n" + b"1,2,r\xfc\n3,4,s\n" * 8,
            r"column 'y' of \S*labels\.csv holds bin",
        ),
        "marks.csv": (
            b"a;b;y\n" + b"1;2;0\n3;4;1\n" * 8,
            r"no column 'y'; it has 'a;b;y': if ';' st",
        ),
    }
    for name, (text, words) in formats.items():
        path = tmp_path / name
        path.write_bytes(text)
        said = refused(
            lambda path=path: sb.data.stream(path, target="y"),  # type: ignore[misc]
            (ValueError, TypeError), words,
        )  # fmt: skip
        # What it says to give is what helps.
        written = said[said.index("format=") :]
        names = {"sb": sb, "pyarrow": pa, "path": path}
        rows = eval(f"sb.data.stream(path, target='y', {written})", names)
        net = sb.Network([2, 2], loss="cross_entropy", seed=0)
        assert net.fit(rows, epochs=1, progress=False).stop_reason == "completed"


def test_one_target_in_a_list_is_one_target(tmp_path: Path) -> None:
    X, y = data(64)
    pq.write_table(table(X, y=y), tmp_path / "a.parquet")
    one, listed = (
        trained(sb.data.stream(tmp_path / "a.parquet", target=target)) for target in ("y", ["y"])
    )
    assert np.array_equal(one, listed)
    np.save(tmp_path / "X.npy", X)
    refused(lambda: sb.data.stream(tmp_path / "X.npy", target="y"), TypeError, "'y' names a column")
