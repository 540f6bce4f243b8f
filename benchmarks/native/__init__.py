"""The little C that measures what Python cannot: compiled when it is needed."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

FLAGS = ("-O2", "-march=native", "-ffp-contract=fast", "-shared", "-fPIC", "-pthread")


# Units that multiply bfloat16, by their numbers in units.c.
UNITS = ("dot product (AVX512-BF16)", "tiles (AMX-BF16)")


class NoCompilerError(Exception):
    """The C could not be compiled; the message is a sentence that says why."""


def compiler() -> str | None:
    """Return the C compiler: $CC, cc, gcc or clang."""
    names = (os.environ.get("CC", ""), "cc", "gcc", "clang")
    return next((path for name in names if name and (path := shutil.which(name))), None)


@cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    """Return a folder that goes when this process does."""
    return tempfile.TemporaryDirectory(prefix="swiftbackprop-bench-")


@cache
def build(name: str) -> Path:
    """Compile one file of this folder into a library and return its path.

    Raises
    ------
    NoCompilerError
        If there is no C compiler, or it refuses.
    """
    cc = compiler()
    if cc is None:
        raise NoCompilerError("no C compiler (cc, gcc or clang)")
    source = Path(__file__).with_name(f"{name}.c")
    library = Path(_folder().name) / f"{name}.so"
    made = subprocess.run(
        [cc, *FLAGS, str(source), "-o", str(library)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise NoCompilerError(f"{cc} cannot compile {source.name}: {made.stderr.strip()}")
    return library


@cache
def load(name: str) -> ctypes.CDLL:
    """Compile one file of this folder and load it."""
    return ctypes.CDLL(str(build(name)))


def peak(threads: int, dtype: str = "float32", seconds: float = 0.2) -> float:
    """Return the FMA peak in operations per second, the best of five runs."""
    function = load("peak").peak
    function.restype = ctypes.c_double
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_long]
    double = dtype == "float64"
    # 12 multiply-adds a round, some 6 cycles
    rounds = int(seconds / 5 * 4e8)
    return max(float(function(double, threads, rounds)) for _ in range(5))


def vector_bits() -> int:
    """Return how wide the vectors of `peak` are."""
    return 8 * int(load("peak").vector_bytes())


def unit_peaks(threads: int, seconds: float = 0.04) -> dict[str, float]:
    """Return the peaks of the bfloat16 units of this CPU in operations per second, by name.

    The best of five runs of each; empty where there is none.
    """
    native = load("units")
    native.unit_peak.restype = ctypes.c_double
    native.unit_peak.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_double]
    return {
        name: max(float(native.unit_peak(unit, threads, seconds)) for _ in range(5))
        for unit, name in enumerate(UNITS)
        if native.has_unit(unit)
    }
