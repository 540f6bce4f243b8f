"""A network as data: its spec as it is now, its numbers, and both together again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.names import unknown
from swiftbackprop._net.normalization import BatchNorm, Norm
from swiftbackprop._net.spec import NetworkSpec, as_input_scale

# Options of the engine that no spec holds, by their names in files: their codes and defaults. Files
# leave defaults out, so an earlier version reads a file that uses none of the later options.
_OPTIONS = {
    "shares_penalties": (core.OPTION_PENALTY_PER_SAMPLE, 0.0),
    "max_norm": (core.OPTION_MAX_NORM, 0.0),
    "input_scale": (core.OPTION_INPUT_SCALE, 1.0),
    "precision": (core.OPTION_PRECISION, 0.0),
}
# Those that every layer m has, ``"dropout.m"``.
_LAYER_OPTIONS = {"dropout": (core.OPTION_DROPOUT, 0.0), "trainable": (core.OPTION_TRAINABLE, 1.0)}
# What the engine takes as it is, and a file may have wrong.
_SWITCHES = ("shares_penalties", "trainable")


def vectors(norm: Norm | None) -> tuple[str, ...]:
    """Return what a layer has of shape (D(m),): its parameters, then the running statistics."""
    if norm is None:
        return ("b",)
    running = ("running_mean", "running_var") if isinstance(norm, BatchNorm) else ()
    return ("b", "gamma", "beta", *running)


def parameters_and_buffers(net: NetworkBase) -> list[FloatArray]:
    """Return live views of all parameters, in one, and of batch norm's running statistics."""
    views = [net.parameters]
    for layer in net.layers:
        if isinstance(layer.norm, BatchNorm):
            views += [layer.running_mean, layer.running_var]
    return views


def write_parameters_and_buffers(net: NetworkBase, arrays: Iterable[FloatArray]) -> None:
    """Give a network the parameters and buffers of one with the same layers, in any dtype."""
    for own, other in zip(parameters_and_buffers(net), arrays, strict=True):
        own[...] = other


def _codes_and_defaults(net: NetworkBase) -> dict[str, tuple[int, float]]:
    """Return the code and the default of every option of a network."""
    return _OPTIONS | {
        f"{name}.{m}": (code + m, default)
        for name, (code, default) in _LAYER_OPTIONS.items()
        for m in range(1, len(net.sizes))
    }


def options(net: NetworkBase) -> dict[str, float]:
    """Return the options of a network that its spec does not hold, without those at defaults."""
    found = {}
    for name, (code, default) in _codes_and_defaults(net).items():
        value = net._option(code)
        if value != default:
            found[name] = value
    return found


def set_options(net: NetworkBase, values: Mapping[str, float]) -> None:
    """Set what `options` returned; what it left out gets its default."""
    known = _codes_and_defaults(net)
    for name, value in values.items():
        if name not in known:
            raise ValueError(unknown("option", name, known))
        if name.partition(".")[0] in _SWITCHES and value not in (0, 1):
            raise ValueError(f"{name} must be 0 or 1, got {value}")
        if name == "input_scale":
            as_input_scale(value)
    for name, (code, default) in known.items():
        value = values.get(name, default)
        if net._option(code) != value:
            net._set_option(code, value)


@dataclass(frozen=True)
class OptimizerState:
    """The optimizer's memory: its arrays, each of shape (P,), and the updates made."""

    slots: tuple[FloatArray, ...]
    steps: int

    @classmethod
    def of(cls, net: NetworkBase) -> OptimizerState:
        """Return that of a network, with views of its arrays."""
        return cls(net.optimizer.state, net.step_count)

    def write(self, net: NetworkBase) -> None:
        """Give it to a network of the same sizes and optimizer."""
        for own, slot in zip(net.optimizer.state, self.slots, strict=True):
            own[...] = slot
        net._set_option(core.OPTION_STEPS, float(self.steps))


@dataclass(frozen=True)
class NetworkState:
    """Everything that a network has learnt and would do next."""

    parameters: FloatArray
    running: list[FloatArray]
    gradients: FloatArray | None
    optimizer: OptimizerState
    generator: tuple[int, int, int, int]
    options: dict[str, float]

    @classmethod
    def of(cls, net: NetworkBase) -> NetworkState:
        """Return those of a network; the arrays are views."""
        gradients = net.gradients
        parameters, *running = parameters_and_buffers(net)
        return cls(
            parameters,
            running,
            gradients if np.any(gradients) else None,
            OptimizerState.of(net),
            net._generator(),
            options(net),
        )

    def write(self, net: NetworkBase) -> None:
        """Give them to a network of the same sizes and optimizer."""
        write_parameters_and_buffers(net, [self.parameters, *self.running])
        if self.gradients is not None:
            net.gradients[...] = self.gradients
        self.optimizer.write(net)
        net._set_generator(self.generator)
        set_options(net, self.options)


def live_spec(net: NetworkBase) -> NetworkSpec:
    """Return what a network is made of, with the options that it has now."""
    return replace(
        net._spec,
        optimizer=net.optimizer.recipe,
        l1=net.l1,
        l2=net.l2,
        clip_norm=net.clip_norm or 0.0,
    )
