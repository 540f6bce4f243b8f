"""A fitted pipeline as one ONNX model."""

from __future__ import annotations

import os
from typing import Any


def to_onnx(model: Any, X: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted pipeline that ends in one of these estimators as one ONNX model.

    The model takes what the pipeline takes, and computes all of it: scaling, encoding and
    the network. It is checked by ONNX before it is written, whole or not at all.

    Parameters
    ----------
    model : Pipeline, MLPClassifier, MLPRegressor, a search over these or a threshold around them
        Fitted. Every step has to be one that skl2onnx converts, as nearly all of
        scikit-learn are.
    X : array_like or frame
        Some rows as the model will get them: of an array, the model has one input ``X``; of a
        frame, an input for each column, by its name, of shape (N, 1). Integers are int64 in
        the model, texts are strings, and other numbers float32 or float64, as they are in X.
        The network computes in float64 if one of its inputs is.
    path : str or path-like
        By custom it ends in ``.onnx``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.
    OSError
        If the file cannot be written.
    TypeError
        If a column of X holds what ONNX has no type for, such as dates.
    ValueError
        If the labels are neither whole numbers nor texts, the weights are larger than an ONNX
        file can be.
    NotImplementedError
        If a layer has an activation of your own.

    See Also
    --------
    register_onnx : To call skl2onnx yourself.

    Notes
    -----
    A classifier's model has the outputs ``label``, (N,), and ``probabilities``, (N, number of
    classes); of several labels a row both are (N, number of labels). A regressor's has
    ``variable``, (N, D(L)).

    Examples
    --------
    ::

        to_onnx(pipeline, X_train, "flowers.onnx")
        session = onnxruntime.InferenceSession("flowers.onnx")
        label, probabilities = session.run(None, {"X": X_test})
    """
    from swiftbackprop.sklearn import _onnx

    _onnx.write(model, X, path)


def register_onnx() -> None:
    """Tell skl2onnx how to convert these estimators.

    After that its own functions convert whatever holds one of them, with all their options:
    ``skl2onnx.to_onnx(pipeline, X[:1])``.

    Raises
    ------
    ImportError
        If skl2onnx is not installed.

    See Also
    --------
    to_onnx : Register, convert and write in one call.
    """
    from swiftbackprop.sklearn import _onnx

    _onnx.register()
