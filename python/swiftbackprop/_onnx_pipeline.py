"""A model of the command line as one ONNX graph: preparation, network and answer.

Its inputs are the table's columns, each of shape (N, 1): numbers in double, texts, and dates as
days since 1970. A missing number is NaN, a missing text "".
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from swiftbackprop import _onnx
from swiftbackprop._atomic import write_whole
from swiftbackprop._columns import TEXT
from swiftbackprop._inside import NetworkInside
from swiftbackprop._onnx import onnx
from swiftbackprop._preprocessing import Preparation, Target

__all__ = ["write"]

try:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType
except ImportError as error:
    raise ImportError(
        "the preparation of columns is exported by skl2onnx, which is not installed: "
        "pip install skl2onnx"
    ) from error

_ML = "ai.onnx.ml"


def write(net: NetworkInside, preparation: Preparation, path: str) -> None:
    """Write preparation and network to a file, checked by ONNX, whole or not at all."""
    network = _onnx._model(net, False, net.dtype)
    opset = network.opset_import[0].version
    # Numbers in double: a day or a year less its mean has few digits left in float32.
    plain = [replace(each, name=f"column{j}") for j, each in enumerate(preparation.features)]
    columns = [
        (each.name, (StringTensorType if each.kind == TEXT else DoubleTensorType)([None, 1]))
        for each in plain
    ]
    # onnxruntime's Imputer knows no double: what is missing is filled below.
    prepared = convert_sklearn(
        replace(preparation, features=tuple(plain)).transformer(fills=False),
        initial_types=columns,
        target_opset={"": opset, _ML: 2},
        name="swiftbackprop",
    )
    prepared.ir_version = network.ir_version
    inner = onnx.compose.add_prefix(network, "network.")
    # skl2onnx states the versions since which its operators are what they are, and these two are
    # to be of the same; LabelEncoder takes numbers to texts since version 2.
    for each in (prepared, inner):
        del each.opset_import[:]
        for domain, version in (("", opset), (_ML, 2)):
            each.opset_import.append(onnx.helper.make_opsetid(domain, version))
    _fill(prepared.graph, net)
    model = onnx.compose.merge_models(
        prepared, inner, [(prepared.graph.output[0].name, inner.graph.input[0].name)]
    )
    _answer(model.graph, preparation.target, net.dtype)
    names = {short.name: each.name for short, each in zip(plain, preparation.features, strict=True)}
    model = _named(model, names)
    model.doc_string = __doc__
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, lambda file: file.write(model.SerializeToString()))


def _named(model: Any, names: dict[str, str]) -> Any:
    """Call the inputs as the table does: skl2onnx has names of letters and digits alone."""
    answers = {each.name: each.name for each in model.graph.output}
    for name in answers:
        while answers[name] in names.values():
            answers[name] += "_"
    prefix = "swiftbackprop."  # so that no column has the name of something within
    while any(name.startswith(prefix) for name in names.values()):
        prefix += "."
    model = onnx.compose.add_prefix(model, prefix)
    called = {f"{prefix}{old}": new for old, new in (names | answers).items()}
    for node in model.graph.node:
        node.input[:] = [called.get(name, name) for name in node.input]
        node.output[:] = [called.get(name, name) for name in node.output]
    for value in (*model.graph.input, *model.graph.output):
        value.name = called[value.name]
    return model


def _fill(graph: Any, net: NetworkInside) -> None:
    """Put 0, the mean, where a number is missing, and the network's dtype behind it."""
    helper = onnx.helper
    made = graph.output[0].name
    element = helper.np_dtype_to_tensor_dtype(net.dtype)
    graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((), net.dtype), "mean.scaled"))
    graph.node.append(helper.make_node("Cast", [made], ["columns.cast"], to=element))
    graph.node.append(helper.make_node("IsNaN", ["columns.cast"], ["columns.missing"]))
    graph.node.append(
        helper.make_node("Where", ["columns.missing", "mean.scaled", "columns.cast"], ["columns"])
    )
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("columns", element, ["N", net.sizes[0]]))


def _answer(graph: Any, target: Target, dtype: np.dtype[Any]) -> None:
    """Add what is asked for: label and probabilities, or a number in its own unit."""
    helper = onnx.helper
    a = graph.output[0].name
    element = helper.np_dtype_to_tensor_dtype(dtype)
    del graph.output[:]
    if not target.classes:
        for name, value in (("scale", target.scale), ("mean", target.mean)):
            constant = onnx.numpy_helper.from_array(np.array(value, dtype), f"target.{name}")
            graph.initializer.append(constant)
        graph.node.append(helper.make_node("Mul", [a, "target.scale"], ["target.scaled"]))
        graph.node.append(helper.make_node("Add", ["target.scaled", "target.mean"], ["prediction"]))
        graph.output.append(helper.make_tensor_value_info("prediction", element, ["N", 1]))
        return
    graph.node.append(helper.make_node("ArgMax", [a], ["target.place"], axis=1, keepdims=0))
    graph.node.append(
        helper.make_node(
            "LabelEncoder",
            ["target.place"],
            ["label"],
            domain=_ML,
            keys_int64s=list(range(len(target.classes))),
            values_strings=list(target.classes),
            default_string="",
        )
    )
    graph.node.append(helper.make_node("Identity", [a], ["probabilities"]))
    text = onnx.TensorProto.STRING
    graph.output.append(helper.make_tensor_value_info("label", text, ["N"]))
    shape = ["N", len(target.classes)]
    graph.output.append(helper.make_tensor_value_info("probabilities", element, shape))
