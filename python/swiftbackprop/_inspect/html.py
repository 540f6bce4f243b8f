"""How a network shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from swiftbackprop._inspect.network_diagram import diagram
from swiftbackprop._net.repr import HEAD, headline, rows, short

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_SIDES = ("right", "right", "left", "right", "right")


def html(net: NetworkBase) -> str:
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
        f"</table></div>{diagram(net)._repr_html_()}</div>"
    )


def _cells(row: Sequence[str]) -> str:
    return "".join(
        f'<td style="text-align:{side}">{escape(cell)}</td>'
        for cell, side in zip(row, _SIDES, strict=True)
    )
