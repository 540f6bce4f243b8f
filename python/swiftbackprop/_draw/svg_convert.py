"""Drawings as PDF and PNG, by CairoSVG, which is imported when one is saved so."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import NamedTuple

_SVG = "{http://www.w3.org/2000/svg}"
_SPACE = "{http://www.w3.org/XML/1998/namespace}space"
_PIXELS = 3  # of a PNG, for one of the drawing


def convert(svg: str, kind: str, ink: str) -> bytes:
    """Return a drawing as ".pdf" or ".png"; `ink` is what its currentColor is."""
    try:
        import cairosvg
    except (ImportError, OSError) as error:  # OSError: the library cairo itself is missing
        raise ImportError(
            f"CairoSVG makes {kind} of a drawing, and it cannot be imported ({error}): pip "
            "install cairosvg, or save a .svg file"
        ) from error
    root = ET.fromstring(svg.replace("currentColor", ink))
    for parent in list(root.iter()):
        for place, child in enumerate(list(parent)):
            if child.tag == f"{_SVG}text" and len(child):
                parent[place] = _in_pieces(child, root)
    text = ET.tostring(root)
    if kind == ".pdf":
        return bytes(cairosvg.svg2pdf(bytestring=text))
    return bytes(cairosvg.svg2png(bytestring=text, scale=_PIXELS))


class _Piece(NamedTuple):
    """A part of a text that is set in one size, `lift` below its line."""

    content: str
    lift: float
    attributes: dict[str, str]


def _in_pieces(text: ET.Element, root: ET.Element) -> ET.Element:
    """Return a text with raised parts as texts of their own.

    CairoSVG puts those in the wrong place where the text is centred.
    """
    base = {**root.attrib, **text.attrib}
    pieces, lift = [_Piece(text.text or "", 0.0, {})], 0.0
    for part in text:
        lift += float(part.get("dy", 0))
        own = {name: value for name, value in part.attrib.items() if name != "dy"}
        pieces += [_Piece(part.text or "", lift, own), _Piece(part.tail or "", lift, {})]
    widths = [_width(piece.content, {**base, **piece.attributes}) for piece in pieces]
    shift = {"start": 0.0, "middle": 0.5, "end": 1.0}[base.get("text-anchor", "start")]
    x, y = float(base["x"]) - shift * sum(widths), float(base["y"])
    group = ET.Element(f"{_SVG}g")
    for piece, width in zip(pieces, widths, strict=True):
        if piece.content:
            place = {"x": f"{x:.2f}", "y": f"{y + piece.lift:.2f}", "text-anchor": "start"}
            attributes = {**text.attrib, **piece.attributes, **place, _SPACE: "preserve"}
            ET.SubElement(group, f"{_SVG}text", attributes).text = piece.content
        x += width
    return group


def _width(content: str, attributes: dict[str, str]) -> float:
    """Return how far a text reaches in the font that CairoSVG takes."""
    import cairocffi

    context = cairocffi.Context(cairocffi.PDFSurface(None, 1, 1))
    slant = cairocffi.FONT_SLANT_NORMAL
    if attributes.get("font-style") == "italic":
        slant = cairocffi.FONT_SLANT_ITALIC
    weight = cairocffi.FONT_WEIGHT_NORMAL
    if attributes.get("font-weight") == "bold":
        weight = cairocffi.FONT_WEIGHT_BOLD
    context.select_font_face(attributes["font-family"].split(",")[0], slant, weight)
    context.set_font_size(float(attributes["font-size"]))
    return float(context.text_extents(content)[4])
