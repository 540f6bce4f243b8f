"""The instruction-set levels that the engine is compiled for, one module each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Level(NamedTuple):
    """One build of the engine: the number it reports and the flags that make it."""

    number: int
    flags: tuple[str, ...]


# The whole engine is compiled once per level, and one of them is imported: code of different
# levels in one image would share symbols. -Xcc -march drives Swift's code generation as well.
X86_64 = {
    "_core": Level(1, ()),
    "_core_v3": Level(3, ("-Xcc", "-march=x86-64-v3", "-Xswiftc", "-DSB_FMA")),
    "_core_v4": Level(
        4,
        (
            *("-Xcc", "-march=x86-64-v4", "-Xcc", "-mprefer-vector-width=512"),
            *("-Xswiftc", "-DSB_FMA", "-Xswiftc", "-DSB_AVX512"),
        ),
    ),
}
AARCH64 = {"_core": Level(1, ("-Xswiftc", "-DSB_FMA"))}
# What /proc/cpuinfo call the instructions that a level adds.
CPU_FLAGS = {
    "_core_v3": {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c", "abm"},
    "_core_v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def levels_of(machine: str) -> dict[str, Level]:
    """Return the levels of a machine, as platform.machine() calls it, by their modules."""
    return AARCH64 if machine in ("aarch64", "arm64") else X86_64


def cpu_flags() -> set[str]:
    """Return what instructions this CPU has; nothing where that is not told."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return set()
    found = re.search(r"^flags\s*:(.*)$", info, re.MULTILINE)
    return set(found[1].split()) if found else set()


def best(levels: dict[str, Level]) -> str:
    """Return the name of the best of these levels that this CPU runs."""
    has = cpu_flags()
    name = "_core"
    for better, needed in CPU_FLAGS.items():
        if better not in levels or not needed <= has:
            break
        name = better
    return name


def chosen(levels: dict[str, Level], which: str) -> dict[str, Level]:
    """Return the levels to build, by the names of their modules."""
    if which == "all":
        return levels
    name = best(levels)
    if which == "native":
        return {"_core": levels[name]}
    return {"_core": levels["_core"], name: levels[name]}
