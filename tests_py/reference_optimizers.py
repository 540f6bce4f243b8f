"""The optimizers of docs/meaning.md in NumPy, in PyTorch's forms.

Each rule turns one gradient array into the amount to subtract from its parameter and
keeps its own state for every parameter, found by a key.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]


@dataclass
class Optimizer:
    """SGD: W ← W − lr g."""

    lr: float = 0.01
    weight_decay: float = 0.0
    state: dict[tuple[object, str], Array] = field(default_factory=dict)
    t: int = 0

    def slot(self, key: object, name: str, like: Array) -> Array:
        """The state called `name` of the parameter `key`, zero at first."""
        return self.state.setdefault((key, name), np.zeros_like(like))

    def update(self, key: object, g: Array) -> Array:
        """What to subtract from the parameter `key`, whose gradient is g."""
        return self.lr * g


SGD = Optimizer


@dataclass
class Momentum(Optimizer):
    """v ← μ v + g, W ← W − lr v."""

    momentum: float = 0.9

    def update(self, key: object, g: Array) -> Array:
        v = self.slot(key, "v", g)
        v[...] = self.momentum * v + g
        return self.lr * v


@dataclass
class Nesterov(Momentum):
    """v ← μ v + g, W ← W − lr (g + μ v)."""

    def update(self, key: object, g: Array) -> Array:
        v = self.slot(key, "v", g)
        v[...] = self.momentum * v + g
        return self.lr * (g + self.momentum * v)


@dataclass
class RMSprop(Optimizer):
    """s ← ρ s + (1 − ρ) g², W ← W − lr g / (√s + ε)."""

    lr: float = 1e-3
    rho: float = 0.9
    epsilon: float = 1e-8

    def update(self, key: object, g: Array) -> Array:
        s = self.slot(key, "s", g)
        s[...] = self.rho * s + (1 - self.rho) * g * g
        return self.lr * g / (np.sqrt(s) + self.epsilon)


@dataclass
class Adagrad(Optimizer):
    """s ← s + g², W ← W − lr g / (√s + ε)."""

    epsilon: float = 1e-10

    def update(self, key: object, g: Array) -> Array:
        s = self.slot(key, "s", g)
        s += g * g
        return self.lr * g / (np.sqrt(s) + self.epsilon)


@dataclass
class Adam(Optimizer):
    """Kingma and Ba (2015), Algorithm 1: ε is added after the bias correction."""

    lr: float = 1e-3
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def update(self, key: object, g: Array) -> Array:
        m, v = self.slot(key, "m", g), self.slot(key, "v", g)
        m[...] = self.beta_1 * m + (1 - self.beta_1) * g
        v[...] = self.beta_2 * v + (1 - self.beta_2) * g * g
        m_hat = m / (1 - self.beta_1**self.t)
        v_hat = v / (1 - self.beta_2**self.t)
        return self.lr * m_hat / (np.sqrt(v_hat) + self.epsilon)


@dataclass
class AdamW(Adam):
    """Adam with decoupled decay: W ← W − lr λ W, taken on W before the update."""

    weight_decay: float = 0.01


@dataclass
class AdamHat(Adam):
    """Adam with ε̂ added to √v before the correction: the end of the paper's section 2."""

    def update(self, key: object, g: Array) -> Array:
        m, v = self.slot(key, "m", g), self.slot(key, "v", g)
        m[...] = self.beta_1 * m + (1 - self.beta_1) * g
        v[...] = self.beta_2 * v + (1 - self.beta_2) * g * g
        lr = self.lr * (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)
        return lr * m / (np.sqrt(v) + self.epsilon)


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "SGD": SGD,
    "Momentum": Momentum,
    "Nesterov": Nesterov,
    "RMSprop": RMSprop,
    "Adagrad": Adagrad,
    "Adam": Adam,
    "AdamW": AdamW,
    "AdamHat": AdamHat,
}


def make(name: str, **hyperparameters: float) -> Optimizer:
    """The optimizer of that name (the class name in swiftbackprop)."""
    rule = OPTIMIZERS[name]()
    for key, value in hyperparameters.items():
        if not hasattr(rule, key):
            raise TypeError(f"{name} has no {key}")
        setattr(rule, key, value)
    return rule
