"""Expectations: ratios that a run is held to, generously."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks import cliffs, race
from benchmarks.cases import COPY
from benchmarks.session import Measured

EXPECTED = Path(__file__).with_name("expected.json")

# How far a ratio may be from the one that was measured. A machine that others use moves times
# by a third, and a run that is out of line is repeated before anybody hears of it. What the
# bounds are for is worse by far: libm called for every element, a loop that is no longer
# specialised or split among threads, a copy of the data in every step.
USUAL_SLACK = 1.5
SLACK = {
    "elements": 2.5,  # beside a copy: caches differ more than arithmetic does
    "race": 2.0,  # the number of epochs is luck
    "cliffs": 1.25,
    "ours / floor": 1.35,  # the same BLAS at the same time: these move together
}
SMALL = 0.5  # what is nearly nothing may double and double again


def ratios(
    rows: list[Measured],
    elements: Mapping[str, Mapping[str, float]],
    allocations: Mapping[str, Mapping[str, float]],
    raced: Mapping[str, race.Raced],
) -> dict[str, float]:
    """Return every ratio of a run that can be held to an expectation, by its name."""
    found = {f"{row.job.key}: {name}": value for row in rows for name, value in row.ratios.items()}
    for dtype, seconds in elements.items():
        for name, value in seconds.items():
            if name != COPY:
                found[f"elements: {name}, {dtype}: ours / copy"] = value / seconds[COPY]
    for name, counts in allocations.items():
        found[f"memory: {name}: malloc calls / step"] = counts["calls"]
    for name, value in race.ratios(dict(raced)).items():
        found[f"race: {name} / ours"] = value
    if "ours" in raced:
        found["race: ours, last epoch / first"] = raced["ours"].slowing
    if widths := [row for row in rows if row.job.section == "cliffs"]:
        found |= {f"cliffs: {name}": value for name, value in cliffs.worst(widths).items()}
    return found


def expectations() -> dict[str, dict[str, float]]:
    """Return the bounds of ratios, "min" or "max", by their names."""
    if not EXPECTED.exists():
        return {}
    found: dict[str, dict[str, float]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found


def complaints(
    found: Mapping[str, float], expected: Mapping[str, Mapping[str, float]]
) -> dict[str, str]:
    """Return a line for every ratio that is out of line, by its name."""
    lines = {}
    for name, bounds in (_defaults(found, expected) | dict(expected)).items():
        if name in found:
            value = found[name]
            # written so that NaN is out of line
            if "min" in bounds and not value >= bounds["min"]:
                lines[name] = f"{name} is {value:.3g}, expected at least {bounds['min']:.3g}"
            if "max" in bounds and not value <= bounds["max"]:
                lines[name] = f"{name} is {value:.3g}, expected at most {bounds['max']:.3g}"
    return lines


def _defaults(
    found: Mapping[str, float], expected: Mapping[str, Mapping[str, float]]
) -> dict[str, Mapping[str, float]]:
    """Return the bounds of new rules: the most that another rule of the kind may take."""
    ceilings: dict[tuple[str, str], float] = {}
    for name, bound in expected.items():
        if name.startswith("elements:"):
            kind = _kind(name)
            ceilings[kind] = max(ceilings.get(kind, 0.0), bound["max"])
    new = [name for name in found if name.startswith("elements:") and name not in expected]
    return {name: {"max": ceilings[_kind(name)]} for name in new if _kind(name) in ceilings}


def _kind(name: str) -> tuple[str, str]:
    """Return "activation", "loss" or "optimizer", and the type, of "elements: ..."."""
    rule = name.split(": ")[1]
    return rule.partition(" ")[0], rule.rpartition(", ")[2]


def bounds(
    found: Mapping[str, float], before: Mapping[str, Mapping[str, float]]
) -> dict[str, dict[str, float]]:
    """Return what to expect from now on: what was found, with some slack.

    What this run did not measure stays as it was before, but for rules that are gone.
    """
    sections = {name.partition(":")[0] for name in found}
    expected = {
        name: dict(bound)
        for name, bound in before.items()
        if name in found or not (name.startswith("elements:") and "elements" in sections)
    }
    for name, value in found.items():
        slack = _slack(name)
        if name.endswith(("/ ours", "/ by step")):
            expected[name] = {"min": _short(value / slack)}
        else:
            expected[name] = {"max": _short(max(value * slack, SMALL))}
    return dict(sorted(expected.items()))


def expect(found: Mapping[str, float]) -> None:
    """Write `bounds` as what is expected from now on."""
    text = json.dumps(bounds(found, expectations()), indent=2)
    EXPECTED.write_text(text + "\n", encoding="utf-8")


def _slack(name: str) -> float:
    section, ratio = name.partition(":")[0], name.rpartition(": ")[2]
    return SLACK.get(section, SLACK.get(ratio, USUAL_SLACK))


def _short(value: float) -> float:
    return float(f"{value:.3g}")
