"""Numbers in a picture: short enough to read, in columns between brackets."""

from __future__ import annotations

import math

from swiftbackprop._draw.svg import label

LINE = 15  # between the lines of a column of numbers
CELL = 54  # the width of a number
FULL = 6  # numbers of a column; longer ones are cut
WIDE = 4  # numbers of a row


def tiny(value: float) -> str:
    """Return a number in at most seven characters, three of them decimals where they fit.

    Examples
    --------
    >>> from swiftbackprop._draw.number_text import tiny
    >>> [tiny(x) for x in (0.5, -1.23456, 123.456, 1234567.0, -0.0000123, 0.0)]
    ['0.500', '−1.235', '123', '1.2e6', '−1.2e-5', '0']
    """
    value = float(value)
    size = abs(value)
    if not math.isfinite(value):
        text = "∞" if value > 0 else "-∞" if value < 0 else "nan"
    elif value == int(value) and size < 1e5:
        text = f"{int(value)}"
    elif 0.01 <= size < 9999.5:
        text = f"{value:.{3 if size < 10 else 2 if size < 100 else 0}f}"
    else:
        head, tail = f"{value:.1e}".split("e")
        text = f"{head}e{int(tail)}"
    return f"−{text[1:]}" if text.startswith("-") else text


def cut(values: list[str], dots: str, max_values: int = FULL) -> list[str]:
    """Return the first two and the last of many, with dots between."""
    return values if len(values) <= max_values else [*values[:2], dots, values[-1]]


def bracket(x: float, top: float, rows: list[list[str]], colour: str, kind: str) -> str:
    """Draw a matrix of numbers between brackets, centred at x."""
    columns = max(len(row) for row in rows)
    half, height = columns * CELL / 2 + 3, len(rows) * LINE
    cells = "".join(
        _number(x + (j - (columns - 1) / 2) * CELL, top + i * LINE + 11.5, number)
        for i, row in enumerate(rows)
        for j, number in enumerate(row)
    )
    sides = "".join(
        f"M{x + side * (half - 4):.1f} {top - 1:.1f}H{x + side * half:.1f}"
        f"V{top + height + 1:.1f}H{x + side * (half - 4):.1f}"
        for side in (-1, 1)
    )
    return (
        f'<g class="{kind}" fill="{colour}">{cells}'
        f'<path d="{sides}" stroke="{colour}" stroke-width="1.1" fill="none"/></g>'
    )


def _number(x: float, y: float, text: str) -> str:
    """Write a number to the right of its cell at x, dots in the middle."""
    if text in "⋮⋯":
        return label(x, y, text)
    return label(x + CELL / 2 - 3, y, text, 12, more=' text-anchor="end"')
