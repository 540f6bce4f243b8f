"""A network whose gradients are out of reach while somebody computes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase

__all__ = ["without_gradients"]

_GRADIENTS = {
    core.GRADIENTS: "gradients",
    core.GRAD_W: "grad_W",
    core.GRAD_B: "grad_b",
    core.GRAD_Z: "grad_z",
    core.GRAD_A: "grad_a",
    core.GRAD_GAMMA: "grad_gamma",
    core.GRAD_BETA: "grad_beta",
}


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(
        f"student_fn asked the network for {what}, and here the gradients are yours to compute: "
        "from layer.W, layer.z, layer.a and layer.activation of net.layers, and net.loss"
    )


class _Exercise(NetworkBase):
    """Refuses what gives gradients away; everything else works as ever."""

    def backward(self, *arguments: Any, **keywords: Any) -> NoReturn:
        _refuse("backward")

    def step(self) -> NoReturn:
        _refuse("step")

    def _fit(self, *arguments: Any) -> NoReturn:
        _refuse("fit")

    def _jacobian(self, *arguments: Any) -> NoReturn:
        _refuse("jacobian")

    def _input_gradient(self, *arguments: Any) -> NoReturn:
        _refuse("input_gradient")

    def _gradient_norms(self, *arguments: Any) -> NoReturn:
        _refuse("gradient_norms")

    def _hvp(self, *arguments: Any) -> NoReturn:
        _refuse("hvp")

    def _view(self, what: int, m: int) -> FloatArray:
        if what in _GRADIENTS:
            _refuse(_GRADIENTS[what])
        return super()._view(what, m)


@contextmanager
def without_gradients(*networks: NetworkBase) -> Iterator[None]:
    """Refuse gradients of these networks, and of copies that are made of them, for a while."""
    kinds = [type(net) for net in networks]
    for net, kind in zip(networks, kinds, strict=True):
        namespace = {"__slots__": (), "__module__": kind.__module__, "__doc__": kind.__doc__}
        net.__class__ = type(kind.__name__, (_Exercise, kind), namespace)
    try:
        yield
    finally:
        for net, kind in zip(networks, kinds, strict=True):
            net.__class__ = kind
