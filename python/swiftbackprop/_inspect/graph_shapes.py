"""What the picture of a computation graph is made of: nodes, arrows with numbers, cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from swiftbackprop._draw.notation import math_svg
from swiftbackprop._draw.number_text import CELL, LINE, bracket, cut, tiny
from swiftbackprop._draw.svg import BLUE, FADED, INK, ORANGE, PURPLE, SERIF, arrow, label
from swiftbackprop._inspect.trace_steps import Parts
from swiftbackprop._net.arrays import FloatArray

GROUNDS = {"read": BLUE, "written": ORANGE}
RADIUS = 22
EDGE = 136  # from node to node
_PAD = 10


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


def draw_node(sketch: Sketch, x: float, key: str, name: str, shape: str, rule: str) -> None:
    y = sketch.middle
    content = [
        f'<g class="node"><circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{INK}" '
        f'fill-opacity="0.06" stroke="{INK}" stroke-width="1.3"/>'
        f"{label(x, y + 5, math_svg(name, 15), 15, more=SERIF)}"
    ]
    if shape:
        content.append(label(x, y - RADIUS - 7, shape, 11, more=FADED))
    if rule:
        content.append(label(x, y - RADIUS - 21, math_svg(rule, 11), 11))
    content.append("</g>")
    box = (x - RADIUS - 3, y - RADIUS - 3, 2 * RADIUS + 6, 2 * RADIUS + 6)
    sketch.out.append(sketch.drawn(key, box, "".join(content)))


def draw_edge(
    sketch: Sketch,
    x1: float,
    x2: float,
    value: FloatArray,
    slope: FloatArray | None,
    name: str,
    of: tuple[str, int],
) -> None:
    """Draw what flows between two nodes: the value of the first, and its gradient back."""
    y, near, far = sketch.middle, x1 + RADIUS + 2, x2 - RADIUS - 2
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


def draw_leap(sketch: Sketch, x1: float, x2: float, m: int) -> None:
    """Draw the way over the layers left out."""
    y, centre = sketch.middle, (x1 + x2) / 2
    near, far = x1 + RADIUS + 2, x2 - RADIUS - 2
    for start, end in ((near, centre - 16), (centre + 16, far)):
        sketch.out.append(arrow(start, y - 5, end, y - 5, INK, "forward"))
        sketch.out.append(arrow(end, y + 5, start, y + 5, PURPLE, "backward"))
    sketch.out.append(label(centre, y + 4, "⋯", 20))
    sketch.out.append(label(centre, y - 20, f"layers 3 to {m - 1}", 11, more=FADED))


def draw_lift(sketch: Sketch, near: float, far: float, x: float) -> None:
    """Draw the arrow from a card up to the node at x, and the one back."""
    bottom = [sketch.middle + (RADIUS**2 - (place - x) ** 2) ** 0.5 + 2 for place in (near, far)]
    top = sketch.floor - 2
    sketch.out.append(arrow(near, top, near, bottom[0], INK, "forward"))
    sketch.out.append(arrow(far, bottom[1], far, top, PURPLE, "backward"))


def draw_card(sketch: Sketch, left: float, card: Card) -> None:
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
