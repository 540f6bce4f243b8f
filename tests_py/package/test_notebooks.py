"""Every notebook runs from top to bottom, and is shipped with its outputs."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from helpers import ROOT

nbformat = pytest.importorskip("nbformat")

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
FASHION = "07_fashion_mnist"
# What some of them import beside this package's requirements and matplotlib.
NEEDS = {
    "06_tables": ("joblib", "pandas", "sklearn"),
}
# What the tests run in place of a call that measures for seconds.
SHORTER = {"03_lecture_two": ("sb.lab.scaling()", "sb.lab.scaling(H=(6, 24, 112), M=(4, 8, 16))")}
# These run in tests_py/peers: they need PyTorch, or data that are not in the package.
BESIDE_PEERS = ("07_fashion_mnist", "08_moving_models")


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


def shown(notebook: Any) -> str:
    """Return all that the cells printed."""
    return "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )


def accuracy(notebook: Any) -> float:
    (found,) = re.findall(r"^accuracy (0\.\d+) ± ", shown(notebook), re.MULTILINE)
    return float(found)


def test_fashion_mnist_is_stored_in_full() -> None:
    (path,) = (path for path in NOTEBOOKS if path.stem == FASHION)
    notebook = read(path)
    assert "54,000 rows of 784 bytes" in shown(notebook)
    assert accuracy(notebook) >= 0.9


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_without_warnings_and_long_outputs(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            assert len(output.get("text", "").splitlines()) <= 40, output.text


def execute(notebook: Any, folder: Path) -> None:
    """Run every cell; an error in one is raised."""
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(
    "path",
    [path for path in NOTEBOOKS if path.stem not in BESIDE_PEERS],
    ids=lambda path: path.stem,
)
def test_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")  # they draw
    missing = [name for name in NEEDS.get(path.stem, ()) if not importlib.util.find_spec(name)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    monkeypatch.setenv("NOTEBOOKS_QUICK", "1")
    notebook = read(path)
    if path.stem in SHORTER:
        long, short = SHORTER[path.stem]
        (cell,) = (cell for cell in notebook.cells if long in cell.source)
        cell.source = cell.source.replace(long, short)
    execute(notebook, path.parent)


@pytest.mark.filterwarnings("default")
def test_fashion_mnist_runs_without_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("NOTEBOOKS_QUICK", "1")
    monkeypatch.setenv("SWIFTBACKPROP_DATA", str(tmp_path))
    notebook = read(ROOT / f"notebooks/{FASHION}.ipynb")
    execute(notebook, tmp_path)
    assert "apt install dataset-fashion-mnist" in shown(notebook)
    assert accuracy(notebook) >= 0.6  # of the digits


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
    seen = "".join(
        output.get("text", "") + str(output.get("data", "")) for output in notebook.cells[0].outputs
    )
    # A line of text, or a widget where ipywidgets is installed.
    assert "epoch 2/2" in seen or "jupyter.widget-view" in seen, seen
    assert "Traceback" not in seen
    (table,) = (output.data for output in notebook.cells[1].outputs)
    assert "<table" in table["text/html"]
    assert "Network" in table["text/plain"]
