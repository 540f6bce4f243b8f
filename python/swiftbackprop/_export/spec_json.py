"""What a network is made of, as JSON: written from a spec, and read from what may be anything."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any, TypeVar

from swiftbackprop._export.json_checks import check, entries, optional, take
from swiftbackprop._net.checks import short
from swiftbackprop._net.names import unknown
from swiftbackprop._net.normalization import BatchNorm, LayerNorm, Norm
from swiftbackprop._net.optimizers import optimizer as make_optimizer
from swiftbackprop._net.rule import Rule
from swiftbackprop._net.rules import Activation, Initializer, Loss
from swiftbackprop._net.spec import DTYPES, NetworkSpec, as_seed, make_spec

_STATE_WORDS = 4
_LONGEST_NAME = 100

R = TypeVar("R", bound=Rule)


def describe(spec: NetworkSpec, seed: int) -> dict[str, Any]:
    """Return a spec as JSON has it."""

    def described(rule: Rule) -> dict[str, Any]:
        return {"name": rule.name, "parameters": rule.parameters}

    def normalised(norm: Norm | None) -> dict[str, Any] | None:
        if not isinstance(norm, BatchNorm | LayerNorm):
            return None
        return {"name": norm.name, **asdict(norm)}

    norms = {"norms": [normalised(norm) for norm in spec.norms]} if spec.norms else {}
    return {
        "sizes": list(spec.sizes),
        "activations": [described(rule) for rule in spec.activations],
        "loss": described(spec.loss),
        "optimizer": described(spec.optimizer),
        "initializers": [described(rule) for rule in spec.initializers],
        **norms,
        "dtype": spec.dtype.name,
        "l1": spec.l1,
        "l2": spec.l2,
        "clip_norm": spec.clip_norm or None,
        "seed": str(seed),  # as text: not every reader of JSON has integers of 64 bits
    }


def read_spec(data: dict[str, Any]) -> tuple[NetworkSpec, int]:
    """Return the spec and the seed that a description gives."""
    dtype = take(data, "dtype", "a str")
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {short(dtype)}")
    activations = [_rule(Activation, each) for each in entries(data, "activations", "a dict")]
    if not activations:
        raise ValueError("activations must not be empty")
    optimizer = take(data, "optimizer", "a dict")
    spec = make_spec(
        sizes=entries(data, "sizes", "an int"),
        activation=activations[:-1],
        output=activations[-1],
        loss=_rule(Loss, take(data, "loss", "a dict")),
        optimizer=make_optimizer(_name(optimizer), **numbers(optimizer, "parameters")),
        dtype=dtype,
        initializer=[_rule(Initializer, each) for each in entries(data, "initializers", "a dict")],
        l1=take(data, "l1", "a number"),
        l2=take(data, "l2", "a number"),
        clip_norm=optional(data, "clip_norm", "a number"),
        norm=[_norm(each) for each in entries(data, "norms", "a dict or null")]
        if "norms" in data
        else None,
    )
    seed = take(data, "seed", "a str")
    if not (seed.isascii() and seed.isdecimal() and len(seed) <= 20):
        raise ValueError(f"seed must be the digits of an int >= 0, got {short(seed)}")
    return spec, as_seed(int(seed))


def _rule(kind: type[R], data: dict[str, Any]) -> R:
    return kind(_name(data), **numbers(data, "parameters"))


def _norm(data: dict[str, Any] | None) -> Norm | None:
    """Return the normalisation of a layer."""
    if data is None:
        return None
    kinds: dict[str, type[BatchNorm | LayerNorm]] = {"batch": BatchNorm, "layer": LayerNorm}
    name = _name(data)
    if name not in kinds:
        raise ValueError(unknown("norm", name, kinds))
    after = take(data, "after", "true or false")
    names = [field.name for field in fields(kinds[name]) if field.name != "after"]
    numbers = {each: take(data, each, "a number") for each in names}
    if data:
        raise ValueError(f"unknown fields of {name} norm: {short(data)}")
    return kinds[name](after=after, **numbers)


def _name(data: dict[str, Any]) -> str:
    name: str = take(data, "name", "a str")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"name must have at most {_LONGEST_NAME} characters, got {short(name)}")
    return name


def numbers(data: dict[str, Any], name: str) -> dict[str, float]:
    """Take an object of numbers out."""
    values: dict[str, float] = take(data, name, "a dict")
    for each, value in values.items():
        if len(each) > _LONGEST_NAME:
            raise ValueError(
                f"name must have at most {_LONGEST_NAME} characters, got {short(each)}"
            )
        check(value, each, "a number")
        float(value)  # an int may be larger than any
    return values


def read_generator(data: dict[str, Any]) -> tuple[int, int, int, int] | None:
    """Return the generator's state, if it is there: four words of 16 hexadecimal digits."""
    if "generator" not in data:
        return None
    words = entries(data, "generator", "a str")
    digits = set("0123456789abcdef")
    if len(words) != _STATE_WORDS or any(len(w) != 16 or set(w) - digits for w in words):
        raise ValueError(
            f"generator must be four words of 16 hexadecimal digits, got {short(words)}"
        )
    s0, s1, s2, s3 = (int(word, 16) for word in words)
    return s0, s1, s2, s3
