"""What explains and checks a network: derivatives, traces, diagrams, health, gradient checks.

Below `network`, which has these as methods. Nothing here trains but the copies that it makes.
"""

from __future__ import annotations
