"""Networks as ONNX models.

Only operators that ONNX has had since opset 13 are used, and LayerNormalization of 17, all of
which onnxruntime runs in float32 and in float64; activations without one of their own are
composed of others. ONNX is imported with this module, which nothing imports before it is needed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._export.atomic_file import write_whole
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.custom import refuse_own
from swiftbackprop._net.normalization import BatchNorm, Norm
from swiftbackprop._net.optional import optional
from swiftbackprop._net.rules import Activation
from swiftbackprop._net.state import vectors
from swiftbackprop._version import __version__

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._net.layer import Layer


onnx = optional("onnx", "this needs the package onnx, which is not installed: pip install onnx")

_OPSET = 13
_OPSET_LAYER_NORM = 17
_IR_VERSION = 8  # read by every onnxruntime since 1.10
_LARGEST = 2**31 - 2**20  # a file of protocol buffers stays below 2 GB


def write(
    net: NetworkBase,
    path: str | os.PathLike[str],
    logits: bool,
    input_dtype: npt.DTypeLike | None,
) -> None:
    """Write a network to a file; `Network.to_onnx` documents it."""
    check_size(net)
    save(_model(net, logits, _as_input_dtype(net, input_dtype)), path)


def check_size(net: NetworkBase) -> None:
    """Raise if the weights are more than a file can hold."""
    size = net.n_parameters * net.dtype.itemsize
    if size > _LARGEST:
        raise ValueError(f"the weights take {size} bytes, and an ONNX file holds less than 2 GB")


def save(model: Any, path: str | os.PathLike[str]) -> None:
    """Check a model and write it."""
    onnx.checker.check_model(model, full_check=True)
    write_whole(path, lambda file: file.write(model.SerializeToString()))


def _as_input_dtype(net: NetworkBase, dtype: npt.DTypeLike | None) -> np.dtype[Any]:
    """Return the type of X in the model: the network's, or one of integers."""
    if dtype is None:
        if net.input_scale != 1:
            raise ValueError(
                f"the network multiplies integers in X with input_scale = {net.input_scale:.6g}: "
                "say what X is in the model, input_dtype='uint8' for integers, which it then "
                f"multiplies too, or input_dtype={net.dtype.name!r} for numbers that it takes as "
                "they are"
            )
        return net.dtype
    try:
        chosen = np.dtype(dtype)
    except TypeError:
        raise TypeError(f"input_dtype must be a dtype, such as 'uint8', got {dtype!r}") from None
    if chosen != net.dtype and chosen.kind not in "iu":
        raise ValueError(f"input_dtype must be {net.dtype} or an integer dtype, got {chosen}")
    return chosen


def operators(net: NetworkBase, dtype: np.dtype[Any], x: str) -> tuple[list[Any], list[Any], str]:
    """Return the nodes and constants that compute a(L) of x in numbers of `dtype`, and its name."""
    refuse_own(net._spec, "to_onnx", "state_dict() has the weights", loss=False)
    graph = _Graph(dtype)
    for layer in net.layers:
        x = graph.layer(layer, x, up_to_z=False)
    return graph.nodes, graph.constants, x


def _model(net: NetworkBase, logits: bool, input_dtype: np.dtype[Any]) -> Any:
    graph = _Graph(net.dtype)
    helper = onnx.helper
    element = helper.np_dtype_to_tensor_dtype(net.dtype)
    name, last = "X", len(net.layers)
    if input_dtype != net.dtype:
        scaled = net.input_scale != 1
        name = graph.node("Cast", name, name="" if scaled else "a0", to=element)
        if scaled:
            name = graph.node("Mul", name, graph.number(net.input_scale), name="a0")
    for layer in net.layers:
        name = graph.layer(layer, name, up_to_z=logits and layer.m == last)
    kind = helper.np_dtype_to_tensor_dtype(input_dtype)
    made = helper.make_graph(
        graph.nodes,
        "swiftbackprop",
        [helper.make_tensor_value_info("X", kind, ["N", net.sizes[0]])],
        [helper.make_tensor_value_info(name, element, ["N", net.sizes[-1]])],
        graph.constants,
    )
    return helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", graph.opset)],
        ir_version=_IR_VERSION,
        producer_name="swiftbackprop",
        producer_version=__version__,
    )


class _Graph:
    """The nodes and constants of a model on their way."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype
        self.opset = _OPSET
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def node(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add an operator; return the name of what it computes."""
        result = name or f"t{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(operator, list(inputs), [result], **attributes))
        return result

    def constant(self, name: str, array: FloatArray) -> str:
        dense = np.asarray(array, self.dtype, order="C")
        self.constants.append(onnx.numpy_helper.from_array(dense, name))
        return name

    def number(self, value: float) -> str:
        name = f"c{len(self.constants)}"
        return self.constant(name, np.array(value, self.dtype))

    def layer(self, layer: Layer, a: str, *, up_to_z: bool) -> str:
        """Add a layer; return the name of a(m), or of what its activation would be of."""
        m, norm = layer.m, layer.norm
        weights = self.constant(f"W{m}", layer.W)
        name = self.linear(a, f"z{m}", weights, f"b{m}", layer.b)
        if norm and not norm.after:
            name = self.norm(name, f"n{m}", layer, norm)
        if up_to_z:
            return name
        behind = norm is not None and norm.after
        name = self.activation(name, f"s{m}" if behind else f"a{m}", layer.activation)
        return self.norm(name, f"a{m}", layer, norm) if norm and behind else name

    def norm(self, x: str, name: str, layer: Layer, norm: Norm) -> str:
        """Add γ(x - μ)/√(v + ε) + β; μ and v of batch norm are the running ones."""
        letters = [letter for letter in vectors(norm) if letter != "b"]
        values = [self.constant(f"{each}{layer.m}", getattr(layer, each)) for each in letters]
        if isinstance(norm, BatchNorm):
            return self.node("BatchNormalization", x, *values, name=name, epsilon=norm.eps)
        self.opset = _OPSET_LAYER_NORM
        return self.node("LayerNormalization", x, *values, name=name, axis=1, epsilon=norm.eps)

    def linear(self, a: str, z: str, W: str, b: str, bias: FloatArray) -> str:
        """Add z = a Wᵀ + b: a [N, D(m-1)], W [D(m), D(m-1)], b [D(m)]."""
        return self.node("Gemm", a, W, self.constant(b, bias), name=z, transB=1)

    def activation(self, z: str, a: str, rule: Activation) -> str:
        """Add a = σ(z); identity adds nothing."""
        if rule.name not in _MAKERS:
            raise ValueError(f"ONNX has no form of {rule.name}, the activation that makes {a}")
        made = _MAKERS[rule.name](self, z, rule)
        if made != z:
            self.nodes[-1].output[0] = a
            made = a
        return made

    def scaled(self, x: str, factor: float) -> str:
        return self.node("Mul", x, self.number(factor))

    def parts(self, z: str) -> tuple[str, str]:
        """Add max(z, 0) and min(z, 0)."""
        zero = self.number(0)
        return self.node("Max", z, zero), self.node("Min", z, zero)


# Each adds σ(z), in an order in which its last node is the result.


def _leaky_relu(graph: _Graph, z: str, rule: Activation) -> str:
    above, below = graph.parts(z)
    return graph.node("Add", above, graph.scaled(below, rule.slope))


def _elu(graph: _Graph, z: str, rule: Activation) -> str:
    above, below = graph.parts(z)
    rest = graph.node("Sub", graph.node("Exp", below), graph.number(1))
    return graph.node("Add", above, graph.scaled(rest, rule.alpha))


def _softplus(graph: _Graph, z: str, rule: Activation) -> str:
    """max(z, 0) + ln(1 + e^-|z|)."""
    above, _ = graph.parts(z)
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    return graph.node("Add", above, graph.node("Log", graph.node("Add", small, graph.number(1))))


def _silu(graph: _Graph, z: str, rule: Activation) -> str:
    return graph.node("Mul", z, graph.node("Sigmoid", z))


def _gelu(graph: _Graph, z: str, rule: Activation) -> str:
    """½ z (1 + erf(z/√2)); erf in float32, for onnxruntime has no other."""
    kind = onnx.TensorProto
    x = graph.scaled(z, math.sqrt(0.5))
    if graph.dtype == np.float64:
        erf = graph.node("Erf", graph.node("Cast", x, to=kind.FLOAT))
        erf = graph.node("Cast", erf, to=kind.DOUBLE)
    else:
        erf = graph.node("Erf", x)
    return graph.node("Mul", graph.scaled(z, 0.5), graph.node("Add", erf, graph.number(1)))


def _gelu_tanh(graph: _Graph, z: str, rule: Activation) -> str:
    """½ z (1 + tanh(√(2/π) (z + 0.044715 z³)))."""
    cube = graph.node("Mul", z, graph.node("Mul", z, z))
    sum_ = graph.node("Add", z, graph.scaled(cube, 0.044715))
    tanh = graph.node("Tanh", graph.scaled(sum_, math.sqrt(2 / math.pi)))
    return graph.node("Mul", graph.scaled(z, 0.5), graph.node("Add", tanh, graph.number(1)))


_MAKERS: dict[str, Callable[[_Graph, str, Activation], str]] = {
    "identity": lambda graph, z, rule: z,
    "sigmoid": lambda graph, z, rule: graph.node("Sigmoid", z),
    "tanh": lambda graph, z, rule: graph.node("Tanh", z),
    "relu": lambda graph, z, rule: graph.node("Relu", z),
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": _silu,
    "softplus": _softplus,
    "exp": lambda graph, z, rule: graph.node("Exp", z),
    "softmax": lambda graph, z, rule: graph.node("Softmax", z, axis=1),
}
