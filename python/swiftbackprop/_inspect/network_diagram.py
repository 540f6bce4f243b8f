"""A network as a picture: units and connections, or blocks where they are many.

Colour tells the sign and width the size of a weight or of its gradient; what the last
forward left in a layer fills its units.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.diagram_layout import GAP, Column, DiagramLayout, place
from swiftbackprop._draw.heatmap import heat, shrink
from swiftbackprop._draw.notation import Letters, letters, math_svg
from swiftbackprop._draw.number_text import tiny
from swiftbackprop._draw.svg import (
    BLUE,
    FADED,
    INK,
    ORANGE,
    PAPER,
    SERIF,
    START,
    TEXT,
    Picture,
    clipped,
    label,
)
from swiftbackprop._net.arrays import FloatArray, as_data, as_row
from swiftbackprop._net.names import unknown
from swiftbackprop._net.normalization import in_order

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


SHOWN = {
    "weights": ("weights",),
    "gradients": ("gradients",),
    "both": ("weights", "gradients"),
}
_MOST_SINGLE = 150  # connections that get an element of their own, with their number
_BLOCK = 26  # the width of a block
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


def diagram(
    net: NetworkBase,
    X: npt.ArrayLike | None = None,
    show: str = "weights",
    example: int = 0,
    symbols: str = "deck1",
) -> Picture:
    """Return the picture of a network; see `Network.diagram`."""
    if show not in SHOWN:
        raise ValueError(unknown("show", str(show), SHOWN))
    write = letters(symbols)
    a = _activations(net, X, example)
    places = place(net.sizes)
    parts, height = [], 0.0
    for kind in SHOWN[show]:
        panel = Panel(net, kind, write, places, a, *_measure(net, kind, places.columns))
        drawn, lower = _panel(panel)
        parts.append(f'<g class="{kind}" transform="translate(0 {height:.1f})">{drawn}</g>')
        height += lower
    sizes = "-".join(str(size) for size in net.sizes[:20])
    name = f"network {sizes}{'-...' if len(net.sizes) > 20 else ''}"
    return Picture("".join(parts), places.width, height, name, _description(net, show, a))


def _description(net: NetworkBase, show: str, a: list[FloatArray] | None) -> str:
    spec = net._spec
    numbered = enumerate(spec.activations[:20], start=1)
    rules = ", ".join(
        in_order(norm, rule.name) if (norm := spec.norm(m)) else rule.name for m, rule in numbered
    )
    lines = "weights and gradients" if show == "both" else show
    fill = "" if a is None else " The fill of the units shows their activations."
    return (
        f"A network of {len(net.layers)} layers with the activations {rules} and the loss "
        f"{net.loss.name}. Colour and width of the connections show the sign and size of its "
        f"{lines}.{fill}"
    )


def _activations(
    net: NetworkBase, X: npt.ArrayLike | None, example: int
) -> list[FloatArray] | None:
    """Return a(0), ..., a(L) of one example: of X, or of the last forward if there was one."""
    seen, row = net, example
    if X is not None:
        data, row = as_data(X, "X"), 0
        if data.ndim == 2 and data.shape[1] == net.sizes[0] and len(data):
            data = data[[as_row(example, len(data))]]
        seen = net.copy()
        seen.forward(data)
    try:
        layers = [seen.layer(m).a for m in range(len(net.sizes))]
    except RuntimeError:  # no forward, or its input was released
        return None
    row = as_row(row, len(layers[0]))
    return [layer[row] for layer in layers]


def _measure(net: NetworkBase, kind: str, columns: list[Column]) -> tuple[float, bool]:
    """Return the largest finite number that is drawn, and whether lines are few."""
    largest, lines = 0.0, 0
    for left, right in pairwise(columns):
        if GAP in (left.m, right.m):
            continue
        layer = net.layer(right.m)
        matrix = layer.W if kind == "weights" else layer.grad_W
        lines += matrix.size
        ends = np.array([matrix.min(), matrix.max()])
        if not np.isfinite(ends).all():
            ends = matrix[np.isfinite(matrix)]
        largest = max(largest, float(np.abs(ends).max(initial=0)))
    return largest, lines <= _MOST_SINGLE


def _panel(panel: Panel) -> tuple[str, float]:
    """Return the drawing of one kind of number, and its height."""
    columns = panel.places.columns
    parts = [_link(panel, left, right) for left, right in pairwise(columns)]
    parts += [_layer(panel, column) for column in columns]
    y = panel.places.bottom + 74
    for line in _legend(panel):
        parts.append(label(16, y, line, 11.5, more=START + FADED))
        y += 17
    return "".join(parts), y


def _legend(panel: Panel) -> list[str]:
    """Say what colours, widths and fills mean."""
    W, b = (panel.name(letter, 1).replace("(1)", "") for letter in "Wb")
    blue = f'<tspan fill="{BLUE}" fill-opacity="1" font-weight="bold">Blue: above 0</tspan>'
    orange = f'<tspan fill="{ORANGE}" fill-opacity="1" font-weight="bold">orange: below</tspan>'
    columns = [column for column in panel.places.columns if column.m != GAP]
    has_lines = any(left.units and right.units for left, right in pairwise(columns))
    size = "Width" if has_lines else "Strength"
    most = f"at most {tiny(panel.scale)}" if panel.scale else "all 0"
    said = [f"{blue}, {orange}. {size}: the size of {W}, {most}."]
    ring = f"Ring: {b}." if any(column.units for column in columns[1:]) else ""
    fill = f"Fill: {panel.letters.a} of one example, each layer by its own largest."
    said.append(f"{ring} {'' if panel.a is None else fill}".strip())
    if any(not column.units for column in columns):
        said.append(f"A cell of a map: the largest number in its block of {W}.")
    return [line for line in said if line]


# --- Connections ------------------------------------------------------------------------------


def _link(panel: Panel, left: Column, right: Column) -> str:
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


def _colour(value: float) -> str:
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
                f'stroke="{_colour(value)}" stroke-width="{_width(panel, value):.2f}"'
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
            bundles.setdefault((level, _colour(value)), []).append(ends)
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
    return column.radius if column.units else _BLOCK / 2


# --- Layers -----------------------------------------------------------------------------------


def _layer(panel: Panel, column: Column) -> str:
    if column.m == GAP:
        return label(column.x, panel.places.middle + 6, "⋯", 24)
    net, m = panel.net, column.m
    a = None if panel.a is None else panel.a[m]
    shapes = _units(panel, column, a) if column.units else _block(column, a)
    rule = "input" if m == 0 else net._spec.activations[m - 1].name
    size = net.sizes[m]
    words = f"{size:,} unit{'' if size == 1 else 's'}"
    bottom = panel.places.bottom
    letter = panel.letters.quantity("a", m) if m else "x"
    return (
        f'<g class="layer">{shapes}'
        f"{label(column.x, bottom + 20, math_svg(letter, 14), 14, more=SERIF)}"
        f"{label(column.x, bottom + 36, words, 11)}"
        f"{label(column.x, bottom + 50, math_svg(clipped(rule, 13), 11), 11, more=FADED)}</g>"
    )


def _units(panel: Panel, column: Column, a: FloatArray | None) -> str:
    b = panel.vector(column.m) if column.m else None
    largest = _largest(a)
    out = []
    for i, y in enumerate(column.units):
        ring = 0.0 if b is None or not math.isfinite(b[i]) else float(b[i])
        width = 1.2 + (3 * min(1.0, abs(ring) / panel.scale) if ring and panel.scale else 0)
        circle = f'cx="{column.x:.1f}" cy="{y:.1f}" r="{column.radius:.1f}"'
        out.append(f'<circle class="paper" {circle} fill="{PAPER}"/>')
        fill, said = f'fill="{TEXT}" fill-opacity="0.06"', ""
        if a is not None:
            value = float(a[i])
            share = abs(value) / largest if largest and math.isfinite(value) else 0
            fill = f'fill="{_colour(value)}" fill-opacity="{0.06 + 0.6 * share:.2f}"'
            said = f"{panel.letters.quantity('a', column.m)}[{i}] = {value:.4g}"
        if b is not None:
            said += f"{', ' if said else ''}{panel.name('b', column.m)}[{i}] = {float(b[i]):.4g}"
        out.append(
            f'<circle class="unit" {circle} {fill} stroke="{_colour(ring)}" '
            f'stroke-width="{width:.2f}"><title>{said}</title></circle>'
        )
        if a is not None and column.radius >= 16:
            out.append(label(column.x, y + 4, _short(float(a[i])), 10.5, TEXT))
    return "".join(out)


def _short(value: float) -> str:
    """Return a number short enough to stand in a unit."""
    size = abs(value)
    if value == 0 or not math.isfinite(value) or (size >= 0.995 and value == round(value, 1)):
        return tiny(round(value, 1)) if size < 99 else tiny(value)
    if not 0.0095 <= size < 9950:
        head, tail = f"{value:.0e}".split("e")
        return f"{head}e{int(tail)}".replace("-", "−", value < 0)
    places = 2 if size < 9.95 else 1 if size < 99.5 else 0
    return f"{value:.{places}f}".replace("-", "−")


def _largest(a: FloatArray | None) -> float:
    if a is None:
        return 0.0
    known = np.abs(a[np.isfinite(a)])
    return float(known.max(initial=0))


def _block(column: Column, a: FloatArray | None) -> str:
    x, height = column.x - _BLOCK / 2, column.high - column.low
    place = f'x="{x:.1f}" y="{column.low:.1f}" width="{_BLOCK}" height="{height:.1f}" rx="5"'
    frame = f'<rect class="block" {place} fill="{INK}" fill-opacity="0.1" stroke="{INK}"/>'
    if a is None:
        return frame
    cells = shrink(a[:, np.newaxis], rows=40)
    each = (height - 8) / len(cells)
    return frame + heat(cells, x + 4, column.low + 4, _BLOCK - 8, each, _largest(a))
