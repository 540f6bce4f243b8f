"""Compile the engine for a machine or a C library other than this one's.

SwiftPM has no Embedded standard library for these targets, but the toolchain has one for a target
with the same calling convention and the same objects: bare metal on aarch64, glibc on x86-64. What
differs is the C library, whose headers and files come from Debian's packages.

    python -m building.cross aarch64-linux-gnu FOLDER

puts libSwiftBackprop.so, the engine with its C contract, into the folder.
"""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scratch import claim

from building.compile import BRIDGE, ENGINE, INCLUDE, ROOT, compile_engine, is_newer, run, tool

SCRATCH = ROOT / "build" / "swift" / "cross"
# The same bits at every level and on every machine.
SAME_BITS = ("-Xcc", "-ffp-contract=off")


class Target(NamedTuple):
    """A machine with a C library, by Debian's name of it."""

    swift: str  # the target whose Embedded standard library is taken
    headers: Path
    link: tuple[str, ...]
    flags: tuple[str, ...]  # as SwiftPM takes them
    packages: str
    libraries: Mapping[str, Path] = {}  # by the names under which modules ask for them


TARGETS = {
    "aarch64-linux-gnu": Target(
        "aarch64-none-none-elf",
        Path("/usr/aarch64-linux-gnu/include"),
        (),
        ("-Xswiftc", "-DSB_FMA"),
        "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    ),
    "x86_64-linux-musl": Target(
        "x86_64-unknown-linux-gnu",
        Path("/usr/include/x86_64-linux-musl"),
        # Its start files are for programs alone.
        (
            *("-nostdlib", "-L/usr/lib/x86_64-linux-musl", "-l:libc.musl-x86_64.so.1"),
            "-l:libclang_rt.builtins-x86_64.a",
        ),
        (),
        "musl-dev",
        # As systems call it that have no other: "libc.so", Debian's name, is no musl to auditwheel.
        {"libc.musl-x86_64.so.1": Path("/usr/lib/x86_64-linux-musl/libc.so")},
    ),
}


def check(name: str) -> Target:
    """Return the target of that name, if its C library is here."""
    target = TARGETS.get(name)
    if target is None:
        sys.exit(f"The target is {name!r}; it can be {' or '.join(TARGETS)}.")
    if not target.headers.is_dir():
        sys.exit(
            f"Building for {name} needs its C library, and {target.headers} is not there: "
            f"install it (on Debian: apt-get install {target.packages})."
        )
    return target


def given(flags: Sequence[str], to: str) -> list[str]:
    """Return what SwiftPM would hand on of its flags to one compiler, such as -Xcc."""
    return [flag for option, flag in zip(flags[::2], flags[1::2], strict=True) if option == to]


def marked(scratch: Path, what: object) -> Path:
    """Return a folder for what is made with certain flags."""
    folder = scratch / f"{zlib.crc32(repr(what).encode()):08x}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(name: str, flags: Sequence[str], library: Path, scratch: Path) -> None:
    """Compile what changed since the last time, and link it.

    Parameters
    ----------
    name : str
        The name of the target.
    flags : sequence of str
        Pairs of -Xcc, -Xswiftc or -Xlinker and a flag, as SwiftPM takes them.
    library : Path
        The shared library to make.
    scratch : Path
        The folder of what lies between, of whatever targets and flags.
    """
    target = check(name)
    flags = (*SAME_BITS, *target.flags, *flags)
    ours = [Path(__file__), Path(__file__).with_name("compile.py")]
    headers = list(INCLUDE.glob("*.h"))
    hosted = ("-nostdlibinc", "-isystem", str(target.headers))
    for_c, for_swift = given(flags, "-Xcc"), given(flags, "-Xswiftc")
    # The engine knows no Python, so that the module and the library in C share it.
    for_engine = [flag for flag in for_c if re.match("-[fm]|-DSB_LEVEL", flag)]
    engine = marked(scratch, (name, for_engine, for_swift)) / "engine.o"
    if not is_newer(engine, [*ENGINE.rglob("*.swift"), *headers, *ours]):
        compile_engine(engine, target.swift, (*hosted, *for_engine), *for_swift)
    objects, clang = [engine], (tool("clang"), f"--target={name}")
    for source in sorted(BRIDGE.glob("*.c")):
        objects.append(marked(scratch, (name, for_c)) / f"{source.stem}.o")
        if not is_newer(objects[-1], [source, *BRIDGE.glob("*.h"), *headers, *ours]):
            run(
                *(*clang, "-O2", "-fPIC", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *hosted),
                *(*for_c, "-I", INCLUDE, "-c", source, "-o", objects[-1]),
            )
    library.parent.mkdir(parents=True, exist_ok=True)
    folders = sorted(Path(tool("clang")).parent.parent.glob("lib/swift/clang/lib/linux"))
    folders.append(marked(scratch, name))
    for soname, path in target.libraries.items():
        (folders[-1] / soname).unlink(missing_ok=True)
        (folders[-1] / soname).symlink_to(path)
    linked = run(
        *(*clang, "-shared", "-fuse-ld=lld", "-Wl,--gc-sections", "-Wl,--build-id=none"),
        *("-Wl,-z,defs", "-Wl,--warn-unresolved-symbols"),
        *(f"-Wl,{flag}" for flag in given(flags, "-Xlinker")),
        *("-o", library, *objects, *(f"-L{folder}" for folder in folders), *target.link, "-lm"),
    )
    # The interpreter has its own, and nothing else may be missing.
    missing = set(re.findall(r"undefined symbol: (\S+)", linked))
    missing = {symbol for symbol in missing if not re.match("_?Py", symbol)}
    if missing:
        sys.exit(f"The engine was built and lacks {', '.join(sorted(missing))}.")


def main(name: str, folder: str) -> None:
    """Build the engine with its C contract."""
    scratch = claim(SCRATCH)
    # Else what the engine does not use of Swift's library stays, and asks for what musl has not.
    exports = scratch / "contract.map"
    exports.write_text("{ global: sb_*; local: *; };\n", "utf-8")
    flags = ("-Xcc", "-DSB_LEVEL=1", "-Xlinker", f"--version-script={exports}")
    build(name, flags, Path(folder) / "libSwiftBackprop.so", scratch)


if __name__ == "__main__":
    main(*sys.argv[1:])
