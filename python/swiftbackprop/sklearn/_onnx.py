"""Pipelines that end in our estimators as ONNX models: converters for skl2onnx.

skl2onnx is imported with this module, which nothing imports before it is needed.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from swiftbackprop._export.onnx import check_size, onnx, operators, save
from swiftbackprop.sklearn import _onnx_steps
from swiftbackprop.sklearn._onnx_nodes import (
    add_constant,
    adder,
    constant_adder,
    label_values,
    skl2onnx,
    types,
)

# Read by onnxruntime 1.12 and newer, whatever the newest opset is.
_OPSETS = {"": 17, "ai.onnx.ml": 3}


def write(model: Any, X: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted model to a file; `swiftbackprop.sklearn.to_onnx` documents it."""
    check_is_fitted(model)
    register()
    given = _input_types(X)
    made = skl2onnx.convert_sklearn(
        model,
        initial_types=given,
        name="swiftbackprop",
        target_opset=_OPSETS,
        options={"zipmap": False} if is_classifier(model) else None,
        custom_conversion_functions=_onnx_steps.CONVERTERS,
        custom_shape_calculators=_onnx_steps.SHAPES,
        custom_parsers=_onnx_steps.PARSERS,
    )
    _rename_inputs(made.graph, [name for name, _ in given])
    save(made, path)


def _rename_inputs(graph: Any, columns: list[str]) -> None:
    """Give the inputs the names of their columns, of which skl2onnx made identifiers.

    Whatever had such a name, an output ``label`` perhaps, gets the input's.
    """
    for place, column in enumerate(columns):
        name = graph.input[place].name
        swapped = {name: column, column: name}
        for named in (*graph.input, *graph.output, *graph.initializer):
            named.name = swapped.get(named.name, named.name)
        for node in graph.node:
            for names in (node.input, node.output):
                names[:] = [swapped.get(each, each) for each in names]


def register() -> None:
    """Tell skl2onnx of the estimators; `swiftbackprop.sklearn.register_onnx` documents it."""
    from swiftbackprop.sklearn._classifier import MLPClassifier
    from swiftbackprop.sklearn._regressor import MLPRegressor

    skl2onnx.update_registered_converter(
        MLPClassifier,
        "SwiftBackpropMLPClassifier",
        _classifier_types,
        _convert_classifier,
        options={
            "zipmap": [True, False, "columns"],
            "output_class_labels": [False, True],
            "nocl": [True, False],
        },
    )
    skl2onnx.update_registered_converter(
        MLPRegressor, "SwiftBackpropMLPRegressor", _regressor_types, _convert_regressor
    )


# --- What goes in -------------------------------------------------------------------------


def _input_types(X: Any) -> list[tuple[str, Any]]:
    """Return the inputs of a model on data like X: one for an array, one for each column."""
    if hasattr(X, "to_pandas"):
        X = X.to_pandas()
    if hasattr(X, "columns") and hasattr(X, "dtypes"):
        names = [str(name) for name in X.columns]
        columns = [X.iloc[:, place] for place in range(len(names))]
        return [
            (name, _column_type(name, column)([None, 1]))
            for name, column in zip(names, columns, strict=True)
        ]
    array = np.asarray(X[:1].toarray() if hasattr(X, "toarray") else X)
    if array.ndim != 2:
        raise ValueError(f"X: expected shape (N, D(0)), got {array.shape}")
    return [("X", _array_type("X", array)([None, array.shape[1]]))]


def _column_type(name: str, column: Any) -> Any:
    values = getattr(column.dtype, "categories", column)  # those of a categorical column
    known = values[~values.isna()]
    kind = getattr(known.dtype, "kind", "O")
    array = known.to_numpy(np.dtype(f"{kind}8")) if kind in "iuf" else np.asarray(known)
    if known.dtype == np.float32:
        array = array.astype(np.float32)
    return _array_type(f"column {name!r}", array)


def _array_type(what: str, array: Any) -> Any:
    """Return the type of an input that holds such numbers or texts."""
    kind = array.dtype.kind
    if kind == "f":
        return types.FloatTensorType if array.dtype == np.float32 else types.DoubleTensorType
    if kind in "iu":
        return types.Int64TensorType
    if kind == "b":
        return types.BooleanTensorType
    if kind in "OUT" and all(isinstance(value, str) for value in array.ravel()):
        return types.StringTensorType
    raise TypeError(
        f"{what} holds {array.dtype}, and not numbers alone or texts alone: an ONNX model takes "
        "nothing else"
    )


# --- What comes out -----------------------------------------------------------------------


def _number_type(operator: Any) -> tuple[Any, np.dtype[Any]]:
    """Return the type that the operator computes in: its input's, or the network's for integers."""
    given = {type(each.type) for each in operator.inputs}
    if types.StringTensorType in given:
        raise TypeError(
            f"{type(operator.raw_operator).__name__} takes numbers, and an input of the model "
            "holds texts: put a OneHotEncoder before it"
        )
    wide = operator.raw_operator.network_.dtype == np.float64
    if given & {types.FloatTensorType, types.DoubleTensorType}:
        wide = types.DoubleTensorType in given
    if wide:
        return types.DoubleTensorType, np.dtype(np.float64)
    return types.FloatTensorType, np.dtype(np.float32)


def _regressor_types(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    kind, _ = _number_type(operator)
    operator.outputs[0].type = kind([rows, operator.raw_operator.n_outputs_])


def _classifier_types(operator: Any) -> None:
    model, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    kind, _ = _number_type(operator)
    several = model._labels.kind == "multilabel"
    classes = _labels(operator.scope_inst, model)
    label = types.StringTensorType if classes.dtype.kind == "O" else types.Int64TensorType
    operator.outputs[0].type = label([rows, len(classes)] if several else [rows])
    operator.outputs[1].type = kind([rows, len(classes)])


def _labels(scope: Any, model: Any) -> Any:
    """Return the classes as an array of int64, or of str as objects."""
    classes = np.asarray(model.classes_)
    if model._labels.kind == "multilabel" or scope.get_options(model, {"nocl": False})["nocl"]:
        return np.arange(len(classes))
    return label_values(classes)


# --- What is computed ---------------------------------------------------------------------


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    node = adder(scope, container)
    node("Identity", [_outputs(scope, operator, container)], operator.outputs[0].full_name)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Add the labels and the probabilities, in `classes_`' order."""
    model = operator.raw_operator
    label, proba = (each.full_name for each in operator.outputs)
    a, node = _outputs(scope, operator, container), adder(scope, container)
    _, dtype = _number_type(operator)
    constant = constant_adder(scope, container)
    if model._labels.kind == "multilabel":
        node("Identity", [a], proba)
        chosen = node("Greater", [a, constant(np.array(0.5, dtype))])
        node("Cast", [chosen], label, to=onnx.TensorProto.INT64)
        return
    if model._labels.kind == "multiclass":
        node("Identity", [a], proba)
    elif len(model.classes_) == 1:
        node("Softmax", [a], proba, axis=1)  # of one column: 1
    else:
        node("Concat", [node("Sub", [constant(np.array(1, dtype)), a]), a], proba, axis=1)
    places = node("ArgMax", [proba], axis=1, keepdims=0)
    node("Gather", [constant(_labels(scope, model)), places], label, axis=0)


def _outputs(scope: Any, operator: Any, container: Any) -> str:
    """Add the network; return the name of a(L), (N, D(L))."""
    net = operator.raw_operator._ready()
    check_size(net)
    _, dtype = _number_type(operator)
    node = adder(scope, container)
    kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
    inputs = [node("Cast", [each.full_name], to=kind) for each in operator.inputs]
    X = inputs[0] if len(inputs) == 1 else node("Concat", inputs, axis=1)
    nodes, constants, a = operators(net, dtype, X)
    names = {X: X}  # in the network's graph -> in the whole one
    for tensor in constants:
        name = tensor.name
        names[name] = add_constant(scope, container, name, tensor)
    for each in nodes:
        (name,) = each.output
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in each.attribute}
        names[name] = node(each.op_type, [names[x] for x in each.input], seed=name, **attributes)
    return names[a]
