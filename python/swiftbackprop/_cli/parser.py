"""The arguments of the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import swiftbackprop as sb
from swiftbackprop._net.checks import from_text
from swiftbackprop._net.names import unknown
from swiftbackprop._net.spec import DTYPES, PRECISIONS
from swiftbackprop.metrics import OF_CLASSES, OF_NUMBERS

# Endings of the files that are read.
TEXT = (".csv", ".tsv", ".txt")
ARRAYS = (".npy", ".npz", ".parquet", ".xlsx")
ENDINGS = (*TEXT, *ARRAYS)


def ending_of(path: str) -> str:
    """Return the ending of a file's name; of text that is compressed, that of the text."""
    return Path(path[:-3] if path.lower().endswith(".gz") else path).suffix.lower()


_count = from_text(int, min_=1, max_=2**31 - 1)
_seed = from_text(int, min_=0, max_=2**31 - 1)
as_amount = from_text(float, min_=0)
_share = from_text(float, above=0, below=1)
_rate = from_text(float, min_=0, below=1)

_METRICS = ["loss", *(f.__name__ for f in (*OF_CLASSES, *OF_NUMBERS))]

Command: TypeAlias = Callable[[argparse.Namespace], None]


def make_parser(
    info: Command, train: Command, predict: Command, export: Command, bench: Command
) -> argparse.ArgumentParser:
    """Return a parser of all commands; ``options.run`` is the one that was asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m swiftbackprop",
        description="A neural-network engine in Swift: train on a table, predict, measure.",
        epilog="exit status: 0 done, 1 an error that is told on stderr, 2 wrong arguments",
    )
    parser.add_argument("--version", action="version", version=f"swiftbackprop {sb.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    about = commands.add_parser(
        "info",
        help="versions, the engine's level, BLAS, threads",
        description="Say which versions, engine, CPU, BLAS and threads are at work, and which "
        "environment variables hold them back.",
    )
    about.set_defaults(run=info)
    _add_train(commands).set_defaults(run=train)
    _add_predict(commands).set_defaults(run=predict)
    _add_export(commands).set_defaults(run=export)
    speed = commands.add_parser(
        "bench",
        help="measure training and prediction on this machine, for some seconds",
        description="Measure a network 784-128-10 in float32 on random numbers.",
    )
    speed.set_defaults(run=bench)
    return parser


def _add_train(commands: Any) -> argparse.ArgumentParser:
    train: argparse.ArgumentParser = commands.add_parser(
        "train",
        help="train on a table and save the model",
        description="Train a network to predict one column of a table from the others. Numbers "
        "and dates are standardised, texts become one input for each that occurs; what is missing "
        "is the mean, or none of them. The rows are cut by chance into three parts: to train on, "
        "to choose the epoch by, whose weights are saved, and to test with. The report says what "
        "each column was taken for.",
    )
    add = _adder(
        train,
        f"""
data: a table ({", ".join(ENDINGS)}): text with names in its first
     line, also as .gz, a matrix of rows, or an
    archive of X and y
--target: the column to predict (default: y of .npz, the last column where columns have no names)
--drop: leave columns out
--numeric: columns that are numbers, though they seem to identify rows
--text: columns that are texts, though they seem to be numbers or identify rows
--task: auto: texts, and whole numbers of at most 20 values that are there 5 times on average, are
    classes
--class-weight: balanced, or such as yes=5,no=1: how much rows of a class count in training
--metric: what chooses the epoch, on the validation rows: {", ".join(_METRICS)} (default: loss)
--model: where to save (default: the name of the data with .safetensors, in this folder)
--hidden: units of the hidden layers, 0 for none (default: 64,64)
--activation: of hidden layers, one of {", ".join(sb.activations())} (default: relu)
--optimizer: one of {", ".join(sb.optimizers())} (default: adam)
--dropout: probability to drop a hidden unit in training, below 1 (default: 0)
--norm: normalise the hidden layers (default: no)
--lr: learning rate (default: the optimizer's)
--l2: penalty l2/2 * sum of W^2 (default: 0)
--epochs: at most (default: 200)
--patience: epochs without progress on the validation rows before training stops (default: 20)
--batch-size: rows of a minibatch (default: 32, or with batch norm the next size that leaves no
    minibatch of one row)
--validation: of the rows to choose the epoch by, between 0 and 1 (default: 0.2)
--test: of the rows to test with, which have no part in training; 0 for none (default: 0.2)
--seed: of weights, shuffling and the parts (default: 0)
--dtype: of all numbers (default: float32)
--precision: what the factors of matrix products are rounded to, one of {", ".join(PRECISIONS)}
    (default: float32)
--quiet: no progress bar and no report
""",
    )
    add("data")
    add("--target", metavar="COLUMN")
    _add_reading(train)
    for option in ("--drop", "--numeric", "--text"):
        add(option, metavar="COLUMN,COLUMN", action="append", default=[])
    add("--task", choices=["auto", "classification", "regression"], default="auto")
    add("--class-weight", metavar="WEIGHTS")
    add("--metric", type=_metric, default="loss", metavar="NAME")
    add("--model", metavar="FILE")
    add("--hidden", metavar="D,D", type=_sizes, default=[64, 64])
    add("--activation", choices=sb.activations(), default="relu", metavar="NAME")
    add("--optimizer", choices=sb.optimizers(), default="adam", metavar="NAME")
    add("--dropout", type=_rate, default=0.0, metavar="P")
    add("--norm", choices=["batch", "layer"])
    add("--lr", type=as_amount)
    add("--l2", type=as_amount, default=0.0)
    add("--epochs", type=_count, default=200)
    add("--patience", type=_count, default=20)
    add("--batch-size", type=_count)
    add("--validation", type=_share, default=0.2, metavar="SHARE")
    add("--test", type=_rate, default=0.2, metavar="SHARE")
    add("--seed", type=_seed, default=0)
    add("--dtype", choices=DTYPES, default="float32")
    add("--precision", choices=PRECISIONS)
    add("--quiet", action="store_true")
    return train


def _adder(command: Any, words: str) -> Callable[..., None]:
    """Return what adds arguments: their help is a line "name: words", or more if indented."""
    helps = dict(entry.split(": ", 1) for entry in re.split(r"\n(?=\S)", words.strip()))

    def add(name: str, **options: Any) -> None:
        command.add_argument(name, help=helps[name], **options)

    return add


def _add_reading(command: Any) -> None:
    """Add what can be said of a file."""
    add = _adder(
        command,
        """
--no-header: the first line of text is data; the columns are called 0, 1, 2, ...
--delimiter: between the columns: a character, tab or space (default: found out)
--encoding: of text (default: UTF-8, else Windows-1252)
--decimal: the decimal mark (default: a point, and with semicolons also a comma)
--thousands: what groups digits by three (default: nothing)
--missing: what else stands for a missing cell, as in --missing=-999, beside NA, n.a., -, ., ?,
    #N/A ...
""",
    )
    add("--no-header", action="store_false", dest="header")
    add("--delimiter", type=_delimiter, metavar="CHARACTER")
    add("--encoding", metavar="NAME")
    add("--decimal", type=_character, metavar="CHARACTER")
    add("--thousands", type=_character, metavar="CHARACTER")
    add("--missing", metavar="TEXT,TEXT", action="append", default=[])


def _add_predict(commands: Any) -> argparse.ArgumentParser:
    predict: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="predict with a saved model",
        description="Write one line for each row of a table, as CSV: the prediction, of a model "
        "that `train` saved; of another one a(L), or the label of text that it has learned.",
    )
    predict.add_argument("model", help="a file that `train`, or net.save, wrote")
    predict.add_argument("data", help="a table with the columns that the model was trained on")
    _add_reading(predict)
    predict.add_argument("--output", metavar="FILE", help="write there (default: stdout)")
    predict.add_argument(
        "--probabilities", action="store_true", help="a column for each class beside it"
    )
    return predict


def _add_export(commands: Any) -> argparse.ArgumentParser:
    export: argparse.ArgumentParser = commands.add_parser(
        "export",
        help="write a saved model as ONNX",
        description="Write a model as one ONNX graph, which other programs run. Of a model that "
        "`train` saved the inputs are the columns, each of shape (N, 1), and the preparation is "
        "in the graph; dates are days since 1970, a missing number is NaN, a missing text empty.",
    )
    export.add_argument("model", help="a file that `train`, or net.save, wrote")
    export.add_argument("output", metavar="FILE", help="where to write, such as model.onnx")
    return export


def _delimiter(text: str) -> str:
    return _character({"tab": "\t", "\\t": "\t", "space": " "}.get(text, text))


def _character(text: str) -> str:
    if len(text) != 1 or text in '\r\n"' or text.isalnum():
        raise argparse.ArgumentTypeError(f"{text!r} must be one character, and no letter or digit")
    return text


def _sizes(text: str) -> list[int]:
    return [] if text.strip() == "0" else [_count(part) for part in text.split(",")]


def _metric(text: str) -> str:
    if text not in _METRICS:
        raise argparse.ArgumentTypeError(unknown("metric", text, _METRICS))
    return text
