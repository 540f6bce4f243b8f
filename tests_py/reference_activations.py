"""Activations in NumPy: the formula, its derivative, its second derivative.

Everything here is elementwise except softmax. Values, derivatives and second
derivatives stand side by side so that they can be read next to the slides, and with them
what the tests have to know of a rule: one entry of ACTIVATIONS is all. The
conventions at the kinks are those of docs/meaning.md: relu'(0) = 0,
leaky_relu'(0) = slope, elu'(0) = alpha, every second derivative 0 there.

Nothing in this file knows the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
Function = Callable[[Array], Array]

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


# --- Activations -----------------------------------------------------------------


@dataclass(frozen=True)
class Activation:
    """a = value(z), with its derivatives, and what no formula tells."""

    value: Function
    derivative: Function
    second_derivative: Function
    # σ(−∞) and σ(∞), and σ' there; where σ has no limit it follows σ'(±∞)·z.
    limits: tuple[float, float]
    slopes: tuple[float, float]
    # Between which z the outputs lie between 0.1 and 0.9.
    inside: tuple[float, float]
    # Where σ' or σ'' jumps: no differences there.
    kinks: tuple[float, ...] = ()
    # How many ulp of a an ulp of an inner argument is worth, and one.
    condition: Function = np.ones_like
    name: str = ""

    @property
    def is_steep(self) -> bool:
        """Whether it grows without a bound on its slope, as exp."""
        return math.isinf(max(self.slopes))

    def pull_back(self, z: Array, grad_a: Array) -> Array:
        """grad_z = Jᵀ grad_a. Elementwise rules: the Hadamard product of the slides."""
        return grad_a * self.derivative(z)


class Softmax(Activation):
    """a_i = exp(z_i) / Σ_k exp(z_k), the one rule that is not elementwise."""

    def pull_back(self, z: Array, grad_a: Array) -> Array:
        """J = diag(a) − a aᵀ is symmetric: Jᵀ g = a ⊙ (g − Σ_k a_k g_k)."""
        a = self.value(z)
        return a * (grad_a - np.sum(a * grad_a, axis=-1, keepdims=True))


def sigmoid(z: Array) -> Array:
    """1 / (1 + exp(−z)), written so that neither branch overflows."""
    e = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, e) / (1 + e)


def _sigmoid_derivative(z: Array) -> Array:
    e = np.exp(-np.abs(z))  # σ' is even: e / (1 + e)², without 1 − σ
    return e / (1 + e) ** 2


def _sigmoid_second_derivative(z: Array) -> Array:
    return _sigmoid_derivative(z) * -np.tanh(z / 2)  # 1 − 2σ(z) = −tanh(z / 2)


def _tanh_derivative(z: Array) -> Array:
    return 4 * _sigmoid_derivative(2 * z)  # 1 − tanh², without cancellation


def _tanh_second_derivative(z: Array) -> Array:
    return -2 * np.tanh(z) * _tanh_derivative(z)


def softplus(z: Array) -> Array:
    """ln(1 + exp(z))."""
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _elu(z: Array, alpha: float) -> Array:
    return np.where(z > 0, z, alpha * np.expm1(np.minimum(z, 0)))


def _elu_derivative(z: Array, alpha: float) -> Array:
    return np.where(z > 0, 1, alpha * np.exp(np.minimum(z, 0)))


def _elu_second_derivative(z: Array, alpha: float) -> Array:
    return np.where(z < 0, alpha * np.exp(np.minimum(z, 0)), 0)


def normal_cdf(z: Array) -> Array:
    """Φ(z) = ½ erfc(−z / √2), accurate in the negative tail."""
    return np.asarray(_erfc(-z / math.sqrt(2)) / 2, dtype=z.dtype)


def normal_pdf(z: Array) -> Array:
    """φ(z) = exp(−z² / 2) / √(2π)."""
    return np.exp(-z * z / 2) / math.sqrt(2 * math.pi)


def _gelu_tanh_inner(z: Array) -> tuple[Array, Array, Array]:
    """2u and its derivatives, u = √(2/π) (z + 0.044715 z³); ½(1 + tanh u) = σ(2u)."""
    k, c = 2 * math.sqrt(2 / math.pi), 0.044715
    return k * (z + c * z**3), k * (1 + 3 * c * z * z), k * 6 * c * z


def _gelu_tanh(z: Array) -> Array:
    v, _, _ = _gelu_tanh_inner(z)
    return z * sigmoid(v)


def _gelu_tanh_derivative(z: Array) -> Array:
    v, dv, _ = _gelu_tanh_inner(z)
    return sigmoid(v) + z * _sigmoid_derivative(v) * dv


def _gelu_tanh_second_derivative(z: Array) -> Array:
    v, dv, ddv = _gelu_tanh_inner(z)
    s1, s2 = _sigmoid_derivative(v), _sigmoid_second_derivative(v)
    return 2 * s1 * dv + z * (s2 * dv * dv + s1 * ddv)


def softmax(z: Array) -> Array:
    """exp(z_i) / Σ_k exp(z_k) along the last axis."""
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _gelu_tanh_condition(z: Array) -> Array:
    """z·s(v): for negative z a rounding of v is one of eᵛ, |v| times as large."""
    v, _, _ = _gelu_tanh_inner(np.clip(z, -64, 0))
    return 1 + np.abs(v)


def _not_elementwise(z: Array) -> Array:
    raise NotImplementedError("softmax has a Jacobian, not an elementwise derivative")


INFINITY = math.inf

# Every activation, made from its parameters.
ACTIVATIONS: dict[str, Callable[..., Activation]] = {
    "identity": lambda: Activation(
        np.copy,
        np.ones_like,
        np.zeros_like,
        limits=(-INFINITY, INFINITY),
        slopes=(1.0, 1.0),
        inside=(0.2, 0.8),
    ),
    "sigmoid": lambda: Activation(
        sigmoid,
        _sigmoid_derivative,
        _sigmoid_second_derivative,
        limits=(0.0, 1.0),
        slopes=(0.0, 0.0),
        inside=(-1.5, 1.5),
    ),
    "tanh": lambda: Activation(
        np.tanh,
        _tanh_derivative,
        _tanh_second_derivative,
        limits=(-1.0, 1.0),
        slopes=(0.0, 0.0),
        inside=(0.2, 1.2),
    ),
    "relu": lambda: Activation(
        lambda z: np.maximum(z, 0),
        lambda z: np.where(z > 0, np.ones_like(z), 0),
        np.zeros_like,
        limits=(0.0, INFINITY),
        slopes=(0.0, 1.0),
        inside=(0.2, 0.8),
        kinks=(0.0,),
    ),
    "leaky_relu": lambda slope=0.01: Activation(
        lambda z: np.where(z > 0, z, slope * z),
        lambda z: np.where(z > 0, np.ones_like(z), z.dtype.type(slope)),
        np.zeros_like,
        limits=(-INFINITY, INFINITY),
        slopes=(slope, 1.0),
        inside=(0.2, 0.8),
        kinks=(0.0,),
    ),
    "elu": lambda alpha=1.0: Activation(
        partial(_elu, alpha=alpha),
        partial(_elu_derivative, alpha=alpha),
        partial(_elu_second_derivative, alpha=alpha),
        limits=(-alpha, INFINITY),
        slopes=(0.0, 1.0),
        inside=(0.2, 0.8),
        kinks=(0.0,),
    ),
    "gelu": lambda: Activation(
        lambda z: z * normal_cdf(z),
        lambda z: normal_cdf(z) + z * normal_pdf(z),
        lambda z: normal_pdf(z) * (2 - z * z),
        limits=(0.0, INFINITY),
        slopes=(0.0, 1.0),
        inside=(0.3, 0.9),
    ),
    "gelu_tanh": lambda: Activation(
        _gelu_tanh,
        _gelu_tanh_derivative,
        _gelu_tanh_second_derivative,
        limits=(0.0, INFINITY),
        slopes=(0.0, 1.0),
        inside=(0.3, 0.9),
        condition=_gelu_tanh_condition,
    ),
    "silu": lambda: Activation(
        lambda z: z * sigmoid(z),
        lambda z: sigmoid(z) + z * _sigmoid_derivative(z),
        lambda z: 2 * _sigmoid_derivative(z) + z * _sigmoid_second_derivative(z),
        limits=(0.0, INFINITY),
        slopes=(0.0, 1.0),
        inside=(0.4, 1.1),
    ),
    "softplus": lambda: Activation(
        softplus,
        sigmoid,
        _sigmoid_derivative,
        limits=(0.0, INFINITY),
        slopes=(0.0, 1.0),
        inside=(-1.5, 0.2),
    ),
    "exp": lambda: Activation(
        np.exp,
        np.exp,
        np.exp,
        limits=(0.0, INFINITY),
        slopes=(0.0, INFINITY),
        inside=(-1.8, -0.2),
    ),
    "softmax": lambda: Softmax(
        softmax,
        _not_elementwise,
        _not_elementwise,
        limits=(0.0, 1.0),
        slopes=(0.0, 0.0),
        inside=(-1.0, 1.0),
    ),
}


def activation(name: str, **parameters: float) -> Activation:
    """The activation of that name; `slope` is leaky_relu's, `alpha` is elu's."""
    return replace(ACTIVATIONS[name](**parameters), name=name)
