"""Calls whose errors may only be those that are documented."""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from trust.values import Deliberate

# What a wrong argument may raise; and what a number or name that is not there may, in a sentence.
ERRORS = (TypeError, ValueError, RuntimeError, ArithmeticError, MemoryError, OSError, BufferError,
          ImportError, AttributeError)  # fmt: skip
# These are of the kinds above and still come from code that has not looked.
SLIPS = (ZeroDivisionError, RecursionError, UnboundLocalError, NameError)
LOOKUPS = (IndexError, KeyError)
# What Python and NumPy say, and nobody who has looked.
_RAW = re.compile(r"index out of range|is out of bounds for|^'?[^ ]*'?$|pop from|popitem")
_MOST_CHARACTERS = 4000


class Finding(Exception):
    """Something that should not have happened."""


def call(function: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
    """Call, and return what it returns or the exception of an allowed kind that it raised."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return function(*args, **keywords)
    except Deliberate as error:
        return error
    except Finding:  # of a call within this one
        raise
    except (*ERRORS, *LOOKUPS) as error:
        if isinstance(error, SLIPS) or (isinstance(error, LOOKUPS) and _RAW.search(str(error))):
            raise Finding(f"{type(error).__name__}: {error}") from error
        _look_at(error)
        return error
    except Exception as error:
        raise Finding(f"{type(error).__name__}: {error}") from error


def _look_at(error: Exception) -> None:
    chain: list[BaseException | None] = [error]
    for _ in itertools.count():
        last = chain[-1]
        if last is None or isinstance(last, Deliberate):
            break
        chain.append(last.__cause__ or last.__context__)
    if chain[-1] is None and not isinstance(error, MemoryError) and not str(error).strip():
        raise Finding(f"{type(error).__name__} without a word") from error
    if len(str(error)) > _MOST_CHARACTERS:
        raise Finding(f"{type(error).__name__} of {len(str(error))} characters") from error
