"""Checks of arguments, whose errors all read "epochs must be an int >= 1, got 0"."""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import numpy as np


def as_int(
    value: Any, name: str, *, min_: int | None = None, max_: int = 2**63 - 1, also: str = ""
) -> int:
    """Return an int between two bounds.

    Parameters
    ----------
    value : int or anything with ``__index__``
    name : str
        What the error calls it.
    min_, max_ : int, optional
        The bounds, both allowed.
    also : str, default ""
        What else is allowed, for the error.

    Examples
    --------
    >>> as_int(0, "epochs", min_=1)
    Traceback (most recent call last):
      ...
    ValueError: epochs must be an int >= 1, got 0
    """
    try:
        number = operator.index(value)
    except (TypeError, ValueError, RuntimeError):  # each array library has its own
        number = None
    words = "an int" if min_ is None else f"an int >= {min_}"
    if max_ != 2**63 - 1 or (number is not None and number > max_):
        words = f"an int in {'' if min_ is None else min_}..{max_}"
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be {words}{also}, got {got(value)}")
    if number > max_ or (min_ is not None and number < min_):
        raise ValueError(f"{name} must be {words}{also}, got {short(number)}")
    return number


def as_number(
    value: Any,
    name: str,
    *,
    min_: float | None = None,
    above: float | None = None,
    max_: float = math.inf,
    below: float = math.inf,
    also: str = "",
) -> float:
    """Return a real number as a float.

    Parameters
    ----------
    value : float
    name : str
        What the error calls it.
    min_, above : float, optional
        The lower bound: allowed itself, or not. With one of them the number has to be finite.
    max_, below : float, optional
        The upper bound: allowed itself, or not.
    also : str, default ""
        What else is allowed, for the error.

    Examples
    --------
    >>> as_number(1, "dropout", min_=0, below=1)
    Traceback (most recent call last):
      ...
    ValueError: dropout must be a number in [0, 1), got 1
    """
    low = above if min_ is None else min_
    high = min(max_, below)
    words = "a number"
    if low is not None and high == math.inf:
        words = f"a finite number {'>' if min_ is None else '>='} {low:g}"
    elif low is not None:
        words = f"a number in {'(['[min_ is not None]}{low:g}, {high:g}{')]'[high < below]}"
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be {words}{also}, got {got(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf if value == abs(value) else -math.inf
    if low is not None and not (
        (low < number or number == min_) and number <= max_ and number < below
    ):
        raise ValueError(f"{name} must be {words}{also}, got {number:.15g}")
    return number


def as_bool(value: Any, name: str) -> bool:
    """Return a bool; anything else, such as "no" or 2, raises a TypeError."""
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"{name} must be True or False, got {got(value)}")
    return bool(value)


def as_flag(value: Any, name: str) -> bool:
    """Return a bool, which 0 and 1 may stand for, as in other libraries."""
    return as_bool(bool(value) if isinstance(value, int) and value in (0, 1) else value, name)


def as_path(value: Any, name: str = "path") -> str:
    """Return the name of a file as a str.

    Examples
    --------
    >>> as_path(3)
    Traceback (most recent call last):
      ...
    TypeError: path must be a str or a Path, got 3 (int)
    """
    try:
        path = os.fsdecode(value)
    except TypeError:
        hint = ": files are written and read by their names" if hasattr(value, "read") else ""
        raise TypeError(f"{name} must be a str or a Path, got {got(value)}{hint}") from None
    if not path or "\0" in path:
        raise ValueError(f"{name} must be the name of a file, got {short(path)}")
    return path


def from_text(kind: type[int] | type[float], **bounds: Any) -> Callable[[str], Any]:
    """Return a ``type`` for argparse: `as_int` or `as_number` of what the text says.

    Examples
    --------
    >>> from_text(int, min_=1)("12")
    12
    """
    check: Callable[..., Any] = as_int if kind is int else as_number

    def read(text: str) -> Any:
        value: Any = text
        if text.isascii() and "_" not in text:
            with suppress(ValueError):
                value = kind(text)
        try:
            return check(value, "", **bounds)
        except (TypeError, ValueError) as error:
            from argparse import ArgumentTypeError

            words = str(error).partition(", got ")[0].strip()
            raise ArgumentTypeError(f"{words}, got {text!r}") from None

    return read


def got(value: object) -> str:
    """Return a value that has the wrong type as an error shows it, with its type.

    Examples
    --------
    >>> got("10")
    "'10' (str)"
    """
    return f"{short(value)} ({type(value).__name__})"


def short(value: object) -> str:
    """Return the repr of a value, cut to 60 characters."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an int of thousands of digits
        text = "an int of too many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def listed(names: Iterable[object], max_: int = 10) -> str:
    """Return names, separated by commas, of which only the first are shown.

    Examples
    --------
    >>> listed(["a", "b", "c"], max_=2)
    'a, b and 1 more'
    """
    shown = [str(name) for name in names]
    more = f" and {len(shown) - max_} more" if len(shown) > max_ else ""
    return ", ".join(shown[:max_]) + more
