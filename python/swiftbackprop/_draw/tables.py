"""Tables of results as text and as HTML."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from html import escape
from typing import ClassVar

from swiftbackprop._draw.svg import ORANGE


class Tabular:
    """What prints, and shows itself in a notebook, as a title, a table and notes below it."""

    __slots__ = ()
    _head: ClassVar[tuple[str, ...]] = ()
    _left: ClassVar[int] = 1  # so many columns stand to the left
    _gap: ClassVar[tuple[str, ...]] = ()  # above and below the table in the text

    def _title(self) -> str:
        raise NotImplementedError

    def _rows(self) -> Sequence[Sequence[str]]:
        raise NotImplementedError

    def _notes(self) -> Sequence[str]:
        return ()

    def _bad(self) -> Collection[int]:
        """Return the places of the rows that are wrong."""
        return ()

    def __repr__(self) -> str:
        table = text_table(self._head, self._rows(), self._left)
        return "\n".join([self._title(), *self._gap, table, *self._gap, *self._notes()])

    def _repr_html_(self) -> str:
        return html_table(
            self._title(), self._head, self._rows(), self._notes(), self._left, self._bad()
        )


def text_table(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Return aligned columns, the first `left` of them to the left."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def html_table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    left: int = 1,
    bad: Collection[int] = (),
) -> str:
    """Return a title, a table and sentences below it; rows in `bad` have a coloured ground."""
    # With space of its own: not every page that shows it has a style for tables.
    sides = [
        f'style="text-align:{"left" if place < left else "right"};padding:0.1em 0.6em"'
        for place in range(99)
    ]

    def line(cells: Sequence[str], tag: str, is_bad: bool = False) -> str:
        inner = (
            f"<{tag} {side}>{escape(cell)}</{tag}>"
            for side, cell in zip(sides, cells, strict=False)
        )
        ground = f' class="bad" style="background:{ORANGE}33"' if is_bad else ""
        return f"<tr{ground}>{''.join(inner)}</tr>"

    body = "".join(line(row, "td", place in bad) for place, row in enumerate(rows))
    said = "".join(f"<div>{escape(note)}</div>" for note in notes)
    return (
        f"<div><div><b>{escape(title)}</b></div><table><thead>{line(head, 'th')}</thead>"
        f"<tbody>{body}</tbody></table>{said}</div>"
    )


def time_of(seconds: float) -> str:
    """Return a time with three digits and its unit.

    Examples
    --------
    >>> from swiftbackprop._draw.tables import time_of
    >>> time_of(0.00123), time_of(4.56e-6), time_of(12.0)
    ('1.23 ms', '4.56 µs', '12 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= scale:
            return f"{size(seconds / scale)} {unit}"
    return f"{size(seconds * 1e9)} ns"


def size(value: float) -> str:
    """Return a number with three digits, never in powers of ten."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
