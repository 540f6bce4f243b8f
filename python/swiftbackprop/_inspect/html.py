"""How a network and a trace show themselves in a notebook: tables and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from swiftbackprop._draw.notation import math_html
from swiftbackprop._net.repr import HEAD, headline, rows, short

if TYPE_CHECKING:
    from swiftbackprop._inspect.trace import Trace
    from swiftbackprop.network import Network

__all__ = ["html", "trace_html"]

_SIDES = ("right", "right", "left", "right", "right")


def html(net: Network) -> str:
    """Return a table of the layers and a picture, for notebooks."""
    if net._made is None or net.closed:
        return f"<pre>{escape(short(net))}</pre>"
    head = "".join(
        f'<th style="text-align:{side}">{name}</th>'
        for name, side in zip(HEAD, _SIDES, strict=True)
    )
    body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows(net))
    total = _cells(("", "", "", "all", f"{net.n_parameters:,}"))
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1em 2em;align-items:center">'
        f"<div><div><b>Network</b> {escape(headline(net))}</div>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}<tr>{total}</tr></tbody>"
        f"</table></div>{net.diagram()._repr_html_()}</div>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(
        f'<td style="text-align:{side}">{escape(cell)}</td>'
        for cell, side in zip(row, _SIDES, strict=True)
    )


def trace_html(trace: Trace) -> str:
    """Return the computation graph above a table of the steps."""
    from swiftbackprop._inspect.trace import cells, shown

    left = 'style="text-align:left"'
    head = "".join(
        f"<th {left}>{name}</th>" for name in ("step", "formula", "rule", "shape", "values")
    )
    body = []
    for way in ("forward", "backward"):
        body.append(f'<tr><th colspan="5" {left}>{way}</th></tr>')
        for number, formula, rule, shape, value in shown(
            [cells(step) for step in trace.steps if step.way == way]
        ):
            words = (number, math_html(formula), *(escape(word) for word in (rule, shape, value)))
            body.append(f"<tr>{''.join(f'<td {left}>{word}</td>' for word in words)}</tr>")
    notes = "".join(f"<p>{math_html(note)}</p>" for note in trace.notes)
    return (
        f"<div><div><b>Trace</b> of {escape(trace.headline)}</div>"
        f"{trace.graph()._repr_html_()}<table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(body)}</tbody></table>{notes}</div>"
    )
