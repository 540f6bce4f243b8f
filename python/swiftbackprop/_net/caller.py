"""Where warnings point to: the line of the user's that called the package."""

from __future__ import annotations

import sys

# What may stand between a user and what warns: estimators are called by way of scikit-learn.
_INSIDE = (__name__.partition(".")[0], "sklearn", "joblib", "contextlib")


def outside() -> int:
    """Return the stacklevel, for a warning of the calling function, of the user's line.

    Beyond all lines, if there is none: a thread may begin in the package, or another language
    call it.
    """
    frame, level = sys._getframe(1).f_back, 2
    while frame and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    return level
