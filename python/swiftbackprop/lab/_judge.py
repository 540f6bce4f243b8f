"""What came out of an expression, beside what was asked for: in rows and columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from swiftbackprop._draw.tables import html_table, text_table
from swiftbackprop._inspect.report import multiple_of
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop.lab._expression import evaluate
from swiftbackprop.lab._operations import NotInGrammar, shown
from swiftbackprop.lab._questions import Quantities, Question


@dataclass(frozen=True, eq=False, repr=False)
class Answer:
    """What `Exercise.answer` says of a letter or an expression; print it.

    Attributes
    ----------
    expression : str
    right : bool
    kind : str
        In a few words: "right", "right values, transposed", "right shape, wrong value",
        "the shapes do not fit", "not an expression", "wrong shape, answer on the diagonal", ...
    sentence : str
        Why it is wrong, in rows and columns.
    value : ndarray or None
        None where nothing could be computed.
    wanted : ndarray
        The right values.
    """

    expression: str
    kind: str
    sentence: str
    value: FloatArray | None
    wanted: FloatArray

    @property
    def right(self) -> bool:
        """Whether values and shape are right."""
        return self.kind == "right"

    @property
    def shape(self) -> tuple[int, ...] | None:
        """The shape that came out."""
        return None if self.value is None else self.value.shape

    def _title(self) -> str:
        shape = "" if self.value is None else f", {shown(self.value)}"
        return f"{self.expression}: {self.kind}{shape}"

    def _rows(self) -> list[tuple[str, str]]:
        """Return the lines of both arrays, side by side."""
        given = [] if self.value is None else _lines(self.value)
        wanted = _lines(self.wanted)
        count = max(len(given), len(wanted))
        pad = [""] * count
        return list(zip((given + pad)[:count], (wanted + pad)[:count], strict=True))

    def _head(self) -> tuple[str, str]:
        given = "–" if self.value is None else shown(self.value)
        return f"yours, {given}", f"right, {shown(self.wanted)}"

    def __repr__(self) -> str:
        lines = [self._title(), text_table(self._head(), self._rows(), left=2)]
        return "\n".join([*lines, self.sentence] if self.sentence else lines)

    def _repr_html_(self) -> str:
        notes = [self.sentence] if self.sentence else []
        # Spaces that keep the columns of an array below each other.
        rows = [tuple(cell.replace(" ", "\u2007") for cell in row) for row in self._rows()]
        return html_table(self._title(), self._head(), rows, notes, left=2)


def _lines(value: FloatArray) -> list[str]:
    with np.printoptions(precision=4, suppress=True, threshold=60, edgeitems=3, linewidth=60):
        return str(value).splitlines()


@np.errstate(all="ignore")
def judge(text: str, question: Question, quantities: Quantities, written: str = "") -> Answer:
    """Return the judgement on an expression, which is shown as `written`."""
    wanted = question.right(quantities)
    try:
        value = evaluate(text, quantities)
    except ValueError as error:
        grammar = isinstance(error, NotInGrammar)
        kind = "not an expression" if grammar else "the shapes do not fit"
        return Answer(written or text, kind, f"{error}.", None, wanted)
    usual = [(evaluate(wrong, quantities), said) for wrong, said in _fitting(question, quantities)]
    kind, sentence = _judged(value, wanted, usual)
    if kind == "right" and question.remark:
        sentence = question.remark
    return Answer(written or text, kind, sentence, value, wanted)


def _fitting(question: Question, quantities: Quantities) -> Iterator[tuple[str, str]]:
    """Yield the usual mistakes that these shapes allow."""
    for wrong, said in question.usual:
        try:
            evaluate(wrong, quantities)
        except ValueError:
            continue
        yield wrong, said


def _same(x: FloatArray, y: FloatArray) -> bool:
    return x.shape == y.shape and bool(np.allclose(x, y, rtol=1e-9, atol=1e-12))


def _judged(
    value: FloatArray, wanted: FloatArray, usual: Iterable[tuple[FloatArray, str]]
) -> tuple[str, str]:
    """Return kind and sentence."""
    if _same(value, wanted):
        return "right", ""
    known = [said for wrong, said in usual if _same(value, wrong) and not _same(wrong, wanted)]
    said = f"{_capital(known[0])}." if known else ""
    asked = f"asked for is {shown(wanted)}"
    if value.ndim == 2 and _same(value, wanted.T):
        lies = "the rows and columns are exchanged"
        return "right values, transposed", said or f"{_capital(asked)}: {lies}."
    if value.ndim < 2:
        return _flat(value, wanted)
    if value.shape == wanted.shape:
        return "right shape, wrong value", said or _factor(value, wanted)
    return _of_shape(value, wanted, said)


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _flat(value: FloatArray, wanted: FloatArray) -> tuple[str, str]:
    """Return what is to say of an array with one axis or none."""
    asked = f"asked for is {shown(wanted)}"
    if value.ndim == 0 or value.size == 1 < wanted.size:
        what = "wrong shape"
        if np.isclose(value, wanted.sum(), rtol=1e-9, atol=1e-12):
            what = "wrong shape, sum of the answer"
        elif np.isclose(value, wanted, rtol=1e-9, atol=1e-12).any():
            what = "wrong shape, one entry of the answer"
        return what, f"It is one number, and {asked}."
    words = f"An array of shape {value.shape} is neither a row nor a column, and {asked}"
    if value.size != wanted.size:
        return "wrong shape", f"{words}: it has {value.size} numbers in place of {wanted.size}."
    if 1 in wanted.shape:
        words += ": keep the second axis, by [:, None] or keepdims=True"
    same = _same(value, wanted.ravel())
    return "right values, one-dimensional" if same else "wrong shape", f"{words}."


def _of_shape(value: FloatArray, wanted: FloatArray, said: str) -> tuple[str, str]:
    """Return what a matrix of another shape holds of the answer."""
    rows, columns = value.shape[0], value.shape[-1]
    words = f"It is {shown(value)}, and asked for is {shown(wanted)}"
    if value.ndim == 2 and rows == columns > 1:
        if _same(np.diag(value), wanted.ravel()):
            return "wrong shape, answer on the diagonal", (
                f"{words}: a column times a row has all pairs of their entries, and the pairs "
                "with equal indices, on its diagonal, are the answer."
            )
        if wanted.size == 1 and np.isclose(np.trace(value), wanted.item()):
            return "wrong shape, answer is the trace", (
                f"{words}: all pairs of entries are there, and those with equal indices add up "
                "to the answer."
            )
    if value.shape == (1, 1) and np.isclose(value.item(), wanted.sum(), rtol=1e-9):
        return "wrong shape, sum of the answer", (
            f"{words}: a row times a column adds up the entries of the answer to one number."
        )
    for axis, name in ((0, "rows"), (1, "columns")):
        if value.ndim == 2 and _same(value.sum(axis=axis), wanted.ravel()):
            return "wrong shape, not summed", (
                f"{words}: the terms are there, and the sum over the {name} (axis={axis}) is "
                "missing."
            )
    return "wrong shape", said or f"{words}."


def _factor(value: FloatArray, wanted: FloatArray) -> str:
    """Return in a sentence by what factor all values are wrong, if by one."""
    factor = multiple_of(value, wanted)
    if not factor or not np.isfinite(factor) or not _same(value, factor * wanted):
        return "The shape fits by chance: the values are others."
    if np.isclose(factor, -1):
        return "The sign is wrong."
    count = round(1 / factor) if abs(factor) < 1 else 0
    if count > 1 and np.isclose(factor * count, 1):
        return f"All values are 1/{count} of the right ones: a mean in place of a sum?"
    return f"All values are {factor:.6g} times the right ones."
