"""Faults of the machine, one kind a module: what is written stays whole, and nothing dies."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from trust.faults import disks, endings, forks, interrupts, kills, memory, threads
from trust.fuzz import Found, Tally


class Fault(NamedTuple):
    """A kind of fault: what tries it, and how often in the short and in the long form.

    It yields a sentence for every try, which is empty if all is well.
    """

    run: Callable[[random.Random, int], Iterator[str]]
    short: int
    long: int


FAULTS = {
    "kill": Fault(kills.run, 120, 1000),
    "full": Fault(disks.full, 60, 600),
    "read-only": Fault(disks.read_only, 12, 12),
    "interrupt": Fault(interrupts.run, 150, 3000),
    "memory": Fault(memory.run, 68, 680),
    "import-memory": Fault(memory.run_import, 8, 68),
    "threads": Fault(threads.run, 20, 200),
    "import-threads": Fault(threads.run_import, 4, 20),
    "fork": Fault(forks.run, 40, 1000),
    "exit": Fault(endings.run, 12, 200),
}


def run(kinds: list[str], seed: int, long: bool) -> list[Tally]:
    """Try the faults of these kinds."""
    tallies = []
    for kind in kinds:
        fault, tally, begin = FAULTS[kind], Tally(kind), time.monotonic()
        rng = random.Random(f"{kind} {seed}")
        for found in fault.run(rng, fault.long if long else fault.short):
            tally.cases += 1
            if found:
                tally.found.append(Found(tally.cases, found))
        tally.seconds = time.monotonic() - begin
        tallies.append(tally)
    return tallies
