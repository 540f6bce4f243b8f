"""The command line, in processes of its own: what it prints, writes and returns."""

from __future__ import annotations

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
import pytest

import swiftbackprop as sb
from swiftbackprop import _files, _prepare
from swiftbackprop._table import read_table

pytest.importorskip("safetensors")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "swiftbackprop", *map(str, arguments)]


def run(folder: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a command, which ends with this code and without a traceback."""
    done = subprocess.run(
        command(*arguments), cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def complaint(folder: Path, *arguments: object, code: int = 1) -> str:
    """What a command says on stderr when it fails: one sentence, and no output."""
    done = run(folder, *arguments, code=code)
    assert done.stdout == ""
    if code == 1:
        assert done.stderr.startswith("swiftbackprop: ")
        assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


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
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == ["data", "network", "training", "result", "saved"]
    assert lines["data"] == "flowers.csv: 240 rows, 3 columns; 'kind' is 3 classes"
    assert lines["network"].startswith("5-64-64-3, ")
    assert lines["training"].startswith("192 rows, ")
    assert "on 48 held-out rows (always the most frequent class: 0." in lines["result"]
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
    preparation = _prepare.Preparation.from_json(_files.read_notes(flowers / "m.st")["table"])
    X = preparation.matrix(read_table(str(flowers / "flowers.csv")), np.float32)
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
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"one": X[:, 0], "two": np.where(y, "a", "b"), "out": X[:, 1] * 2})
    frame.loc[3, "one"] = np.nan
    frame["whole"] = pandas.array([1, None] * 100, dtype="Int64")
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
    one, other = (read_table(str(tmp_path / name)) for name in ("plain.csv", "sheet.csv"))
    assert list(one.columns) == list(other.columns) == ["a; x", "b", "kind"]
    for name in one.columns:
        np.testing.assert_array_equal(one.columns[name], other.columns[name])
    assert one.columns["b"].dtype == float
    # A comma is no part of a number where it stands between numbers.
    (tmp_path / "tabs.tsv").write_text("a\tb\n1,5\t2\n", "utf-8")
    assert read_table(str(tmp_path / "tabs.tsv")).columns["a"].tolist() == ["1,5"]


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
    """Neither hinders; a date is a text."""
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({
        "when": pandas.date_range("2024-01-01", periods=4).repeat(10),
        "same": 7, "yes": [True, False] * 20, "y": np.linspace(0, 1, 40),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "data.parquet")
    done = run(tmp_path, "train", "data.parquet", "--target", "y", "--epochs", 2)
    assert "6-64-64-1" in done.stdout
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert "7-64-64-1" in run(
        tmp_path, "train", "data.csv", "--target", "y", "--epochs", 2).stdout  # fmt: skip


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
    np.save(tmp_path / "data.npy", rng.normal(size=(81, 3)))  # 65 to train on
    train = ("train", "data.npy", "--norm", "batch", "--epochs", 1)
    run(tmp_path, *train)
    run(tmp_path, *train, "--batch-size", 33)
    assert "--batch-size 33 leaves none" in complaint(tmp_path, *train, "--batch-size", 32)
    assert "--batch-size 3 leaves none" in complaint(tmp_path, *train, "--batch-size", 1)


@pytest.mark.parametrize("seed", range(4))
def test_a_text_that_occurs_once(seed: int, tmp_path: Path) -> None:
    """Whether it is held out or not, it is one input."""
    lines = [f"{n},{'late' if n == 7 else ''},{n}.5" for n in range(40)]
    (tmp_path / "data.csv").write_text("\n".join(["a,note,y", *lines]), "utf-8")
    done = run(tmp_path, "train", "data.csv", "--target", "y", "--epochs", 1, "--seed", seed,
               "--validation", 0.8)  # fmt: skip
    assert "2-64-64-1" in done.stdout


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
    (tmp_path / "data.csv").write_text("a,b\n2020_1,1\n2020_2,2\n", "utf-8")
    assert read_table(str(tmp_path / "data.csv")).columns["a"].tolist() == ["2020_1", "2020_2"]
    assert "no number" in complaint(tmp_path, "train", "data.csv", "--lr", "1_0", code=2)


def test_training_ends_when_nothing_becomes_better(tmp_path: Path) -> None:
    """There is nothing to learn in these labels; the best epoch is saved."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "noise.npz", X=rng.normal(size=(100, 20)), y=rng.integers(0, 2, 100))
    done = run(tmp_path, "train", "noise.npz", "--patience", 4, "--epochs", 300)
    words = done.stdout.split("training")[1].split()
    epochs, best = int(words[2]), int(words[words.index("epoch") + 1])
    assert epochs == best + 1 + 4 < 300
    run(tmp_path, "train", "noise.npz", "--epochs", best, "--model", "best", "--quiet")
    saved, again = sb.load(tmp_path / "noise.safetensors"), sb.load(tmp_path / "best")
    np.testing.assert_array_equal(saved.parameters, again.parameters)
    # What is reported is of the saved weights, on the rows that were held out.
    notes = _files.read_notes(tmp_path / "noise.safetensors")
    table = read_table(str(tmp_path / "noise.npz"))
    X = _prepare.Preparation.from_json(notes["table"]).matrix(table, np.float32)
    held = np.random.default_rng(0).permutation(100)[:20]
    accuracy = saved.evaluate(X[held], table.columns["y"][held])["accuracy"]
    assert f"accuracy {accuracy:.3f} on 20 held-out rows" in done.stdout


def test_any_network_can_predict(tmp_path: Path) -> None:
    net = sb.Network([3, 2], seed=0)
    net.save(tmp_path / "net")
    X = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    header, *rows = rows_of(run(tmp_path, "predict", "net", "X.npy").stdout)
    assert header == ["a0", "a1"]
    np.testing.assert_allclose(np.array(rows, np.float32), net.predict(X), rtol=1e-5)
    assert "wants 3" in (np.save(tmp_path / "Y.npy", X[:, :2]), complaint(
        tmp_path, "predict", "net", "Y.npy"))[1]  # fmt: skip
    assert "names no classes" in complaint(tmp_path, "predict", "net", "X.npy", "--probabilities")


def test_predict_scales_integers_and_leaves_the_targets_out(tmp_path: Path) -> None:
    net = sb.Network([3, 2], input_scale=1 / 255, seed=0)
    net.save(tmp_path / "net")
    X = np.random.default_rng(0).integers(0, 256, (5, 3), dtype=np.uint8)
    np.save(tmp_path / "X.npy", X)
    np.savez(tmp_path / "Xy.npz", X=X, y=np.arange(5))
    for name in ("X.npy", "Xy.npz"):
        _, *rows = rows_of(run(tmp_path, "predict", "net", name).stdout)
        np.testing.assert_allclose(np.array(rows, np.float32), net.predict(X), rtol=1e-5)


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
    "twice": ("a,a\n1,2\n", "the name 'a' twice"),
    "nameless": ("a,\n1,2\n", "a nameless column"),
    "binary": (b"\xff\xfe\x00a,b", "no text in UTF-8"),
    "latin": ("a,c\n1,é\n".encode("latin-1"), "no text in UTF-8: save it as such"),
    "open quote": ('a,c\n1,"x\n2,y\n', "line 3, is no row of a table: a quote is not closed"),
    "no names": ("1,2\n3,4\n", "it has 1, 2: if its first line is data.*--no-header"),
    "the same": ("7,7\n3,4\n", "the name '7' twice.*--no-header"),
    "other": ("a,b\n1,2\n3,4\n", "no column 'c'.*it has a, b"),
    "near": ("c ase,b\n1,2\n3,4\n", "did you mean 'c ase'"),
    "alone": ("c\n1\n2\n3\n4\n5\n", "no column to predict 'c' from"),
    "hole": ("a,c\n1,2\n3,\n", "missing in 1 of 2 rows, the first is row 2"),
    "one class": ("a,c\n1,x\n3,x\n1,x\n1,x\n1,x\n", "'c' is 'x' in every row"),
    "many classes": ("a,c\n" + "".join(f"1,x{n}\n" for n in range(1001)), "at most 1000 classes$"),
    "many numbers": (
        "a,c\n" + "".join(f"1,{n}.5\n" for n in range(1001)), "1001.*--task regression"),
    "few": ("a,c\n1,x\n3,y\n", "holds out 0 of 2 rows"),
    "infinite": ("a,c\n" + "inf,1\ninf,2\n" * 6, "column 'a' contains infinity"),
}  # fmt: skip


@pytest.mark.parametrize("what", list(TABLES))
def test_tables_that_are_none(what: str, tmp_path: Path) -> None:
    content, pattern = TABLES[what]
    raw = content if isinstance(content, bytes) else content.encode()
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
    assert ".csv, .tsv" in said_of("data.xlsx", "--target", "a")
    said = said_of("flowers.csv")
    assert "--target" in said
    assert "it has height, width, colour, kind" in said
    (flowers / "bad.npy").write_bytes(b"no array")
    assert "no array of numbers" in said_of("bad.npy")
    np.save(flowers / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    assert "no array of numbers" in said_of("objects.npy")
    np.save(flowers / "one.npy", np.ones(3))
    assert "rows and columns" in said_of("one.npy")
    np.savez(flowers / "names.npz", images=np.ones((3, 2)))
    assert "no array X" in said_of("names.npz")
    for junk in (b"PK\3\4junk", (flowers / "names.npz").read_bytes()[:-40]):
        (flowers / "junk.npz").write_bytes(junk)
        assert "junk.npz is no array of numbers" in said_of("junk.npz")
    (flowers / "one.npz").write_bytes((flowers / "one.npy").read_bytes())
    assert "a single array and no archive" in said_of("one.npz")
    (flowers / "many.npy").write_bytes((flowers / "names.npz").read_bytes())
    assert "an archive of arrays: name it .npz" in said_of("many.npy")
    head = np.lib.format.header_data_from_array_1_0(np.ones((2, 2)))
    with open(flowers / "huge.npy", "wb") as file:
        np.lib.format.write_array_header_1_0(file, {**head, "shape": (2**40, 2**10)})
    assert re.search("no array of numbers|memory|allocate", said_of("huge.npy"))
    lost = ["flowers.csv", "--target", "kind", "--model", "no/where"]
    assert "there is no folder" in said_of(*lost)
    many = "\n".join(f"name-{n},{n % 2}" for n in range(150))
    (flowers / "many.csv").write_text(f"name,c\n{many}\n", "utf-8")
    said = said_of("many.csv", "--target", "c")
    assert "different texts: leave it out with --drop name" in said


def test_models_that_are_none(flowers: Path) -> None:
    assert "No such file" in complaint(flowers, "predict", "none", "flowers.csv")
    assert "no safetensors file" in complaint(flowers, "predict", "flowers.csv", "flowers.csv")
    run(flowers, "train", "flowers.csv", "--target", "kind", "--quiet", "--epochs", 1)
    (flowers / "less.csv").write_text("height,colour\n1,red\n", "utf-8")
    said = complaint(flowers, "predict", "flowers.safetensors", "less.csv")
    assert "less.csv has no column 'width'" in said
    (flowers / "text.csv").write_text("height,width,colour\ntall,1,red\n", "utf-8")
    said = complaint(flowers, "predict", "flowers.safetensors", "text.csv")
    assert "column 'height' holds texts" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("features"),
        lambda d: d.update(version=2),
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
    notes = json.loads(_files.read_notes(path)["table"])
    change(notes)
    net = sb.load(path)
    _files.save(net, path, False, False, {"table": json.dumps(notes)})
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
    for redirection in (" >&-", " 2>&-", " >&- 2>&-"):
        done = closed(redirection, *train)
        assert done.returncode == 0, done.stderr
        (flowers / "flowers.safetensors").unlink()
    assert closed(" >&-", "info").returncode == 0
    run(flowers, *train)
    lost = closed(" >&-", "predict", "flowers.safetensors", "flowers.csv")
    assert lost.returncode == 1
    assert "no stdout to write to: give --output" in lost.stderr
    full = closed(" >/dev/full", "predict", "flowers.safetensors", "flowers.csv")
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "No space left" in full.stderr
