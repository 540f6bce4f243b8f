"""The sections of the report, and the rows of those that compare contenders."""

import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks import precision
from benchmarks.cases import Case
from benchmarks.contenders import CONTENDERS
from benchmarks.native import build
from benchmarks.session import Job, environment, run_module

SECTIONS = {
    "steps": "one training step",
    "epochs": "a whole epoch of fit, shuffled",
    "predict": "outputs of rows in a NumPy array",
    "width": "one training step against the width of the hidden layer",
    "depth": "one training step against the number of hidden layers",
    "batch": "one training step against the batch size",
    "cliffs": "one training step of ours over many widths",
    "race": "a race on Fashion-MNIST, seconds of training",
    "import": "import, beyond NumPy's own",
    "memory": "memory of fit",
    "elements": "time of an element, one thread",
    "stream": "training on rows of files, in 2 GB of memory",
    "scaling": "two processes of one thread beside one",
    "precision": "factors of products rounded to bfloat16",
    "precision-race": "a race on Fashion-MNIST with factors rounded to bfloat16",
    "verdict": "the goals",
}
PRECISION = ("precision", "precision-race")  # on demand
USUAL = tuple(name for name in SECTIONS if name not in PRECISION)
SCALING = ("width", "depth", "batch")
QUICK = tuple(name for name in USUAL if name not in (*SCALING, "cliffs", "stream", "scaling"))
JUDGED = ("steps", "predict", "cliffs", "race", "import", "memory")  # what goals are about

_DIGITS = Case((784, 128, 10), 128)
_SMALL = Case((64, 32, 10), 32)
_EPOCH_ROWS = 20480
_WIDTHS = (16, 32, 64, 128, 256, 512, 1024)
_DEPTHS = (1, 2, 4, 8, 16)
_BATCHES = (1, 4, 16, 64, 256, 1024)

_WHOLE = ("ours", "numpy", "torch", "jax", "sklearn")
_CURVES = ("ours", "numpy", "torch", "jax", "floor")

_MODULES = {
    "ours": "swiftbackprop",
    "torch": "torch",
    "jax": "jax.numpy",
    "sklearn": "sklearn.neural_network",
}
_IMPORT = """
import numpy, time
begin = time.perf_counter()
import {}
print(time.perf_counter() - begin)
"""


def jobs(section: str, cases: Sequence[Case]) -> list[Job]:
    """Return the rows of a section that compares contenders; `cases` are for the steps."""
    if section == "steps":
        return [Job(section, "step", case, _all(case)) for case in cases]
    if section == "epochs":
        return [
            Job(section, "epoch", case.but(optimizer="adam"), _WHOLE, _EPOCH_ROWS)
            for case in (_SMALL, _DIGITS)
        ]
    if section == "predict":
        shapes = ((_SMALL.but(batch=1), 1), (_DIGITS, 10_000))
        return [Job(section, "predict", case, _WHOLE, rows) for case, rows in shapes]
    if section == "precision":
        return precision.jobs(cases)
    curves = {
        "width": [Case((784, width, 10), 128) for width in _WIDTHS],
        "depth": [Case((128, *[128] * depth, 10), 128) for depth in _DEPTHS],
        "batch": [Case((784, 128, 10), batch) for batch in _BATCHES],
    }
    return [Job(section, "step", case, _CURVES) for case in curves.get(section, ())]


def _all(case: Case) -> list[str]:
    """Return everybody; the products are the same whatever follows them."""
    bare = case.optimizer == "sgd" and case.activation == "relu"
    return [name for name in CONTENDERS if name != "floor" or bare]


def memory_job() -> Job:
    """Return the task whose peak memory is measured."""
    return Job("memory", "epoch", _DIGITS.but(optimizer="adam"), _WHOLE, _EPOCH_ROWS)


def import_seconds(names: Sequence[str], rounds: int, threads: int) -> dict[str, float]:
    """Return the median seconds to import each library after NumPy."""
    times: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name in names:
            if name in _MODULES:
                done = subprocess.run(
                    [sys.executable, "-c", _IMPORT.format(_MODULES[name])],
                    capture_output=True,
                    text=True,
                    check=False,
                    env=environment(threads),
                )
                if not done.returncode:
                    times.setdefault(name, []).append(float(done.stdout))
    return {name: statistics.median(spent) for name, spent in times.items()}


def allocations(threads: int) -> dict[str, dict[str, float]]:
    """Return how often a step asks malloc for memory, and for how much.

    Raises
    ------
    NoCompilerError
        If what counts cannot be compiled or loaded.
    """
    env = environment(threads) | {"LD_PRELOAD": str(build("count"))}
    found: dict[str, dict[str, float]] = run_module("benchmarks.allocations", env=env)
    return found
