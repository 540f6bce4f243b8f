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

__all__ = [
    "NetworkState",
    "OptimizerState",
    "live_spec",
    "options",
    "parameters_and_buffers",
    "set_options",
    "vectors",
    "write_parameters_and_buffers",
]

# Options of the engine that no spec holds, by their names in files.
_OPTIONS = {
    "shares_penalties": core.OPTION_PENALTY_PER_SAMPLE,
    "max_norm": core.OPTION_MAX_NORM,
    "input_scale": core.OPTION_INPUT_SCALE,
}
# Those that files have only where they are not 0, as earlier versions know nothing of them.
_LATER_OPTIONS = {"precision": core.OPTION_PRECISION}
# What the engine takes as it is, and a file may have wrong.
_SWITCHES = ("shares_penalties", "trainable")
# Those that every layer m has, ``"dropout.m"``, and what they are by themselves.
_LAYER_OPTIONS = {"dropout": (core.OPTION_DROPOUT, 0.0), "trainable": (core.OPTION_TRAINABLE, 1.0)}


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


def options(net: NetworkBase) -> dict[str, float]:
    """Return the options of a network that its spec does not hold."""
    values = {name: net._option(number) for name, number in _OPTIONS.items()}
    for name, number in _LATER_OPTIONS.items():
        if value := net._option(number):
            values[name] = value
    for name, (number, usual) in _LAYER_OPTIONS.items():
        for m in range(1, len(net.sizes)):
            value = net._option(number + m)
            if value != usual:
                values[f"{name}.{m}"] = value
    return values


def set_options(net: NetworkBase, values: Mapping[str, float]) -> None:
    """Set what `options` returned; what it left out is as usual.

    Raises
    ------
    ValueError
        If there is no such option, or not of this value.
    """
    for name, (number, usual) in _LAYER_OPTIONS.items():
        for m in range(1, len(net.sizes)):
            if f"{name}.{m}" not in values and net._option(number + m) != usual:
                net._set_option(number + m, usual)
    for name, number in _LATER_OPTIONS.items():
        net._set_option(number, values.get(name, 0.0))
    for name, value in values.items():
        kind, _, place = name.partition(".")
        m = int(place) if place.isascii() and place.isdecimal() and len(place) < 10 else 0
        if kind in _SWITCHES and value not in (0, 1):
            raise ValueError(f"{name} must be 0 or 1, got {value}")
        if kind == "input_scale":
            as_input_scale(value)
        if kind in _LAYER_OPTIONS and 1 <= m < len(net.sizes):
            net._set_option(_LAYER_OPTIONS[kind][0] + m, value)
        elif name in _OPTIONS:
            net._set_option(_OPTIONS[name], value)
        elif name not in _LATER_OPTIONS:
            raise ValueError(unknown("option", name, [*_OPTIONS, *_LATER_OPTIONS]))


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
