"""Training by two processes of one thread each, beside one: measured, and as a model foretells it.

The model of a step of P processes, n rows for each of them on average, with memory in common:

    t = c(n) + s·α

where c(n) = c₀ + c₁·n is the time of the same step without a word to others, while all cores of the
machine work at such steps, and α that of a small sum, of which a step has s. And by messages:

    t = c(n + e) + s·α + b·M

with another c, for every process updates all of W; e is by how much the process with the most rows
of a batch has more than n, for a batch is drawn from the rows of all, and 0 with `shuffle="even"`;
b·M is the time of the sum of M bytes of gradients, all begun and then waited for. Nothing is taken
off for overlap: where the sum goes through the memory of a machine it needs the cores that compute.
"""

import json
import math
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.session import ROOT, environment

SIZES = (784, 2048, 2048, 10)
BATCH = 512


class Together(NamedTuple):
    """A way for two processes to train, and the efficiency it is to have."""

    batch: int  # rows in all
    parts: float  # into which the work of one process is divided
    goal: float | None = None
    by_messages: bool = False
    even: bool = False


TOGETHER = {
    "fixed work per process": Together(2 * BATCH, 1.0, 0.9),
    "fixed total": Together(BATCH, 2.0, 0.85),
    "fixed work, by messages": Together(2 * BATCH, 1.0, by_messages=True),
    "fixed total, by messages": Together(BATCH, 2.0, by_messages=True),
    "fixed work, by messages, even": Together(2 * BATCH, 1.0, by_messages=True, even=True),
    "fixed total, by messages, even": Together(BATCH, 2.0, by_messages=True, even=True),
}
# Small sums of a step with memory in common: X is there, C and all z are, W is.
_SUMS = 3
_LIMIT = 600


class NoProcessesError(Exception):
    """There is no MPI, or it did not work."""


def measure(rounds: int) -> dict[str, Any]:
    """Return seconds and constants, measured by two processes that take turns and work together."""
    tool = Path(sys.executable).with_name("mpirun")
    command = [str(tool) if tool.exists() else "mpirun", "-n", "2", "--oversubscribe"]
    command += ["--allow-run-as-root", sys.executable, "-m", "benchmarks.processes_worker"]
    try:
        done = subprocess.run(
            [*command, str(rounds)],
            cwd=ROOT,
            env=environment(1),
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoProcessesError(str(error)) from None
    if done.returncode:
        raise NoProcessesError(done.stderr.strip().splitlines()[-1] if done.stderr else "mpirun")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found | compare(found)


def excess(batch: float, processes: int) -> float:
    """Return by how many rows the largest of the shares of a batch is above their mean.

    A share is about normal, with variance B/P·(1 − 1/P); the largest of P independent ones is
    σ·√(2 ln P) less what is known of its slow approach; of two, whose sum is B, σ·√(2/π).
    """
    if processes == 1:
        return 0.0
    sigma = math.sqrt(batch / processes * (1 - 1 / processes))
    if processes == 2:
        return sigma * math.sqrt(2 / math.pi)
    normal = statistics.NormalDist()
    return sigma * normal.inv_cdf((processes - 0.375) / (processes + 0.25))  # Blom, 1958


def foretell(
    constants: dict[str, float],
    batch: float,
    processes: int,
    *,
    network: tuple[float, float] | None = None,
    even: bool = False,
) -> float:
    """Return the seconds of a step of `batch` rows in all by messages.

    `network` gives α and bytes a second.
    """
    rows = batch / processes + (0 if even else excess(batch, processes))
    compute = constants["fixed"] + constants["per row"] * rows
    if processes == 1:
        return compute
    if network is None:
        return compute + constants["small sum"] + constants["large sum"]
    latency, bandwidth = network
    turns = math.log2(processes)
    moved = 2 * (processes - 1) / processes * constants["bytes"] / bandwidth
    return float(compute + 2 * turns * latency * constants["pieces"] + moved)


def compare(found: dict[str, Any]) -> dict[str, Any]:
    """Return the efficiencies, measured and foretold."""
    alone, constants = found["seconds"]["alone"], found["constants"]
    result = {}
    for name, way in TOGETHER.items():
        time = found["seconds"][name]
        if way.by_messages:
            told = foretell(constants, way.batch, 2, even=way.even)
        else:
            compute = constants["fixed in memory"] + constants["per row in memory"] * way.batch / 2
            told = compute + _SUMS * constants["small sum"]
        result[name] = {
            "efficiency": alone / (way.parts * time),
            "foretold": alone / (way.parts * told),
            "seconds": time,
            "seconds foretold": told,
        }
    return {"efficiency": result}


def words(found: dict[str, Any]) -> dict[str, str]:
    """Return what to print."""
    constants = found["constants"]
    lines = {
        "one process, 512 rows": f"{1e3 * found['seconds']['alone']:.1f} ms",
        "without words, in memory": f"{1e3 * constants['fixed in memory']:.1f} ms + "
        f"{1e6 * constants['per row in memory']:.0f} µs a row",
        "without words, by messages": f"{1e3 * constants['fixed']:.1f} ms + "
        f"{1e6 * constants['per row']:.0f} µs a row",
        "a small sum": f"{1e6 * constants['small sum']:.0f} µs",
        "the sum of the gradients": f"{1e3 * constants['large sum']:.1f} ms, "
        f"{constants['bytes'] / constants['large sum'] / 1e9:.1f} GB/s",
    }
    for name, values in found["efficiency"].items():
        goal = TOGETHER[name].goal
        lines[f"two, {name}"] = (
            f"{1e3 * values['seconds']:.1f} ms, efficiency {values['efficiency']:.2f}"
            f"{f' (goal {goal})' if goal else ''}, foretold {values['foretold']:.2f}"
        )
    return lines


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw efficiency against the number of processes, up to a thousand."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    constants = found["constants"]
    alone = found["seconds"]["alone"]
    counts = [2**k for k in range(11)]
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharey=True)
    networks = {
        "1 GB/s, 30 µs": (30e-6, 1e9),
        "10 GB/s, 3 µs": (3e-6, 10e9),
        "50 GB/s, 1.5 µs": (1.5e-6, 50e9),
    }
    whole = 32768
    reference = constants["fixed"] + constants["per row"] * whole
    shuffles = {"": {"marker": "o"}, ', "even"': {"linestyle": "--"}}
    for color, (label, network) in enumerate(networks.items()):
        for name, style in shuffles.items():
            weak, strong = [], []
            for count in counts:
                told: dict[str, Any] = {"network": network, "even": bool(name)}
                weak.append(alone / foretell(constants, BATCH * count, count, **told))
                strong.append(reference / count / foretell(constants, whole, count, **told))
            line = style | {"markersize": 3, "color": f"C{color}", "label": label + name}
            axes[0].plot(counts, weak, **line)
            axes[1].plot(counts, strong, **line)
    if "efficiency" in found:
        measured = found["efficiency"]["fixed work per process"]["efficiency"]
        axes[0].plot([2], [measured], "k*", label="measured, in memory")
    axes[0].set_title("512 rows for each process")
    axes[1].set_title("batches of 32,768 rows in all")
    for each in axes:
        each.set_xscale("log", base=2)
        each.set_xlabel("processes")
        each.set_ylim(0, 1.05)
        each.grid(alpha=0.3)
    axes[0].set_ylabel("efficiency")
    axes[0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
