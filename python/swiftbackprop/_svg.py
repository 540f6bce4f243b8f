"""Drawings as SVG text: what they are made of, and how a notebook or a file gets them."""

from __future__ import annotations

import math
import os
from html import escape

from swiftbackprop._atomic import write_whole

__all__ = [
    *("BLUE", "INK", "ORANGE", "PAPER", "PURPLE", "TEXT"),
    *("Picture", "arrow", "label"),
]

# Seen on white and on black, and told apart without red or green.
BLUE, ORANGE, PURPLE = "#2b7bba", "#dd6b10", "#b44fa8"
INK = "currentColor"
PAPER, TEXT = "#ffffff", "#1b1f24"
_SHRINK = 0.8  # a wider picture scrolls rather than becoming smaller than this
_COLUMN = 760  # the width of a notebook's cell, about


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

    def _svg(self, style: str, first: str = "") -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" '
            f'aria-label="{escape(self.title)}" width="{self.width}" height="{self.height}" '
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
        least = min(self.width, max(_COLUMN, _SHRINK * self.width))
        style = f"max-width:100%;min-width:{least:.0f}px;height:auto;background:none"
        return f'<div style="overflow-x:auto;max-width:100%">{self._svg(style)}</div>'

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the drawing to a file, whole or not at all.

        Parameters
        ----------
        path : str or path
            Ends in .svg.

        Raises
        ------
        ValueError
            If the name ends otherwise.
        OSError
            If the file cannot be written.
        """
        name = os.path.basename(os.fsdecode(path))
        if not name.lower().endswith(".svg"):
            raise ValueError(f"the drawing is SVG text: name a .svg file, not {name!r}")
        write_whole(path, lambda file: file.write(str(self).encode()))


def label(
    x: float, y: float, content: str, size: float = 12, colour: str = INK, more: str = ""
) -> str:
    """Return a text at a place; `content` is SVG already, `more` further attributes."""
    fill = "" if colour == INK else f' fill="{colour}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}"{fill}{more}>{content}</text>'


def arrow(
    x1: float, y1: float, x2: float, y2: float, colour: str, kind: str, *, dashed: bool = False
) -> str:
    """Return a straight arrow; its head is drawn, for a page may hold many pictures."""
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    ux, uy = (x2 - x1) / length, (y2 - y1) / length
    bx, by = x2 - 7 * ux, y2 - 7 * uy
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<g class="{escape(kind)}" stroke="{colour}" fill="{colour}">'
        f'<path d="M{x1:.1f} {y1:.1f}L{bx:.1f} {by:.1f}" stroke-width="1.4" fill="none"{dash}/>'
        f'<path d="M{x2:.1f} {y2:.1f}L{bx - 3 * uy:.1f} {by + 3 * ux:.1f}'
        f'L{bx + 3 * uy:.1f} {by - 3 * ux:.1f}Z" stroke="none"/></g>'
    )
