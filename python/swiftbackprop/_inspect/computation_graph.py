"""The computation graph of one pass as a picture: x → z(1) → a(1) → ... → C.

W, b and t enter from below. Arrows back are purple; in small networks every arrow
carries what flows along it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from swiftbackprop._draw.notation import math_svg
from swiftbackprop._draw.number_text import FULL, LINE, WIDE, cut, tiny
from swiftbackprop._draw.svg import (
    FADED,
    INK,
    START,
    Picture,
    arrow,
    clipped,
    label,
)
from swiftbackprop._inspect.graph_shapes import (
    EDGE,
    RADIUS,
    Card,
    Sketch,
    draw_card,
    draw_edge,
    draw_leap,
    draw_lift,
    draw_node,
)
from swiftbackprop._inspect.trace_steps import LayerParts, Parts
from swiftbackprop._net.arrays import FloatArray

_MOST_UNITS = 16  # in a network whose numbers are shown
_MOST_LAYERS = 5  # drawn; of a deeper network the middle is left out
_GAP = 0  # stands for the layers left out


def draw(
    parts: Parts, C: float, example: int, lit: Mapping[str, str] = MappingProxyType({})
) -> Picture:
    """Return the picture, with the values of one row of the batch.

    `lit` says what is drawn otherwise, by the names of a trace's steps, or "W(1)", "b(1)", "t":
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
    z = max(26 + 2 * RADIUS + EDGE - RADIUS, first.width + 24)
    x, before = z - EDGE, 0.0
    draw_node(sketch, x, "a(0)", "x", f"{parts.sizes[0]} × 1", "")
    grown = 0.0  # where the cards so far end
    gap = False
    for m in _chosen(len(parts.layers)):
        if m == _GAP:
            gap = True
            continue
        layer = parts.layers[m - 1]
        W, b = cards[m]
        before, z = x, max(x + EDGE * (1.6 if gap else 1), grown + 14 + W.width + 4)
        if gap:
            draw_leap(sketch, before, z, m)
        else:
            source = parts.X if m == 1 else parts.layers[m - 2].a
            back = None if m == 1 else parts.layers[m - 2].grad_a
            draw_edge(sketch, before, z, source, back, of("grad_a", m - 1), ("a", m - 1))
        gap = False
        _enter(sketch, z, W, -1)
        _enter(sketch, z, b, 1)
        grown = z + 4 + b.width
        a = max(z + EDGE, (z + _reach(cards, m, grown)) / 2)
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
    draw_edge(sketch, z, a, layer.z, layer.grad_z, of("grad_z", m), ("z", m))
    draw_node(sketch, z, f"z({m})", of("z", m), units, "")
    draw_node(sketch, a, f"a({m})", of("a", m), units, clipped(layer.rule, 12))


def _enter(sketch: Sketch, x: float, card: Card, side: int) -> None:
    """Draw a card under the node at x, to its left (−1) or right (1), and its arrows."""
    left = x + 4 if side > 0 else x - 4 - card.width
    near, far = x + side * 8, x + side * 15
    draw_lift(sketch, near, far, x)
    draw_card(sketch, left, card)


def _cost(sketch: Sketch, a: float, C: float) -> float:
    """Draw C and t behind the last a; return where they end."""
    parts, last = sketch.parts, sketch.parts.last
    letter, x = parts.letters.cost, a + EDGE
    name = parts.letters.quantity("grad_a", last.m)
    draw_edge(sketch, a, x, last.a, last.grad_a, name, ("a", last.m))
    draw_node(sketch, x, "C", letter, "", "")
    y, beside = sketch.middle, x + RADIUS + 8
    value = label(beside, y - 1, f"{letter} = {tiny(C)}", 13, more=START)
    sketch.out.append(sketch.drawn("C", (beside - 4, y - 15, 88, 19), value))
    name = math_svg(clipped(parts.loss.name, 21), 11)
    sketch.out.append(label(beside, y + 14, name, 11, more=START + FADED))
    target = parts.target(sketch.example)
    numbers = [[n] for n in cut([tiny(v) for v in target], "⋮")] if sketch.has_numbers else []
    card = Card("t", f"t\u2002{len(target)} × 1", "", numbers, [], False)
    top = y + RADIUS + 2
    sketch.out.append(arrow(x, sketch.floor - 2, x, top, INK, "forward"))
    draw_card(sketch, x - card.width / 2, card)
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
