"""The plot: the step table as ratios, and the curves over width, depth and batch size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
X_AXIS = {"width": "hidden units", "depth": "hidden layers of 128", "batch": "rows a minibatch"}


def draw(rows: Sequence[Measured], path: Path, title: str) -> None:
    """Write a picture of these rows.

    Raises
    ------
    ImportError
        If there is no matplotlib.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    bars: dict[str, list[Measured]] = {}  # by variant
    curves: dict[str, list[Measured]] = {}  # by section
    for row in rows:
        if row.job.section == "steps":
            bars.setdefault(row.job.case.variant, []).append(row)
        elif row.job.section in SCALING:
            curves.setdefault(row.job.section, []).append(row)
    bars = dict(list(bars.items())[:2])
    halves = [(one, groups) for one, groups in ((_bars, bars), (_curves, curves)) if groups]
    figure = plt.figure(figsize=(13, 4.5 * max(1, len(halves))), layout="constrained")
    figure.suptitle(title, fontsize=10)
    parts: Any = figure.subfigures(max(1, len(halves)), 1, squeeze=False)
    for part, (draw_one, groups) in zip(parts[:, 0], halves, strict=False):
        places = part.subplots(1, len(groups), squeeze=False)[0]
        for axes, (name, group) in zip(places, groups.items(), strict=True):
            draw_one(axes, group, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def _bars(axes: Any, rows: Sequence[Measured], variant: str) -> None:
    """Draw how many times longer each peer's step takes than ours, and the floor's share."""
    names = [n for n in (*PEERS, "floor") if any(row.ratio(n, "ours") for row in rows)]
    for place, name in enumerate(names):
        at = [x + (place - (len(names) - 1) / 2) * 0.8 / len(names) for x in range(len(rows))]
        heights = [row.ratio(name, "ours") or float("nan") for row in rows]
        axes.bar(at, heights, 0.8 / len(names), color=COLORS[name], label=TITLES[name])
    axes.axhline(1, color=COLORS["ours"], label=TITLES["ours"])
    axes.set_yscale("log")
    axes.set_xticks(range(len(rows)), [row.job.case.name for row in rows])
    axes.tick_params(axis="x", labelsize=7, labelrotation=20)
    axes.set_title(f"time of a training step, ours = 1 ({variant})", fontsize=10)
    axes.legend(fontsize=7, ncols=2)


def _x(job: Job) -> int:
    case = job.case
    return {"width": case.sizes[1], "depth": len(case.sizes) - 2, "batch": case.batch}[job.section]


def _curves(axes: Any, rows: Sequence[Measured], name: str) -> None:
    for contender in COLORS:
        points = [(_x(row.job), m) for row in rows if (m := row.median(contender))]
        if points:
            x, seconds = zip(*points, strict=True)
            line = "--" if contender == "floor" else "-"
            axes.loglog(
                *(x, [1e6 * s for s in seconds], line),
                marker="o",
                markersize=3,
                color=COLORS[contender],
                label=TITLES[contender],
            )
    axes.set_xlabel(X_AXIS[name])
    axes.set_ylabel("µs a step")
    axes.grid(which="both", alpha=0.2)
    axes.legend(fontsize=7)
