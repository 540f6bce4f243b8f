"""Derivatives by differences of a cost, with a step for each parameter, and kinks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray

# The cost where one number is x, and on which sides of their kinks all units then are.
Cost: TypeAlias = Callable[[float], tuple[float, bytes]]

_SHRINK, _STEPS = 8.0, 6
_GOOD = 1e-9  # the relative error of a derivative that no smaller step has to improve
_ENOUGH = 1e-7  # one that is more is not known
_ROUGH = 1e-5  # a larger one is no smooth function's at this step
# Rounding of the extrapolated quotient below: noise times this over the step.
_NOISE = 8.0
# The smallest step in units of the last digit of x.
_DISTINCT = 64.0


class Slope(NamedTuple):
    """A derivative by differences and how far it can be trusted."""

    value: float
    truncation: float  # what the extrapolation still changed
    rounding: float  # what the rounding of the cost can change


def chosen(size: int, count: int | None, rng: np.random.Generator) -> FloatArray:
    """Return which of `size` elements to look at: all, or `count` that are drawn."""
    if count is None or count >= size:
        return np.arange(size)
    return np.sort(rng.choice(size, count, replace=False))


def least_step(x: float) -> float:
    """Return the smallest step from x whose quarter is not lost in the rounding of x."""
    return _DISTINCT * float(np.spacing(abs(x)))


def slope(
    cost: Cost, x: float, step: float, noise: float, *, sides_known: bool = False
) -> Slope | None:
    """Return the derivative of `cost` at x, or None at a kink (or where it bends as much).

    Parameters
    ----------
    cost : callable
        Of one number; returns the cost, and the sides as bytes that change when a kink
        is passed (empty where nothing is known of kinks).
    x : float
    step : float
        The largest step. It shrinks until no kink is passed and the error is small.
    noise : float
        The rounding error of one value of the cost.
    sides_known : bool, default False
        Whether the sides tell all kinks that there are. If not, one is also where the
        one-sided differences stay apart.

    Returns
    -------
    Slope or None

    Notes
    -----
    Central differences D(h), D(h/2), D(h/4) are extrapolated to h = 0 (Richardson 1911):
    (4 D(h/2) - D(h))/3 is free of h², and the next such step of h⁴; what that step still
    changes is the estimate of the error. A kink is where every step passes one, or, as far
    as the sides do not tell, where the one-sided differences stay apart however small the
    step.
    """
    middle, sides = cost(x)
    best: Slope | None = None
    for power in range(_STEPS):
        h = step * _SHRINK**-power
        if power and h < least_step(x):
            break
        values = _around(cost, x, h, sides)
        if values is None:
            continue
        found = _extrapolated(values, h, noise)
        if not sides_known and _is_kinked(values, middle, found):
            continue
        if best is None or found.truncation + found.rounding < best.truncation + best.rounding:
            best = found
        if found.truncation <= max(_GOOD * abs(found.value), found.rounding):
            return found
    if sides_known or best is None:
        return best
    if best.truncation > max(_ENOUGH * abs(best.value), best.rounding):
        return None
    return best


class _Pair(NamedTuple):
    """The cost on both sides of x."""

    plus: float
    minus: float
    width: float  # between the two places, as rounded


def _around(cost: Cost, x: float, h: float, sides: bytes) -> list[_Pair] | None:
    """Return the costs at x ± h, x ± h/2, x ± h/4; None if a kink lies between."""
    pairs = []
    for step in (h, h / 2, h / 4):
        plus, plus_sides = cost(x + step)
        minus, minus_sides = cost(x - step)
        if not plus_sides == sides == minus_sides:
            return None
        pairs.append(_Pair(plus, minus, (x + step) - (x - step)))
    return pairs


def _extrapolated(pairs: list[_Pair], h: float, noise: float) -> Slope:
    quotients = [(pair.plus - pair.minus) / pair.width for pair in pairs]
    first, second = ((4 * fine - coarse) / 3 for coarse, fine in pairwise(quotients))
    value = (16 * second - first) / 15
    return Slope(value, abs(value - second), _NOISE * noise / h)


def _is_kinked(pairs: list[_Pair], middle: float, found: Slope) -> bool:
    """Whether the one-sided differences disagree as no smooth function's do at this step.

    Their distance is about h C″ where C is smooth, a quarter of it at a quarter of the
    step; at a kink it stays.
    """
    apart = [abs(p.plus - 2 * middle + p.minus) / p.width * 2 for p in (pairs[0], pairs[-1])]
    size = abs(found.value) + apart[0]
    stays = apart[1] > apart[0] / 2 and apart[1] > _ROUGH * size + 4 * found.rounding
    return stays or found.truncation > _ROUGH * size + 4 * found.rounding
