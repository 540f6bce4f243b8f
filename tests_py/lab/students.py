"""Backward passes that students write, and what check_backward says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import swiftbackprop as sb
from helpers import quiet_network
from swiftbackprop.lab import BackwardReport, check_backward

N = 7
Array = np.ndarray


class Student:
    """A backward pass in NumPy, right unless a formula is replaced.

    Each replacement is (layer, function); the function takes what the method does.
    """

    def __init__(self, returned: str = "a z W b", **replaced: tuple[int, Callable[..., Any]]):
        self.returned, self.replaced = returned.split(), replaced

    def __call__(self, net: sb.Network, X: Array, y: Any) -> dict[str, list[Any]]:
        L, layers = len(net.layers), net.layers
        t = np.asarray(y, float).reshape(len(X), -1)
        result: dict[str, list[Any]] = {f"grad_{name}": [None] * L for name in self.returned}
        grad_a = self.of("output", L, layers[-1].a, t, net)
        for m in range(L, 0, -1):
            a, z, rule = layers[m - 1].a, layers[m - 1].z, layers[m - 1].activation
            grad_z = self.of("z", m, grad_a, z, a, rule)
            found = {"a": grad_a, "z": grad_z}
            found["W"] = self.of("W", m, grad_z, net.layer(m - 1).a, net)
            found["b"] = self.of("b", m, grad_z)
            for name in found.keys() & self.returned:
                result[f"grad_{name}"][m - 1] = found[name]
            grad_a = self.of("a", m - 1, grad_z, layers[m - 1].W)
        if "a0" in self.returned:
            del result["grad_a0"]
            result["grad_a"] = [grad_a, *result.get("grad_a", [None] * L)]
        return result

    def of(self, step: str, m: int, *arguments: Any) -> Any:
        layer, function = self.replaced.get(step, (None, None))
        if layer == m and function is not None:
            return function(*arguments)
        return getattr(self, f"right_{step}")(*arguments)

    @staticmethod
    def right_output(a: Array, t: Array, net: sb.Network) -> Array:
        return net.loss.derivative(a, t) / len(a)

    @staticmethod
    def right_z(grad_a: Array, z: Array, a: Array, rule: sb.Activation) -> Array:
        if rule.name == "softmax":
            return np.asarray(a * (grad_a - np.sum(a * grad_a, axis=1, keepdims=True)))
        return np.asarray(grad_a * rule.derivative(z))

    @staticmethod
    def right_W(grad_z: Array, a: Array, net: sb.Network) -> Array:
        return np.asarray(grad_z.T @ a)

    @staticmethod
    def right_b(grad_z: Array) -> Array:
        return np.asarray(grad_z.sum(axis=0))

    @staticmethod
    def right_a(grad_z: Array, W: Array) -> Array:
        return grad_z @ W


SIZES = [3, 5, 5, 2]
SOFTMAX = {"output": "softmax", "loss": "cross_entropy"}


def network(sizes: list[int] | None = None, **options: Any) -> sb.Network:
    options = {"activation": "tanh", "output": "sigmoid", "loss": "squared_error"} | options
    net = quiet_network(sizes or SIZES, seed=4, **options)
    for layer in net.layers:
        layer.b = np.linspace(-0.5, 0.4, len(layer.b))
    return net  # type: ignore[no-any-return]


def data(sizes: list[int], rows: int = N) -> tuple[Array, Array]:
    rng = np.random.default_rng(11)
    return rng.normal(size=(rows, sizes[0])), rng.dirichlet(np.ones(sizes[-1]), rows)


def run(
    student: Any, net: sb.Network | None = None, rows: int = N, **options: Any
) -> BackwardReport:
    """Check a student who returns what it pleases; what must be there is tested apart."""
    net = net or network()
    options = {"quantities": ()} | options
    return check_backward(student, net, *data(list(net.sizes), rows), **options)


def verdicts(report: BackwardReport) -> dict[str, str]:
    return {f.name: f.verdict for f in report.findings if f.verdict != "right"}
