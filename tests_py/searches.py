"""Searches of scikit-learn in processes, beside those in one."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score

import swiftbackprop as sb
from swiftbackprop.sklearn import MLPClassifier

GRID = {"hidden_layer_sizes": [(8,), (16,)], "alpha": [1e-4, 1e-2]}


def digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def scorer_of_threads() -> Any:
    """A scorer that tells how many threads the engine takes where it is called."""

    def threads(model: Any, X: Any, y: Any) -> float:  # travels by value: workers lack this file
        import swiftbackprop

        return float(swiftbackprop.get_num_threads())

    return threads


def _searched(X: Any, y: Any) -> list[Any]:
    model = MLPClassifier(max_iter=2, random_state=0)
    grid = GridSearchCV(model, GRID, cv=2).fit(X, y)
    halving = HalvingRandomSearchCV(
        model, GRID, n_candidates=4, cv=2, random_state=0, min_resources=80
    ).fit(X, y)
    found = [each.cv_results_["mean_test_score"] for each in (grid, halving)]
    found.append(cross_val_score(model, X, y, cv=2))
    return [*found, grid.best_estimator_.predict_proba(X[:10])]


def check_searches_in(processes: AbstractContextManager[Any]) -> None:
    """One thread a worker, so that cores are shared; the numbers are those of one thread."""
    X, y = digits()
    before = sb.get_num_threads()
    with warnings.catch_warnings():  # scikit-learn hands these filters on to the workers
        warnings.simplefilter("ignore", ConvergenceWarning)
        with processes:
            found = _searched(X, y)
            model = MLPClassifier(max_iter=1, random_state=0)
            taken = cross_val_score(model, X, y, cv=4, scoring=scorer_of_threads())
        assert set(taken) == {1.0}
        assert sb.get_num_threads() == before
        try:
            sb.set_num_threads(1)  # two threads give results that differ in the last bits
            wanted = _searched(X, y)
        finally:
            sb.set_num_threads(before)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one, other)
