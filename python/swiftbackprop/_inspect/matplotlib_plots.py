"""Plots with matplotlib, which is imported only when something is drawn.

Every function draws into axes and returns them. None shows a figure or changes a setting
of matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.svg import BLUE, ORANGE
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.names import unknown
from swiftbackprop.schedules import is_score

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swiftbackprop._inspect.mixin import NetworkStudy
    from swiftbackprop._train.history import History

__all__ = ["TRAINING", "VALIDATION", "curves", "need_matplotlib", "plot_history", "signed_colours"]

TRAINING, VALIDATION = "#2f6fb7", "#e08a1e"
FAINT, RULE = "#767676", "#e8e8e8"
_STYLES = ("-", "--", ":", "-.")
_MANY = 0.02  # zeros: they would hide the other values


def need_matplotlib(what: str) -> None:
    """Raise if matplotlib is missing, with what to install."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f"{what} needs matplotlib: pip install matplotlib") from error


def as_axes(ax: Axes | None, what: str, size: tuple[float, float]) -> Axes:
    """Return the axes to draw into: those given, or those of a new figure."""
    need_matplotlib(what)
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(figsize=size, layout="constrained")[1]
    if not hasattr(ax, "add_artist"):
        raise TypeError(f"ax is the axes of matplotlib to draw into, not {type(ax).__name__}")
    return ax


def tidy(axes: Axes, spines: Sequence[str] = ("bottom",)) -> None:
    """Leave away what is not needed around a plot."""
    axes.tick_params(length=0, labelcolor=FAINT)
    for name, spine in axes.spines.items():
        spine.set_visible(name in spines)
        spine.set_color("#bbbbbb")


def signed_colours() -> Any:
    """Return the colour map of numbers around 0: orange below, blue above."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = ["#7a3a04", ORANGE, "#f7f4ef", BLUE, "#103c61"]
    return LinearSegmentedColormap.from_list("signed", colours)


# --- What a training reported ---------------------------------------------------------------


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


def plot_history(history: History, names: Sequence[str], ax: Axes | None) -> Axes:
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
        curves(where, history.history, name, (name, f"val_{name}"), style)
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
    right.legend(handles=lines, loc="center right", framealpha=0.9, edgecolor="white")
    return axes


def _values(history: History, name: str) -> list[float]:
    columns = (history.history.get(key, []) for key in (name, f"val_{name}"))
    return [value for column in columns for value in column if math.isfinite(value)]


def _fractions(axes: Axes, values: Sequence[float]) -> None:
    """Fit the y axis to shares, of which 1 is the best."""
    from matplotlib.ticker import PercentFormatter

    low = max(-1.0, min(values, default=0.0))
    axes.set_ylim(low - 0.05 * (1 - low), 1 + 0.02 * (1 - low))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


# --- What is inside a network ---------------------------------------------------------------


def plot_weights(net: NetworkStudy, m: int, shape: Any, most: int, ax: Axes | None) -> Axes:
    """Draw W(m); `Network.plot_weights` documents it."""
    layer = net.layer(m)
    W = layer.W
    inputs, units = layer.sizes
    image = _image_shape(shape, inputs, m)
    axes = as_axes(ax, "plot_weights", (7, 5.5))
    limit = float(np.abs(W).max()) or 1.0
    look = {"cmap": signed_colours(), "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
    title = f"W({m}), layer {m} of {len(net.layers)}"
    if image is None:
        drawn = axes.imshow(W, aspect="auto", **look)
        axes.set_xlabel(f"inputs of layer {m}", color=FAINT)
        axes.set_ylabel(f"units of layer {m}", color=FAINT)
        _whole_ticks(axes)
    else:
        count = min(units, most)
        drawn = axes.imshow(_mosaic(W[:count], image), **look)
        axes.set(xticks=[], yticks=[])
        title = f"The rows of {title}, as images of {image[0]} × {image[1]}"
        if count < units:
            title += f"\nthe first {count} of {units}"
    axes.set_title(title, loc="left", fontsize=11)
    tidy(axes, ())
    axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03).outline.set_visible(False)
    return axes


def _whole_ticks(axes: Axes) -> None:
    from matplotlib.ticker import MaxNLocator

    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, nbins=8, min_n_ticks=1))


def _image_shape(shape: Any, inputs: int, m: int) -> tuple[int, int] | None:
    """Return height and width of the images that the rows of W(m) are; None for no images."""
    if shape is None:
        return None
    if isinstance(shape, str) and shape == "auto":
        side = math.isqrt(inputs)
        return (side, side) if side > 1 and side * side == inputs else None
    try:
        height, width = (int(size) for size in shape)
    except (TypeError, ValueError):
        raise TypeError(
            f"shape is (height, width) of an image, None or 'auto', not {shape!r}"
        ) from None
    if height < 1 or width < 1 or height * width != inputs:
        raise ValueError(
            f"shape {(height, width)} does not hold the D({m - 1}) = {inputs} inputs of layer {m}"
        )
    return height, width


def _mosaic(rows: FloatArray, image: tuple[int, int]) -> FloatArray:
    """Return images side by side, with lines of NaN between them."""
    height, width = image
    across = max(1, min(len(rows), round(math.sqrt(len(rows) * height / width))))
    down = -(-len(rows) // across)
    whole = np.full((down * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for place, row in enumerate(rows):
        top, left = (place // across) * (height + 1), (place % across) * (width + 1)
        whole[top : top + height, left : left + width] = row.reshape(image)
    return whole


def plot_activations(net: NetworkStudy, X: npt.ArrayLike, ax: Axes | None) -> Axes:
    """Draw how a(m) is distributed; `Network.plot_activations` documents it."""
    axes = as_axes(ax, "plot_activations", (max(5.0, 1.5 + 1.1 * len(net.layers)), 4))
    twin = net.copy()
    twin.forward(X)
    labels = []
    for layer in twin.layers:
        values = layer.a.ravel()
        zeros = 1 - np.count_nonzero(values) / values.size
        colour = VALIDATION if layer.m == len(net.layers) else TRAINING
        _violin(axes, layer.m, values[values != 0] if zeros > _MANY else values, colour)
        note = f"\n{zeros:.0%} zero" if zeros > _MANY else ""
        labels.append(f"{layer.m}\n{layer.activation.name}{note}")
    axes.axhline(0, color="#999999", lw=0.8, zorder=0)
    axes.set_xlim(0.4, len(labels) + 0.6)
    axes.set_xticks(range(1, len(labels) + 1), labels)
    axes.set_ylabel("a(m)", color=FAINT)
    axes.set_xlabel("layer m", color=FAINT)
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    tidy(axes)
    return axes


def _violin(axes: Axes, m: int, values: FloatArray, colour: str) -> None:
    """Draw a histogram that stands upright at m, to both sides alike, and the median."""
    if not values.size:
        return
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-6 * max(abs(low), abs(high)):  # a line
        axes.plot([m - 0.4, m + 0.4], [low, low], color=colour, lw=2)
        return
    counts, edges = np.histogram(values, bins=min(60, max(8, math.isqrt(values.size))))
    half = 0.42 * counts / counts.max()
    y, x = np.repeat(edges, 2)[1:-1], np.repeat(half, 2)
    axes.fill_betweenx(y, m - x, m + x, color=colour, alpha=0.8, lw=1)
    middle = float(np.median(values))
    axes.plot([m - 0.1, m + 0.1], [middle, middle], color="white", lw=2, solid_capstyle="butt")
