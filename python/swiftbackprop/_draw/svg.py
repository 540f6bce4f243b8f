"""Drawings as SVG text: what they are made of, and how a notebook or a file gets them."""

from __future__ import annotations

import math
import os
from html import escape

from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._net.checks import as_path

# Seen on white and on black, and told apart without red or green.
BLUE, ORANGE, PURPLE = "#2b7bba", "#dd6b10", "#b44fa8"
INK = "currentColor"
PAPER, TEXT = "#ffffff", "#1b1f24"
# Further attributes of a label.
SERIF = ' font-family="Georgia,DejaVu Serif,serif" font-style="italic"'
FADED = ' fill-opacity="0.7"'
START = ' text-anchor="start"'


class Picture:
    """A drawing that a notebook shows, and that is SVG text.

    ``str(picture)`` is the text of an SVG file: dark on white. In a notebook it takes the
    colours of the page. It holds no number of the network: it never changes.

    Parameters
    ----------
    body : str
        SVG elements.
    width, height : float
        In pixels.
    title, description : str
        What a screen reader says.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> picture = sb.Network([2, 3, 1], seed=0).diagram()
    >>> str(picture)[:4], picture.title
    ('<svg', 'network 2-3-1')
    """

    __slots__ = ("_body", "description", "height", "title", "width")

    def __init__(
        self, body: str, width: float, height: float, title: str, description: str
    ) -> None:
        self._body = body
        self.width, self.height = math.ceil(width), math.ceil(height)
        self.title, self.description = title, description

    def _svg(self, style: str, first: str = "", *, fluid: bool = False) -> str:
        size = 'width="100%"' if fluid else f'width="{self.width}" height="{self.height}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-label="{escape(self.title)}" {size} '
            f'viewBox="0 0 {self.width} {self.height}" style="{style}" '
            'font-family="Helvetica,Arial,DejaVu Sans,sans-serif" font-size="12" '
            f'text-anchor="middle" fill="currentColor"><title>{escape(self.title)}</title>'
            f"<desc>{escape(self.description)}</desc>{first}{self._body}</svg>"
        )

    def __str__(self) -> str:
        paper = (
            f'<rect width="{self.width}" height="{self.height}" rx="8" fill="{PAPER}" '
            'class="paper"/>'
        )
        return self._svg(f"color:{TEXT}", paper)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.title!r}, {self.width} x {self.height}>"

    def _repr_svg_(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        style = f"max-width:{self.width}px;height:auto;background:none"
        place = f"width:100%;max-width:{self.width}px"
        return f'<div style="{place}">{self._svg(style, fluid=True)}</div>'

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file, whole or not at all: SVG, PDF or PNG by its name.

        Parameters
        ----------
        path : str or path
            Ends in .svg, .pdf or .png. A PNG has three pixels for each of the drawing's.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        ImportError
            If CairoSVG is missing, which makes PDF and PNG.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import swiftbackprop as sb
        >>> sb.Network([2, 3, 1], seed=0).diagram().save("network.gif")
        Traceback (most recent call last):
            ...
        ValueError: path must end in .svg, .pdf or .png, got 'network.gif'
        """
        name = os.path.basename(as_path(path))
        kind = os.path.splitext(name)[1].lower()
        if kind not in (".svg", ".pdf", ".png"):
            raise ValueError(f"path must end in .svg, .pdf or .png, got {name!r}")
        content = str(self).encode() if kind == ".svg" else self._converted(kind)
        write_whole(path, lambda file: file.write(content))

    def _converted(self, kind: str) -> bytes:
        """Return the drawing as PDF or PNG."""
        from swiftbackprop._draw.svg_convert import convert

        return convert(str(self), kind, TEXT)


def label(
    x: float, y: float, content: str, size: float = 12, colour: str = INK, more: str = ""
) -> str:
    """Return a text at a place; `content` is SVG already, `more` further attributes."""
    fill = "" if colour == INK else f' fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{fill}{more}>{content}</text>'


def clipped(name: str, max_: int) -> str:
    """Return a name of at most so many letters."""
    return name if len(name) <= max_ else f"{name[: max_ - 1]}…"


def arrow(x1: float, y1: float, x2: float, y2: float, colour: str, kind: str) -> str:
    """Return a straight arrow; its head is drawn, for a page may hold many pictures."""
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    bx, by = x2 - 7 * ux, y2 - 7 * uy
    return (
        f'<g class="{escape(kind)}" stroke="{colour}" fill="{colour}">'
        f'<path d="M{x1:.1f} {y1:.1f}L{bx:.1f} {by:.1f}" stroke-width="1.4" fill="none"/>'
        f'<path d="M{x2:.1f} {y2:.1f}L{bx - 3 * uy:.1f} {by + 3 * ux:.1f}'
        f'L{bx + 3 * uy:.1f} {by - 3 * ux:.1f}Z" stroke="none"/></g>'
    )
