"""The connections in a network's picture: lines, or a map of W where a layer is a block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from swiftbackprop._draw.diagram_layout import GAP, Column, DiagramLayout
from swiftbackprop._draw.heatmap import heat, shrink
from swiftbackprop._draw.notation import Letters, math_svg
from swiftbackprop._draw.svg import BLUE, FADED, INK, ORANGE, SERIF, label
from swiftbackprop._net.arrays import FloatArray

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase

BLOCK = 26  # the width of a block
_LEVELS = 12  # of width, where connections share an element


class Panel(NamedTuple):
    """One drawing of the network: what its lines stand for."""

    net: NetworkBase
    kind: str
    letters: Letters
    places: DiagramLayout
    a: list[FloatArray] | None  # of one example, m = 0..L
    scale: float  # of the largest number
    is_small: bool

    def matrix(self, m: int) -> FloatArray:
        """Return W(m) or its gradient."""
        layer = self.net.layer(m)
        return layer.W if self.kind == "weights" else layer.grad_W

    def vector(self, m: int) -> FloatArray:
        """Return b(m) or its gradient."""
        layer = self.net.layer(m)
        return layer.b if self.kind == "weights" else layer.grad_b

    def name(self, quantity: str, m: int) -> str:
        """Return W(m) or b(m), or its gradient, in the letters chosen."""
        prefix = "" if self.kind == "weights" else "grad_"
        return self.letters.quantity(f"{prefix}{quantity}", m)


def link(panel: Panel, left: Column, right: Column) -> str:
    """Draw W between two layers: its connections, or a map of it where a layer is a block."""
    if GAP in (left.m, right.m):
        return ""
    middle = (left.x + right.x) / 2
    name = math_svg(panel.name("W", right.m), 13)
    title = label(middle, 20, name, 13, more=SERIF)
    if not (left.units and right.units):
        return title + _map(panel, left, right)
    lines = _single if panel.is_small else _bundled
    return title + lines(panel, left, right)


def _width(panel: Panel, value: float) -> float:
    return 0.5 + 5 * abs(value) / panel.scale if panel.scale else 0.5


def colour_of(value: float) -> str:
    """Return the colour of a number by its sign."""
    return BLUE if value > 0 else ORANGE if value < 0 else INK


def _ends(left: Column, right: Column, i: int, j: int) -> str:
    return f"M{left.x:.1f} {left.units[j]:.1f}L{right.x:.1f} {right.units[i]:.1f}"


def _dash(panel: Panel) -> str:
    return "" if panel.kind == "weights" else ' stroke-dasharray="7 3"'


def _single(panel: Panel, left: Column, right: Column) -> str:
    """Draw every connection as an element with its number."""
    matrix, name = panel.matrix(right.m), panel.name("W", right.m)
    out = []
    for i in range(len(right.units)):
        for j in range(len(left.units)):
            value = float(matrix[i, j])
            is_known = math.isfinite(value) and value != 0
            paint = (
                f'stroke="{colour_of(value)}" stroke-width="{_width(panel, value):.2f}"'
                if is_known
                else f'stroke="{INK}" stroke-width="0.5"'
            )
            out.append(
                f'<path class="connection" d="{_ends(left, right, i, j)}" {paint} '
                f'stroke-opacity="{0.85 if is_known else 0.4}">'
                f"<title>{name}[{i}, {j}] = {value:.4g}</title></path>"
            )
    return f'<g fill="none"{_dash(panel)}>{"".join(out)}</g>'


def _bundled(panel: Panel, left: Column, right: Column) -> str:
    """Draw connections of about the same number as one element."""
    matrix = panel.matrix(right.m)
    bundles: dict[tuple[int, str], list[str]] = {}
    for i in range(len(right.units)):
        for j in range(len(left.units)):
            value = float(matrix[i, j])
            if not math.isfinite(value):
                value = 0.0
            level = round(_LEVELS * abs(value) / panel.scale) if panel.scale else 0
            ends = _ends(left, right, i, j)
            bundles.setdefault((level, colour_of(value)), []).append(ends)
    lines = "".join(
        f'<path class="connections" d="{"".join(ends)}" stroke="{colour}" '
        f'stroke-width="{0.4 + 4 * level / _LEVELS:.2f}" '
        f'stroke-opacity="{0.3 + 0.55 * level / _LEVELS:.2f}"/>'
        for (level, colour), ends in sorted(bundles.items())
    )
    return f'<g fill="none"{_dash(panel)}>{lines}</g>'


def _map(panel: Panel, left: Column, right: Column) -> str:
    """Draw a matrix as a map of cells between two layers."""
    middle, centre = (left.x + right.x) / 2, panel.places.middle
    cells, cell = shrink(panel.matrix(right.m)), panel.places.cell
    height, width = cell * cells.shape[0], cell * cells.shape[1]
    x, y = middle - width / 2, centre - height / 2
    near, far = _side(left), -_side(right)
    corners = (
        f"{left.x + near:.1f},{left.low:.1f} {x:.1f},{y:.1f} {x:.1f},{y + height:.1f} "
        f"{left.x + near:.1f},{left.high:.1f}"
    )
    others = (
        f"{x + width:.1f},{y:.1f} {right.x + far:.1f},{right.low:.1f} "
        f"{right.x + far:.1f},{right.high:.1f} {x + width:.1f},{y + height:.1f}"
    )
    fans = "".join(
        f'<polygon points="{points}" fill="{INK}" fill-opacity="0.07"/>'
        for points in (corners, others)
    )
    outputs, inputs = panel.matrix(right.m).shape
    name = f"{panel.name('W', right.m)}, {outputs} × {inputs}"
    shape = label(middle, y + height + 14, f"{outputs} × {inputs}", 11, more=FADED)
    drawn = heat(cells, x, y, cell, cell, panel.scale)
    return f'{fans}<g class="map"><title>{name}</title>{drawn}</g>{shape}'


def _side(column: Column) -> float:
    return column.radius if column.units else BLOCK / 2
