"""Where warnings point to: the line outside the package that called it."""

from __future__ import annotations

import sys

__all__ = ["outside"]

_PACKAGE = __name__.partition(".")[0]


def outside() -> int:
    """Return the stacklevel, for a warning of the calling function, of who called the package."""
    level = 2
    while sys._getframe(level).f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        level += 1
    return level
