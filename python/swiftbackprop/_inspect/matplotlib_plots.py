"""Plots of what is inside a network, with matplotlib."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.matplotlib_axes import (
    FAINT,
    RULE,
    TRAINING,
    VALIDATION,
    as_axes,
    signed_colours,
    tidy,
)
from swiftbackprop._net.arrays import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swiftbackprop._net.base import NetworkBase


_MANY = 0.02  # zeros: they would hide the other values


def plot_weights(net: NetworkBase, m: int, shape: Any, most: int, ax: Axes | None) -> Axes:
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
    axes.set_title(title, loc="left", fontsize=11, color=FAINT)
    tidy(axes, ())
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT)
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
            f"shape must be (height, width) of an image, None or 'auto', got {shape!r}"
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


def plot_activations(net: NetworkBase, X: npt.ArrayLike, ax: Axes | None) -> Axes:
    """Draw how a(m) is distributed; `Network.plot_activations` documents it."""
    axes = as_axes(ax, "plot_activations", (max(5.0, 1.5 + 1.1 * len(net.layers)), 4))
    clone = net.copy()
    clone.forward(X)
    labels = []
    for layer in clone.layers:
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
