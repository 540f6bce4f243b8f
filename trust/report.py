"""What was run, how often, and what it found."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trust.fuzz import Tally

_SHOWN = 12  # findings in full; the others are counted
_CALLS = 2000  # characters


def show(tallies: Sequence[Tally], verb: str) -> int:
    """Print a table and the findings, each kind of them once; return the exit status."""
    print(f"\n{'':12}{'cases':>10}{'seconds':>10}{'findings':>10}")
    for tally in tallies:
        print(f"{tally.kind:12}{tally.cases:>10,}{tally.seconds:>10.1f}{len(tally.found):>10}")
    seen: dict[str, int] = {}
    for tally in tallies:
        for found in tally.found:
            key = tally.kind + re.sub(r"0x[0-9a-f]+|\d+|'[^']*'", "", found.what)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > 1 or len(seen) > _SHOWN:
                continue
            print(f"\n---- {tally.kind}, case {found.case}: {found.what.strip()}")
            if found.calls:
                print(f"---- after\n{found.calls[-_CALLS:].strip()}")
            print(f"---- again: make {verb} ONLY={tally.kind} CASE={found.case}")
    if seen:
        counts = sorted(seen.values(), reverse=True)
        print(f"\n{sum(counts)} findings of {len(counts)} kinds")
    return 1 if seen else 0
