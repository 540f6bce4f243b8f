"""Networks from files and from models of other libraries.

Above `network`, which it makes. The other libraries are imported when they are needed.
"""

from __future__ import annotations
