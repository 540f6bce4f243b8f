"""The arguments of the command line."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any, TypeAlias

import swiftbackprop as sb
from swiftbackprop._recipe import DTYPES
from swiftbackprop._table import ENDINGS

__all__ = ["make_parser"]

Command: TypeAlias = Callable[[argparse.Namespace], None]


def make_parser(
    info: Command, train: Command, predict: Command, bench: Command
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
        "are standardised, texts become one input for each that occurs; what is missing is the "
        "mean, or none of them. The weights of the best epoch on held-out rows are saved.",
    )
    add = train.add_argument
    kinds = ", ".join(ENDINGS)
    add("data", help=f"a table ({kinds}): text with names in its first line, a matrix of rows, "
        "or an archive of X and y")  # fmt: skip
    add("--target", metavar="COLUMN", help="the column to predict (default: y of .npz, the last "
        "column where columns have no names)")  # fmt: skip
    _add_header(train)
    add("--drop", metavar="COLUMN", action="append", default=[], help="leave a column out")
    add("--task", choices=["auto", "classification", "regression"], default="auto",
        help="auto: texts and up to 20 whole numbers are classes")  # fmt: skip
    add("--model", metavar="FILE", help="where to save (default: the name of the data with "
        ".safetensors, in this folder)")  # fmt: skip
    add("--hidden", metavar="D,D", type=_sizes, default=[64, 64], help="units of the hidden "
        "layers, 0 for none (default: 64,64)")  # fmt: skip
    add("--activation", choices=sb.activations(), default="relu", metavar="NAME",
        help=f"of hidden layers, one of {', '.join(sb.activations())} (default: relu)")  # fmt: skip
    add("--optimizer", choices=sb.optimizers(), default="adam", metavar="NAME",
        help=f"one of {', '.join(sb.optimizers())} (default: adam)")  # fmt: skip
    add("--dropout", type=_rate, default=0.0, metavar="P",
        help="probability to drop a hidden unit in training, below 1 (default: 0)")  # fmt: skip
    add("--norm", choices=["batch", "layer"], help="normalise the hidden layers (default: no)")
    add("--lr", type=_amount, help="learning rate (default: the optimizer's)")
    add("--l2", type=_amount, default=0.0, help="penalty l2/2 Σ W² (default: 0)")
    add("--epochs", type=_count, default=200, help="at most (default: 200)")
    add("--patience", type=_count, default=20, help="epochs without progress on held-out rows "
        "that are borne (default: 20)")  # fmt: skip
    add("--batch-size", type=_count, help="rows of a minibatch (default: 32, or with batch norm "
        "the next size that leaves no minibatch of one row)")  # fmt: skip
    add("--validation", type=_share, default=0.2, metavar="SHARE",
        help="of the rows to hold out, between 0 and 1 (default: 0.2)")  # fmt: skip
    add(
        "--seed", type=_seed, default=0, help="of weights, shuffling and held-out rows (default: 0)"
    )
    add("--dtype", choices=DTYPES, default="float32", help="of all numbers (default: float32)")
    add("--quiet", action="store_true", help="no progress bar and no report")
    return train


def _add_header(command: Any) -> None:
    command.add_argument(
        "--no-header", action="store_false", dest="header",
        help="the first line of text is data; the columns are called 0, 1, 2, ...",
    )  # fmt: skip


def _add_predict(commands: Any) -> argparse.ArgumentParser:
    predict: argparse.ArgumentParser = commands.add_parser(
        "predict",
        help="predict with a saved model",
        description="Write one line for each row of a table, as CSV: the prediction, of a model "
        "that `train` saved, or a(L), of another one.",
    )
    predict.add_argument("model", help="a file that `train`, or net.save, wrote")
    predict.add_argument("data", help="a table with the columns that the model was trained on")
    _add_header(predict)
    predict.add_argument("--output", metavar="FILE", help="write there (default: stdout)")
    predict.add_argument(
        "--probabilities", action="store_true", help="a column for each class beside it"
    )
    return predict


def _sizes(text: str) -> list[int]:
    return [] if text.strip() == "0" else [_count(part) for part in text.split(",")]


def _whole(text: str, least: int) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal()) or not least <= int(digits[:20]) < 2**31:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no whole number between {least} and {2**31 - 1}"
        )
    return int(digits)


def _count(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _amount(text: str) -> float:
    return _number(text, "at least 0", lambda value: 0 <= value < math.inf)


def _share(text: str) -> float:
    return _number(text, "between 0 and 1", lambda value: 0 < value < 1)


def _rate(text: str) -> float:
    return _number(text, "from 0 to below 1", lambda value: 0 <= value < 1)


def _number(text: str, limits: str, allowed: Callable[[float], bool]) -> float:
    try:
        value = math.nan if "_" in text else float(text)
    except ValueError:
        value = math.nan
    if not allowed(value):
        raise argparse.ArgumentTypeError(f"{text!r} is no number {limits}")
    return value
