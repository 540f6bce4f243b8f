"""Step by step backpropagation from a network's own quantities."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.base import NetworkBase
from swiftbackprop._net.labels import as_rows, encode
from swiftbackprop._net.rules import Activation


class Formulas:
    """The quantities of a network after forward and backward, in float64, and the formulas.

    Lists are indexed by the layer's number m; W[0], z[0] and so on are empty.
    """

    def __init__(self, net: NetworkBase, X: FloatArray, y: npt.ArrayLike) -> None:
        if net._spec.norms:
            raise ValueError(
                "the formulas that are compared here are those without normalisation: make the "
                "network without norm, or compare with gradcheck"
            )
        net.forward(X)
        net.backward(y)
        none = np.empty(0)
        layers = list(net.layers)
        self.L, self.N, self.sizes = len(layers), len(X), net.sizes
        self.rules = net._spec.activations
        self.loss = net.loss
        self.t = as_rows(net, y)
        array = encode(net, y, "y")
        # Class numbers, where the rows of t are one-hot.
        self.classes = array.astype(np.float64) if array.shape != self.t.shape else None
        self.W = [none, *(layer.W.copy() for layer in layers)]
        self.b = [none, *(layer.b.copy() for layer in layers)]
        self.z = [none, *(layer.z.copy() for layer in layers)]
        self.a = [X.copy(), *(layer.a.copy() for layer in layers)]
        self.truth: dict[tuple[str, int], FloatArray] = {}
        for layer in layers:
            for name in ("grad_W", "grad_b", "grad_z", "grad_a"):
                self.truth[name, layer.m] = getattr(layer, name).copy()
        self.truth["grad_a", 0] = net.layer(0).grad_a.copy()

    def rule(self, m: int) -> Activation:
        """Return σ of layer m."""
        return self.rules[m - 1]

    def acts_on_rows(self, m: int) -> bool:
        """Whether σ of layer m is not elementwise."""
        return bool(self.rule(m).flags & core.RULE_ROWS)

    def grad_a(self, m: int, grad_z: FloatArray) -> FloatArray:
        """grad_a(m) = grad_z(m+1) W(m+1): [N, D(m+1)] [D(m+1), D(m)]."""
        return np.asarray(grad_z @ self.W[m + 1])

    def grad_z(self, m: int, grad_a: FloatArray) -> FloatArray:
        """grad_z(m) = grad_a(m) ⊙ σ′(z(m)), for softmax Jᵀ grad_a(m): [N, D(m)]."""
        a = self.a[m]
        if self.acts_on_rows(m):
            return np.asarray(a * (grad_a - np.sum(grad_a * a, axis=1, keepdims=True)))
        return np.asarray(grad_a * self.rule(m).derivative(self.z[m]))

    def grad_W(self, m: int, grad_z: FloatArray) -> FloatArray:
        """grad_W(m) = grad_z(m)ᵀ a(m-1): [D(m), N] [N, D(m-1)]."""
        return np.asarray(grad_z.T @ self.a[m - 1])

    def grad_b(self, m: int, grad_z: FloatArray) -> FloatArray:
        """grad_b(m) = the sum of grad_z(m) over its rows: [D(m)]."""
        return np.asarray(grad_z.sum(axis=0))
