"""What ships can be built again byte by byte, and says what it holds."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

import swiftbackprop as sb
from helpers import ROOT

pytest.importorskip("setuptools")

if not (ROOT / "setup.py").exists():
    pytest.skip("setup.py is not part of an installation", allow_module_level=True)

from building.sbom import bill

EPOCH = "1700000000"
SYSTEM = {"SWIFTBACKPROP_BUILD_BLAS": "system", "SWIFTBACKPROP_BUILD_LEVELS": "native"}


def archive(tree: Path, command: str, **env: str) -> Path:
    """What `setup.py <command>` makes of a tree."""
    done = subprocess.run(
        [sys.executable, "setup.py", command, "--dist-dir", "made"],
        cwd=tree, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH, **env},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = (tree / "made").iterdir()
    return made


def moved_copy(tree: Path, to: Path) -> Path:
    """The same files elsewhere, made at other times by another umask."""
    shutil.copytree(tree, to)
    for number, path in enumerate(sorted(to.rglob("*"))):
        os.utime(path, (1.6e9 + number, 1.6e9 + number))
        path.chmod(path.stat().st_mode & ~0o022 if number % 2 else path.stat().st_mode | 0o020)
    return to


def test_a_source_distribution_is_built_again_byte_by_byte(tree: Path, tmp_path: Path) -> None:
    other = moved_copy(tree, tmp_path / "elsewhere" / "copy")
    one, two = archive(tree, "sdist"), archive(other, "sdist")
    assert one.name == two.name
    with tarfile.open(one) as packed:
        members = packed.getmembers()
    assert {member.mtime for member in members} == {int(EPOCH)}
    names = {member.name.partition("/")[2] for member in members}
    assert {"setup.py", "building/cross.py", "Sources/CBridge/module.c"} <= names
    assert one.read_bytes() == two.read_bytes()


def test_a_wheel_is_built_again_byte_by_byte(small_tree: Path, tmp_path: Path) -> None:
    other = moved_copy(small_tree, tmp_path / "elsewhere" / "copy")
    one, two = archive(small_tree, "bdist_wheel", **SYSTEM), archive(other, "bdist_wheel", **SYSTEM)
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(two) as second:
        assert first.namelist() == second.namelist()
        for name in first.namelist():
            assert first.read(name) == second.read(name), name
        (sboms,) = (name for name in first.namelist() if "/sboms/" in name)
        assert sboms.endswith(".dist-info/sboms/swiftbackprop.cdx.json")
        assert json.loads(first.read(sboms))["bomFormat"] == "CycloneDX"
    assert one.read_bytes() == two.read_bytes()


def digests(components: list[dict[str, Any]]) -> dict[str, str]:
    return {
        component["name"]: component["hashes"][0]["content"]
        for component in components
        if "hashes" in component
    }


def test_the_bill_of_materials_names_what_others_made() -> None:
    package = Path(sb.__file__).parent
    document = json.loads(bill(package, sb.__version__, "6.2"))
    assert document["metadata"]["component"]["purl"] == f"pkg:pypi/swiftbackprop@{sb.__version__}"
    components = {component["name"]: component for component in document["components"]}
    assert components["Swift standard library"]["version"] == "6.2"
    wanted = {"Optical Recognition of Handwritten Digits": package / "datasets" / "digits.npz"}
    if (package / "_lib").is_dir():
        (library,) = (package / "_lib").glob("libscipy_openblas*")
        wanted["OpenBLAS"] = library
        assert components["OpenBLAS"]["version"] in str(sb.config()["blas"]["version"])
        assert components["GCC runtime library"]["licenses"] == [
            {"license": {"id": "GPL-3.0-with-GCC-exception"}}
        ]
    found = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in wanted.items()}
    assert digests(document["components"]) == found
    assert bill(package, sb.__version__, "6.2") == bill(package, sb.__version__, "6.2")
