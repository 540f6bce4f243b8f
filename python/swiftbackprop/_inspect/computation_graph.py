"""The computation graph of one pass as a picture: x → z(1) → a(1) → ... → C.

W, b and t enter from below. Arrows back are purple; in small networks every arrow
carries what flows along it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from swiftbackprop._draw.notation import math_svg
from swiftbackprop._draw.number_text import CELL, FULL, LINE, WIDE, bracket, cut, tiny
from swiftbackprop._draw.svg import (
    BLUE,
    FADED,
    INK,
    ORANGE,
    PURPLE,
    SERIF,
    START,
    Picture,
    arrow,
    clipped,
    label,
)
from swiftbackprop._inspect.trace_steps import LayerParts, Parts
from swiftbackprop._net.arrays import FloatArray

__all__ = ["GROUNDS", "draw"]

GROUNDS = {"read": BLUE, "written": ORANGE}
_RADIUS = 22
_EDGE = 136  # from node to node
_PAD = 10
_MOST_UNITS = 16  # in a network whose numbers are shown
_MOST_LAYERS = 5  # drawn; of a deeper network the middle is left out
_GAP = 0  # stands for the layers left out


class Card(NamedTuple):
    """What enters a node from below: W, b or t; its name is as for `draw`."""

    name: str
    title: str
    gradient: str
    numbers: list[list[str]]
    slopes: list[list[str]]
    dashed: bool

    @property
    def width(self) -> float:
        """From edge to edge."""
        columns = max((len(row) for row in self.numbers), default=0)
        text = max(len(self.title), len(self.gradient)) * 7.4 - 6
        return max(columns * CELL + 6, text, 44) + 2 * _PAD

    @property
    def height(self) -> float:
        """From top to bottom."""
        rows = len(self.numbers) + len(self.slopes)
        return 26 + rows * LINE + (22 if self.gradient else 0) + (8 if rows else 0)


class Sketch(NamedTuple):
    """The measures of one graph, and what is drawn so far."""

    parts: Parts
    example: int
    has_numbers: bool
    middle: float
    floor: float
    out: list[str]
    # By the name of a quantity, how it is drawn; those that are not there are as ever.
    lit: Mapping[str, str]

    def drawn(self, name: str, box: tuple[float, float, float, float], content: str) -> str:
        """Return what is drawn of a quantity, in its state; box is x, y, width and height."""
        state = self.lit.get(name, "")
        if state == "later":
            return f'<g opacity="0.15">{content}</g>'
        if state not in GROUNDS:
            return content
        x, y, width, height = box
        return (
            f'<rect class="{state}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" rx="5" fill="{GROUNDS[state]}" fill-opacity="0.3"/>{content}'
        )

    def column(self, values: FloatArray) -> list[str]:
        """Return the numbers of the example, cut in the middle if they are many."""
        return cut([tiny(value) for value in values[self.example]], "⋮")


def draw(
    parts: Parts, C: float, example: int, lit: Mapping[str, str] = MappingProxyType({})
) -> Picture:
    """Return the picture, with the values of one row of the batch.

    Parameters
    ----------
    parts : Parts
    C : float
    example : int
    lit : dict, optional
        What is drawn otherwise, by the names of a trace's steps, or "W(1)", "b(1)", "t":
        "read" and "written" have a coloured ground, "later" is faint.
    """
    has_numbers = max(parts.sizes) <= _MOST_UNITS
    longest = min(FULL, max(parts.sizes)) if has_numbers else 0
    middle = 50 + max(longest * LINE + 4, 24)
    floor = middle + 34 + longest * LINE + 24
    sketch = Sketch(parts, example, has_numbers, middle, floor, [], lit)
    cards = {m: _cards(sketch, m) for m in _chosen(len(parts.layers)) if m}
    right = _chain(sketch, cards, C)
    lowest = floor + max(card.height for pair in cards.values() for card in pair)
    bottom = _captions(sketch, lowest + 26)
    names = " → ".join(name for name, _ in _nodes(sketch))
    said = (
        f"Computation graph of {parts.headline}: {names}. W and b enter every z, t enters "
        f"{parts.letters.cost}. Arrows back carry the gradients. The cost is {C:.4g}."
    )
    return Picture(
        "".join(sketch.out), right, bottom, f"computation graph of {parts.sizes_text}", said
    )


def _chosen(layers: int) -> list[int]:
    """Return the numbers of the layers that are drawn."""
    numbers = list(range(1, layers + 1))
    if layers > _MOST_LAYERS:
        numbers[2:-2] = [_GAP]
    return numbers


def _nodes(sketch: Sketch) -> list[tuple[str, int]]:
    """Return the names of the nodes from left to right, and their layers."""
    of = sketch.parts.letters.quantity
    found = [("x", 0)]
    for m in _chosen(len(sketch.parts.layers)):
        found += [(of("z", m), m), (of("a", m), m)] if m else [("...", _GAP)]
    return [*found, (sketch.parts.letters.cost, 0)]


def _matrix(sketch: Sketch, W: FloatArray) -> list[list[str]]:
    """Return the numbers of a matrix, cut in the middle."""
    if not sketch.has_numbers:
        return []
    rows = list(W) if len(W) <= FULL else [W[0], W[1], None, W[-1]]
    width = min(W.shape[1], WIDE)
    return [
        ["⋮"] * width if row is None else cut([tiny(value) for value in row], "⋯", WIDE)
        for row in rows
    ]


def _cards(sketch: Sketch, m: int) -> tuple[Card, Card]:
    """Return the cards of W(m) and b(m)."""
    layer, of = sketch.parts.layers[m - 1], sketch.parts.letters.quantity
    outputs, inputs = layer.W.shape
    column = np.s_[:, np.newaxis]
    return (
        Card(
            *(f"W({m})", f"{of('W', m)}\u2002{outputs} × {inputs}", of("grad_W", m)),
            *(_matrix(sketch, layer.W), _matrix(sketch, layer.grad_W), False),
        ),
        Card(
            *(f"b({m})", of("b", m), of("grad_b", m)),
            *(_matrix(sketch, layer.b[column]), _matrix(sketch, layer.grad_b[column])),
            sketch.parts.letters.cost == "L",
        ),
    )


def _chain(sketch: Sketch, cards: dict[int, tuple[Card, Card]], C: float) -> float:
    """Draw the nodes from x to C with their cards; return where the picture ends."""
    parts, of = sketch.parts, sketch.parts.letters.quantity
    first = cards[1][0]
    z = max(26 + 2 * _RADIUS + _EDGE - _RADIUS, first.width + 24)
    x, before = z - _EDGE, 0.0
    _node(sketch, x, "a(0)", "x", f"{parts.sizes[0]} × 1", "")
    grown = 0.0  # where the cards so far end
    gap = False
    for m in _chosen(len(parts.layers)):
        if m == _GAP:
            gap = True
            continue
        layer = parts.layers[m - 1]
        W, b = cards[m]
        before, z = x, max(x + _EDGE * (1.6 if gap else 1), grown + 14 + W.width + 4)
        if gap:
            _leap(sketch, before, z, m)
        else:
            source = parts.X if m == 1 else parts.layers[m - 2].a
            back = None if m == 1 else parts.layers[m - 2].grad_a
            _edge(sketch, before, z, source, back, of("grad_a", m - 1), ("a", m - 1))
        gap = False
        _enter(sketch, z, W, -1)
        _enter(sketch, z, b, 1)
        grown = z + 4 + b.width
        a = max(z + _EDGE, (z + _reach(cards, m, grown)) / 2)
        x = a
        _layer(sketch, layer, z, a)
    return _cost(sketch, x, C)


def _reach(cards: dict[int, tuple[Card, Card]], m: int, grown: float) -> float:
    """Return where z(m + 1) would stand by the width of the cards alone."""
    following = cards.get(m + 1)
    return grown + 18 + following[0].width if following else 0.0


def _layer(sketch: Sketch, layer: LayerParts, z: float, a: float) -> None:
    of, units = sketch.parts.letters.quantity, f"{layer.z.shape[1]} × 1"
    m = layer.m
    _edge(sketch, z, a, layer.z, layer.grad_z, of("grad_z", m), ("z", m))
    _node(sketch, z, f"z({m})", of("z", m), units, "")
    _node(sketch, a, f"a({m})", of("a", m), units, clipped(layer.rule, 12))


def _node(sketch: Sketch, x: float, key: str, name: str, shape: str, rule: str) -> None:
    y = sketch.middle
    content = [
        f'<g class="node"><circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="{INK}" '
        f'fill-opacity="0.06" stroke="{INK}" stroke-width="1.3"/>'
        f"{label(x, y + 5, math_svg(name, 15), 15, more=SERIF)}"
    ]
    if shape:
        content.append(label(x, y - _RADIUS - 7, shape, 11, more=FADED))
    if rule:
        content.append(label(x, y - _RADIUS - 21, math_svg(rule, 11), 11))
    content.append("</g>")
    box = (x - _RADIUS - 3, y - _RADIUS - 3, 2 * _RADIUS + 6, 2 * _RADIUS + 6)
    sketch.out.append(sketch.drawn(key, box, "".join(content)))


def _edge(
    sketch: Sketch,
    x1: float,
    x2: float,
    value: FloatArray,
    slope: FloatArray | None,
    name: str,
    of: tuple[str, int],
) -> None:
    """Draw what flows between two nodes: the value of the first, and its gradient back."""
    y, near, far = sketch.middle, x1 + _RADIUS + 2, x2 - _RADIUS - 2
    centre, half, key = (x1 + x2) / 2, CELL / 2 + 6, f"{of[0]}({of[1]})"
    sketch.out.append(arrow(near, y - 5, far, y - 5, INK, "forward"))
    if sketch.has_numbers:
        numbers = sketch.column(value)
        top = y - 14 - LINE * len(numbers)
        content = bracket(centre, top, [[n] for n in numbers], INK, "value")
        box = (centre - half, top - 4, 2 * half, LINE * len(numbers) + 8.0)
        sketch.out.append(sketch.drawn(key, box, content))
    if slope is None:
        return
    sketch.out.append(arrow(far, y + 5, near, y + 5, PURPLE, "backward"))
    below, content = y + 14, ""
    if sketch.has_numbers:
        numbers = sketch.column(slope)
        content = bracket(centre, below, [[n] for n in numbers], PURPLE, "gradient")
        below += LINE * len(numbers) + 3
    content += label(centre, below + 11, math_svg(name, 11), 11, PURPLE)
    box = (centre - half, y + 10, 2 * half, below + 16 - y - 10)
    sketch.out.append(sketch.drawn(f"grad_{key}", box, content))


def _leap(sketch: Sketch, x1: float, x2: float, m: int) -> None:
    """Draw the way over the layers left out."""
    y, centre = sketch.middle, (x1 + x2) / 2
    near, far = x1 + _RADIUS + 2, x2 - _RADIUS - 2
    for start, end in ((near, centre - 16), (centre + 16, far)):
        sketch.out.append(arrow(start, y - 5, end, y - 5, INK, "forward"))
        sketch.out.append(arrow(end, y + 5, start, y + 5, PURPLE, "backward"))
    sketch.out.append(label(centre, y + 4, "⋯", 20))
    sketch.out.append(label(centre, y - 20, f"layers 3 to {m - 1}", 11, more=FADED))


def _enter(sketch: Sketch, x: float, card: Card, side: int) -> None:
    """Draw a card under the node at x, to its left (−1) or right (1), and its arrows."""
    left = x + 4 if side > 0 else x - 4 - card.width
    near, far = x + side * 8, x + side * 15
    _lift(sketch, near, far, x)
    _card(sketch, left, card)


def _lift(sketch: Sketch, near: float, far: float, x: float) -> None:
    """Draw the arrow from a card up to the node at x, and the one back."""
    bottom = [sketch.middle + (_RADIUS**2 - (place - x) ** 2) ** 0.5 + 2 for place in (near, far)]
    top = sketch.floor - 2
    sketch.out.append(arrow(near, top, near, bottom[0], INK, "forward"))
    sketch.out.append(arrow(far, bottom[1], far, top, PURPLE, "backward"))


def _card(sketch: Sketch, left: float, card: Card) -> None:
    centre, top = left + card.width / 2, sketch.floor
    dash = ' stroke-dasharray="4 3"' if card.dashed else ""
    out = [
        f'<g class="node"><rect x="{left:.1f}" y="{top:.1f}" width="{card.width:.1f}" '
        f'height="{card.height:.1f}" rx="6" fill="{INK}" fill-opacity="0.04" stroke="{INK}" '
        f'stroke-opacity="0.6"{dash}/>',
    ]
    content = label(centre, top + 18, math_svg(card.title, 13), 13, more=SERIF)
    y = top + 26
    if card.numbers:
        content += bracket(centre, y, card.numbers, INK, "value")
        y += len(card.numbers) * LINE + 4
    box = (left + 2, top + 2, card.width - 4, y - top - 2)
    out.append(sketch.drawn(card.name, box, content))
    start, content = y, ""
    if card.gradient:
        content += label(centre, y + 14, math_svg(card.gradient, 11), 11, PURPLE)
        y += 21
    if card.slopes:
        content += bracket(centre, y, card.slopes, PURPLE, "gradient")
    box = (left + 2, start + 1, card.width - 4, card.height - (start - top) - 3)
    out.append(sketch.drawn(f"grad_{card.name}", box, content) if content else "")
    sketch.out.append("".join([*out, "</g>"]))


def _cost(sketch: Sketch, a: float, C: float) -> float:
    """Draw C and t behind the last a; return where they end."""
    parts, last = sketch.parts, sketch.parts.last
    letter, x = parts.letters.cost, a + _EDGE
    name = parts.letters.quantity("grad_a", last.m)
    _edge(sketch, a, x, last.a, last.grad_a, name, ("a", last.m))
    _node(sketch, x, "C", letter, "", "")
    y, beside = sketch.middle, x + _RADIUS + 8
    value = label(beside, y - 1, f"{letter} = {tiny(C)}", 13, more=START)
    sketch.out.append(sketch.drawn("C", (beside - 4, y - 15, 88, 19), value))
    name = math_svg(clipped(parts.loss.name, 21), 11)
    sketch.out.append(label(beside, y + 14, name, 11, more=START + FADED))
    target = parts.target(sketch.example)
    numbers = [[n] for n in cut([tiny(v) for v in target], "⋮")] if sketch.has_numbers else []
    card = Card("t", f"t\u2002{len(target)} × 1", "", numbers, [], False)
    top = y + _RADIUS + 2
    sketch.out.append(arrow(x, sketch.floor - 2, x, top, INK, "forward"))
    _card(sketch, x - card.width / 2, card)
    return beside + max(136, card.width / 2) + 10


def _captions(sketch: Sketch, y: float) -> float:
    """Write what the colours mean and whose values are shown; return the lower end."""
    parts = sketch.parts
    said = [
        f"Arrows to the right: forward. Purple, back: the gradients of {parts.letters.cost}.",
    ]
    if parts.rows > 1 and sketch.has_numbers:
        share = "wₙ/Σw" if parts.weighted else f"1/{parts.rows}"
        said.append(
            f"Along the chain: example {sketch.example} of 0 to {parts.rows - 1}, whose "
            f"gradients carry its share {share}. Below: sums over all examples."
        )
    if parts.letters.cost == "L":
        said.append("The deck has no b: it is this project's addition.")
    for line in said:
        sketch.out.append(label(16, y, line, 11.5, more=START + FADED))
        y += 16
    return y - 2
