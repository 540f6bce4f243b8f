"""JSON from files, which may hold anything: entries are taken out one by one, and checked."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["check", "entries", "optional", "parse", "short", "take"]

_KINDS: dict[str, tuple[type, ...]] = {
    "a number": (int, float),
    "an int": (int,),
    "true or false": (bool,),
    "a str": (str,),
    "a list": (list,),
    "a dict": (dict,),
    "a dict or null": (dict, type(None)),
}


def parse(text: str) -> dict[str, Any]:
    """Return an object of JSON.

    Raises
    ------
    ValueError
        If the text is none.
    """
    try:
        data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its description is damaged ({error})") from None
    if not isinstance(data, dict):
        raise ValueError("its description is no object")
    return data


def take(data: dict[str, Any], name: str, kind: str) -> Any:
    """Take an entry out of an object."""
    if name not in data:
        raise ValueError(f"{name} is missing in its description")
    return check(data.pop(name), name, kind)


def optional(data: dict[str, Any], name: str, kind: str) -> Any:
    """Take an entry that may be null or missing."""
    if data.get(name) is None:
        return data.pop(name, None)
    return take(data, name, kind)


def entries(data: dict[str, Any], name: str, kind: str) -> list[Any]:
    """Take a list out, all of whose entries are of one kind."""
    return [check(entry, name, kind) for entry in take(data, name, "a list")]


def check(value: Any, name: str, kind: str) -> Any:
    """Return a value that is of this kind, and finite."""
    # To Python a bool is an int too.
    if not isinstance(value, _KINDS[kind]) or (type(value) is bool) != (_KINDS[kind] == (bool,)):
        raise ValueError(f"{name} is {short(value)} and not {kind}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    return value


def short(value: object) -> str:
    """Return a value as text that is not too long for a message."""
    try:
        text = repr(value)
    except ValueError:  # an int of thousands of digits
        text = "an int out of all bounds"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return data
