"""Arrays in one line of a table: as many numbers as there is room for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swiftbackprop._net.arrays import FloatArray

_NUMBERS = 6  # of an array, in a row of a table


def short_value(value: FloatArray | float) -> str:
    """Return the first numbers of an array in one line.

    Examples
    --------
    >>> import numpy as np
    >>> from swiftbackprop._draw.array_text import short_value
    >>> short_value(np.arange(12.0).reshape(4, 3) / 3)
    '[[0, 0.3333, 0.6667], [1, 1.333, 1.667], ...]'
    """
    array = np.asarray(value)
    if array.ndim == 0:
        return _number(array)
    if array.ndim == 1:
        return _row(array)
    full = max(1, _NUMBERS // max(1, array.shape[1]))
    rows = [_row(row) for row in array[:full]]
    return f"[{', '.join([*rows, *(['...'] if len(array) > full else [])])}]"


def _row(row: FloatArray) -> str:
    numbers = [_number(value) for value in row[:_NUMBERS]]
    return f"[{', '.join([*numbers, *(['...'] if len(row) > _NUMBERS else [])])}]"


def _number(value: npt.ArrayLike) -> str:
    return f"{float(np.asarray(value)) + 0.0:.4g}"  # no -0
