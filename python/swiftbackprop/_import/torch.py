"""Modules of PyTorch, read layer by layer."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swiftbackprop._export.torch import Exp, nn, torch
from swiftbackprop._import.torch_chain import parts_of
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside
from swiftbackprop._net.normalization import BatchNorm, LayerNorm, Norm
from swiftbackprop._net.rules import Activation

_THRESHOLD = 20  # of Softplus, PyTorch's default: off by 2e-9 at most


def _softplus(module: Any) -> Activation:
    if module.beta != 1 or module.threshold < _THRESHOLD:
        raise ValueError(
            "it is another function than softplus here, which has beta=1 and a threshold of at "
            f"least {_THRESHOLD}"
        )
    return Activation("softplus")


def _softmax(module: Any) -> Activation:
    if module.dim not in (1, -1):
        raise ValueError("it does not act on rows: it needs dim=-1")
    return Activation("softmax")


_READERS: dict[Any, Callable[[Any], Activation]] = {
    nn.Sigmoid: lambda module: Activation("sigmoid"),
    nn.Tanh: lambda module: Activation("tanh"),
    nn.ReLU: lambda module: Activation("relu"),
    nn.LeakyReLU: lambda module: Activation("leaky_relu", slope=module.negative_slope),
    nn.ELU: lambda module: Activation("elu", alpha=module.alpha),
    nn.GELU: lambda module: Activation("gelu" if module.approximate == "none" else "gelu_tanh"),
    nn.SiLU: lambda module: Activation("silu"),
    nn.Softplus: _softplus,
    nn.Softmax: _softmax,
    Exp: lambda module: Activation("exp"),
}

_LAYERS = {nn.Linear, nn.Identity, nn.Flatten, nn.Dropout, nn.BatchNorm1d, nn.LayerNorm}
_READ: set[Any] = {*_LAYERS, *_READERS}

_SPATIAL = "it drops whole channels of images; nn.Dropout drops units"
_ADVICE = {
    nn.Dropout1d: _SPATIAL,
    nn.Dropout2d: _SPATIAL,
    nn.Dropout3d: _SPATIAL,
    nn.AlphaDropout: "nn.Dropout, whose dropped units are 0, can be read",
    nn.BatchNorm2d: "it normalises images; nn.BatchNorm1d can be read",
    nn.LogSoftmax: "take it out and give output='softmax', whose loss is cross_entropy",
}


@dataclass
class TorchLayer:
    """A layer as it is read: a Linear and what stands behind it."""

    pair: tuple[FloatArray, FloatArray]
    trainable: bool
    rule: Activation | None = None  # None: no module
    norm: Norm | None = None
    vectors: dict[str, FloatArray] = field(default_factory=dict)  # of the norm, by their names
    dropout: float = 0.0


def read(module: Any) -> list[TorchLayer]:
    """Return the layers of a module."""
    parts: list[TorchLayer] = []
    tied: dict[int, str] = {}
    for where, part in parts_of(module, _READ):
        kind = type(part)
        if kind is nn.Linear:
            other = tied.setdefault(id(part.weight), where)
            if other != where:
                warnings.warn(
                    f"{where} has the weights of {other}: layers here have weights of their own, "
                    "which will differ after training",
                    stacklevel=outside(),
                )
            parts.append(TorchLayer(_pair(where, part), _trainable(where, part)))
            continue
        if kind is nn.Identity or (kind is nn.Dropout and not part.p) or _is_of_rows(where, part):
            continue
        rule = None if kind is nn.Dropout or kind in _NORMS else _activation(where, part)
        if not parts:
            raise ValueError(
                f"{where} is {part} and stands before the first Linear: a network here begins "
                "with a Linear"
            )
        if rule is not None:
            _add_activation(parts[-1], where, rule)
        elif kind in _NORMS:
            _add_norm(parts[-1], where, part)
        else:
            _add_dropout(parts[-1], where, part)
    if not parts:
        raise ValueError("the module has no Linear")
    return parts


def _is_of_rows(where: str, part: Any) -> bool:
    """Return whether a module flattens the numbers of each example, which are rows here."""
    if type(part) is nn.Flatten and (part.start_dim, part.end_dim) != (1, -1):
        raise ValueError(f"{where} is {part}: only nn.Flatten(), which leaves rows, can be read")
    return type(part) is nn.Flatten


def _add_dropout(layer: TorchLayer, where: str, part: Any) -> None:
    p = float(part.p)
    if layer.dropout:
        both = 1 - (1 - p) * (1 - layer.dropout)
        raise ValueError(
            f"{where} is {part} behind another Dropout: one with p={both:.6g} does what both do"
        )
    if p >= 1:
        raise ValueError(f"{where} is {part} and drops everything; p is below 1")
    layer.dropout = p


def _add_activation(layer: TorchLayer, where: str, rule: Activation) -> None:
    if layer.dropout:
        raise ValueError(
            f"{where} is {rule.name} behind a Dropout; a layer drops its units behind its "
            "activation: put it before the Dropout"
        )
    if layer.rule is not None:
        raise ValueError(
            f"{where} is {rule.name} behind another activation; a layer has one, behind its Linear"
        )
    layer.rule = rule


def _add_norm(layer: TorchLayer, where: str, part: Any) -> None:
    if layer.dropout or layer.norm is not None:
        before = "another normalisation" if layer.norm is not None else "a Dropout"
        raise ValueError(
            f"{where} is {part} behind {before}; a layer has one normalisation, before or behind "
            "its activation, and its Dropout comes last"
        )
    layer.norm, layer.vectors = _NORMS[type(part)](layer, where, part)
    trained = [t for t in (part.weight, part.bias) if t is not None]
    if any(tensor.requires_grad != layer.trainable for tensor in trained):
        raise ValueError(
            f"{where} and the Linear before it differ in requires_grad; a layer here is frozen as "
            "a whole, or not"
        )


def _batch_norm(layer: TorchLayer, where: str, part: Any) -> tuple[Norm, dict[str, FloatArray]]:
    if part.running_mean is None:
        raise ValueError(
            f"{where} is {part}, which normalises with the batch in evaluation too; a network here "
            "then has running statistics: track_running_stats=True"
        )
    if part.momentum is None:
        raise ValueError(
            f"{where} is {part}, whose running statistics are means of all batches; give it a "
            "momentum, such as 0.1"
        )
    vectors = _vectors(layer, where, part, ("running_mean", "running_var"))
    return _made(where, BatchNorm, layer, part, momentum=part.momentum), vectors


def _layer_norm(layer: TorchLayer, where: str, part: Any) -> tuple[Norm, dict[str, FloatArray]]:
    if len(part.normalized_shape) != 1:
        raise ValueError(f"{where} is {part}; a layer here is normalised over its units alone")
    return _made(where, LayerNorm, layer, part), _vectors(layer, where, part)


def _made(where: str, kind: Any, layer: TorchLayer, part: Any, **options: float) -> Norm:
    try:
        norm: Norm = kind(eps=part.eps, after=layer.rule is not None, **options)
    except ValueError as error:
        raise ValueError(f"{where} is {part}: {error}") from None
    return norm


def _vectors(
    layer: TorchLayer, where: str, part: Any, more: tuple[str, ...] = ()
) -> dict[str, FloatArray]:
    """Return gamma and beta, 1 and 0 where the module has none, and its buffers."""
    units = len(layer.pair[1])
    names = {"gamma": "weight", "beta": "bias", **{name: name for name in more}}
    vectors = {}
    for letter, name in names.items():
        tensor = getattr(part, name)
        usual = np.full(units, float(letter == "gamma"), layer.pair[0].dtype)
        vector = vectors[letter] = usual if tensor is None else _array(where, tensor)
        if vector.shape != (units,):
            raise ValueError(
                f"{where} is {part}, and the layer before it has {units} units: the {name} has "
                f"shape {vector.shape}"
            )
    return vectors


_NORMS: dict[Any, Callable[[TorchLayer, str, Any], tuple[Norm, dict[str, FloatArray]]]] = {
    nn.BatchNorm1d: _batch_norm,
    nn.LayerNorm: _layer_norm,
}


def _activation(where: str, part: Any) -> Activation:
    kind = type(part)
    if kind not in _READERS:
        known = ", ".join(["Linear", "Dropout", *(each.__name__ for each in (*_NORMS, *_READERS))])
        advice = _ADVICE.get(kind, f"a chain of {known} can be read")
        raise ValueError(
            f"{where} is {kind.__name__}, which a network here does not have: {advice}"
        )
    try:
        return _READERS[kind](part)
    except ValueError as error:
        raise ValueError(f"{where} is {part}: {error}") from None


def _pair(where: str, linear: Any) -> tuple[FloatArray, FloatArray]:
    """Return W and b of a Linear as copies; b is 0 where it has none."""
    arrays: list[FloatArray] = []
    for tensor in (linear.weight, linear.bias):
        if tensor is None:
            arrays.append(np.zeros(len(arrays[0]), arrays[0].dtype))
        else:
            arrays.append(_array(where, tensor))
    return arrays[0], arrays[1]


def _array(where: str, tensor: Any) -> FloatArray:
    """Return a copy of a tensor on the CPU, of float32 or float64."""
    if tensor.device.type != "cpu":
        raise ValueError(
            f"{where} lies on the device {tensor.device}: move the module to the CPU with "
            "module.cpu() first"
        )
    if tensor.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"{where} is of type {tensor.dtype}; networks here are float32 or float64: "
            "module.float() converts it"
        )
    array: FloatArray = tensor.detach().numpy().copy()
    return array


def _trainable(where: str, linear: Any) -> bool:
    """Return whether a Linear is trained: it as a whole, or not at all."""
    wanted = {tensor.requires_grad for tensor in (linear.weight, linear.bias) if tensor is not None}
    if len(wanted) > 1:
        raise ValueError(
            f"weight and bias of {where} differ in requires_grad; a layer here is frozen as a "
            "whole, or not: write requires_grad_(False) of the module"
        )
    return wanted == {True}
