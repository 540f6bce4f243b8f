"""A network's gradients against differences of its cost."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from swiftbackprop._arrays import FloatArray, as_data
from swiftbackprop._display import sizes_of
from swiftbackprop._engine import core
from swiftbackprop._layers import taken_in
from swiftbackprop.lab._differences import chosen, slope
from swiftbackprop.lab._double import as_rows, in_double
from swiftbackprop.lab._report import (
    TOLERANCE,
    Report,
    number,
    place,
    relative_error,
    verdict_of,
    worst_of,
)
from swiftbackprop.training import as_count

if TYPE_CHECKING:
    from swiftbackprop._inside import NetworkInside

__all__ = ["GradientCheck", "GradientReport", "gradcheck"]

_REACH = 1e-2  # how far the largest step moves the z that it acts on
_EPSILON = float(np.finfo(np.float64).eps)


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
        The error that the rounding of C alone can make.
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


class _Cost:
    """C of a network on given data, and the sides of all kinks, as its numbers change."""

    def __init__(
        self, net: "NetworkInside", X: FloatArray, y: npt.ArrayLike, weights: FloatArray | None
    ) -> None:
        self._net, self._X, self._y, self._weights = net, X, y, weights
        rules = net._recipe.activations
        self._kinked = [m for m, rule in enumerate(rules, 1) if rule.flags & core.RULE_KINK]
        self._fused = net.loss.partner == rules[-1].name and net.loss.flags & core.RULE_CLIPS
        kinked = net.loss.flags & (core.RULE_KINK | core.RULE_CLIPS)
        self._loss_kinked = bool(kinked and not self._fused)

    def now(self) -> float:
        """Run forward and backward; return C."""
        self._net.forward(self._X)
        return self._net.backward(self._y, sample_weight=self._weights)

    def sides(self) -> bytes:
        """Return on which side of every kink the last forward was, for comparison."""
        layers = (self._net.layers[m - 1] for m in self._kinked)
        parts = [(taken_in(layer) > 0).tobytes() for layer in layers]
        if self._loss_kinked:
            a, t, loss = self._net.layers[-1].a, as_rows(self._net, self._y), self._net.loss
            # ∂ℓ/∂a jumps or bends only where one of the two changes: the sign where ℓ is
            # straight, and whether it is.
            straight = loss.second_derivative(a, t) == 0
            sign = np.where(straight, np.sign(loss.derivative(a, t)), 2)
            parts.append(sign.astype(np.int8).tobytes())
        return b"".join(parts)

    def noise(self) -> float:
        """Return the rounding error of C: its own, and that of every z and a."""
        size = abs(self.now())
        before, last = np.abs(self._X), len(self._net.layers)
        for layer in self._net.layers:
            z = before @ np.abs(layer.W).T + np.abs(layer.b)
            before = np.abs(layer.a)
            size += float(np.sum(np.abs(layer.grad_z) * z))
            if layer.norm:
                size += float(np.abs(layer.grad_gamma * layer.gamma).sum())
                size += float(np.abs(layer.grad_beta * layer.beta).sum())
            if layer.m < last or not self._fused:  # else C comes from z
                size += float(np.sum(np.abs(layer.grad_a) * before))
        return 2 * _EPSILON * size

    def of(self, array: FloatArray, index: tuple[int, ...], value: float) -> tuple[float, bytes]:
        """Return C and the sides with one number of W, b or X changed."""
        kept = array[index]
        array[index] = value
        try:
            return self.now(), self.sides()
        finally:
            array[index] = kept


def gradcheck(
    net: "NetworkInside",
    X: npt.ArrayLike,
    y: npt.ArrayLike,
    sample_weight: npt.ArrayLike | None,
    per_array: int | None,
    seed: int,
) -> GradientReport:
    """Check every gradient of a network; see `Network.gradcheck`."""
    count = None if per_array is None else as_count(per_array, "per_array", least=1)
    twin = in_double(net)
    rows = np.array(as_data(X, "X"), np.float64, order="C")
    weights = None if sample_weight is None else as_data(sample_weight, "sample_weight")
    cost = _Cost(twin, rows, y, weights)
    noise, rng = cost.noise(), np.random.default_rng(seed)
    arrays = list(_arrays(twin, rows))
    checks = []
    for quantity, m, array, gradient, reach in arrays:
        places = [np.unravel_index(k, array.shape) for k in chosen(array.size, count, rng)]
        checks.append(_check(cost, noise, (quantity, m), array, gradient, reach, places))
    return GradientReport(f"Network({sizes_of(net)})", tuple(checks))


def _arrays(
    net: "NetworkInside", X: FloatArray
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
    cost: _Cost,
    noise: float,
    name: tuple[str, int],
    array: FloatArray,
    gradient: FloatArray,
    reach: FloatArray,
    places: list[tuple[int, ...]],
) -> GradientCheck:
    compared, n, rounding = [], [], []
    for index in places:
        x, step = float(array[index]), _REACH / max(float(reach[index]), _REACH)
        found = slope(partial(cost.of, array, index), x, step, noise)
        if found is None:
            continue
        compared.append(index)
        n.append(found.value)
        rounding.append(found.rounding)
    kinks = len(places) - len(compared)
    if not compared:
        return GradientCheck(*name, array.size, 0, kinks, 0.0, 0.0)
    g, wanted = np.array([gradient[index] for index in compared]), np.array(n)
    worst = worst_of(g, wanted)[0]
    limit = relative_error(wanted + np.array(rounding), wanted)
    return GradientCheck(
        *(*name, array.size, len(compared), kinks, relative_error(g, wanted), limit),
        tuple(int(i) for i in compared[worst]),
        float(g[worst]),
        float(wanted[worst]),
    )
