"""Losses in NumPy, elementwise: C of one output, its derivative, its second derivative.

One entry of LOSSES is all that the tests know of a loss. The logarithmic losses move a into
[ε, 1 − ε] (poisson: just above ε) first, ε the machine epsilon of a's type, and have
derivative 0 where a had to be moved. |.|'(0) = 0.

Nothing in this file knows the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from reference_activations import Array, softplus

LossFunction = Callable[[Array, Array], Array]
Targets = Callable[[np.random.Generator, int, int], Array]


def _real(rng: np.random.Generator, rows: int, outputs: int) -> Array:
    return rng.normal(size=(rows, outputs))


def _probabilities(rng: np.random.Generator, rows: int, outputs: int) -> Array:
    return rng.uniform(0.1, 0.9, (rows, outputs))


def _distributions(rng: np.random.Generator, rows: int, outputs: int) -> Array:
    return rng.dirichlet(np.full(outputs, 2.0), size=rows)


def _counts(rng: np.random.Generator, rows: int, outputs: int) -> Array:
    return rng.integers(0, 5, (rows, outputs)).astype(np.float64)


@dataclass(frozen=True)
class Loss:
    """One output's cost against one target; the example's cost is their sum."""

    value: LossFunction
    derivative: LossFunction
    second_derivative: LossFunction
    # The output that suits it, and the cost from that one's z, if their grad_z is a − t.
    output: str = "identity"
    fused: LossFunction | None = None
    # Targets that it accepts, away from the ends of their range: [rows, outputs].
    targets: Targets = _real
    # At which |a − t| a derivative jumps: no differences there.
    kinks: tuple[float, ...] = ()
    name: str = ""


def _clipped(a: Array, *, above: bool = True) -> tuple[Array, Array]:
    """a moved into [ε, 1 − ε] (or just above ε), and where it did not have to be."""
    epsilon = np.finfo(a.dtype).eps
    limited = np.clip(a, epsilon, 1 - epsilon if above else None)
    return limited, np.asarray(limited == a)


def _absolute_derivative(a: Array, t: Array) -> Array:
    return np.sign(a - t)


def _huber(a: Array, t: Array, delta: float) -> Array:
    r = np.abs(a - t)
    return np.where(r <= delta, r * r / 2, delta * (r - delta / 2))


def _huber_derivative(a: Array, t: Array, delta: float) -> Array:
    return np.clip(a - t, -delta, delta)


def _huber_second_derivative(a: Array, t: Array, delta: float) -> Array:
    return (np.abs(a - t) < delta).astype(a.dtype)


def _binary(a: Array, t: Array) -> Array:
    a, _ = _clipped(a)
    return -t * np.log(a) - (1 - t) * np.log1p(-a)


def _binary_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a)
    return np.where(inside, (a - t) / (a * (1 - a)), 0)


def _binary_second_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a)
    return np.where(inside, t / (a * a) + (1 - t) / (1 - a) ** 2, 0)


def _cross_entropy(a: Array, t: Array) -> Array:
    a, _ = _clipped(a)
    return -t * np.log(a)


def _cross_entropy_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a)
    return np.where(inside, -t / a, 0)


def _cross_entropy_second_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a)
    return np.where(inside, t / (a * a), 0)


def _poisson(a: Array, t: Array) -> Array:
    a, _ = _clipped(a, above=False)
    return a - t * np.log(a)


def _poisson_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a, above=False)
    return np.where(inside, 1 - t / a, 0)


def _poisson_second_derivative(a: Array, t: Array) -> Array:
    a, inside = _clipped(a, above=False)
    return np.where(inside, t / (a * a), 0)


def _logsumexp(z: Array) -> Array:
    top = np.max(z, axis=-1, keepdims=True)
    return np.asarray(top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True)))


# Every loss, made from its parameters.
LOSSES: dict[str, Callable[..., Loss]] = {
    "squared_error": lambda: Loss(
        lambda a, t: (a - t) ** 2 / 2,
        lambda a, t: a - t,
        lambda a, t: np.ones_like(a),
    ),
    "absolute_error": lambda: Loss(
        lambda a, t: np.abs(a - t),
        _absolute_derivative,
        lambda a, t: np.zeros_like(a),
        kinks=(0.0,),
    ),
    "huber": lambda delta=1.0: Loss(
        partial(_huber, delta=delta),
        partial(_huber_derivative, delta=delta),
        partial(_huber_second_derivative, delta=delta),
        kinks=(delta,),
    ),
    "binary_cross_entropy": lambda: Loss(
        _binary,
        _binary_derivative,
        _binary_second_derivative,
        output="sigmoid",
        fused=lambda z, t: softplus(z) - t * z,
        targets=_probabilities,
    ),
    "cross_entropy": lambda: Loss(
        _cross_entropy,
        _cross_entropy_derivative,
        _cross_entropy_second_derivative,
        output="softmax",
        fused=lambda z, t: t * (_logsumexp(z) - z),
        targets=_distributions,
    ),
    "poisson": lambda: Loss(
        _poisson,
        _poisson_derivative,
        _poisson_second_derivative,
        output="exp",
        fused=lambda z, t: np.exp(z) - t * z,
        targets=_counts,
    ),
}


def loss(name: str, **parameters: float) -> Loss:
    """The loss of that name; `delta` is huber's."""
    return replace(LOSSES[name](**parameters), name=name)


# (output, loss): the cost from z, of those whose grad_z is a − t.
PARTNERS: dict[tuple[str, str], LossFunction] = {
    (made.output, name): made.fused
    for name, made in ((name, loss(name)) for name in LOSSES)
    if made.fused
}
