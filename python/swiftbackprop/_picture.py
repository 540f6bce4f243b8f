"""A small drawing of a network as inline SVG, for white and for dark pages."""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

__all__ = ["picture"]

_STEP = 92  # from column to column
_HEIGHT = 150
_TOP = 20
_RADIUS = 6
_MOST_UNITS = 10  # drawn one by one; a wider layer is a block
_MOST_COLUMNS = 9
_COLOURS = ("#8a8f98", "#4a90d9", "#e08a3c")  # input, hidden, output


class Column(NamedTuple):
    """A layer in the picture: where it stands, and its units or its block."""

    x: float
    units: list[float]  # the y of every unit; empty for a block
    low: float
    high: float
    colour: str
    size: str
    name: str


def picture(sizes: Sequence[int], names: Sequence[str]) -> str:
    """Return the SVG of layers with these widths and activations.

    Lines and text take the colour of the page's text.
    """
    columns = _columns(sizes, names)
    width = _STEP * len(columns)
    height = _HEIGHT + _TOP + 38
    parts = [_links(left, right) for left, right in pairwise(columns)]
    parts += [_column(column) for column in columns]
    label = escape("network " + "-".join(str(size) for size in sizes[:20]), quote=True)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
        f'width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        'style="max-width:100%;background:none" font-family="sans-serif" '
        'font-size="11" text-anchor="middle" fill="currentColor">'
        f"{''.join(parts)}</svg>"
    )


def _columns(sizes: Sequence[int], names: Sequence[str]) -> list[Column]:
    """Place the layers, the middle ones left out if they are many."""
    shown = list(range(len(sizes)))
    if len(shown) > _MOST_COLUMNS:
        shown[5:-3] = [-1]
    last = len(sizes) - 1
    columns = []
    for place, m in enumerate(shown):
        x = _STEP * (place + 0.5)
        if m < 0:
            columns.append(Column(x, [], 0, 0, "", "...", ""))
            continue
        colour = _COLOURS[0 if m == 0 else 2 if m == last else 1]
        columns.append(_place(x, sizes[m], colour, names[m]))
    return columns


def _place(x: float, size: int, colour: str, name: str) -> Column:
    middle = _TOP + _HEIGHT / 2
    if size <= _MOST_UNITS:
        apart = min(26.0, (_HEIGHT - 5 * _RADIUS) / max(1, size - 1))
        units = [middle + apart * (i - (size - 1) / 2) for i in range(size)]
        return Column(x, units, units[0], units[-1], colour, f"{size:,}", name)
    half = min(_HEIGHT, 98 + 24 * math.log10(size / _MOST_UNITS)) / 2
    return Column(x, [], middle - half, middle + half, colour, f"{size:,}", name)


def _links(left: Column, right: Column) -> str:
    if not left.colour or not right.colour:
        return ""
    if left.units and right.units:
        lines = "".join(
            f"M{left.x:g} {a:.1f}L{right.x:g} {b:.1f}" for a in left.units for b in right.units
        )
        return (
            f'<path d="{lines}" stroke="currentColor" stroke-opacity="0.22" '
            'stroke-width="0.8" fill="none"/>'
        )
    corners = [
        (left.x, left.low), (right.x, right.low), (right.x, right.high), (left.x, left.high),
    ]  # fmt: skip
    points = " ".join(f"{x:g},{y:.1f}" for x, y in corners)
    return f'<polygon points="{points}" fill="currentColor" fill-opacity="0.08"/>'


def _column(column: Column) -> str:
    x, colour = column.x, column.colour
    if not colour:
        return f'<text x="{x:g}" y="{_TOP + _HEIGHT / 2:g}">...</text>'
    style = f'fill="{colour}" stroke="currentColor" stroke-opacity="0.5"'
    if column.units:
        shapes = "".join(
            f'<circle cx="{x:g}" cy="{y:.1f}" r="{_RADIUS}" {style}/>' for y in column.units
        )
    else:
        shapes = (
            f'<rect x="{x - 9:g}" y="{column.low:.1f}" width="18" '
            f'height="{column.high - column.low:.1f}" rx="4" {style}/>'
        )
    bottom = _TOP + _HEIGHT
    return (
        f"{shapes}"
        f'<text x="{x:g}" y="{bottom + 16}">{column.size}</text>'
        f'<text x="{x:g}" y="{bottom + 30}" fill-opacity="0.7">{escape(column.name)}</text>'
    )
