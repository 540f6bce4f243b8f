"""Which BLAS is taken, where it is looked for, and what is said of a wrong one."""

from __future__ import annotations

import ctypes.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import TESTS, compiler, cpu_has, run_python, run_python_ok
from test_config import shown

USE = """
import numpy as np
import swiftbackprop as sb
net = sb.Network([3, 4, 2], seed=0)
print(net.predict(np.ones((2, 3), "f4")).shape)
"""


def refusal(path: str) -> str:
    """What a user reads when SWIFTBACKPROP_BLAS is `path`: one exception, no crash."""
    done = run_python(USE, env={"SWIFTBACKPROP_BLAS": path})
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("platform", "wanted"),
    [
        ("linux", "libopenblas.so.0"),
        ("darwin", "/System/Library/Frameworks/Accelerate.framework/Accelerate"),
        ("win32", "libopenblas.dll"),
    ],
)
def test_the_blas_of_a_system(platform: str, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from swiftbackprop._engine import blas

    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(blas, "_can_load", lambda name: True)
    assert list(blas._candidates("system")) == [(wanted, "system")]
    assert ("vendored" in dict(blas._candidates("")).values()) == (
        sb.config()["blas"]["source"] == "vendored"
    )


def test_a_wrong_path_of_a_blas() -> None:
    said = refusal("/no/such/libblas.so")
    assert "/no/such/libblas.so" in said
    assert "SWIFTBACKPROP_BLAS" in said


def test_a_library_that_is_no_blas() -> None:
    name = ctypes.util.find_library("m")
    if name is None:
        pytest.skip("no libm.so to try")
    said = refusal(name)
    assert "libm" in said
    assert re.search("cblas|BLAS", said)


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    file = tmp_path / "libnonsense.so"
    file.write_text("not a library")
    assert "libnonsense.so" in refusal(str(file))
    assert str(tmp_path) in refusal(str(tmp_path))


WRONG = {
    "with names for 64-bit integers": (
        "void cblas_sgemm64_(void) {} void cblas_dgemm64_(void) {}",
        "64-bit integers",
    ),
    "that says it has 64-bit integers": (
        "void cblas_sgemm(void) {} void cblas_dgemm(void) {}"
        'const char *openblas_get_config(void) { return "OpenBLAS 0.3.30 USE64BITINT"; }',
        "64-bit integers",
    ),
    "without dgemm": ("void cblas_sgemm(void) {}", "cblas_sgemm|cblas_dgemm"),
    "that multiplies wrongly": (
        "void cblas_sgemm(void) {} void cblas_dgemm(void) {}",
        "wrong|product|answer|result",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_blas_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    code, reason = WRONG[kind]
    source, library = tmp_path / "fake.c", tmp_path / "libfake.so"
    source.write_text(code)
    command = [compiler("cc", "gcc", "clang"), "-shared", "-fPIC", str(source), "-o", str(library)]
    subprocess.run(command, check=True)
    said = refusal(str(library))
    assert str(library) in said
    assert re.search(reason, said)


def test_numpys_blas_with_64_bit_integers_is_refused() -> None:
    folder = Path(np.__file__).parent.parent / "numpy.libs"
    found = sorted(folder.glob("libscipy_openblas64*")) + sorted(folder.glob("libopenblas64*"))
    if not found:
        pytest.skip("this NumPy brings no OpenBLAS of its own")
    said = refusal(str(found[0]))
    assert found[0].name in said
    assert "64-bit" in said


def test_the_systems_blas() -> None:
    done = run_python(USE, env={"SWIFTBACKPROP_BLAS": "system"})
    found = ctypes.util.find_library("openblas")  # which may be another machine's
    if found and run_python(f"import ctypes; ctypes.CDLL({found!r})").returncode == 0:
        assert done.returncode == 0, done.stderr
        assert "openblas" in shown(SWIFTBACKPROP_BLAS="system").lower()
    else:
        assert done.returncode == 1
        assert "libopenblas" in done.stderr.strip().splitlines()[-1]


def test_a_blas_by_its_path() -> None:
    """The library in use, named by its path, works just as well."""
    path = str(sb.config()["blas"]["file"])
    assert Path(path).is_file()
    assert run_python_ok(USE, env={"SWIFTBACKPROP_BLAS": path}) == "(2, 2)\n"
    assert path in shown(SWIFTBACKPROP_BLAS=path)


NO_OPENBLAS = """
import ctypes, ctypes.util
load, find = ctypes.CDLL, ctypes.util.find_library

class Without(load):
    def __init__(self, name, *arguments, **keywords):
        if name and "openblas" in str(name):
            raise OSError(f"{name}: cannot open shared object file")
        super().__init__(name, *arguments, **keywords)

ctypes.CDLL = Without
ctypes.util.find_library = lambda name: None if "openblas" in name else find(name)
"""


def test_no_blas_at_all_is_said_when_one_is_needed() -> None:
    """The package can be imported and looked at; a product says what to install."""
    said = run_python_ok(
        NO_OPENBLAS
        + """
import swiftbackprop as sb
net = sb.Network([3, 2], seed=0)
sb.show_config()
for call in (lambda: net.predict([[1, 2, 3]]), lambda: net.fit([[1, 2, 3]], [[0, 1]]),
             lambda: sb.set_num_threads(1)):
    try:
        call()
    except RuntimeError as error:
        assert "BLAS" in str(error) and "install" in str(error), error
    else:
        raise SystemExit("no error")
print("said")
""",
        env={"SWIFTBACKPROP_BLAS": ""},
    )
    assert said.endswith("said\n")
    done = run_python(NO_OPENBLAS + USE, env={"SWIFTBACKPROP_BLAS": "system"})
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "install" in last
    assert "libopenblas" in last


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package without the library that it brings."""
    package = Path(sb.__file__).parent
    unwanted = shutil.ignore_patterns("_lib", "__pycache__")
    shutil.copytree(package, tmp_path / "swiftbackprop", ignore=unwanted)
    return tmp_path


WHICH = """
import swiftbackprop as sb
blas = sb.config()["blas"]
print(blas.get("source"), blas.get("file"), blas.get("problem", ""), sep="|")
"""


def which(folder: Path, **env: str) -> list[str]:
    """Where the copy in `folder` found its BLAS: source, file, what was refused."""
    told = {"PYTHONPATH": f"{folder}{os.pathsep}{TESTS}", "SWIFTBACKPROP_BLAS": ""} | env
    done = subprocess.run(
        [sys.executable, "-c", WHICH],
        env={**os.environ, **told}, cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("|")


def test_where_a_blas_is_looked_for(copied: Path) -> None:
    """What SWIFTBACKPROP_BLAS names, then the package's own, then the system's."""
    ours = Path(str(sb.config()["blas"]["file"]))
    library = copied / "swiftbackprop" / "_lib" / "libscipy_openblas.so"
    library.parent.mkdir()
    library.write_text("not a library")  # refused by name, and the search goes on
    source, _, problem = which(copied)
    assert source in ("system", "None")
    assert str(library) in problem
    shutil.copy2(ours, library)
    if "scipy" in ours.name:
        assert which(copied) == ["vendored", str(library), ""]
    assert which(copied, SWIFTBACKPROP_BLAS=str(ours)) == ["SWIFTBACKPROP_BLAS", str(ours), ""]


def test_show_config_names_version_kernel_and_threads() -> None:
    report = sb.config()["blas"]
    assert report["kernel"] in shown()
    assert report["version"] in shown()
    assert report["threads"] == sb.get_num_threads()
    if cpu_has("v3"):
        assert sb.config()["blas"].keys() >= {"file", "source", "version", "kernel", "threads"}
        assert re.search(r"(?i)kernel\s+haswell", shown(OPENBLAS_CORETYPE="Haswell"))
