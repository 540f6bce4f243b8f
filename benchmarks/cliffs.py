"""No cliffs: does a wider net ever take less time, and is the plan for threads a good one?

A step is timed over many widths, with as many threads as the plan wants and with the number
held at one. Two things are wrong: a net that takes clearly longer than a wider one, and a plan
that is clearly behind a fixed number of threads. Times are the least of all rounds: whatever
disturbs, adds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.cases import Case
from benchmarks.session import Job, Measured

WIDTHS = (16, 24, 32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 448, 512)
BATCHES = (32, 128)
UNEVEN = 1.15  # times a wider net's time
BEHIND = 1.10  # times the best fixed number of threads
PLAN = "plan"


@dataclass(frozen=True)
class Finding:
    """Something that is out of line: by how much, at which row, in words."""

    row: Measured
    by: float
    words: str


def jobs(names: Sequence[str]) -> list[Job]:
    """Return a row for every width: a wide first layer, and a net that is as wide all over."""
    nets = [(784, None, 10), (None, None, None, 10)]
    return [
        Job("cliffs", "step", Case(tuple(n or width for n in net), batch), names)
        for net in nets
        for batch in BATCHES
        for width in WIDTHS
    ]


def families(rows: Sequence[Measured]) -> dict[str, list[Measured]]:
    """Return the rows of each net and batch size by its name, w for the width."""
    found: dict[str, list[Measured]] = {}
    for row in rows:
        case = row.job.case
        net = "784-w-10" if case.sizes[0] == 784 else "w-w-w-10"
        found.setdefault(f"{net}, {case.batch}", []).append(row)
    return found


def width(row: Measured) -> int:
    """Return the width of a row."""
    return row.job.case.sizes[1]


def least(row: Measured, name: str) -> float | None:
    """Return the least seconds of a step."""
    return min(row.seconds[name]) if row.seconds.get(name) else None


def lag(row: Measured) -> tuple[float, str]:
    """Return the plan's time over that of the best fixed number of threads, and which it is.

    The number that the plan wants itself is no rival: what differs then is noise.
    """
    plan = least(row, PLAN)
    same = f"{row.shared.get(PLAN)} thread"
    rivals = [name for name in row.seconds if name != PLAN and not name.startswith(same)]
    fixed = [(m, name) for name in rivals if (m := least(row, name))]
    return (plan / min(fixed)[0], min(fixed)[1]) if plan and fixed else (1.0, PLAN)


def uneven(rows: Sequence[Measured]) -> list[Finding]:
    """Return the rows of a family that take longer than a wider net by too much."""
    found = []
    timed = [(width(row), row, seconds) for row in rows if (seconds := least(row, PLAN))]
    for own, row, seconds in timed:
        wider = [(other, w) for w, _, other in timed if w > own]
        if wider and seconds > UNEVEN * min(wider)[0]:
            other, w = min(wider)
            by = seconds / other
            words = f"width {own} takes {by:.2f} times as long as width {w}"
            found.append(Finding(row, by, words))
    return found


def behind(rows: Sequence[Measured]) -> list[Finding]:
    """Return the rows in which a fixed number of threads is faster by too much."""
    found = []
    for row in rows:
        by, best = lag(row)
        if by > BEHIND:
            words = f"width {width(row)}: the plan takes {by:.2f} times as long as {best}"
            found.append(Finding(row, by, words))
    return found


def findings(rows: Sequence[Measured]) -> dict[str, list[Finding]]:
    """Return what is out of line, by family; other rows do not matter."""
    families_of = families([row for row in rows if row.job.section == "cliffs"])
    return {name: [*uneven(group), *behind(group)] for name, group in families_of.items()}


def worst(rows: Sequence[Measured]) -> dict[str, float]:
    """Return the furthest a row is out: beside a wider net, and beside a fixed number."""
    unevenness = [1.0]
    for group in families(rows).values():
        times = [m for row in group if (m := least(row, PLAN))]
        unevenness += [a / min(times[i + 1 :]) for i, a in enumerate(times[:-1])]
    lags = [1.0, *(lag(row)[0] for row in rows)]
    return {"a narrower net / a wider one": max(unevenness), "plan / best fixed": max(lags)}
