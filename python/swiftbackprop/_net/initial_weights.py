"""What a network starts from: a rule for the weights of each layer, or arrays."""

from __future__ import annotations

import numbers
from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import got
from swiftbackprop._net.rules import Activation, Initializer, as_rule

Pairs: TypeAlias = Iterable[tuple[npt.ArrayLike, npt.ArrayLike]]
InitializerLike: TypeAlias = str | Initializer | Iterable[str | Initializer] | Pairs


def initial_weights(
    initializer: InitializerLike | None,
    activations: tuple[Activation, ...],
    sizes: tuple[int, ...],
    dtype: np.dtype[Any],
) -> tuple[tuple[Initializer, ...], tuple[tuple[FloatArray, FloatArray], ...]]:
    """Return a rule for every layer, and arrays instead if arrays are given."""
    layers = len(activations)
    if initializer is None:
        return tuple(Initializer(rule.partner) for rule in activations), ()
    if isinstance(initializer, str | Initializer):
        return (as_rule(Initializer, initializer, "initializer"),) * layers, ()
    if not isinstance(initializer, Iterable):
        as_rule(Initializer, initializer, "initializer")  # raises
    items = list(initializer)
    if len(items) != layers:
        raise ValueError(
            f"initializer: expected {layers} entries, a name or a pair (W, b) for each layer, "
            f"got {len(items)}"
        )
    if all(isinstance(item, str | Initializer) for item in items):
        return tuple(as_rule(Initializer, item, "initializer") for item in items), ()
    start = tuple(_as_pair(item, m, sizes, dtype) for m, item in enumerate(items, start=1))
    return (Initializer("zeros"),) * layers, start


def _as_pair(
    item: Any, m: int, sizes: tuple[int, ...], dtype: np.dtype[Any]
) -> tuple[FloatArray, FloatArray]:
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise TypeError(
            f"initializer[{m - 1}]: expected the pair (W, b) of layer {m}, got {got(item)}"
        )
    W = as_parameter(item[0], f"W of layer {m}", (sizes[m], sizes[m - 1]), m, dtype)
    return W, as_parameter(item[1], f"b of layer {m}", (sizes[m],), m, dtype)


def as_parameter(
    value: npt.ArrayLike,
    what: str,
    shape: tuple[int, ...],
    m: int,
    dtype: np.dtype[Any],
    *,
    finite: bool = True,
) -> FloatArray:
    """Return a copy of `value`, which has to have this shape, as W or b of layer m."""
    letters = f"(D({m}), D({m - 1}))" if len(shape) == 2 else f"(D({m}),)"
    if isinstance(value, numbers.Number):
        letter = what.partition(" of ")[0].split()[-1]
        raise ValueError(
            f"{what}: expected shape {letters} = {shape}, got the number {value!r}; to fill it "
            f"write layer.{letter}[...] = {value!r}"
        )
    array = as_data(value, what)
    if array.shape != shape:
        raise ValueError(
            f"{what}: expected shape {letters} = {shape}, got {array.shape}{_hint(array, shape)}"
        )
    with np.errstate(over="ignore"):
        copy = np.array(array, dtype)
    if finite and not np.isfinite(copy).all():
        raise ValueError(f"{what} contains NaN or infinity (or a value beyond {copy.dtype})")
    return copy


def _hint(array: FloatArray, shape: tuple[int, ...]) -> str:
    """Return what may be wrong about the shape of W or b."""
    if array.T.shape == shape:
        return "; its transpose .T has that shape: rows are units, columns their inputs"
    if len(shape) == 1:
        if array.size == shape[0]:
            return "; b has one axis: write .ravel()"
        return "; b has a number for every unit of its layer"
    if array.size == shape[0] * shape[1]:
        return f"; has a flat array this order? Then write .reshape{shape}"
    return "; W has a row for every unit, a column for every unit of the layer before"
