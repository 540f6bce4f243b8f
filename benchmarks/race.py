"""A race: everybody trains on Fashion-MNIST until the test images are told apart well enough.

Only training counts. After every epoch the clock stands while the test set is classified.
Everybody starts a round from the same weights and shuffles for itself; each round has other
weights and other shuffles, for how many epochs it takes is a matter of luck.
"""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Case
from benchmarks.contenders import Contender

# The batch divides the 60000 images. At this rate the accuracy climbs evenly: at twice the rate
# the epoch in which it crosses the goal is anything from the 6th to the 12th.
CASE = Case((784, 128, 10), 32, "adam", rate=5e-4)
SETTINGS = "Adam at 5e-4, batches of 32, images less their mean and divided by their deviation"
GOAL = 0.88  # of the test images, unless a race has one of its own
LIMIT = 30  # epochs
RACERS = ("ours", "numpy", "torch", "jax", "sklearn")
QUICK = ("ours", "sklearn")
ARRAYS = ("X_train", "y_train", "X_test", "y_test")


@dataclass
class Raced:
    """The rounds of one contender: seconds of training and accuracy, epoch by epoch."""

    seconds: list[list[float]] = field(default_factory=list)
    accuracy: list[list[float]] = field(default_factory=list)
    goal: float = GOAL

    def add(self, found: dict[str, list[float]]) -> None:
        """Add a round."""
        self.seconds.append(found["seconds"])
        self.accuracy.append(found["accuracy"])

    def as_dict(self) -> dict[str, Any]:
        """Return the rounds, for JSON."""
        return {"seconds": self.seconds, "accuracy": self.accuracy}

    @property
    def total(self) -> float:
        """Median seconds to the goal; infinite if most rounds did not get there."""
        ends = zip(self.seconds, self.accuracy, strict=True)
        return statistics.median(sum(s) if a[-1] >= self.goal else float("inf") for s, a in ends)

    @property
    def epochs(self) -> float:
        """Median epochs of a round."""
        return statistics.median(map(len, self.seconds))

    @property
    def slowing(self) -> float:
        """How many times as long as the first the last epoch takes, median of the rounds.

        Gradients that vanish leave an optimizer with numbers next to 0, on which CPUs are slow.
        """
        return statistics.median(spent[-1] / spent[0] for spent in self.seconds)

    @property
    def epoch(self) -> float:
        """Median seconds of an epoch."""
        return statistics.median(s for spent in self.seconds for s in spent)


def add(raced: dict[str, Raced], found: dict[str, dict[str, list[float]]], goal: float) -> None:
    """Add a round of everybody's."""
    for name, spent in found.items():
        raced.setdefault(name, Raced(goal=goal)).add(spent)


def ratios(raced: dict[str, Raced]) -> dict[str, float]:
    """Return how many times longer the others take, by name."""
    if "ours" not in raced:
        return {}
    ours = raced["ours"].total
    return {name: rounds.total / ours for name, rounds in raced.items() if name != "ours"}


@contextmanager
def course() -> Iterator[Path]:
    """Make a folder with the images, for all to read.

    Raises
    ------
    FileNotFoundError
        If there is no Fashion-MNIST; the message says where to get it.
    """
    from swiftbackprop.datasets import load_fashion_mnist

    images = load_fashion_mnist()
    mean, deviation = images.X_train.mean(), images.X_train.std()
    arrays = {name: np.asarray(getattr(images, name)) for name in ARRAYS}
    for name in ("X_train", "X_test"):
        arrays[name] = ((arrays[name] - mean) / deviation).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="swiftbackprop-bench-") as folder:
        for name, array in arrays.items():
            np.save(Path(folder, name), array)
        yield Path(folder)


def run(contender: Contender, request: dict[str, Any]) -> dict[str, list[float]]:
    """Train until the goal is reached; the worker's side."""
    X, y, test_X, test_y = (np.load(Path(request["folder"], f"{name}.npy")) for name in ARRAYS)
    train = contender.epoch(Case.of(request["case"]), X, y)
    return timed(
        lambda: train(1),
        lambda: float(np.mean(contender.classes(test_X) == test_y)),
        time.perf_counter,
        request["goal"],
    )


def timed(
    train: Callable[[], None],
    accuracy: Callable[[], float],
    clock: Callable[[], float],
    goal: float = GOAL,
) -> dict[str, list[float]]:
    """Return the seconds of every epoch, and the accuracy after it, up to the goal."""
    found: dict[str, list[float]] = {"seconds": [], "accuracy": []}
    for _ in range(LIMIT):
        begin = clock()
        train()
        found["seconds"].append(clock() - begin)
        found["accuracy"].append(accuracy())
        if found["accuracy"][-1] >= goal:
            break
    return found
