"""What the checks of gradients hand back: a table, a verdict, an error on demand."""

from __future__ import annotations

import numpy as np

from swiftbackprop._draw.tables import Tabular
from swiftbackprop._net.arrays import FloatArray

# The largest relative error at which a gradient counts as right.
TOLERANCE = 1e-7
# Below this ‖g‖ + ‖n‖ the difference itself is the error.
_NEXT_TO_ZERO = 1e-10
# A larger error by rounding alone tells nothing of the gradient.
_TELLING = 1e-3


class Report(Tabular):
    """The result of a check: shown as a table, with `ok` and `raise_if_failed`."""

    _left = 9  # all of them

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self._failures()

    def raise_if_failed(self) -> None:
        """Raise an AssertionError that names all that is wrong, if anything is.

        Raises
        ------
        AssertionError
            With one line for each quantity that is wrong.
        """
        failures = self._failures()
        if failures:
            raise AssertionError("\n".join(failures))

    def _failures(self) -> list[str]:
        """Return a sentence for everything that is wrong."""
        raise NotImplementedError


def relative_error(g: FloatArray, n: FloatArray) -> float:
    """Return ‖g − n‖ / (‖g‖ + ‖n‖), or ‖g − n‖ where that sum is below 1e-10."""
    apart, size = float(np.linalg.norm(g - n)), float(np.linalg.norm(g) + np.linalg.norm(n))
    return apart if size < _NEXT_TO_ZERO else apart / size


def multiple_of(x: FloatArray, y: FloatArray) -> float:
    """Return the factor with which y comes nearest to x; 0 if y is 0."""
    square = float(np.sum(y * y))
    return float(np.sum(x * y)) / square if square else 0.0


def verdict_of(checked: int, error: float, limit: float) -> str:
    """Return in some words what an error says, of which rounding alone can make `limit`."""
    if not checked:
        return "only kinks"
    if error <= TOLERANCE:
        return "right"
    if error <= limit:
        return "right to rounding" if limit <= _TELLING else "too small to tell"
    return "wrong"  # NaN too


def worst_of(g: FloatArray, n: FloatArray) -> tuple[int, ...]:
    """Return the index at which g and n are farthest apart."""
    place = np.unravel_index(int(np.argmax(np.abs(g - n))), g.shape)
    return tuple(int(index) for index in place)


def place(index: tuple[int, ...]) -> str:
    """Return an index as it is written behind an array's name."""
    return f"[{', '.join(map(str, index))}]" if index else ""


def number(value: float) -> str:
    """Return an error with two digits."""
    return "0" if value == 0 else f"{value:.1e}"
