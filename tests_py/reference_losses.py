"""Losses in NumPy, elementwise: C of one output, its derivative, its second derivative.

The logarithmic losses move a into [ε, 1 − ε] (poisson: just above ε) first, ε the machine
epsilon of a's type, and have derivative 0 where a had to be moved. |.|'(0) = 0.

Nothing in this file knows the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from reference_activations import Array, softplus

LossFunction = Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Loss:
    """One output's cost against one target; the example's cost is their sum."""

    name: str
    value: LossFunction
    derivative: LossFunction
    second_derivative: LossFunction


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


def loss(name: str, *, delta: float = 1.0) -> Loss:
    """The loss of that name; `delta` is huber's."""
    rules = {
        "squared_error": Loss(
            name,
            lambda a, t: (a - t) ** 2 / 2,
            lambda a, t: a - t,
            lambda a, t: np.ones_like(a),
        ),
        "absolute_error": Loss(
            name,
            lambda a, t: np.abs(a - t),
            _absolute_derivative,
            lambda a, t: np.zeros_like(a),
        ),
        "huber": Loss(
            name,
            partial(_huber, delta=delta),
            partial(_huber_derivative, delta=delta),
            partial(_huber_second_derivative, delta=delta),
        ),
        "binary_cross_entropy": Loss(name, _binary, _binary_derivative, _binary_second_derivative),
        "cross_entropy": Loss(
            name,
            _cross_entropy,
            _cross_entropy_derivative,
            _cross_entropy_second_derivative,
        ),
        "poisson": Loss(name, _poisson, _poisson_derivative, _poisson_second_derivative),
    }
    return rules[name]


LOSSES = (
    "squared_error",
    "absolute_error",
    "huber",
    "binary_cross_entropy",
    "cross_entropy",
    "poisson",
)


# --- Partners: an output and a loss with grad_z = a − t and the loss taken from z ----


def _logsumexp(z: Array) -> Array:
    top = np.max(z, axis=-1, keepdims=True)
    return np.asarray(top + np.log(np.sum(np.exp(z - top), axis=-1, keepdims=True)))


PARTNERS: dict[tuple[str, str], LossFunction] = {
    ("softmax", "cross_entropy"): lambda z, t: t * (_logsumexp(z) - z),
    ("sigmoid", "binary_cross_entropy"): lambda z, t: softplus(z) - t * z,
    ("exp", "poisson"): lambda z, t: np.exp(z) - t * z,
}
