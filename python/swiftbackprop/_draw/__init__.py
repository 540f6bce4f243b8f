"""Pictures and tables of any data: SVG, line charts, heat maps, formulas, matplotlib axes.

It knows numbers and names, but no network. matplotlib and cairo are imported when used.
"""

from __future__ import annotations
