"""The estimators: scikit-learn's own checks, and its numbers step by step."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.utils.estimator_checks import parametrize_with_checks

from swiftbackprop.sklearn import MLPClassifier, MLPRegressor


@pytest.mark.filterwarnings("ignore")  # the checks' own: short trainings do not converge
@parametrize_with_checks([MLPClassifier(), MLPRegressor()])
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)
