"""Estimators with the names and rules of scikit-learn's, on this engine.

    from swiftbackprop.sklearn import MLPClassifier
    model = make_pipeline(StandardScaler(), MLPClassifier(random_state=0)).fit(X, y)

`MLPClassifier` and `MLPRegressor` take the place of those in ``sklearn.neural_network``:
the same parameters, the same objective, the same rules to stop; and what those do not have.
"""

from __future__ import annotations

from swiftbackprop.sklearn._estimators import MLPClassifier, MLPRegressor, register_onnx, to_onnx

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx", "to_onnx"]
