"""Factors of products rounded to bfloat16: ours, PyTorch's and JAX's, and what is wanted of ours.

The goals are for CPUs that multiply bfloat16 in tiles (AMX). Elsewhere the same numbers come
of an emulation, whose times say what it costs to train there as there.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from benchmarks.cases import NETS, USUAL, Case, Floats, Pairs, start
from benchmarks.contenders import ROUNDED, Contender, make
from benchmarks.goals import Goal
from benchmarks.race import Raced
from benchmarks.session import Job, Measured

# net, batch -> times as fast: bfloat16 beside our float32, bfloat16 beside the best of PyTorch's
# modes, bf16x2 beside our float32, and bf16x3 likewise by the fastest rounds
STEPS: dict[str, tuple[float, float, float, float]] = {
    "784-128-10, 128": (2, 6, 1.25, 1.05),
    "784-512-512-10, 128": (2.5, 3, 1.4, 1.35),
    "8x256-10, 256": (2.5, 3, 1.4, 1.3),
    "784-2048-2048-10, 512": (3.3, 1.7, 1.5, 1.5),
}
ADAM = 0.85  # of these
RACE = 3.0  # beside the best of the others
ROWS = 10_000  # of predictions

PYTORCH = ("torch-medium", "torch-autocast")  # its modes of bfloat16
CONTENDERS = (
    *("ours", "ours-bf16x3", "ours-bf16x2", "ours-bfloat16"),
    *("torch", *PYTORCH, "jax-bfloat16"),
)
RACERS = (
    *("ours", "ours-bf16x3", "ours-bf16x2", "ours-bfloat16"),
    *("torch-autocast", "jax-bfloat16"),
)
BASES = ("ours", "torch", "jax")  # whose modes these are
# The batch divides the 60000 images. At a constant rate a net like this stays at 89 %.
RACE_CASE = Case((784, 512, 512, 10), 240, "adam", rate=1e-3, decay=0.85)
RACE_SETTINGS = "784-512-512-10, Adam at 1e-3, 15 % less every epoch, batches of 240"
RACE_GOAL = 0.90  # of the test images

# One step so large that the weights are little but its gradients.
STEP = Case((784, 512, 512, 10), 128, rate=1e3)
FLOAT32 = 2e-6  # a deviation that no rounding to bfloat16 explains


def base(name: str) -> str:
    """Return the contender that this one is a mode of."""
    return name.partition("-")[0]


def jobs(cases: Sequence[Case]) -> list[Job]:
    """Return the rows of the section: of the nets that are among the cases."""
    wanted = {case.name for case in cases}
    nets = [net for name in STEPS for net in NETS if net.name == name and name in wanted]
    steps = [
        Job("precision", "step", net.but(**usual), CONTENDERS) for usual in USUAL for net in nets
    ]
    return steps + [Job("precision", "predict", net, CONTENDERS, ROWS) for net in nets]


def deviation(contender: Contender) -> float:
    """Return the relative error of a step's gradients against float64; the worker's side."""
    exact = _gradients(make("numpy", 1), STEP.but(dtype="float64"))
    found = _gradients(contender, STEP)
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def _gradients(contender: Contender, case: Case) -> Floats:
    contender.step(case)(1)
    before, after = (_flat(pairs) for pairs in (start(case), contender.parameters()))
    return (before - after) / case.lr


def _flat(pairs: Pairs) -> Floats:
    return np.concatenate([np.ravel(x).astype(np.float64) for pair in pairs for x in pair])


def in_words(name: str, error: float) -> str:
    """Return a deviation, and that a mode which should round does not."""
    never = name in ROUNDED and name != "ours-bf16x3" and error < FLOAT32
    return f"{error:.1e}" + ("  as float32 does: nothing is rounded here" if never else "")


def best_mode(row: Measured) -> str | None:
    """Return PyTorch's faster mode of bfloat16."""
    medians = {name: row.median(name) for name in PYTORCH}
    found = [(median, name) for name, median in medians.items() if median]
    return min(found)[1] if found else None


def by_fastest(row: Measured, slower: str, faster: str) -> float | None:
    """Return the ratio of the fastest rounds."""
    times = row.fastest(slower), row.fastest(faster)
    return times[0] / times[1] if times[0] and times[1] else None


def has_goals(unit: str | None) -> bool:
    """Return whether the goals are for a CPU that multiplies bfloat16 so."""
    return unit is not None and unit.startswith("tile unit")


def goals(rows: Sequence[Measured], raced: Mapping[str, Raced], unit: str | None) -> list[Goal]:
    """Return the goals that were measured; none where the CPU has no tiles."""
    if not has_goals(unit):
        return []
    found = [goal for row in rows if row.job.section == "precision" for goal in _of(row)]
    best = min((raced[name].total for name in raced if base(name) != "ours"), default=None)
    if best is not None and "ours-bfloat16" in raced:
        ratio = best / raced["ours-bfloat16"].total
        found.append(Goal(f"race to {RACE_GOAL:.0%}, bfloat16", "best other / ours", RACE, ratio))
    return [goal for goal in found if goal.measured is not None]


def _of(row: Measured) -> Iterator[Goal]:
    job = row.job
    share = ADAM if job.case.optimizer == "adam" else 1.0
    plain, best, two, three = (share * bound for bound in STEPS[job.case.name])
    what = f"predict, {job.rows} rows" if job.rows else job.case.variant
    group = f"precision: {job.case.name}, {what}"
    yield Goal(group, "float32 / bfloat16", plain, row.ratio("ours", "ours-bfloat16"))
    other = row.ratio(best_mode(row), "ours-bfloat16")
    yield Goal(group, "PyTorch's best mode / bfloat16", best, other)
    yield Goal(group, "float32 / bf16x2", two, row.ratio("ours", "ours-bf16x2"))
    fastest = by_fastest(row, "ours", "ours-bf16x3")
    yield Goal(group, "float32 / bf16x3, fastest rounds", three, fastest)
