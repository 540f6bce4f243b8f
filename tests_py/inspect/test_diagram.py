"""The network as a picture: units, connections, blocks; what colour, width and fill say."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from helpers import data, quiet_network
from svg_parts import SVG, of_class, svg_of, texts, titles
from swiftbackprop._draw.heatmap import shrink
from swiftbackprop._draw.svg import BLUE, ORANGE

SIZES = {
    "2-3-1": [2, 3, 1],
    "4-10-3": [4, 10, 3],
    "deck": [3, 4, 4, 1],
    "digits": [784, 128, 10],
    "8x256": [256] * 9,
    "narrow": [3, *[4] * 12, 2],
    "least": [1, 1],
}


def network(sizes: list[int], **options: Any) -> Any:
    return quiet_network(sizes, **{"activation": "tanh", "seed": 3, **options})


def after_a_pass(sizes: list[int], rows: int = 3) -> Any:
    net = network(sizes)
    X, t = data(sizes, rows, "squared_error", "float32")
    net.forward(X)
    net.backward(t)
    return net


# --- Small networks --------------------------------------------------------------------------


def test_every_unit_and_every_connection_is_there() -> None:
    net = network([3, 4, 2])
    root = svg_of(net.diagram())
    units, lines = of_class(root, "unit"), of_class(root, "connection")
    assert len(units) == 3 + 4 + 2
    assert len(lines) == 3 * 4 + 4 * 2
    centres = {(unit.get("cx"), unit.get("cy")) for unit in units}
    assert len(centres) == len(units)
    for line in lines:
        ends = re.fullmatch(r"M(\S+) (\S+)L(\S+) (\S+)", line.get("d", ""))
        assert ends is not None
        assert {ends.group(1, 2), ends.group(3, 4)} <= centres
    places = [line.get("d") for line in lines]
    assert len(set(places)) == len(places)
    assert {"x", "a(1)", "a(2)", "W(1)", "W(2)", "3 units", "4 units", "2 units"} <= set(
        texts(root)
    )
    assert {"input", "tanh", "identity"} <= set(texts(root))


@pytest.mark.parametrize("show", ["weights", "gradients"])
def test_colour_and_width_of_the_lines(show: str) -> None:
    net = after_a_pass([3, 4, 2])
    root = svg_of(net.diagram(show=show))
    name = "W" if show == "weights" else "grad_W"
    matrices = [getattr(layer, name) for layer in net.layers]
    largest = max(float(np.abs(matrix).max()) for matrix in matrices)
    said = dict(
        zip(titles(of_class(root, "connection")), of_class(root, "connection"), strict=True)
    )
    for m, matrix in enumerate(matrices, start=1):
        for (i, j), value in np.ndenumerate(matrix):
            line = said[f"{name}({m})[{i}, {j}] = {value:.4g}"]
            assert line.get("stroke") == (BLUE if value > 0 else ORANGE)
            width = float(line.get("stroke-width", "nan"))
            assert width == pytest.approx(0.5 + 5 * abs(value) / largest, abs=0.006)


def test_rings_show_b() -> None:
    net = network([2, 2])
    net.layers[0].b = [0.5, -0.25]
    titled = titles(of_class(svg_of(net.diagram()), "unit"))
    assert titled[2:] == ["b(1)[0] = 0.5", "b(1)[1] = -0.25"]
    rings = [unit.get("stroke") for unit in of_class(svg_of(net.diagram()), "unit")]
    assert rings[2:] == [BLUE, ORANGE]


def test_fill_is_the_activation_of_the_last_forward() -> None:
    net = network([2, 3, 1])
    assert "Fill" not in "".join(texts(svg_of(net.diagram())))
    X = np.array([[1.0, -2.0], [0.5, 0.25]], "float32")
    net.forward(X)
    for example in (0, 1, -1):
        root = svg_of(net.diagram(example=example))
        units = of_class(root, "unit")
        a = np.concatenate([net.layer(m).a[example] for m in range(3)])
        for unit, title, value in zip(units, titles(units), a, strict=True):
            assert f"] = {value:.4g}" in title
            assert unit.get("fill") == (BLUE if value > 0 else ORANGE)
        assert f"{X[example, 0]:.2f}".rstrip("0").rstrip(".") in [
            text.rstrip("0").rstrip(".") for text in texts(root)
        ]


def test_X_is_looked_at_on_the_side() -> None:
    net, twin = after_a_pass([2, 3, 1]), network([2, 3, 1])
    z, gradients = net.layers[0].z, net.gradients.copy()
    X = np.array([[3.0, -1.0], [0.5, 2.0]], "float32")
    picture = net.diagram(X, example=1, show="both")
    assert np.shares_memory(net.layers[0].z, z)  # the last forward's are still there
    np.testing.assert_array_equal(net.gradients, gradients)
    twin.forward(X)
    assert titles(of_class(svg_of(net.diagram(X, example=1)), "unit")) == titles(
        of_class(svg_of(twin.diagram(example=1)), "unit")
    )
    assert "a(2)[0] = " in str(picture)


def test_both_are_two_panels() -> None:
    net = after_a_pass([2, 3, 1])
    root = svg_of(net.diagram(show="both"))
    (weights,), (gradients,) = of_class(root, "weights"), of_class(root, "gradients")
    assert len(of_class(weights, "connection")) == len(of_class(gradients, "connection")) == 9
    assert "W(1)" in texts(weights)
    assert "grad_W(1)" in texts(gradients)
    assert gradients.get("transform") != weights.get("transform")
    assert len(of_class(svg_of(net.diagram()), "gradients")) == 0


def test_letters_of_the_second_deck() -> None:
    net = after_a_pass([2, 3, 1])
    root = svg_of(net.diagram(show="gradients", symbols="deck2"))
    assert {"x", "x(1)", "x(2)", "∂L/∂w(1)", "∂L/∂w(2)"} <= set(texts(root))
    assert "∂L/∂w(1)[0, 1] = " in "".join(titles(of_class(root, "connection")))


# --- Wide and deep networks ------------------------------------------------------------------


def test_wide_layers_are_blocks_and_maps() -> None:
    net = after_a_pass([784, 128, 10])
    root = svg_of(net.diagram(show="both"))
    assert len(of_class(root, "block")) == 2 * 2
    assert len(of_class(root, "unit")) == 2 * 10
    assert titles(of_class(root, "map")) == [
        *("W(1), 128 × 784", "W(2), 10 × 128"),
        *("grad_W(1), 128 × 784", "grad_W(2), 10 × 128"),
    ]
    assert {"784 units", "128 units", "128 × 784"} <= set(texts(root))


def test_a_map_keeps_the_largest() -> None:
    matrix = np.random.default_rng(0).normal(size=(37, 1000))
    matrix[20, 700] = -9
    small = shrink(matrix)
    assert small.shape == (16, 16)
    assert small.min() == -9
    assert np.argwhere(small == -9).tolist() == [[9, 11]]  # row ⌊37·9/16⌋ = 20 begins block 9
    np.testing.assert_array_equal(shrink(matrix[:3, :4]), matrix[:3, :4])


def test_dead_units_leave_their_rows_empty() -> None:
    net = network([20, 16, 16])
    net.layers[0].W = np.where(np.arange(16)[:, np.newaxis] == 5, 0, 1) * np.ones((16, 20))
    (drawn, _) = of_class(svg_of(net.diagram()), "map")
    frame = drawn.find(f"{SVG}rect")
    assert frame is not None
    corners = re.findall(
        r"M([\d.]+) ([\d.]+)h", "".join(p.get("d", "") for p in drawn.iter(f"{SVG}path"))
    )
    rows = {
        round((float(y) - float(frame.get("y", "nan"))) * 16 / float(frame.get("height", "nan")))
        for _, y in corners
    }
    assert rows == set(range(16)) - {5}


def test_many_layers_leave_out_the_middle() -> None:
    root = svg_of(after_a_pass([3, *[4] * 30, 2]).diagram())
    assert "⋯" in texts(root)
    shown = {text for text in texts(root) if re.fullmatch(r"a\(\d+\)", text)}
    assert shown == {f"a({m})" for m in (1, 2, 3, 4, 5, 28, 29, 30, 31)}
    assert len(of_class(root, "unit")) == 3 + 5 * 4 + 3 * 4 + 2
    drawn = [len(re.findall("M", line.get("d", ""))) for line in of_class(root, "connections")]
    singles = len(of_class(root, "connection"))
    assert sum(drawn) + singles == 12 + 4 * 16 + 2 * 16 + 8


@pytest.mark.parametrize("symbols", ["deck1", "deck2"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_every_picture_is_xml_and_short(sizes: list[int], symbols: str) -> None:
    net = after_a_pass(sizes)
    pictures = [net.diagram(show=show, symbols=symbols) for show in ("weights", "both")]
    for picture in pictures:
        for text in (str(picture), picture._repr_html_(), picture._repr_svg_()):
            ET.fromstring(text)
            assert len(text.encode()) < 200_000
            assert "nan" not in text
            assert "<script" not in text
    again = after_a_pass(sizes).diagram(symbols=symbols)
    assert str(again) == str(pictures[0])  # the same network, the same text
    assert len(net._repr_html_().encode()) < 200_000


@pytest.mark.parametrize("sizes", [[10] * 40, [11] * 40, [1000] * 12, [1, 5000, 1]], ids=str)
def test_the_largest_pictures(sizes: list[int]) -> None:
    net = after_a_pass(sizes)
    for show in ("weights", "both"):
        assert len(str(net.diagram(show=show)).encode()) < 200_000


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_nothing_lies_outside_or_on_each_other(sizes: list[int]) -> None:
    """Texts end inside the picture, and those on one line do not touch."""
    picture = after_a_pass(sizes).diagram()
    root = svg_of(picture)
    lines: dict[str, list[tuple[float, float]]] = {}
    for element in root.iter(f"{SVG}text"):
        x, size = float(element.get("x", "0")), float(element.get("font-size", "12"))
        raised = sum(len(part.text or "") for part in element.iter(f"{SVG}tspan") if part.get("dy"))
        width = (len("".join(element.itertext())) - 0.35 * raised) * 0.56 * size
        left = x if element.get("text-anchor") == "start" else x - width / 2
        assert left >= 0, "".join(element.itertext())
        assert left + width <= picture.width, "".join(element.itertext())
        lines.setdefault(element.get("y", ""), []).append((left, left + width))
    for spans in lines.values():
        ends = sorted(spans)
        assert all(b[0] > a[1] for a, b in pairwise(ends))
