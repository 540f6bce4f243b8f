"""The commands that predict with a saved model and write it as ONNX."""

from __future__ import annotations

import argparse
import csv
import io
import sys
from typing import TYPE_CHECKING

import numpy as np

import swiftbackprop as sb
from swiftbackprop._cli.common import NOTE, as_output, read, remark, tools
from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._import.load import read_notes
from swiftbackprop._net.arrays import FloatArray

if TYPE_CHECKING:
    from swiftbackprop._cli.preprocessing import Preparation
    from swiftbackprop._cli.table import Table
    from swiftbackprop._cli.target import Target


def predict(options: argparse.Namespace) -> None:
    if options.output is not None:
        as_output(options.output, "--output", options.model, options.data)
    net = sb.load(options.model)
    preparation = _preparation(options.model, net)
    table = read(options)
    if preparation is not None:
        frame = preparation.frame(table)
        a = net.predict(preparation.matrix(frame, net.dtype))
        header, rows = _predictions(preparation.target, a, options.probabilities)
        remarks = preparation.unknown(frame)
    elif net.classes_ is not None:  # fit has met labels of text
        from swiftbackprop._cli.target import Target

        classes = Target("class", 0.0, 1.0, tuple(net.classes_.tolist()))
        a = net.predict_proba(_numbers(table, net, options.model))
        header, rows = _predictions(classes, a, options.probabilities)
        remarks = []
    else:
        if options.probabilities:
            raise ValueError(f"{options.model} names no classes: leave --probabilities out")
        a = net.predict(_numbers(table, net, options.model))
        header = [f"a{place}" for place in range(a.shape[1])]
        rows = [[f"{value:.7g}" for value in row] for row in a]
        remarks = []
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    _write(text.getvalue(), options.output)
    for note in [*table.notes, *remarks]:
        remark(note)


def _write(text: str, path: str | None) -> None:
    """Write to a file or to stdout, all or nothing."""
    if path is not None:
        write_whole(path, lambda file: file.write(text.encode()))
        return
    if sys.stdout is None:
        raise ValueError("there is no stdout to write to: give --output")
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"stdout is in {sys.stdout.encoding}, which has no {text[error.start]!r}: give "
            "--output, which writes UTF-8"
        ) from None
    sys.stdout.write(text)


def _preparation(model: str, net: sb.Network) -> Preparation | None:
    """Return what was done with the columns; it stands in a file, and may be anything."""
    notes = read_notes(model)
    if NOTE not in notes:
        return None
    preprocessing, _ = tools()
    try:
        preparation: Preparation = preprocessing.Preparation.from_json(notes[NOTE])
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
    header = [target.name, *(f"p({label})" for label in target.classes)]
    for row, shares in zip(rows, a, strict=True):
        row.extend(f"{share:.7g}" for share in shares)
    return header, rows


def _numbers(table: Table, net: sb.Network, model: str) -> FloatArray:
    """Return a table of numbers alone as X of shape (N, D(0)), in their own dtype."""
    from swiftbackprop._cli.columns import as_numbers

    names = table.examples()
    why = f"is an input of {model}, which takes numbers"
    if len(names) != net.sizes[0]:
        raise ValueError(f"{table.path} has {len(names)} columns, and {model} takes {net.sizes[0]}")
    columns = [
        as_numbers(table, name, why) if table.frame[name].dtype == object else table.frame[name]
        for name in names
    ]
    return np.column_stack(columns)  # predict scales integers


def export(options: argparse.Namespace) -> None:
    as_output(options.output, "FILE", options.model)
    net = sb.load(options.model)
    preparation = _preparation(options.model, net)
    if preparation is None:
        net.to_onnx(options.output)
        return
    from swiftbackprop.sklearn import _onnx

    _onnx.write(preparation.pipeline(net), preparation.example(), options.output)
