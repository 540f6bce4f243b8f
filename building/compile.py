"""The Swift toolchain's own compilers, for targets that SwiftPM has no standard library for."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGINE = ROOT / "Sources" / "SwiftBackprop"
BRIDGE = ROOT / "Sources" / "CBridge"
INCLUDE = BRIDGE / "include"
# Otherwise the objects hold a hash of where they are made.
SAME_ANYWHERE = ("-Xfrontend", "-disable-incremental-llvm-codegen")


def run(*command: object) -> str:
    """Run a compiler and return what it says; show that and end if it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed:\n{done.stdout}")
    return done.stdout


def tool(name: str) -> str:
    """Return the program of that name: the Swift toolchain's, whatever else is on PATH."""
    swift = shutil.which("swiftc")
    beside = Path(swift).resolve().parent / name if swift else Path(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        sys.exit(f"This build needs {name}, which comes with the Swift toolchain of swift.org.")
    return found


def is_newer(target: Path, sources: Iterable[Path]) -> bool:
    """Whether `target` was made after the last change of its sources."""
    changed = max(source.stat().st_mtime for source in sources)
    return target.exists() and target.stat().st_mtime > changed


def compile_engine(target: Path, triple: str, for_c: Iterable[str], *more: str) -> None:
    """Compile the engine, every file of its folder at once, as Embedded Swift.

    Parameters
    ----------
    target : Path
        The object file.
    triple : str
        A target whose Embedded standard library the toolchain has.
    for_c : iterable of str
        Options for reading the C headers; those that choose instructions count for Swift too.
    *more : str
        Options of swiftc.
    """
    module_map = target.with_suffix(".modulemap")
    module_map.write_text(f'module CBridge {{ umbrella "{INCLUDE}" export * }}\n', "utf-8")
    flags = [part for flag in for_c for part in ("-Xcc", flag)]
    run(
        *(tool("swiftc"), "-target", triple),
        *("-enable-experimental-feature", "Embedded", "-wmo", "-O", "-swift-version", "6"),
        *("-parse-as-library", "-module-name", "SwiftBackprop"),
        *("-Xfrontend", "-function-sections", *SAME_ANYWHERE, *more),
        *("-Xcc", f"-fmodule-map-file={module_map}", *flags),
        *("-c", *sorted(ENGINE.rglob("*.swift")), "-o", target),
    )
