"""A network's gradients against differences of its cost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from swiftbackprop._inspect.cost import Cost
from swiftbackprop._inspect.differences import chosen, least_step, slope
from swiftbackprop._inspect.in_double import as_inputs, in_double
from swiftbackprop._inspect.report import (
    TOLERANCE,
    Report,
    number,
    place,
    relative_error,
    verdict_of,
    worst_of,
)
from swiftbackprop._net.arrays import FloatArray, as_row_weights
from swiftbackprop._net.checks import as_int
from swiftbackprop._net.repr import sizes_of

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_REACH = 1e-2  # how far the largest step moves the z that it acts on


@dataclass(frozen=True)
class GradientCheck:
    """The verdict on one gradient of one layer.

    Attributes
    ----------
    quantity : str
        "grad_W", "grad_b", "grad_gamma", "grad_beta" or "grad_a"; the last with m = 0, the
        gradient by X.
    m : int
        The layer.
    size, checked, kinks : int
        How many elements there are, how many were compared, and how many of those that
        were looked at lie at a kink and were left out.
    error : float
        ‖g - n‖ / (‖g‖ + ‖n‖) of the engine's g and the differences' n, over the elements
        compared; ‖g - n‖ where the denominator is below 1e-10.
    limit : float
        The error that rounding alone can make, of C and of a - t.
    worst : tuple of int
        Where g and n are farthest apart; () if nothing was compared.
    g, n : float
        Both at that place.
    """

    quantity: str
    m: int
    size: int
    checked: int
    kinks: int
    error: float
    limit: float
    worst: tuple[int, ...] = field(default=())
    g: float = 0.0
    n: float = 0.0

    @property
    def name(self) -> str:
        """The gradient as the lectures write it, such as grad_W(2)."""
        return f"{self.quantity}({self.m})"

    @property
    def ok(self) -> bool:
        """Whether the gradient agrees with the differences, as far as these can tell."""
        return self.verdict != "wrong"

    @property
    def verdict(self) -> str:
        """One or two words on it."""
        return verdict_of(self.checked, self.error, self.limit)


class GradientReport(Report):
    """What `Network.gradcheck` found; shown as a table.

    Attributes
    ----------
    checks : tuple of GradientCheck
        From the last layer to the first: grad_W, grad_b, and grad_gamma and grad_beta where
        there are; then grad_a(0). Batch norm is in evaluation.
    ok : bool
    """

    _head = ("gradient", "compared", "at kinks", "error", "verdict")

    def __init__(self, net: str, checks: tuple[GradientCheck, ...]) -> None:
        self._net = net
        self.checks = checks

    def __getitem__(self, name: str) -> GradientCheck:
        """Return the check of this name, such as ``report["grad_W(2)"]``."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(f"{name!r}; there are {', '.join(check.name for check in self.checks)}")

    def _title(self) -> str:
        word = "all right" if self.ok else "WRONG"
        return f"Gradients of {self._net} against differences, in float64: {word}"

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (c.name, f"{c.checked} of {c.size}", str(c.kinks), number(c.error), c.verdict)
            for c in self.checks
        ]

    def _bad(self) -> list[int]:
        return [place for place, c in enumerate(self.checks) if not c.ok]

    def _failures(self) -> list[str]:
        return [
            f"{c.quantity} of layer {c.m} is wrong: relative error {number(c.error)}, allowed "
            f"{number(max(TOLERANCE, c.limit))}; at {c.quantity}{place(c.worst)} it is "
            f"{c.g:.6g}, by differences {c.n:.6g}"
            for c in self.checks
            if not c.ok
        ]

    def _notes(self) -> list[str]:
        kinks = sum(c.kinks for c in self.checks)
        if not kinks:
            return []
        lie = "1 element lies" if kinks == 1 else f"{kinks} elements lie"
        return [f"{lie} at a kink of an activation or of the loss: not compared."]


def gradcheck(
    net: NetworkBase,
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    per_array: int | None,
    seed: int,
) -> GradientReport:
    """Check every gradient of a network; see `Network.gradcheck`."""
    count = None if per_array is None else as_int(per_array, "per_array", min_=1)
    clone = in_double(net)
    rows = as_inputs(net, X)
    weights = as_row_weights(sample_weight)
    cost, rng = Cost(clone, rows, y, weights), np.random.default_rng(seed)
    arrays = list(_arrays(clone, rows))
    cost.begin()
    checks = []
    for quantity, m, array, gradient, reach in arrays:
        places = [np.unravel_index(k, array.shape) for k in chosen(array.size, count, rng)]
        checks.append(_check(cost, (quantity, m), array, gradient, reach, places))
    return GradientReport(f"Network({sizes_of(net.sizes)})", tuple(checks))


def _arrays(
    net: NetworkBase, X: FloatArray
) -> Iterator[tuple[str, int, FloatArray, FloatArray, FloatArray]]:
    """Yield quantity, m, array, a copy of its gradient, and what a step is divided by.

    A step h of W[i, j] moves z[:, i] by h a(m-1)[:, j]; of b by h; of X[n, j] by h W(1)[:, j].
    """
    for layer in reversed(net.layers):
        a = net.layer(layer.m - 1).a
        largest = np.max(np.abs(a), axis=0)
        reach = np.broadcast_to(largest, layer.W.shape)
        yield "grad_W", layer.m, layer.W, layer.grad_W.copy(), reach
        yield "grad_b", layer.m, layer.b, layer.grad_b.copy(), np.ones(layer.b.shape)
        if layer.norm:
            ones = np.ones(layer.b.shape)
            yield "grad_gamma", layer.m, layer.gamma, layer.grad_gamma.copy(), ones
            yield "grad_beta", layer.m, layer.beta, layer.grad_beta.copy(), ones
    largest = np.max(np.abs(net.layers[0].W), axis=0)
    yield "grad_a", 0, X, net.layer(0).grad_a.copy(), np.broadcast_to(largest, X.shape)


def _check(
    cost: Cost,
    name: tuple[str, int],
    array: FloatArray,
    gradient: FloatArray,
    reach: FloatArray,
    places: list[tuple[int, ...]],
) -> GradientCheck:
    compared, n, rounding = [], [], []
    for index in places:
        x, step = float(array[index]), _REACH / max(float(reach[index]), _REACH)
        if step < least_step(x):
            raise ValueError(_too_large(*name, index, x, float(reach[index])))
        at = partial(cost.of, name[1], array, index)
        found = slope(at, x, step, cost.noise, sides_known=cost.sides_known)
        if found is None:
            continue
        compared.append(index)
        n.append(found.value)
        rounding.append(found.rounding + found.truncation)
    kinks = len(places) - len(compared)
    if not compared:
        return GradientCheck(*name, array.size, 0, kinks, 0.0, 0.0)
    g, expected = np.array([gradient[index] for index in compared]), np.array(n)
    worst = worst_of(g, expected)[0]
    limit = relative_error(expected + np.array(rounding), expected) + cost.carried
    return GradientCheck(
        *name,
        size=array.size,
        checked=len(compared),
        kinks=kinks,
        error=relative_error(g, expected),
        limit=limit,
        worst=tuple(int(i) for i in compared[worst]),
        g=float(g[worst]),
        n=float(expected[worst]),
    )


def _too_large(quantity: str, m: int, index: tuple[int, ...], x: float, reach: float) -> str:
    """Say why no step is small for z and yet not lost beside x."""
    letter = "X" if quantity == "grad_a" else quantity.removeprefix("grad_")
    shown = f"{letter}{place(tuple(int(i) for i in index))}"
    if letter != "X":
        shown += f" of layer {m}"
    factor = "W(1)" if letter == "X" else f"a({m - 1})"
    by = "" if letter == "b" else f", with {factor} up to {reach:.3g},"
    return (
        f"no differences can be taken at {shown} = {x:.3g}: a step that moves z by "
        f"{_REACH}{by} is lost in the rounding of a number of this size. Check a network with "
        "weights and data of usual size (about 1)"
    )
