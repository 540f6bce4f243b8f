"""Searches in processes: what travels, how many threads they take, that results are the same."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
joblib = pytest.importorskip("joblib")

from sklearn.exceptions import ConvergenceWarning  # noqa: E402

from searches import check_searches_in, digits  # noqa: E402
from swiftbackprop.sklearn import MLPClassifier, MLPRegressor  # noqa: E402


@contextmanager
def loky() -> Iterator[None]:
    try:
        with joblib.parallel_config("loky", n_jobs=2, inner_max_num_threads=1):
            yield
    finally:
        joblib.externals.loky.get_reusable_executor().shutdown()


def test_searches_in_processes_are_as_serial_ones() -> None:
    check_searches_in(loky())


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
