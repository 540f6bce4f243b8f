"""Build the engine: SwiftPM compiles, setuptools packs. The metadata is in pyproject.toml.

Read from the environment, at build time only:

SWIFTBACKPROP_BUILD_ENGINE
    "embedded" (the default) builds Embedded Swift, which needs no runtime. "static" builds the
    same sources with the normal standard library linked in, some 8 MB more a module; every
    instruction-set level too, so that the installed package is used in the same way.
    "address" is "embedded" under AddressSanitizer and UndefinedBehaviorSanitizer, for
    `make sanitize`.
SWIFTBACKPROP_BUILD_LEVELS
    "here" (the default) builds the baseline, which runs on every CPU, and the best level of this
    machine's. "all" builds every level: for wheels that go to other machines (`make wheel`).
    "native" builds one module, the best level of this CPU: for work on the engine
    (`make develop`).
SWIFTBACKPROP_BUILD_BLAS
    "vendored" (the default) packs the OpenBLAS of scipy-openblas32; "system" packs none.
"""

import ctypes
import importlib.util
import os
import platform
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
import zlib
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.absolute()
# Not an import: pip runs this file without its folder on the path.
claim = runpy.run_path(os.fspath(ROOT / "scratch.py"))["claim"]
SWIFT_NEEDED = (6, 2)
PYTHON_NEEDED = 0x030B0000  # the limited API the shim is written against
HEADERS = sysconfig.get_path("include")
BLAS_FILE = "libscipy_openblas.so"  # threadpoolctl finds libraries by this prefix


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
# What /proc/cpuinfo calls the instructions that a level adds.
CPU_FLAGS = {
    "_core_v3": {"avx2", "fma", "bmi1", "bmi2", "movbe", "f16c", "abm"},
    "_core_v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}

NO_DEBUG_INFO = ("-debug-info-format", "none")  # nine tenths of the file otherwise
EMBEDDED = (
    *("-Xswiftc", "-enable-experimental-feature", "-Xswiftc", "Embedded"),
    # gold leaves symbols behind of what it removes, and one is of a glibc newer than the wheel's.
    *("-Xswiftc", "-Xfrontend", "-Xswiftc", "-function-sections", "-Xswiftc", "-use-ld=lld"),
)
ENGINES = {
    "embedded": (*EMBEDDED, *NO_DEBUG_INFO),
    # Not --static-swift-stdlib, which skips dynamic products.
    "static": ("-Xswiftc", "-static-stdlib", *NO_DEBUG_INFO),
    # Undefined behaviour is C's: Swift's own checks are in every build. What checks it is in the
    # library of AddressSanitizer, which is preloaded.
    "address": (
        *(*EMBEDDED, "--sanitize=address"),
        *("-Xcc", "-fsanitize=undefined", "-Xcc", "-fno-sanitize-recover=undefined"),
    ),
}

COMPILING = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}


def choice(variable: str, *allowed: str) -> str:
    """Return the value of an environment variable; the first one allowed is the default."""
    value = os.environ.get(variable) or allowed[0]
    if value not in allowed:
        sys.exit(f"{variable} is {value!r}; it can be {' or '.join(allowed)}.")
    return value


def best(levels: dict[str, Level]) -> str:
    """Return the name of the best of these levels that this CPU runs."""
    info = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    found = re.search(r"^flags\s*:(.*)$", info, re.MULTILINE)
    has = set(found[1].split()) if found else set()
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


def check_machine() -> None:
    """Say in one sentence what this machine lacks, before anything is compiled."""
    machine = f"{sys.platform} on {platform.machine()}"
    if machine not in ("linux on x86_64", "linux on aarch64"):
        sys.exit(f"swiftbackprop builds for Linux on x86-64 and aarch64; this is {machine}.")
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        sys.exit(
            "swiftbackprop needs a CPython with the GIL, and this one is free-threaded: "
            "install with an ordinary CPython 3.11 or newer."
        )
    if not Path(HEADERS, "Python.h").exists():
        sys.exit(
            f"Building swiftbackprop needs the C headers of Python {platform.python_version()}, "
            f"and {HEADERS} has no Python.h: install them (on Debian: apt-get install "
            "python3-dev)."
        )
    wanted = f"Swift {SWIFT_NEEDED[0]}.{SWIFT_NEEDED[1]} or newer"
    if shutil.which("swift") is None:
        sys.exit(
            f"Building swiftbackprop needs {wanted}, and no swift is on PATH: "
            "install a toolchain from swift.org/install and put its usr/bin on PATH."
        )
    said = subprocess.run(["swift", "--version"], capture_output=True, text=True).stdout
    found = re.search(r"Swift version (\d+)\.(\d+)", said)
    if found is None or (int(found[1]), int(found[2])) < SWIFT_NEEDED:
        have = found[0] if found else "one that does not tell its version"
        sys.exit(f"Building swiftbackprop needs {wanted}, and the swift on PATH is {have}.")


class SwiftBuildExt(build_ext):
    """Build every level with SwiftPM and put the BLAS library beside them."""

    def finalize_options(self) -> None:
        super().finalize_options()
        # All at once: of three on two cores one would work alone at the end.
        self.parallel = self.parallel or len(LEVELS)

    def run(self) -> None:
        built = Path(self.build_lib, "swiftbackprop", "_lib")
        in_place = ROOT / "python" / "swiftbackprop" / "_lib"
        # A level that an earlier build left would be preferred to this one's.
        core = Path(self.get_ext_fullpath("swiftbackprop._core"))
        for name in ALL_LEVELS.keys() - LEVELS.keys():
            core.with_name(core.name.replace("_core", name, 1)).unlink(missing_ok=True)
        if BLAS == "system":
            shutil.rmtree(built, ignore_errors=True)  # an earlier build's
        else:
            copy_blas(in_place if self.inplace else built, fallback=in_place)
        super().run()

    def build_extension(self, ext: Extension) -> None:
        name = ext.name.rpartition(".")[2]
        scratch = claim(scratch_path(name))
        command = [
            *("swift", "build", "-c", "release", "--product", "_core"),
            *("--scratch-path", os.fspath(scratch)),
            *("-Xcc", "-DSB_PYTHON"),
            *("-Xcc", f"-I{HEADERS}"),
            *("-Xcc", f"-DPy_LIMITED_API={PYTHON_NEEDED:#010x}"),
            *("-Xcc", f"-DSB_MODULE_NAME={name}"),
            *("-Xcc", f"-DSB_LEVEL={LEVELS[name].number}"),
            *("-Xcc", "-ffp-contract=off"),  # the same bits at every level
            *("-Xlinker", f"--version-script={ROOT / 'Sources' / 'CBridge' / 'exports.map'}"),
            *("--disable-local-rpath", "-Xswiftc", "-no-toolchain-stdlib-rpath"),
            *ENGINES[ENGINE],
            *LEVELS[name].flags,
        ]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            sys.exit(f"swift build failed for {ext.name}:\n{done.stdout}")
        library = scratch / "release" / "lib_core.so"
        if ENGINE != "address":  # whose symbols come from a preloaded library
            check_symbols(library)
        replace(library, Path(self.get_ext_fullpath(ext.name)))


def scratch_path(name: str) -> Path:
    """Return where SwiftPM keeps what it compiles for one module, engine and Python.

    Not in setuptools' build_temp, which is another folder in every editable install. Each set
    of flags has a folder of its own: SwiftPM compiles everything anew when they change.
    """
    python = f"{zlib.crc32(HEADERS.encode()):08x}"
    level = LEVELS[name].number
    return ROOT / "build" / "swift" / f"{ENGINE}-{name}-{level}-{python}"


def check_symbols(library: Path) -> None:
    """Load what was built: the linker lets undefined symbols pass."""
    try:
        ctypes.CDLL(os.fspath(library), os.RTLD_NOW)
    except OSError as error:
        sys.exit(f"The engine was built and cannot be loaded: {error}")


def copy_blas(target: Path, fallback: Path) -> None:
    """Copy OpenBLAS and its licence texts into `target`, or keep the copy that is there."""
    spec = importlib.util.find_spec("scipy_openblas32")
    if spec is not None and spec.submodule_search_locations:
        package = Path(spec.submodule_search_locations[0])
        dist = metadata.distribution("scipy-openblas32")
        licences = [
            Path(os.fspath(dist.locate_file(file)))
            for file in dist.files or ()
            if re.search("licen[cs]e|copying", file.name, re.IGNORECASE)
        ]
        files = [package / "lib" / BLAS_FILE, *licences]
    elif (target / BLAS_FILE).exists():
        return
    elif (fallback / BLAS_FILE).exists():
        files = [file for file in fallback.iterdir() if file.is_file()]
    else:
        sys.exit(
            "scipy-openblas32, the source of the OpenBLAS that swiftbackprop packs, is not "
            "installed: build with pip's isolation, or install the version pinned in "
            "pyproject.toml, or set SWIFTBACKPROP_BUILD_BLAS=system to use the system's BLAS."
        )
    for file in files:
        name = file.name if file.name.startswith(("lib", "OpenBLAS")) else f"OpenBLAS-{file.name}"
        replace(file, target / name)


def replace(source: Path, target: Path) -> None:
    """Copy a file over another one, which a running process may have mapped."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy2(source, target)


def relative(*suffixes: str) -> list[str]:
    """List the sources with these suffixes, as paths that setuptools accepts."""
    found = (ROOT / "Sources").rglob("*")
    return sorted(os.fspath(f.relative_to(ROOT)) for f in found if f.suffix in suffixes)


ENGINE = choice("SWIFTBACKPROP_BUILD_ENGINE", *ENGINES)
BLAS = choice("SWIFTBACKPROP_BUILD_BLAS", "vendored", "system")
ALL_LEVELS = AARCH64 if platform.machine() == "aarch64" else X86_64
LEVELS = chosen(ALL_LEVELS, choice("SWIFTBACKPROP_BUILD_LEVELS", "here", "all", "native"))
if COMPILING.intersection(sys.argv):
    check_machine()

setup(
    ext_modules=[
        Extension(
            f"swiftbackprop.{name}",
            sources=relative(".c", ".swift"),
            depends=["Package.swift", *relative(".h", ".map")],
            py_limited_api=True,
        )
        for name in LEVELS
    ],
    cmdclass={"build_ext": SwiftBuildExt},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
