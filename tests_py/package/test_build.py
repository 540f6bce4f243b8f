"""What the build and `make` say when something that they need is missing: one sentence."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT, compiler, cpu_has

pytest.importorskip("setuptools")

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="setup.py is not part of an installation"
)


# setup.py without the package whose OpenBLAS it packs, which may be installed here.
WITHOUT_BLAS = """
import runpy, sys
sys.modules["scipy_openblas32"] = None
sys.argv[0] = "setup.py"
runpy.run_path("setup.py", run_name="__main__")
"""


def build(tree: Path, program: tuple[str, ...] = ("setup.py",), **env: str) -> Any:
    return subprocess.run(
        [sys.executable, *program, "build_ext", "--build-lib", "out", "--build-temp", "temp"],
        cwd=tree, env={**os.environ, **env}, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip


def fake_swift(tree: Path, version: str, before: str = "") -> str:
    """A PATH whose swift does nothing but tell this version, and what is to come before."""
    fake = tree / "bin" / "swift"
    fake.parent.mkdir(parents=True)
    says = f"echo 'Swift version {version} (swift-{version}-RELEASE)'"
    fake.write_text(f"#!/bin/sh\n{before}\n{says}\n")
    fake.chmod(0o755)
    return f"{fake.parent}:/usr/bin:/bin"


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The last line on stderr; the build ended with 1 and without a traceback."""
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    said: str = done.stderr.strip().splitlines()[-1]
    return said


def test_no_swift_toolchain(tree: Path) -> None:
    said = sentence(build(tree, PATH=str(tree)))
    assert "swift" in said.lower()
    assert "install" in said.lower()


def test_an_old_swift_toolchain(tree: Path) -> None:
    said = sentence(build(tree, PATH=fake_swift(tree, "5.9")))
    assert "5.9" in said
    assert "6.2" in said


def test_a_swift_toolchain_that_does_not_run(tree: Path) -> None:
    path = fake_swift(tree, "6.3", "echo 'error: no libm here' >&2; exit 1")
    said = sentence(build(tree, PATH=path))
    assert "does not tell its version. `swift --version` says: error: no libm here" in said


def test_an_empty_time_is_none(tree: Path) -> None:
    """The compilers refuse an empty SOURCE_DATE_EPOCH."""
    path = fake_swift(tree, "5.9", 'test -z "${SOURCE_DATE_EPOCH+set}" || exit 1')
    assert "5.9" in sentence(build(tree, PATH=path, SOURCE_DATE_EPOCH=""))


def test_wrong_build_variables(tree: Path) -> None:
    said = sentence(build(tree, SWIFTBACKPROP_BUILD_BLAS="mine"))
    assert "SWIFTBACKPROP_BUILD_BLAS" in said
    assert "system" in said
    said = sentence(build(tree, SWIFTBACKPROP_BUILD_ENGINE="fast"))
    assert "SWIFTBACKPROP_BUILD_ENGINE" in said


def test_no_blas_to_pack(tree: Path) -> None:
    said = sentence(build(tree, ("-c", WITHOUT_BLAS), PATH=fake_swift(tree, "6.3")))
    assert "scipy-openblas32" in said
    assert "SWIFTBACKPROP_BUILD_BLAS=system" in said


# --- builds by the compiler, of an engine that does nothing ----------------------------------


def levels_built(tree: Path) -> dict[str, int]:
    """What each module in the tree's out/ answers, in processes of their own."""
    found = {}
    for module in sorted((tree / "out" / "swiftbackprop").glob("_core*.so")):
        name = module.name.split(".")[0]
        program = f"import {name}; print({name}.level())"
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=module.parent, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        found[name] = int(done.stdout) - 40
    return found


def test_a_checkout_that_moved_builds_again(small_tree: Path) -> None:
    done = build(small_tree, SWIFTBACKPROP_BUILD_LEVELS="native", SWIFTBACKPROP_BUILD_BLAS="system")
    assert done.returncode == 0, done.stdout + done.stderr
    moved = small_tree.rename(small_tree.with_name("elsewhere"))
    done = build(moved, SWIFTBACKPROP_BUILD_LEVELS="native", SWIFTBACKPROP_BUILD_BLAS="system")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(levels_built(moved)) == ["_core"]


def test_which_levels_are_built(small_tree: Path) -> None:
    """Those of wheels, those of this machine, and one; what an earlier build left goes."""
    system = {"SWIFTBACKPROP_BUILD_BLAS": "system"}
    best = 4 if cpu_has("v4") else 3 if cpu_has("v3") else 1
    done = build(small_tree, **system, SWIFTBACKPROP_BUILD_LEVELS="all")
    assert done.returncode == 0, done.stdout + done.stderr
    if platform.machine() == "x86_64":
        modules = {path.name.split(".")[0] for path in (small_tree / "out").rglob("_core*.so")}
        assert modules == {"_core", "_core_v3", "_core_v4"}
    done = build(small_tree, **system)
    assert done.returncode == 0, done.stdout + done.stderr
    assert levels_built(small_tree) == {"_core": 1} | ({f"_core_v{best}": best} if best > 1 else {})
    done = build(small_tree, **system, SWIFTBACKPROP_BUILD_LEVELS="native")
    assert done.returncode == 0, done.stdout + done.stderr
    assert levels_built(small_tree) == {"_core": best}


def test_scratch_folders_are_kept_in_their_place_and_cleared_elsewhere(tmp_path: Path) -> None:
    """`make` and the tests claim .build with the same program."""
    here = tmp_path / "here"
    here.mkdir()
    shutil.copy2(ROOT / "scratch.py", here)
    command = [sys.executable, "scratch.py", ".build"]
    subprocess.run(command, cwd=here, check=True)
    (here / ".build" / "made").touch()
    subprocess.run(command, cwd=here, check=True)
    assert (here / ".build" / "made").exists()
    there = tmp_path / "there"
    shutil.copytree(here, there)
    subprocess.run(command, cwd=there, check=True)
    assert not (there / ".build" / "made").exists()
    assert (there / ".build").exists()
    assert (here / ".build" / "made").exists()


# --- make ------------------------------------------------------------------------------


def make(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("make") is None or not (ROOT / "Makefile").exists():
        pytest.skip("make and the Makefile are needed")
    return subprocess.run(
        [str(shutil.which("make")), "--no-print-directory", *arguments],
        cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def test_make_alone_lists_the_verbs() -> None:
    said = make().stdout
    for verb in ("demo", "test", "lint", "format", "bench", "wheel", "sanitize", "clean"):
        assert f"  {verb} " in said, verb


def test_what_ci_needs_from_pip_is_installed_beforehand() -> None:
    """`make extras` has what the verbs of .ci/run want; make demo, which is first, has plot."""
    makefile, run = (ROOT / "Makefile"), (ROOT / ".ci" / "run")
    if not run.exists():
        pytest.skip("not a checkout")
    rules = re.findall(r"^([a-z][a-z-]*):(.*?)(?:##|$)", makefile.read_text("utf-8"), re.MULTILINE)
    needs: dict[str, set[str]] = {}
    for verb, needed in rules:
        needs.setdefault(verb, set()).update(re.findall(r"extra-(\w+)", needed))
    calls = re.findall(r"^(?:env .*)?\bmake (.*)$", run.read_text("utf-8"), re.MULTILINE)
    verbs = {word for call in calls for word in call.split() if word in needs}
    assert {"demo", "test", "browser", "test-installs"} <= verbs
    (listed,) = re.findall(r"\$\(VENV\)/extra-%,([a-z ]+)\)", makefile.read_text("utf-8"))
    assert set().union(*(needs[verb] for verb in verbs)) - {"plot"} <= set(listed.split())


COLLECT = """
import sys
sys.modules.update(dict.fromkeys(("sklearn", "scipy", "matplotlib", "pandas", "torch")))
import pytest
sys.exit(pytest.main(["--collect-only", "-qq", "-n", "0", "-p", "no:cacheprovider", sys.argv[1]]))
"""


def test_tests_of_the_engine_need_little_and_run_from_anywhere(tmp_path: Path) -> None:
    """As for other machines: `make test-aarch64`, and wheels by cibuildwheel."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", COLLECT, ROOT / "tests_py" / "engine"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@pytest.mark.parametrize("verb", ["demo", "test"])
def test_make_says_what_to_install(verb: str, tmp_path: Path) -> None:
    """In a fresh state, with nothing made yet: one sentence, before anything is installed."""
    absent, venv = f"PYTHON={sys.executable}", f"VENV={tmp_path / 'venv'}"
    paths = {
        "Swift 6.2": "/usr/bin:/bin",
        "Swift 6.2 or newer": fake_swift(tmp_path, "5.10"),
        "Python 3.11": fake_swift(tmp_path / "other", "6.3"),
    }
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for words, path in paths.items():
        if words == "Swift 6.2" and shutil.which("swift", path=path):
            continue
        python = f"PYTHON={old}" if "Python" in words else absent
        done = make(verb, venv, python, PATH=path)
        assert done.returncode != 0
        lines = done.stdout.strip().splitlines()
        assert len(lines) == 1, done.stdout
        assert words in lines[0]
    assert not (tmp_path / "venv").exists()


def test_a_module_for_musl_asks_for_its_c_library(small_tree: Path) -> None:
    """By the name that auditwheel and Alpine know it by; Debian's is that of glibc's script."""
    headers = Path("/usr/include/x86_64-linux-musl")
    if not headers.is_dir():
        pytest.skip("musl's headers are not here (Debian: musl-dev)")
    target = {"SWIFTBACKPROP_BUILD_TARGET": "x86_64-linux-musl"}
    done = build(small_tree, **target, SWIFTBACKPROP_BUILD_BLAS="system")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("_core", "_core_v3", "_core_v4"):
        module = small_tree / "out" / "swiftbackprop" / f"{name}.abi3.so"
        said = subprocess.run(
            [compiler("readelf", "llvm-readelf"), "-d", str(module)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        assert re.findall(r"NEEDED.*\[(.*)\]", said) == ["libc.musl-x86_64.so.1"]
