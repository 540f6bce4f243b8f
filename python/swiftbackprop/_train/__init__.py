"""`fit` around the engine's slices: sessions, data in chunks, callbacks, history, progress.

Nothing here explains or draws a network; what a history shows of itself is here.
"""

from __future__ import annotations
