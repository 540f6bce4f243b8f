"""What the build and `make` say when something that they need is missing: one sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT

pytest.importorskip("setuptools")

pytestmark = pytest.mark.skipif(
    not (ROOT / "setup.py").exists(), reason="setup.py is not part of an installation"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the build reads, so that nothing is written beside the sources."""
    for name in ("setup.py", "pyproject.toml", "Package.swift", "README.md", "MANIFEST.in"):
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, tmp_path)
    unwanted = shutil.ignore_patterns("*.so", "_lib", "__pycache__", "*.egg-info")
    for name in ("Sources", "python"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=unwanted)
    return tmp_path


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


def fake_swift(tree: Path, version: str) -> str:
    """A PATH whose swift does nothing but tell this version."""
    fake = tree / "bin" / "swift"
    fake.parent.mkdir(parents=True)
    fake.write_text(f"#!/bin/sh\necho 'Swift version {version} (swift-{version}-RELEASE)'\n")
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
