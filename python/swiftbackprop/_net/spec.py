"""What a network is made of: the arguments of `Network`, checked and completed."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.caller import outside
from swiftbackprop._net.checks import as_int, as_number, got
from swiftbackprop._net.initial_weights import InitializerLike, initial_weights
from swiftbackprop._net.names import unknown
from swiftbackprop._net.normalization import Norm, NormLike, as_norms
from swiftbackprop._net.optimizers import LiveOptimizer, Optimizer, as_optimizer
from swiftbackprop._net.rule import known
from swiftbackprop._net.rules import Activation, Initializer, Loss, as_rule

ActivationLike: TypeAlias = str | Activation
LossLike: TypeAlias = str | Loss
OptimizerLike: TypeAlias = str | Optimizer | LiveOptimizer

DTYPES = ("float32", "float64")
# What the factors of products are rounded to, in the order of the engine's numbers for them.
PRECISIONS = ("float32", "bf16x3", "bf16x2", "bfloat16", "auto")
# What a network is where nothing is said.
_LOSS = "squared_error"
_OPTIMIZER = "adam"

_LARGEST_SIZE = 2**31 - 1  # BLAS counts in 32 bits


@dataclass(frozen=True)
class NetworkSpec:
    """Everything but the seed that a network is made of."""

    sizes: tuple[int, ...]
    activations: tuple[Activation, ...]
    loss: Loss
    optimizer: Optimizer
    initializers: tuple[Initializer, ...]
    start: tuple[tuple[FloatArray, FloatArray], ...]  # arrays given; else empty
    dtype: np.dtype[Any]
    l1: float
    l2: float
    clip_norm: float  # 0: none
    norms: tuple[Norm | None, ...] = ()  # of the layers 1..L; empty if none is normalised

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shape (D(m), D(m-1)) of every W(m)."""
        return [(outputs, inputs) for inputs, outputs in pairwise(self.sizes)]

    @property
    def n_parameters(self) -> int:
        """The number P of all parameters."""
        return sum(self.counts)

    @property
    def counts(self) -> list[int]:
        """The number of parameters of every layer."""
        pairs = zip(self.shapes, self.vectors, strict=True)
        return [outputs * (inputs + vectors) for (outputs, inputs), vectors in pairs]

    @property
    def vectors(self) -> list[int]:
        """How many vectors follow every W(m): b, and gamma and beta where there is a norm."""
        return [3 if norm else 1 for norm in self.norms or (None,) * (len(self.sizes) - 1)]

    def norm(self, m: int) -> Norm | None:
        """Return the normalisation of layer m."""
        return self.norms[m - 1] if self.norms else None


def make_spec(
    sizes: Iterable[int],
    activation: ActivationLike | Iterable[ActivationLike],
    output: ActivationLike | None,
    loss: LossLike | None,
    optimizer: OptimizerLike | None,
    dtype: npt.DTypeLike,
    initializer: InitializerLike | None,
    l1: float,
    l2: float,
    clip_norm: float | None,
    norm: NormLike | Iterable[NormLike],
) -> NetworkSpec:
    """Check the arguments of `Network` and fill in what depends on others."""
    widths = as_sizes(sizes)
    hidden = _hidden(activation, len(widths) - 2)
    last, cost = _output_and_loss(output, loss)
    activations = (*hidden, last)
    _check_rows(activations, widths)
    kind = as_dtype(dtype)
    rules, start = initial_weights(initializer, activations, widths, kind)
    return NetworkSpec(
        sizes=widths,
        activations=activations,
        loss=cost,
        optimizer=as_optimizer(_OPTIMIZER if optimizer is None else optimizer),
        initializers=rules,
        start=start,
        dtype=kind,
        l1=as_penalty(l1, "l1"),
        l2=as_penalty(l2, "l2"),
        clip_norm=as_limit(clip_norm, "clip_norm"),
        norms=as_norms(norm, widths),
    )


def as_limit(value: float | None, name: str) -> float:
    """Return the limit of a norm as the engine has it: 0 for none."""
    return 0.0 if value is None else as_number(value, name, above=0, also=" or None")


def as_input_scale(value: float) -> float:
    """Return the factor of integers in X."""
    return as_number(value, "input_scale", above=0, also=", such as 1/255")


def as_dropout(dropout: float | Iterable[float], layers: int) -> tuple[float, ...]:
    """Return the probability to drop a unit for each of the layers 1..L."""
    is_one = isinstance(dropout, np.ndarray) and dropout.ndim == 0
    if is_one or isinstance(dropout, str | bytes) or not isinstance(dropout, Iterable):
        return (*(as_rate(dropout, "dropout"),) * (layers - 1), 0.0)
    rates = [as_rate(rate, f"dropout of layer {m}") for m, rate in enumerate(dropout, start=1)]
    if len(rates) not in (layers - 1, layers):
        raise ValueError(
            f"dropout: expected {layers} numbers, one for each layer, or {layers - 1}, one for "
            f"each hidden layer, got {len(rates)}"
        )
    return (*rates, 0.0)[:layers]


def as_rate(value: Any, what: str) -> float:
    """Return the probability to drop a unit."""
    return as_number(value, what, min_=0, below=1)


def as_sizes(sizes: Iterable[int]) -> tuple[int, ...]:
    """Return D(0), ..., D(L) as ints of at least 1."""
    if isinstance(sizes, str | bytes) or not isinstance(sizes, Iterable):
        raise TypeError(
            "sizes must be a list of the widths of all layers, such as [784, 128, 10], "
            f"got {got(sizes)}"
        )
    widths = tuple(
        as_int(size, f"sizes[{m}], the width D({m}),", min_=1, max_=_LARGEST_SIZE)
        for m, size in enumerate(sizes)
    )
    if len(widths) < 2:
        raise ValueError(
            f"sizes must have at least 2 entries, D(0) inputs and D(L) outputs, got {len(widths)}"
        )
    return widths


def draw_seed() -> int:
    """Return a random seed in 0..2**32-1."""
    return int.from_bytes(os.urandom(4), "little")


def as_seed(seed: int | None) -> int:
    """Return a seed in 0..2**64-1; None draws one."""
    if seed is None:
        return draw_seed()
    return as_int(seed, "seed", min_=0, max_=2**64 - 1, also=" or None")


def as_dtype(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """Return float32 or float64."""
    try:
        found = np.dtype(dtype).newbyteorder("=") if dtype is not None else None
    except (TypeError, ValueError, SyntaxError):
        found = None
    if found is not None and found.name in DTYPES:
        return found
    name = dtype if isinstance(dtype, str) else getattr(found, "name", repr(dtype))
    raise ValueError(unknown("dtype", str(name), DTYPES))


def as_precision(value: str | None, dtype: np.dtype[Any]) -> int:
    """Return the engine's number for what factors of products are rounded to: 0 for nothing."""
    if value is None:
        return 0
    if not isinstance(value, str):
        raise TypeError(
            f"precision must be a str, one of {', '.join(map(repr, PRECISIONS))}, got {got(value)}"
        )
    if dtype == np.float64:
        if value != "float64":
            raise ValueError(
                f"precision={value!r:.40} is for networks of dtype float32: with dtype='float64' "
                "nothing is rounded"
            )
        return 0
    if value not in PRECISIONS:
        raise ValueError(unknown("precision", value, PRECISIONS))
    return PRECISIONS.index(value)


def as_penalty(value: float, name: str) -> float:
    """Return the factor of a penalty."""
    return as_number(value, name, min_=0)


def _hidden(
    activation: ActivationLike | Iterable[ActivationLike], layers: int
) -> tuple[Activation, ...]:
    """Return the activations of layers 1..L-1."""
    if isinstance(activation, str | Activation):
        return (as_rule(Activation, activation, "activation"),) * layers
    if not isinstance(activation, Iterable):
        as_rule(Activation, activation, "activation")  # raises
        return ()
    rules = tuple(as_rule(Activation, rule, "activation") for rule in activation)
    if len(rules) != layers:
        raise ValueError(
            f"activation: expected {layers}, one for each hidden layer, got {len(rules)}; that of "
            "the last layer is the argument output"
        )
    return rules


def _output_and_loss(
    output: ActivationLike | None, loss: LossLike | None
) -> tuple[Activation, Loss]:
    """Return both; each picks the other by the engine's partners."""
    last = None if output is None else as_rule(Activation, output, "output")
    if loss is not None:
        cost = as_rule(Loss, loss, "loss")
    else:
        partners = [
            info.name
            for info in known(core.LOSS).values()
            if last is not None and info.canonical_output == last.name
        ]
        standard = _LOSS in partners or not partners
        cost = Loss(_LOSS if standard else partners[0])
    return last or Activation(cost.partner), cost


def _check_rows(activations: tuple[Activation, ...], sizes: tuple[int, ...]) -> None:
    """Refuse softmax over a single unit, which is 1 whatever z is."""
    for m, rule in enumerate(activations, start=1):
        if rule.flags & core.RULE_ROWS and sizes[m] == 1:
            raise ValueError(
                f"{rule.name} on layer {m}, which has one unit, is always 1: for two "
                "classes and one unit take output='sigmoid' with "
                "loss='binary_cross_entropy'"
            )


def warn_of_clipping(spec: NetworkSpec) -> None:
    """Warn of a logarithm that is clipped because a(L) may lie outside its domain.

    The losses of classes need outputs in [0, 1], poisson needs them above 0.
    """
    loss, output = spec.loss, spec.activations[-1]
    if loss.flags & core.RULE_CLASSES:
        fits = output.flags & core.RULE_PROBABILITY
    else:
        fits = (
            output.flags & (core.RULE_POSITIVE | core.RULE_PROBABILITY)
            and not output.flags & core.RULE_KINK  # 0 over a whole range, as relu
        )
    if loss.flags & core.RULE_CLIPS and not fits and loss.partner != output.name:
        warnings.warn(
            f"{loss.name} on {output.name} clips a(L) to where its logarithm is "
            f"finite and has no gradient beyond; output={loss.partner!r} fits it",
            stacklevel=outside(),
        )
