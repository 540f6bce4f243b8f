"""How the time of a pass grows with depth and width, by loops and by matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.matplotlib_axes import FAINT, need_matplotlib, without_ground
from swiftbackprop._draw.tables import html_table, size, text_table, time_of
from swiftbackprop._net.checks import as_int
from swiftbackprop.lab._compare import Method
from swiftbackprop.lab._timing import samples, threads

__all__ = ["Fit", "Growth", "Scaling", "fit_exponent", "scaling"]

Axis: TypeAlias = Literal["M", "H"]

# A size is fitted if its time is at least so many times that of a pass without products.
_ABOVE = 20
_LEAST_POINTS = 3
_ORDER: dict[Axis, int] = {"M": 1, "H": 2}
_COLOURS: dict[Method, str] = {"loops": "#c8102e", "matrices": "#2f6fb7", "vectors": "#e08a1e"}
_HEAD = ("way", "grows with", "fitted from", "exponent", "largest size", "time there")


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
class Scaling:
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

    def _cells(self) -> list[tuple[str, ...]]:
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
            f"Fitted: the sizes that take at least {_ABOVE} times as long as a pass with next "
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

    def __repr__(self) -> str:
        table = text_table(_HEAD, self._cells(), left=3)
        return "\n".join([self._title(), "", table, "", *self._notes()])

    def _repr_html_(self) -> str:
        return html_table(self._title(), _HEAD, self._cells(), self._notes(), left=3)

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
    colour, order = _COLOURS[growth.method], _ORDER[growth.over]
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


def fit_exponent(sizes: Sequence[int], seconds: Sequence[float], overhead: float) -> Fit:
    """Fit seconds = constant · size ** exponent above the region of call overhead.

    Parameters
    ----------
    sizes : sequence of int
        Ascending.
    seconds : sequence of float
    overhead : float
        Seconds of a pass with next to nothing to multiply. The largest sizes are fitted, as
        far down as every one takes at least 20 times this long: there the overhead is less
        than a twentieth of the time. At least the three largest are fitted.

    Returns
    -------
    Fit
        By least squares on the logarithms.
    """
    start = len(sizes)
    while start > 0 and seconds[start - 1] >= _ABOVE * overhead:
        start -= 1
    least = min(_LEAST_POINTS, len(sizes))
    clear = len(sizes) - start >= least
    used = slice(start if clear else len(sizes) - least, len(sizes))
    exponent, logarithm = np.polyfit(np.log(sizes[used]), np.log(seconds[used]), 1)
    return Fit(float(exponent), math.exp(logarithm), used, clear)


def scaling(
    *,
    M: Sequence[int] = (4, 8, 16, 32, 64),
    H: Sequence[int] = (6, 12, 24, 48, 112, 208, 400, 752),
    fixed_M: int = 4,
    fixed_H: int = 112,
    rows: int = 64,
    methods: Sequence[Method] = ("loops", "matrices"),
    dtype: npt.DTypeLike = "float32",
    repeats: int = 5,
) -> Scaling:
    """Measure how the time of a pass grows with M layers and H units a layer.

    It takes a few seconds with the sizes of the defaults, most of them for the loops.

    Parameters
    ----------
    M : sequence of int
        Numbers of layers, ascending, measured at H = `fixed_H`.
    H : sequence of int
        Numbers of units a layer, ascending, measured at M = `fixed_M`.
    fixed_M, fixed_H : int, default 4 and 112
    rows : int, default 64
        N, the examples of the batch.
    methods : sequence of {"loops", "vectors", "matrices"}, default loops and matrices
    dtype : {"float32", "float64"}, default "float32"
    repeats : int, default 5
        How often each size is measured; the fastest counts, for other programs only add.

    Returns
    -------
    Scaling

    Raises
    ------
    ValueError, TypeError
        If an argument is not allowed.

    Notes
    -----
    A layer makes H² multiplications and additions for z, for grad_a and for grad_W, so a pass
    is O(M H²): that is what both decks write down, and writing it as matrices changes nothing
    in it. The exponents, near 1 for M and 2 for H, are the same for loops and for matrices;
    the constant is not. Everything runs on one thread, for a second one would join in the
    middle of a curve.

    An exponent is a slope on logarithmic axes, fitted above the region where call overhead
    rules: only sizes that take at least 20 times as long as the same pass with one unit a
    layer (over H) or with one layer of one unit (over M). Layer 1 needs no grad_a of the
    input, so there are 3M − 1 products, and the slope over M is a little above 1. The larger
    widths are odd multiples of 16: the loops walk down columns of W, and where rows are
    powers of two apart a column falls onto a few places of the cache, which lifts the
    exponent of the loops to 2.2 or so.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> result = sb.lab.scaling(M=(1, 2), H=(4, 8), fixed_M=1, fixed_H=4, rows=2, repeats=1)
    >>> [(growth.method, growth.over) for growth in result.growths]
    [('loops', 'H'), ('matrices', 'H'), ('loops', 'M'), ('matrices', 'M')]
    """
    layers, units = _ascending(M, "M"), _ascending(H, "H")
    fixed_M = as_int(fixed_M, "fixed_M", min_=1)
    fixed_H = as_int(fixed_H, "fixed_H", min_=1)
    rows = as_int(rows, "rows", min_=1)
    repeats = as_int(repeats, "repeats", min_=1)
    for method in methods or ("none",):
        if method not in _COLOURS:
            raise ValueError(f"unknown method {method!r}; allowed: {', '.join(_COLOURS)}")

    def growth(method: Method, over: Axis) -> Growth:
        if over == "H":
            sizes, fixed, shapes = units, fixed_M, [(fixed_M, H) for H in (*units, 1)]
        else:
            sizes, fixed, shapes = layers, fixed_H, [*((M, fixed_H) for M in layers), (1, 1)]
        runs = [_pass(M, H, rows, method, dtype) for M, H in shapes]
        *seconds, overhead = _fastest(runs, repeats)
        fit = fit_exponent(sizes, seconds, overhead)
        return Growth(method, over, fixed, sizes, tuple(seconds), overhead, fit)

    axes: tuple[Axis, ...] = ("H", "M")
    with threads(1):
        growths = tuple(growth(method, over) for over in axes for method in methods)
    return Scaling(growths, rows, np.dtype(dtype).name)


def _ascending(sizes: Sequence[int], name: str) -> tuple[int, ...]:
    """Check a list of sizes."""
    checked = tuple(as_int(value, f"every {name}", min_=1) for value in sizes)
    if len(checked) < 2 or list(checked) != sorted(set(checked)):
        raise ValueError(f"{name} must be two or more sizes in ascending order, got {list(sizes)}")
    return checked


def _pass(M: int, H: int, rows: int, method: Method, dtype: npt.DTypeLike) -> Callable[[], object]:
    """Return what runs a forward and a backward pass of M layers of H units."""
    from swiftbackprop.network import Network

    rng = np.random.default_rng(M * 1000 + H)
    net = Network([H] * (M + 1), output="relu", dtype=dtype, seed=0)
    X, t = (rng.normal(size=(rows, H)).astype(net.dtype) for _ in range(2))

    def run() -> None:
        net.forward(X, method=method)
        net.backward(t, method=method)

    return run


def _fastest(runs: Sequence[Callable[[], object]], repeats: int) -> list[float]:
    """Return the least seconds of each call.

    All are measured in turn, again and again: what disturbs one of them for a moment does so
    only once.
    """
    rounds = [[min(samples(run, 1, max_seconds=0.02)) for run in runs] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]
