"""Checks of the entries of JSON objects in files, which may hold anything."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from swiftbackprop._net.checks import short

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
    """Return a JSON object as a dict; refuse other text."""
    try:
        data = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its description is damaged ({error})") from None
    if not isinstance(data, dict):
        raise ValueError("its description is not a JSON object")
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
        raise ValueError(f"{name} must be {kind}, got {short(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not allowed as a number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("duplicate name in an object")
    return data
