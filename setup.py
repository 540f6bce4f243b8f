"""Build the engine: SwiftPM compiles, setuptools packs. The metadata is in pyproject.toml.

Read from the environment, at build time only:

SWIFTBACKPROP_BUILD_ENGINE
    "embedded" (the default) builds Embedded Swift, which needs no runtime. "static" builds the
    same sources with the normal standard library linked in, some 8 MB more a module; every
    instruction-set level too, so that the installed package is used in the same way.
    "debug" is for work on the engine: without optimisations only the files that changed are
    compiled, in seconds, but its loops are many times slower (`make develop DEBUG=1`).
    "address" is "embedded" under AddressSanitizer and UndefinedBehaviorSanitizer, "thread"
    under ThreadSanitizer, for `make sanitize`; "coverage" counts what is run, for
    `make coverage`.
SWIFTBACKPROP_BUILD_LEVELS
    "here" (the default) builds the baseline, which runs on every CPU, and the best level of this
    machine's. "all" builds every level: for wheels that go to other machines (`make wheel`).
    "native" builds one module, the best level of this CPU: for work on the engine
    (`make develop`).
SWIFTBACKPROP_BUILD_BLAS
    "vendored" packs the OpenBLAS of scipy-openblas32, "system" packs none. The default is
    "vendored", but on macOS, which has a BLAS, "system".
SWIFTBACKPROP_BUILD_TARGET
    Nothing (the default) builds for this machine; a target of building/cross.py builds every
    level of it, embedded, for a wheel that goes there (`make wheel-aarch64`, `make wheel-musl`).
SOURCE_DATE_EPOCH
    The time, in seconds, of every file in a source distribution or wheel, so that it can be built
    again byte by byte.
"""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import zlib
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent.absolute()
sys.path.insert(0, os.fspath(ROOT))  # pip runs this file without its folder on the path

from building import archives, cross, levels, vendored
from building.compile import SAME_ANYWHERE
from scratch import claim

SWIFT_NEEDED = (6, 2)
PYTHON_NEEDED = 0x030B0000  # the limited API the shim is written against
HEADERS = sysconfig.get_path("include")
# Which has no limited API: a build of its own for each version.
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))

NO_DEBUG_INFO = ("-debug-info-format", "none")  # nine tenths of the file otherwise
EMBEDDED = (
    *("-Xswiftc", "-enable-experimental-feature", "-Xswiftc", "Embedded"),
    *("-Xswiftc", "-Xfrontend", "-Xswiftc", "-function-sections"),
    # gold leaves symbols behind of what it removes, and one is of a glibc newer than the wheel's.
    *(("-Xswiftc", "-use-ld=lld") if sys.platform == "linux" else ()),
)
# What a platform's linker is told.
EXPORTS = ("-Xlinker", f"--version-script={ROOT / 'Sources' / 'CBridge' / 'exports.map'}")
LINKED = {
    "linux": (*EXPORTS, "--disable-local-rpath", "-Xswiftc", "-no-toolchain-stdlib-rpath"),
    "darwin": (
        *("-Xlinker", "-exported_symbol", "-Xlinker", "_PyInit_*"),
        *("-Xlinker", "-undefined", "-Xlinker", "dynamic_lookup"),
    ),
    "win32": ("-Xlinker", f"/LIBPATH:{Path(sys.base_prefix, 'libs')}"),
}
LIBRARIES = {"darwin": "lib_core.dylib", "win32": "_core.dll"}
ENGINES = {
    "embedded": (*EMBEDDED, *NO_DEBUG_INFO),
    # Not --static-swift-stdlib, which skips dynamic products.
    "static": ("-Xswiftc", "-static-stdlib", *NO_DEBUG_INFO),
    # An index of the system's modules would take longer than an edited file.
    "debug": ("-Xswiftc", "-static-stdlib", "-Xswiftc", "-index-ignore-system-modules"),
    "coverage": (
        *(*EMBEDDED, "-Xswiftc", "-profile-generate", "-Xswiftc", "-profile-coverage-mapping"),
        *("-Xcc", "-fprofile-instr-generate", "-Xcc", "-fcoverage-mapping"),
    ),
    # Undefined behaviour is C's: Swift's own checks are in every build. What checks it is in the
    # library of AddressSanitizer, which is preloaded.
    "address": (
        *(*EMBEDDED, "--sanitize=address"),
        *("-Xcc", "-fsanitize=undefined", "-Xcc", "-fno-sanitize-recover=undefined"),
    ),
    "thread": (*EMBEDDED, "--sanitize=thread"),
}
MACHINES = (
    *("linux on x86_64", "linux on aarch64", "darwin on x86_64", "darwin on arm64"),
    "win32 on AMD64",
)

COMPILING = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}


def choice(variable: str, *allowed: str) -> str:
    """Return the value of an environment variable; the first one allowed is the default."""
    value = os.environ.get(variable) or allowed[0]
    if value not in allowed:
        sys.exit(f"{variable} is {value!r}; it can be {' or '.join(filter(None, allowed))}.")
    return value


def check_machine() -> None:
    """Say in one sentence what this machine lacks, before anything is compiled."""
    machine = f"{sys.platform} on {platform.machine()}"
    if machine not in MACHINES:
        sys.exit(f"swiftbackprop builds for {', '.join(MACHINES)}; this is {machine}.")
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
    told = subprocess.run(["swift", "--version"], capture_output=True, text=True)
    found = re.search(r"Swift version (\d+)\.(\d+)", told.stdout)
    if found is None:
        said = " ".join((told.stderr or told.stdout).split()) or "nothing"
        sys.exit(
            f"Building swiftbackprop needs {wanted}, and the swift on PATH does not tell its "
            f"version. `swift --version` says: {said}"
        )
    if (int(found[1]), int(found[2])) < SWIFT_NEEDED:
        sys.exit(f"Building swiftbackprop needs {wanted}, and the swift on PATH is {found[0]}.")
    if TARGET:
        cross.check(TARGET)


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
            target = in_place if self.inplace else built
            vendored.copy_blas(target, in_place, vendored.blas_file(sys.platform))
        super().run()

    def build_extension(self, ext: Extension) -> None:
        name = ext.name.rpartition(".")[2]
        module = Path(self.get_ext_fullpath(ext.name))
        flags = (
            *("-Xcc", "-DSB_PYTHON"),
            *("-Xcc", f"-I{HEADERS}"),
            *(() if FREE_THREADED else ("-Xcc", f"-DPy_LIMITED_API={PYTHON_NEEDED:#010x}")),
            *("-Xcc", f"-DSB_MODULE_NAME={name}"),
            *("-Xcc", f"-DSB_LEVEL={LEVELS[name].number}"),
            *LEVELS[name].flags,
        )
        if TARGET:
            cross.build(TARGET, (*flags, *EXPORTS), module, claim(cross.SCRATCH))
            return
        scratch = claim(scratch_path(name))
        configuration = "debug" if ENGINE == "debug" else "release"
        command = [
            *("swift", "build", "-c", configuration, "--product", "_core"),
            *("--scratch-path", os.fspath(scratch)),
            *cross.SAME_BITS,
            # Who does not ask for the same bytes has what did not change left as it is: an edited
            # file is compiled in two thirds of the time.
            *(part for flag in SAME_ANYWHERE for part in ("-Xswiftc", flag) if REPRODUCIBLE),
            *flags,
            *LINKED[sys.platform],
            *ENGINES[ENGINE],
        ]
        done = subprocess.run(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        if done.returncode:
            sys.exit(f"swift build failed for {ext.name}:\n{done.stdout}")
        library = scratch / configuration / LIBRARIES.get(sys.platform, "lib_core.so")
        if ENGINE not in ("address", "thread"):  # whose symbols come from a preloaded library
            check_symbols(library)
        vendored.replace(library, module)


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
        ctypes.CDLL(os.fspath(library), getattr(os, "RTLD_NOW", 0))
    except OSError as error:
        sys.exit(f"The engine was built and cannot be loaded: {error}")


def relative(*suffixes: str) -> list[str]:
    """List the sources with these suffixes, as paths that setuptools accepts."""
    found = (ROOT / "Sources").rglob("*")
    return sorted(os.fspath(f.relative_to(ROOT)) for f in found if f.suffix in suffixes)


TARGET = choice("SWIFTBACKPROP_BUILD_TARGET", "", *cross.TARGETS)
REPRODUCIBLE = bool(os.environ.get("SOURCE_DATE_EPOCH"))
if not REPRODUCIBLE:
    os.environ.pop("SOURCE_DATE_EPOCH", None)  # an empty one is an error for the compilers
ENGINE = choice("SWIFTBACKPROP_BUILD_ENGINE", *ENGINES)
KINDS = ("vendored", "system")
BLAS = choice("SWIFTBACKPROP_BUILD_BLAS", *sorted(KINDS, reverse=sys.platform != "darwin"))
ALL_LEVELS = levels.levels_of(TARGET.partition("-")[0] or platform.machine())
WHICH = choice("SWIFTBACKPROP_BUILD_LEVELS", "here", "all", "native")
LEVELS = levels.chosen(ALL_LEVELS, "all" if TARGET else WHICH)
if ENGINE == "thread":  # ThreadSanitizer sees nothing of vectors longer than the baseline's
    LEVELS = {"_core": ALL_LEVELS["_core"]}
if COMPILING.intersection(sys.argv):
    check_machine()

WHEEL = {} if FREE_THREADED else {"py_limited_api": "cp311"}
if TARGET:
    WHEEL["plat_name"] = f"linux_{TARGET.partition('-')[0]}"

setup(
    ext_modules=[
        Extension(
            f"swiftbackprop.{name}",
            sources=relative(".c", ".swift"),
            depends=["Package.swift", *relative(".h", ".map")],
            py_limited_api=not FREE_THREADED,
        )
        for name in LEVELS
    ],
    cmdclass={"build_ext": SwiftBuildExt, **archives.COMMANDS},
    options={"bdist_wheel": WHEEL},
)
