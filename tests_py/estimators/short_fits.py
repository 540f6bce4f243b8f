"""Small data and estimators that are quickly fitted."""

from __future__ import annotations

from typing import Any

from sklearn.datasets import load_diabetes, load_iris
from sklearn.preprocessing import scale

from swiftbackprop.sklearn import MLPClassifier

IRIS = load_iris(return_X_y=True)
DIABETES = tuple(scale(part) for part in load_diabetes(return_X_y=True))


def short(kind: Any = MLPClassifier, **changes: Any) -> Any:
    parameters = {"hidden_layer_sizes": 8, "max_iter": 4, "random_state": 0, "batch_size": 32}
    return kind(**parameters | changes)
