"""Everything that writes a file, and how to see that the file is whole."""

from __future__ import annotations

import csv
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import swiftbackprop as sb
from swiftbackprop._cli.main import main

X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
Y = np.arange(40) % 3


class Writer(NamedTuple):
    """What writes, and what looks at what it has written; both get the path."""

    write: Callable[[Path, int], object]
    look: Callable[[Path], object]


def network(seed: int = 0, width: int = 60) -> Any:
    """Return a classifier of three classes whose file is some 20 KB."""
    return sb.Network([4, width, width, 3], output="softmax", optimizer="adam", seed=seed)


def _fit(*callbacks: Any) -> None:
    network().fit(X, Y, epochs=4, callbacks=callbacks, progress=False)


def _look_at_network(path: Path) -> None:
    net = sb.load(path)
    assert np.isfinite(net.predict(X)).all()


def _look_at_csv(path: Path) -> None:
    text = path.read_text("utf-8")
    if text:  # a log begins empty
        assert text.endswith("\n"), f"{path.name} ends amid a line"
    lines = list(csv.reader(text.splitlines()))
    assert len({len(line) for line in lines}) < 2, f"{path.name} has lines in part"


def _look_at_onnx(path: Path) -> None:
    import onnx

    onnx.checker.check_model(onnx.load(path))


def _look_at_svg(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.fullmatch(r"<svg.*</svg>\s*", text, re.DOTALL), f"{path.name} is in part"


def _table(path: Path) -> Path:
    table = path.with_name("table.csv")
    if not table.exists():
        lines = [",".join(map(str, [*row, f"class {k}"])) for row, k in zip(X, Y, strict=True)]
        table.write_text("a,b,c,d,kind\n" + "\n".join(lines) + "\n")
    return table


def _command(*arguments: object) -> None:
    """Run the command line in this process; a failure of it is an OSError."""
    status = main([str(each) for each in arguments])
    sys.stdout.flush()
    if status:
        raise OSError(f"the command ends with status {status}")


def _train(path: Path, k: int) -> None:
    _command("train", _table(path), "--target", "kind", "--model", path, "--epochs", 2, "--quiet",
             "--seed", k)  # fmt: skip


def _predict(path: Path, k: int) -> None:
    model = path.with_name("model")
    if not model.exists():
        _train(model, 0)
    _command("predict", model, _table(path), "--output", path)


WRITERS = {
    "save": Writer(lambda path, k: network(k).save(path), _look_at_network),
    "Checkpoint": Writer(lambda path, k: _fit(sb.Checkpoint(path)), _look_at_network),
    "CSVLogger": Writer(lambda path, k: _fit(sb.CSVLogger(path)), _look_at_csv),
    "onnx": Writer(lambda path, k: network(k).to_onnx(path), _look_at_onnx),
    "svg": Writer(lambda path, k: network(k, 6).diagram().save(path), _look_at_svg),
    "train": Writer(_train, _look_at_network),
    "predict": Writer(_predict, _look_at_csv),
}


def prepared(name: str, folder: Path) -> Path:
    """Write a file once, with what it needs beside it, and return its path."""
    path = folder / f"{name}.svg" if name == "svg" else folder / name
    WRITERS[name].write(path, 0)
    WRITERS[name].look(path)
    return path


def warm_up() -> None:
    """Write everything once, so that the copies of this process have imported what it takes."""
    with tempfile.TemporaryDirectory() as folder:
        for name in WRITERS:
            prepared(name, Path(folder))


def left_over(folder: Path) -> str:
    """Say which files there are that should have gone."""
    names = [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]
    return f"left over: {', '.join(names)}" if names else ""


def problem(name: str, path: Path) -> str:
    """Say what is wrong with the file that a writer was at when something happened."""
    try:
        WRITERS[name].look(path)
    except Exception as error:
        return f"{name}: the file is damaged: {type(error).__name__}: {error}"
    return ""
