"""What machine this is."""

import os
import platform
from pathlib import Path
from typing import Any

from benchmarks.native import NoCompilerError, peak, unit_peaks, vector_bits
from benchmarks.session import HELD_BACK, Session


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def describe(session: Session) -> dict[str, Any]:
    """Return CPU, threads, versions, BLAS kernels and the peaks of its units in GFLOP/s."""
    workers = session.workers
    versions: dict[str, str] = {}
    for worker in workers.values():
        versions |= worker.hello["versions"]
    report: dict[str, Any] = {
        "CPU": _cpu(),
        "cores": cores(),
        "threads": session.threads,
        "load": os.getloadavg()[0],
        "versions": versions,
        "bfloat16": versions.get("bfloat16 of swiftbackprop"),
        "pools": {name: worker.hello["pools"] for name, worker in workers.items()},
        "removed from the environment": [name for name in HELD_BACK if name in os.environ],
    }
    counts = sorted({1, session.threads})
    try:
        report["peak"] = {
            dtype: {str(n): peak(n, dtype) / 1e9 for n in counts}
            for dtype in ("float32", "float64")
        }
        report["vector bits"] = vector_bits()
    except NoCompilerError as error:
        report["no peak"] = str(error)
    try:
        found = {str(n): unit_peaks(n) for n in counts}
        report["unit peaks"] = {
            name: {n: found[n][name] / 1e9 for n in found} for name in found["1"]
        }
    except NoCompilerError as error:
        report["no unit peaks"] = str(error)
    return report


def lines(report: dict[str, Any]) -> list[str]:
    """Return the report for the terminal."""
    versions = report["versions"]
    engine = {name: versions[name] for name in versions if "swiftbackprop" in name}
    libraries = [
        f"{name} {version}"
        for name, version in versions.items()
        if name not in engine and name != "engine level"
    ]
    text = [
        f"machine    {report['CPU']}, {report['cores']} cores, load {report['load']:.2f}",
        f"threads    {report['threads']} for everybody",
    ]
    if engine:
        text += [
            f"ours       swiftbackprop {engine.get('swiftbackprop')}, engine "
            f"{versions.get('engine level')}, {engine.get('BLAS of swiftbackprop')}",
            f"           kernel {engine.get('kernel of swiftbackprop')}",
            f"           bfloat16 {engine.get('bfloat16 of swiftbackprop')}",
        ]
    text += [f"NumPy      {pool}" for pool in report["pools"].get("numpy", ())]
    text.append(f"versions   {', '.join(libraries)}")
    if report["removed from the environment"]:
        text.append(
            f"removed    {', '.join(report['removed from the environment'])} (worse kernels)"
        )
    if "peak" in report:
        bits = report["vector bits"]
        text.append(f"FMA peak   {_peaks(report['peak'])}, in vectors of {bits} bits")
    else:
        text.append(f"FMA peak   not measured: {report['no peak']}")
    if "unit peaks" in report:
        text.append(f"bfloat16   {_peaks(report['unit peaks']) or 'this CPU has no unit for it'}")
    else:
        text.append(f"bfloat16   peaks not measured: {report['no unit peaks']}")
    return text


def _peaks(peaks: dict[str, dict[str, float]]) -> str:
    return ", ".join(
        f"{name} {value:.0f} GFLOP/s ({n} thread{'s' * (n != '1')})"
        for name, by_threads in peaks.items()
        for n, value in by_threads.items()
    )
