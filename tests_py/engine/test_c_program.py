"""C programs on the C contract: what is learned, and that no argument aborts the process."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import swiftbackprop as sb
from helpers import ROOT, TESTS, compiler

HEADERS = ROOT / "Sources" / "CBridge" / "include"
STRICT = ["-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic"]


def blas() -> str:
    """The library that the installed package multiplies with."""
    file = sb.config()["blas"].get("file")
    if file is None:
        pytest.skip("no BLAS is found here")
    return str(file)


@pytest.fixture
def library(swift_build: Path) -> Path:
    """The folder of libSwiftBackprop.so, the normal dynamic product."""
    assert (swift_build / "libSwiftBackprop.so").exists()
    return swift_build


def built(program: str, library: Path, folder: Path) -> Path:
    """Compile c/<program>.c against the header and the library."""
    target = folder / program
    command = [
        *(compiler("cc", "gcc", "clang"), *STRICT, f"-I{HEADERS}"),
        *(str(TESTS / "engine" / "c" / f"{program}.c"), "-o", str(target)),
        *(f"-L{library}", "-lSwiftBackprop", f"-Wl,-rpath,{library}", "-ldl", "-lm"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(program), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_xor(library: Path, tmp_path: Path) -> None:
    done = run(built("xor", library, tmp_path), blas())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["steps", "float32"], ["fit", "float32"], ["steps", "float64"], ["fit", "float64"],
    ]  # fmt: skip
    assert all(line.endswith("learned") for line in lines)


def test_functions_of_the_callers(library: Path, tmp_path: Path) -> None:
    """A net that asks this program learns what one with the engine's functions does."""
    done = run(built("external", library, tmp_path), blas())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" questions, 0 wrong")


def test_sums_over_processes(library: Path, tmp_path: Path) -> None:
    """Three nets that have the rows between them learn what one does."""
    done = run(built("shared", library, tmp_path), blas())
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" sums, 0 wrong")


def test_nothing_from_c_aborts_the_process(library: Path, tmp_path: Path) -> None:
    program = built("hostile", library, tmp_path)
    for arguments in ((), (blas(),)):
        done = run(program, *arguments)
        assert done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        assert done.stderr == ""  # OpenBLAS prints what it does not like
        assert done.stdout.splitlines()[-1].endswith(" 0 wrong")


def test_what_derivatives_cost(library: Path, tmp_path: Path) -> None:
    """Counted in matrix products: a Jacobian at most D(L) + 1 backward passes, hvp at most
    three times forward and backward together."""
    done = run(built("products", library, tmp_path), blas())
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "0 wrong"
    assert sum(line.startswith("jacobian: ") for line in lines) == 2 + 4 + 4 + 7
    assert sum(line.startswith("hvp: ") for line in lines) == 4


def test_the_header_is_c_and_cpp(tmp_path: Path) -> None:
    source = tmp_path / "use.c"
    source.write_text('#include "swift_backprop.h"\nint main(void) { return SB_OK; }\n')
    for language, name in (("c", "cc"), ("c++", "c++")):
        done = subprocess.run(
            [compiler(name, "gcc", "clang"), "-x", language, "-Wall", "-Wextra", "-Werror",
             "-fsyntax-only", f"-I{HEADERS}", str(source)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_every_entry_point_is_exported(library: Path) -> None:
    """What the header declares is what the library has, and the other way round."""
    import re

    nm = compiler("nm")
    said = subprocess.run(
        [nm, "-D", "--defined-only", str(library / "libSwiftBackprop.so")],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    exported = {line.split()[-1] for line in said.splitlines()}
    header = (HEADERS / "swift_backprop.h").read_text("utf-8")
    code = re.sub(r"//.*", "", header)
    declared = set(re.findall(r"\b(sb_\w+)\s*\((?!\*)", code))
    assert len(declared) > 30
    assert declared <= exported, sorted(declared - exported)
