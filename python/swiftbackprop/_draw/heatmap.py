"""Matrices as maps of coloured cells: few enough to look at, few bytes to draw."""

from __future__ import annotations

import numpy as np

from swiftbackprop._draw.svg import BLUE, INK, ORANGE
from swiftbackprop._net.arrays import FloatArray

CELLS = 16  # along each side
_LEVELS = 8  # of strength


def shrink(matrix: FloatArray, rows: int = CELLS, columns: int = CELLS) -> FloatArray:
    """Return a matrix of at most this shape: of every block the number of largest size.

    NaN counts as 0.

    Examples
    --------
    >>> import numpy as np
    >>> from swiftbackprop._draw.heatmap import shrink
    >>> shrink(np.array([[1.0, -3.0, 0.5], [2.0, 0.0, -0.1]]), rows=1, columns=2)
    array([[ 2., -3.]])
    """
    tall, wide = (min(size, most) for size, most in zip(matrix.shape, (rows, columns), strict=True))
    downs = [matrix.shape[0] * k // tall for k in range(tall + 1)]
    rights = [matrix.shape[1] * k // wide for k in range(wide + 1)]
    small = np.empty((tall, wide))
    for i in range(tall):
        for j in range(wide):
            block = matrix[downs[i] : downs[i + 1], rights[j] : rights[j + 1]]
            low, high = float(block.min()), float(block.max())
            small[i, j] = high if high >= -low else low
    return np.nan_to_num(small, nan=0.0)


def heat(cells: FloatArray, x: float, y: float, width: float, height: float, largest: float) -> str:
    """Return a map of cells with its upper left corner at x, y.

    Cells of one sign and about one size are one path.
    """
    paths: dict[tuple[int, str], list[str]] = {}
    for i, row in enumerate(cells):
        for j, value in enumerate(row):
            level = round(_LEVELS * min(1.0, abs(float(value)) / largest)) if largest else 0
            if level:
                colour = BLUE if value > 0 else ORANGE
                corner = f"M{x + j * width:.1f} {y + i * height:.1f}"
                paths.setdefault((level, colour), []).append(
                    f"{corner}h{width:.1f}v{height:.1f}h-{width:.1f}z"
                )
    frame = (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{cells.shape[1] * width:.1f}" '
        f'height="{cells.shape[0] * height:.1f}" fill="{INK}" fill-opacity="0.05" '
        f'stroke="{INK}" stroke-opacity="0.4" stroke-width="0.7"/>'
    )
    return frame + "".join(
        f'<path d="{"".join(corners)}" fill="{colour}" fill-opacity="{level / _LEVELS:.2f}"/>'
        for (level, colour), corners in sorted(paths.items())
    )
