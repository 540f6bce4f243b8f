"""Networks as modules of PyTorch.

PyTorch is imported with this module, which nothing imports before it is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.normalization import BatchNorm, Norm
from swiftbackprop._net.optional import optional
from swiftbackprop._net.rules import Activation

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase
    from swiftbackprop._net.layer import Layer


torch = optional("torch", "this needs PyTorch, which is not installed: pip install torch")
nn: Any = torch.nn

# From here on PyTorch's softplus is z itself; at 40 that is right to the last bit.
_THRESHOLD = 40


class Exp(nn.Module):  # type: ignore[misc]
    """exp(z), which PyTorch has as a function alone."""

    def forward(self, z: Any) -> Any:
        """Return exp(z)."""
        return torch.exp(z)


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


def sequential(net: NetworkBase, logits: bool) -> Any:
    """Return a Sequential; `Network.to_torch` documents it."""
    modules: list[Any] = []
    for layer in net.layers:
        norm = [_norm(layer, layer.norm, net.step_count)] if layer.norm else []
        after = layer.norm is not None and layer.norm.after
        own = [_linear(layer.W, layer.b), *([] if after else norm)]
        if not (logits and layer.m == len(net.layers)):
            if layer.activation.name != "identity":
                own.append(_module(layer.activation, layer.m))
            own += norm if after else []
            own += [nn.Dropout(layer.dropout)] if layer.dropout else []
        modules += [module.requires_grad_(layer.trainable) for module in own]
    return nn.Sequential(*modules)


def _module(rule: Activation, m: int) -> Any:
    if rule.name not in _MAKERS:
        raise ValueError(f"PyTorch has no module for {rule.name}, the activation of layer {m}")
    return _MAKERS[rule.name](rule)


def _linear(W: FloatArray, b: FloatArray) -> Any:
    weight, bias = torch.from_numpy(W.copy(order="C")), torch.from_numpy(b.copy())
    # Without PyTorch's own initial weights, which would take of its random numbers.
    linear = nn.utils.skip_init(nn.Linear, W.shape[1], W.shape[0], dtype=weight.dtype)
    linear.weight, linear.bias = nn.Parameter(weight), nn.Parameter(bias)
    return linear


def _norm(layer: Layer, norm: Norm, steps: int) -> Any:
    dtype = torch.from_numpy(layer.gamma).dtype
    if isinstance(norm, BatchNorm):
        made = nn.BatchNorm1d(len(layer.b), norm.eps, norm.momentum, dtype=dtype)
        made.running_mean = torch.from_numpy(layer.running_mean.copy())
        made.running_var = torch.from_numpy(layer.running_var.copy())
        made.num_batches_tracked = torch.tensor(steps)
    else:
        made = nn.LayerNorm(len(layer.b), norm.eps, dtype=dtype)
    made.weight = nn.Parameter(torch.from_numpy(layer.gamma.copy()))
    made.bias = nn.Parameter(torch.from_numpy(layer.beta.copy()))
    return made
