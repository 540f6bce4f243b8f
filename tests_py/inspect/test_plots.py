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


# --- Decision boundary --------------------------------------------------------------------


def test_boundary_between_classes() -> None:
    """Colours are those of the class predicted, and a line is where it changes."""
    net = classes_net()
    net.fit(X2, CLASSES, epochs=300, progress=False)
    axes = sb.lab.decision_boundary(net, X2, CLASSES, resolution=40)
    (drawn,) = axes.get_images()
    left, right, bottom, top = drawn.get_extent()
    assert left < X2[:, 0].min()
    assert right > X2[:, 0].max()
    assert bottom < X2[:, 1].min()
    assert top > X2[:, 1].max()
    grid = np.stack(
        np.meshgrid(np.linspace(left, right, 40), np.linspace(bottom, top, 40)), axis=-1
    )
    predicted = net.predict_classes(grid.reshape(-1, 2)).reshape(40, 40)
    colours = drawn.get_array()
    blue_first = colours[..., 2] > colours[..., 0]
    assert np.array_equal(blue_first, predicted == 0)
    assert len(axes.collections) == 3, "the line and the points of both classes"
    (line, zero, one) = axes.collections
    margin = np.diff(net.predict(line.get_paths()[0].vertices), axis=1)
    assert np.abs(margin).max() < 0.2
    np.testing.assert_array_equal(zero.get_offsets(), X2[CLASSES == 0])
    np.testing.assert_array_equal(one.get_offsets(), X2[CLASSES == 1])


@pytest.mark.parametrize(
    ("net", "y"),
    [
        (lambda: sb.Network([2, 4, 1], loss="binary_cross_entropy", seed=0), CLASSES),
        (lambda: sb.Network([2, 4, 1], output="sigmoid", seed=0), CLASSES[:, None].astype(float)),
        (lambda: classes_net(3), np.arange(60) % 3),
        (lambda: classes_net(12), np.arange(60) % 12),
        (lambda: classes_net(3), np.eye(3)[np.arange(60) % 3]),
        (lambda: sb.Network([2, 4, 3], seed=0), np.arange(60) % 3),
    ],
)
def test_boundaries_of_every_form_of_targets(net: Callable[[], sb.Network], y: Any) -> None:
    axes = sb.lab.decision_boundary(net(), X2, y, resolution=20)
    assert axes.get_legend() is not None
    labels = np.unique(y.argmax(axis=1) if y.ndim == 2 and y.shape[1] > 1 else y)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        f"{int(label)}" for label in labels
    ]


def test_boundary_of_a_network_that_says_one_thing_only() -> None:
    net = classes_net()
    net.layers[1].W[:], net.layers[1].b[:] = 0, [5, 0]
    axes = sb.lab.decision_boundary(net, X2, CLASSES, resolution=20)
    assert len(axes.collections) == 2, "points, and no line"


def test_map_of_a_number() -> None:
    """Map and points have one scale."""
    net = sb.Network([2, 8, 1], activation="tanh", seed=0)
    y = X2[:, 0] * 5
    axes = sb.lab.decision_boundary(net, X2, y, resolution=30)
    drawn, points = axes.get_images()[0], axes.collections[-1]
    assert drawn.get_array().shape == (30, 30)
    assert drawn.get_clim() == points.get_clim()
    np.testing.assert_array_equal(points.get_array(), y)
    corner = np.array([[drawn.get_extent()[0], drawn.get_extent()[2]]])
    assert drawn.get_array()[0, 0] == pytest.approx(net.predict(corner)[0, 0], rel=1e-5)
    flat = sb.Network([2, 1], initializer="zeros")
    sb.lab.decision_boundary(flat, X2, y).figure.savefig(io.BytesIO(), format="png")


def test_what_has_no_boundary() -> None:
    def boundary(net: sb.Network, X: Any, y: Any) -> Callable[[], object]:
        return lambda: sb.lab.decision_boundary(net, X, y)

    refused(boundary(sb.Network([3, 2], seed=0), X2, CLASSES), ValueError, r"D\(0\) = 3 inputs")
    refused(boundary(classes_net(), X2.T, CLASSES), ValueError, r"expected \(N, 2\)")
    refused(boundary(classes_net(), X2, CLASSES[:5]), ValueError, "60 rows and y has 5")
    refused(boundary(classes_net(), X2, np.ones((60, 3))), ValueError, r"\(60, 2\)")
    refused(boundary(sb.Network([2, 2], seed=0), X2, X2), ValueError, "no one number to draw")
    several = sb.Network([2, 3], loss="binary_cross_entropy", seed=0)
    refused(boundary(several, X2, np.ones((60, 3))), ValueError, "no one number to draw")


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


# --- On light and on dark pages ------------------------------------------------------------


def luminance(colour: Any) -> float:
    parts = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(colour: Any, ground: Any) -> float:
    bright, dark = sorted((luminance(colour) + 0.05, luminance(ground) + 0.05), reverse=True)
    return bright / dark


def drawn(kind: str) -> Any:
    net = sb.Network([2, 8, 2], loss="cross_entropy", seed=0)
    if kind == "history":
        return trained().plot()
    if kind == "weights":
        return net.plot_weights(1)
    if kind == "activations":
        return net.plot_activations(X2)
    number = kind == "number"
    net = sb.Network([2, 8, 1 if number else 2], seed=0)
    return sb.lab.decision_boundary(net, X2, CLASSES.astype(float) if number else CLASSES)


@pytest.mark.parametrize("kind", ["history", "weights", "activations", "boundary", "number"])
def test_figures_are_read_on_light_and_on_dark_pages(kind: str) -> None:
    """They have no ground of their own, and their texts are seen on both."""
    axes = drawn(kind)
    figure = axes.figure
    figure.canvas.draw()
    assert figure.patch.get_alpha() == 0
    assert axes.patch.get_alpha() == 0
    legends = {text for ax in figure.axes if ax.get_legend() for text in legend_texts(ax)}
    for text in figure.findobj(matplotlib.text.Text):
        if text.get_text() and text.get_visible() and text not in legends:
            for ground in ("white", "#131416"):
                assert contrast(text.get_color(), ground) >= 4, text


def legend_texts(axes: Any) -> list[Any]:
    """The texts of a legend that has a ground of its own."""
    legend = axes.get_legend()
    if not legend.get_frame().get_alpha():
        return []
    return [*legend.get_texts(), legend.get_title()]


def test_axes_of_the_users_own_keep_their_ground() -> None:
    _, axes = pyplot.subplots()
    trained().plot(ax=axes)
    assert axes.patch.get_alpha() is None
    assert axes.figure.patch.get_alpha() is None
