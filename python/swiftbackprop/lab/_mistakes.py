"""What makes a gradient wrong: the usual mistakes, told from the numbers alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from swiftbackprop._inspect.report import multiple_of, place, relative_error
from swiftbackprop._net.arrays import FloatArray

_SAME = 1e-6  # differences are no better known for a function that loses digits


def same(g: FloatArray, n: FloatArray) -> bool:
    """Whether two arrays hold the same numbers, up to what differences can tell."""
    return relative_error(g, n) <= _SAME


def mistake(g: FloatArray, n: FloatArray, x: FloatArray) -> str:
    """Return what turns the right gradient into g, if it is a usual mistake; else "".

    n is the right gradient where it is known, elsewhere NaN; x is where it is the gradient.
    """
    known = np.isfinite(n)
    if not np.isfinite(g[known]).all():
        return "it contains NaN or infinity"
    if not g[known].any():
        return "it is 0 everywhere"
    for arranged, words in _arrangements(g):
        sentence = _scaled(arranged[known], n[known])
        if sentence is not None:
            return " and ".join(part for part in (words, sentence) if part)
    return _penalty((g - n)[known], x[known]) or _in_places(g, n)


def _arrangements(g: FloatArray) -> Iterator[tuple[FloatArray, str]]:
    """Yield g, and g with its elements where other mistakes would have put them."""
    yield g, ""
    if g.ndim == 2 and g.shape[0] == g.shape[1] > 1:
        yield g.T, "it is transposed"
    elif g.ndim == 2 and min(g.shape) > 1:
        swapped = g.reshape(g.shape[::-1]).T
        yield swapped, "it is the transpose, reshaped: .T moves numbers, .reshape does not"
        yield g.T.reshape(g.shape), "it is the transpose, reshaped in the wrong order"
    if g.size > 1:
        yield np.flip(g), "its elements are in the reverse order"


def _scaled(g: FloatArray, n: FloatArray) -> str | None:
    """Return "" if g is n, a sentence if it is a multiple of n, None if it is not."""
    factor = multiple_of(g, n)
    if factor == 0.0 or not same(g, factor * n):
        return None
    return "" if abs(factor - 1) < _SAME else f"it {factor_of(factor)}"


def factor_of(factor: float) -> str:
    """Return what it means that a gradient is this multiple of the right one.

    Examples
    --------
    >>> from swiftbackprop.lab._mistakes import factor_of
    >>> factor_of(32.0)
    'is 32 times too large: is the 1/N of a mean over N = 32 missing?'
    """
    size = abs(factor)
    count = round(max(size, 1 / size))
    whole = count > 1 and abs(max(size, 1 / size) / count - 1) < _SAME
    if abs(size - 1) < _SAME:
        return "has the wrong sign"
    if whole and count == 2:
        twice, half = "twice too large", "half of what it should be"
        words = f"is {twice if size > 1 else half}: a factor of 2, from a square or from ½?"
    elif whole and size > 1:
        words = f"is {count} times too large: is the 1/N of a mean over N = {count} missing?"
    elif whole:
        words = (
            f"is {count} times too small: is 1/N there twice (N = {count}), or a mean in place "
            "of a sum?"
        )
    else:
        words = f"is {size:.6g} times the right one"
    return f"has the wrong sign and {words}" if factor < 0 else words


def _penalty(extra: FloatArray, x: FloatArray) -> str:
    """Return the sentence on a gradient whose error is a multiple of x; "" if it is not."""
    factor = multiple_of(extra, x)
    if extra.size < 3 or not same(extra, factor * x):
        return ""
    return f"it has {factor:.6g} times x too much: is a penalty in f or in grad alone?"


def _in_places(g: FloatArray, n: FloatArray) -> str:
    """Return in which elements g is wrong, if it is not wrong in most of them."""
    known = np.isfinite(n)
    size = float(np.sqrt(np.mean(n[known] ** 2)))
    wrong = known & (np.abs(g - n) > _SAME * np.maximum(np.abs(n), size))
    count, total = int(wrong.sum()), int(known.sum())
    if total > 1 and same(np.abs(g[known]), np.abs(n[known])):
        return f"the signs of {count} of {total} elements are wrong"
    if 0 < 2 * count <= total:
        return f"{count} of {total} elements are wrong{_region(wrong)}"
    shift = (g - n)[known]
    if total > 2 and same(shift, np.full_like(shift, shift.mean())):
        return f"it is too large by {shift.mean():.6g} everywhere"
    return ""


def _region(wrong: FloatArray) -> str:
    """Return where the wrong elements are, if they share an index."""
    for axis in range(wrong.ndim):
        others = tuple(k for k in range(wrong.ndim) if k != axis)
        at = np.flatnonzero(wrong.any(axis=others))
        if wrong.ndim > 1 and wrong.shape[axis] > 1 and len(at) == 1:
            shown = [":"] * wrong.ndim
            shown[axis] = str(at[0])
            return f", all in grad[{', '.join(shown)}]"
    first = np.argwhere(wrong)[0]
    return f", the first is grad{place(tuple(int(i) for i in first))}"
