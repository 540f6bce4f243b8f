"""Diagrams of numbers that are none, mistakes, and diagrams as files and on pages."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import swiftbackprop as sb
from helpers import refused
from svg_parts import SVG, svg_of
from test_diagram import after_a_pass, network


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
