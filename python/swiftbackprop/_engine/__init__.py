"""The compiled engine: which build runs on this CPU, and the BLAS that it calls.

The ground floor: of the package nothing is imported here but its version.
"""

from __future__ import annotations
