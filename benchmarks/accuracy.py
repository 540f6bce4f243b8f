"""``python -m benchmarks.accuracy``: what each precision does to products and to training.

Two tables: the error of a product against float64, and what networks reach that differ by their
seeds. Times are no part of it: ``python -m benchmarks --only precision`` measures those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import swiftbackprop as sb

Array = npt.NDArray[Any]
PRECISIONS = ("float32", "bf16x3", "bf16x2", "bfloat16")
UNIT = 2.0**-24  # the rounding of a float32


def factors(kind: str, m: int, k: int, n: int) -> tuple[Array, Array]:
    """Return A [m, k] and B [k, n] in float32, of one of the kinds of `KINDS`."""
    rng = np.random.default_rng(k)
    a, b = rng.standard_normal((m, k)), rng.standard_normal((k, n))
    if kind == "log-uniform":
        a, b = (np.sign(x) * 10.0 ** rng.uniform(-6, 6, x.shape) for x in (a, b))
    elif kind == "cancelling":
        half = k // 2
        a[:, half : 2 * half] = a[:, :half]
        b[half : 2 * half] = -b[:half] * (1 + 1e-4 * rng.standard_normal((half, n)))
    elif kind == "large":
        a, b = a * 1e18, b * 1e18
    return a.astype(np.float32), b.astype(np.float32)


KINDS = ("normal", "log-uniform", "cancelling", "large")


def by_network(a: Array, b: Array, precision: str) -> Array:
    """Return A·B as a network makes its z."""
    net = sb.Network([*b.shape], output="identity", seed=0, precision=precision)
    net.layer(1).W = b.T
    net.layer(1).b = np.zeros(b.shape[1])
    return net.predict(a)


def errors(product: Array, a: Array, b: Array) -> tuple[float, float]:
    """Return ‖E‖/‖|A||B|‖ and the largest |E|/(|A||B|) of a product's error E, in units."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    off, size = np.abs(product - a @ b), np.abs(a) @ np.abs(b)
    return float(np.linalg.norm(off) / np.linalg.norm(size) / UNIT), float(
        (off / size).max() / UNIT
    )


def table_of_products(k: int = 512) -> list[list[str]]:
    """Return errors in norm and of the largest element, for each kind of data and precision."""
    rows = []
    for kind in KINDS:
        a, b = factors(kind, 300, k, 200)
        made = [a @ b] + [by_network(a, b, precision) for precision in PRECISIONS[1:]]
        rows.append([kind, *("{:.2g} / {:.2g}".format(*errors(c, a, b)) for c in made)])
    return rows


class Task(NamedTuple):
    """Data to learn, and what is reported of a network that has."""

    name: str
    sizes: list[int]
    train: tuple[Array, Array]
    test: tuple[Array, Array]
    epochs: int
    options: dict[str, Any]


def digits() -> Task:
    """Return the package's 8×8 digits."""
    data = sb.datasets.load_digits()
    train, test = (data.X_train, data.y_train), (data.X_test, data.y_test)
    return Task("digits", [64, 64, 10], train, test, 40, {"loss": "cross_entropy"})


def fashion() -> Task:
    """Return Fashion-MNIST, of Debian's dataset-fashion-mnist."""
    data = sb.datasets.load_fashion_mnist()
    train, test = (data.X_train, data.y_train), (data.X_test, data.y_test)
    options = {"loss": "cross_entropy", "input_scale": 1 / 255}
    return Task("Fashion-MNIST", [784, 128, 10], train, test, 5, options)


def regression() -> Task:
    """Return a smooth function of eight numbers with a little noise."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (6000, 8)).astype(np.float32)
    t = np.sin(3 * X[:, :1]) * X[:, 1:2] + X[:, 2:3] ** 2 - 0.5 * X[:, 3:4] * X[:, 4:5]
    t = (t + 0.05 * rng.standard_normal(t.shape)).astype(np.float32)
    return Task("regression", [8, 128, 128, 1], (X[:5000], t[:5000]), (X[5000:], t[5000:]), 40, {})


TASKS: dict[str, Callable[[], Task]] = {
    "digits": digits,
    "regression": regression,
    "fashion-mnist": fashion,
}


def outcome(task: Task, precision: str, seed: int) -> float:
    """Return the accuracy on the test rows, or R² of numbers, after training with a seed."""
    net = sb.Network(
        task.sizes, optimizer=sb.Adam(1e-3), seed=seed, precision=precision, **task.options
    )
    net.fit(*task.train, epochs=task.epochs, batch_size=128, progress=False)
    X, y = task.test
    if "loss" in task.options:
        return float(np.mean(net.predict_classes(X) == y))
    return float(1 - np.mean((net.predict(X) - y) ** 2) / np.var(y))


def table_of_training(task: Task, seeds: int) -> list[str]:
    """Return mean ± standard deviation over the seeds, for each precision."""
    cells = [task.name]
    for precision in PRECISIONS:
        reached = [outcome(task, precision, seed) for seed in range(seeds)]
        cells.append(f"{np.mean(reached):.4f} ± {np.std(reached, ddof=1):.4f}")
    return cells


def main() -> None:
    """Print both tables in Markdown."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, help="networks of each kind (10)")
    parser.add_argument("--tasks", default=",".join(TASKS), help="NAME,...")
    options = parser.parse_args()
    head = "| | " + " | ".join(PRECISIONS) + " |\n" + "| --- " * 5 + "|"
    print(f"bfloat16 is made by: {sb.config()['engine']['bfloat16']}\n\n{head}")
    for row in table_of_products():
        print("| " + " | ".join(row) + " |")
    print(f"\n{head}")
    for name in options.tasks.split(","):
        print("| " + " | ".join(table_of_training(TASKS[name](), options.seeds)) + " |", flush=True)


if __name__ == "__main__":
    main()
