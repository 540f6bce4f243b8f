"""A gradient that somebody wrote, against differences of its function."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._inspect.differences import chosen, slope
from swiftbackprop._inspect.report import (
    TOLERANCE,
    Report,
    number,
    place,
    relative_error,
    verdict_of,
    worst_of,
)
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_int
from swiftbackprop.lab._mistakes import mistake

Function: TypeAlias = Callable[[FloatArray], npt.ArrayLike]

_REACH = 1e-2  # the largest step, over the size of the numbers in x


class FunctionReport(Report):
    """What `check_gradient` found.

    Attributes
    ----------
    ok : bool
    error : float
        ‖g - n‖ / (‖g‖ + ‖n‖) over the elements compared, as for `Network.gradcheck`.
    limit : float
        The error that the rounding of f alone can make.
    mistake : str
        What is wrong, if it is a usual mistake or one of shape; else "".
    worst : tuple of int
        Where g and n are farthest apart.
    g, n : float
        The gradient as given and by differences at that place.
    size, checked, kinks : int
        How many elements there are, were compared, and lie at a kink.
    """

    _head = ("compared", "at kinks", "error", "verdict")

    def __init__(
        self, x: FloatArray, g: FloatArray, n: FloatArray, rounding: FloatArray, kinks: int
    ) -> None:
        shape, places = x.shape, np.isfinite(n)
        self.shape, self.size = shape, int(np.prod(shape))
        self.checked, self.kinks = int(places.sum()), kinks
        self.error, self.limit, self.g, self.n = 0.0, 0.0, 0.0, 0.0
        self.worst: tuple[int, ...] = ()
        fitted = g.reshape(shape) if g.size == self.size else None
        self.mistake = _wrong_shape(shape, g, n)
        if fitted is not None and self.checked:
            self.error = relative_error(fitted[places], n[places])
            self.limit = relative_error(n[places] + rounding[places], n[places])
            self.worst = worst_of(np.where(places, fitted, 0), np.where(places, n, 0))
            self.g, self.n = float(fitted[self.worst]), float(n[self.worst])
            if not self.mistake and not self._agrees:
                self.mistake = mistake(fitted, n, x)

    @property
    def _agrees(self) -> bool:
        return verdict_of(self.checked, self.error, self.limit) != "wrong"

    def _title(self) -> str:
        word = "right" if self.ok else "WRONG"
        return f"Gradient at x of shape {self.shape} against differences: {word}"

    def _rows(self) -> list[tuple[str, ...]]:
        verdict = verdict_of(self.checked, self.error, self.limit) if self.ok else "wrong"
        compared = f"{self.checked} of {self.size}"
        return [(compared, str(self.kinks), number(self.error), verdict)]

    def _bad(self) -> list[int]:
        return [] if self.ok else [0]

    def _failures(self) -> list[str]:
        if self._agrees and not self.mistake:
            return []
        what = self.mistake or (
            f"relative error {number(self.error)}, allowed {number(max(TOLERANCE, self.limit))}"
        )
        where = ""
        if self.worst or not self.shape:
            where = (
                f"; the worst is grad{place(self.worst)} = {self.g:.6g}, by differences "
                f"{self.n:.6g}"
            )
        return [f"the gradient is wrong: {what}{where}"]

    def _notes(self) -> list[str]:
        return self._failures()


def check_gradient(
    f: Function,
    grad: npt.ArrayLike | Callable[[FloatArray], npt.ArrayLike],
    x: npt.ArrayLike,
    *,
    per_array: int | None = None,
    seed: int = 0,
) -> FunctionReport:
    """Check a gradient of one's own against differences of its function.

    Parameters
    ----------
    f : callable
        Takes an array of x's shape, in float64, and returns one number.
    grad : array_like or callable
        The gradient at x, of x's shape, or the function that returns it for x.
    x : array_like
        Of any shape.
    per_array : int or None, default None
        How many elements are looked at, drawn at random; None for all.
    seed : int, default 0
        Of the drawing.

    Returns
    -------
    FunctionReport
        With `ok`, `raise_if_failed`, where it is worst, and which usual mistake it is: a
        factor of 2, a sign, a missing 1/N, a transpose, a penalty in one of the two only.

    Raises
    ------
    ValueError
        If f returns more than one number, or NaN, or another number for the same x.

    Notes
    -----
    The method is that of `Network.gradcheck`. What f knows of kinks is not known here: an
    element where the one-sided differences disagree is left out and counted. The
    differences of a function that computes in float32 tell less; `limit` says how much.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> A = np.array([[2.0, 1.0], [0.0, 3.0]])
    >>> def f(x):
    ...     return x @ A @ x
    >>> sb.lab.check_gradient(f, lambda x: (A + A.T) @ x, [1.0, 2.0]).ok
    True
    >>> sb.lab.check_gradient(f, lambda x: -(A + A.T) @ x, [1.0, 2.0]).mistake
    'it has the wrong sign'
    """
    point = np.array(x, np.float64)
    cost = _Cost(f, point)
    g = np.array(grad(point.copy()) if callable(grad) else grad, np.float64)
    count = None if per_array is None else as_int(per_array, "per_array", min_=1)
    places = chosen(point.size, count, np.random.default_rng(seed))
    size = float(np.sqrt(np.mean(point**2))) if point.size else 0.0
    n, rounding = np.full(point.shape, np.nan), np.zeros(point.shape)
    for flat in places:
        index = np.unravel_index(flat, point.shape)
        at = float(point[index])
        step = _REACH * (max(abs(at), size) or 1.0)
        found = slope(partial(cost.at, index), at, step, cost.noise)
        if found is not None:
            n[index], rounding[index] = found.value, found.rounding
    kinks = len(places) - int(np.isfinite(n).sum())
    return FunctionReport(point, g, n, rounding, kinks)


class _Cost:
    """A function of an array as one of a single element."""

    def __init__(self, f: Function, x: FloatArray) -> None:
        self._f, self._x = f, x
        middle, again = self._value(x), self._value(x)
        if not np.isfinite(middle):
            raise ValueError(f"f(x) is {middle}: differences need a finite number")
        if middle != again:
            raise ValueError(
                f"f(x) is {middle}, and called again {again}: fix its random numbers first"
            )
        self.noise = self._noise(middle)

    def _value(self, x: FloatArray) -> float:
        value = np.asarray(self._f(x.copy()))
        if value.size != 1:
            raise ValueError(
                f"f returns an array of shape {value.shape}; expected one number, such as the "
                "sum or the mean of it"
            )
        return float(value.reshape(()))

    def _noise(self, middle: float) -> float:
        """Return the rounding error of f, from what changes when x changes by its rounding."""
        rng = np.random.default_rng(0)

        def nearby(distance: float) -> list[float]:
            shifts = (rng.uniform(-1, 1, self._x.shape) for _ in range(3))
            with np.errstate(all="ignore"):
                return [self._value(self._x * (1 + distance * shift)) for shift in shifts]

        # Numbers that all fit into float32 were computed in it.
        single = all(value == float(np.float32(value)) for value in nearby(1e-3))
        epsilon = float(np.finfo(np.float32 if single else np.float64).eps)
        moved = [abs(value - middle) for value in nearby(epsilon) if np.isfinite(value)]
        return 4 * epsilon * abs(middle) + 2 * max(moved, default=0.0)

    def at(self, index: tuple[int, ...], value: float) -> tuple[float, bytes]:
        """Return f with one element changed; sides differ where f is not finite."""
        x = self._x.copy()
        x[index] = value
        with np.errstate(all="ignore"):
            found = self._value(x)
        return found, b"" if np.isfinite(found) else b"outside"


def _wrong_shape(shape: tuple[int, ...], g: FloatArray, n: FloatArray) -> str:
    """Return the sentence on a gradient that has not the shape of x; "" if it has."""
    if g.shape == shape:
        return ""
    said = f"it has shape {g.shape}, and x has {shape}"
    places = np.isfinite(n)
    if g.T.shape == shape and relative_error(g.T[places], n[places]) <= TOLERANCE:
        return f"{said}: it is transposed, grad.T is right"
    if g.size == n.size and relative_error(g.reshape(shape)[places], n[places]) <= TOLERANCE:
        return f"{said}: the numbers are right, write grad.reshape(x.shape)"
    return said
