"""A network whose gradients are out of reach while somebody computes them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase

_GRADIENTS = {
    core.GRADIENTS: "gradients",
    core.GRAD_W: "grad_W",
    core.GRAD_B: "grad_b",
    core.GRAD_Z: "grad_z",
    core.GRAD_A: "grad_a",
    core.GRAD_GAMMA: "grad_gamma",
    core.GRAD_BETA: "grad_beta",
}
_ACTIVATIONS = {core.Z: "z", core.A: "a", core.U: "u"}


def _refuse(what: str) -> NoReturn:
    raise RuntimeError(
        f"student_fn asked the network for {what}, and here the gradients are yours to compute: "
        "from layer.W, layer.z, layer.a and layer.activation of net.layers, and net.loss"
    )


def _refuse_pass(what: str) -> NoReturn:
    raise RuntimeError(
        f"the network was asked for {what}, and here the forward pass is yours to compute: from "
        "layer.W, layer.b and layer.activation of net.layers"
    )


def _check_view(what: int, m: int, *, forward: bool) -> None:
    """Refuse gradients, and in the `forward` of a student z and a too."""
    if what in _GRADIENTS:
        _refuse(_GRADIENTS[what])
    if forward and what in _ACTIVATIONS and m:
        _refuse_pass(_ACTIVATIONS[what])


def _refusing(refuse: Callable[[str], NoReturn], what: str) -> Any:
    """Return a method that refuses."""

    def method(net: NetworkBase, *arguments: Any, **keywords: Any) -> NoReturn:
        refuse(what)

    return method


class _Exercise(NetworkBase):
    """Refuses what gives gradients away; everything else works as ever."""

    backward = _refusing(_refuse, "backward")
    step = _refusing(_refuse, "step")
    _fit = _refusing(_refuse, "fit")
    _jacobian = _refusing(_refuse, "jacobian")
    _input_gradient = _refusing(_refuse, "input_gradient")
    _gradient_norms = _refusing(_refuse, "gradient_norms")
    _hvp = _refusing(_refuse, "hvp")

    def _view(self, what: int, m: int) -> FloatArray:
        _check_view(what, m, forward=False)
        return super()._view(what, m)


class _Untouched(_Exercise):
    """Refuses what gives z and a away too."""

    forward = _refusing(_refuse_pass, "forward")
    predict = _refusing(_refuse_pass, "predict")
    _evaluate = _refusing(_refuse_pass, "evaluate")


def allow_everywhere() -> None:
    """Take back what `refuse_everywhere` did."""
    for name in vars(_Exercise).keys() | vars(_Untouched).keys():
        if not name.startswith("__") and name in vars(NetworkBase):
            delattr(NetworkBase, name)


def refuse_everywhere(*, forward: bool) -> None:
    """Refuse gradients of every network, and z and a in the `forward` of a student.

    In a process that ends afterwards.
    """
    refused = _Untouched if forward else _Exercise

    def view(net: NetworkBase, what: int, m: int) -> FloatArray:
        _check_view(what, m, forward=forward)
        return core.Net._view(net, what, m)

    allow_everywhere()
    for source in refused.__mro__[: refused.__mro__.index(NetworkBase)]:
        for name, value in vars(source).items():
            if callable(value) and not name.startswith("__"):
                setattr(NetworkBase, name, view if name == "_view" else value)


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
