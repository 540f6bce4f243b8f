"""What the engine's rules have in common: a name, a formula and parameters.

Their names, parameters, defaults and flags are asked of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, NamedTuple, NoReturn, Self

from swiftbackprop._engine.loader import core
from swiftbackprop._net.checks import as_number, got
from swiftbackprop._net.names import translated, unknown

KINDS = {
    core.ACTIVATION: "activation",
    core.LOSS: "loss",
    core.OPTIMIZER: "optimizer",
    core.INITIALIZER: "initializer",
}


class RuleInfo(NamedTuple):
    """What the engine tells of a rule."""

    name: str
    title: str
    formula: str
    canonical_output: str  # of a loss: its default output activation; else ""
    default_initializer: str  # of an activation; else ""
    flags: int
    parameters: Mapping[str, float]  # name -> default, in the engine's order


@cache
def known(kind: int) -> dict[str, RuleInfo]:
    """Return the engine's rules of a kind, by name, in its order."""
    return {
        name: RuleInfo(name, title, formula, output, initializer, flags, dict(parameters))
        for name, title, formula, output, initializer, flags, parameters in core.rules(kind)
    }


def find(kind: int, name: str) -> RuleInfo:
    """Return a rule of the engine by its name; an error lists those there are."""
    word = KINDS[kind]
    if not isinstance(name, str):
        raise TypeError(f"{word} must be a str, got {got(name)}")
    rules = known(kind)
    if name not in rules:
        raise ValueError(unknown(word, name, rules))
    return rules[name]


class Rule:
    """A formula of the engine and its parameters; it never changes.

    The parameters are attributes. Two rules are equal if name and parameters are.
    """

    __slots__ = ("_info", "_values")
    _kind: ClassVar[int]
    _info: RuleInfo
    _values: tuple[float, ...]

    def __init__(self, name: str, /, **parameters: float) -> None:
        self._set(find(self._kind, name), parameters)

    def _set(self, info: RuleInfo, given: Mapping[str, float]) -> None:
        """Fill this rule; the engine says whether the values are allowed."""
        for name in given:
            if name not in info.parameters:
                sentence = unknown("parameter", name, info.parameters)
                raise TypeError(
                    f"{info.title if self._kind == core.OPTIMIZER else info.name}() got an "
                    f"unexpected keyword argument{sentence.removeprefix('unknown parameter')}"
                    f"{self._having(name, info)}"
                )
        values = {
            name: as_number(given.get(name, default), f"{name} of {info.name}")
            for name, default in info.parameters.items()
        }
        object.__setattr__(self, "_info", info)
        object.__setattr__(self, "_values", tuple(values.values()))
        if given:
            try:
                self._try()
            except ValueError as error:
                raise ValueError(f"{error}, got {self!r}") from None

    def _having(self, name: str, info: RuleInfo) -> str:
        """Return which other rules have a parameter that this one has not, as a half sentence."""
        name = translated("parameter", name)
        others = [rule for rule in known(self._kind).values() if name in rule.parameters]
        if name in info.parameters or not others:
            return ""
        shown = [
            f"sb.{rule.title}({name}=...)"
            if self._kind == core.OPTIMIZER
            else f'sb.{KINDS[self._kind]}("{rule.name}", {name}=...)'
            for rule in others
        ]
        return f"; {' and '.join(shown)} {'has' if len(others) == 1 else 'have'} it"

    def _try(self) -> None:
        """Use the rule once, so that the engine looks at its parameters."""
        raise NotImplementedError

    @property
    def name(self) -> str:
        """The engine's name of the rule."""
        return self._info.name

    @property
    def formula(self) -> str:
        """The formula, in one line."""
        return self._info.formula

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters and their values."""
        return dict(zip(self._info.parameters, self._values, strict=True))

    @property
    def defaults(self) -> dict[str, float]:
        """The parameters and the engine's defaults."""
        return dict(self._info.parameters)

    @property
    def flags(self) -> int:
        """What the engine says about the rule, as its ``RULE_...`` bits."""
        return self._info.flags

    @property
    def partner(self) -> str:
        """A loss' output activation, or an activation's initializer."""
        return self._info.canonical_output or self._info.default_initializer

    def _as_engine_rule(self) -> tuple[str, tuple[float, ...]]:
        return self._info.name, self._values

    def __getattr__(self, name: str) -> float:
        if not name.startswith("_") and name in self._info.parameters:
            return self.parameters[name]
        raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{self!r} does not change: make another one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{self!r} does not change: make another one")

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._info.parameters]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rule):
            return NotImplemented
        return (self._kind, self._as_engine_rule()) == (
            other._kind,
            other._as_engine_rule(),
        )

    def __hash__(self) -> int:
        return hash((self._kind, self._as_engine_rule()))

    def __repr__(self) -> str:
        shown = [repr(self.name), *(f"{k}={v!r}" for k, v in self.parameters.items())]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "parameters": self.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._set(find(self._kind, state["name"]), state["parameters"])


def smallest_net(*, optimizer: Rule | None = None, initializer: Rule | None = None) -> core.Net:
    """Return a net of one weight: to have the engine look at a rule, or to use its generator."""

    def chosen(kind: int, rule: Rule | None = None) -> tuple[str, tuple[float, ...] | None]:
        return rule._as_engine_rule() if rule else (next(iter(known(kind))), None)

    start, loss = chosen(core.INITIALIZER, initializer), chosen(core.LOSS)
    step = chosen(core.OPTIMIZER, optimizer)
    net = core.Net()
    net._create((1, 1), "float64", [chosen(core.ACTIVATION)], [start], loss, step, 0.0, 0.0, 0.0, 0)
    return net
