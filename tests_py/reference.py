"""The NumPy reference: the lectures' forward and backward pass, and docs/meaning.md's step.

Layers are numbered m = 1..L. A batch is N rows; the slides' column vectors are the
rows' transposes. Names are the slides': W b z a, and grad_x for the gradient of the
cost C with respect to x. C is the weighted mean of the examples' costs, so row n of
grad_z and grad_a carries w_n / Σw. This is the truth the engine is held to: clear
first, and written without looking at the engine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import reference_optimizers as optimizers
from reference_activations import ACTIVATIONS, Activation, Array, activation
from reference_losses import LOSSES, PARTNERS, Loss, loss

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "LOSSES",
    "PARTNERS",
    "Array",
    "Initializer",
    "Layer",
    "Network",
    "Norm",
    "activation",
    "initializer_bound",
    "initializer_std",
    "loss",
    "one_hot",
    "optimizers",
]


@dataclass
class Norm:
    """The normalisation of a layer: γ ⊙ (x − μ)/√(v + ε) + β.

    "layer": μ and v of every row over its units. "batch": of every unit over the rows, in
    training; in evaluation the running ones.
    """

    kind: str
    after: bool  # σ first
    eps: float
    gamma: Array  # [D(m)]
    beta: Array
    momentum: float = 0.0
    mean: Array | None = None  # running
    var: Array | None = None

    def forward(self, x: Array, training: bool) -> Array:
        axis, rows = (1, None) if self.kind == "layer" else (0, len(x))
        self.moves = self.kind == "layer" or training
        if self.moves:
            mu, v = x.mean(axis=axis, keepdims=True), x.var(axis=axis, keepdims=True)
        else:
            mu, v = self.mean, self.var
        if rows and training:
            self.mean = (1 - self.momentum) * self.mean + self.momentum * mu[0]
            self.var = (1 - self.momentum) * self.var + self.momentum * v[0] * rows / (rows - 1)
        self.axis, self.root = axis, np.sqrt(v + np.asarray(self.eps, x.dtype))
        self.unit = (x - mu) / self.root
        return np.asarray(self.gamma * self.unit + self.beta)

    def backward(self, g: Array) -> tuple[Array, Array, Array]:
        """grad_x, grad_γ and grad_β from g, the gradient by what `forward` gave."""
        h = g * self.gamma
        grad_x = h
        if self.moves:
            level = h.mean(axis=self.axis, keepdims=True)
            slope = (h * self.unit).mean(axis=self.axis, keepdims=True)
            grad_x = h - level - self.unit * slope
        return grad_x / self.root, (g * self.unit).sum(axis=0), g.sum(axis=0)


@dataclass
class Layer:
    """Layer m: its parameters and everything one forward and backward pass leaves."""

    m: int
    sigma: Activation
    W: Array  # [D(m), D(m-1)]
    b: Array  # [D(m)]
    z: Array  # [N, D(m)], like a, grad_z and grad_a
    a: Array
    grad_W: Array
    grad_b: Array
    grad_z: Array
    grad_a: Array
    norm: Norm | None = None
    u: Array | None = None  # what stands between normalisation and σ: [N, D(m)]
    grad_gamma: Array | None = None
    grad_beta: Array | None = None

    def activate(self, training: bool) -> None:
        """a from z."""
        if self.norm is None:
            self.a = self.sigma.value(self.z)
        elif self.norm.after:
            self.u = self.sigma.value(self.z)
            self.a = self.norm.forward(self.u, training)
        else:
            self.u = self.norm.forward(self.z, training)
            self.a = self.sigma.value(self.u)

    def pull_back(self, given: Array | None = None) -> None:
        """grad_z from grad_a, or from the gradient by what σ takes in, where it is given."""
        if self.norm is None:
            self.grad_z = self.sigma.pull_back(self.z, self.grad_a) if given is None else given
        elif self.norm.after:
            g, self.grad_gamma, self.grad_beta = self.norm.backward(self.grad_a)
            self.grad_z = self.sigma.pull_back(self.z, g)
        else:
            g = self.sigma.pull_back(self.u, self.grad_a) if given is None else given
            self.grad_z, self.grad_gamma, self.grad_beta = self.norm.backward(g)


def one_hot(y: npt.ArrayLike, classes: int, dtype: npt.DTypeLike) -> Array:
    """Row n is 1 at y[n] and 0 elsewhere: [N] → [N, classes]."""
    return np.eye(classes, dtype=dtype)[np.asarray(y)]


class Network:
    """A fully connected network of any depth, as the slides write it."""

    def __init__(
        self,
        parameters: list[tuple[Array, Array]],
        activations: list[str | Activation],
        cost: str | Loss,
        *,
        optimizer: optimizers.Optimizer | None = None,
        l1: float = 0.0,
        l2: float = 0.0,
        clip_norm: float | None = None,
        norms: list[Norm | None] | None = None,
    ) -> None:
        empty = np.empty(0)
        self.layers: list[Layer] = []
        for m, ((W, b), sigma) in enumerate(zip(parameters, activations, strict=True)):
            rule = activation(sigma) if isinstance(sigma, str) else sigma
            zero_W, zero_b = np.zeros_like(W), np.zeros_like(b)
            self.layers.append(
                Layer(m + 1, rule, W.copy(), b.copy(), empty, empty, zero_W, zero_b,
                      empty, empty)
            )  # fmt: skip
        for layer, norm in zip(self.layers, norms or [None] * len(self.layers), strict=True):
            layer.norm = norm
        self.loss: Loss = loss(cost) if isinstance(cost, str) else cost
        self.optimizer = optimizer or optimizers.Adam()
        self.l1, self.l2, self.clip_norm = l1, l2, clip_norm
        self.X: Array = empty
        self.grad_X: Array = empty

    # --- The lectures ------------------------------------------------------------

    def forward(self, X: Array, training: bool = False) -> Array:
        """z(m) = W(m) a(m-1) + b(m), a(m) = σ(m)(z(m)), for every row at once."""
        self.X = X
        a = X
        for layer in self.layers:
            layer.z = a @ layer.W.T + layer.b
            layer.activate(training)
            a = layer.a
        return a

    def cost_per_example(self, t: Array) -> Array:
        """C_n, the sum over the outputs of row n; from z where the pair is fused."""
        last = self.layers[-1]
        fused = PARTNERS.get((last.sigma.name, self.loss.name)) if self._are_partners else None
        each = (
            fused(last.z if last.norm is None else last.u, t)
            if fused
            else self.loss.value(last.a, t)
        )
        return np.asarray(np.sum(each, axis=1))

    def backward(
        self,
        t: Array,
        sample_weight: Array | None = None,
        *,
        accumulate: bool = False,
    ) -> float:
        """Every gradient of C = Σ w_n C_n / Σ w_n, and C itself.

        grad_z(L) = grad_a(L) ⊙ σ'(z(L)); then, for each layer below,
        grad_a(m) = W(m+1)ᵀ grad_z(m+1) and grad_z(m) = grad_a(m) ⊙ σ'(z(m));
        grad_W(m) = grad_z(m) a(m-1)ᵀ and grad_b(m) = grad_z(m), summed over rows.
        """
        last = self.layers[-1]
        t = t.reshape(last.a.shape)
        share = self._row_shares(sample_weight, last.a)

        last.grad_a = share * self.loss.derivative(last.a, t)
        last.pull_back(share * (last.a - t) if self._are_partners else None)
        for below, layer in zip(self.layers[-2::-1], self.layers[:0:-1], strict=True):
            below.grad_a = layer.grad_z @ layer.W
            below.pull_back()
        self.grad_X = self.layers[0].grad_z @ self.layers[0].W

        a_below = self.X
        for layer in self.layers:
            grad_W, grad_b = layer.grad_z.T @ a_below, layer.grad_z.sum(axis=0)
            layer.grad_W = layer.grad_W + grad_W if accumulate else grad_W
            layer.grad_b = layer.grad_b + grad_b if accumulate else grad_b
            a_below = layer.a
        return float(np.sum(share[:, 0] * self.cost_per_example(t)))

    @property
    def _are_partners(self) -> bool:
        """Whether σ of the output and the loss are, with nothing in between."""
        last = self.layers[-1]
        alone = last.norm is None or not last.norm.after
        return alone and (last.sigma.name, self.loss.name) in PARTNERS

    def _row_shares(self, sample_weight: Array | None, like: Array) -> Array:
        """w_n / Σw as a column; all zero when the weights are."""
        rows = len(like)
        w = np.ones(rows, like.dtype) if sample_weight is None else sample_weight
        total = np.sum(w)
        share = w / total if total > 0 else np.zeros(rows)
        return np.asarray(share, dtype=like.dtype)[:, np.newaxis]

    # --- docs/meaning.md's step ----------------------------------------------------------

    def step(self) -> None:
        """Clip, add the penalties' gradients, update, decay, in this order."""
        gradients = [(layer.grad_W, layer.grad_b) for layer in self.layers]
        if self.clip_norm is not None:
            norm = math.sqrt(sum(float(np.sum(g * g)) for p in gradients for g in p))
            scale = min(1.0, self.clip_norm / norm) if norm > 0 else 1.0
            gradients = [(scale * gW, scale * gb) for gW, gb in gradients]

        self.optimizer.t += 1
        for layer, (grad_W, grad_b) in zip(self.layers, gradients, strict=True):
            grad_W = grad_W + self.l2 * layer.W + self.l1 * np.sign(layer.W)
            decay = self.optimizer.lr * self.optimizer.weight_decay * layer.W
            layer.W = layer.W - self.optimizer.update((layer.m, "W"), grad_W) - decay
            layer.b = layer.b - self.optimizer.update((layer.m, "b"), grad_b)

    def penalty(self) -> float:
        """½ l2 Σ‖W‖² + l1 Σ|W|: what the objective adds to C."""
        squares = sum(float(np.sum(layer.W**2)) for layer in self.layers)
        sizes = sum(float(np.sum(np.abs(layer.W))) for layer in self.layers)
        return self.l2 * squares / 2 + self.l1 * sizes

    # --- Flat vectors --------------------------------------------------------------

    @property
    def parameters(self) -> Array:
        """W(1)ᵀ in C order, b(1), W(2)ᵀ, b(2), ... without padding."""
        more = [(x.norm.gamma, x.norm.beta) if x.norm else () for x in self.layers]
        return _flat(
            [(layer.W, layer.b, *rest) for layer, rest in zip(self.layers, more, strict=True)]
        )

    @property
    def gradients(self) -> Array:
        """The gradients in the order of `parameters`."""
        more = [(x.grad_gamma, x.grad_beta) if x.norm else () for x in self.layers]
        pairs = zip(self.layers, more, strict=True)
        return _flat([(layer.grad_W, layer.grad_b, *rest) for layer, rest in pairs])


def _flat(layers: list[tuple[Array, ...]]) -> Array:
    return np.concatenate([part for W, *rest in layers for part in (W.T.ravel(), *rest)])


# --- Initialisers ------------------------------------------------------------------


@dataclass(frozen=True)
class Initializer:
    """The variance of W, and whether it is uniform; the others are normal."""

    variance: Callable[[int, int], float]
    is_uniform: bool


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": Initializer(lambda fan_in, fan_out: 2 / (fan_in + fan_out), True),
    "glorot_normal": Initializer(lambda fan_in, fan_out: 2 / (fan_in + fan_out), False),
    "he_uniform": Initializer(lambda fan_in, fan_out: 2 / fan_in, True),
    "he_normal": Initializer(lambda fan_in, fan_out: 2 / fan_in, False),
    "lecun_uniform": Initializer(lambda fan_in, fan_out: 1 / fan_in, True),
    "lecun_normal": Initializer(lambda fan_in, fan_out: 1 / fan_in, False),
    "zeros": Initializer(lambda fan_in, fan_out: 0.0, True),
}


def initializer_std(name: str, fan_in: int, fan_out: int) -> float:
    """Standard deviation, of uniform and normal alike."""
    return math.sqrt(INITIALIZERS[name].variance(fan_in, fan_out))


def initializer_bound(name: str, fan_in: int, fan_out: int) -> float:
    """r of the uniform forms on (−r, r): √3 standard deviations."""
    return math.sqrt(3) * initializer_std(name, fan_in, fan_out)
