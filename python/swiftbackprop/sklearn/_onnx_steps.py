"""Steps of a pipeline that skl2onnx has no converter for, or one that does not fit.

Like `_onnx`, which registers them, it imports skl2onnx.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.impute import SimpleImputer
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from swiftbackprop._export.onnx import onnx
from swiftbackprop.sklearn._onnx_nodes import adder, constant_adder, label_values, types

_SCALERS = (MaxAbsScaler, MinMaxScaler, RobustScaler, StandardScaler)


# --- SimpleImputer ------------------------------------------------------------------------
# skl2onnx makes an operator of it that onnxruntime has for float32 alone, fills with numbers
# rounded to that, and keeps columns that scikit-learn drops.


def _is_text(operator: Any) -> bool:
    return any(isinstance(each.type, types.StringTensorType) for each in operator.inputs)


def _kept(imputer: Any) -> Any:
    """Return the places of the columns that are not dropped for having no value at all."""
    empty = [value is None or value != value for value in imputer.statistics_]
    return np.flatnonzero(~np.array(empty))


def _imputer_types(operator: Any) -> None:
    imputer, rows = operator.raw_operator, operator.inputs[0].get_first_dimension()
    narrow = all(isinstance(each.type, types.FloatTensorType) for each in operator.inputs)
    kind = types.FloatTensorType if narrow else types.DoubleTensorType
    kind = types.StringTensorType if _is_text(operator) else kind
    flags = 0 if imputer.indicator_ is None else len(imputer.indicator_.features_)
    operator.outputs[0].type = kind([rows, len(_kept(imputer)) + flags])


def _convert_imputer(scope: Any, operator: Any, container: Any) -> None:
    """Add the columns with what is missing filled in, and where it was if that is asked for."""
    imputer, (out,) = operator.raw_operator, operator.outputs
    node, constant = adder(scope, container), constant_adder(scope, container)
    names = [each.full_name for each in operator.inputs]
    missing, fill = imputer.missing_values, imputer.statistics_[_kept(imputer)]
    if _is_text(operator):
        if imputer.indicator_ is not None:
            raise ValueError(f"ONNX has no column for texts and flags together, as of {imputer}")
        X = names[0] if len(names) == 1 else node("Concat", names, axis=1)
        keys = {"keys_strings": [str(missing)], "values_int64s": [1], "default_int64": 0}
        found = node("LabelEncoder", [X], op_domain="ai.onnx.ml", **keys)
        found = node("Cast", [found], to=onnx.TensorProto.BOOL)
        values = constant(fill.astype(str).astype(object))
    else:
        dtype = np.dtype("f4" if isinstance(out.type, types.FloatTensorType) else "f8")
        kind = onnx.helper.np_dtype_to_tensor_dtype(dtype)
        names = [node("Cast", [name], to=kind) for name in names]
        X = names[0] if len(names) == 1 else node("Concat", names, axis=1)
        if missing is None or missing != missing:
            found = node("IsNaN", [X])
        else:
            found = node("Equal", [X, constant(np.array(missing, dtype))])
        values = constant(fill.astype(dtype))
    kept = [X, found]
    if len(fill) < len(imputer.statistics_):
        places = constant(_kept(imputer))
        kept = [node("Gather", [name, places], axis=1) for name in kept]
    parts = [node("Where", [kept[1], values, kept[0]])]
    if imputer.indicator_ is not None:
        flags = node("Gather", [found, constant(imputer.indicator_.features_)], axis=1)
        parts.append(node("Cast", [flags], to=kind))
    node("Concat", parts, out.full_name, axis=1)


# --- TransformedTargetRegressor -----------------------------------------------------------


@dataclass
class _Back:
    """The step behind a regressor that transforms its predictions back."""

    transformer: Any


def _parse_target(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the regressor and the step behind it."""
    parse = import_module("skl2onnx._parse")._parse_sklearn
    (found,) = parse(scope, model.regressor_, inputs, custom_parsers=custom_parsers)
    step = scope.declare_local_operator("SwiftBackpropTarget", _Back(model.transformer_))
    step.inputs.append(found)
    step.outputs.append(scope.declare_local_variable("variable", type(found.type)()))
    return step.outputs


def _target_types(operator: Any) -> None:
    operator.outputs[0].type = operator.inputs[0].type


def _convert_target(scope: Any, operator: Any, container: Any) -> None:
    transformer = operator.raw_operator.transformer
    (given,), (out,) = operator.inputs, operator.outputs
    node, constant = adder(scope, container), constant_adder(scope, container)
    dtype = np.dtype("f4" if isinstance(given.type, types.FloatTensorType) else "f8")
    back = getattr(transformer, "inverse_func", None)
    if isinstance(transformer, _SCALERS):
        width = given.type.shape[1]
        offset = transformer.inverse_transform(np.zeros((1, width)))
        factor = transformer.inverse_transform(np.ones((1, width))) - offset
        scaled = node("Mul", [given.full_name, constant(factor.astype(dtype))])
        node("Add", [scaled, constant(offset.astype(dtype))], out.full_name)
    elif back is np.exp:
        node("Exp", [given.full_name], out.full_name)
    elif back is np.expm1:
        node("Sub", [node("Exp", [given.full_name]), constant(np.array(1, dtype))], out.full_name)
    elif isinstance(transformer, FunctionTransformer) and back is None:
        node("Identity", [given.full_name], out.full_name)
    else:
        raise ValueError(
            f"there is no ONNX form of {transformer}, which transforms predictions back: a "
            "StandardScaler, a MinMaxScaler, a MaxAbsScaler or a RobustScaler has one, and "
            "np.expm1 or np.exp as inverse_func"
        )


# --- Thresholds -------------------------------------------------------------------------
# skl2onnx has a converter of the tuned one alone, which decides at one half all the same.


@dataclass
class _Cut:
    """The step behind a classifier of two classes that decides at a threshold."""

    classes: Any
    place: int  # of the class whose probability is compared
    threshold: float


def _parse_threshold(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the classifier and the step behind it."""
    if isinstance(model, FixedThresholdClassifier):
        positive = model.pos_label
        threshold = 0.5 if model.threshold == "auto" else model.threshold
    else:
        positive, threshold = model._curve_scorer._get_pos_label(), model.best_threshold_
    place = 1 if positive is None else model.classes_.tolist().index(positive)
    parse = import_module("skl2onnx._parse")._parse_sklearn
    scope.add_options(id(model.estimator_), {"zipmap": False})
    label, proba = parse(scope, model.estimator_, inputs, custom_parsers=custom_parsers)
    cut = _Cut(model.classes_, place, threshold)
    step = scope.declare_local_operator("SwiftBackpropThreshold", cut)
    step.inputs.append(proba)
    for name, like in (("label", label), ("probabilities", proba)):
        step.outputs.append(scope.declare_local_variable(name, type(like.type)()))
    return step.outputs


def _label_types(operator: Any) -> None:
    labels = label_values(operator.raw_operator.classes)
    kind = types.StringTensorType if labels.dtype.kind == "O" else types.Int64TensorType
    operator.outputs[0].type = kind([operator.inputs[0].get_first_dimension()])
    operator.outputs[1].type = operator.inputs[0].type


def _convert_threshold(scope: Any, operator: Any, container: Any) -> None:
    cut, (given,), (label, proba) = operator.raw_operator, operator.inputs, operator.outputs
    node, constant = adder(scope, container), constant_adder(scope, container)
    dtype = np.dtype("f4" if isinstance(given.type, types.FloatTensorType) else "f8")
    positive = node("Gather", [given.full_name, constant(np.array(cut.place))], axis=1)
    is_found = node("GreaterOrEqual", [positive, constant(np.array(cut.threshold, dtype))])
    labels = label_values(cut.classes)[[1 - cut.place, cut.place]]
    places = node("Cast", [is_found], to=onnx.TensorProto.INT64)
    node("Gather", [constant(labels), places], label.full_name, axis=0)
    node("Identity", [given.full_name], proba.full_name)


# As skl2onnx takes them.
CONVERTERS = {SimpleImputer: _convert_imputer, _Back: _convert_target, _Cut: _convert_threshold}
SHAPES = {SimpleImputer: _imputer_types, _Back: _target_types, _Cut: _label_types}
PARSERS = {
    TransformedTargetRegressor: _parse_target,
    FixedThresholdClassifier: _parse_threshold,
    TunedThresholdClassifierCV: _parse_threshold,
}
