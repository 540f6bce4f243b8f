"""Data that come in pieces: generators, lists of shards, data loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from numbers import Number
from typing import TYPE_CHECKING, Any

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.checks import short
from swiftbackprop._net.labels import encode

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


def as_pieces(given: Any, epochs: int, steps_per_epoch: int | None) -> Callable[[], Iterator[Any]]:
    """Return a function that begins to go through the pieces."""
    if not isinstance(given, Iterable) and callable(given):
        return lambda: _iterator_of(given())
    is_data = hasattr(given, "dtype") or hasattr(given, "columns")
    is_data = is_data or isinstance(given, str | bytes | Mapping)
    if is_data or not isinstance(given, Iterable):
        raise TypeError(
            "without y, X must be an iterable of pairs (X, y), such as a list of shards or a "
            "generator, or a function that returns one, got "
            f"{type(given).__name__}: did you forget y?"
        )
    if not isinstance(given, Iterator):
        return lambda: iter(given)
    if epochs > 1 and steps_per_epoch is None:
        raise ValueError(
            f"X, {type(given).__name__}, can be iterated only once, but epochs is {epochs}: give a "
            "list, a function that makes a new one, or steps_per_epoch"
        )
    return lambda: given


def _iterator_of(returned: Any) -> Iterator[Any]:
    if not isinstance(returned, Iterable):
        raise TypeError(
            "a function as X must return an iterable of pairs (X, y), got "
            f"{type(returned).__name__}"
        )
    return iter(returned)


def read_piece(net: NetworkBase, item: Any) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Return X, y and weights of a piece."""
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise TypeError(
            f"expected a pair (X, y) or (X, y, sample_weight), got {type(item).__name__}{size}: "
            "X and y as wholes are two arguments, fit(X, y)"
        )
    if getattr(item[1], "ndim", None) == 0 or isinstance(item[1], Number):
        raise ValueError(
            f"expected rows: X of shape (N, D(0)) and y of N targets, got one target, "
            f"{short(item[1])}: rows as wholes are two arguments, fit(X, y)"
        )
    weights = item[2] if len(item) == 3 else None
    return (
        as_data(item[0], "X"),
        encode(net, item[1], "y"),
        None if weights is None else as_data(weights, "sample_weight"),
    )
