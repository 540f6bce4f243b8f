"""What a network with two inputs says all over the plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.matplotlib_axes import FAINT, as_axes, tidy
from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.base import check_network
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.labels import encode

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from swiftbackprop.network import Network


_MARGIN = 0.1  # beyond the data, of their range
# Told apart on white and as tints; the first two are the colours of curves.
_COLOURS = "#2f6fb7 #e08a1e #3a9a5b #b44fa8 #c8392f #7a5c43 #14a0a8 #8a8f98 #b3a100 #5a4fcf"


def decision_boundary(
    net: Network,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    resolution: int = 200,
    ax: Axes | None = None,
) -> Axes:
    """Plot what a network with two inputs says around the data, and the data.

    For classes the plane takes the colour of the class predicted, the stronger the surer,
    and a line marks where the prediction changes. For a number it is a map of a(L), in the
    same colours as the targets.

    Parameters
    ----------
    net : Network
        With D(0) = 2; with D(L) = 1 unless it tells classes.
    X : array_like, shape (N, 2)
    y : array_like, shape (N,) or (N, D(L))
        As for `Network.backward`.
    resolution : int, default 200
        Points along each axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default in a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If the network has not two inputs, or several numbers as its output.
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> net = sb.Network([2, 8, 2], loss="cross_entropy", seed=0)
    >>> axes = sb.lab.decision_boundary(net, X, [0, 1, 1, 0])
    >>> axes.get_xlabel(), axes.get_ylabel()
    ('x₁', 'x₂')
    """
    check_network(net)
    points, t = as_data(X, "X"), encode(net, y, "y")
    side = as_int(resolution, "resolution", min_=2)
    _check(net, points, t)
    axes = as_axes(ax, "decision_boundary", (6, 5))
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    margin = np.where(high > low, _MARGIN * (high - low), 0.5)
    x1, x2 = (np.linspace(*ends, side) for ends in zip(low - margin, high + margin, strict=True))
    grid = np.stack([part.ravel() for part in np.meshgrid(x1, x2)], axis=1)
    scale = net.input_scale if points.dtype.kind in "biu" else 1.0
    a = net.predict((scale * grid).astype(net.dtype)).reshape(side, side, -1)
    if _tells_classes(net, t):
        _classes(axes, x1, x2, a, points, t)
    else:
        _number(axes, x1, x2, a[..., 0], points, t.ravel())
    axes.set_xlabel("x₁", color=FAINT)
    axes.set_ylabel("x₂", color=FAINT)
    tidy(axes, ())
    return axes


def _check(net: Network, points: FloatArray, t: FloatArray) -> None:
    if net.sizes[0] != 2:
        raise ValueError(
            f"a plane has two coordinates, and the network has D(0) = {net.sizes[0]} inputs"
        )
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"X has shape {points.shape}; expected (N, 2), one row per example")
    if len(t) != len(points):
        raise ValueError(f"X has {len(points)} rows and y has {len(t)}: one target for each")
    D = net.sizes[-1]
    if t.ndim == 2 and t.shape[1] != D:
        raise ValueError(f"y has shape {t.shape}; expected (N, D(L)) = ({len(t)}, {D}) or (N,)")
    several = D > 1 and net.loss.partner != "softmax"
    if several and not (t.ndim == 1 and t.dtype.kind in "iub"):
        raise ValueError(
            f"the network has D(L) = {D} outputs that are not classes: there is no one number "
            "to draw"
        )


def _tells_classes(net: Network, t: FloatArray) -> bool:
    return bool(net.loss.flags & core.RULE_CLASSES) or net.sizes[-1] > 1


def _classes(
    axes: Axes, x1: FloatArray, x2: FloatArray, a: FloatArray, points: FloatArray, t: FloatArray
) -> None:
    """Draw regions, the lines between them, and the data in the classes' colours."""
    from matplotlib.colors import to_rgb

    if a.shape[2] == 1:
        a = np.concatenate([1 - a, a], axis=2)
        label = (t.ravel() >= 0.5).astype(int)
    else:
        label = t.argmax(axis=1) if t.ndim == 2 else t.astype(int)
    count = a.shape[2]
    known = _COLOURS.split()
    colours = np.array([to_rgb(known[k % len(known)]) for k in range(count)])
    best = a.argmax(axis=2)
    sure = np.clip((a.max(axis=2) - 1 / count) / (1 - 1 / count), 0, 1)
    strength = (0.12 + 0.4 * sure)[..., None]
    image = 1 - strength * (1 - colours[best])
    axes.imshow(image, **_over(x1, x2), interpolation="bilinear")
    for k in range(count - (count == 2)):
        others = np.delete(a, k, axis=2).max(axis=2)
        ahead = a[..., k] - others
        if ahead.min() < 0 < ahead.max():
            axes.contour(x1, x2, ahead, levels=[0], colors="#333333", linewidths=1.2)
    for k in np.unique(label):
        x, y = points[label == k].T
        axes.scatter(x, y, s=28, color=colours[k], edgecolor="white", lw=0.8, label=f"{k}")
    axes.legend(title="class", framealpha=0.9, edgecolor="white")


def _number(
    axes: Axes, x1: FloatArray, x2: FloatArray, a: FloatArray, points: FloatArray, t: FloatArray
) -> None:
    """Draw a map of one output, and the targets by the same scale."""
    scale: dict[str, Any] = {
        "vmin": min(a.min(), t.min()),
        "vmax": max(a.max(), t.max()),
        "cmap": "viridis",
    }
    drawn = axes.imshow(a, **_over(x1, x2), **scale, interpolation="bilinear")
    if a.min() < a.max():
        axes.contour(x1, x2, a, levels=8, colors="white", linewidths=0.6, linestyles="-", alpha=0.6)
    axes.scatter(points[:, 0], points[:, 1], c=t, **scale, s=30, edgecolor="white", lw=0.9)
    bar = axes.figure.colorbar(drawn, ax=axes, fraction=0.046, pad=0.03)
    bar.set_label("a(L) and t", color=FAINT)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=FAINT)


def _over(x1: FloatArray, x2: FloatArray) -> dict[str, Any]:
    """Return where an image of the grid lies; its axes keep the data's proportions."""
    return {"extent": (x1[0], x1[-1], x2[0], x2[-1]), "origin": "lower", "aspect": "auto"}
