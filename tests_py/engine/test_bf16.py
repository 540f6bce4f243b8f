"""The kernels of bfloat16, in a C program that makes the pieces in another way."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

import pytest
from building.compile import BRIDGE, INCLUDE, tool

from helpers import LEVEL_FLAGS, TESTS, cpu_has
from rounding import unit_here


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bf16")


@cache
def program(folder: Path, level: str, in_c: bool) -> Path:
    """The program for a level, which is told what is to multiply."""
    made = folder / f"{level}-{in_c}"
    done = subprocess.run(
        [
            *(tool("clang"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"),
            *(f"-I{INCLUDE}", f"-I{TESTS / 'engine' / 'c'}"),
            *(['-DSB_TILES_IN_C="tiles.h"'] if in_c else []),
            *([] if level == "baseline" else [f"-march=x86-64-{level}"]),
            *("-fsanitize=undefined", "-fno-sanitize-recover=undefined"),
            *map(str, (BRIDGE / "bf16.c", BRIDGE / "bf16_x86.c", TESTS / "engine/c/bf16.c")),
            *("-lm", "-o", str(made)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return made


@pytest.mark.parametrize("level", LEVEL_FLAGS)
@pytest.mark.parametrize("unit", ["emulated", "dot", "tiles"])
def test_kernels(unit: str, level: str, folder: Path) -> None:
    """Every shape, order and number of pieces, and numbers that are not finite.

    Where the CPU has no tiles their steps are made in C; dot products need the CPU that has them.
    """
    here, x86 = unit_here(), platform.machine() == "x86_64"
    if not cpu_has(level) or (unit != "emulated" and not x86):
        pytest.skip(f"this CPU has no {unit} at level {level}")
    if unit == "dot" and here == "emulated":
        pytest.skip("this CPU has no dot products: the program would emulate them again")
    # Compiling takes most of the time: one that has tiles in C emulates too.
    in_c = x86 and here != "tiles" and (unit == "tiles" or here == "emulated")
    only = {} if unit == "tiles" else {"SWIFTBACKPROP_BF16": unit}
    done = subprocess.run(
        [program(folder, level, in_c)], env=only, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{unit}: 0 wrong\n")
