"""What ``python -m swiftbackprop`` does: info, train, predict and bench."""

from __future__ import annotations

import argparse
import csv
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb
from swiftbackprop import _files
from swiftbackprop._arguments import make_parser
from swiftbackprop._arrays import FloatArray
from swiftbackprop._atomic import as_target, replacing
from swiftbackprop._prepare import Preparation, Target
from swiftbackprop._table import Column, Table, read_table

__all__ = ["main"]

_NOTE = "table"  # in the model's file: what is done with the columns
_INTERRUPTED = 130
_BATCH_SIZE = 32  # unless told


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status: 0, 1 after an error, 2 for wrong arguments."""
    parser = make_parser(_info, _train, _predict, _bench)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        if sys.stdout is not None:  # closed by who called
            sys.stdout.flush()
    except KeyboardInterrupt:
        return _complain("stopped by Ctrl-C", _INTERRUPTED)
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        reason = error.strerror or str(error)
        return _complain(f"{error.filename}: {reason}" if error.filename else reason, 1)
    except MemoryError as error:
        return _complain(str(error) or "there is not enough memory", 1)
    except (ValueError, TypeError, ImportError, ArithmeticError) as error:
        return _complain(str(error) or type(error).__name__, 1)
    return 0


def _complain(sentence: str, status: int) -> int:
    line = " ".join(sentence.split())  # messages of other packages may be longer
    print(f"swiftbackprop: {line}", file=sys.stderr)
    return status


def _info(options: argparse.Namespace) -> None:
    sb.show_config()


# --- Training -------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> None:
    path = options.model or f"{Path(options.data).stem}.safetensors"
    as_target(path)  # what hinders the result is better said before the work than after
    _files.safetensors()
    table = read_table(options.data, header=options.header)
    name = _target_name(options.target, table)
    labels = table.column(name)
    target = Target.learn(name, labels, options.task)
    if target.classes and _padded(table.texts(name)):  # 01 is no 1
        labels = table.texts(name)
        target = Target.learn(name, labels, options.task)
    order = np.random.default_rng(options.seed).permutation(table.rows)
    held = round(table.rows * options.validation)
    if not 0 < held < table.rows:
        raise ValueError(
            f"--validation {options.validation} holds out {held} of {table.rows} rows: some have "
            "to be held out, and some to be left"
        )
    features = _features(options.drop, table, name)
    preparation = Preparation.learn(table, features, target, order[held:])
    batch_size = _batch_size(options, table.rows - held)
    X, y = preparation.matrix(table, options.dtype), target.encode(labels)
    valid = (X[order[:held]], y[order[:held]])
    net = _network(options, preparation)
    best = sb.EarlyStopping("val_loss", patience=options.patience)
    history = net.fit(
        X[order[held:]],
        y[order[held:]],
        epochs=options.epochs,
        batch_size=batch_size,
        validation_data=valid,
        callbacks=[best],
        progress=not options.quiet and sys.stderr is not None,
    )
    notes = {_NOTE: preparation.to_json()}
    _files.save(net, path, optimizer=False, generator=False, notes=notes)
    if not options.quiet:
        _report(table, preparation, net, best.best_epoch, history, valid)
        print(f"saved     {path}")


def _target_name(wanted: str | None, table: Table) -> str:
    if wanted is not None:
        return wanted
    if not table.named:
        return list(table.columns)[-1]  # y, where it is there
    raise ValueError(f"name the column to predict with --target: {table.path}, {table.names()}")


def _padded(texts: Column) -> bool:
    """Return whether there are digits with a zero before them, as in 01."""
    return any(text is not None and re.fullmatch(r"0\d+", text) for text in texts)


def _features(drop: Sequence[str], table: Table, target: str) -> list[str]:
    for name in drop:
        table.column(name)  # says so if there is none
    features = [name for name in table.columns if name != target and name not in drop]
    if not features:
        raise ValueError(f"{table.path} has no column to predict {target!r} from")
    return features


def _batch_size(options: argparse.Namespace, rows: int) -> int:
    """Return the rows of a minibatch; batch norm wants at least 2 in each."""
    wanted: int = options.batch_size or _BATCH_SIZE
    if options.norm != "batch" or rows < 2:  # a single row is refused by fit
        return wanted
    fitting = max(wanted, 2)
    while fitting < rows and rows % fitting == 1:
        fitting += 1
    if fitting != wanted and options.batch_size is not None:
        raise ValueError(
            f"--batch-size {wanted} leaves a minibatch of a single row of the {rows} to train on, "
            f"and batch norm wants at least 2: --batch-size {fitting} leaves none"
        )
    return fitting


def _network(options: argparse.Namespace, preparation: Preparation) -> sb.Network:
    given = {} if options.lr is None else {"lr": options.lr}
    return sb.Network(
        [preparation.inputs, *options.hidden, preparation.outputs],
        activation=options.activation,
        loss="cross_entropy" if preparation.target.classes else "squared_error",
        optimizer=sb.optimizer(options.optimizer, **given),
        l2=options.l2,
        dropout=options.dropout,
        norm=options.norm,
        seed=options.seed,
        dtype=options.dtype,
    )


def _report(
    table: Table,
    preparation: Preparation,
    net: sb.Network,
    best: int,
    history: sb.History,
    valid: tuple[FloatArray, npt.NDArray[Any]],
) -> None:
    """Print what was trained, and how good it is on rows that it has not seen."""
    target = preparation.target
    kind = f"{len(target.classes)} classes" if target.classes else "a number"
    print(
        f"data      {table.path}: {table.rows} rows, {len(preparation.features)} columns; "
        f"{target.name!r} is {kind}"
    )
    layers = "-".join(str(size) for size in net.sizes)
    print(f"network   {layers}, {net.n_parameters} parameters, {net.dtype}, seed {net.seed}")
    print(
        f"training  {table.rows - len(valid[1])} rows, {history.epochs} epochs in "
        f"{sum(history['seconds']):.2f} s; the best was epoch {best + 1}"
    )
    found = net.evaluate(*valid)
    if target.classes:
        usual = np.bincount(valid[1]).max() / len(valid[1])
        print(
            f"result    accuracy {found['accuracy']:.3f} on {len(valid[1])} held-out rows "
            f"(always the most frequent class: {usual:.3f})"
        )
    else:
        usual, mae = float(np.abs(valid[1]).mean()) * target.scale, found["mae"] * target.scale
        print(
            f"result    r2 {found['r2']:.3f}, mean absolute error {mae:.4g} "
            f"on {len(valid[1])} held-out rows (always the mean: {usual:.4g})"
        )


# --- Prediction -----------------------------------------------------------------------------


def _predict(options: argparse.Namespace) -> None:
    net = sb.load(options.model)
    notes = _files.read_notes(options.model)
    table = read_table(options.data, header=options.header)
    if _NOTE in notes:
        preparation = _preparation(options.model, notes[_NOTE], net)
        a = net.predict(preparation.matrix(table, net.dtype))
        header, rows = _predictions(preparation.target, a, options.probabilities)
    else:
        if options.probabilities:
            raise ValueError(f"{options.model} names no classes: leave --probabilities out")
        a = net.predict(_numbers(table, net, options.model))
        header = [f"a{place}" for place in range(a.shape[1])]
        rows = [[f"{value:.7g}" for value in row] for row in a]
    if options.output is None:
        if sys.stdout is None:
            raise ValueError("there is no stdout to write to: give --output")
        csv.writer(sys.stdout, lineterminator="\n").writerows([header, *rows])
        return
    with (
        replacing(options.output) as passing,
        open(passing, "w", newline="", encoding="utf-8") as file,
    ):
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def _preparation(model: str, text: str, net: sb.Network) -> Preparation:
    """Return what was done with the columns; it stands in a file, and may be anything."""
    try:
        preparation = Preparation.from_json(text)
        if (preparation.inputs, preparation.outputs) != (net.sizes[0], net.sizes[-1]):
            raise ValueError("its columns do not fit its network")
    except (ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{model} is not read: {error}") from None
    return preparation


def _predictions(
    target: Target, a: FloatArray, probabilities: bool
) -> tuple[list[str], list[list[str]]]:
    """Return the header and the rows to write."""
    rows = [[text] for text in target.decode(a)]
    if not probabilities:
        return [target.name], rows
    if not target.classes:
        raise ValueError("the model predicts a number: leave --probabilities out")
    header = [target.name, *(f"p({target.label(k)})" for k in range(len(target.classes)))]
    for row, shares in zip(rows, a, strict=True):
        row.extend(f"{share:.7g}" for share in shares)
    return header, rows


def _numbers(table: Table, net: sb.Network, model: str) -> FloatArray:
    """Return a table of numbers alone as X of shape (N, D(0)), in their own dtype."""
    columns = table.examples()
    texts = [name for name, column in columns.items() if column.dtype.kind == "O"]
    if texts:
        raise ValueError(
            f"{table.path} holds texts in {', '.join(texts)}, and {model} wants numbers"
        )
    if len(columns) != net.sizes[0]:
        raise ValueError(
            f"{table.path} has {len(columns)} columns, and {model} wants {net.sizes[0]}"
        )
    return np.column_stack(list(columns.values()))  # predict scales integers


# --- Measurement ----------------------------------------------------------------------------


def _bench(options: argparse.Namespace) -> None:
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12_800, 784), dtype=np.float32)
    y = rng.integers(0, 10, len(X))
    net = sb.Network([784, 128, 10], loss="cross_entropy", optimizer=sb.SGD(0.01), seed=0)
    print("784-128-10, float32, the best of 3; times depend on what else the machine does")
    for batch_size in (32, 128):
        fit = _best_time(lambda size=batch_size: net.fit(  # type: ignore[misc]
            X, y, epochs=1, batch_size=size, progress=False))  # fmt: skip
        steps = len(X) / batch_size
        print(f"fit       {fit / steps * 1e6:8.1f} us a step of {batch_size} rows")
    rows = len(X) / _best_time(lambda: net.predict(X))
    print(f"predict   {rows / 1e6:8.2f} million rows a second")
    single = _best_time(lambda: [net.predict(X[:1]) for _ in range(1000)]) / 1000
    print(f"predict   {single * 1e6:8.1f} us for one row")
    print("Beside NumPy, PyTorch, JAX and scikit-learn: `make bench` in the project's sources.")


def _best_time(work: Callable[[], object]) -> float:
    """Return the shortest of three times, in seconds, after one call to warm up."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times[1:])
