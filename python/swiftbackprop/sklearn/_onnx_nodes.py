"""skl2onnx, and nodes and constants of its graphs under names of their own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from swiftbackprop._export.onnx import onnx
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.optional import optional

skl2onnx = optional(
    "skl2onnx", "this needs the package skl2onnx, which is not installed: pip install skl2onnx"
)
types: Any = import_module("skl2onnx.common.data_types")


def adder(scope: Any, container: Any) -> Callable[..., str]:
    """Return a function that adds a node and returns the name of what it computes."""

    def add(
        kind: str, inputs: list[str], output: str = "", *, seed: str = "", **attributes: Any
    ) -> str:
        output = output or scope.get_unique_variable_name(seed or kind.lower())
        name = scope.get_unique_operator_name(kind)
        container.add_node(kind, inputs, [output], name=name, **attributes)
        return output

    return add


def constant_adder(scope: Any, container: Any) -> Callable[[Any], str]:
    """Return a function that adds an array as a constant and returns its name."""

    def add(array: Any) -> str:
        return add_constant(scope, container, "constant", onnx.numpy_helper.from_array(array))

    return add


def add_constant(scope: Any, container: Any, seed: str, tensor: Any) -> str:
    """Add a constant under a name of its own; return that."""
    tensor.name = scope.get_unique_variable_name(seed)
    container.initializers.append(tensor)
    return str(tensor.name)


def label_values(classes: FloatArray) -> FloatArray:
    """Return classes as an array of int64, or of str as objects."""
    values = classes.tolist()
    if all(isinstance(value, str) for value in values):
        return np.array(values, object)
    if all(isinstance(value, int | float) for value in values):
        numbers = np.array(values, np.float64 if classes.dtype.kind == "f" else object)
        whole = numbers.astype(np.int64)
        if np.array_equal(whole, numbers):
            return whole
    raise ValueError(
        f"an ONNX model gives labels that are whole numbers or texts, and these are {values!r:.80} "
        f"({classes.dtype}): fit on y.astype(str)"
    )
