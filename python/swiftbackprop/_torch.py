"""Modules of PyTorch: made from networks, and networks from them.

PyTorch is imported with this module, which nothing imports before it is needed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from swiftbackprop._arrays import FloatArray
from swiftbackprop._custom import CustomActivation
from swiftbackprop._functions import Activation

if TYPE_CHECKING:
    from swiftbackprop._inside import NetworkInside

__all__ = ["Exp", "Part", "read", "sequential"]

# As Any: the package is type-checked where PyTorch is not installed too.
try:
    torch: Any = import_module("torch")
except ImportError as error:
    raise ImportError("this needs PyTorch, which is not installed: pip install torch") from error
nn: Any = torch.nn

# From here on PyTorch's softplus is z itself; at 40 that is right to the last bit.
_THRESHOLD = 40
_READ_THRESHOLD = 20  # PyTorch's default: off by 2e-9 at most


class Exp(nn.Module):  # type: ignore[misc]
    """exp(z), which PyTorch has as a function alone."""

    def forward(self, z: Any) -> Any:
        """Return exp(z)."""
        return torch.exp(z)


# --- To PyTorch -----------------------------------------------------------------------------

_MAKERS: dict[str, Callable[[Activation], Any]] = {
    "sigmoid": lambda rule: nn.Sigmoid(),
    "tanh": lambda rule: nn.Tanh(),
    "relu": lambda rule: nn.ReLU(),
    "leaky_relu": lambda rule: nn.LeakyReLU(rule.slope),
    "elu": lambda rule: nn.ELU(rule.alpha),
    "gelu": lambda rule: nn.GELU(),
    "gelu_tanh": lambda rule: nn.GELU(approximate="tanh"),
    "silu": lambda rule: nn.SiLU(),
    "softplus": lambda rule: nn.Softplus(threshold=_THRESHOLD),
    "exp": lambda rule: Exp(),
    "softmax": lambda rule: nn.Softmax(dim=-1),
}


def sequential(net: "NetworkInside", logits: bool) -> Any:
    """Return a Sequential; `Network.to_torch` documents it."""
    modules: list[Any] = []
    for layer in net.layers:
        modules.append(_linear(layer.W, layer.b).requires_grad_(layer.trainable))
        if logits and layer.m == len(net.layers):
            break
        if layer.activation.name != "identity":
            modules.append(_module(layer.activation, layer.m))
        if layer.dropout:
            modules.append(nn.Dropout(layer.dropout))
    return nn.Sequential(*modules)


def _module(rule: Activation, m: int) -> Any:
    if isinstance(rule, CustomActivation) or rule.name not in _MAKERS:
        raise ValueError(
            f"PyTorch has no module for {rule.name}, the activation of layer {m}: write a "
            "Sequential with a module of your own, and load net.state_dict() into it"
        )
    return _MAKERS[rule.name](rule)


def _linear(W: FloatArray, b: FloatArray) -> Any:
    weight, bias = torch.from_numpy(W.copy(order="C")), torch.from_numpy(b.copy())
    # Without PyTorch's own initial weights, which would take of its random numbers.
    linear = nn.utils.skip_init(nn.Linear, W.shape[1], W.shape[0], dtype=weight.dtype)
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear


# --- From PyTorch ---------------------------------------------------------------------------


def _softplus(module: Any) -> Activation:
    if module.beta != 1 or module.threshold < _READ_THRESHOLD:
        raise ValueError(
            f"{module} is another function than softplus here: it needs beta=1 and a "
            f"threshold of at least {_READ_THRESHOLD}"
        )
    return Activation("softplus")


def _softmax(module: Any) -> Activation:
    if module.dim not in (1, -1):
        raise ValueError(f"{module} does not act on rows: it needs dim=-1")
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

_SPATIAL = "it drops whole channels of images; nn.Dropout drops units"
_ADVICE = {
    nn.Dropout1d: _SPATIAL,
    nn.Dropout2d: _SPATIAL,
    nn.Dropout3d: _SPATIAL,
    nn.AlphaDropout: "nn.Dropout, whose dropped units are 0, can be read",
    nn.BatchNorm1d: "fold its scale and shift into the Linear before it",
    nn.LogSoftmax: "take it out and give output='softmax', whose loss is cross_entropy",
    nn.Flatten: "take it out and pass rows: X.reshape(len(X), -1)",
    nn.LazyLinear: "call the module once, so that it knows its inputs",
}


@dataclass
class Part:
    """A layer as it is read: a Linear and what stands behind it."""

    pair: tuple[FloatArray, FloatArray]
    trainable: bool
    rule: Activation | None = None  # None: no module
    dropout: float = 0.0


def read(module: Any) -> list[Part]:
    """Return the layers of a module."""
    parts: list[Part] = []
    for where, part in _parts(module):
        kind = type(part)
        if kind is nn.Linear:
            parts.append(Part(_pair(where, part), _trainable(where, part)))
            continue
        if kind is nn.Identity or (kind is nn.Dropout and not part.p):
            continue
        rule = None if kind is nn.Dropout else _activation(where, part)
        if not parts:
            raise ValueError(
                f"{where} is {part} and stands before the first Linear: a network here begins "
                "with a Linear"
            )
        if rule is None:
            _add_dropout(parts[-1], where, part)
        else:
            _add_activation(parts[-1], where, rule)
    if not parts:
        raise ValueError("the module has no Linear")
    return parts


def _add_dropout(layer: Part, where: str, part: Any) -> None:
    p = float(part.p)
    if layer.dropout:
        both = 1 - (1 - p) * (1 - layer.dropout)
        raise ValueError(
            f"{where} is {part} behind another Dropout: one with p={both:.6g} does what both do"
        )
    if p >= 1:
        raise ValueError(f"{where} is {part} and drops everything; p is below 1")
    layer.dropout = p


def _add_activation(layer: Part, where: str, rule: Activation) -> None:
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


def _parts(module: Any, where: str = "module") -> Iterator[tuple[str, Any]]:
    """Yield the modules in a chain and how they are found."""
    if not isinstance(module, nn.Module):
        raise TypeError(f"{where} is a {type(module).__name__} and no torch.nn.Module")
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    if any(hooks):
        raise ValueError(f"{where} has hooks, which may do anything: remove them first")
    if type(module) is nn.Sequential:
        for name, part in module._modules.items():  # named_children drops what comes twice
            yield from _parts(part, f"{where}[{name}]" if name.isdigit() else f"{where}.{name}")
    else:
        yield where, module


def _activation(where: str, part: Any) -> Activation:
    kind = type(part)
    if kind not in _READERS:
        known = ", ".join(["Linear", "Dropout", *(each.__name__ for each in _READERS)])
        advice = _ADVICE.get(kind, f"a chain of {known} can be read")
        raise ValueError(
            f"{where} is a {kind.__name__}, which a network here does not have: {advice}"
        )
    return _READERS[kind](part)


def _pair(where: str, linear: Any) -> tuple[FloatArray, FloatArray]:
    """Return W and b of a Linear as copies; b is 0 where it has none."""
    arrays: list[FloatArray] = []
    for tensor in (linear.weight, linear.bias):
        if tensor is None:
            arrays.append(np.zeros(len(arrays[0]), arrays[0].dtype))
            continue
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
        arrays.append(tensor.detach().numpy().copy())
    return arrays[0], arrays[1]


def _trainable(where: str, linear: Any) -> bool:
    """Return whether a Linear is trained: it as a whole, or not at all."""
    wanted = {tensor.requires_grad for tensor in (linear.weight, linear.bias) if tensor is not None}
    if len(wanted) > 1:
        raise ValueError(
            f"weight and bias of {where} differ in requires_grad; a layer here is frozen as a "
            "whole, or not: write requires_grad_(False) of the module"
        )
    return wanted == {True}
