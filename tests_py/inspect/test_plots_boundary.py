"""Decision boundaries as drawn, and figures on light and on dark pages."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from test_plots import (  # noqa: F401 - two are fixtures of every test
    CLASSES,
    X2,
    _never_shown,
    _nothing_else_changes,
    classes_net,
    matplotlib,
    trained,
)

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


def test_boundary_of_integers_that_the_network_scales() -> None:
    X = np.round(50 * X2).astype(np.int16)
    whole, scaled = classes_net(), classes_net()
    whole.input_scale = 0.02
    scaled.parameters[:] = whole.parameters
    images = [
        sb.lab.decision_boundary(net, points, CLASSES, resolution=20).get_images()[0].get_array()
        for net, points in ((whole, X), (scaled, X * 0.02))
    ]
    np.testing.assert_array_equal(*images)


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
    _, axes = matplotlib.pyplot.subplots()
    trained().plot(ax=axes)
    assert axes.patch.get_alpha() is None
    assert axes.figure.patch.get_alpha() is None
