"""Searches in processes: what travels, how many threads they take, that results are the same."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import numpy as np
import pytest

import swiftbackprop as sb

pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.experimental import enable_halving_search_cv  # noqa: E402, F401
from sklearn.model_selection import (  # noqa: E402
    GridSearchCV,
    HalvingRandomSearchCV,
    cross_val_score,
)

from swiftbackprop.sklearn import MLPClassifier, MLPRegressor  # noqa: E402

GRID = {"hidden_layer_sizes": [(8,), (16,)]}


def digits() -> tuple[Any, Any]:
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def threads(model: Any, X: Any, y: Any) -> float:
    """A scorer that tells how many threads the engine takes where it is called."""
    return float(sb.get_num_threads())


def threads_taken(X: Any, y: Any) -> set[float]:
    with warnings.catch_warnings():  # scikit-learn hands these filters on to the workers
        warnings.simplefilter("ignore", ConvergenceWarning)
        return set(cross_val_score(MLPClassifier(max_iter=1), X, y, cv=2, scoring=threads))


def searched(X: Any, y: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier(max_iter=2, random_state=0)
        grid = GridSearchCV(model, GRID, cv=2).fit(X, y)
        halving = HalvingRandomSearchCV(
            model, GRID, n_candidates=2, cv=2, random_state=0, min_resources=80
        ).fit(X, y)
        scores = cross_val_score(model, X, y, cv=2)
    return [
        grid.cv_results_["mean_test_score"], halving.cv_results_["mean_test_score"], scores,
        grid.best_estimator_.predict_proba(X[:10]),
    ]  # fmt: skip


@pytest.mark.xdist_group("processes")
def test_searches_in_processes_are_as_serial_ones() -> None:
    """One thread a worker, so that cores are shared; the numbers are those of one thread."""
    X, y = digits()
    before = sb.get_num_threads()
    try:
        sb.set_num_threads(1)
        wanted = searched(X, y)
        with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
            found = searched(X, y)
            taken = threads_taken(X, y)
    finally:
        sb.set_num_threads(before)
        joblib.externals.loky.get_reusable_executor().shutdown()
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one, other)
    assert taken == {1.0}


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_estimators_travel_small(kind: Any) -> None:
    """New ones are their parameters; of a fitted one its weights and the optimizer's state."""
    X, y = digits()
    model = kind(hidden_layer_sizes=(64,), max_iter=2, random_state=0, dtype="float32")
    assert len(pickle.dumps(model)) < 2000
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(X, y)
    P = model.network_.n_parameters
    states = len(model.network_.optimizer.state)
    assert len(pickle.dumps(model)) < 4 * P * (1 + states) + 8000
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(X), model.predict(X))
    assert np.any(model.network_.gradients)
    for each in (model, again):
        each.partial_fit(X, y)
    assert np.array_equal(again.network_.parameters, model.network_.parameters)
