"""The command line: what it reports, exports and shows."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas
import pytest
from sklearn.model_selection import train_test_split

import swiftbackprop as sb
from cli_runs import complaint, hundred, report_of, rows_of, run, table_of, write_csv
from helpers import run_main
from swiftbackprop._cli.columns import as_numbers
from swiftbackprop._cli.main import main

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

    def printed(encoding: str, *arguments: object, code: int = 0) -> tuple[str, str]:
        out, err = io.BytesIO(), io.BytesIO()
        stdout, stderr = (
            io.TextIOWrapper(each, encoding, write_through=True) for each in (out, err)
        )
        assert run_main(main, tmp_path, *arguments, stdout=stdout, stderr=stderr) == code
        return out.getvalue().decode(encoding), err.getvalue().decode(encoding)

    out, _ = printed("ascii", "train", "data.csv", "--target", "art", "--epochs", 1)
    assert "gr\\xfc" in out
    for encoding in ("ascii", "latin-1"):
        predict = ("predict", "data.safetensors", "data.csv", "--probabilities")
        out, err = printed(encoding, *predict, code=1)
        assert out == ""
        assert "give --output" in err
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
