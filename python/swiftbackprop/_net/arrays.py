"""Arrays on their way in: what is read where it lies, what is converted, what is refused.

The engine checks shapes and values and converts numbers. Here is what it cannot see:
objects that are no arrays, dtypes that are no numbers, masks, and the reasons why an
array cannot be used in place.
"""

from __future__ import annotations

import contextlib
import numbers
import operator
import sys
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.checks import got
from swiftbackprop._net.frames import check_columns, floats_of, is_missing, what_it_is, what_to_do

FloatArray: TypeAlias = npt.NDArray[Any]

# What to do about dtypes that are no real numbers, by NumPy's kind.
_ADVICE = {
    "O": "convert it first, for instance with .astype('float32')",
    "U": "encode the text as numbers",
    "S": "encode the text as numbers",
    "c": "pass real and imaginary parts as separate columns",
    "M": "take the difference to a date and convert it to numbers",
    "m": "divide by a unit to get numbers",
    "V": "pass its fields as columns",
}


def as_data(value: Any, what: str) -> FloatArray:
    """Return real numbers as an array of one or two dimensions, of any dtype.

    Arrays, and objects that share their memory with NumPy, are not copied.

    Parameters
    ----------
    value : array_like
        An array, or anything with the buffer protocol, ``__array__`` or DLPack, or
        nested sequences of numbers.
    what : str
        The name of the argument in messages.

    Raises
    ------
    TypeError
        If it holds something else than real numbers.
    ValueError
        If it has no dimension or more than two, or a mask, or rows of unequal length.
    """
    return _checked(as_array(value, what), value, what)


def as_labels(value: Any, what: str) -> FloatArray:
    """Return targets: numbers as by `as_data`, or labels of text, (N,), of dtype str."""
    array = as_array(value, what, texts=True)
    if array.dtype.kind == "T":  # NumPy's strings of any length, of which some may be missing
        value = array = array.astype(object)
    if array.shape[1:] == (1,) and not isinstance(value, np.ndarray | list | tuple):
        array = array.ravel()  # the one column of a frame
    if array.dtype.kind not in "OU" or array.ndim == 0:
        return _checked(array, value, what)
    if not check_objects(value, what):
        if array.dtype.kind == "O" and check_columns(value, what):
            array = floats_of(value)
        return _checked(array, value, what)
    if array.shape[1:] not in ((), (1,)):
        raise ValueError(
            f"{what} has text in shape {array.shape}: expected one label for each row, of shape "
            f"({len(array)},)"
        )
    return array.ravel().astype(np.str_)


def check_objects(value: Any, what: str) -> bool:
    """Look at labels that may be Python objects; return whether they are text."""
    # Of a list NumPy would make text of numbers and of NaN that stand beside text.
    array = np.asarray(value, object) if isinstance(value, list | tuple) else np.asarray(value)
    if array.dtype.kind != "O" or array.ndim == 0:
        return array.dtype.kind == "U"
    texts = [isinstance(label, str) for label in array.flat]
    if all(texts):
        return bool(texts)
    width = max(1, array.size // max(1, len(array)))
    for place, label in enumerate(array.flat):
        row = place // width
        if is_missing(label):
            raise ValueError(
                f"{what} has {what_it_is(label)} in row {row}: every row needs a target; drop "
                "the row or fill it in"
            )
        if any(texts) and not texts[place]:
            raise TypeError(
                f"{what} has text and other labels, such as {label!r:.40} "
                f"({what_it_is(label)}) in row {row}: expected one type; write "
                f"[str(label) for label in {what}]"
            )
    return False


def _checked(array: FloatArray, value: Any, what: str) -> FloatArray:
    _check_dtype(array, value, what)
    if array.ndim not in (1, 2):
        hint = ""
        if array.ndim > 2:
            hint = f": write {what}.reshape(len({what}), -1) to make each example a row"
        raise ValueError(f"{what}: expected 1 or 2 dimensions, got shape {array.shape}{hint}")
    if array.dtype.char == "g" and not (array.dtype.isnative and array.flags.aligned):
        return array.astype(np.longdouble)  # the buffer protocol has no word for these
    return array


def as_floats(**values: npt.ArrayLike) -> list[FloatArray]:
    """Return dense arrays of one dtype: float32 if all are, else float64."""
    arrays = []
    for what, value in values.items():
        array = as_array(value, what)
        _check_dtype(array, value, what)
        arrays.append(array)
    single = all(array.dtype.newbyteorder("=") == np.float32 for array in arrays)
    dtype = np.float32 if single else np.float64
    return [np.asarray(array, dtype, order="C") for array in arrays]


def check_mask(value: Any, what: str) -> bool:
    """Refuse a masked array of which some is masked out; return whether it is a masked array.

    Raises
    ------
    ValueError
        If NumPy would bring back what the mask hides.
    """
    ma = sys.modules.get("numpy.ma")  # not there: then no array is one of its
    if ma is None or not isinstance(value, ma.MaskedArray):
        return False
    if ma.is_masked(value):
        raise ValueError(
            f"{what} is a masked array with values masked out: fill them in first "
            f"({what}.filled(...)) or drop their rows"
        )
    return True


def as_array(value: Any, what: str, *, texts: bool = False) -> FloatArray:
    """Return a plain ndarray, in place where NumPy can; with `texts` labels may be text."""
    if check_mask(value, what):
        return np.asarray(value.data)
    is_frame = check_columns(value, what, texts=texts)
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and array.ndim == 0 and hasattr(value, "__dlpack__"):
            array = np.from_dlpack(value)
    except (ValueError, TypeError, RuntimeError, BufferError, OverflowError) as error:
        kind = type(error) if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{what}, of type {type(value).__name__}, cannot be read as an array: "
            f"{_tensor_advice(value, what) or error}"
        ) from error
    if is_frame and array.dtype.kind == "O" and not texts:
        array = floats_of(value)  # bool beside float, or numbers with holes
    return array


# Devices whose memory NumPy can read, in DLPack's numbers: the CPU's, and what is pinned.
_HOST_DEVICES = (1, 3, 11)


def _tensor_advice(value: Any, what: str) -> str:
    """Return what to do about a tensor that NumPy cannot read; "" if it is another matter."""
    device = getattr(value, "__dlpack_device__", None)
    if device is not None:
        with contextlib.suppress(Exception):  # whatever a stranger's method does
            if device()[0] not in _HOST_DEVICES:
                return f"it lies on another device: copy it to the CPU first, as {what}.cpu() does"
    if getattr(value, "requires_grad", False) is True:
        return f"it requires grad: pass {what}.detach()"
    if "bfloat16" in str(getattr(value, "dtype", "")):
        return f"NumPy has no bfloat16: pass {what}.float()"
    return ""


def _check_dtype(array: FloatArray, value: Any, what: str) -> None:
    kind = array.dtype.kind
    if kind in "biuf":
        return
    if array.ndim == 0 and kind in "OUS" and not isinstance(value, np.ndarray):
        hint = f": write {what}.toarray()" if hasattr(value, "toarray") else ""  # of SciPy, sparse
        raise TypeError(
            f"{what} is {'None' if value is None else 'of type ' + type(value).__name__}; "
            f"expected an array of numbers{hint}"
        )
    name = f"{array.dtype} (str)" if kind in "US" else str(array.dtype)
    if kind == "O" or (kind in "US" and isinstance(value, list | tuple)):
        _check_cells(array if kind == "O" else np.asarray(value, object), what)
    if kind == "V" and array.dtype.names is None:  # bfloat16 and its like, of other packages
        kind = "O"
    advice = _ADVICE.get(kind, "convert it first")
    if array.dtype == object and all(isinstance(each, numbers.Integral) for each in array.flat):
        advice = "convert it first: .astype(int)"
    raise TypeError(f"{what}: expected real numbers, got dtype {name}: {advice}")


def _check_cells(array: FloatArray, what: str) -> None:
    """Refuse an object in an array that is no real number; NumPy would say nothing of where."""
    for place, cell in enumerate(array.flat):
        if not isinstance(cell, numbers.Real | np.bool_):
            row, *column = (int(k) for k in np.unravel_index(place, array.shape))
            where = f"row {row}" + (f", column {column[0]}" if column else "")
            shown = "None" if cell is None else got(cell)
            raise TypeError(
                f"{what}: expected real numbers, got {shown} in {where}: {what_to_do(cell)}"
            )


def as_row_weights(value: npt.ArrayLike | None, what: str = "sample_weight") -> FloatArray | None:
    """Return weights of rows to take a mean over, which are not all 0; None if none are given."""
    if value is None:
        return None
    weights = as_data(value, what)
    check_some_weight(weights, what)
    return weights


def check_some_weight(weights: FloatArray, what: str) -> None:
    """Refuse weights of rows to take a mean over that are all 0."""
    if weights.size and not np.any(weights):
        raise ValueError(
            f"{what} is 0 in every row: a mean over no rows has no value; leave the data out, or "
            "give a row some weight"
        )


def as_row(example: int, rows: int) -> int:
    """Return the number of one of N rows, counted from the end if it is negative."""
    try:
        number = operator.index(example)
    except TypeError:
        kind = type(example).__name__
        raise TypeError(f"example must be an int, the number of a row, got {kind}") from None
    if not -rows <= number < rows:
        raise IndexError(f"there is no example {number}: rows are numbered 0 to {rows - 1}")
    return number % rows
