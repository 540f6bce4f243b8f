"""The command line, run in a process of its own, and tables for it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from helpers import said_by
from swiftbackprop._cli.main import main
from swiftbackprop._cli.read_table import read_table
from swiftbackprop._cli.table import Reading, Table


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "swiftbackprop", *map(str, arguments)]


def run(folder: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = said_by(main, folder, *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def complaint(folder: Path, *arguments: object, code: int = 1) -> str:
    """What a command says on stderr when it fails: one sentence, and no output."""
    done = run(folder, *arguments, code=code)
    assert done.stdout == ""
    if code == 1:
        assert done.stderr.startswith("swiftbackprop: ")
        assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def table_of(path: Path, **said: Any) -> Table:
    return read_table(str(path), Reading(**said))


def report_of(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """The lines of a report by their first word; those that go on are joined."""
    lines: dict[str, str] = {}
    for line in done.stdout.splitlines():
        title, rest = line[:10].strip(), line[10:]
        if title:
            last = title
        lines[last] = f"{lines[last]}\n{rest}" if last in lines else rest
    return lines


def write_csv(path: Path, names: str, columns: list[Any]) -> None:
    lines = [names, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]
    path.write_text("\n".join(lines) + "\n", "utf-8")


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def write_flowers(path: Path) -> None:
    """Write a table of three kinds that two numbers and a text tell apart; some cells are empty."""
    rng = np.random.default_rng(0)
    kinds = ["rose", "lily", "pansy"]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "width", "colour", "kind"])
        for n in range(240):
            k = n % 3
            height, width = rng.normal([1000.0 * k, 5.0], [100.0, 0.01])
            colour = "" if n % 20 == 7 else ["red", "white", "blue"][k]
            writer.writerow([f"{height:.1f}" if n % 20 else "NA", f"{width:.4f}", colour, kinds[k]])


def hundred(seed: int = 0) -> tuple[Any, Any]:
    """Ninety numbers, and ninety that follow from them."""
    x = np.random.default_rng(seed).normal(50, 20, size=90).round(3)
    return x, (3 * x + 1).round(3)
