"""Loops, vectors and matrices side by side: the same gradients, how fast each way."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._draw.tables import Tabular, size, time_of
from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.custom import refuse_own
from swiftbackprop._net.labels import as_rows, encode
from swiftbackprop._net.step_plan import flops as flops_text
from swiftbackprop.lab._devices import Device, gpus, passes, unfit
from swiftbackprop.lab._timing import allowed_threads, peak, samples, threads, work

if TYPE_CHECKING:
    from swiftbackprop.network import Network


Method: TypeAlias = Literal["matrices", "vectors", "loops"]

_TITLES: dict[Method, str] = {
    "loops": "loops: one number at a time",
    "vectors": "vectors: one example at a time",
    "matrices": "matrices: the whole batch",
}
_LIBRARIES = {"torch": "PyTorch", "jax": "JAX", "cupy": "CuPy"}


@dataclass(frozen=True)
class Way:
    """One row of a comparison: a way to compute a forward and a backward pass.

    Attributes
    ----------
    method : {"loops", "vectors", "matrices"}
        As for `Network.forward`.
    threads : int
        How many it was allowed; a small batch stays on one.
    seconds : float
        Of one forward and one backward pass: the median of the repeats.
    gflops : float
        Operations of the matrix products, in 1e9 per second.
    share : float
        The same as a share of the machine's measured peak.
    ratio : float
        How many times faster than the loops.
    difference : float
        How far the gradients of W and b are from the loops' at most, divided by the
        largest of them.
    device : str
        The library and the GPU that it ran on; "" for the engine itself.
    """

    method: Method
    threads: int
    seconds: float
    gflops: float
    share: float
    ratio: float
    difference: float
    device: str = ""

    @property
    def title(self) -> str:
        """What it is, in some words."""
        return f"matrices: {self.device}" if self.device else _TITLES[self.method]


@dataclass(frozen=True, repr=False)
class Comparison(Tabular):
    """What `compare` measured; it prints and shows itself as a table.

    Attributes
    ----------
    rows : tuple of Way
        Loops, vectors, matrices on one thread and, where allowed, on several; then matrices
        by each of PyTorch, JAX and CuPy that sees a GPU.
    sizes : tuple of int
        D(0), ..., D(L).
    dtype : str
    examples : int
        N, the rows of X.
    work : float
        Operations in the products of one forward and backward pass.
    peaks : dict of int to float
        For each number of threads, operations per second of a large matrix product.
    remark : str
        Why there is no GPU among the rows, if there is none.
    """

    rows: tuple[Way, ...]
    sizes: tuple[int, ...]
    dtype: str
    examples: int
    work: float
    peaks: dict[int, float]
    remark: str = ""
    _head = ("way", "threads", "time", "GFLOP/s", "of peak", "speed-up", "difference")
    _gap = ("",)

    @property
    def agree(self) -> bool:
        """Whether all gradients are those of the loops, up to rounding."""
        tolerance = 1e-4 if self.dtype == "float32" else 1e-12
        return all(way.difference <= tolerance for way in self.rows)

    def _title(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        return (
            f"Forward and backward of {sizes}, {self.dtype}, N = {self.examples}: "
            f"{flops_text(self.work)} in products"
        )

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                way.title,
                "" if way.device else str(way.threads),
                time_of(way.seconds),
                size(way.gflops),
                ""
                if way.device
                else f"{100 * way.share:.2g} %"
                if way.share < 0.995
                else f"{100 * way.share:.0f} %",
                f"{size(way.ratio)} ×",
                f"{way.difference:.0e}" if way.difference else "0",
            )
            for way in self.rows
        ]

    def _notes(self) -> list[str]:
        measured = " and ".join(
            f"{size(flops / 1e9)} GFLOP/s on {count} thread{'s' * (count > 1)}"
            for count, flops in self.peaks.items()
        )
        verdict = (
            "All gradients agree." if self.agree else "The gradients DIFFER by more than rounding."
        )
        return [
            f"Peak: {measured}, of a large matrix product by the same BLAS; the share is of "
            "the highest.",
            f"Difference: from the loops' gradients at most, divided by the largest. {verdict}",
            *([self.remark] if self.remark else []),
        ]


def compare(
    net: Network,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    sample_weight: npt.ArrayLike | None = None,
    repeats: int = 9,
) -> Comparison:
    """Compute the same gradients by loops, by vectors and by matrices, and time each way.

    It works on a copy: the network and the number of threads stay as they are.

    Parameters
    ----------
    net : Network
    X : array_like, shape (N, D(0))
    y : array_like, shape (N, D(L)) or (N,)
    sample_weight : array_like, shape (N,), optional
    repeats : int, default 9
        How often each way is measured; the median counts. A way that takes long is measured
        less often, for about a second.

    Returns
    -------
    Comparison

    Raises
    ------
    ValueError, TypeError
        If the data do not fit.
    NotImplementedError
        If an activation or the loss is a function of your own.
    RuntimeError
        If there is no BLAS.

    Notes
    -----
    All ways make the same multiplications and additions, twice (3 Σ D(m) D(m-1) − D(1) D(0))
    for each example. What differs is how often a number is fetched from memory, and how many
    are computed at once. The peak is measured here and now: the fastest of several products
    of two matrices of 1024 × 1024 numbers by the engine's own BLAS, on one thread or on all.

    Where there is a GPU, and PyTorch, JAX or CuPy sees it, the same formulas run there as well,
    on numbers that are there already; JAX compiles them first. Without one, a line says so.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> rng = np.random.default_rng(0)
    >>> net = sb.Network([8, 16, 3], loss="cross_entropy", seed=0)
    >>> result = sb.lab.compare(net, rng.normal(size=(32, 8)), rng.integers(3, size=32),
    ...                         repeats=1)
    >>> [way.method for way in result.rows[:3]], result.agree
    (['loops', 'vectors', 'matrices'], True)
    """
    from swiftbackprop._net.base import check_network

    check_network(net)
    refuse_own(net._spec, "compare", "its forward and backward work by matrices alone")
    repeats = as_int(repeats, "repeats", min_=1)
    allowed = allowed_threads()
    ways: list[tuple[Method, int]] = [("loops", 1), ("vectors", 1), ("matrices", 1)]
    ways += [("matrices", allowed)] * (allowed > 1)
    with net.copy() as clone:
        X = clone._as_input(X, None)
        y = _converted_once(clone, encode(clone, y, "y"))
        weights = None if sample_weight is None else as_data(sample_weight, "sample_weight")
        clone.forward(X)  # says what does not fit before anything is measured
        clone.backward(y, sample_weight=weights)
        # Before and after, lest another program's moment of work lowers it.
        before = _peaks(net, allowed)
        timed = [_measured(clone, X, y, weights, *way, repeats) for way in ways]
        devices, remark = gpus()
        if devices and (why := unfit(clone)):
            devices, remark = [], f"{why[0].upper()}{why[1:]}."
        beside = [_on_device(clone, X, y, weights, device, repeats) for device in devices]
    peaks = {count: max(flops, before[count]) for count, flops in _peaks(net, allowed).items()}
    flops = work(net.sizes, len(X))
    (slowest, wanted), largest = timed[0], float(np.abs(timed[0][1]).max(initial=0))
    measured: list[tuple[Method, int, str, tuple[float, FloatArray]]] = [
        *((*way, "", result) for way, result in zip(ways, timed, strict=True)),
        *(
            ("matrices", 0, f"{_LIBRARIES[device.library]}, {device.name}", result)
            for device, result in zip(devices, beside, strict=True)
        ),
    ]
    rows = tuple(
        Way(
            method=method,
            threads=count,
            seconds=seconds,
            gflops=flops / seconds / 1e9,
            share=flops / seconds / max(peaks.values()),
            ratio=slowest / seconds,
            difference=float(np.abs(found - wanted).max(initial=0)) / (largest or 1.0),
            device=device,
        )
        for method, count, device, (seconds, found) in measured
    )
    return Comparison(rows, net.sizes, net.dtype.name, len(X), flops, peaks, remark)


def _on_device(
    net: Network, X: Any, y: Any, weights: Any, device: Device, repeats: int
) -> tuple[float, FloatArray]:
    """Return the median time of both passes on a device, and the gradients."""
    share = np.full(len(X), 1 / len(X)) if weights is None else np.asarray(weights, np.float64)
    total = float(share.sum())
    share = share / total if total else share
    run, fetched = passes(device, net, np.asarray(X), as_rows(net, y), share[:, np.newaxis])
    return statistics.median(samples(run, repeats)), fetched(run())


def _peaks(net: Network, allowed: int) -> dict[int, float]:
    return {count: peak(net.dtype, count) for count in sorted({1, allowed})}


def _converted_once(net: Network, y: FloatArray) -> FloatArray:
    """Return y without what would be converted again at every backward."""
    return y.astype(net.dtype, copy=False) if y.dtype.kind == "f" else y


def _measured(
    net: Network, X: Any, y: Any, weights: Any, method: Method, count: int, repeats: int
) -> tuple[float, FloatArray]:
    """Return the median time of a forward and a backward pass, and the gradients."""

    def run() -> None:
        net.forward(X, method=method)
        net.backward(y, sample_weight=weights, method=method)

    with threads(count):
        seconds = statistics.median(samples(run, repeats))
    return seconds, np.array(net.gradients, np.float64)
