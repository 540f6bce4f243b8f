"""Tables for the terminal.

"vs best" and "vs torch" say how many times longer a peer takes than we do, "vs floor" how many
times longer we take than the matrix products alone.
"""

from collections.abc import Mapping, Sequence

from benchmarks import cliffs, precision, race
from benchmarks.cases import COPY
from benchmarks.contenders import TITLES
from benchmarks.goals import Goal
from benchmarks.race import Raced
from benchmarks.session import Measured

LABEL, WIDE, CELL = 36, 50, 10


def number(value: float | None) -> str:
    """Return a number to three digits or so."""
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def times(value: float | None) -> str:
    """Return a ratio."""
    return "-" if value is None else f"{number(value)}x"


def _line(label: str, cells: Sequence[str], width: int = LABEL, cell_width: int = CELL) -> str:
    return (f"{label:<{width}}" + "".join(f"{cell:>{cell_width}}" for cell in cells)).rstrip()


class Rows:
    """The rows of one section, printed as they come."""

    def __init__(
        self,
        title: str,
        names: Sequence[str],
        peaks: Mapping[str, float],
        *,
        compares: bool = True,
    ) -> None:
        self.names = names
        self.compares = compares
        self.peaks = peaks  # operations a second, by dtype
        print(f"\n{title}, µs")
        print(_line("", [*(TITLES[name] for name in names), *self._heads()]))

    def _heads(self) -> list[str]:
        if not self.compares:
            return []
        heads = ["vs best", ""] if "ours" in self.names else []
        heads += ["vs torch"] if {"ours", "torch"} <= set(self.names) else []
        heads += ["vs floor"] if {"ours", "floor"} <= set(self.names) else []
        return heads + (["of peak"] if "floor" in self.names and self.peaks else [])

    def show(self, row: Measured) -> None:
        """Print a row."""
        cells = []
        for name in self.names:
            median = row.median(name)
            mark = "!" if name in row.strayed else ""
            cells.append(number(None if median is None else median * 1e6) + mark)
        print(_line(_label(row), [*cells, *self._ratios(row)]), flush=True)
        for name in row.strayed:
            print(
                f"  ! {TITLES[name]} moved its weights by {row.travelled[name]:.4g}, "
                "unlike the rest"
            )
        for name, reason in row.failed.items():
            print(f"  {TITLES[name]}: {reason}")

    def _ratios(self, row: Measured) -> list[str]:
        ratios, heads = row.ratios, self._heads()
        cells = []
        if "vs best" in heads:
            peer = row.best_peer
            cells += [
                times(ratios.get("best peer / ours")),
                TITLES[peer] if peer else "-",
            ]
        if "vs torch" in heads:
            cells.append(times(ratios.get("torch / ours")))
        if "vs floor" in heads:
            cells.append(times(ratios.get("ours / floor")))
        if "of peak" in heads:
            ours, peak = row.median("ours"), self.peaks.get(row.job.case.dtype)
            share = row.job.case.flops / ours / peak if ours and peak else None
            cells.append("-" if share is None else f"{share:.0%}")
        return cells


def _label(row: Measured) -> str:
    job = row.job
    if job.task == "predict":
        return f"{job.case.net}, {job.rows} rows"
    rows = f", {job.rows} rows" if job.rows else ""
    return f"{job.case.name}{rows}, {job.case.variant}"


def show_speeds(rows: Sequence[Measured], names: Sequence[str]) -> None:
    """Print how many times as fast as our float32 each is, and our bfloat16 as PyTorch's."""
    print("times as fast as our float32, median of the rounds (by the fastest rounds);")
    print("at the end, our bfloat16 beside the faster one of medium and autocast")
    print(_line("", [*(TITLES[name] for name in names), "vs PyTorch's"], cell_width=CELL + 5))
    for row in rows:
        pairs = [("ours", name) for name in names]
        pairs.append((precision.best_mode(row) or "", "ours-bfloat16"))
        cells = []
        for slower, faster in pairs:
            ratio = row.ratio(slower, faster)
            least = precision.by_fastest(row, slower, faster)
            cells.append("-" if ratio is None else f"{ratio:.2f} ({least:.2f})")
        print(_line(_label(row), cells, cell_width=CELL + 5))


def show_elements(seconds: dict[str, dict[str, float]]) -> None:
    """Print ns an element and the ratio to a copy, value and derivative."""
    print(_line("", [word for dtype in seconds for word in (dtype, "/ copy")]))
    names = list(next(iter(seconds.values())))
    for name in names:
        cells = []
        for times in seconds.values():
            cells += [f"{times[name] * 1e9:.3f}", f"{times[name] / times[COPY]:.1f}x"]
        print(_line(name, cells))


def show_values(values: Mapping[str, str]) -> None:
    """Print named values, one a line."""
    for name, value in values.items():
        print(_line(name, [value]))


def show_cliff(row: Measured, plan: str) -> None:
    """Print a row of the widths: the plan and fixed numbers of threads."""
    cells = [number(1e6 * m) if (m := cliffs.least(row, name)) else "-" for name in row.seconds]
    wanted = row.shared.get(plan)
    cells += [str(wanted)] if wanted else []
    print(_line(row.job.case.name, cells), flush=True)


def show_race(raced: Mapping[str, Raced], settings: str, goal: float) -> None:
    """Print who needed how long."""
    print(f"until {goal:.0%} of the test images are right; {settings}")
    print(_line("", ["seconds", "epochs", "an epoch", "slowing", "vs ours"]))
    against = race.ratios(dict(raced))
    for name, rounds in raced.items():
        cells = [number(rounds.total), number(rounds.epochs), number(rounds.epoch)]
        cells += [f"{rounds.slowing:.2f}"]
        cells += [f"{number(against[name])}x"] if name in against else []
        print(_line(TITLES[name], cells))


def show_verdict(goals: Sequence[Goal]) -> None:
    """Print the goals that were measured, and count the rest."""
    group = ""
    for goal in (goal for goal in goals if goal.measured is not None):
        if goal.group != group:
            group = goal.group
            print(group)
        sign = "≤" if goal.at_most else "≥"
        cells = [f"{number(goal.measured)}{goal.unit}", f"{sign} {number(goal.bound)}{goal.unit}"]
        cells += ["reached" if goal.reached else "MISSED"]
        print(_line(f"  {goal.what}", cells, WIDE))
    reached = [goal.reached for goal in goals if goal.reached is not None]
    rest = len(goals) - len(reached)
    words = f"; {rest} not measured in this run" if rest else ""
    print(f"{sum(reached)} of {len(reached)} goals reached{words}")


def show_heads(names: Sequence[str]) -> None:
    """Print what the columns are."""
    print(_line("µs", names))


def show_findings(findings: Mapping[str, Sequence[cliffs.Finding]]) -> None:
    """Print what is out of line, or that nothing is."""
    for name, found in findings.items():
        print(f"{name}: {'' if found else 'no cliff'}".rstrip())
        for finding in found:
            print(f"  {finding.words}")
