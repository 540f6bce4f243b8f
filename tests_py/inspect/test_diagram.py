"""The network as a picture: units, connections, blocks; what colour, width and fill say."""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import data, quiet_network, refused
from swiftbackprop._draw.heatmap import shrink
from swiftbackprop._draw.svg import BLUE, ORANGE

SVG = "{http://www.w3.org/2000/svg}"
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


def svg_of(picture: Any) -> ET.Element:
    return ET.fromstring(str(picture))


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [element for element in root.iter() if element.get("class") == name]


def titles(elements: list[ET.Element]) -> list[str]:
    return [element.findtext(f"{SVG}title") or "" for element in elements]


def texts(root: ET.Element) -> list[str]:
    return ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]


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


# --- Numbers that are none, mistakes, files --------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 0.0])
@pytest.mark.parametrize("sizes", [[2, 3, 1], [30, 20, 3], [10, 10, 10]], ids=str)
def test_weights_of_any_value(sizes: list[int], value: float) -> None:
    net = network(sizes)
    net.layers[0].W[0, 0] = value
    net.layers[0].b[:] = value
    root = svg_of(net.diagram())
    for element in root.iter():
        drawn = [*(element.get(key, "") for key in ("d", "x", "y", "cx", "cy", "r"))]
        drawn.append(element.get("stroke-width", ""))
        assert not any(word in text for text in drawn for word in ("nan", "inf"))
    net.parameters[:] = value
    ET.fromstring(str(net.diagram()))


def test_mistakes_are_refused() -> None:
    net = network([2, 3, 1])
    refused(lambda: net.diagram(show="weight"), ValueError, "did you mean 'weights'", "both")
    refused(lambda: net.diagram(symbols="deck"), ValueError, "deck1", "deck2")
    refused(lambda: net.diagram(np.ones((2, 5))), ValueError, r"\(2, 5\)", r"D\(0\)")
    refused(lambda: net.diagram(np.ones((5, 2)), example=5), IndexError, "0 to 4")
    refused(lambda: net.diagram(np.ones((5, 2)), example="a"), TypeError, "int")
    net.forward(np.ones((2, 2)))
    refused(lambda: net.diagram(example=2), IndexError, "0 to 1")
    net.close()
    refused(net.diagram, RuntimeError, "closed")


def test_without_its_input_there_is_no_fill() -> None:
    net = after_a_pass([2, 3, 1])
    assert "Fill" in str(net.diagram())
    net.release()
    assert "Fill" not in str(net.diagram())


def test_save_writes_the_text_whole_or_not_at_all(tmp_path: Path) -> None:
    picture = network([2, 3, 1]).diagram()
    path = tmp_path / "net.svg"
    picture.save(path)
    assert path.read_text("utf-8") == str(picture)
    picture.save(str(path))  # over itself
    refused(lambda: picture.save(tmp_path / "net.gif"), ValueError, r"\.svg, \.pdf or", "net.gif")
    refused(lambda: picture.save(tmp_path / "missing" / "net.svg"), OSError, "missing")
    assert [found.name for found in tmp_path.iterdir()] == ["net.svg"]


def needs_cairo() -> None:
    try:
        import cairosvg  # noqa: F401
    except (ImportError, OSError) as error:  # OSError: the library cairo itself
        pytest.skip(f"CairoSVG cannot be imported: {error}")


def test_save_as_pdf_and_png(tmp_path: Path) -> None:
    needs_cairo()
    net = network([2, 3, 1])
    pictures = [net.diagram(), net.trace(np.ones((1, 2)), np.ones(1)).graph()]
    for picture in pictures:
        for name, start in (("a.pdf", b"%PDF-"), ("a.PNG", b"\x89PNG\r\n")):
            picture.save(tmp_path / name)
            assert (tmp_path / name).read_bytes().startswith(start)
        header = (tmp_path / "a.PNG").read_bytes()[16:24]
        size = (int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big"))
        assert size == (3 * picture.width, 3 * picture.height)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.PNG", "a.pdf"]


def test_raised_parts_of_a_text_stand_beside_each_other() -> None:
    """CairoSVG lays them over each other where a text is centred."""
    needs_cairo()
    from swiftbackprop._draw.svg_convert import _in_pieces

    text = (
        f'<svg xmlns="{SVG[1:-1]}" font-family="serif" font-size="12" text-anchor="middle">'
        '<text x="50" y="20" font-size="10">W<tspan dy="-4" font-size="7">(1)</tspan>'
        '<tspan dy="4"> a</tspan></text></svg>'
    )
    root = ET.fromstring(text)
    pieces = list(_in_pieces(root[0], root))
    assert [piece.text for piece in pieces] == ["W", "(1)", " a"]
    assert [float(piece.get("y", 0)) for piece in pieces] == [20.0, 16.0, 20.0]
    x = [float(piece.get("x", 0)) for piece in pieces]
    assert 30 < x[0] < x[1] - 5 < x[2] - 10 < 60
    assert {piece.get("text-anchor") for piece in pieces} == {"start"}


def test_without_cairosvg_it_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cairosvg", None)
    picture = network([2, 3, 1]).diagram()
    words = ("CairoSVG makes .pdf", "pip install cairosvg")
    refused(lambda: picture.save(tmp_path / "a.pdf"), ImportError, *words)
    picture.save(tmp_path / "a.svg")
    assert [found.name for found in tmp_path.iterdir()] == ["a.svg"]


@pytest.mark.parametrize("sizes", [[2, 3, 1], [4] * 12, [16, 40, 16, 2]])
def test_a_page_scales_a_picture_with_its_place(sizes: list[int]) -> None:
    """As wide as its place, and no wider than it is drawn: nothing is cut off or scrolls."""
    net = network(sizes)
    picture, graph = net.diagram(), net.trace(np.ones((1, sizes[0])), np.ones(1, int)).graph()
    for drawing in (picture, graph):
        page = drawing._repr_html_()
        # Beside a table, too, it takes no more than it needs.
        assert page.startswith(f'<div style="width:100%;max-width:{drawing.width}px">')
        assert '<svg xmlns="http://www.w3.org/2000/svg" role="img"' in page
        assert f'width="100%" viewBox="0 0 {drawing.width} {drawing.height}"' in page
        assert f"max-width:{drawing.width}px;height:auto" in page
        assert "min-width" not in page
        assert f'width="{drawing.width}" height="{drawing.height}"' in str(drawing)  # of a file


def test_pictures_are_readable_by_screen_readers_and_on_any_page() -> None:
    picture = network([2, 3, 1]).diagram()
    root = svg_of(picture)
    assert root.get("role") == "img"
    assert root.get("aria-label") == root.findtext(f"{SVG}title") == picture.title
    assert "connections" in (root.findtext(f"{SVG}desc") or "")
    assert [child.tag for child in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    # A file is dark on white; in a page it takes the colours of the page.
    assert 'class="paper"' in str(picture)
    assert "color:#" in str(picture)
    page = picture._repr_html_()
    assert "color:#" not in page
    assert "currentColor" in page
    assert f'<rect width="{picture.width}"' not in page
    assert " id=" not in page  # many pictures share a page


def test_the_network_shows_it() -> None:
    net = network([2, 3, 1])
    page = net._repr_html_()
    assert page.count("<svg") == 1
    assert net.diagram()._repr_html_() in page
    assert isinstance(net.diagram(), sb.Picture)
