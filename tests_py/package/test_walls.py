"""What docs/design.md says and no linter holds: the picture, who owns memory, what lasts."""

from __future__ import annotations

import configparser
import re

from helpers import ROOT

ENGINE = ROOT / "Sources" / "SwiftBackprop"
BRIDGE = ROOT / "Sources" / "CBridge"

# A variable of a file: at the left edge, not constant, neither a function nor one of CPython's
# tables, which are only read.
STATIC = re.compile(
    r"^(?!static const|const|typedef|extern|return|static Py|struct|static struct|enum|#)"
    r"(?:static )?(?:_Atomic(?:\([^)]*\))?|\w+)(?: |\w|\*)*?[ *](\w+)(?:\[[^\]]*\])?"
    r"(?: = [^;{]*)?;",
    re.MULTILINE,
)
# One of Swift: at the left edge or static, and given a value.
STORED = re.compile(
    r"^(?:public |private )?var [^{\n]*=.*|^.*\bstatic var [^{\n]*=.*", re.MULTILINE
)


def without_comments(source: str) -> str:
    return re.sub(r"//.*", "", source)


def test_heap_memory_is_owned_in_one_file() -> None:
    owners = {
        str(path.relative_to(ENGINE))
        for path in ENGINE.rglob("*.swift")
        if re.search(r"\bsb_(de)?allocate\b|\.(de)?allocate\(|\bmalloc\(", path.read_text())
    }
    assert owners == {"Memory/Storage.swift"}


def test_every_static_of_c_is_in_the_table_of_them() -> None:
    found = {
        name
        for path in BRIDGE.glob("*.c")
        for name in STATIC.findall(without_comments(path.read_text()))
    } - {"sb_without_python"}
    text = (ROOT / "docs" / "design.md").read_text()
    table = text.partition("### What lasts")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    assert found == set(re.findall(r"`(\w+)`", " ".join(rows)))


def test_swift_has_no_variables_beside_those_of_objects() -> None:
    found = {path.name: STORED.findall(path.read_text()) for path in ENGINE.rglob("*.swift")}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_the_picture_shows_the_layers_that_are_held() -> None:
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    held = contracts["importlinter:contract:wings"]["layers"].replace(" : ", " ").split("\n")
    text = (ROOT / "docs" / "design.md").read_text().partition("## The house")[2]
    python, _, engine = text.partition("SWIFT")
    drawn = re.findall(r"^ {8}(\S+(?:  ?\S+)?)(?= {3,}|$)", python, re.MULTILINE)
    assert [" ".join(line.split()) for line in drawn] == [line for line in held if line]
    parts = {path.name for path in ENGINE.iterdir()}
    lines = re.findall(
        r"^ {8}(\S+(?:  \S+)*)(?= {3,}|$)", engine.partition("BLAS ")[0], re.MULTILINE
    )
    assert {name for line in lines for name in line.split("  ")} == parts
