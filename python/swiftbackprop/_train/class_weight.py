"""Weights of classes as weights of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_number, got, listed

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_BLOCK = 1 << 16  # rows that are looked at together


class ClassWeights:
    """A factor for every class, to be multiplied with the weights of the rows.

    Parameters
    ----------
    net : Network
    given : mapping of int, or label of text, to float, or "balanced"
        A class that is missing counts 1. "balanced" is N / (K·count) for the K classes that
        are in y, as in scikit-learn.
    targets : iterable of ndarray
        All targets, to be balanced; a stream's come in parts.
    total : callable, optional
        What makes of counts those of all processes that train together.
    """

    def __init__(
        self,
        net: NetworkBase,
        given: Mapping[Any, float] | str,
        targets: Iterable[FloatArray],
        total: Callable[[FloatArray], FloatArray] | None = None,
    ) -> None:
        self.outputs, self.labels = net.sizes[-1], net._classes
        if not net.loss.flags & core.RULE_CLASSES:
            raise ValueError(
                f"class_weight needs a loss of classes, got {net.loss.name}: give sample_weight "
                "instead"
            )
        self.count = max(self.outputs, 2)
        self.dtype = net.dtype
        if isinstance(given, str):
            if given != "balanced":
                raise ValueError(f'class_weight must be a dict or "balanced", got {given!r}')
            counts: FloatArray = np.zeros(self.count, np.int64)
            for y in targets:
                counts += np.bincount(self.classes(y), minlength=self.count)
            if total is not None:
                counts = total(counts.astype(np.float64))
            table = balanced(counts)
        elif isinstance(given, Mapping):
            table = self._table(given)
        else:
            raise TypeError(
                f'class_weight must be a dict of weights or "balanced", got {got(given)}'
            )
        self.table = table.astype(self.dtype)

    def _table(self, given: Mapping[Any, float]) -> FloatArray:
        table = np.ones(self.count)
        names = [] if self.labels is None else self.labels.tolist()
        for name, value in given.items():
            key: Any = names.index(name) if name in names else name
            if not isinstance(key, int | np.integer) or not 0 <= key < self.count:
                known = listed(map(repr, names), 20) or f"0..{self.count - 1}"
                raise ValueError(f"class_weight has the key {name!r}; the classes are {known}")
            table[key] = as_number(value, f"class_weight[{name!r}]", min_=0)
        return table

    def classes(self, y: FloatArray) -> FloatArray:
        """Return the class of every row, (N,)."""
        found = class_numbers(y, self.outputs)
        if found is None:
            raise ValueError(
                f"class_weight needs class numbers 0..{self.count - 1} or one-hot rows as y; "
                "give sample_weight instead"
            )
        return found

    def weigh(self, y: FloatArray, weights: FloatArray | None) -> FloatArray:
        """Return the weights of the rows, (N,), multiplied with those of their classes."""
        own: FloatArray = self.table[self.classes(y)]
        if weights is None or weights.shape not in ((len(y),), (len(y), 1)):
            return own if weights is None else weights  # the engine says what does not fit
        return own * weights.ravel()


def balanced(counts: FloatArray) -> FloatArray:
    """Return N / (K·count) of each of the K classes that are there, 1 of the others."""
    present = np.count_nonzero(counts)
    return np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 1.0)


def class_numbers(y: FloatArray, outputs: int) -> FloatArray | None:
    """Return the class of every row, (N,), from numbers or one-hot rows; None of other targets."""
    found = _numbers(y) if outputs == 1 or y.ndim == 1 else _places(y, outputs)
    if found is None or (len(found) and not 0 <= found.min() <= found.max() < max(outputs, 2)):
        return None
    return found


def _numbers(y: FloatArray) -> FloatArray | None:
    flat: FloatArray = np.asarray(y).ravel()
    if flat.dtype.kind in "biu" or np.all((flat == 0) | (flat == 1)):
        return flat.astype(np.int64)
    return None


def _places(y: FloatArray, outputs: int) -> FloatArray | None:
    """Return the place of the 1 in every row; None if a row is not one-hot."""
    found = np.empty(len(y), np.int64)
    for first in range(0, len(y), _BLOCK):
        rows = np.asarray(y[first : first + _BLOCK])
        binary = np.all((rows == 0) | (rows == 1))
        if rows.shape[1] != outputs or not binary or np.any(rows.sum(axis=1) != 1):
            return None
        found[first : first + _BLOCK] = np.argmax(rows, axis=1)
    return found
