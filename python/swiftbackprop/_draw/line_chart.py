"""Small line charts of a training as SVG: quick to draw, again and again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from swiftbackprop._draw.svg import BLUE, INK, ORANGE, START, Picture, label

_WIDTH, _HEIGHT = 380, 210
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 30, 34  # margins around the curves
_MOST_POINTS = 400


class _Frame(NamedTuple):
    """Where epochs and values lie."""

    epochs: int
    ticks: list[float]

    def x(self, epoch: int) -> float:
        share = (epoch - 1) / max(1, self.epochs - 1)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        share = (max(value, low) - low) / (high - low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def chart(
    columns: Mapping[str, Sequence[float]],
    name: str,
    *,
    best: float = 0.0,
    floor: float = -math.inf,
) -> Picture:
    """Return a chart of a quantity per epoch, of training and of validation.

    The columns are `name`, ``"val_" + name`` or both. The y axis reaches `best`, the best value
    there is, and does not go below `floor`.

    Examples
    --------
    >>> from swiftbackprop._draw.line_chart import chart
    >>> picture = chart({"loss": [2.0, 1.0, 0.5]}, "loss")
    >>> picture.description
    'loss over 3 epochs, now 0.5'
    """
    colours = {name: BLUE, f"val_{name}": ORANGE}
    curves = {key: columns[key] for key in colours if key in columns}
    epochs = max((len(curve) for curve in curves.values()), default=0)
    values = [best, *(max(v, floor) for c in curves.values() for v in c if math.isfinite(v))]
    frame = _Frame(epochs, _ticks(min(values), max(values)))
    parts, said, place = _axes(frame), [], float(_LEFT)
    for key, curve in curves.items():
        now = f"{key} {curve[-1]:.4g}" if curve else key
        parts.append(_line([(frame.x(k), frame.y(v)) for k, v in _points(curve)], colours[key]))
        parts.append(label(place, 16, now, 12, colours[key], START))
        said.append(f"{key} over {epochs} epochs" + now.replace(key, ", now", 1) * bool(curve))
        place += 7.5 * len(now) + 16
    return Picture("".join(parts), _WIDTH, _HEIGHT, f"{name} per epoch", "; ".join(said))


def _axes(frame: _Frame) -> list[str]:
    """Return lines and numbers of the y axis, and the first and last epoch."""
    parts, end = [], _WIDTH - _RIGHT
    for tick in frame.ticks:
        y, opacity = frame.y(tick), 0.45 if tick == frame.ticks[0] else 0.15
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{end}" stroke="{INK}" stroke-opacity="{opacity}" '
            'stroke-width="0.8"/>'
        )
        parts.append(label(_LEFT - 6, y + 4, f"{tick:g}", 11, INK, ' text-anchor="end"'))
    for epoch in sorted({1, frame.epochs} - {0}):
        parts.append(label(frame.x(epoch), _HEIGHT - _BOTTOM + 16, f"{epoch}", 11))
    parts.append(label((_LEFT + end) / 2, _HEIGHT - 6, "epoch", 11))
    return parts


def _points(curve: Sequence[float]) -> list[tuple[int, float]]:
    """Return numbered epochs of finite value; of a long curve some, the last among them."""
    step = -(-len(curve) // _MOST_POINTS) if curve else 1
    numbers = {*range(1, len(curve) + 1, step), len(curve)} - {0}
    return [(k, curve[k - 1]) for k in sorted(numbers) if math.isfinite(curve[k - 1])]


def _line(points: Sequence[tuple[float, float]], colour: str) -> str:
    if len(points) < 2:
        dots = (f'cx="{x:.1f}" cy="{y:.1f}"' for x, y in points)
        return "".join(f'<circle class="curve" {dot} r="3" fill="{colour}"/>' for dot in dots)
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return (
        f'<path class="curve" d="M{path}" fill="none" stroke="{colour}" stroke-width="2" '
        'stroke-linejoin="round"/>'
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers, the first and last of which enclose the range."""
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span))
    step = next(s * power for s in (0.2, 0.5, 1.0, 2.0) if span <= 5 * s * power)
    first = math.floor(low / step + 1e-9)
    last = max(first + 1, math.ceil(high / step - 1e-9))
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
