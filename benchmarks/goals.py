"""The project's goals for speed, and how far a run came.

Of the nets in float32, on two threads, everybody with the kernels of their choice: how many
times longer the fastest peer takes, how many times longer PyTorch (eager) takes, and how many
times longer we take than the matrix products of the step alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import cliffs, race
from benchmarks.cases import NETS, USUAL, Case
from benchmarks.session import Measured

# net, batch -> (SGD beside the best peer, Adam likewise, either beside PyTorch, SGD / floor)
STEPS: dict[str, tuple[float, float, float, float | None]] = {
    "4-10-3, 16": (10, 10, 40, None),
    "64-32-10, 32": (7, 6, 30, 2.2),
    "784-128-10, 32": (2, 2, 3.5, 1.25),
    "784-128-10, 128": (1.45, 1.7, 2.7, 1.15),
    "784-512-512-10, 128": (1.2, 1.5, 2.1, 1.08),
    "784-2048-2048-10, 512": (1.1, 1.25, 2.1, 1.05),
    "8x256-10, 256": (1.2, 1.2, 2.1, 1.08),
}
MOMENTUM = 1.0  # times Adam's time
SMOOTH = 0.9  # of relu's ratio to the best peer, for sigmoid and tanh
DOUBLE = 1.0  # float64 beside the best peer
BY_STEP = 4e-6  # seconds, of 4-10-3 called from Python
ONE_ROW = 2e-6  # seconds, of predict through 64-32-10
IMPORT = 0.15  # seconds beyond NumPy's own
RACE = 5.0  # seconds to the goal of the race
RACE_RATIO = 5.0  # times scikit-learn's
ALLOCATIONS = 0.1  # calls of malloc a step of fit


@dataclass(frozen=True)
class Goal:
    """One goal and what was measured; None where this run did not."""

    group: str
    what: str
    bound: float
    measured: float | None
    at_most: bool = False
    unit: str = "x"

    @property
    def reached(self) -> bool | None:
        """Whether it was reached, if it was measured."""
        if self.measured is None:
            return None
        if self.at_most:
            return self.measured <= self.bound
        return self.measured >= self.bound

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return vars(self) | {"reached": self.reached}


@dataclass(frozen=True)
class Found:
    """What a run measured, as far as goals are about it."""

    rows: list[Measured]
    imports: Mapping[str, float]
    raced: Mapping[str, race.Raced]
    allocations: Mapping[str, Mapping[str, float]]

    def of(self, section: str, case: Case) -> Measured | None:
        """Return the row of a case."""
        alike = (r for r in self.rows if r.job.section == section and r.job.case == case)
        return next(alike, None)

    def ratio(self, case: Case, name: str) -> float | None:
        """Return a ratio of a training step."""
        row = self.of("steps", case)
        return row.ratios.get(name) if row else None

    def seconds(self, section: str, case: Case, contender: str) -> float | None:
        """Return a contender's median."""
        row = self.of(section, case)
        return row.median(contender) if row else None


def verdict(found: Found) -> list[Goal]:
    """Return every goal with what was measured of it."""
    return [
        *(goal for net in NETS for goal in _steps(found, net)),
        *(goal for net in NETS for goal in _variants(found, net)),
        *_calls(found),
        *_race(found),
        *_plan(found),
    ]


def _steps(found: Found, net: Case) -> Iterator[Goal]:
    sgd, adam, torch, floor = STEPS[net.name]
    cases = {"SGD": net, "Adam": net.but(optimizer="adam")}
    for (name, case), bound in zip(cases.items(), (sgd, adam), strict=True):
        best = found.ratio(case, "best peer / ours")
        yield Goal(net.name, f"{name}: best peer / ours", bound, best)
    for name, case in cases.items():
        eager = found.ratio(case, "torch / ours")
        yield Goal(net.name, f"{name}: PyTorch / ours", torch, eager)
    if floor is not None:
        above = found.ratio(net, "ours / floor")
        yield Goal(net.name, "SGD: ours / floor", floor, above, at_most=True)


def _variants(found: Found, net: Case) -> Iterator[Goal]:
    times = [
        found.seconds("steps", net.but(optimizer=name), "ours") for name in ("momentum", "adam")
    ]
    momentum = None if None in times else times[0] / times[1]  # type: ignore[operator]
    yield Goal("momentum", f"{net.name}: time / Adam's", MOMENTUM, momentum, at_most=True)
    for activation in ("sigmoid", "tanh"):
        for usual in USUAL:
            case = net.but(**usual)
            ratios = [
                found.ratio(c, "best peer / ours") for c in (case.but(activation=activation), case)
            ]
            kept = None if None in ratios else ratios[0] / ratios[1]  # type: ignore[operator]
            what = f"{net.name}, {case.optimizer}: best peer / ours, of relu's"
            yield Goal(activation, what, SMOOTH, kept)
    for usual in USUAL:
        case = net.but(dtype="float64", **usual)
        best = found.ratio(case, "best peer / ours")
        yield Goal("float64", f"{net.name}, {case.optimizer}: best peer / ours", DOUBLE, best)


def _calls(found: Found) -> Iterator[Goal]:
    small = NETS[0]
    for usual in USUAL:
        seconds = found.seconds("steps", small.but(**usual), "explicit")
        what = f"{small.net}, {small.batch}, {usual['optimizer']}: a step"
        yield _time("calls from Python", what, BY_STEP, seconds, "µs")
    one = found.seconds("predict", NETS[1].but(batch=1), "ours")
    yield _time("calls from Python", f"{NETS[1].net}: predict of one row", ONE_ROW, one, "µs")
    seconds = found.imports.get("ours")
    yield _time("calls from Python", "import beyond NumPy's", IMPORT, seconds, "ms")
    calls = found.allocations.get("fit", {}).get("calls")
    yield Goal("memory", "fit: calls of malloc a step", ALLOCATIONS, calls, True, "")


def _race(found: Found) -> Iterator[Goal]:
    ours = found.raced.get("ours")
    name = f"race to {race.GOAL:.0%} of Fashion-MNIST"
    yield _time(name, "seconds of training", RACE, ours.total if ours else None, "s")
    against = race.ratios(dict(found.raced)).get("sklearn")
    yield Goal(name, "scikit-learn / ours", RACE_RATIO, against)


def _plan(found: Found) -> Iterator[Goal]:
    rows = [row for row in found.rows if row.job.section == "cliffs"]
    worst = cliffs.worst(rows) if rows else {}
    bounds = {"a narrower net / a wider one": cliffs.UNEVEN, "plan / best fixed": cliffs.BEHIND}
    for what, bound in bounds.items():
        yield Goal("no cliffs", f"the worst of {what}", bound, worst.get(what), at_most=True)


def _time(group: str, what: str, bound: float, seconds: float | None, unit: str) -> Goal:
    scale = {"s": 1.0, "ms": 1e3, "µs": 1e6}[unit]
    measured = None if seconds is None else scale * seconds
    return Goal(group, what, scale * bound, measured, True, f" {unit}")
