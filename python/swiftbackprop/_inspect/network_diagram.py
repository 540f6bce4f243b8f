"""A network as a picture: units and connections, or blocks where they are many.

Colour tells the sign and width the size of a weight or of its gradient; what the last
forward left in a layer fills its units.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.diagram_layout import GAP, Column, place
from swiftbackprop._draw.heatmap import heat, shrink
from swiftbackprop._draw.notation import letters, math_svg
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
from swiftbackprop._inspect.diagram_connections import BLOCK, Panel, colour_of, link
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
    parts = [link(panel, left, right) for left, right in pairwise(columns)]
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
            fill = f'fill="{colour_of(value)}" fill-opacity="{0.06 + 0.6 * share:.2f}"'
            said = f"{panel.letters.quantity('a', column.m)}[{i}] = {value:.4g}"
        if b is not None:
            said += f"{', ' if said else ''}{panel.name('b', column.m)}[{i}] = {float(b[i]):.4g}"
        out.append(
            f'<circle class="unit" {circle} {fill} stroke="{colour_of(ring)}" '
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
    x, height = column.x - BLOCK / 2, column.high - column.low
    place = f'x="{x:.1f}" y="{column.low:.1f}" width="{BLOCK}" height="{height:.1f}" rx="5"'
    frame = f'<rect class="block" {place} fill="{INK}" fill-opacity="0.1" stroke="{INK}"/>'
    if a is None:
        return frame
    cells = shrink(a[:, np.newaxis], rows=40)
    each = (height - 8) / len(cells)
    return frame + heat(cells, x + 4, column.low + 4, BLOCK - 8, each, _largest(a))
