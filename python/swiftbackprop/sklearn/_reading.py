"""The data of an estimator: as scikit-learn wants them, weighed, split, and to validate on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight, validate_data

from swiftbackprop._net.arrays import FloatArray, as_data
from swiftbackprop._net.caller import outside
from swiftbackprop.sklearn._labels import check_data
from swiftbackprop.sklearn._rows import Rows

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator


def read(
    estimator: BaseEstimator, X: Any, y: Any, names: Sequence[str], *, reset: bool
) -> tuple[Any, Any]:
    """Return rows and targets as arrays of which scikit-learn approves."""
    check_data(X, y, names, labels=not estimator._wants_numbers)
    X, y = validate_data(
        estimator,
        X,
        y,
        accept_sparse="csr",
        dtype="numeric",
        multi_output=True,
        y_numeric=estimator._wants_numbers,
        reset=reset,
    )
    if y.ndim == 2 and y.shape[1] == 1:
        if reset:  # scikit-learn's warning, which by itself would point to this line
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected. Please change the "
                "shape of y to (n_samples, ), for example using ravel().",
                DataConversionWarning,
                stacklevel=outside(),
            )
        y = y.ravel()
    return X, y


def row_weights(estimator: BaseEstimator, X: Any, y: FloatArray, given: Any) -> FloatArray | None:
    """Return the weights of the rows: those given, times those of the classes."""
    if given is not None and not isinstance(given, Number):
        given = as_data(given, "sample_weight")
    weights = None if given is None else _check_sample_weight(given, X, dtype=np.float64)
    if weights is not None and np.any(weights < 0):
        raise ValueError("Negative values in data passed to `sample_weight`")
    found: FloatArray | None = estimator._with_class_weights(y, weights)
    return found


def split(estimator: BaseEstimator, data: Rows, random: np.random.RandomState) -> tuple[Rows, Rows]:
    """Return rows to train on and rows to validate on."""
    train_rows, valid_rows = train_test_split(
        np.arange(len(data)),
        random_state=random,
        test_size=estimator.validation_fraction,
        stratify=estimator._decode(data.y) if estimator._stratifies() else None,
    )
    if len(valid_rows) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size "
            "of your dataset."
        )
    return data.take(train_rows), _with_weight(data.take(valid_rows))


def validation_rows(estimator: BaseEstimator, given: Sequence[Any]) -> Rows | None:
    """Return the rows that X_val and y_val of `fit`, or `validation_data`, hold."""
    X, y, weights = given
    names = ("X_val", "y_val")
    if (X is None) != (y is None) or (X is None and weights is not None):
        missing = "X_val" if X is None else "y_val"
        raise ValueError(f"X_val and y_val belong together, and {missing} is missing")
    data = estimator.validation_data
    if data is not None:
        if X is not None:
            raise ValueError("give either X_val or validation_data, not both")
        if not isinstance(data, tuple | list) or len(data) not in (2, 3):
            size = f" of {len(data)}" if isinstance(data, tuple | list) else ""
            raise TypeError(
                "validation_data must be a tuple (X, y) or (X, y, sample_weight), got "
                f"{type(data).__name__}{size}"
            )
        X, y, weights = (*data, None)[:3]
        names = ("X of validation_data", "y of validation_data")
    if X is None:
        return None
    try:
        X, y = read(estimator, X, y, names, reset=False)
        encoded = estimator._encode(y)
        return _with_weight(Rows(X, encoded, row_weights(estimator, X, encoded, weights)))
    except (TypeError, ValueError) as error:
        if any(name in str(error) for name in names):
            raise
        where = "X_val and y_val" if data is None else "validation_data"
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{where}: {error}") from error


def _with_weight(valid: Rows) -> Rows:
    """Return rows to validate on, if their weights are not all 0."""
    if valid.weights is not None and not np.any(valid.weights):
        raise ValueError(
            f"the weights of the {len(valid)} rows to validate on are all 0: no score can be "
            "computed from them"
        )
    return valid
