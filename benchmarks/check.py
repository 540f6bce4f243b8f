"""Expectations: ratios that a run is held to, generously."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.cases import COPY
from benchmarks.session import Measured

EXPECTED = Path(__file__).with_name("expected.json")
SLACK = {"elements": 2.5}  # how far a ratio may be from the one that was measured
USUAL_SLACK = 1.5
SMALL = 0.5  # what is nearly nothing may double and double again


def ratios(
    rows: list[Measured],
    elements: Mapping[str, Mapping[str, float]],
    allocations: Mapping[str, Mapping[str, float]],
) -> dict[str, float]:
    """Return every ratio of a run that can be held to an expectation, by its name."""
    found = {f"{row.job.key}: {name}": value for row in rows for name, value in row.ratios.items()}
    for dtype, seconds in elements.items():
        for name, value in seconds.items():
            if name != COPY:
                found[f"elements: {name}, {dtype}: ours / copy"] = value / seconds[COPY]
    for name, counts in allocations.items():
        found[f"memory: {name}: malloc calls / step"] = counts["calls"]
    return found


def expectations() -> dict[str, dict[str, float]]:
    """Return the bounds of ratios, "min" or "max", by their names."""
    if not EXPECTED.exists():
        return {}
    found: dict[str, dict[str, float]] = json.loads(EXPECTED.read_text(encoding="utf-8"))
    return found


def complaints(found: Mapping[str, float]) -> list[str]:
    """Return a line for every ratio that is out of line."""
    lines = []
    for name, bounds in expectations().items():
        if name in found:
            value = found[name]
            if value < bounds.get("min", value):
                lines.append(f"{name} is {value:.3g}, expected at least {bounds['min']:.3g}")
            if value > bounds.get("max", value):
                lines.append(f"{name} is {value:.3g}, expected at most {bounds['max']:.3g}")
    return lines


def unmeasured(found: Mapping[str, float]) -> int:
    """Return how many expectations this run says nothing about."""
    return len(expectations().keys() - found.keys())


def expect(found: Mapping[str, float]) -> None:
    """Write what was found, with some slack, as what is expected from now on."""
    expected = expectations()
    for name, value in found.items():
        slack = SLACK.get(name.partition(":")[0], USUAL_SLACK)
        if name.endswith(("/ ours", "/ by step")):
            expected[name] = {"min": _short(value / slack)}
        else:
            expected[name] = {"max": _short(max(value * slack, SMALL))}
    text = json.dumps(dict(sorted(expected.items())), indent=2)
    EXPECTED.write_text(text + "\n", encoding="utf-8")


def _short(value: float) -> float:
    return float(f"{value:.3g}")
