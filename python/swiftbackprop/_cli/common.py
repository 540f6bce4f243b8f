"""What the commands on tables share."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from swiftbackprop._export.atomic_file import as_target
from swiftbackprop._net.optional import optional

if TYPE_CHECKING:
    from swiftbackprop._cli.table import Table


NOTE = "table"  # in the model's file: what is done with the columns


def tools() -> Any:
    """Import what reads and prepares tables, which info and bench do not need."""
    for name in ("pandas", "safetensors", "sklearn"):
        optional(
            name,
            "tables are read with pandas, prepared with scikit-learn and models kept with "
            f"safetensors, and {name} is not installed: "
            "pip install pandas scikit-learn safetensors",
        )
    from swiftbackprop._cli import preprocessing, report

    return preprocessing, report


def read(options: argparse.Namespace) -> Table:
    tools()
    from swiftbackprop._cli.read_table import read_table
    from swiftbackprop._cli.table import Reading

    reading = Reading(
        options.header,
        options.delimiter,
        options.encoding,
        options.decimal,
        options.thousands,
        frozenset(part for text in options.missing for part in text.split(",")),
    )
    return read_table(options.data, reading)


def as_output(path: str, option: str, *inputs: str) -> None:
    """Fail before the work if a file cannot be written, or is one of those that are read."""
    target = as_target(path)
    for given in inputs:
        if os.path.exists(target) and os.path.exists(given) and os.path.samefile(target, given):
            raise ValueError(
                f"{option} {path} is a file that is read, and would be lost: give another name"
            )


def remark(sentence: str) -> None:
    if sys.stderr is not None:
        print(f"swiftbackprop: note: {sentence}", file=sys.stderr)
