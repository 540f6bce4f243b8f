"""Estimators with the names and rules of scikit-learn's, on this engine.

    from swiftbackprop.sklearn import MLPClassifier
    model = make_pipeline(StandardScaler(), MLPClassifier(random_state=0)).fit(X, y)

`MLPClassifier` and `MLPRegressor` take the place of those in ``sklearn.neural_network``:
the same parameters, the same objective, the same rules to stop; and what those do not have.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data  # noqa: F401 - new in scikit-learn 1.6
except ImportError as error:
    if (error.name or "").partition(".")[0] != "sklearn":
        raise  # something that scikit-learn needs
    raise ImportError(
        "swiftbackprop.sklearn needs scikit-learn 1.6 or newer: pip install 'scikit-learn>=1.6'"
    ) from error

from swiftbackprop.sklearn._classifier import MLPClassifier
from swiftbackprop.sklearn._regressor import MLPRegressor
from swiftbackprop.sklearn._to_onnx import register_onnx, to_onnx

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx", "to_onnx"]
