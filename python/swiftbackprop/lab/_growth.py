"""Times of a pass that grow with depth or width: the fit, as a table and as a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from swiftbackprop._draw.matplotlib_axes import FAINT, need_matplotlib, without_ground
from swiftbackprop._draw.tables import Tabular, size, time_of
from swiftbackprop.lab._compare import Method

Axis: TypeAlias = Literal["M", "H"]

# A size is fitted if its time is at least so many times that of a pass without products.
ABOVE = 20
_ORDER: dict[Axis, int] = {"M": 1, "H": 2}
COLOURS: dict[Method, str] = {"loops": "#c8102e", "matrices": "#2f6fb7", "vectors": "#e08a1e"}


@dataclass(frozen=True)
class Fit:
    """time = constant · size ** exponent, from the sizes at `used`.

    Attributes
    ----------
    exponent, constant : float
    used : slice
        Which sizes were fitted: the largest ones.
    clear : bool
        Whether those lie above the region where call overhead rules.
    """

    exponent: float
    constant: float
    used: slice
    clear: bool


@dataclass(frozen=True)
class Growth:
    """The times of one method over one size, the other fixed.

    Attributes
    ----------
    method : {"loops", "vectors", "matrices"}
    over : {"M", "H"}
        What grows: layers, or units of a layer.
    fixed : int
        The other one.
    sizes : tuple of int
    seconds : tuple of float
        Of a forward and a backward pass, the fastest of the repeats.
    overhead : float
        Seconds of the same pass where there is next to nothing to multiply: with one unit a
        layer (over H), or one layer of one unit (over M).
    fit : Fit
    """

    method: Method
    over: Axis
    fixed: int
    sizes: tuple[int, ...]
    seconds: tuple[float, ...]
    overhead: float
    fit: Fit


@dataclass(frozen=True, repr=False)
class Scaling(Tabular):
    """What `scaling` measured; it prints and shows itself as a table, and plots.

    Attributes
    ----------
    growths : tuple of Growth
        For each method over H, then for each over M.
    rows : int
        N, the examples of the batch.
    dtype : str
    """

    growths: tuple[Growth, ...]
    rows: int
    dtype: str
    _head = ("way", "grows with", "fitted from", "exponent", "largest size", "time there")
    _left, _gap = 3, ("",)

    def growth(self, method: Method, over: Axis) -> Growth:
        """Return the measurements of one method over "M" or "H"."""
        for growth in self.growths:
            if (growth.method, growth.over) == (method, over):
                return growth
        known = ", ".join(f"{growth.method} over {growth.over}" for growth in self.growths)
        raise ValueError(f"{method} over {over} was not measured; there are: {known}")

    def exponent(self, method: Method, over: Axis) -> float:
        """Return the fitted exponent of M (near 1) or of H (near 2)."""
        return self.growth(method, over).fit.exponent

    def constant(self, method: Method) -> float:
        """Return seconds / (N M H²) at the largest H: what O(M H²) leaves out."""
        growth = self.growth(method, "H")
        return growth.seconds[-1] / (self.rows * growth.fixed * growth.sizes[-1] ** 2)

    def _title(self) -> str:
        return (
            f"Forward and backward of M layers of H units, {self.dtype}, N = {self.rows}, "
            "one thread"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        cells: list[tuple[str, ...]] = []
        for growth in self.growths:
            other: Axis = "M" if growth.over == "H" else "H"
            start = growth.sizes[growth.fit.used][0]
            cells.append(
                (
                    growth.method,
                    f"{growth.over} ({other} = {growth.fixed})",
                    f"{growth.over} = {start}{'' if growth.fit.clear else ' (*)'}",
                    f"{growth.fit.exponent:.2f}",
                    f"{growth.over} = {growth.sizes[-1]}",
                    time_of(growth.seconds[-1]),
                )
            )
        return cells

    def _notes(self) -> list[str]:
        notes = [
            f"Fitted: the sizes that take at least {ABOVE} times as long as a pass with next "
            "to nothing to multiply."
        ]
        if not all(growth.fit.clear for growth in self.growths):
            notes.append(
                "(*) Too few sizes are that large, so calls still count: take larger ones."
            )
        methods = list(dict.fromkeys(growth.method for growth in self.growths))
        constants = ", ".join(
            f"{method} {size(1e9 * self.constant(method))} ns" for method in methods
        )
        notes.append(f"The constant, seconds / (N M H²) at the largest H: {constants}.")
        return notes

    def plot(self, axes: Any = None) -> Any:
        """Draw the times over H and over M on logarithmic axes.

        Points that were fitted are filled. The dashed lines are the guides O(M H²): of slope
        2 over H and of slope 1 over M, through the largest size of every method.

        Parameters
        ----------
        axes : pair of matplotlib.axes.Axes, optional
            Where to draw; by default a new figure.

        Returns
        -------
        ndarray of two matplotlib.axes.Axes

        Raises
        ------
        ImportError
            If matplotlib is missing.
        """
        if axes is None:
            need_matplotlib("Scaling.plot")
            import matplotlib.pyplot as plt

            _, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained", sharey=True)
            for ax in axes:
                without_ground(ax)
        pair = np.asarray(axes, dtype=object).ravel()
        if len(pair) != 2:
            raise ValueError(f"plot needs two axes, for H and for M; got {len(pair)}")
        for ax, over in zip(pair, ("H", "M"), strict=True):
            growths = [growth for growth in self.growths if growth.over == over]
            for growth in growths:
                _draw(ax, growth)
            _dress(ax, growths)
        pair[0].set_ylabel("seconds, forward and backward", color=FAINT)
        return pair


def _draw(ax: Any, growth: Growth) -> None:
    """Draw one method's points and its guide."""
    colour, order = COLOURS[growth.method], _ORDER[growth.over]
    sizes, seconds = np.array(growth.sizes), np.array(growth.seconds)
    guide = seconds[-1] * (sizes / sizes[-1]) ** order
    ax.plot(sizes, guide, "--", color=colour, linewidth=1, alpha=0.6)
    ax.plot(sizes, seconds, "-", color=colour, linewidth=1)
    used = growth.fit.used
    ax.plot(sizes, seconds, "o", color=colour, markerfacecolor="white", linestyle="none")
    label = f"{growth.method}: exponent {growth.fit.exponent:.2f}"
    ax.plot(sizes[used], seconds[used], "o", color=colour, label=label, linestyle="none")


def _dress(ax: Any, growths: Sequence[Growth]) -> None:
    """Give the axes their scales, ticks and names."""
    growth = growths[0]
    over, order = growth.over, _ORDER[growth.over]
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(growth.sizes, [str(value) for value in growth.sizes])
    ax.minorticks_off()
    what, other = ("units H of a layer", "M") if over == "H" else ("layers M", "H")
    ax.set_xlabel(what, color=FAINT)
    ax.set_title(f"{other} = {growth.fixed}", fontsize="medium", color=FAINT)
    ax.tick_params(colors=FAINT)
    for spine in ax.spines.values():
        spine.set_color(FAINT)
    ax.plot([], [], "--", color="gray", linewidth=1, label=f"O(M H²): slope {order}")
    if any(growth.fit.used.start > 0 for growth in growths):
        hollow = {"markerfacecolor": "white", "linestyle": "none"}
        ax.plot([], [], "o", color="gray", label="not fitted: calls rule", **hollow)
    ax.grid(alpha=0.25)
    ax.legend(loc="upper left", frameon=False, labelcolor=FAINT)
