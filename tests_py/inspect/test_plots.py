"""Plots: what is drawn, that it is drawn where it should be, and that nothing else changes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused, run_python_ok

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402 - after the backend

DATA = np.random.default_rng(0)
X2 = DATA.normal(size=(60, 2))
CLASSES = (X2[:, 0] * X2[:, 1] > 0).astype(int)


@pytest.fixture(autouse=True)
def _nothing_else_changes() -> Iterator[None]:
    """No figure is shown, no setting changed, by any plot."""
    before = dict(matplotlib.rcParams)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert dict(matplotlib.rcParams) == before
    pyplot.close("all")


@pytest.fixture(autouse=True)
def _never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def show(*_: object, **__: object) -> None:
        pytest.fail("a plot was shown")

    monkeypatch.setattr(pyplot, "show", show)
    monkeypatch.setattr(matplotlib.figure.Figure, "show", show)


def trained(**options: Any) -> sb.History:
    net = sb.Network([2, 8, 2], loss="cross_entropy", seed=0)
    keywords = {"epochs": 3, "validation_split": 0.25, "progress": False} | options
    return net.fit(X2, CLASSES, **keywords)


def classes_net(D: int = 2) -> sb.Network:
    return sb.Network([2, 8, D], activation="tanh", loss="cross_entropy", seed=0)


PLOTS: dict[str, Callable[[Any], Any]] = {
    "history": lambda ax: trained().plot(ax=ax),
    "weights": lambda ax: sb.Network([9, 4], seed=0).plot_weights(1, ax=ax),
    "activations": lambda ax: classes_net().plot_activations(X2, ax=ax),
    "boundary": lambda ax: sb.lab.decision_boundary(classes_net(), X2, CLASSES, ax=ax),
}


@pytest.mark.parametrize("name", PLOTS)
def test_axes_come_back_and_can_be_given(name: str) -> None:
    new = PLOTS[name](None)
    assert isinstance(new, matplotlib.axes.Axes)
    figure, (left, right) = pyplot.subplots(1, 2)
    assert PLOTS[name](right) is right
    assert right.has_data()
    assert not left.has_data()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    new.figure.savefig(file, format="svg")
    refused(lambda: PLOTS[name]("here"), TypeError, "ax must be matplotlib axes.*str")


@pytest.mark.parametrize("name", PLOTS)
def test_a_figure_without_pyplot_will_do(name: str) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    before = pyplot.get_fignums()
    PLOTS[name](figure.add_subplot())
    figure.savefig(io.BytesIO(), format="png")
    assert pyplot.get_fignums() == before


# --- History ------------------------------------------------------------------------------


def lines(axes: Any) -> dict[str, list[float]]:
    """Every curve of a figure, by its label."""
    return {
        line.get_label(): list(line.get_ydata())
        for one in axes.figure.axes
        for line in one.get_lines()
    }


def test_history_of_classes() -> None:
    history = trained()
    axes = history.plot()
    assert lines(axes) == {
        name: history[name] for name in ("loss", "val_loss", "accuracy", "val_accuracy")
    }
    assert [line.get_label() for line in axes.get_lines()] == ["loss", "val_loss"]
    assert list(axes.get_lines()[0].get_xdata()) == [1, 2, 3]
    left, right = axes.figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss", "accuracy")
    shown = [text.get_text() for text in right.get_legend().get_texts()]
    assert shown == ["loss", "val_loss", "accuracy", "val_accuracy"]


def test_history_of_numbers() -> None:
    net = sb.Network([2, 1], seed=0, l2=0.1)
    history = net.fit(X2, X2[:, 0], epochs=2, validation_data=(X2, X2[:, 0]), progress=False)
    assert list(lines(history.plot())) == ["loss", "val_loss", "val_r2"]
    chosen = history.plot("mse", "mae", "penalty")
    assert list(lines(chosen)) == ["val_mse", "val_mae", "penalty"]
    assert len({line.get_linestyle() for line in chosen.get_lines()}) == 3
    assert chosen.get_ylabel() == "mse, mae, penalty"


def test_history_of_scores() -> None:
    """What is best at 1 has its own axis, whatever it is called."""
    net = sb.Network([2, 2], loss="cross_entropy", seed=0)
    y = (X2[:, 0] > 0).astype(int)
    metrics = ["recall", "log_loss"]
    history = net.fit(X2, y, epochs=2, validation_data=(X2, y), metrics=metrics, progress=False)
    left, right = history.plot("loss", *metrics).figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("loss, log_loss", "recall")


def test_history_of_chosen_columns() -> None:
    history = trained()
    axes = history.plot("accuracy")
    assert list(lines(axes)) == ["accuracy", "val_accuracy"]
    assert len(axes.figure.axes) == 1
    refused(lambda: history.plot("acuracy"), ValueError, "unknown column.*did you mean 'accuracy'")


@pytest.mark.parametrize("epochs", [0, 1])
def test_history_of_few_epochs(epochs: int) -> None:
    axes = trained(epochs=epochs).plot()
    axes.figure.savefig(io.BytesIO(), format="png")
    assert axes.get_lines()[0].get_marker() == ("o" if epochs else "None")


# --- Weights ------------------------------------------------------------------------------


def image(axes: Any) -> Any:
    return np.ma.filled(axes.get_images()[0].get_array().astype(float), np.nan)


def test_weights_as_square_images() -> None:
    """Every row of W is a tile, and lines of nothing are between the tiles."""
    net = sb.Network([9, 4], seed=0)
    whole, W = image(net.plot_weights(1)), net.layers[0].W
    assert whole.shape == (7, 7)
    assert np.isnan(whole[3]).all()
    assert np.isnan(whole[:, 3]).all()
    for unit, (top, left) in enumerate([(0, 0), (0, 4), (4, 0), (4, 4)]):
        np.testing.assert_array_equal(whole[top : top + 3, left : left + 3], W[unit].reshape(3, 3))


def test_weights_as_images_of_a_given_shape() -> None:
    net = sb.Network([8, 1], seed=0)
    np.testing.assert_array_equal(
        image(net.plot_weights(1, shape=(2, 4))), net.layers[0].W.reshape(2, 4)
    )
    refused(lambda: net.plot_weights(1, shape=(3, 3)), ValueError, r"D\(0\) = 8 inputs of layer 1")
    refused(lambda: net.plot_weights(1, shape=8), TypeError, "height, width")
    refused(lambda: net.plot_weights(0), AttributeError, "layer 0 is the input")


def test_many_weights_as_images() -> None:
    axes = sb.Network([4, 30], seed=0).plot_weights(1, most=6)
    assert "the first 6 of 30" in axes.get_title(loc="left")
    assert np.count_nonzero(~np.isnan(image(axes))) == 6 * 4


@pytest.mark.parametrize(("sizes", "shape"), [([8, 3], "auto"), ([9, 3], None), ([1, 3], "auto")])
def test_weights_as_a_map(sizes: list[int], shape: str | None) -> None:
    net = sb.Network(sizes, seed=0)
    axes = net.plot_weights(1, shape=shape)
    np.testing.assert_array_equal(image(axes), net.layers[0].W)


@pytest.mark.parametrize("value", [-3.0, 0.0, 2.0])
def test_the_scale_of_weights_is_symmetric(value: float) -> None:
    net = sb.Network([8, 3], seed=0)
    net.layers[0].W[0, 0] = value
    axes = net.plot_weights(1)
    low, high = axes.get_images()[0].get_clim()
    assert -low == high == np.abs(net.layers[0].W).max()
    assert len(axes.figure.axes) == 2, "the colour bar"
    colours = axes.get_images()[0].get_cmap()
    below, above = colours(0.25), colours(0.75)
    assert below[0] > below[2], "orange"
    assert above[2] > above[0], "blue"


def test_weights_of_zero_can_be_drawn() -> None:
    net = sb.Network([8, 3], initializer="zeros")
    net.plot_weights(1).figure.savefig(io.BytesIO(), format="png")


# --- Activations --------------------------------------------------------------------------


def heights(axes: Any) -> list[tuple[float, float]]:
    """The lowest and the highest value of every histogram."""
    ends = (c.get_paths()[0].vertices[:, 1] for c in axes.collections)
    return [(float(y.min()), float(y.max())) for y in ends]


def test_activations_of_every_layer() -> None:
    net = sb.Network([2, 8, 8, 3], activation=["tanh", "relu"], loss="cross_entropy", seed=0)
    net.forward(X2[:5])
    before = net.layers[0].a
    axes = net.plot_activations(X2)
    assert net.layers[0].a.shape == before.shape == (5, 8), "the network is left as it is"
    net.forward(X2)
    one, two, three = (layer.a for layer in net.layers)
    positive = two[two != 0]
    wanted = [(a.min(), a.max()) for a in (one, positive, three)]
    np.testing.assert_allclose(heights(axes), wanted, rtol=1e-6)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["1\ntanh", f"2\nrelu\n{np.mean(two == 0):.0%} zero", "3\nsoftmax"]


def test_activations_that_are_all_alike() -> None:
    net = sb.Network([2, 4, 1], seed=0)
    net.layers[0].b[:] = -1000
    axes = net.plot_activations(X2)
    assert "100% zero" in axes.get_xticklabels()[0].get_text()
    axes.figure.savefig(io.BytesIO(), format="png")


# --- Without matplotlib -------------------------------------------------------------------


def test_matplotlib_is_imported_only_when_used() -> None:
    run_python_ok("import sys, swiftbackprop; assert 'matplotlib' not in sys.modules")


def test_what_to_install_is_said(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("raise ModuleNotFoundError(name='matplotlib')\n")
    said = run_python_ok(
        """
        import sys
        sys.path.insert(0, sys.argv[1])
        import numpy as np, swiftbackprop as sb
        net, X, y = sb.Network([2, 2], loss="cross_entropy", seed=0), np.ones((4, 2)), [0, 1, 0, 1]
        history = net.fit(X, y, epochs=1, progress=False)
        for plot in (
            history.plot,
            lambda: net.plot_weights(1),
            lambda: net.plot_activations(X),
            lambda: sb.lab.decision_boundary(net, X, y),
            sb.lab.Scaling((), 1, "float32").plot,
        ):
            try:
                plot()
            except ImportError as error:
                print(error)
        """,
        str(tmp_path),
    )
    assert said.splitlines() == [
        f"{what} needs matplotlib: pip install matplotlib"
        for what in (
            *("History.plot", "plot_weights", "plot_activations", "decision_boundary"),
            "Scaling.plot",
        )
    ]
