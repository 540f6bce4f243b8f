"""Random calls and files, in processes that may die of them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from trust.child import ROOT, Ending, Position, watch

KINDS = {
    "public": "calls of networks, layers and the functions of the package",
    "private": "calls of the extension itself",
    "files": "damaged models, tables, arrays and IDX files",
    "contract": "calls from C",
    "sklearn": "settings of the estimators beside scikit-learn's",
}
# A new process for so many cases: what one leaves behind does not pile up.
_CHUNK = 4000
_SETTINGS = 40  # of estimators in a process; some take a second
_ENDLESS = 10**9


@dataclass
class Found:
    """Something that should not have happened, and the case that it happened in."""

    case: int
    what: str
    calls: str = ""


@dataclass
class Tally:
    """What was run of a kind."""

    kind: str
    cases: int = 0
    seconds: float = 0.0
    found: list[Found] = field(default_factory=list)


def fuzz(kinds: list[str], seed: int, seconds: float, cases: int | None, first: int) -> list[Tally]:
    """Run each kind for its share of the time, or for so many cases."""
    with tempfile.TemporaryDirectory() as folder:
        share = float(_ENDLESS) if cases is not None else seconds / len(kinds)
        most = _ENDLESS if cases is None else cases
        return [_run(kind, seed, share, most, first, Path(folder)) for kind in kinds]


def _run(kind: str, seed: int, seconds: float, cases: int, first: int, folder: Path) -> Tally:
    tally, begin, number = Tally(kind), time.monotonic(), first
    contract = compiled(folder) if kind == "contract" else None
    while number < first + cases and (left := seconds - (time.monotonic() - begin)) > 0:
        count = min(_SETTINGS if kind == "sklearn" else _CHUNK, first + cases - number)
        if kind == "sklearn":
            made = _beside_scikit_learn(seed, number, count, tally)
        else:
            command = _command(kind, contract, seed, number, count, min(left, seconds), folder)
            made = _one_process(command, number, folder, tally)
        tally.cases, number = tally.cases + made, number + made
    tally.seconds = time.monotonic() - begin
    return tally


def _command(
    kind: str, contract: Path | None, seed: int, first: int, count: int, left: float, folder: Path
) -> list[str]:
    numbers = [str(seed), str(first), str(count), f"{left:.1f}", str(folder / "position")]
    if contract is not None:
        return [str(contract), blas(), *numbers]
    return [sys.executable, "-m", "trust.worker", kind, *numbers]


def _one_process(command: list[str], first: int, folder: Path, tally: Tally) -> int:
    """Run a process and return how many cases are done."""
    position = Position(folder / "position")
    position.begin(first)
    ending = watch(command, position)
    last = position.number
    for line in ending.output.splitlines():
        if line.startswith('{"case"'):
            told = json.loads(line)
            tally.found.append(Found(told["case"], told["found"], told["calls"]))
    if ending.how:
        what = f"{ending.how}\n{_without_findings(ending)}"
        tally.found.append(Found(last, what, position.text))
        return last + 1 - first
    done = re.findall(r'^(?:\{"cases": )?(\d+)\}?$', ending.output, re.MULTILINE)
    return int(done[-1])


def _without_findings(ending: Ending) -> str:
    lines = [line for line in ending.output.splitlines() if not line.startswith('{"case"')]
    return "\n".join(lines[-40:])


def _beside_scikit_learn(seed: int, first: int, count: int, tally: Tally) -> int:
    """Run settings whose numbers begin a million apart for every seed."""
    begin = seed * 1_000_000 + first
    environment = {**os.environ, "FUZZ_SEED": str(begin), "FUZZ_SETTINGS": str(count)}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:randomly", "-k",
               "random_settings", "tests_py/estimators/test_sklearn_random.py"]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    for number in re.findall(r"^FAILED .*\[(\d+)\]", done.stdout, re.MULTILINE):
        tally.found.append(Found(int(number) - seed * 1_000_000, done.stdout[-3000:]))
    if done.returncode not in (0, 1):
        tally.found.append(Found(first, f"exit status {done.returncode}\n{done.stdout[-3000:]}"))
    return count


def blas() -> str:
    """Return the library that the package multiplies with."""
    import swiftbackprop as sb

    return str(sb.config()["blas"]["file"])


def compiled(folder: Path) -> Path:
    """Compile contract.c against the engine that `swift build` has made."""
    library = ROOT / ".build" / "debug"
    if not (library / "libSwiftBackprop.so").exists():
        raise SystemExit("no .build/debug/libSwiftBackprop.so: swift build --product SwiftBackprop")
    compiler = shutil.which("cc") or shutil.which("clang") or "cc"
    target = folder / "contract"
    command = [compiler, "-std=c11", "-D_GNU_SOURCE", "-O1", "-g", "-Wall", "-Wextra", "-Werror",
               f"-I{ROOT / 'Sources' / 'CBridge' / 'include'}",
               str(Path(__file__).with_name("contract.c")), "-o", str(target), f"-L{library}",
               "-lSwiftBackprop", f"-Wl,-rpath,{library}", "-ldl", "-lm"]  # fmt: skip
    subprocess.run(command, check=True)
    return target


def replay(kind: str, seed: int, case: int) -> int:
    """Run one case and say what it does, call by call."""
    if kind == "sklearn":
        tally = Tally(kind)
        _beside_scikit_learn(seed, case, 1, tally)
        print("\n".join(found.what for found in tally.found))
        return 1 if tally.found else 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Position(folder / "position").begin(case)
        contract = compiled(folder) if kind == "contract" else None
        command = _command(kind, contract, seed, case, 1, _ENDLESS, folder)
        done = subprocess.run([*command, "say"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        print(done.stdout)
        return 1 if done.returncode or '{"case"' in done.stdout else 0
