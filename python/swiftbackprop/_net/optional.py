"""Packages that not everybody has: imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def optional(module: str, words: str) -> Any:
    """Return a module of a package that is not required.

    Parameters
    ----------
    module : str
    words : str
        What the error says.

    Raises
    ------
    ImportError
        With these words if the package is not installed; if it is and cannot be imported, what it
        raised itself.

    Examples
    --------
    >>> optional("no_such", "pictures need no_such: pip install no_such")
    Traceback (most recent call last):
      ...
    ImportError: pictures need no_such: pip install no_such
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # something else that this package needs
        raise ImportError(words) from error
