"""What the grammar's operators and functions compute; every array is checked before it is made."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from swiftbackprop._net.arrays import FloatArray

Value: TypeAlias = Any

_LARGEST = 10_000  # numbers of an array
_MOST_AXES = 3

_BINARY: dict[type[ast.operator], tuple[str, Callable[[Value, Value], Value]]] = {
    ast.Add: ("+", operator.add),
    ast.Sub: ("-", operator.sub),
    ast.Mult: ("*", operator.mul),
    ast.Div: ("/", operator.truediv),
    ast.Pow: ("**", operator.pow),
}


class NotInGrammar(ValueError):
    """What is written is no expression of the grammar, whatever the shapes."""


def shown(value: FloatArray) -> str:
    """Return a shape as the lectures write it.

    Examples
    --------
    >>> import numpy as np
    >>> from swiftbackprop.lab._operations import shown
    >>> shown(np.ones((3, 2))), shown(np.ones(3)), shown(np.float64(2))
    ('3 × 2', '(3,)', 'a number')
    """
    shape = np.shape(value)
    if not shape:
        return "a number"
    return str(shape) if len(shape) == 1 else " × ".join(map(str, shape))


def _checked(shape: tuple[int, ...]) -> None:
    """Refuse an array that is too large, before it is made."""
    if int(np.prod(shape, dtype=np.float64)) > _LARGEST:
        raise ValueError(f"an array of shape {shape} is too large: at most {_LARGEST} numbers")
    if len(shape) > _MOST_AXES:
        raise ValueError(f"an array of shape {shape} has more than {_MOST_AXES} axes")


# --- Products and other operators ---------------------------------------------------------


def binary(kind: type[ast.operator], x: Value, y: Value, left: str, right: str) -> Value:
    """Return x ∘ y; the texts are what the operands are called."""
    if kind is ast.MatMult:
        return _matmul(x, y, left, right)
    if kind is ast.FloorDiv:
        return _hadamard(x, y, left, right)
    if kind not in _BINARY:
        raise NotInGrammar("the operators are @ ⊙ * / + - **")
    sign, operation = _BINARY[kind]
    try:
        shape = np.broadcast_shapes(np.shape(x), np.shape(y))
    except ValueError:
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: {sign} needs equal shapes"
            + ", and the product of matrices is @" * (sign == "*")
        ) from None
    _checked(shape)
    # As arrays: Python's own numbers raise where NumPy's give infinity.
    return np.asarray(operation(np.asarray(x, np.float64), np.asarray(y, np.float64)))


def _matmul(x: Value, y: Value, left: str, right: str) -> Value:
    if not np.ndim(x) or not np.ndim(y):
        raise ValueError("@ is a product of matrices: a number multiplies by *")
    inner, rows = np.shape(x)[-1], np.shape(y)[0 if np.ndim(y) == 1 else -2]
    if inner != rows:
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: a product needs as many columns on "
            f"the left ({inner}) as rows on the right ({rows})"
        )
    if np.ndim(x) > 2 or np.ndim(y) > 2:
        raise ValueError("a product @ is of two matrices or vectors here")
    _checked((*np.shape(x)[:-1], *np.shape(y)[1:]))
    return np.asarray(np.matmul(x, y))


def _hadamard(x: Value, y: Value, left: str, right: str) -> Value:
    if np.shape(x) != np.shape(y):
        raise ValueError(
            f"{left} is {shown(x)} and {right} is {shown(y)}: ⊙ multiplies entry by entry and "
            "needs equal shapes"
        )
    return np.multiply(x, y)


def _outer(x: Value, y: Value, left: str, right: str) -> Value:
    _checked((np.size(x), np.size(y)))
    return np.outer(x, y)


# --- Sums and shapes ----------------------------------------------------------------------


def _reduced(
    function: Callable[..., Value],
    x: Value,
    text: str,
    axis: int | None = None,
    keepdims: bool = False,
) -> Value:
    if axis is not None and not -np.ndim(x) <= int(axis) < np.ndim(x):
        raise ValueError(f"{text} is {shown(x)}: it has no axis {axis}")
    return np.asarray(function(np.asarray(x), axis=axis, keepdims=bool(keepdims)))


def _diag(x: Value, text: str) -> Value:
    if np.ndim(x) not in (1, 2):
        raise ValueError(f"{text} is {shown(x)}: diag takes a vector or a matrix")
    if np.ndim(x) == 1:
        _checked((np.size(x), np.size(x)))
    return np.diag(x)


def _diagflat(x: Value, text: str) -> Value:
    _checked((np.size(x), np.size(x)))
    return np.diagflat(x)


FUNCTIONS: dict[str, tuple[int, Callable[..., Value]]] = {
    "dot": (2, _matmul),
    "matmul": (2, _matmul),
    "multiply": (2, partial(binary, ast.Mult)),
    "outer": (2, _outer),
    "sum": (1, partial(_reduced, np.sum)),
    "mean": (1, partial(_reduced, np.mean)),
    "diag": (1, _diag),
    "diagflat": (1, _diagflat),
    "transpose": (1, lambda x, text: np.transpose(x)),
    "ravel": (1, lambda x, text: np.ravel(x)),
}


def indexed(x: Value, index: tuple[Any, ...]) -> Value:
    """Return x[...] for whole numbers, slices and None."""
    if np.ndim(x) + index.count(None) > _MOST_AXES:
        raise ValueError(f"an array has at most {_MOST_AXES} axes here")
    try:
        return np.asarray(np.asarray(x)[index])
    except (IndexError, ValueError) as error:
        raise ValueError(f"the index does not fit {shown(x)}: {error}") from None
