"""What calls are made with: values that nobody should give, and arrays of every kind.

Each comes with the text that makes it, for the report.
"""

from __future__ import annotations

import datetime
import decimal
import fractions
import random
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Random = random.Random


class Deliberate(Exception):
    """Raised by the values themselves: whoever called them may let it through."""


class Value(NamedTuple):
    """Something and the text that stands for it."""

    text: str
    value: Any


class Hostile:
    """An object with one special method that does what it should not."""

    def __init__(self, name: str, answer: Any) -> None:
        def method(self: Any, *args: Any, **keywords: Any) -> Any:
            if isinstance(answer, BaseException):
                raise answer
            return answer

        self.__class__ = type("Hostile", (Hostile,), {name: method})


_ANSWERS: dict[str, list[Any]] = {
    "__array__": [None, 3, np.zeros((2, 2, 2)), np.array([object()]), Deliberate("array")],
    "__len__": [-1, 2**62, "x", Deliberate("len")],
    "__getitem__": [Deliberate("item"), IndexError("no more")],
    "__iter__": [None, iter(()), iter([object()]), Deliberate("iter")],
    "__index__": [True, -1, 2**70, "x", Deliberate("index")],
    "__float__": [float("nan"), 3, Deliberate("float")],
    "__bool__": [2, Deliberate("bool")],
    "__eq__": [Deliberate("eq"), np.zeros(3)],
    "__repr__": [3, Deliberate("repr")],
    "__str__": [None, Deliberate("str")],
    "__fspath__": [3, None, "\0", Deliberate("path")],
    "__call__": [None, object(), np.zeros((1, 1)), Deliberate("call")],
    "__getattr__": [None, 3, Deliberate("attribute")],
    "__hash__": [Deliberate("hash"), "x"],
    "__enter__": [Deliberate("enter")],
    "shape": [(), (-1, 2)],
    "dtype": ["x", None],
}

_TEXTS = [
    "None", "True", "False", "0", "1", "-1", "2", "3", "2**31", "2**63 - 1", "2**63", "-2**63",
    "2**64", "10**30", "0.0", "-0.0", "0.5", "1.0", "-1.5", "1e308", "5e-324", "float('nan')",
    "float('inf')", "-float('inf')", "1 + 2j", "''", "'x'", "'tanh'", "'sgd'", "'\\0'",
    "'\\ud800'", "'é' * 1000", "b''", "b'x' * 100", "bytearray(8)", "memoryview(bytearray(8))",
    "[]", "()", "{}", "set()", "[[]]", "[None]", "['a', 'b']", "[1, 2, 3]", "[[1, 2], [3]]",
    "[0.5] * 5", "(3, 2)", "{'a': 1}", "{0: 1.0, 1: 2.0}", "range(3)", "object()", "int", "len",
    "...", "NotImplemented", "slice(None)", "decimal.Decimal('NaN')", "fractions.Fraction(1, 3)",
    "datetime.date(2020, 1, 1)", "np.float32(1)", "np.int8(-1)", "np.bool_(True)",
    "np.datetime64('2020')", "np.array(3.0)", "np.array(None)", "np.zeros(0)", "np.zeros((0, 3))",
    "np.zeros((3, 0))", "np.zeros((2, 2, 2))", "np.array(['a', 'b'])", "np.array([1j])",
    "np.zeros(3, 'S5')", "np.zeros(2, 'f4,i8')", "np.zeros(3, 'M8[s]')", "np.zeros((1,) * 32)",
    "np.array([{}, []], object)", "np.ma.masked_array([1.0, 2.0], [True, False])", "np.dtype('O')",
    "iter([])", "(x for x in [1, 2])", "lambda *a, **k: None", "lambda: [(1, 2)]",
]  # fmt: skip
_NAMES = {
    "np": np, "decimal": decimal, "fractions": fractions, "datetime": datetime,
}  # fmt: skip
_CODES = {text: compile(text, "<value>", "eval") for text in _TEXTS}
_DTYPES = [
    "f4", "f4", "f4", "f8", "f8", "f2", "i1", "i8", "u1", "u8", "?", ">f4", ">f8", ">i4",
    "longdouble", "c8", "O",
]  # fmt: skip


def anything(rng: Random) -> Value:
    """Return a value of any kind."""
    if rng.random() < 0.7:
        text = rng.choice(_TEXTS)
        return Value(text, eval(_CODES[text], dict(_NAMES)))
    if rng.random() < 0.5:
        name = rng.choice(list(_ANSWERS))
        answer = rng.choice(_ANSWERS[name])
        return Value(f"Hostile({name!r}, {_shown(answer)})", Hostile(name, answer))
    if rng.random() < 0.2:
        circle: list[Any] = [1]
        circle.append(circle)
        return Value("[1, ...itself]", circle)
    return array(rng, rng.choice([0, 1, 2, 5, 40]), rng.choice([0, 1, 2, 3, 7]))


def _shown(answer: Any) -> str:
    return type(answer).__name__ if isinstance(answer, np.ndarray) else repr(answer)


def array(rng: Random, rows: int, columns: int | None) -> Value:
    """Return an array of this shape, [rows] if there are no columns, as odd as NumPy has them."""
    shape = (rows,) if columns is None else (rows, columns)
    kind = rng.choice(_DTYPES if rng.random() < 0.5 else ["f4", "f8"])
    base = np.random.default_rng(rng.getrandbits(32)).normal(size=shape)
    with np.errstate(all="ignore"):
        made = np.asarray(base * rng.choice([1, 1, 1, 3, 1e-30, 1e30])).astype(kind)
    text = f"array({'x'.join(map(str, shape))}, {kind}"
    for name in rng.sample(list(_VIEWS), rng.choice([0, 0, 0, 1, 1, 2])):
        made = _VIEWS[name](made, rng)
        text += f", {name}"
    if rng.random() < 0.1:
        return Value(f"{text}).tolist()", made.tolist())
    return Value(text + ")", made)


def _spoiled(made: Any, rng: Random) -> Any:
    made = made.copy()
    if made.size and made.dtype.kind == "f":
        bad = rng.choice([np.nan, np.inf, -np.inf, np.finfo(made.dtype).max])
        made.flat[rng.randrange(made.size)] = bad
    return made


def _misaligned(made: Any, rng: Random) -> Any:
    if made.dtype.kind == "O":
        return made
    raw = np.zeros(made.nbytes + 1, np.uint8)[1:].view(made.dtype).reshape(made.shape)
    raw[...] = made
    return raw


def _read_only(made: Any, rng: Random) -> Any:
    made = made.copy()
    made.flags.writeable = False
    return made


_VIEWS: dict[str, Callable[[Any, Random], Any]] = {
    "fortran": lambda made, rng: np.asfortranarray(made),
    "reversed": lambda made, rng: made[::-1],
    "gaps": lambda made, rng: np.repeat(made, 3, axis=-1)[..., ::3],
    "broadcast": lambda made, rng: np.broadcast_to(made[:1], made.shape) if len(made) else made,
    "spoiled": _spoiled,
    "misaligned": _misaligned,
    "read-only": _read_only,
    "masked": lambda made, rng: np.ma.masked_array(made),
}
