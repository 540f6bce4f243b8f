"""The command line: train and predict."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pandas
import pytest
from sklearn.model_selection import train_test_split

import swiftbackprop as sb
from cli_runs import complaint, report_of, rows_of, run, table_of, write_csv
from swiftbackprop._cli.columns import as_numbers
from swiftbackprop._cli.preprocessing import Preparation
from swiftbackprop._import.load import read_notes


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


def test_text_that_is_compressed(flowers: Path) -> None:
    table = (flowers / "flowers.csv").read_bytes()
    (flowers / "data.csv.gz").write_bytes(gzip.compress(table))
    options = ["--target", "kind", "--epochs", 2]
    packed = report_of(run(flowers, "train", "data.csv.gz", *options))
    plain = report_of(run(flowers, "train", "flowers.csv", *options))
    assert packed["result"] == plain["result"]
    assert packed["saved"] == "data.safetensors"
    predicted = run(flowers, "predict", "data.safetensors", "data.csv.gz").stdout
    assert predicted == run(flowers, "predict", "flowers.safetensors", "flowers.csv").stdout
    for raw in (table, gzip.compress(table)[:-20], gzip.compress(table)[:40] + b"x" * 200):
        (flowers / "data.csv.gz").write_bytes(raw)
        said = complaint(flowers, "train", "data.csv.gz", *options)
        assert "data.csv.gz is not read: it is no gzip file, or damaged" in said
    said = complaint(flowers, "train", "data.npy.gz", *options)
    assert "its name must end in one of .csv" in said


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


def test_a_precision_is_kept_in_the_model(flowers: Path) -> None:
    command = ["train", "flowers.csv", "--target", "kind", "--epochs", 2, "--quiet"]
    run(flowers, *command, "--model", "m.st", "--precision", "bf16x2")
    assert sb.load(flowers / "m.st").precision == "bf16x2"
    assert "--precision" in complaint(flowers, *command, "--precision", "half", code=2)
