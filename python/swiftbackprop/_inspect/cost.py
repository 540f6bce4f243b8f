"""C of a network in float64, as differences need it: small values exact, its rounding known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from swiftbackprop._engine.loader import core
from swiftbackprop._net.arrays import FloatArray
from swiftbackprop._net.custom import is_custom
from swiftbackprop._net.labels import as_rows
from swiftbackprop._net.layer import pre_activation

if TYPE_CHECKING:
    from swiftbackprop._net.base import NetworkBase


_EPSILON = float(np.finfo(np.float64).eps)

# The terms of Cₙ from z(L) and t: each is as exact as z.
Terms: TypeAlias = Callable[[FloatArray, FloatArray], list[FloatArray]]


def _softplus(z: FloatArray) -> FloatArray:
    """ln(1 + exp(z)), exact where it is small."""
    return np.asarray(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))))


def _cross_entropy(z: FloatArray, t: FloatArray) -> list[FloatArray]:
    """-t ln softmax(z): of the largest z without 1 - (1 - x), so that x keeps its digits."""
    top = z.argmax(axis=1)[:, None]
    below = z - np.take_along_axis(z, top, axis=1)
    others = np.exp(below)
    np.put_along_axis(others, top, 0.0, axis=1)
    return [t * (np.log1p(others.sum(axis=1, keepdims=True)) - below)]


def _binary_cross_entropy(z: FloatArray, t: FloatArray) -> list[FloatArray]:
    """-t ln σ(z) - (1 - t) ln(1 - σ(z))."""
    return [t * _softplus(-z), (1 - t) * _softplus(z)]


def _poisson(z: FloatArray, t: FloatArray) -> list[FloatArray]:
    """exp(z) - t z."""
    return [np.exp(z), -t * z]


# The losses with a logarithm, on their partners.
_FROM_Z: dict[str, Terms] = {
    "binary_cross_entropy": _binary_cross_entropy,
    "cross_entropy": _cross_entropy,
    "poisson": _poisson,
}


class Cost:
    """C of a network on given data, and the sides of all kinks, as its numbers change.

    Attributes
    ----------
    noise : float
        The rounding error of C: its own, and that of every z and a.
    carried : float
        The relative rounding error of the gradients, which begin as a small difference of
        a and t and carry the rounding of a with them.
    sides_known : bool
        Whether `sides` tells all kinks that there are, which it does not of functions of
        the user's own.
    """

    def __init__(
        self, net: NetworkBase, X: FloatArray, y: npt.ArrayLike, weights: FloatArray | None
    ) -> None:
        self._net, self._X, self._y, self._weights = net, X, y, weights
        rules, loss = net._spec.activations, net.loss
        self._L = len(rules)
        self._kinked = [m for m, rule in enumerate(rules, 1) if rule.flags & core.RULE_KINK]
        self._fused = loss._fuses_with(rules[-1])
        kinked = loss.flags & (core.RULE_KINK | core.RULE_CLIPS)
        self._loss_kinked = bool(kinked and not self._fused)
        net.forward(X)
        self._at_first = net.backward(y, sample_weight=weights)
        self._t = as_rows(net, y)
        share = np.ones(len(X)) if weights is None else np.ravel(weights).astype(np.float64)
        self._share = (share / share.sum())[:, None]
        self.sides_known = not is_custom(net._spec)
        self._in_parts = False
        self._seen: dict[tuple[int, int], FloatArray] = {}
        self.noise, self.carried = self._rounding()

    def begin(self) -> None:
        """Prepare for `of`; the network's gradients are lost.

        In a pass in parts the engine's memory stays where it is, and layers below a change
        are not computed again: what is left in Python does not grow with the depth.
        """
        self._in_parts = self.sides_known and not self._net._spec.norms
        if self._in_parts:
            self._net.forward(self._X)
            for quantity in (core.Z, core.A):
                for m in range(1, self._L + 1):
                    self._seen[quantity, m] = self._net._view(quantity, m)

    def _view(self, quantity: int, m: int) -> FloatArray:
        """Return z(m) or a(m) of the last forward."""
        seen = self._seen.get((quantity, m))
        return self._net._view(quantity, m) if seen is None else seen

    def _terms(self) -> list[FloatArray] | None:
        """Return the terms of Cₙ, (N, D(L)) each; None if only the engine knows them."""
        if not self.sides_known:
            return None
        from_z = _FROM_Z.get(self._net.loss.name) if self._fused else None
        if from_z is not None and self._net._spec.norm(self._L) is None:
            return from_z(self._view(core.Z, self._L), self._t)
        return [self._net.loss(self._view(core.A, self._L), self._t)]

    def now(self, first: int = 1) -> float:
        """Run forward from layer `first`, below which nothing has changed; return C."""
        if self._in_parts:
            self._net._forward_from(first)
        else:
            self._net.forward(self._X)
        terms = self._terms()
        if terms is None:
            return self._net.backward(self._y, sample_weight=self._weights)
        return float(sum(np.sum(self._share * term) for term in terms))

    def sides(self, first: int = 1) -> bytes:
        """Return on which side of every kink from layer `first` on the last forward was."""
        z: list[Any] = [self._taken_in(m) for m in self._kinked if m >= first]
        parts = [(np.frombuffer(b"".join(z)) > 0).tobytes()] if z else []
        if self._loss_kinked:
            a, t, loss = self._view(core.A, self._L), self._t, self._net.loss
            # ∂ℓ/∂a jumps or bends only where one of the two changes: the sign where ℓ is
            # straight, and whether it is.
            straight = loss.second_derivative(a, t) == 0
            sign = np.where(straight, np.sign(loss.derivative(a, t)), 2)
            parts.append(sign.astype(np.int8).tobytes())
        return b"".join(parts)

    def _taken_in(self, m: int) -> FloatArray:
        """Return what σ of layer m took in."""
        z = self._seen.get((core.Z, m))
        return pre_activation(self._net.layer(m)) if z is None else z

    def _rounding(self) -> tuple[float, float]:
        size, terms = abs(self._at_first), self._terms()
        if terms is not None:
            size = sum(float(np.sum(np.abs(self._share * term))) for term in terms)
        before, last = np.abs(self._X), len(self._net.layers)
        z = before
        for layer in self._net.layers:
            z = before @ np.abs(layer.W).T + np.abs(layer.b)
            before = np.abs(layer.a)
            size += float(np.sum(np.abs(layer.grad_z) * z))
            if layer.norm:
                size += float(np.abs(layer.grad_gamma * layer.gamma).sum())
                size += float(np.abs(layer.grad_beta * layer.beta).sum())
            if layer.m < last or not self._fused:  # else C comes from z
                size += float(np.sum(np.abs(layer.grad_a) * before))
        return 2 * _EPSILON * size, self._carried(z)

    def _carried(self, z: FloatArray) -> float:
        """Return the rounding of ∂C/∂a(L), or of grad_z(L) where partners make that."""
        last, loss = self._net.layers[-1], self._net.loss
        if not self.sides_known:
            return 0.0
        a = np.abs(last.a)
        rows = last.activation.flags & core.RULE_ROWS
        slope = a if rows else np.abs(last.activation.derivative(pre_activation(last)))
        bend = 1.0 if self._fused else np.abs(loss.second_derivative(last.a, self._t))
        apart = self._share * bend * (a + slope * z)
        size = float(np.linalg.norm(last.grad_z if self._fused else last.grad_a))
        return 2 * _EPSILON * float(np.linalg.norm(apart)) / size if size else 0.0

    def of(
        self, m: int, array: FloatArray, index: tuple[int, ...], value: float
    ) -> tuple[float, bytes]:
        """Return C and the sides with one number changed: of W(m) or b(m), or of X (m = 0).

        To be asked for from the last layer to the first.
        """
        kept, first = array[index], max(m, 1)
        array[index] = value
        try:
            return self.now(first), self.sides(first)
        finally:
            array[index] = kept
