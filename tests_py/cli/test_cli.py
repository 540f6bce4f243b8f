"""The command line: what it prints, writes and returns."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas
import pytest
from sklearn.model_selection import train_test_split

import swiftbackprop as sb
from swiftbackprop._cli.columns import as_numbers
from swiftbackprop._cli.main import main
from swiftbackprop._cli.preprocessing import Preparation
from swiftbackprop._cli.table import Reading, Table, read_table
from swiftbackprop._export import files
from swiftbackprop._import.load import read_notes


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "swiftbackprop", *map(str, arguments)]


def run(folder: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command, in this process: each of its own would import pandas again."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            returned = main([str(argument) for argument in arguments])
        except SystemExit as error:  # argparse
            returned = int(error.code or 0)
    assert returned == code, out.getvalue() + err.getvalue()
    return subprocess.CompletedProcess(arguments, returned, out.getvalue(), err.getvalue())


def start(folder: Path, *arguments: object, **environment: str) -> Any:
    """Run a command in a process of its own, which ends without a traceback."""
    done = subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, timeout=120, check=False,
        env=os.environ | environment,
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr
    return done


def complaint(folder: Path, *arguments: object, code: int = 1) -> str:
    """What a command says on stderr when it fails: one sentence, and no output."""
    done = run(folder, *arguments, code=code)
    assert done.stdout == ""
    if code == 1:
        assert done.stderr.startswith("swiftbackprop: ")
        assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def table_of(path: Path, **said: Any) -> Table:
    return read_table(str(path), Reading(**said))


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The lines of a report by their first word; those that go on are joined."""
    lines: dict[str, str] = {}
    for line in done.stdout.splitlines():
        title, rest = line[:10].strip(), line[10:]
        if title:
            last = title
        lines[last] = f"{lines[last]}\n{rest}" if last in lines else rest
    return lines


def write_csv(path: Path, names: str, columns: list[Any]) -> None:
    lines = [names, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A table of three kinds that two numbers and a text tell apart; some cells are empty."""
    rng = np.random.default_rng(0)
    kinds = ["rose", "lily", "pansy"]
    with open(tmp_path / "flowers.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "colour", "kind"])
        for n in range(240):
            k = n % 3
            height, width = rng.normal([1000.0 * k, 5.0], [100.0, 0.01])
            colour = "" if n % 20 == 7 else ["red", "white", "blue"][k]
            writer.writerow([f"{height:.1f}" if n % 20 else "NA", f"{width:.4f}", colour, kinds[k]])
    return tmp_path


# --- Train and predict ------------------------------------------------------------------------


def test_train_on_text_and_predict(flowers: Path) -> None:
    done = run(flowers, "train", "flowers.csv", "--target", "kind", "--epochs", 60)
    lines = report_of(done)
    assert list(lines) == ["data", "numbers", "texts", "network", "training", "result", "saved"]
    assert lines["data"] == "flowers.csv: 240 rows; 'kind' is 3 classes"
    assert lines["numbers"] == "height, width"
    assert lines["texts"] == "colour (3)"
    assert lines["network"].startswith("5-64-64-3, ")
    assert lines["training"].startswith("144 rows, ")
    assert lines["training"].endswith("by the loss on 48 validation rows")
    assert "on 48 test rows (always the most frequent class: 0." in lines["result"]
    assert float(lines["result"].split()[1]) > 0.95
    assert lines["saved"] == "flowers.safetensors"

    said = run(flowers, "predict", "flowers.safetensors", "flowers.csv").stdout
    header, *predicted = rows_of(said)
    truth = rows_of((flowers / "flowers.csv").read_text("utf-8"))[1:]
    assert header == ["kind"]
    hits = [row[0] == wanted[-1] for row, wanted in zip(predicted, truth, strict=True)]
    assert np.mean(hits) > 0.95


def test_probabilities_are_those_of_the_network(flowers: Path) -> None:
    """The file is a network that load reads, on columns prepared as the file says."""
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--model", "m.st")
    said = run(flowers, "predict", "m.st", "flowers.csv", "--probabilities").stdout
    header, *rows = rows_of(said)
    assert header == ["kind", "p(lily)", "p(pansy)", "p(rose)"]
    net = sb.load(flowers / "m.st")
    preparation = Preparation.from_json(read_notes(flowers / "m.st")["table"])
    X = preparation.matrix(preparation.frame(table_of(flowers / "flowers.csv")), np.float32)
    shares = np.array([row[1:] for row in rows], float)
    np.testing.assert_allclose(shares, net.predict(X), rtol=1e-5)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)


def test_a_missing_target_and_other_orders_of_columns_do_not_matter(flowers: Path) -> None:
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 5)
    whole = run(flowers, "predict", "flowers.safetensors", "flowers.csv").stdout
    table = rows_of((flowers / "flowers.csv").read_text("utf-8"))
    text = "\n".join(";".join([row[2], row[0], "new", row[1]]) for row in table)
    header = text.split("\n")[0].replace("new", "more")
    (flowers / "other.csv").write_text(header + text[len(header) - 1 :], "utf-8")
    other = run(flowers, "predict", "flowers.safetensors", "other.csv", "--output", "out.csv")
    assert other.stdout == ""
    assert (flowers / "out.csv").read_text("utf-8") == whole


def test_a_number_is_predicted_in_its_own_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) * [1e-3, 1e4] + [5, 1e6]
    y = 1e5 + 3e6 * (X[:, 0] - 5) + (X[:, 1] - 1e6)
    np.save(tmp_path / "data.npy", np.column_stack([X, y]))
    done = run(tmp_path, "train", "data.npy", "--epochs", 100, "--dtype", "float64")
    assert "'2' is a number" in done.stdout
    assert float(done.stdout.split("r2 ")[1].split(",")[0]) > 0.95
    header, *rows = rows_of(run(tmp_path, "predict", "data.safetensors", "data.npy").stdout)
    assert header == ["2"]
    error = np.abs(np.array(rows, float)[:, 0] - y).mean()
    assert error < 0.2 * np.abs(y - y.mean()).mean()


def test_arrays_and_parquet(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int64)
    np.savez(tmp_path / "data.npz", X=X, y=y)
    done = run(tmp_path, "train", "data.npz", "--hidden", "8")
    assert "'y' is 2 classes" in done.stdout
    assert "3-8-2" in done.stdout
    header, *rows = rows_of(run(tmp_path, "predict", "data.safetensors", "data.npz").stdout)
    assert header == ["y"]
    assert np.mean(np.array(rows, int)[:, 0] == y) > 0.9
    frame = pandas.DataFrame({"one": X[:, 0], "two": np.where(y, "a", "b"), "out": X[:, 1] * 2})
    frame.loc[3, "one"] = np.nan
    frame["whole"] = pandas.array([5, None, 8, 5] * 50, dtype="Int64")
    frame.to_parquet(tmp_path / "frame.parquet")
    done = run(tmp_path, "train", "frame.parquet", "--target", "out", "--epochs", 2)
    assert "4-64-64-1" in done.stdout


def test_text_in_the_forms_of_spreadsheets(tmp_path: Path) -> None:
    """Byte-order mark, semicolons, decimal commas, quotes, CR LF: the same numbers."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40)).round(4)
    rows = [(f"{x}", f"{y}", "né" if x > y else 'say "ja", or') for x, y in zip(a, b, strict=True)]
    with open(tmp_path / "plain.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("a; x", "b", "kind"), *rows])
    with open(tmp_path / "sheet.csv", "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        german = [(x.replace(".", ","), y.replace(".", ","), kind) for x, y, kind in rows]
        writer.writerows([("a; x", "b", "kind"), *german])
    one, other = (table_of(tmp_path / name) for name in ("plain.csv", "sheet.csv"))
    assert list(one.frame) == list(other.frame) == ["a; x", "b", "kind"]
    for name, values in (("a; x", a), ("b", b)):
        np.testing.assert_array_equal(as_numbers(one, name), values)
        np.testing.assert_array_equal(as_numbers(other, name), values)
    assert one.frame["kind"].tolist() == other.frame["kind"].tolist()


def test_tables_without_names(tmp_path: Path) -> None:
    """The columns are numbered, and the last is predicted, as in .npy."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 2))
    np.save(tmp_path / "data.npy", np.column_stack([X, X[:, 0] > 0]))
    lines = [f"{x},{y},{int(x > 0)}" for x, y in X]
    (tmp_path / "data.csv").write_text("\n".join(lines), "utf-8")
    for name in ("data.csv", "data.npy"):
        run(tmp_path, "train", name, "--no-header", "--quiet", "--model", name + ".st",
            "--epochs", "5")  # fmt: skip
    assert (tmp_path / "data.csv.st").read_bytes() == (tmp_path / "data.npy.st").read_bytes()
    said = run(tmp_path, "predict", "data.csv.st", "data.csv", "--no-header").stdout
    assert said == run(tmp_path, "predict", "data.csv.st", "data.npy").stdout
    assert len(rows_of(said)) == 61


def test_a_constant_column_and_a_column_of_dates(tmp_path: Path) -> None:
    """The one is left out; the other is days since 1970, in text as in parquet."""
    frame = pandas.DataFrame({
        "when": pandas.date_range("2024-01-01", periods=4).repeat(10),
        "same": 7, "yes": [True, False] * 20, "y": np.linspace(0, 1, 40),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "data.parquet")
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame["when"] = frame["when"].dt.strftime("%d.%m.%Y")
    frame.to_excel(tmp_path / "data.xlsx", index=False)
    models = []
    for ending in ("parquet", "csv", "xlsx"):
        name = f"data.{ending}"
        done = run(tmp_path, "train", name, "--target", "y", "--epochs", 2, "--model", f"{name}.st")
        lines = report_of(done)
        assert lines["network"].startswith("3-64-64-1")
        assert lines["dates"] == "when"
        assert lines["texts"] == "yes (2)"
        assert lines["left out"] == "same: is 7 in every row"
        models.append(sb.load(tmp_path / f"{name}.st").parameters)
        assert len(rows_of(run(tmp_path, "predict", f"{name}.st", name).stdout)) == 41
    np.testing.assert_array_equal(models[0], models[1])
    np.testing.assert_array_equal(models[0], models[2])


def test_the_same_seed_is_the_same_model(flowers: Path) -> None:
    for name in ("one", "two"):
        run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 3,
            "--model", name, "--seed", 5)  # fmt: skip
    assert (flowers / "one").read_bytes() == (flowers / "two").read_bytes()


def test_options_reach_the_network(flowers: Path) -> None:
    run(flowers, "train", "flowers.csv", "--target", "kind", "--drop", "colour", "--hidden", "7,6",
        "--activation", "tanh", "--optimizer", "momentum", "--lr", "0.5", "--l2", "0.25",
        "--epochs", "2", "--seed", "9", "--dtype", "float64", "--quiet")  # fmt: skip
    net = sb.load(flowers / "flowers.safetensors")
    assert (net.dropout, net.norm) == ((0.0, 0.0, 0.0), (None, None, None))
    assert (net.sizes, net.dtype, net.seed, net.l2) == ((2, 7, 6, 3), "float64", 9, 0.25)
    assert [layer.activation.name for layer in net.layers] == ["tanh", "tanh", "softmax"]
    assert net.optimizer.recipe == sb.optimizer("momentum", lr=0.5)
    for norm in (sb.BatchNorm(), sb.LayerNorm()):
        run(flowers, "train", "flowers.csv", "--target", "kind", "--hidden", "7", "--quiet",
            "--norm", norm.name, "--dropout", "0.25", "--epochs", 2)  # fmt: skip
        net = sb.load(flowers / "flowers.safetensors")
        assert (net.dropout, net.norm) == ((0.25, 0.0), (norm, None))
        assert run(flowers, "predict", "flowers.safetensors", "flowers.csv").stdout[:5] == "kind\n"
    run(flowers, "train", "flowers.csv", "--target", "kind", "--hidden", "0", "--quiet")
    assert sb.load(flowers / "flowers.safetensors").sizes == (5, 3)


def test_batch_norm_has_no_minibatch_of_one_row(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "data.npy", rng.normal(size=(109, 3)))  # 65 to train on
    train = ("train", "data.npy", "--norm", "batch", "--epochs", 1)
    run(tmp_path, *train)
    run(tmp_path, *train, "--batch-size", 33)
    assert "--batch-size 33 leaves none" in complaint(tmp_path, *train, "--batch-size", 32)
    assert "--batch-size 3 leaves none" in complaint(tmp_path, *train, "--batch-size", 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_text_that_occurs_once(seed: int, tmp_path: Path) -> None:
    """It is an input if it is among the rows to train on, and else unknown, which is said."""
    rng = np.random.default_rng(0)
    note = ["late" if n == 7 else "" for n in range(40)]
    write_csv(tmp_path / "data.csv", "a,note,y", [rng.normal(size=40), note, rng.normal(size=40)])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1, "--seed", seed,
               "--validation", 0.4)  # fmt: skip
    lines, predicted = report_of(done), run(tmp_path, "predict", "data.safetensors", "data.csv")
    if lines["network"].startswith("2-64-64-1"):
        assert lines["texts"] == "note (1)"
    else:
        assert lines["network"].startswith("1-64-64-1")
        assert lines["left out"] == "note: has no cells in the rows to train on"
    assert predicted.stderr == ""


def test_texts_that_look_like_numbers(tmp_path: Path) -> None:
    """A category is found by its text, also where all of a column can be read as numbers."""
    zips = ["01234", "A12", "1.50"]
    lines = [f"{zips[n % 3]},{n % 3}" for n in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["zip,y", *lines]), "utf-8")
    run(tmp_path, "train", "data.csv", "--target", "y", "--quiet", "--model", "m", "--epochs", 60)
    (tmp_path / "new.csv").write_text("zip\n01234\n1.50\n 01234\n", "utf-8")
    assert rows_of(run(tmp_path, "predict", "m", "new.csv").stdout)[1:] == [["0"], ["2"], ["0"]]


def test_classes_keep_their_zeros(tmp_path: Path) -> None:
    lines = [f"{n % 2},0{1 + n % 2}" for n in range(60)]
    (tmp_path / "data.csv").write_text("\n".join(["a,y", *lines]), "utf-8")
    run(tmp_path, "train", "data.csv", "--target", "y", "--quiet", "--model", "m", "--epochs", 60)
    assert rows_of(run(tmp_path, "predict", "m", "data.csv").stdout)[1:3] == [["01"], ["02"]]


def test_an_underscore_is_in_no_number(tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", "a,b", [["2020_1", "2020_2"] * 10, range(20)])
    done = run(tmp_path, "train", "data.csv", "--target", "b", "--epochs", 1)
    assert report_of(done)["texts"] == "a (2)"
    assert "must be a finite number >= 0, got '1_0'" in complaint(
        tmp_path, "train", "data.csv", "--lr", "1_0", code=2
    )


def test_training_ends_when_nothing_becomes_better(tmp_path: Path) -> None:
    """There is nothing to learn in these labels; the best epoch is saved."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", X=rng.normal(size=(100, 20)), y=rng.integers(0, 2, 100))
    done = run(tmp_path, "train", "noise.npz", "--patience", 4, "--epochs", 300)
    words = report_of(done)["training"].replace(",", "").split()
    epochs, best = int(words[2]), int(words[words.index("epoch") + 1])
    assert epochs == best + 1 + 4 < 300
    run(tmp_path, "train", "noise.npz", "--epochs", best, "--model", "best", "--quiet")
    saved, again = sb.load(tmp_path / "noise.safetensors"), sb.load(tmp_path / "best")
    np.testing.assert_array_equal(saved.parameters, again.parameters)
    # What is reported is of the saved weights, on rows that chose nothing.
    preparation = Preparation.from_json(read_notes(tmp_path / "noise.safetensors")["table"])
    table = table_of(tmp_path / "noise.npz")
    X, y = preparation.matrix(preparation.frame(table), np.float32), table.frame["y"]
    _, test = train_test_split(np.arange(100), test_size=20, random_state=0, stratify=y)
    accuracy = saved.evaluate(X[test], y.to_numpy()[test])["accuracy"]
    assert f"accuracy {accuracy:.3f} on 20 test rows" in done.stdout


def test_any_network_can_predict(tmp_path: Path) -> None:
    net = sb.Network([3, 2], seed=0)
    net.save(tmp_path / "net")
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    header, *rows = rows_of(run(tmp_path, "predict", "net", "X.npy").stdout)
    assert header == ["a0", "a1"]
    np.testing.assert_allclose(np.array(rows, np.float32), net.predict(X), rtol=1e-5)
    assert "takes 3" in (np.save(tmp_path / "Y.npy", X[:, :2]), complaint(
        tmp_path, "predict", "net", "Y.npy"))[1]  # fmt: skip
    assert "names no classes" in complaint(tmp_path, "predict", "net", "X.npy", "--probabilities")


@pytest.mark.parametrize("outputs", [1, 2])
def test_prediction_of_a_network_that_knows_labels(outputs: int, tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(20, 3))
    loss = "cross_entropy" if outputs == 2 else "binary_cross_entropy"
    net = sb.Network([3, outputs], loss=loss, seed=0)
    net.fit(X, np.where(X[:, 0] > 0, "yes", "no"), epochs=5, progress=False)
    net.save(tmp_path / "net")
    np.save(tmp_path / "X.npy", X)
    done = run(tmp_path, "predict", "net", "X.npy", "--probabilities")
    header, *rows = rows_of(done.stdout)
    assert header == ["class", "p(no)", "p(yes)"]
    assert [row[0] for row in rows] == net.predict_classes(X).tolist()
    found = np.array([row[1:] for row in rows], float)
    np.testing.assert_allclose(found, net.predict_proba(X), rtol=1e-6)


def test_predict_scales_integers_and_leaves_the_targets_out(tmp_path: Path) -> None:
    net = sb.Network([3, 2], input_scale=1 / 255, seed=0)
    net.save(tmp_path / "net")
    X = np.random.default_rng(0).integers(0, 256, (5, 3), dtype=np.uint8)
    np.save(tmp_path / "X.npy", X)
    np.savez(tmp_path / "Xy.npz", X=X, y=np.arange(5))
    for name in ("X.npy", "Xy.npz"):
        _, *rows = rows_of(run(tmp_path, "predict", "net", name).stdout)
        np.testing.assert_allclose(np.array(rows, np.float32), net.predict(X), rtol=1e-5)


# --- Tables of people's making ------------------------------------------------------------------


def hundred(seed: int = 0) -> tuple[Any, Any]:
    """Ninety numbers, and ninety that follow from them."""
    x = np.random.default_rng(seed).normal(50, 20, size=90).round(3)
    return x, (3 * x + 1).round(3)


@pytest.mark.parametrize(
    "mark", ["#N/A", "-", ".", "n.a.", "N.A.", "", "NULL", "?", "..", "#DIV/0!", "–", "nan", "-999"]
)
def test_marks_of_missing_cells(mark: str, tmp_path: Path) -> None:
    x, y = hundred()
    cells = [mark if n == 7 else str(value) for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,y", [cells, y])
    told = ["--missing=-1,-999"] if mark == "-999" else []
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 200, *told)
    assert report_of(done)["numbers"] == "x"
    assert float(report_of(done)["result"].split()[1].strip(",")) > 0.9  # r2
    table = table_of(tmp_path / "data.csv", missing=frozenset({"-999"}))
    np.testing.assert_array_equal(as_numbers(table, "x"), np.where(np.arange(90) == 7, np.nan, x))
    # In the target the row is left out.
    write_csv(tmp_path / "data.csv", "y,x", [y, cells])
    done = run(tmp_path, "train", "data.csv", "--target", "x", "--epochs", 1, *told)
    assert "90 rows; 'x' is a number\n1 row without 'x' left out" in report_of(done)["data"]


@pytest.mark.parametrize(
    ("cell", "advice"),
    [
        ("12 kg", "the unit in the column's name"), ("1,037", "--thousands , or --decimal ,"),
        ("$3", "write the number alone"), ("37%", "write the number alone"),
        ("\u22125", "- as its sign"), ("1,5", "--decimal ,"), ("unknown", "--missing=unknown"),
        ("<0.1", "write the number alone"), ("3 €", "write the number alone"),
    ],
)  # fmt: skip
def test_a_cell_that_is_no_number_among_numbers(cell: str, advice: str, tmp_path: Path) -> None:
    """Refused, with its line: it would make ninety texts of ninety numbers."""
    x, y = hundred()
    cells = [f'"{cell}"' if n == 7 else str(value) for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,y", [cells, y])
    for target in ("x", "y"):
        said = complaint(tmp_path, "train", "data.csv", "--target", target)
        assert f"data.csv, line 9: column 'x' holds numbers, but here '{cell}'" in said
        assert advice in said
        assert "--text x" in said
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--drop", "x")
    assert "no column to predict 'y' from" in said
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--text", "x", "--epochs", 1)
    assert report_of(done)["texts"] == "x (54)"
    # Where all cells are written so, the column is not taken for names either.
    write_csv(tmp_path / "data.csv", "x,y", [[f'"{v:,.1f} kg"' for v in 1000 + x], y])
    said = complaint(tmp_path, "train", "data.csv", "--target", "y")
    assert "line 2: column 'x' holds numbers, but here '1,0" in said
    assert "and 89 more such cells" in said


def test_a_line_of_units(tmp_path: Path) -> None:
    x, y = hundred()
    write_csv(tmp_path / "data.csv", "x,y", [["m/s", *x], ["kg", *y]])
    said = complaint(tmp_path, "train", "data.csv", "--target", "y")
    assert "line 2: column 'y' holds numbers, but here 'kg'; if that is a line of units" in said


def test_a_cell_is_found_where_lines_are_longer_than_rows(tmp_path: Path) -> None:
    x, y = hundred()
    texts = ['"two\nlines"' if n == 1 else "one" for n in range(90)]
    cells = ["5x0" if n == 50 else value for n, value in enumerate(x)]
    write_csv(tmp_path / "data.csv", "x,text,y\n", [cells, texts, y])  # and an empty line
    for told in ([], ["--numeric", "x"]):
        said = complaint(tmp_path, "train", "data.csv", "--target", "y", *told)
        assert "line 54: column 'x' holds numbers, but here '5x0'" in said


def test_a_few_numbers_and_texts_are_categories_and_that_is_said(tmp_path: Path) -> None:
    sizes = ["1", "2", "3", "4", "XL"] * 18
    write_csv(tmp_path / "data.csv", "size,y", [sizes, hundred()[0]])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1)
    assert report_of(done)["texts"] == "size (5)"
    assert "column 'size' is taken as texts, though most" in done.stderr
    assert "line 6 has 'XL'" in done.stderr


@pytest.mark.parametrize("thousands", [",", "'"])
def test_digits_in_groups_and_decimal_commas(thousands: str, tmp_path: Path) -> None:
    x = np.array([1234567.5, -1000.25, 12.0, 0.5])
    texts = [f'"{v:,}"'.replace(",", thousands) for v in x]
    write_csv(tmp_path / "data.csv", "x,y", [texts, range(4)])
    table = table_of(tmp_path / "data.csv", thousands=thousands)
    np.testing.assert_array_equal(as_numbers(table, "x"), x)
    (tmp_path / "data.tsv").write_text("x\ty\n1.000,5\t2,5\n-3,25\t1e3\n", "utf-8")
    table = table_of(tmp_path / "data.tsv", decimal=",", thousands=".")
    np.testing.assert_array_equal(as_numbers(table, "x"), [1000.5, -3.25])
    np.testing.assert_array_equal(as_numbers(table, "y"), [2.5, 1000])
    (tmp_path / "data.csv").write_text("x;y\n1,5;2\n-3,25;.5\n", "utf-8")
    table = table_of(tmp_path / "data.csv")
    np.testing.assert_array_equal(as_numbers(table, "x"), [1.5, -3.25])
    np.testing.assert_array_equal(as_numbers(table, "y"), [2, 0.5])


def test_an_index_and_empty_columns_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    x, y = hundred()
    rows = [f"{a},{b}" for a, b in zip(x, y, strict=True)]
    names = [f'"Mazda {n}"' for n in range(90)]
    forms = {
        "pandas": ["", ",x,y", *(f"{n},{row}" for n, row in enumerate(rows))],
        "again": ["", "Unnamed: 0,x,y", *(f"{n},{row}" for n, row in enumerate(rows))],
        "R": ["", '"","x","y"', *(f"{name},{row}" for name, row in zip(names, rows, strict=True))],
        "write.table": ["", '"x" "y"', *(
            f"{name} {row.replace(',', ' ')}" for name, row in zip(names, rows, strict=True))],
        "no name": ["", "x,y", *(f"{name},{row}" for name, row in zip(names, rows, strict=True))],
    }  # fmt: skip
    models = []
    for _, *lines in forms.values():
        (tmp_path / "data.csv").write_text("\n".join(lines), "utf-8")
        done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 3)
        said = report_of(done)
        assert said["numbers"] == "x"
        assert said["left out"] == "the first column: has no name: the index, or the names of rows"
        models.append((tmp_path / "data.safetensors").read_bytes())
        out = run(tmp_path, "predict", "data.safetensors", "data.csv").stdout
        assert rows_of(out)[0] == ["y"]
    for lines in (
        ["x,y,", *(f"{row}," for row in rows)],
        ["x,y", *(f"{row}," for row in rows)],
        ["x;y;;", *(f"{row.replace(',', ';')};;" for row in rows)],
    ):
        (tmp_path / "data.csv").write_text("\n".join(lines), "utf-8")
        done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 3)
        assert report_of(done)["numbers"] == "x"
        assert "column 3" in report_of(done)["left out"]
        assert "no name and no cells" in report_of(done)["left out"]
        models.append((tmp_path / "data.safetensors").read_bytes())
    assert len(set(models)) == 1


def test_spaces_and_tabs_between_the_cells(tmp_path: Path) -> None:
    want = [["a b", 1.5, "x, y"], ["c", -2.0, "z"]] * 5
    forms = {
        "spaces": ['"one", "two", "three"', *(f'"{a}", {b},  "{c}"' for a, b, c in want)],
        "behind": ['"one" ,"two" ,"three"', *(f'"{a}" ,{b} ,"{c}"' for a, b, c in want)],
        "padded": ["one,\ttwo,\tthree", *(f'{a},\t{b},\t"{c}"' for a, b, c in want)],
        "tabs": ["one\ttwo\tthree", *(f"{a}\t{b}\t{c}" for a, b, c in want)],
        "bars": ["one | two | three", *(f"{a} | {b} | {c}" for a, b, c in want)],
        "blanks": ["one  two three", *(f'"{a}"  {b} \t "{c}" ' for a, b, c in want)],
        "semicolons": ["one;two;three", *(f"{a};{b};{c}" for a, b, c in want)],
    }
    for what, lines in forms.items():
        (tmp_path / "data.txt").write_text("\n".join(lines) + "\n", "utf-8")
        table = table_of(tmp_path / "data.txt")
        assert list(table.frame) == ["one", "two", "three"], what
        assert table.frame["one"].tolist() == [row[0] for row in want], what
        assert table.frame["three"].tolist() == [row[2] for row in want], what
        np.testing.assert_array_equal(as_numbers(table, "two"), [row[1] for row in want])
        assert bool(table.notes) == (what == "blanks")
    (tmp_path / "data.txt").write_text("\n".join(forms["tabs"]).replace("\t", "^"), "utf-8")
    table = table_of(tmp_path / "data.txt", delimiter="^")
    assert table.frame.shape == (10, 3)


def test_encodings(tmp_path: Path) -> None:
    text = "größe,farbe\n" + "1,grün\n2,rot\n" * 10
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "cp1252", "mac-roman"):
        (tmp_path / "data.csv").write_bytes(text.encode(encoding))
        told = encoding if encoding == "mac-roman" else None
        table = table_of(tmp_path / "data.csv", encoding=told)
        assert list(table.frame) == ["größe", "farbe"]
        assert table.frame["farbe"].tolist()[:2] == ["grün", "rot"]
        assert ("Windows-1252" in "".join(table.notes)) == (encoding == "cp1252")
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--encoding", "utf-8")
    assert "data.csv cannot be read as utf-8" in said
    said = complaint(tmp_path, "train", "data.csv", "--target", "y", "--encoding", "klingon")
    assert "no encoding of that name" in said


def test_comments_above_the_table(tmp_path: Path) -> None:
    x, y = hundred()
    np.savetxt(tmp_path / "data.txt", np.column_stack([x, y]), header="made by hand\nx y")
    table = table_of(tmp_path / "data.txt")
    assert list(table.frame) == ["x", "y"]
    np.testing.assert_array_equal(as_numbers(table, "y"), y)
    assert "begins with comments, up to line 1" in table.notes[0]
    assert table.place(0) == "line 3"
    write_csv(tmp_path / "data.csv", "# source: a, b and c; d\n# \nx,y", [x, y])
    table = table_of(tmp_path / "data.csv")
    assert list(table.frame) == ["x", "y"]
    assert (table.rows, table.place(0)) == (90, "line 4")
    write_csv(tmp_path / "data.csv", "#x,y", [x, y])
    table = table_of(tmp_path / "data.csv")
    assert list(table.frame) == ["x", "y"]
    assert (table.notes, table.place(0)) == ([], "line 2")


def test_columns_that_identify_rows_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = hundred()
    columns = [
        range(1, 91), rng.permutation(10**6)[:90], [f"ab-{n:05d}" for n in rng.permutation(90)],
        rng.permutation(90), range(1900, 1990), x, y,
    ]  # fmt: skip
    write_csv(tmp_path / "data.csv", "n,customerID,code,paid,year,x,y", columns)
    train = ("train", "data.csv", "--target", "y", "--epochs", 1)
    said = report_of(run(tmp_path, *train))
    assert said["numbers"] == "paid, year, x"
    numbers, texts = said["left out"].split("\n")[0], run(tmp_path, *train).stdout
    assert numbers == "n, customerID: identifies rows: each has a number of its own"
    assert "left out  code: identifies rows: each has a text of its own" in texts
    for drop in (["--drop", "paid,year"], ["--drop", "paid", "--drop", "year"]):
        done = run(tmp_path, *train, *drop)
        assert report_of(done)["numbers"] == "x"
        assert "left out  paid, year: --drop" in done.stdout
    assert "no column 'why'" in complaint(tmp_path, *train, "--drop", "x,why")
    assert report_of(run(tmp_path, *train, "--numeric", "n"))["numbers"] == "n, paid, year, x"
    assert report_of(run(tmp_path, *train, "--text", "code"))["texts"] == "code (54)"
    # A name with a comma is one name.
    write_csv(tmp_path / "data.csv", '"x,y",z', [x, y])
    refusal = complaint(tmp_path, "train", "data.csv", "--target", "z", "--drop", "x,y")
    assert "no column to predict 'z' from" in refusal
    # A count is better than nothing where there is nothing else.
    write_csv(tmp_path / "data.csv", "n,y", [range(90), y])
    assert report_of(run(tmp_path, *train))["numbers"] == "n"


def test_texts_beyond_a_hundred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    towns = [f"town {k}" for k in np.minimum(rng.geometric(0.01, 1000), 300)]
    write_csv(tmp_path / "data.csv", "town,y", [towns, rng.normal(size=1000)])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1)
    assert report_of(done)["texts"] == "town (100)"
    assert "the 100 most frequent are inputs" in done.stderr


def test_dates(tmp_path: Path) -> None:
    days = np.arange(60) * 11
    when = pandas.Timestamp("2019-12-30") + pandas.to_timedelta(days, unit="D")
    forms = {
        "%Y-%m-%d": True, "%d.%m.%Y": True, "%m/%d/%Y": True, "%b %d, %Y": True,
        "%Y-%m-%dT%H:%M:%SZ": True, "%Y%m%d": True, "%d/%m/%Y": True,
    }  # fmt: skip
    expected = 18260 + days
    for form in forms:
        cells = [f'"{day:{form}}"' for day in when]
        write_csv(tmp_path / "data.csv", "when,x,y", [cells, *np.ones((2, 60)) * days])
        said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1,
                             "--task", "regression"))  # fmt: skip
        assert said["dates"] == "when", form
        notes = read_notes(tmp_path / "data.safetensors")["table"]
        preparation = Preparation.from_json(notes)
        frame = preparation.frame(table_of(tmp_path / "data.csv"))
        np.testing.assert_array_equal(frame["when"], expected)
    write_csv(tmp_path / "new.csv", "when,x", [["30/12/2019", "next week"], [1, 2]])
    refusal = complaint(tmp_path, "predict", "data.safetensors", "new.csv")
    assert (
        "new.csv, line 3: column 'when' holds dates such as 31/12/2024, but here 'next w" in refusal
    )
    # Day first or month first: that cannot be told, and the texts are left out.
    cells = [f"{1 + n % 12:02}/{1 + n % 11:02}/2020" for n in range(60)]
    write_csv(tmp_path / "data.csv", "when,x,y", [cells, days, days])
    said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1))
    assert "when: " in said["left out"]
    assert "dates" not in said


# --- What is reported ---------------------------------------------------------------------------


def test_whole_numbers_as_the_target(tmp_path: Path) -> None:
    """Few of them are classes, and the report names the option for the other reading."""
    rng = np.random.default_rng(0)
    train = ("train", "data.csv", "--target", "y", "--epochs", 1)
    number = "'y' is a number (--task classification: 13 classes)"
    classes = "'y' is 13 classes (--task regression: a number)"
    for rows, usual in ((25, number), (65, classes)):
        write_csv(tmp_path / "data.csv", "x,y", [rng.normal(size=rows), np.arange(rows) % 13])
        for task in ("auto", "regression", "classification"):
            said = report_of(run(tmp_path, *train, "--task", task))["data"]
            expected = {"auto": usual, "regression": number, "classification": classes}[task]
            assert said == f"data.csv: {rows} rows; {expected}"


def test_texts_that_training_never_saw_are_counted(flowers: Path) -> None:
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 1)
    write_csv(flowers / "new.csv", "height,width,colour", [
        [1, 2, 3, 4], [1, 2, 3, 4], ["red", "green", "", "green"]])  # fmt: skip
    done = run(flowers, "predict", "flowers.safetensors", "new.csv")
    assert len(rows_of(done.stdout)) == 5
    assert (
        "column 'colour' has texts that the model does not know, in 2 of 4 rows: 'green'"
    ) in done.stderr
    assert run(flowers, "predict", "flowers.safetensors", "flowers.csv").stderr == ""


@pytest.fixture
def rare(tmp_path: Path) -> Path:
    """2,000 rows, of which 5 % are positive, and hard to tell from the others."""
    rng = np.random.default_rng(0)
    y = np.arange(2000) < 100
    X = rng.normal(size=(3, 2000)) + y
    order = rng.permutation(2000)
    kinds = np.where(y, "yes", "no")
    write_csv(tmp_path / "rare.csv", "a,b,c,y", [*X[:, order], kinds[order]])
    return tmp_path


def test_few_positives(rare: Path) -> None:
    train = ("train", "rare.csv", "--target", "y", "--hidden", "8", "--epochs", 30)

    def recall(*told: object) -> tuple[float, str]:
        said = report_of(run(rare, *train, *told))["result"]
        assert "always the most frequent class: 0.950" in said
        area = float(said.split("AUC ")[1].split(",")[0])
        assert area > 0.8
        name, no, yes, share = said.splitlines()[-1].split()
        assert name == "yes"
        assert int(no) + int(yes) == 20
        assert float(share) == int(yes) / 20
        return float(share), said

    plain, said = recall()
    assert re.search(r"true \\ predicted +no +yes +recall\nno +\d+ +\d+ +[01]\.\d+\n", said)
    assert recall("--class-weight", "balanced")[0] > plain + 0.2
    assert recall("--class-weight", "yes=19")[0] > plain + 0.2
    for metric in ("auc", "f1", "balanced_accuracy", "accuracy", "recall", "precision", "log_loss"):
        done = run(rare, *train, "--metric", metric)
        assert report_of(done)["training"].endswith(f"by the {metric} on 400 validation rows")
    assert "--metric r2 is for numbers" in complaint(rare, *train, "--metric", "r2")
    assert "--metric auc is for classes" in complaint(
        rare, "train", "rare.csv", "--target", "a", "--metric", "auc")  # fmt: skip
    assert "'acc' (it is called 'accuracy' here)" in complaint(
        rare, *train, "--metric", "acc", code=2)  # fmt: skip
    for wrong in ("maybe=3", "yes=many", "even", "yes=-1"):
        assert "yes" in complaint(rare, *train, "--class-weight", wrong)
    said = complaint(rare, "train", "rare.csv", "--target", "a", "--class-weight", "balanced")
    assert "--class-weight is for classes" in said


def test_the_test_part_chose_nothing(rare: Path) -> None:
    """With other cells in the rows to test with, the same model is saved."""
    lines = (rare / "rare.csv").read_text("utf-8").splitlines()
    labels = pandas.Series([line.split(",")[-1] for line in lines[1:]])
    _, test = train_test_split(np.arange(2000), test_size=400, random_state=3, stratify=labels)
    train = ("train", "rare.csv", "--target", "y", "--epochs", 5, "--seed", 3)
    run(rare, *train, "--model", "one")
    for row in test:
        *_, label = lines[row + 1].split(",")
        lines[row + 1] = f"1000,-1000,1e6,{label}"
    (rare / "rare.csv").write_text("\n".join(lines), "utf-8")
    assert "on 400 test rows" in run(rare, *train, "--model", "two").stdout
    assert (rare / "one").read_bytes() == (rare / "two").read_bytes()
    done = run(rare, *train, "--test", 0, "--validation", 0.25)
    assert "1500 rows" in report_of(done)["training"]
    assert "on 500 validation rows, which chose the epoch" in report_of(done)["result"]


def test_many_classes_have_their_confusions_listed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    k = np.arange(600) % 20
    names = [f"kind {n}" for n in k]
    write_csv(tmp_path / "data.csv", "x,y", [k // 2 + rng.normal(0, 0.1, 600), names])
    said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 30))["result"]
    assert "least recall: kind" in said
    assert re.search(r"most confused: kind \d+ as kind \d+ \d+ times", said)


def test_weights_of_classes_with_commas_in_their_names(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {"x": rng.normal(size=60), "y": np.where(np.arange(60) % 2, "a,b", "c=1")}
    )
    frame.to_csv(tmp_path / "data.csv", index=False)
    train = ("train", "data.csv", "--target", "y", "--epochs", 3, "--class-weight")
    saved = []
    for weights in ("a,b=4,c=1=2", "c=1=2,a,b=4", "a,b=5"):
        run(tmp_path, *train, weights)
        saved.append((tmp_path / "data.safetensors").read_bytes())
    assert saved[0] == saved[1] != saved[2]
    for wrong in ("a,b=4,even", "even,a,b=4", "a=4", "a,b=", ","):
        assert "the classes are a,b, c=1" in complaint(tmp_path, *train, wrong)


def test_a_class_that_validation_or_test_rows_lack(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    k = np.arange(60) % 2
    names = np.array(["no", "yes", "perhaps"])[np.where(np.arange(60) == 7, 2, k)]
    write_csv(tmp_path / "data.csv", "x,y", [k + rng.normal(0, 0.1, 60), names])
    train = ("train", "data.csv", "--target", "y", "--epochs", 2)
    said = report_of(run(tmp_path, *train))["result"]
    assert "AUC" not in said
    assert "balanced accuracy" in said
    said = complaint(tmp_path, *train, "--metric", "auc")
    assert "the 12 validation rows have none of 'perhaps'" in said


def test_recall_of_long_names(tmp_path: Path) -> None:
    """Names that are cut to the same letters are still classes of their own."""
    k = np.arange(100) % 2
    names = np.where(k, "a very long name of one", "a very long name of two")
    rng = np.random.default_rng(0)
    write_csv(tmp_path / "data.csv", "x,y", [k * 9 + rng.normal(size=100), names])
    said = report_of(run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 60))["result"]
    assert [line.split()[-1] for line in said.splitlines()[-2:]] == ["1.000", "1.000"]


def test_rows_without_a_target_are_left_out(tmp_path: Path) -> None:
    x, y = hundred()
    cells = ["NA" if n % 10 == 0 else v for n, v in enumerate(y)]
    write_csv(tmp_path / "data.csv", "x,y", [x, cells])
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1)
    assert "9 rows without 'y' left out" in report_of(done)["data"]
    assert len(rows_of(run(tmp_path, "predict", "data.safetensors", "data.csv").stdout)) == 91


# --- Export -------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_export_is_the_whole_pipeline(dtype: str, flowers: Path) -> None:
    table = table_of(flowers / "flowers.csv")
    frame = table.frame.assign(
        height=as_numbers(table, "height"), width=as_numbers(table, "width"),
        day=[f"2024-01-{1 + n % 28:02}" for n in range(240)],
    ).rename(columns={"day": "label", "height": "Height (m), ^1"})  # fmt: skip
    frame.to_csv(flowers / "data.csv", index=False)
    for target in ("kind", "width"):
        run(flowers, "train", "data.csv", "--target", target, "--epochs", 3, "--model", "m",
            "--dtype", dtype)  # fmt: skip
        run(flowers, "export", "m", "m.onnx")
        session = onnxruntime.InferenceSession(flowers / "m.onnx")
        feed: dict[str, Any] = {
            "Height (m), ^1": frame["Height (m), ^1"], "width": frame["width"],
            "label": 19723 + np.arange(240) % 28,
            "colour": frame["colour"].fillna(""), "kind": frame["kind"],
        }  # fmt: skip
        feed["colour"] = feed["colour"].replace("red", "green")  # which is new
        frame["colour"] = frame["colour"].replace("red", "green")
        given = {}
        for each in session.get_inputs():
            kind = object if "string" in each.type else np.float64
            given[each.name] = np.asarray(feed[each.name], kind).reshape(-1, 1)
        assert set(given) == set(feed) - {target}
        found = session.run(None, given)
        assert found[-1].dtype == dtype
        frame.to_csv(flowers / "new.csv", index=False)
        probabilities = ["--probabilities"] if target == "kind" else []
        _, *rows = rows_of(run(flowers, "predict", "m", "new.csv", *probabilities).stdout)
        if target == "kind":
            assert found[0].tolist() == [row[0] for row in rows]
            np.testing.assert_allclose(found[1], np.array(rows)[:, 1:].astype(float), atol=2e-6)
        else:
            np.testing.assert_allclose(found[0], np.array(rows, float), rtol=2e-6)


@pytest.mark.parametrize("columns", [["x"], ["x", "text"], ["text"], ["day"], ["x", "more"]])
@pytest.mark.parametrize("norm", [[], ["--norm", "layer"]])
def test_export_of_few_columns(columns: list[str], norm: list[str], tmp_path: Path) -> None:
    x, y = hundred()
    days = pandas.Timestamp("2024-01-01") + pandas.to_timedelta(np.arange(90), unit="D")
    every = {"x": x, "more": -(x**2), "text": ["a", "b", "c"] * 30, "day": days}
    frame = pandas.DataFrame({name: every[name] for name in columns} | {"y": y})
    frame.to_csv(tmp_path / "data.csv", index=False)
    run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 2, "--model", "m", *norm)
    run(tmp_path, "export", "m", "m.onnx")
    if "day" in columns:
        frame["day"] = 19723.0 + np.arange(90)
    given = {name: frame[[name]].to_numpy() for name in columns}
    if "text" in columns:
        given["text"] = given["text"].astype(object)
    (found,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, given)
    _, *rows = rows_of(run(tmp_path, "predict", "m", "data.csv").stdout)
    np.testing.assert_allclose(found, np.array(rows, float), rtol=1e-5)


def test_export_of_any_network(tmp_path: Path) -> None:
    sb.Network([3, 2], seed=0).save(tmp_path / "net")
    run(tmp_path, "export", "net", "net.onnx")
    assert (tmp_path / "net.onnx").exists()
    assert "there is no folder" in complaint(tmp_path, "export", "net", "no/where.onnx")


# --- Streams and packages -----------------------------------------------------------------------


def test_streams_of_few_letters(tmp_path: Path) -> None:
    """Help is ASCII; a report shows what it can; predictions are written whole or not at all."""
    for name in ("train", "predict", "export", "info", "bench"):
        assert run(tmp_path, name, "--help").stdout.isascii()
    kinds = ["grün", "rot", "жёлтый"] * 20
    write_csv(tmp_path / "data.csv", "größe,art", [np.arange(60) % 3 + 0.5, kinds])
    train = start(tmp_path, "train", "data.csv", "--target", "art", "--epochs", 1,
                  PYTHONIOENCODING="ascii")  # fmt: skip
    assert train.returncode == 0
    assert b"gr\\xfc" in train.stdout
    assert train.stdout.isascii()
    for encoding in ("ascii", "latin-1"):
        done = start(tmp_path, "predict", "data.safetensors", "data.csv", "--probabilities",
                     PYTHONIOENCODING=encoding)  # fmt: skip
        assert (done.returncode, done.stdout) == (1, b"")
        assert b"give --output" in done.stderr
    run(tmp_path, "predict", "data.safetensors", "data.csv", "--probabilities", "--output", "out")
    assert "p(жёлтый)" in (tmp_path / "out").read_text("utf-8")


@pytest.mark.parametrize("package", ["pandas", "sklearn", "safetensors"])
def test_a_package_that_is_missing(
    package: str, flowers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.split(".")[0] == package:
            monkeypatch.setitem(sys.modules, name, None)
    said = complaint(flowers, "train", "flowers.csv", "--target", "kind")
    assert f"{package} is not installed: pip install pandas scikit-learn safetensors" in said
    assert "swiftbackprop" in run(flowers, "info").stdout


# --- Info, help, bench --------------------------------------------------------------------------


def test_info_and_help(tmp_path: Path) -> None:
    said = run(tmp_path, "info").stdout
    assert said.startswith(f"swiftbackprop {sb.__version__}")
    assert "BLAS" in said
    assert run(tmp_path, "--version").stdout == f"swiftbackprop {sb.__version__}\n"
    assert "exit status" in run(tmp_path, "--help").stdout
    for name in ("train", "predict", "bench", "info"):
        assert name in run(tmp_path, "--help").stdout
        assert f"swiftbackprop {name}" in run(tmp_path, name, "--help").stdout


def test_bench_measures_and_says_where_more_is(tmp_path: Path) -> None:
    said = run(tmp_path, "bench").stdout
    assert "us a step of 32 rows" in said
    assert "us a step of 128 rows" in said
    assert "make bench" in said


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["teach"], ["train"], ["train", "x.csv", "--epochs", "0"],
        ["train", "x.csv", "--validation", "1"], ["train", "x.csv", "--validation", "0"],
        ["train", "x.csv", "--hidden", "8,-1"], ["train", "x.csv", "--activation", "swish"],
        ["train", "x.csv", "--lr", "nan"], ["train", "x.csv", "--l2", "-1"],
        ["train", "x.csv", "--dtype", "int8"], ["train", "x.csv", "--seed", "-1"],
        ["predict", "x"], ["info", "more"], ["train", "x.csv", "--seed", "9" * 50],
        ["train", "x.csv", "--dropout", "1"], ["train", "x.csv", "--dropout", "-0.1"],
        ["train", "x.csv", "--norm", "group"], ["train", "x.csv", "--epochs", "1e3"],
        ["predict", "x", "y", "--no-head", "--", "z"],
    ],
)  # fmt: skip
def test_wrong_arguments(arguments: list[str], tmp_path: Path) -> None:
    said = complaint(tmp_path, *arguments, code=2)
    assert said.startswith("usage: python -m swiftbackprop")


# --- What goes wrong ------------------------------------------------------------------------------

TABLES = {
    "empty": ("", "data.csv is empty"),
    "blank": ("\n\n", "data.csv is empty"),
    "header": ("a,b\n", "has no rows below"),
    "ragged": ("a,b\n1,2\n3\n", "line 3, has 1 fields, and the first has 2"),
    "ragged below": ("a,b\n1,2\n3,4\n5,6,7\n", "line 4, has 3 fields, and the first has 2"),
    "twice": ("a,a\n1,2\n", "the name 'a' twice"),
    "nameless": ("a,,b\n1,2,3\n", "a nameless column"),
    "binary": (b"a,b\n\x00\x01,2\n", "not a text file: it holds zero bytes"),
    "open quote": ('a,c\n1,"x\n2,y\n', "not a table: a quote is not closed"),
    "no names": ("1,2\n3,4\n", "it has 1, 2: if its first line is data.*--no-header"),
    "the same": ("7,7\n3,4\n", "the name '7' twice.*--no-header"),
    "other": ("a,b\n1,2\n3,4\n", "no column 'c'.*it has a, b"),
    "near": ("c ase,b\n1,2\n3,4\n", "did you mean 'c ase'"),
    "alone": ("c\n1\n2\n3\n4\n5\n", "no column to predict 'c' from"),
    "constant": ("a,c\n" + "1,1\n1,2\n" * 5, "no column to predict 'c' from; a is 1 in every row"),
    "nothing": ("a,c\n" + ",1\nNA,2\n" * 5, "to predict 'c' from; a has no cells"),
    "no target": ("a,c\n1,\n3,-\n", "the target 'c' has no cells"),
    "one row": ("a,c\n1,2\n", "'c' is '2' in every row"),
    "one class": ("a,c\n1,x\n3,x\n1,x\n1,x\n1,x\n", "'c' is 'x' in every row"),
    "many classes": ("a,c\n" + "".join(f"1,x{n}\n" for n in range(1001)), "at most 1000 classes$"),
    "many texts": ("a,c\n" + "".join(f"1,x{n}\n" for n in range(40)), "40 different texts in 40"),
    "many numbers": (
        "a,c\n" + "".join(f"1,{n}.5\n" for n in range(1001)), "1001.*--task regression"),
    "few": ("a,c\n1,x\n3,y\n", "holds out 0 and --test 0.2 0 of 2 rows"),
    "infinite": ("a,c\n" + "inf,1\ninf,2\n" * 6, "column 'a' contains infinity.*line 2"),
    "infinite target": ("a,c\n" + "1,1\n3,-Infinity\n" * 6, "column 'c' contains inf.*line 3"),
    "huge": ("a,c\n" + "1e300,1\n-1e300,2\n" * 6, "column 'a' .* too large to be squared"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(TABLES))
def test_tables_that_are_none(what: str, tmp_path: Path) -> None:
    content, pattern = TABLES[what]
    raw = content if isinstance(content, bytes) else str(content).encode()
    (tmp_path / "data.csv").write_bytes(raw)
    target = "case" if what == "near" else "c"
    task = ["--task", "classification"] if what == "many numbers" else []
    said = complaint(tmp_path, "train", "data.csv", "--target", target, *task)
    assert re.search(pattern, said), said
    assert not (tmp_path / "data.safetensors").exists()


def test_files_that_are_none(flowers: Path) -> None:
    def said_of(*arguments: str) -> str:
        return complaint(flowers, "train", *arguments)

    assert "none.csv: No such file" in said_of("none.csv", "--target", "a")
    assert ".csv, .tsv" in said_of("data.ods", "--target", "a")
    said = said_of("flowers.csv")
    assert "--target" in said
    assert "it has height, width, colour, kind" in said
    (flowers / "bad.npy").write_bytes(b"no array")
    assert "not an array of numbers" in said_of("bad.npy")
    np.save(flowers / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    assert "not an array of numbers" in said_of("objects.npy")
    np.save(flowers / "one.npy", np.ones(3))
    assert "rows and columns" in said_of("one.npy")
    np.savez(flowers / "names.npz", images=np.ones((3, 2)))
    assert "no array X" in said_of("names.npz")
    for junk in (b"PK\3\4junk", (flowers / "names.npz").read_bytes()[:-40]):
        (flowers / "junk.npz").write_bytes(junk)
        assert "junk.npz is not an array of numbers" in said_of("junk.npz")
    (flowers / "one.npz").write_bytes((flowers / "one.npy").read_bytes())
    assert "a single array and no archive" in said_of("one.npz")
    (flowers / "many.npy").write_bytes((flowers / "names.npz").read_bytes())
    assert "an archive of arrays: name it .npz" in said_of("many.npy")
    head = np.lib.format.header_data_from_array_1_0(np.ones((2, 2)))
    with open(flowers / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**head, "shape": (2**40, 2**10)})
    assert re.search("not an array of numbers|memory|allocate", said_of("huge.npy"))
    lost = ["flowers.csv", "--target", "kind", "--model", "no/where"]
    assert "there is no folder" in said_of(*lost)


def test_models_that_are_none(flowers: Path) -> None:
    assert "No such file" in complaint(flowers, "predict", "none", "flowers.csv")
    assert "no safetensors file" in complaint(flowers, "predict", "flowers.csv", "flowers.csv")
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 1)
    (flowers / "less.csv").write_text("height,colour\n1,red\n", "utf-8")
    said = complaint(flowers, "predict", "flowers.safetensors", "less.csv")
    assert "less.csv has no column 'width'" in said
    (flowers / "text.csv").write_text("height,width,colour\ntall,1,red\n", "utf-8")
    said = complaint(flowers, "predict", "flowers.safetensors", "text.csv")
    assert "text.csv, line 2: column 'height' holds numbers" in said
    assert "but here 'tall'" in said
    assert "--text" not in said  # predict has no such option


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("features"),
        lambda d: d.update(version=1),
        lambda d: d.update(version=3),
        lambda d: d["features"].clear(),
        lambda d: d["features"][1].update(name="height"),
        lambda d: d["features"][0].update(kind="code"),
        lambda d: d["features"][0].update(categories=["x"]),
        lambda d: d["features"][2].update(categories=["red", "red", "blue"]),
        lambda d: d["features"].pop(),
        lambda d: d["features"][0].update(scale=0),
        lambda d: d["features"][0].update(mean="x"),
        lambda d: d["features"][2].update(categories=[1]),
        lambda d: d["target"].update(classes=["a"]),
        lambda d: d["target"].update(classes=[["a"], "b", "c"]),
    ],
)
def test_notes_that_are_damaged(change: Any, flowers: Path) -> None:
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 1)
    path = flowers / "flowers.safetensors"
    notes = json.loads(read_notes(path)["table"])
    change(notes)
    net = sb.load(path)
    files.save(net, path, False, False, {"table": json.dumps(notes)})
    assert "is not read" in complaint(flowers, "predict", path.name, "flowers.csv")


def test_ctrl_c_and_closed_pipes(flowers: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(flowers / "large.npz", X=rng.normal(size=(20000, 50)), y=rng.integers(0, 2, 20000))
    # Ignored where pytest runs in the background, and then in its children too.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    train = subprocess.Popen(
        command("train", "large.npz", "--hidden", "512,512", "--epochs", "10000"),
        cwd=flowers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, handler)
    assert train.stderr is not None
    while not train.stderr.read(1):  # the bar: training has begun
        time.sleep(0.01)
    train.send_signal(signal.SIGINT)
    _, said = train.communicate(timeout=60)
    assert train.returncode == 130
    assert "stopped by Ctrl-C" in said
    assert "Traceback" not in said
    assert not (flowers / "large.safetensors").exists()
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 1)
    reader, writer = os.pipe()
    os.close(reader)
    predict = subprocess.run(
        command("predict", "flowers.safetensors", "flowers.csv"),
        cwd=flowers, stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
    )  # fmt: skip
    os.close(writer)
    assert predict.returncode == 1
    assert predict.stderr == ""
    pipes = "set -o pipefail; " + " ".join(command("--help")) + " | head -1"
    done = subprocess.run(["bash", "-c", pipes], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("usage")
    assert "Traceback" not in done.stderr


def test_without_stdout_or_stderr(flowers: Path) -> None:
    """Closed by who called, as a service does."""

    def closed(redirection: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        line = shlex.join(command(*arguments)) + redirection
        return subprocess.run(
            ["bash", "-c", line], cwd=flowers, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    train = ["train", "flowers.csv", "--target", "kind", "--epochs", "1"]
    done = closed(" >&- 2>&-", *train)
    assert done.returncode == 0
    assert (flowers / "flowers.safetensors").exists()
    assert closed(" >&-", "info").returncode == 0
    lost = closed(" >&-", "predict", "flowers.safetensors", "flowers.csv")
    assert lost.returncode == 1
    assert "no stdout to write to: give --output" in lost.stderr
    full = closed(" >/dev/full", "predict", "flowers.safetensors", "flowers.csv")
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "No space left" in full.stderr
