"""The command line: files, models and moments that go wrong."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from cli_runs import command, complaint, run
from helpers import run_main
from swiftbackprop._cli.main import main
from swiftbackprop._export import files
from swiftbackprop._import.load import read_notes

TABLES = {
    "empty": ("", "data.csv is empty"),
    "blank": ("\n\n", "data.csv is empty"),
    "header": ("a,b\n", "has no rows below"),
    "ragged": ("a,b\n1,2\n3\n", "line 3, has 1 fields, and the first has 2"),
    "ragged below": ("a,b\n1,2\n3,4\n5,6,7\n", "line 4, has 3 fields, and the first has 2"),
    "title": ("Report\n\na,b,c\n1,2,3\n", "line 3, has 3 fields, and the first has 1; if a title"),
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


def test_no_file_that_is_read_is_written_over(flowers: Path) -> None:
    table, model = flowers / "flowers.csv", flowers / "a model.safetensors"
    run(flowers, "train", table, "--target", "kind", "--epochs", 1, "--quiet", "--model", model)
    (flowers / "link.csv").symlink_to(table)
    before = table.read_bytes(), model.read_bytes()
    calls = [
        ("train", table, "--target", "kind", "--model", table),
        ("train", "link.csv", "--target", "kind", "--model", "flowers.csv"),
        ("predict", model, table, "--output", "flowers.csv"),
        ("predict", model, table, "--output", model),
        ("export", model, model),
    ]
    for call in calls:
        assert "is a file that is read, and would be lost" in complaint(flowers, *call)
    assert (table.read_bytes(), model.read_bytes()) == before


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


def test_a_column_is_of_one_kind(flowers: Path) -> None:
    column = (flowers / "flowers.csv").read_text("utf-8").split(",")[0]
    for one, other in (("--numeric", "--text"), ("--drop", "--numeric"), ("--drop", "--text")):
        train = ["train", "flowers.csv", "--target", "kind", other, column, one, column]
        assert f"{one} and {other} both name {column!r}: give one" in complaint(flowers, *train)


def test_ctrl_c_and_closed_pipes(flowers: Path) -> None:
    rng = np.random.default_rng(0)
    np.savez(flowers / "large.npz", X=rng.normal(size=(20000, 50)), y=rng.integers(0, 2, 20000))
    train = subprocess.Popen(
        command("train", "large.npz", "--hidden", "512,512", "--epochs", "10000"),
        cwd=flowers, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
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
    """Closed by who called, as a service does; for Python they are None then."""
    train = command("train", "flowers.csv", "--target", "kind", "--epochs", 1)
    closed = ["bash", "-c", shlex.join(train) + " >&- 2>&-"]
    assert subprocess.run(closed, cwd=flowers, timeout=60, check=False).returncode == 0
    assert (flowers / "flowers.safetensors").exists()
    err = io.StringIO()
    assert run_main(main, flowers, "info", stdout=None, stderr=err) == 0
    predict = ("predict", "flowers.safetensors", "flowers.csv")
    assert run_main(main, flowers, *predict, stdout=None, stderr=err) == 1
    assert "no stdout to write to: give --output" in err.getvalue()
    with open("/dev/full", "w", encoding="utf-8") as full:
        assert run_main(main, flowers, *predict, stdout=full, stderr=err) == 1
    assert "No space left" in err.getvalue()
