"""The plot of a history, with matplotlib."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from swiftbackprop._draw.matplotlib_axes import FAINT, as_axes, curves, tidy
from swiftbackprop._net.names import unknown
from swiftbackprop.schedules import is_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes


_STYLES = ("-", "--", ":", "-.")


def plot_history(history: Mapping[str, list[float]], names: Sequence[str], ax: Axes | None) -> Axes:
    """Draw columns of a history; `History.plot` documents it."""
    present = list(dict.fromkeys(name.removeprefix("val_") for name in history))
    for name in names:
        if name not in present:
            raise ValueError(unknown("column", name, present))
    chosen = list(names) or [name for name in ("loss", "accuracy", "r2") if name in present]
    axes = as_axes(ax, "History.plot", (7, 4))
    fractions = [name for name in chosen if is_score(name)]
    apart = bool(fractions) and len(fractions) < len(chosen)
    right = axes.twinx() if apart else axes
    for name, style in zip(chosen, _STYLES * len(chosen), strict=False):
        where = right if name in fractions else axes
        curves(where, history, name, (name, f"val_{name}"), style)
    axes.set_xlabel("epoch", color=FAINT)
    axes.set_ylabel(", ".join(n for n in chosen if n not in fractions or not apart), color=FAINT)
    tidy(axes)
    if not fractions or apart:
        values = [v for name in chosen if name not in fractions for v in _values(history, name)]
        if values and min(values) >= 0:
            axes.set_ylim(bottom=0)
    if fractions:
        _fractions(right, [v for name in fractions for v in _values(history, name)])
    if apart:
        right.set_ylabel(", ".join(fractions), color=FAINT)
        right.grid(visible=False)
        tidy(right)
    lines = [line for where in dict.fromkeys((axes, right)) for line in where.get_lines()]
    # On the right axes, which lie above: no curve crosses the legend.
    right.legend(handles=lines, loc="center right", framealpha=0, labelcolor=FAINT)
    return axes


def _values(history: Mapping[str, list[float]], name: str) -> list[float]:
    columns = (history.get(key, []) for key in (name, f"val_{name}"))
    return [value for column in columns for value in column if math.isfinite(value)]


def _fractions(axes: Axes, values: Sequence[float]) -> None:
    """Fit the y axis to shares, of which 1 is the best."""
    from matplotlib.ticker import PercentFormatter

    low = max(-1.0, min(values, default=0.0))
    axes.set_ylim(low - 0.05 * (1 - low), 1 + 0.02 * (1 - low))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
