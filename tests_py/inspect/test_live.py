"""The live plot: one display, kept up to date, not too often, and nothing elsewhere."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused, run_python_ok
from swiftbackprop._draw.line_chart import _ticks, chart
from swiftbackprop._inspect import live_plot

X = np.random.default_rng(0).normal(size=(40, 2))
Y = (X[:, 0] > 0).astype(int)


class Notebook:
    """What a notebook shows, and a clock that tests set."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.displays = 0
        self.now = 0.0
        self.takes = 0.0  # the time of one drawing

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool) -> Notebook:
        assert display_id is True
        self.displays += 1
        self.update(data, raw=raw)
        return self

    def update(self, data: dict[str, str], *, raw: bool) -> None:
        assert raw is True
        assert "History(" in data["text/plain"]
        self.shown.append(data["text/html"])
        self.now += self.takes

    def epochs(self) -> list[int]:
        """The epochs that had ended whenever something was shown."""
        return [int(re.search(r"<div>(\d+) epochs?, ", html)[1]) for html in self.shown]  # type: ignore[index]


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    page = Notebook()
    kernel = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=object()))
    monkeypatch.setitem(sys.modules, "IPython", kernel)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", page)  # type: ignore[arg-type]
    monkeypatch.setattr(live_plot, "monotonic", lambda: page.now)
    return page


def fit(
    callbacks: list[Any], *, net: sb.Network | None = None, y: Any = Y, **options: Any
) -> sb.Network:
    net = net or sb.Network([2, 3, 2], loss="cross_entropy", seed=0)
    net.fit(X, y, callbacks=callbacks, progress=False, **{"epochs": 10} | options)
    return net


def test_one_display_is_kept_up_to_date(notebook: Notebook) -> None:
    def second(net: sb.Network, epoch: int, logs: object) -> None:
        notebook.now += 1.0

    net = fit([second, sb.LivePlot()], validation_split=0.25)
    assert notebook.displays == 1
    assert notebook.epochs() == [0, *range(1, 11), 10]
    first, last = notebook.shown[0], notebook.shown[-1]
    assert "0 epochs, running" in first
    assert "10 epochs, completed" in last
    assert net.diagram()._repr_html_() in last, "the diagram of the weights of now"
    assert net.diagram()._repr_html_() not in notebook.shown[3]
    assert net.history is not None
    for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
        assert f">{name} {net.history[name][-1]:.4g}</text>" in last
    assert last.count('<path class="curve"') == 4
    assert last.count("<div") == last.count("</div>")


def test_it_draws_at_most_twice_a_second(notebook: Notebook) -> None:
    def pass_time(net: sb.Network, epoch: int, logs: object) -> None:
        notebook.now += 0.125

    fit([pass_time, sb.LivePlot()], epochs=20)
    assert notebook.epochs() == [0, 1, 5, 9, 13, 17, 20]


def test_it_draws_less_often_if_drawing_takes_long(notebook: Notebook) -> None:
    def pass_time(net: sb.Network, epoch: int, logs: object) -> None:
        notebook.now += 0.5

    notebook.takes = 0.125  # at most a tenth of the time: 1.25 seconds to wait
    fit([pass_time, sb.LivePlot()], epochs=12)
    assert notebook.epochs() == [0, 1, 4, 7, 10, 12]


def test_it_can_be_used_again(notebook: Notebook) -> None:
    live = sb.LivePlot(diagram=False, seconds=0)
    net = fit([live], epochs=1)
    fit([live], epochs=2, net=net)
    assert notebook.displays == 2
    assert notebook.epochs() == [0, 1, 1, 0, 1, 2, 2]
    assert not any("network 2-3-2" in html for html in notebook.shown)


def test_why_training_ended_is_shown(notebook: Notebook) -> None:
    fit([sb.LivePlot(), lambda net, epoch, logs: epoch == 2])
    assert "3 epochs, stopped" in notebook.shown[-1]

    def fail(net: sb.Network, epoch: int, logs: object) -> None:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        fit([sb.LivePlot(), fail])
    assert "1 epoch, error" in notebook.shown[-1]


def test_a_regression(notebook: Notebook) -> None:
    net = sb.Network([2, 1], seed=0)
    fit([sb.LivePlot()], net=net, y=X[:, 0], validation_split=0.25, epochs=3)
    assert net.history is not None
    assert f">val_r2 {net.history['val_r2'][-1]:.4g}</text>" in notebook.shown[-1]


def test_training_is_the_same_with_it(notebook: Notebook) -> None:
    np.testing.assert_array_equal(fit([sb.LivePlot(seconds=0)]).parameters, fit([]).parameters)


def test_outside_a_notebook_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, notebook: Notebook
) -> None:
    terminal = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=None))
    for ipython in (terminal, SimpleNamespace(get_ipython=lambda: None)):
        monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
        fit([sb.LivePlot()])
    assert notebook.shown == []
    run_python_ok(
        """
        import sys, numpy as np, swiftbackprop as sb
        sb.Network([2, 1]).fit(np.ones((4, 2)), np.ones(4), callbacks=[sb.LivePlot()],
                               progress=False)
        assert "IPython" not in sys.modules and "matplotlib" not in sys.modules
        """
    )


def test_arguments() -> None:
    refused(
        lambda: sb.LivePlot(seconds=-1), ValueError, "seconds must be a finite number >= 0, got -1"
    )
    refused(lambda: sb.LivePlot(seconds="fast"), TypeError, "seconds")  # type: ignore[arg-type]


@pytest.mark.filterwarnings("default")
def test_in_a_real_notebook(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    from test_notebooks import execute

    cell = nbformat.v4.new_code_cell(
        "import numpy as np, swiftbackprop as sb\n"
        "net = sb.Network([3, 4, 2], loss='cross_entropy', seed=0)\n"
        "history = net.fit(np.ones((50, 3)), np.zeros(50, int), epochs=30, progress=False,\n"
        "                  callbacks=[sb.LivePlot()])"
    )
    execute(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
    (output,) = cell.outputs
    assert output.output_type == "display_data"
    assert "30 epochs, completed" in output.data["text/html"]
    assert output.data["text/html"].count("<svg") == 3
    assert output.data["text/plain"].startswith("History(30 epochs, completed")


# --- The charts ---------------------------------------------------------------------------


def heights(picture: object) -> list[list[float]]:
    """The y of every curve's points."""
    paths = re.findall(r'class="curve" d="M([^"]*)"', str(picture))
    return [[float(point.split()[1]) for point in path.split("L")] for path in paths]


def test_a_chart_is_to_scale() -> None:
    (y,) = heights(chart({"loss": [4.0, 2.0, 1.0, 0.0]}, "loss"))
    drops = np.diff(y)
    np.testing.assert_allclose(drops / drops[1], [2, 1, 1], atol=0.01)
    assert drops[0] > 0, "downwards on the page"


def test_a_chart_of_odd_columns() -> None:
    assert heights(chart({"loss": []}, "loss")) == []
    assert 'circle class="curve"' in str(chart({"loss": [1.0]}, "loss"))
    (y,) = heights(chart({"loss": [1.0, float("nan"), float("inf"), 0.5]}, "loss"))
    assert len(y) == 2
    (y,) = heights(chart({"r2": [-50.0, -1.0, 0.5]}, "r2", best=1, floor=-1))
    assert y[0] == y[1] > y[2]
    (y,) = heights(chart({"loss": list(np.linspace(1, 0, 5000))}, "loss"))
    assert len(y) <= 401


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 2.3, [0, 0.5, 1, 1.5, 2, 2.5]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
        (0, 0, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 3e-7, [0, 1e-7, 2e-7, 3e-7]),
        (-3, 0, [-3, -2, -1, 0]),
    ],
)
def test_ticks(low: float, high: float, wanted: list[float]) -> None:
    ticks = _ticks(low, high)
    assert ticks[0] <= low
    assert ticks[-1] >= high
    if high > low:
        assert ticks == pytest.approx(wanted)
        assert 3 <= len(ticks) <= 7
