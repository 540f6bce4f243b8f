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


@pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="not a source tree")
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


def execute(notebook: Any, folder: Path) -> None:
    """Run every cell; an error in one is raised."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path) -> None:
    pytest.importorskip("matplotlib")  # they draw
    execute(read(path), path.parent)


@pytest.mark.filterwarnings("default")
def test_progress_and_pictures_in_a_notebook(tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell
    notebook = nbformat.v4.new_notebook(
        cells=[
            cell(
                "import numpy as np, swiftbackprop as sb\n"
                "net = sb.Network([3, 4, 2], output='softmax', seed=0)\n"
                "history = net.fit(np.ones((50, 3)), np.zeros(50, int), epochs=2)"
            ),
            cell("net"),
        ]
    )
    execute(notebook, tmp_path)
    shown = "".join(
        output.get("text", "") + str(output.get("data", "")) for output in notebook.cells[0].outputs
    )
    # A line of text, or a widget where ipywidgets is installed.
    assert "epoch 2/2" in shown or "jupyter.widget-view" in shown, shown
    assert "Traceback" not in shown
    (table,) = (output.data for output in notebook.cells[1].outputs)
    assert "<table" in table["text/html"]
    assert "Network" in table["text/plain"]
