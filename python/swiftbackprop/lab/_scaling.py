"""How the time of a pass grows with depth and width, by loops and by matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.checks import as_int
from swiftbackprop.lab._compare import Method
from swiftbackprop.lab._growth import ABOVE, COLOURS, Axis, Fit, Growth, Scaling
from swiftbackprop.lab._timing import samples, threads

_LEAST_POINTS = 3


def fit_exponent(sizes: Sequence[int], seconds: Sequence[float], overhead: float) -> Fit:
    """Fit seconds = constant · size ** exponent above the region of call overhead.

    `overhead` are the seconds of a pass with next to nothing to multiply. The largest sizes are
    fitted by least squares on the logarithms, as far down as every one takes at least 20 times
    this long: there the overhead is less than a twentieth of the time. At least the three largest
    are fitted.
    """
    start = len(sizes)
    while start > 0 and seconds[start - 1] >= ABOVE * overhead:
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
        if method not in COLOURS:
            raise ValueError(f"unknown method {method!r}; allowed: {', '.join(COLOURS)}")

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
