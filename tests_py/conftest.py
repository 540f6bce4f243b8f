"""pytest's set-up: warnings are errors, and a fixture for the levels of this CPU."""

from __future__ import annotations

import itertools
import os
import random
import runpy
import shutil
import signal
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import helpers
from swiftbackprop._engine import loader
from swiftbackprop._engine.config import get_num_threads, set_num_threads


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, also when pytest is started without the project's settings."""
    if "error" not in config.getini("filterwarnings"):
        config.addinivalue_line("filterwarnings", "error")
    # Kernels of NumPy's OpenBLAS set this flag for lanes that they throw away (numpy#24067).
    # Every comparison asks for finite numbers itself.
    config.addinivalue_line(
        "filterwarnings", "ignore:invalid value encountered in matmul:RuntimeWarning"
    )
    # pytest-randomly's part is the order; the numbers of a test follow from its name.
    if hasattr(config.option, "randomly_reset_seed"):
        config.option.randomly_reset_seed = False
    # Ignored where pytest runs in the background, and then in its children too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Small products of many threads mostly wait, on cores that other tests need.
    for library in helpers.blas_of_numpy():
        library.set_num_threads(1)
    try:
        import hypothesis
    except ImportError:
        return
    hypothesis.settings.register_profile(
        "swiftbackprop", derandomize=True, database=None, deadline=None
    )
    hypothesis.settings.load_profile("swiftbackprop")


def pytest_report_header() -> list[str]:
    """Say which engine is under test, and which levels of it this CPU cannot run."""
    missing = [name for name in helpers.LEVEL_FLAGS if not helpers.cpu_has(name)]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import swiftbackprop as sb
        where = f"swiftbackprop {sb.__version__} from {sb.__file__}"
    except ImportError as error:
        where = f"swiftbackprop cannot be imported: {error}"
    note = f"levels this CPU cannot run: {', '.join(missing)}" if missing else "all run"
    return [where, f"NumPy {np.__version__}; instruction-set levels: {note}"]


@pytest.fixture(autouse=True)
def seeds_by_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Derive every seed that a test does not give from its name, so that failures repeat."""
    seed = zlib.crc32(request.node.nodeid.rpartition("/")[2].encode())
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002, which estimators without random_state draw from
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    seeds = itertools.count(seed)
    monkeypatch.setattr("swiftbackprop._net.spec.draw_seed", lambda: next(seeds) % 2**32)


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    """Take back the number of threads that a test has set."""
    before = get_num_threads()
    yield
    if get_num_threads() != before:
        set_num_threads(before)


@pytest.fixture
def rng() -> np.random.Generator:
    """A generator with a fixed seed, new for every test."""
    return np.random.default_rng(20240229)


@pytest.fixture(scope="session")
def swift_build() -> Path:
    """The folder of the normal build of these sources: libSwiftBackprop.so and its header."""
    if not (helpers.ROOT / "Package.swift").exists():
        pytest.skip("the Swift sources are not here")
    swift = shutil.which("swift")
    if swift is None:
        pytest.skip("no swift on PATH: install a toolchain (swift.org/install) to run this test")
    runpy.run_path(str(helpers.ROOT / "scratch.py"))["claim"](helpers.ROOT / ".build")
    # What `make sanitize` preloads finds faults of the compiler's own.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    # As in the Makefile: with other flags all would be compiled again.
    command = [swift, "build", "--product", "SwiftBackprop"]
    command += ["-Xswiftc", "-index-ignore-system-modules"]
    done = subprocess.run(
        command, cwd=helpers.ROOT, env=environment,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return helpers.ROOT / ".build" / "debug"


def copy_of_tree(to: Path, *folders: str) -> Path:
    """Copy what the build reads, so that nothing is written beside the sources."""
    for name in (
        "setup.py",
        "scratch.py",
        "pyproject.toml",
        "Package.swift",
        "README.md",
        "MANIFEST.in",
    ):
        if (helpers.ROOT / name).exists():
            shutil.copy2(helpers.ROOT / name, to)
    unwanted = shutil.ignore_patterns("*.so", "_lib", "__pycache__", "*.egg-info")
    for name in ("building", "python", *folders):
        shutil.copytree(helpers.ROOT / name, to / name, ignore=unwanted)
    return to


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the build reads."""
    return copy_of_tree(tmp_path, "Sources")


# An engine that does nothing, and compiles in seconds.
SHIM = """
#include <Python.h>
int sb_answer(void);
static PyObject *level(PyObject *module, PyObject *none) {
  (void)module, (void)none;
  return PyLong_FromLong(SB_LEVEL + sb_answer());
}
static PyMethodDef methods[] = {{"level", level, METH_NOARGS, 0}, {0, 0, 0, 0}};
static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "core", 0, -1, methods, 0, 0, 0, 0};
#define JOIN(a, b) a##b
#define INIT(name) JOIN(PyInit_, name)
PyMODINIT_FUNC INIT(SB_MODULE_NAME)(void) { return PyModule_Create(&definition); }
"""


@pytest.fixture
def small_tree(tmp_path: Path) -> Path:
    """The same build around sources that compile in seconds."""
    if shutil.which("swift") is None:
        pytest.skip("no swift on PATH: install a toolchain (swift.org/install) to run this test")
    tree = copy_of_tree(tmp_path)
    shim, engine = tree / "Sources" / "CBridge", tree / "Sources" / "SwiftBackprop"
    (shim / "include").mkdir(parents=True)
    engine.mkdir()
    shutil.copy2(helpers.ROOT / "Sources" / "CBridge" / "exports.map", shim)
    (shim / "include" / "shim.h").write_text("int sb_answer(void);\n")
    (shim / "module.c").write_text(SHIM)
    (engine / "Answer.swift").write_text(
        '@_cdecl("sb_answer") public func answer() -> Int32 { 40 }\n'
    )
    (tree / "Tests" / "SwiftBackpropTests").mkdir(parents=True)
    (tree / "Tests" / "SwiftBackpropTests" / "Empty.swift").write_text("")
    return tree


@pytest.fixture(params=list(helpers.LEVEL_FLAGS))
def level(request: pytest.FixtureRequest) -> str:
    """Each instruction-set level that the CPU has; the others are reported as skipped."""
    name: str = request.param
    if not helpers.cpu_has(name):
        pytest.skip(f"this CPU cannot run level {name}: not tested here")
    # SWIFTBACKPROP_BUILD_LEVELS leaves levels out, and "native" makes one module of the best.
    number, module = loader.LEVELS[name]
    if import_module("swiftbackprop._core").engine_level() == number:
        return name
    if number == 1 or find_spec(f"swiftbackprop.{module}") is None:
        pytest.skip(f"level {name} was not built for this machine")
    return name


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a good file."""
    from model_files import small

    path = tmp_path_factory.mktemp("good") / "net"
    small().save(path)
    return path.read_bytes()


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    """A folder with flowers.csv, a table for the command line."""
    from cli_runs import write_flowers

    write_flowers(tmp_path / "flowers.csv")
    return tmp_path
