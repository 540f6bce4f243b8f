"""What a network is: its specification, rules, layers, arguments and state.

Arrays, data frames and labels are read here, for all others. Nothing here trains, draws,
writes a file or knows another library's networks.
"""

from __future__ import annotations
