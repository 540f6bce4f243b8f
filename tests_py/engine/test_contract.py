"""Both sides of the C contract agree: swift_backprop.h and the @_cdecl functions.

`@_cdecl` compiles whatever the header says, so clang is shown both declarations of every
function: the header's and the one the Swift compiler writes of its own sources.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "Sources" / "CBridge" / "include" / "swift_backprop.h"
HANDLES = ("sb_net", "sb_fit", "sb_evaluation", "sb_owner")


@pytest.fixture(scope="module")
def swift_header(swift_build: Path) -> Path:
    """What the Swift compiler says of the entry points."""
    return next(swift_build.rglob("SwiftBackprop-Swift.h"))


def as_swift_sees_it(header: str) -> str:
    """The header with opaque handles as void pointers, as Swift imports them."""
    for handle in HANDLES:
        header = header.replace(f"typedef struct {handle} {handle};", "")
        header = re.sub(rf"(const )?\b{handle}\b \*", "void *", header)
    return header


def declarations(swift_header: Path) -> list[str]:
    """The lines for C functions; the rest of the file is for Objective-C."""
    found = re.findall(r"^SWIFT_EXTERN (.*)$", swift_header.read_text(), re.MULTILINE)
    return [re.sub(r" SWIFT_\w+", "", line) for line in found]


def compare(ours: str, swift_header: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Compile both sets of declarations in one unit."""
    unit = folder / "both.c"
    unit.write_text(as_swift_sees_it(ours) + "\n".join(declarations(swift_header)))
    clang = Path(shutil.which("swift") or "").with_name("clang")
    command = [str(clang), "-fsyntax-only", "-Wno-nullability-completeness", str(unit)]
    return subprocess.run(command, capture_output=True, text=True)


def declared(text: str) -> set[str]:
    return set(re.findall(r"\b(sb_\w+)\(", text))


def test_signatures_agree(swift_header: Path, tmp_path: Path) -> None:
    result = compare(HEADER.read_text(), swift_header, tmp_path)
    assert result.returncode == 0, result.stderr


def test_the_same_functions_on_both_sides(swift_header: Path) -> None:
    header = re.sub(r"//.*", "", HEADER.read_text())
    assert declared(header) == declared("\n".join(declarations(swift_header)))


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("int64_t sb_rule_count(int32_t kind)", "int64_t sb_rule_count(int64_t kind)"),
        ("double sb_work(const sb_net *net, int64_t rows)", "double sb_work(sb_net *net)"),
        ("sb_status sb_step(sb_net *net", "sb_status sb_step(sb_config *net"),
        ("double *loss, sb_error *error", "float *loss, sb_error *error"),
    ],
)
def test_a_wrong_signature_is_found(
    right: str, wrong: str, swift_header: Path, tmp_path: Path
) -> None:
    header = HEADER.read_text()
    assert right in header
    result = compare(header.replace(right, wrong), swift_header, tmp_path)
    assert result.returncode != 0
    assert "conflicting types" in result.stderr
