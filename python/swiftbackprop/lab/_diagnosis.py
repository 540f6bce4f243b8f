"""Which wrong formula gives these numbers: the search through the usual mistakes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from swiftbackprop._inspect.report import TOLERANCE, multiple_of, relative_error
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.lab._wrong_formulas import Line, Wrong

_SINGLE = 1e-5  # what computing in float32 costs at most


class Diagnosis(NamedTuple):
    """What is wrong: short names of the mistakes, and a sentence."""

    kinds: tuple[str, ...]
    sentence: str


def agrees(g: FloatArray, right: FloatArray) -> bool:
    """Whether two arrays have one shape and the same numbers."""
    return g.shape == right.shape and relative_error(g, right) <= TOLERANCE


def diagnose(
    quantity: str,
    g: FloatArray,
    right: FloatArray,
    wrongs: Iterable[Wrong],
    rows: int,
    lines: Iterable[Line] = (),
) -> Diagnosis | None:
    """Return which mistakes turn `right` into g, the fewest that do; None if none are known.

    `wrongs` are what wrong formulas give for this quantity, `lines` those with a number in them
    that is not known.
    """
    if not np.isfinite(g).all():
        return Diagnosis(("not finite",), "it contains NaN or infinity")
    if not g.any() and right.any():
        return Diagnosis(("zero",), "it is 0 everywhere")
    found = _fewest(quantity, g, [Wrong("", "", right), *wrongs], rows)
    if found is None and g.shape != right.shape:
        return _of_shape(quantity, g, right, rows)
    return found or _on_a_line(g, lines) or _nearly(g, right)


def _on_a_line(g: FloatArray, lines: Iterable[Line]) -> Diagnosis | None:
    for line in lines:
        s = along(g, line)
        if s is not None:
            return Diagnosis((line.kind,), line.sentence.format(s=f"{s:.4g}"))
    return None


def along(g: FloatArray, line: Line) -> float | None:
    """Return the s > 0 for which g is start + s · direction; None if there is none."""
    if g.shape != line.start.shape or g.size < 2:
        return None
    apart = g - line.start
    s = multiple_of(apart, line.direction)
    return s if s > 0 and relative_error(apart, s * line.direction) <= _SINGLE else None


def _fewest(quantity: str, g: FloatArray, wrongs: list[Wrong], rows: int) -> Diagnosis | None:
    """Return the matches with the fewest mistakes, joined by "or"."""
    matches = [match for wrong in wrongs for match in _matches(quantity, g, wrong, rows)]
    if not matches:
        return None
    least = min(len(match.kinds) for match in matches)
    best = {match.kinds: match for match in reversed(matches) if len(match.kinds) == least}
    chosen = list(reversed(best.values()))
    return Diagnosis(chosen[0].kinds, ", or ".join(match.sentence for match in chosen))


def _matches(quantity: str, g: FloatArray, wrong: Wrong, rows: int) -> Iterator[Diagnosis]:
    """Yield how g is a wrong formula's value, perhaps transposed, times a known factor."""
    value = np.asarray(wrong.value, np.float64)
    turned = [(g, "")] + ([(g.T, "it is transposed")] if g.ndim == 2 else [])
    for array, transposed in turned:
        if array.shape != value.shape or not value.any():
            continue
        factor = multiple_of(array, value)
        if not agrees(array, factor * value):
            continue
        for kinds, words in _factors(quantity, factor, rows):
            names = ("transposed",) * bool(transposed) + (wrong.kind,) * bool(wrong.kind) + kinds
            if names:
                parts = [part for part in (transposed, wrong.sentence, words) if part]
                yield Diagnosis(names, "; and ".join(parts))


def _factors(quantity: str, factor: float, rows: int) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the mistakes that multiply by this factor, as names and words."""
    size = abs(factor)
    sign = ("wrong sign",) if factor < 0 else ()
    words = "the sign is wrong" if factor < 0 else ""
    if _is(size, 1):
        yield sign, words
        return
    every = "row of grad_z and grad_a carries its 1/N"
    known = [
        (float(rows), "missing 1/N", f"1/N is missing: it is N = {rows} times too large"),
        (1 / rows, "1/N twice", f"1/N is there twice (N = {rows}): once every {every}"),
        (2.0, "factor 2", "it is twice too large: the ½ of a loss ½(a - t)²?"),
        (0.5, "factor 2", "it is half of what it should be: is a ½ there twice?"),
    ]
    if quantity in ("grad_W", "grad_b"):
        known[1] = (
            1 / rows,
            "mean instead of sum",
            f"it is a mean over the N = {rows} rows in place of the sum: every {every} already",
        )
    for value, kind, sentence in known:
        if _is(size, value):
            yield (*sign, kind), "; and ".join(part for part in (words, sentence) if part)


def _is(x: float, value: float) -> bool:
    return abs(x - value) <= TOLERANCE * value


def _of_shape(quantity: str, g: FloatArray, right: FloatArray, rows: int) -> Diagnosis:
    """Return what is to say of a shape that no wrong formula gives."""
    words = f"it has shape {g.shape}, expected {right.shape}"
    if g.T.shape == right.shape:
        return Diagnosis(("shape",), f"{words}: its .T has that shape")
    if g.size != right.size:
        return Diagnosis(("shape",), words)
    shaped = g.reshape(right.shape)
    if agrees(shaped, right):
        return Diagnosis(("shape",), f"{words}: the numbers are right")
    found = _fewest(quantity, shaped, [Wrong("", "", right)], rows)
    if found is None:
        return Diagnosis(("shape",), words)
    return Diagnosis(("shape", *found.kinds), f"{words}; and {found.sentence}")


def _nearly(g: FloatArray, right: FloatArray) -> Diagnosis | None:
    """Return the diagnosis of a multiple, or of lost digits."""
    if relative_error(g, right) <= _SINGLE:
        words = "it is right to some 7 digits only: compute in float64"
        return Diagnosis(("float32",), words)
    factor = multiple_of(g, right)
    if g.size > 1 and factor and agrees(g, factor * right):
        return Diagnosis(("factor",), f"it is {factor:.6g} times the right one")
    return None
