"""Do what CONTRIBUTING.md says, in a copy of the tree, and run the tests that it promises.

Every block of Swift or Python stands behind the words that say where it goes: "`path`:" for a new
file, "at the end of `name` in `path`:" for a list, "above `name` in `path`:" for what stands
before it. Blocks of pycon are examples, blocks of sh are commands. Run by `make
contributing-example`, with the Python that has what the tests need.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPY = ROOT / "build" / "contributing"
SITE = COPY / "build" / "site"
SECTION = re.compile(r"^## Add an activation.*?(?=^## )", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PLACE = re.compile(r"(?:(at the end of|above) `(\w+)`\s+in )?`([\w./]+)`:\s*$", re.IGNORECASE)
# What goes through rules without having their names in those of its tests.
FILES = ("config", "contract", "derivatives_page", "import", "memory", "rules", "typing")


def copy_tree() -> None:
    """Copy what git knows or would add; what was built there stays."""
    COPY.mkdir(parents=True, exist_ok=True)
    for path in COPY.iterdir():
        if path.name not in ("build", ".build"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.rmtree(SITE, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, COPY / name)


def put(block: str, place: re.Match[str]) -> None:
    """Put a block where the words before it say."""
    where, name, path = place[1], place[2], COPY / place[3]
    print(f"{where or 'the file'} {name or ''} {place[3]}")
    if where is None:
        if path.exists():
            sys.exit(f"{path} exists already")
        path.write_text(block, "utf-8")
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    found = [i for i, line in enumerate(lines) if re.match(rf"(\s*static var )?{name}\b", line)]
    if len(found) != 1:
        sys.exit(f"{path}: {name} is there {len(found)} times")
    (at,) = found
    if where.lower() == "at the end of":
        while lines[at + 1].rstrip().endswith(("[", "{")):
            at += 1
        indent = re.match(r"\s*", lines[at])
        closing = {(indent[0] if indent else "") + sign for sign in "]}"}
        while lines[at].rstrip() not in closing:
            at += 1
    else:
        block += "\n\n"
    lines.insert(at, block)
    path.write_text("".join(lines), "utf-8")


def run(*command: str, **environment: str) -> None:
    """Run a command in the copy, or end."""
    print("+", *command, flush=True)
    paths = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=COPY, env=os.environ | paths | environment)
    if done.returncode:
        sys.exit(f"{command[0]} failed ({done.returncode}), in {COPY}")


def main() -> None:
    """Apply the blocks, build, and test."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    section = SECTION.search(text)
    if section is None:
        sys.exit("CONTRIBUTING.md has no section on adding an activation")
    examples, commands, rules = [], [], []
    copy_tree()
    for block in BLOCK.finditer(section[0]):
        kind, content = block[1], block[2]
        if kind == "pycon":
            examples.append(content)
        elif kind == "sh":
            commands += content.splitlines()
        else:
            place = PLACE.search(section[0][: block.start()].rstrip())
            if place is None:
                sys.exit(f"nothing says where this goes:\n{content}")
            put(content, place)
            rules += re.findall(r'name: "(\w+)"', content) if place[1] is None else []
    print("new rules:", *rules)

    run("swift", "format", "lint", "--strict", "--recursive", "Sources")
    run(sys.executable, "-m", "ruff", "check", "tests_py")
    run(sys.executable, "-m", "ruff", "format", "--check", "tests_py")
    # On the other core; what goes wrong shows when the tests run.
    build = ("swift", "build", "--build-tests")
    with subprocess.Popen(build, cwd=COPY, stdout=subprocess.DEVNULL):
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps")
        pip += ("--no-build-isolation", "--target")
        run(*pip, os.fspath(SITE), ".", SWIFTBACKPROP_BUILD_LEVELS="native")
        built = {"PYTHONPATH": os.fspath(SITE)}
        for command in commands:
            run(*command.split(), **built)
        blas = SITE / "swiftbackprop" / "_lib" / "libscipy_openblas.so"
        for example in examples:
            (COPY / "build" / "example.txt").write_text(example, "utf-8")
            run(sys.executable, "-m", "doctest", "build/example.txt", **built)
    run("swift", "test", "--disable-xctest", SWIFTBACKPROP_BLAS=os.fspath(blas))
    wanted = " or ".join([*rules, *(f"test_{name}" for name in FILES)])
    run(sys.executable, "-m", "pytest", "-q", "tests_py", "-k", wanted, *sys.argv[1:], **built)


if __name__ == "__main__":
    main()
