"""Every notebook runs from top to bottom, and is shipped with its outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT

nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code" and cell.source.strip()]


@pytest.mark.skipif(not (ROOT / "README.md").exists(), reason="not a source tree")
def test_there_is_a_first_notebook() -> None:
    assert "01_quickstart.ipynb" in {path.name for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_shipped_with_outputs(path: Path) -> None:
    cells = code_cells(path)
    assert cells
    assert all(cell.execution_count for cell in cells), "a cell was not run"
    kinds = {output.output_type for cell in cells for output in cell.outputs}
    assert kinds
    assert "error" not in kinds
    assert not any(
        output.output_type == "stream" and output.name == "stderr" and "Traceback" in output.text
        for cell in cells
        for output in cell.outputs
    )


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path) -> None:
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = read(path)
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
