"""What runs here, and on how many threads."""

from __future__ import annotations

import operator
import os
import platform
from typing import Any

import numpy as np

from swiftbackprop._engine.loader import blas, core, level_name
from swiftbackprop._version import __version__

# Features of x86-64 CPUs that the engine's levels and OpenBLAS' kernels ask for.
_FEATURES = (
    *("avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"),
    *("avx512_vnni", "avx512_bf16", "amx_bf16"),
)

# Who makes products of bfloat16.
_BF16_UNITS = {
    core.BY_TILE_UNIT: "tile unit (AMX)",
    core.BY_DOT_PRODUCTS: "dot products (AVX512-BF16)",
    core.BY_EMULATION: "emulated by float32",
}

# What a variable does when it is set.
_VARIABLES = {
    "OPENBLAS_CORETYPE": "OpenBLAS takes the kernels of this processor, not of this CPU",
    "OPENBLAS_L2_SIZE": "OpenBLAS plans for this second-level cache, in KB",
    "OPENBLAS_NUM_THREADS": "OpenBLAS starts with this many threads",
    "GOTO_NUM_THREADS": "OpenBLAS starts with this many threads",
    "OMP_NUM_THREADS": "OpenBLAS starts with this many threads",
    "MKL_NUM_THREADS": "MKL starts with this many threads",
    "SWIFTBACKPROP_ISA": "the engine is the build of this instruction-set level",
    "SWIFTBACKPROP_BLAS": "the BLAS is this one",
    "SWIFTBACKPROP_BF16": "bfloat16 products use at most this unit: dot or emulated",
}


def config() -> dict[str, Any]:
    """Return what `show_config` prints.

    Returns
    -------
    dict
        With the keys ``swiftbackprop``, ``python``, ``numpy``, ``engine``, ``cpu``,
        ``blas`` and ``environment``.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.config()["engine"]["level"] in ("baseline", "v3", "v4")
    True
    """
    return {
        "swiftbackprop": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "engine": {
            "level": level_name(core.engine_level()),
            "bfloat16": _BF16_UNITS[core.bf16_unit()],
            "file": core.__file__,
        },
        "cpu": _cpu(),
        "blas": _blas(),
        "environment": {
            name: f"{os.environ[name]} ({meaning})"
            for name, meaning in _VARIABLES.items()
            if os.environ.get(name)
        },
    }


def show_config(as_dict: bool = False) -> dict[str, Any] | None:
    """Print versions, the engine's level, the BLAS, threads and CPU features.

    Variables of the environment that choose or limit any of these are listed too, for
    they may hold the engine back.

    Parameters
    ----------
    as_dict : bool, default False
        Return the report, as `config` does, instead of printing it.

    Returns
    -------
    dict or None

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> sb.show_config()  # doctest: +ELLIPSIS
    swiftbackprop 0.1.0...
    """
    report = config()
    if as_dict:
        return report
    print(_text(report))  # noqa: T201 - a report that was asked for
    return None


def set_num_threads(n: int) -> None:
    """Set how many threads the BLAS takes.

    The number holds for the whole process and for everybody who uses the same library:
    with the system's OpenBLAS that may be NumPy as well. One thread and two give results
    that differ in the last bits. A `fit` that runs in another thread takes the new number
    with its next batch.

    Parameters
    ----------
    n : int
        At least 1; the library takes no more than it was built for.

    Raises
    ------
    ValueError
        If n is less than 1.
    RuntimeError
        If there is no BLAS, or one whose threads cannot be set.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> before = sb.get_num_threads()
    >>> sb.set_num_threads(1)
    >>> sb.get_num_threads()
    1
    >>> sb.set_num_threads(before)
    """
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(
            f"n must be an int, the number of threads, got {n!r:.60} ({type(n).__name__})"
        ) from None
    if count < 1:
        raise ValueError(f"n, the number of threads, must be an int >= 1, got {count}")
    library = blas.library
    if library is None:
        raise RuntimeError(blas.problem)
    if not core.set_num_threads(min(count, 2**31 - 1)):
        raise RuntimeError(f"{library.path} has no function that sets its threads")


def get_num_threads() -> int:
    """Return how many threads the BLAS takes.

    Raises
    ------
    RuntimeError
        If there is no BLAS, or one that does not tell.
    """
    library = blas.library
    if library is None:
        raise RuntimeError(blas.problem)
    threads = core.num_threads()
    if not threads:
        raise RuntimeError(f"{library.path} has no function that tells its threads")
    return threads


def _blas() -> dict[str, Any]:
    library = blas.library
    report: dict[str, Any] = {}
    if library is not None:
        report = {
            "file": library.path,
            "source": library.source,
            "version": library.version,
            "kernel": library.kernel,
            "threads": core.num_threads() or None,
        }
    return report | ({"problem": blas.problem} if blas.problem else {})


def _cpu() -> dict[str, Any]:
    """Return what Linux tells of the CPU; on other systems what Python knows."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        text = ""
    fields: dict[str, str] = {}
    for line in text.partition("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    flags = set(fields.get("flags", "").split())
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        "level": level_name(core.cpu_level()),
        "cores": _cores(),
        "features": [name for name in _FEATURES if name in flags],
    }


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _text(report: dict[str, Any]) -> str:
    engine, cpu, library = report["engine"], report["cpu"], report["blas"]
    environment = report["environment"]
    rows = [
        ("Python, NumPy", f"{report['python']}, {report['numpy']}"),
        ("engine", f"level {engine['level']} ({os.path.basename(engine['file'])})"),
        ("bfloat16", engine["bfloat16"]),
        ("CPU", f"{cpu['model']}, {cpu['cores']} cores, level {cpu['level']}"),
        ("features", " ".join(cpu["features"]) or "unknown"),
    ]
    if "file" in library:
        rows += [
            ("BLAS", f"{library['file']} ({library['source']})"),
            ("version", library["version"]),
            ("kernel", library["kernel"]),
            ("threads", str(library["threads"] or "unknown")),
        ]
    if "problem" in library:
        rows.append(("BLAS refused" if "file" in library else "BLAS", library["problem"]))
    rows += [(f"${name}", value) for name, value in environment.items()]
    if not environment:
        rows.append(("environment", "no variable chooses or limits anything"))
    width = max(len(name) for name, _ in rows)
    lines = [f"{name:<{width}}  {value}" for name, value in rows]
    return "\n".join([f"swiftbackprop {report['swiftbackprop']}", *lines])
