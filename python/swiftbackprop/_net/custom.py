"""Activations and losses of one's own, as pairs of functions on NumPy arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray, as_floats
from swiftbackprop._net.checks import got
from swiftbackprop._net.rule import Rule, RuleInfo, find
from swiftbackprop._net.rules import Activation, Loss

if TYPE_CHECKING:
    from swiftbackprop._net.spec import NetworkSpec


_WORDS = ("", "the derivative of ", "the second derivative of ")


class _OwnFunctions(Rule):
    """What the kinds below have in common; each is equal to itself alone."""

    __slots__ = ()
    _functions: tuple[Callable[..., Any] | None, ...]

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __getstate__(self) -> dict[str, Any]:
        return {"info": self._info, "functions": self._functions}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._fill(state["info"], state["functions"])

    def _fill(self, info: RuleInfo, functions: tuple[Callable[..., Any] | None, ...]) -> None:
        for name, value in (("_info", info), ("_values", ()), ("_functions", functions)):
            object.__setattr__(self, name, value)

    def _called(
        self,
        order: int,
        arguments: tuple[FloatArray, ...],
        shape: tuple[int, ...],
    ) -> FloatArray:
        """Return what a function gives, if it is an array of the right shape."""
        function = self._functions[order]
        if function is None:
            raise ValueError(
                f"{self.name} was made without a second derivative: give it to "
                f"sb.{type(self).__name__} as the third function"
            )
        array = np.asarray(function(*arguments))
        if array.shape != shape or array.dtype.kind not in "biuf":
            per_row = " (a number for every row)" if len(shape) < len(arguments[0].shape) else ""
            raise ValueError(
                f"{_WORDS[order]}{self.name} returned an array of shape {array.shape} and dtype "
                f"{array.dtype} for one of shape {arguments[0].shape}; expected numbers of shape "
                f"{shape}{per_row}"
            )
        with np.errstate(over="ignore"):
            return array.astype(arguments[0].dtype, copy=False)


class CustomActivation(_OwnFunctions, Activation):
    """An activation function of one's own: σ and σ′, number by number.

    The engine stops at such a layer in every pass and asks for the numbers of all rows of the
    batch, which takes longer than a function of its own.

    Parameters
    ----------
    function : callable
        ``f(z)`` returns σ(z), an array of the shape of z, which is memory of the engine: it can
        be read, and only during the call.
    derivative : callable
        ``df(z)`` returns σ′(z), of the same shape.
    second_derivative : callable, optional
        σ″(z), which `Network.hvp` asks for.
    name : str, optional
        By default that of the function.
    partner : str, default "glorot_uniform"
        The initializer that its layers take by default.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> sine = sb.CustomActivation(np.sin, np.cos)
    >>> net = sb.Network([1, 20, 1], activation=sine, seed=0, optimizer=sb.Adam(0.02))
    >>> X = np.linspace(-3, 3, 64)[:, None]
    >>> history = net.fit(X, np.sin(2 * X), epochs=200, progress=False)
    >>> history["loss"][-1] < 0.1 * history["loss"][0]
    True
    """

    __slots__ = ("_functions",)

    def __init__(
        self,
        function: Callable[[Any], Any],
        derivative: Callable[[Any], Any],
        second_derivative: Callable[[Any], Any] | None = None,
        *,
        name: str | None = None,
        partner: str = "glorot_uniform",
    ) -> None:
        functions = (function, derivative, second_derivative)
        info = _describe("activation", functions, name, partner, 0)
        self._fill(info, functions)

    def _apply(self, order: int, z: npt.ArrayLike) -> FloatArray:
        (x,) = as_floats(z=z)
        return self._called(order, (x,), x.shape)[()]

    def _answer(self, order: int, x: FloatArray, t: None, out: FloatArray) -> None:
        _write(self._called(order, (x,), out.shape), out)

    def _as_engine_rule(self) -> tuple[str, tuple[float, ...]]:
        return core.EXTERNAL, ()


class CustomLoss(_OwnFunctions, Loss):
    """A loss of one's own: the cost of every example and its gradient by the outputs.

    Weights of rows and the mean over the batch are the engine's, which asks for the numbers of
    all rows in every pass; that takes longer than a loss of its own.

    Parameters
    ----------
    function : callable
        ``f(a, t)`` returns Cₙ for every row of a and t, both (N, D(L)): an array of shape (N,).
        a and t are memory of the engine: they can be read, and only during the call.
    derivative : callable
        ``df(a, t)`` returns the derivatives of Cₙ by a, (N, D(L)).
    name : str, optional
        By default that of the function.
    output : str, default "identity"
        The output activation that networks take by default.
    classes : bool, default False
        Whether accuracy is its metric.

    Examples
    --------
    >>> import numpy as np, swiftbackprop as sb
    >>> def quartic(a, t):
    ...     return np.sum((a - t) ** 4, axis=1)
    >>> def d_quartic(a, t):
    ...     return 4 * (a - t) ** 3
    >>> net = sb.Network([2, 1], loss=sb.CustomLoss(quartic, d_quartic), seed=0)
    >>> net.loss
    CustomLoss('quartic')
    >>> round(net.evaluate(np.zeros((3, 2)), np.full(3, 2.0))["loss"], 3)
    16.0
    """

    __slots__ = ("_functions",)

    def __init__(
        self,
        function: Callable[[Any, Any], Any],
        derivative: Callable[[Any, Any], Any],
        *,
        name: str | None = None,
        output: str = "identity",
        classes: bool = False,
    ) -> None:
        functions = (function, derivative)
        flags = core.RULE_CLASSES if classes else 0
        self._fill(_describe("loss", functions, name, output, flags), functions)

    def _apply(self, order: int, a: npt.ArrayLike, t: npt.ArrayLike) -> FloatArray:
        if order > 1:
            raise ValueError(f"{self.name} has no second derivative")
        x, target = np.broadcast_arrays(*(np.atleast_2d(v) for v in as_floats(a=a, t=t)))
        return self._called(order, (x, target), x.shape if order else x.shape[:1])

    def _answer(self, order: int, x: FloatArray, t: FloatArray, out: FloatArray) -> None:
        _write(self._called(order, (x, t), out.shape), out)

    def _as_engine_rule(self) -> tuple[str, tuple[float, ...]]:
        return core.EXTERNAL, (float(bool(self.flags & core.RULE_CLASSES)),)


def _describe(
    kind: str,
    functions: Sequence[Callable[..., Any] | None],
    name: str | None,
    partner: str,
    flags: int,
) -> RuleInfo:
    find(
        core.ACTIVATION if kind == "loss" else core.INITIALIZER, partner
    )  # raises with the list of valid names
    names = ("function", "derivative", "second_derivative")
    for what, function in zip(names, functions, strict=False):
        if not callable(function) and (function is not None or what != "second_derivative"):
            raise TypeError(f"{what} of a custom {kind} must be a function, got {got(function)}")
    if name is not None and not isinstance(name, str):
        raise TypeError(f"name must be a str, got {got(name)}")
    called = name or str(getattr(functions[0], "__name__", f"custom_{kind}"))
    partners = (partner, "") if kind == "loss" else ("", partner)
    return RuleInfo(called, called, "a function of one's own", *partners, flags, {})


def _write(array: FloatArray, out: FloatArray) -> None:
    """Write a result where the engine wants it."""
    with np.errstate(over="ignore"):
        out[...] = array


def is_custom(spec: NetworkSpec) -> bool:
    """Return whether functions of one's own are among the rules of a network."""
    rules = (*spec.activations, spec.loss)
    return any(isinstance(rule, _OwnFunctions) for rule in rules)


def own_functions(spec: NetworkSpec, *, loss: bool = True) -> str:
    """Name the functions of one's own, and where they are; without `loss` those of layers."""
    names = [
        f"{rule.name} (layer {m})"
        for m, rule in enumerate(spec.activations, 1)
        if isinstance(rule, CustomActivation)
    ]
    if loss and isinstance(spec.loss, CustomLoss):
        names.append(f"{spec.loss.name} (loss)")
    return ", ".join(names)


def refuse_own(spec: NetworkSpec, what: str, instead: str, *, loss: bool = True) -> None:
    """Refuse what functions of one's own have no part in; a loss only if `loss`."""
    own = own_functions(spec, loss=loss)
    if own:
        raise NotImplementedError(
            f"{what} is for the engine's own functions, and this network has some of yours: "
            f"{own}; {instead}"
        )
