"""Searches of scikit-learn on Dask and on Ray: as serial ones, one thread a worker."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score

import swiftbackprop as sb
from swiftbackprop.sklearn import MLPClassifier

GRID = {"hidden_layer_sizes": [(8,), (16,)], "alpha": [1e-4, 1e-2]}


def scorer_of_threads() -> Any:
    """A scorer that tells how many threads the engine takes where it is called."""

    def threads(model: Any, X: Any, y: Any) -> float:  # travels by value: workers lack this file
        import swiftbackprop

        return float(swiftbackprop.get_num_threads())

    return threads


@contextmanager
def dask() -> Iterator[None]:
    distributed = pytest.importorskip("distributed")
    with (
        warnings.catch_warnings(),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config("dask"),
    ):
        yield


@contextmanager
def ray() -> Iterator[None]:
    library = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    library.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    register_ray()
    try:
        with joblib.parallel_config("ray", n_jobs=2):
            yield
    finally:
        library.shutdown()


def searched(X: Any, y: Any) -> list[Any]:
    """What every search finds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = MLPClassifier(max_iter=4, random_state=0)
        grid = GridSearchCV(model, GRID, cv=3).fit(X, y)
        halving = HalvingRandomSearchCV(
            model, GRID, n_candidates=4, cv=3, random_state=0, min_resources=90
        ).fit(X, y)
        scores = cross_val_score(model, X, y, cv=3)
    return [
        grid.cv_results_["mean_test_score"], halving.cv_results_["mean_test_score"], scores,
        grid.best_estimator_.predict_proba(X[:10]),
    ]  # fmt: skip


# What Dask and Ray leave open when they end is theirs.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cluster", [dask, ray])
def test_searches_are_as_serial_ones(cluster: Any) -> None:
    X, y = load_digits(return_X_y=True)
    X, y = X[:360] / 16, y[:360]
    before = sb.get_num_threads()
    with cluster():
        found = searched(X, y)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = MLPClassifier(max_iter=1, random_state=0)
            taken = cross_val_score(model, X, y, cv=4, scoring=scorer_of_threads())
    assert set(taken) == {1.0}
    assert sb.get_num_threads() == before
    try:
        sb.set_num_threads(1)  # two threads give results that differ in the last bits
        wanted = searched(X, y)
    finally:
        sb.set_num_threads(before)
    for one, other in zip(found, wanted, strict=True):
        assert np.array_equal(one, other)
