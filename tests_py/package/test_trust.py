"""The hostile calls and faults: that what they find is reported and comes again, and what is kept.

`make fuzz` and `make faults` run them at length.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

import swiftbackprop as sb
from helpers import ROOT

if not (ROOT / "trust").exists():
    pytest.skip("trust/ is not part of an installation", allow_module_level=True)
pytest.importorskip("safetensors")
pytest.importorskip("pandas")

from trust import child, fuzz, report, worker
from trust.files import CORPUS, corpus, outcome

BEGUN = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from trust.child import Position
import faulthandler
faulthandler.enable()
position = Position(Path(sys.argv[1]))
position.begin(41)
position.begin(42)
position.add("net.forward(1)")
"""


def tried(code: str, folder: Path) -> fuzz.Tally:
    """What is made of a process that runs this code in its case 42."""
    tally = fuzz.Tally("public")
    command = [sys.executable, "-c", BEGUN + code, str(folder / "position")]
    tally.cases = fuzz._one_process(command, 40, folder, tally)
    return tally


def test_a_crash_is_reported_with_its_case_and_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # AddressSanitizer takes SIGSEGV for itself.
    tally = tried("os.kill(os.getpid(), signal.SIGABRT)", tmp_path)
    (found,) = tally.found
    assert (found.case, tally.cases) == (42, 3)
    assert found.what.startswith("killed by SIGABRT\nFatal Python error: Aborted")
    assert found.calls == "net.forward(1)\n"
    assert report.show([tally], "fuzz SEED=5") == 1
    assert "make fuzz SEED=5 ONLY=public CASE=42" in capsys.readouterr().out


def test_a_hang_is_reported_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "PATIENCE", 4)
    (found,) = tried("time.sleep(1000)", tmp_path).found
    assert found.case == 42
    assert found.what.startswith("hangs (4 s)\nFatal Python error: Aborted")


def test_a_finding_is_reported_and_the_next_case_begins(tmp_path: Path) -> None:
    told = json.dumps({"case": 42, "found": "IndexError: 3", "calls": "net.layer(3)"})
    tally = tried(f"print({told!r}); print('{{\"cases\": 5}}')", tmp_path)
    assert tally.cases == 5
    assert [(found.case, found.what) for found in tally.found] == [(42, "IndexError: 3")]


@pytest.mark.parametrize("kind", ["public", "private", "files"])
def test_a_case_follows_from_its_number(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the first ones find nothing."""
    monkeypatch.chdir(tmp_path)  # a text may be taken for the name of a file
    threads = sb.get_num_threads()

    def calls(folder: Path) -> list[str]:
        told: list[str] = []
        for number in range(12):
            (folder / str(number)).mkdir(parents=True)
            assert worker.run(kind, 0, number, told.append, folder / str(number)) == "", told
        return told

    first = calls(tmp_path / "first")
    sb.set_num_threads(threads)
    assert len(first) >= 12
    # The addresses of objects are not the same.
    clean = [re.sub(r"0x[0-9a-f]+", "", line) for line in first]
    again = calls(tmp_path / "second")
    sb.set_num_threads(threads)
    assert clean == [re.sub(r"0x[0-9a-f]+", "", line) for line in again]


@pytest.mark.parametrize("error", [ZeroDivisionError, IndexError, SystemError, AssertionError])
def test_errors_that_nobody_meant_are_findings(error: type[Exception]) -> None:
    from trust.calls import Finding, call

    def raises() -> None:
        raise error("what")

    with pytest.raises(Finding, match="what"):
        call(raises)
    assert isinstance(call(lambda: int("x")), ValueError)


# --- The files that are kept -------------------------------------------------------------


def test_models_that_are_kept_come_out_as_they_did() -> None:
    """One for every sentence that refuses a model: python -m trust keep."""
    expected = json.loads((CORPUS / "outcomes.json").read_text("utf-8"))
    assert sorted(expected) == [path.name for path in corpus()]
    assert {path.name: outcome(path) for path in corpus()} == expected
    assert len(set(expected.values())) > 30
    assert max(path.stat().st_size for path in corpus()) <= 4096


def test_unknown_kinds_are_refused_with_those_there_are() -> None:
    from trust.__main__ import chosen

    assert chosen([], ["public", "files"]) == ["public", "files"]
    assert chosen(["files"], ["public", "files"]) == ["files"]
    with pytest.raises(SystemExit, match="unknown kind 'file'; there are public, files"):
        chosen(["file"], ["public", "files"])
