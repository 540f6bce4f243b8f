"""Where the layers of a network stand in its picture."""

from __future__ import annotations

import math
from typing import NamedTuple

from swiftbackprop._draw.heatmap import CELLS

_MOST_UNITS = 10  # drawn one by one; a wider layer is a block
_MOST_COLUMNS = 11
_APART = 56  # from unit to unit, if they are few
_TALL = 232  # the units of a layer together, at most
_TOP = 40
_MARGIN = 58
_LEAST = 500  # the width that the legend needs
GAP = -1  # stands for the layers left out


class Column(NamedTuple):
    """A layer in the picture: where it stands, and its units or its block."""

    m: int
    x: float
    units: list[float]  # the y of every unit; empty for a block
    radius: float
    low: float
    high: float


class DiagramLayout(NamedTuple):
    """Where everything stands."""

    columns: list[Column]
    width: float
    middle: float
    bottom: float
    cell: float  # the side of a cell in a map


def place(sizes: tuple[int, ...]) -> DiagramLayout:
    """Place the layers, the middle ones left out if they are many."""
    shown = list(range(len(sizes)))
    if len(shown) > _MOST_COLUMNS:
        shown[6:-4] = [GAP]
    links = len(shown) - 1
    cell = 7.0 if links <= 4 else 5.0
    step = min(190.0, max(88.0, 640 / links))
    if max(sizes) > _MOST_UNITS:
        step = CELLS * cell + 78
    spans = [_span(sizes[m]) for m in shown if m != GAP]
    middle = _TOP + max(spans) / 2
    width = max(_LEAST, step * links + 2 * _MARGIN)
    start = (width - step * links) / 2
    columns = [
        _column(m, start + step * number, middle, sizes[m] if m != GAP else 0)
        for number, m in enumerate(shown)
    ]
    return DiagramLayout(columns, width, middle, middle + max(spans) / 2, cell)


def _span(size: int) -> float:
    """Return how tall a layer is."""
    if size <= _MOST_UNITS:
        return min(_APART * size, _TALL)
    return min(_TALL, 130 + 32 * math.log10(size / _MOST_UNITS))


def _column(m: int, x: float, middle: float, size: int) -> Column:
    half = _span(size) / 2
    if size > _MOST_UNITS or m == GAP:
        return Column(m, x, [], 0, middle - half, middle + half)
    apart = 2 * half / size
    units = [middle + apart * (i - (size - 1) / 2) for i in range(size)]
    return Column(m, x, units, min(18.0, 0.43 * apart), units[0], units[-1])
