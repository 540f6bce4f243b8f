"""Optimizers: recipes made from the engine's list, and the live one of a network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from inspect import Parameter, Signature
from typing import Any, ClassVar

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.checks import as_number, got
from swiftbackprop._net.names import unknown
from swiftbackprop._net.rule import Rule, RuleInfo, find, known, smallest_net


class Optimizer(Rule):
    """A recipe for the update of the parameters; the state lives in the network.

    Every optimizer of the engine is a subclass: ``sb.SGD``, ``sb.Adam`` and so on, with
    the engine's parameters and defaults. One recipe may serve many networks.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> recipe = sb.Momentum(0.1)
    >>> recipe
    Momentum(lr=0.1, momentum=0.9)
    >>> recipe.lr
    0.1
    >>> recipe == sb.Momentum(lr=0.1)
    True
    """

    __slots__ = ()
    _kind = core.OPTIMIZER
    _class_info: ClassVar[RuleInfo | None] = None

    def __init__(self, *values: float, **parameters: float) -> None:
        info = self._class_info
        if info is None:
            raise TypeError(
                "Optimizer is the base class of the optimizers; make one of "
                f"{', '.join(optimizer_classes())}"
            )
        names = list(info.parameters)
        if len(values) > len(names):
            raise TypeError(
                f"{info.title}() takes {len(names)} positional arguments ({', '.join(names)}) but "
                f"{len(values)} were given"
            )
        given = dict(zip(names, values, strict=False))
        for name in given.keys() & parameters.keys():
            raise TypeError(f"{info.title}() got multiple values for argument {name!r}")
        self._set(info, given | parameters)

    def _try(self) -> None:
        smallest_net(optimizer=self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={v!r}" for name, v in self.parameters.items())
        return f"{self._info.title}({shown})"


def _make_class(info: RuleInfo) -> type[Optimizer]:
    lines = [
        f"{info.formula}",
        "",
        "Parameters",
        "----------",
        *(f"{name} : float, default {v!r}" for name, v in info.parameters.items()),
    ]
    parameters = [
        Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=v, annotation=float)
        for name, v in info.parameters.items()
    ]
    members = {
        "__slots__": (),
        "__doc__": "\n".join(lines),
        "__module__": "swiftbackprop",
        "__signature__": Signature(parameters),
        "_class_info": info,
    }
    return type(info.title, (Optimizer,), members)


@cache
def _classes() -> Mapping[str, type[Optimizer]]:
    return {info.name: _make_class(info) for info in known(core.OPTIMIZER).values()}


def optimizer_classes() -> dict[str, type[Optimizer]]:
    """Return the classes of all optimizers by the names they have in the package."""
    return {made.__name__: made for made in _classes().values()}


def optimizers() -> list[str]:
    """Return the names of the engine's optimizers.

    Examples
    --------
    >>> import swiftbackprop as sb
    >>> "adam" in sb.optimizers()
    True
    """
    return list(known(core.OPTIMIZER))


def optimizer(name: str, /, **parameters: float) -> Optimizer:
    """Return an optimizer by its name; ``optimizer("adam")`` is ``sb.Adam()``."""
    return _classes()[find(core.OPTIMIZER, name).name](**parameters)


def as_optimizer(value: object) -> Optimizer:
    """Return the recipe that the argument `optimizer` of a network means."""
    if isinstance(value, LiveOptimizer):
        return value.recipe
    if isinstance(value, Optimizer):
        return value
    if isinstance(value, str):
        return optimizer(value)
    if isinstance(value, type) and issubclass(value, Optimizer):
        raise TypeError(f"optimizer must be an instance, got the class: write {value.__name__}()")
    raise TypeError(
        f"optimizer must be a name or an instance such as Adam(0.001), got {got(value)}"
    )


class LiveOptimizer:
    """The optimizer at work in a network.

    Its parameters are attributes, and setting one changes the next step:
    ``net.optimizer.lr = 1e-4``. A copy of it, or what comes out of a pickle, is its `recipe`.

    Attributes
    ----------
    name : str
        The engine's name of the rule.
    recipe : Optimizer
        A recipe with the values of now.
    state : tuple of ndarray, each of shape (P,)
        Live views of the optimizer's arrays, in the order of `Network.parameters`.
    """

    __slots__ = ("_net", "_rule")
    _net: core.Net
    _rule: Optimizer

    def __init__(self, net: core.Net, rule: Optimizer) -> None:
        object.__setattr__(self, "_net", net)
        object.__setattr__(self, "_rule", rule)

    @property
    def name(self) -> str:
        """The engine's name of the rule."""
        return self._rule.name

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters and the values they have now."""
        return {name: getattr(self, name) for name in self._rule.parameters}

    @property
    def recipe(self) -> Optimizer:
        """A recipe with the values of now."""
        return type(self._rule)(**self.parameters)

    @property
    def state(self) -> tuple[FloatArray, ...]:
        """Live views of the optimizer's arrays."""
        count = self._net._slot_count()
        return tuple(self._net._view(core.SLOT, k) for k in range(count))

    def _option(self, name: str) -> int:
        names = self._rule.parameters
        if name not in names:
            raise AttributeError(f"{self._rule.name}: {unknown('parameter', name, names)}")
        return core.OPTION_HYPER + list(names).index(name)

    def __getattr__(self, name: str) -> float:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._net._option(self._option(name))

    def __setattr__(self, name: str, value: float) -> None:
        option = self._option(name)
        number = as_number(value, f"{name} of {self._rule.name}")
        try:
            self._net._set_option(option, number)
        except ValueError as error:
            raise ValueError(f"{error}, got {number!r}") from None

    def __reduce__(self) -> str | tuple[Any, ...]:
        return self.recipe.__reduce__()  # a copy belongs to no network: it is the settings

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._rule.parameters]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, LiveOptimizer):
            return self.recipe == other.recipe
        return self.recipe == other

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.recipe)
