"""The plot: the step table as ratios, curves over sizes, the widths, and the race."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import cliffs, race
from benchmarks.contenders import PEERS, TITLES
from benchmarks.sections import SCALING
from benchmarks.session import Job, Measured

COLORS = {
    "ours": "#d1495b",
    "explicit": "#e8a0aa",
    "numpy": "#30638e",
    "torch": "#edae49",
    "torch-compile": "#b07d1c",
    "jax": "#66a182",
    "sklearn": "#8d6a9f",
    "floor": "#555555",
}
X_AXIS = {
    "width": "hidden units of 784-w-10, batches of 128",
    "depth": "hidden layers of 128 units, batches of 128",
    "batch": "rows a minibatch, 784-128-10",
}
VARIANTS = ("sgd", "adam")  # of the step table
SMALL = 8  # points

Panel = Callable[[Any], None]  # draws into the axes it gets


def draw(rows: Sequence[Measured], raced: Mapping[str, race.Raced], path: Path, title: str) -> None:
    """Write a picture of what was measured.

    Raises
    ------
    ImportError
        If there is no matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    bands = [band for band in _bands(rows, raced) if band]
    figure = plt.figure(figsize=(14, 4.2 * max(1, len(bands))), layout="constrained")
    figure.suptitle(title, fontsize=11)
    parts: Any = figure.subfigures(max(1, len(bands)), 1, squeeze=False)
    for part, band in zip(parts[:, 0], bands, strict=False):
        for axes, panel in zip(part.subplots(1, len(band), squeeze=False)[0], band, strict=True):
            panel(axes)
            axes.tick_params(labelsize=SMALL)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _bands(rows: Sequence[Measured], raced: Mapping[str, race.Raced]) -> list[list[Panel]]:
    """Return the panels of the picture, from the top."""
    steps = {
        variant: [
            row for row in rows if row.job.section == "steps" and row.job.case.variant == variant
        ]
        for variant in VARIANTS
    }
    curves = {name: [row for row in rows if row.job.section == name] for name in SCALING}
    widths = cliffs.families([row for row in rows if row.job.section == "cliffs"])
    return [
        [_panel(_bars, group, name) for name, group in steps.items() if group],
        [
            *(_panel(_curves, group, name) for name, group in curves.items() if group),
            *([_panel(_race, raced)] if raced else []),
        ],
        [_panel(_widths, group, name) for name, group in widths.items()],
    ]


def _panel(draw_one: Callable[..., None], *what: Any) -> Panel:
    return lambda axes: draw_one(axes, *what)


def _bars(axes: Any, rows: Sequence[Measured], variant: str) -> None:
    """Draw how many times longer each peer's step takes than ours, and the floor's share."""
    names = [n for n in (*PEERS, "floor") if any(row.ratio(n, "ours") for row in rows)]
    for place, name in enumerate(names):
        at = [x + (place - (len(names) - 1) / 2) * 0.8 / len(names) for x in range(len(rows))]
        # bars begin at ours
        heights = [(row.ratio(name, "ours") or 1) - 1 for row in rows]
        axes.bar(
            *(at, heights, 0.8 / len(names)), bottom=1, color=COLORS[name], label=TITLES[name]
        )  # fmt: skip
    axes.axhline(1, color=COLORS["ours"], label=TITLES["ours"])
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}x")
    axes.grid(axis="y", which="both", alpha=0.15)
    axes.set_axisbelow(True)
    labels = [row.job.case.name.replace(", ", "\nbatch ") for row in rows]
    axes.set_xticks(range(len(rows)), labels, rotation=25)
    axes.set_title(f"time of a training step, ours = 1 ({variant})", fontsize=10)
    axes.legend(fontsize=SMALL, ncols=2)


def _x(job: Job) -> int:
    case = job.case
    return {"width": case.sizes[1], "depth": len(case.sizes) - 2, "batch": case.batch}[job.section]


def _curves(axes: Any, rows: Sequence[Measured], name: str) -> None:
    for contender in COLORS:
        points = [(_x(row.job), m) for row in rows if (m := row.median(contender))]
        if points:
            line = "--" if contender == "floor" else "-"
            _line(axes, points, line, color=COLORS[contender], label=TITLES[contender])
    _sizes(axes, X_AXIS[name], sorted({_x(row.job) for row in rows}))


def _widths(axes: Any, rows: Sequence[Measured], name: str) -> None:
    """Draw the plan and fixed numbers of threads, and mark what is out of line."""
    names = dict.fromkeys(label for row in rows for label in row.seconds)
    colors = ("#d1495b", "#30638e", "#66a182")
    for label, color in zip(names, colors, strict=False):
        points = [(cliffs.width(row), m) for row in rows if (m := cliffs.least(row, label))]
        _line(axes, points, "-" if label == cliffs.PLAN else "--", color=color, label=label)
    wrong = [finding.row for finding in (*cliffs.uneven(rows), *cliffs.behind(rows))]
    marked = [(cliffs.width(row), m) for row in wrong if (m := cliffs.least(row, cliffs.PLAN))]
    if marked:
        _line(axes, marked, "none", color="black", marker="x", markersize=8, label="out of line")
    shared = [cliffs.width(row) for row in rows if row.shared.get(cliffs.PLAN, 1) > 1]
    if shared:
        axes.axvspan(min(shared), max(shared), color="#d1495b", alpha=0.07, label="plan shares")
    _sizes(axes, "w", [16, 32, 64, 128, 256, 512])
    axes.set_title(f"{name} rows a step", fontsize=10)


def _line(axes: Any, points: Sequence[tuple[int, float]], line: str, **how: Any) -> None:
    x, seconds = zip(*points, strict=True)
    how = {"marker": "o", "markersize": 3} | how
    axes.loglog(x, [1e6 * s for s in seconds], linestyle=line, **how)


def _sizes(axes: Any, title: str, ticks: Sequence[int]) -> None:
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(title, fontsize=SMALL + 1)
    axes.set_ylabel("µs a step", fontsize=SMALL + 1)
    axes.grid(which="major", alpha=0.25)
    axes.legend(fontsize=SMALL)


def _race(axes: Any, raced: Mapping[str, race.Raced]) -> None:
    for name, rounds in raced.items():
        for number, (spent, accuracy) in enumerate(
            zip(rounds.seconds, rounds.accuracy, strict=True)
        ):
            clock = [sum(spent[: epoch + 1]) for epoch in range(len(spent))]
            label = TITLES[name] if number == 0 else None
            axes.plot(
                *(clock, accuracy), color=COLORS[name], label=label, marker="o", markersize=3
            )  # fmt: skip
    axes.axhline(race.GOAL, color="#555555", linestyle=":", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("seconds of training", fontsize=SMALL + 1)
    axes.set_ylabel("share of the test images", fontsize=SMALL + 1)
    axes.set_title("Fashion-MNIST, 784-128-10", fontsize=10)
    axes.grid(alpha=0.25)
    axes.legend(fontsize=SMALL, loc="lower right")
