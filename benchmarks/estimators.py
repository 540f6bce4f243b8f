"""``python -m benchmarks.estimators``: our MLPs beside scikit-learn's, cross-validated.

Both get the same folds, the same parameters and the same random_state. One fit follows the
other, and whoever begins changes from fold to fold.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from sklearn import datasets, neural_network
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import swiftbackprop.sklearn as ours


class Task(NamedTuple):
    """A data set and how it is learned."""

    name: str
    X: Any
    y: Any
    kind: str
    parameters: dict[str, Any]


def houses(rows: int = 8000) -> tuple[Any, Any]:
    """Return rows made like California's housing: eight skew features, one noisy price."""
    rng = np.random.default_rng(0)
    income = rng.lognormal(1.2, 0.45, rows)
    place = rng.normal(size=(rows, 2)) @ [[2.0, -1.8], [0.0, 0.6]]
    rest = rng.lognormal(0.0, 0.6, (rows, 5))
    coast = np.exp(-np.sum((place - [1.0, -1.0]) ** 2, axis=1) / 4)
    price = 0.45 * income + 1.5 * coast - 0.2 * rest[:, 0] + 0.3 * np.log(rest[:, 1] * income)
    y = np.clip(price + rng.normal(0, 0.3, rows), 0.15, 5.0)
    return np.column_stack([income, rest, place]), y


def tasks() -> Iterator[Task]:
    """Yield the data sets, and what to learn them with."""
    several: dict[str, Any] = {"hidden_layer_sizes": (100,), "max_iter": 60}
    for name, load in (
        ("digits", datasets.load_digits),
        ("breast cancer", datasets.load_breast_cancer),
        ("wine", datasets.load_wine),
    ):
        X, y = load(return_X_y=True)
        yield Task(name, X, y, "MLPClassifier", several)
    X, y = datasets.load_digits(return_X_y=True)
    lbfgs = {"hidden_layer_sizes": (100,), "solver": "lbfgs", "max_iter": 60, "alpha": 1.0}
    yield Task("digits, lbfgs", X, y, "MLPClassifier", lbfgs)
    X, y = datasets.load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    yield Task("diabetes", X, y, "MLPRegressor", several | {"alpha": 1.0})
    yield Task("houses (made up)", *houses(), "MLPRegressor", several | {"max_iter": 20})


CONTENDERS = {
    "scikit-learn": (neural_network, {}),
    "ours": (ours, {}),
    "ours, float32": (ours, {"dtype": "float32"}),
}


def measure(task: Task, folds: int) -> dict[str, tuple[list[float], list[float]]]:
    """Return the scores and the seconds of fit of every contender, for each fold."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CONTENDERS}
    splitter = StratifiedKFold if task.kind == "MLPClassifier" else KFold
    splits = splitter(folds, shuffle=True, random_state=0).split(task.X, task.y)
    names = list(CONTENDERS)
    for fold, (train, test) in enumerate(splits):
        for name in names[fold % len(names) :] + names[: fold % len(names)]:
            module, more = CONTENDERS[name]
            model = make_pipeline(
                StandardScaler(),
                getattr(module, task.kind)(random_state=fold, **task.parameters, **more),
            )
            begin = time.perf_counter()
            model.fit(task.X[train], task.y[train])
            found[name][1].append(time.perf_counter() - begin)
            found[name][0].append(model.score(task.X[test], task.y[test]))
    return found


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__)
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # most stop at max_iter, on both sides
    print(f"{options.folds} folds: mean score ± deviation over the folds, median seconds of fit")
    print(f"{'':18}{'':14} {'score':>16} {'seconds':>9} {'faster':>7}")
    for task in tasks():
        found = measure(task, options.folds)
        theirs = statistics.median(found["scikit-learn"][1])
        for place, (name, (scores, seconds)) in enumerate(found.items()):
            spent = statistics.median(seconds)
            score = f"{np.mean(scores):.4f} ± {np.std(scores):.4f}"
            print(
                f"{'' if place else task.name:18}{name:14} {score:>16} {spent:9.4f} "
                f"{theirs / spent:6.1f}x",
                flush=True,
            )


if __name__ == "__main__":
    main()
