"""What plots with matplotlib share; it is imported only when something is drawn.

Every function draws into axes and returns them. None shows a figure or changes a setting
of matplotlib.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swiftbackprop._draw.svg import BLUE, ORANGE
from swiftbackprop._net.checks import got
from swiftbackprop._net.optional import optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes


TRAINING, VALIDATION = "#2f6fb7", "#e08a1e"
# Seen on a light page and on a dark one: figures of ours have no ground of their own.
FAINT, RULE = "#767676", "#80808044"


def need_matplotlib(what: str) -> None:
    """Raise if matplotlib is missing, with what to install."""
    optional("matplotlib", f"{what} needs matplotlib: pip install matplotlib")


def as_axes(ax: Axes | None, what: str, size: tuple[float, float]) -> Axes:
    """Return the axes to draw into: those given, or those of a new figure."""
    need_matplotlib(what)
    if ax is None:
        from matplotlib import pyplot

        axes = pyplot.subplots(figsize=size, layout="constrained")[1]
        without_ground(axes)
        return axes
    if not hasattr(ax, "add_artist"):
        raise TypeError(f"ax must be matplotlib axes, got {got(ax)}")
    return ax


def without_ground(axes: Axes) -> None:
    """Let the page shine through a figure, so that it follows dark mode."""
    axes.figure.patch.set_alpha(0)
    axes.patch.set_alpha(0)


def tidy(axes: Axes, spines: Sequence[str] = ("bottom",)) -> None:
    """Leave away what is not needed around a plot."""
    axes.tick_params(length=0, labelcolor=FAINT)
    for name, spine in axes.spines.items():
        spine.set_visible(name in spines)
        spine.set_color("#999999")
    for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
        text.set_color(FAINT)


def signed_colours() -> Any:
    """Return the colour map of numbers around 0: orange below, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#7a3a04", ORANGE, "#f7f4ef", BLUE, "#103c61"]
    return LinearSegmentedColormap.from_list("signed", colours)


def curves(
    axes: Axes,
    columns: Mapping[str, Sequence[float]],
    name: str,
    labels: tuple[str, str],
    style: str = "-",
) -> None:
    """Draw a quantity per epoch: of training and of validation, as far as it is there."""
    from matplotlib.ticker import MaxNLocator

    epochs = 0
    for key, colour, label in zip(
        (name, f"val_{name}"), (TRAINING, VALIDATION), labels, strict=True
    ):
        if key in columns:
            epochs = len(columns[key])
            marker = "o" if epochs == 1 else None
            numbers = range(1, epochs + 1)
            axes.plot(numbers, columns[key], style, color=colour, lw=2, marker=marker, label=label)
    axes.set_xlim(1 if epochs > 1 else 0, max(epochs, 2))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y", color=RULE, lw=0.8)
