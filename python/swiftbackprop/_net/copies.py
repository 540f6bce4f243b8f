"""What the engine reads where it lies, what is copied for it, and why."""

from __future__ import annotations

from typing import Any

import numpy as np

from swiftbackprop._net.arrays import FloatArray, as_array, as_data
from swiftbackprop._net.checks import got
from swiftbackprop._net.specified import SpecifiedNet

# --- The hooks that forward, backward and predict call for what they cannot use ---------


def as_input(net: SpecifiedNet, X: Any, copy: object) -> FloatArray:
    """Return X in a form that forward can use in place; with `copy` False X itself, or an error."""
    if copy is not None and not copy:
        _refuse(_reason(X, net), "X")
    array = as_data(X, "X")
    if copy:
        return _converted(array, net)
    return array if net._in_place(array) else _converted(array, net)


def as_column(net: SpecifiedNet, value: Any, copy: object, what: str) -> FloatArray:
    """Return y or weights as an array; with `copy` False only if they need no conversion."""
    array = as_data(value, what)
    if copy is None:
        return array
    if copy:
        return array.copy()
    if not _shares(value):
        _refuse(_not_an_array(value), what)
    indices = array.ndim == 1 and array.dtype.kind in "iub"
    if not indices:
        _refuse(_dtype_reason(array, net.dtype), what)
    return array


def _refuse(reason: str, what: str) -> None:
    if reason:
        raise ValueError(f"{what} needs a copy, and copy=False forbids it: {reason}")


def _converted(array: FloatArray, net: SpecifiedNet) -> FloatArray:
    """Return a dense copy. What overflows becomes infinite, which the engine refuses."""
    with np.errstate(over="ignore"):
        copy = np.array(array, net.dtype, order="C", copy=True)
        if array.dtype.kind in "biu":
            copy *= net.dtype.type(net.input_scale)
    return copy


# --- Why not in place ---------------------------------------------------------------------


def explain_copy(X: Any, net: SpecifiedNet) -> str:
    """Say whether a network reads X where it lies, and if not, why and what to do.

    Parameters
    ----------
    X : array_like, shape (N, D(0))
    net : Network

    Returns
    -------
    str
        One or two sentences.

    Raises
    ------
    TypeError
        If X does not hold real numbers, or `net` is no network.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> net = sb.Network([2, 3], dtype="float32", seed=0)
    >>> print(sb.explain_copy(np.zeros((5, 2), np.float32), net))
    X is used in place: no call copies it; fit gathers one minibatch of rows at a time.
    >>> print(sb.explain_copy(np.zeros((5, 2)), net))
    X is converted, for its dtype is float64 and the network's is float32. forward makes a
    copy of 40 bytes; predict, evaluate and fit convert a block of rows at a time.
    """
    if not isinstance(net, SpecifiedNet):
        raise TypeError(f"net must be a Network, got {got(net)}")
    reason = _reason(X, net)
    if not reason:
        return "X is used in place: no call copies it; fit gathers one minibatch of rows at a time."
    array = as_data(X, "X")
    size = _in_bytes(array.size * net.dtype.itemsize)
    if not _shares(X):
        return f"X is converted, for {reason}. Every call makes a copy of {size}."
    return (
        f"X is converted, for {reason}. forward makes a copy of {size}; predict, "
        "evaluate and fit convert a block of rows at a time."
    )


def _reason(X: Any, net: SpecifiedNet) -> str:
    """Return why X cannot be used where it lies; "" if it can."""
    array = as_data(X, "X")
    if not _shares(X):
        return _not_an_array(X)
    if net._in_place(array):
        return ""
    return _dtype_reason(array, net.dtype) or _layout_reason(array)


def _shares(value: Any) -> bool:
    """Whether NumPy's array of this object is a view of the object's own memory."""
    if isinstance(value, np.ndarray):
        return True
    try:
        memoryview(value).release()
    except TypeError:
        if not hasattr(value, "__array__") and not hasattr(value, "__dlpack__"):
            return False
        one, two = as_array(value, "X"), as_array(value, "X")
        return np.may_share_memory(one, two)
    return True


def _not_an_array(value: Any) -> str:
    return f"it is of type {type(value).__name__} and not an array in memory"


def _dtype_reason(array: FloatArray, dtype: np.dtype[Any]) -> str:
    if array.dtype.newbyteorder("=") != dtype:
        name = "longdouble" if array.dtype.char == "g" else array.dtype.name
        return f"its dtype is {name} and the network's is {dtype.name}"
    if not array.dtype.isnative:
        return f"its numbers have the other byte order ({array.dtype.str})"
    return ""


def _layout_reason(array: FloatArray) -> str:
    if not array.flags.aligned:
        return f"its memory is not aligned to {array.dtype.alignment} bytes"
    strides = f"its strides are {array.strides} bytes"
    if any(stride < 0 for stride in array.strides):
        return f"{strides}, and BLAS does not read backwards"
    if any(stride == 0 for stride in array.strides):
        return f"{strides}: it is broadcast, and BLAS does not read a row twice"
    return f"{strides}, and BLAS needs rows (or columns) that are dense and do not overlap"


def _in_bytes(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TB"
