"""The notebooks that set peers beside the engine, or need data that are not in the package."""

from __future__ import annotations

import pytest

from helpers import ROOT
from test_notebooks import BESIDE_PEERS, execute, read


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("stem", ["04_loops_and_matrices", *BESIDE_PEERS])
def test_runs(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTEBOOKS_QUICK", "1")
    path = ROOT / f"notebooks/{stem}.ipynb"
    execute(read(path), path.parent)
